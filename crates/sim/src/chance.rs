//! Chance that is the same in every run with the same seed.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A source of numbers. Each part of the world draws from its own, named one, so
/// that one more draw in one part does not move the others.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The chance of that name under a seed.
    pub fn of(seed: u64, name: &str) -> Self {
        Self(xxh3_64_with_seed(name.as_bytes(), seed))
    }

    /// A number below a bound, which is not 0 (the SplitMix64 generator).
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    /// An index below a length, which is not 0.
    pub fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// True in so many of a hundred.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these, which are not none.
    pub fn pick<T: Clone>(&mut self, these: &[T]) -> T {
        these[self.index(these.len())].clone()
    }

    /// From least to most, in milliseconds.
    pub fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.below(most - least + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_name_tell_all_numbers() {
        let draw = |seed, name| {
            let mut chance = Chance::of(seed, name);
            (0..8).map(|_| chance.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(draw(1, "pushes"), draw(1, "pushes"));
        assert_ne!(draw(1, "pushes"), draw(2, "pushes"));
        assert_ne!(draw(1, "pushes"), draw(1, "lists"));
    }
}
