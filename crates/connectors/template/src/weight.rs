//! Weights as whole numbers. At Nacos a weight is any number from 0 to 10,000;
//! nginx takes whole numbers from 1, HAProxy from 0 to 256.

/// nginx adds the weights of an upstream up in C integers.
const LARGEST_NGINX: f64 = 65_535.0;

/// What HAProxy takes at most.
const LARGEST_HAPROXY: f64 = 256.0;

/// What HAProxy recommends as the weight of a server among equals: from 10 to
/// 100, so that there is room in both directions.
const USUAL_HAPROXY: f64 = 100.0;

/// The weights of a service's instances for nginx, in their order: hundredths,
/// made as small as their ratios allow. 0 stays 0, for which nginx has `down`.
pub(crate) fn for_nginx(weights: &[f64]) -> Vec<u32> {
    let largest = weights.iter().copied().fold(0.0, f64::max);
    let scale = 100.0_f64.min(LARGEST_NGINX / largest.max(1.0));
    let whole: Vec<u32> = weights
        .iter()
        .map(|weight| at_least_one(*weight, scale))
        .collect();
    let common = whole
        .iter()
        .copied()
        .fold(0, greatest_common_divisor)
        .max(1);
    whole.into_iter().map(|weight| weight / common).collect()
}

/// The weights of a service's instances for HAProxy, in their order: 100 for a
/// weight of 1, and less where the largest would be more than 256.
pub(crate) fn for_haproxy(weights: &[f64]) -> Vec<u32> {
    let largest = weights.iter().copied().fold(0.0, f64::max);
    let scale = match largest > 0.0 {
        true => USUAL_HAPROXY.min(LARGEST_HAPROXY / largest),
        false => USUAL_HAPROXY,
    };
    weights
        .iter()
        .map(|weight| at_least_one(*weight, scale))
        .collect()
}

/// Never 0 for a weight that is not: that would take the instance out.
fn at_least_one(weight: f64, scale: f64) -> u32 {
    if weight <= 0.0 {
        return 0;
    }
    // In range: weights are at most 10,000 and scales make at most 65,535 of them.
    (weight * scale).round().max(1.0) as u32
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    match b {
        0 => a,
        _ => greatest_common_divisor(b, a % b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_kept_as_far_as_whole_numbers_can() {
        for (weights, nginx, haproxy) in [
            (vec![1.0, 1.0], vec![1, 1], vec![100, 100]),
            (vec![1.0, 5.0], vec![1, 5], vec![51, 256]),
            (vec![0.5, 1.5], vec![1, 3], vec![50, 150]),
            (vec![0.01, 1.0], vec![1, 100], vec![1, 100]),
            (vec![0.0, 2.0], vec![0, 1], vec![0, 200]),
            (vec![0.0, 0.0], vec![0, 0], vec![0, 0]),
            (vec![10_000.0, 0.01], vec![65_535, 1], vec![256, 1]),
            (vec![], vec![], vec![]),
        ] {
            assert_eq!(for_nginx(&weights), nginx, "{weights:?}");
            assert_eq!(for_haproxy(&weights), haproxy, "{weights:?}");
        }
    }
}
