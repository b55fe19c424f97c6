//! A short history of counts.

use std::time::Duration;

use crate::time::Moment;

/// A count and when it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    /// When.
    pub at: Moment,
    /// How many.
    pub count: u32,
}

/// Samples of the last minutes, the oldest first, bounded in number. Where
/// there are too many, neighbours become one in the way that lets the guard
/// see rather too much loss than too little.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Samples(Vec<Sample>);

impl Samples {
    /// Enough for a change every five seconds in five minutes.
    pub(super) const CAPACITY: usize = 64;

    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// The samples, the oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Sample> {
        self.0.iter().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The moment of the oldest sample.
    pub(super) fn oldest(&self) -> Option<Moment> {
        self.0.first().map(|sample| sample.at)
    }

    /// Drops what is older than the window.
    pub(super) fn expire(&mut self, now: Moment, within: Duration) {
        self.0.retain(|sample| now.since(sample.at) <= within);
    }

    pub(super) fn sum(&self) -> u64 {
        self.0.iter().map(|sample| u64::from(sample.count)).sum()
    }

    /// The largest count in the window.
    pub(super) fn peak(&self, now: Moment, within: Duration) -> u32 {
        let recent = self.0.iter().filter(|s| now.since(s.at) <= within);
        recent.map(|sample| sample.count).max().unwrap_or(0)
    }

    /// Remembers a count that was in force until now. Smaller ones before it
    /// will not be asked for again.
    pub(super) fn push_peak(&mut self, sample: Sample) {
        while self.0.last().is_some_and(|last| last.count <= sample.count) {
            self.0.pop();
        }
        match self.last_of_full() {
            // The larger count is taken to have been in force until now.
            Some(last) => last.at = sample.at,
            None => self.0.push(sample),
        }
    }

    /// Lowers all counts.
    pub(super) fn lower(&mut self, by: u32) {
        for sample in &mut self.0 {
            sample.count = sample.count.saturating_sub(by);
        }
    }

    /// Adds a loss, which counts for the window's length from now on.
    pub(super) fn push_loss(&mut self, sample: Sample) {
        match self.last_of_full() {
            Some(last) => {
                last.at = sample.at;
                last.count = last.count.saturating_add(sample.count);
            }
            None => self.0.push(sample),
        }
    }

    /// Adds a gain, which makes up for losses for the window's length.
    pub(super) fn push_gain(&mut self, sample: Sample) {
        match self.last_of_full() {
            Some(last) => last.count = last.count.saturating_add(sample.count),
            None => self.0.push(sample),
        }
    }

    /// The newest sample, if there is no room for another.
    fn last_of_full(&mut self) -> Option<&mut Sample> {
        if self.0.len() < Self::CAPACITY {
            return None;
        }
        self.0.last_mut()
    }

    /// Takes away from the oldest on; gives what is left to take.
    pub(super) fn take(&mut self, mut count: u32) -> u32 {
        self.0.retain_mut(|sample| {
            let taken = sample.count.min(count);
            count -= taken;
            sample.count -= taken;
            sample.count > 0
        });
        count
    }

    /// The same history on another clock: what was at `then` is at `now`.
    pub(super) fn rebase(&mut self, then: Moment, now: Moment) {
        for sample in &mut self.0 {
            sample.at = rebased(sample.at, then, now);
        }
    }
}

/// The moment that is as long before `now` as `moment` was before `then`.
pub(super) fn rebased(moment: Moment, then: Moment, now: Moment) -> Moment {
    Moment::after_origin(now.since_origin().saturating_sub(then.since(moment)))
}

/// Restores what [`Samples::iter`] gave.
impl FromIterator<Sample> for Samples {
    fn from_iter<I: IntoIterator<Item = Sample>>(samples: I) -> Self {
        let mut samples: Vec<Sample> = samples.into_iter().collect();
        samples.sort_by_key(|sample| sample.at);
        let surplus = samples.len().saturating_sub(Self::CAPACITY);
        samples.drain(..surplus);
        Self(samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::after_origin(Duration::from_secs(seconds))
    }

    fn sample(seconds: u64, count: u32) -> Sample {
        let at = at(seconds);
        Sample { at, count }
    }

    #[test]
    fn a_peak_lasts_for_the_window_and_no_longer() {
        let mut samples = Samples::new();
        for (second, count) in [(0, 10), (5, 8), (6, 9), (7, 2)] {
            samples.push_peak(sample(second, count));
        }
        assert_eq!(samples.iter().count(), 3, "8 was before 9");
        let within = Duration::from_secs(60);
        assert_eq!(samples.peak(at(60), within), 10);
        let just_after = at(60) + Duration::from_nanos(1);
        assert_eq!(samples.peak(just_after, within), 9);
        assert_eq!(samples.peak(at(1000), within), 0);
        samples.expire(at(66), within);
        assert_eq!(samples.oldest(), Some(at(6)));
    }

    #[test]
    fn what_is_taken_comes_from_the_oldest() {
        let mut samples = Samples::new();
        samples.push_loss(sample(0, 3));
        samples.push_loss(sample(1, 4));
        assert_eq!(samples.take(5), 0);
        assert_eq!(samples.iter().collect::<Vec<_>>(), [sample(1, 2)]);
        assert_eq!(samples.take(5), 3);
        assert!(samples.is_empty());
    }

    #[test]
    fn the_number_of_samples_is_bounded_and_nothing_is_forgotten() {
        let many = 10 * Samples::CAPACITY as u64;
        let (mut peaks, mut losses, mut gains) = (Samples::new(), Samples::new(), Samples::new());
        for second in 0..many {
            peaks.push_peak(sample(second, 10_000 - second as u32));
            losses.push_loss(sample(second, 1));
            gains.push_gain(sample(second, 1));
        }
        for samples in [&peaks, &losses, &gains] {
            assert_eq!(samples.iter().count(), Samples::CAPACITY);
        }
        assert_eq!((losses.sum(), gains.sum()), (many, many));
        let within = Duration::from_secs(1);
        assert!(peaks.peak(at(many), within) > 10_000 - many as u32);
        losses.expire(at(many), within);
        gains.expire(at(many), within);
        assert!(losses.sum() > 1, "too much rather than too little");
        assert_eq!(gains.sum(), 0, "too little rather than too much");
    }

    #[test]
    fn a_history_moves_to_another_clock() {
        let mut samples: Samples = [sample(95, 2), sample(90, 1)].into_iter().collect();
        samples.rebase(at(100), at(1000));
        assert_eq!(
            samples.iter().collect::<Vec<_>>(),
            [sample(990, 1), sample(995, 2)]
        );
        samples.rebase(at(1000), at(1));
        assert_eq!(samples.oldest(), Some(at(0)), "no earlier than the origin");
    }
}
