//! Delays: least, median, 99th percentile.

use std::time::Duration;

/// Delays in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Delays(Vec<Duration>);

impl FromIterator<Duration> for Delays {
    fn from_iter<I: IntoIterator<Item = Duration>>(delays: I) -> Self {
        let mut delays: Vec<Duration> = delays.into_iter().collect();
        delays.sort_unstable();
        Self(delays)
    }
}

impl Delays {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The least.
    pub(crate) fn min(&self) -> Option<Duration> {
        self.0.first().copied()
    }

    /// The one in the middle.
    pub(crate) fn median(&self) -> Option<Duration> {
        self.rank(50)
    }

    /// The one that 99 of 100 do not exceed.
    pub(crate) fn p99(&self) -> Option<Duration> {
        self.rank(99)
    }

    /// The greatest.
    pub(crate) fn max(&self) -> Option<Duration> {
        self.0.last().copied()
    }

    /// The nearest rank: a delay that was measured, never one between two.
    fn rank(&self, percent: usize) -> Option<Duration> {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(milliseconds: impl IntoIterator<Item = u64>) -> Delays {
        milliseconds
            .into_iter()
            .map(Duration::from_millis)
            .collect()
    }

    #[test]
    fn ranks_are_measured_values() {
        let hundred = delays((1..=100).rev());
        let ms = |n| Some(Duration::from_millis(n));
        assert_eq!((hundred.min(), hundred.max()), (ms(1), ms(100)));
        assert_eq!((hundred.median(), hundred.p99()), (ms(50), ms(99)));
        assert_eq!(delays([7]).p99(), ms(7));
        assert_eq!(delays([]).median(), None);
    }
}
