//! What has to be done later though nothing happens until then.

use std::collections::{BTreeMap, BTreeSet};

use syncline_model::{EndpointName, LinkName, Moment, ServiceKey};

/// Something to do later; each is set at most once.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Timer {
    /// List a registry again.
    List(EndpointName),
    /// Read a service again.
    Read(EndpointName, ServiceKey),
    /// Look once more at what the guard holds.
    Confirm(LinkName, ServiceKey),
    /// A link's source has been silent for as long as the link bears.
    SourceLost(LinkName),
    /// Plan a service again: a wait of it ends.
    Plan(LinkName, ServiceKey),
    /// Watch a registry, whatever is still being written.
    Watch(EndpointName),
    /// Targets have had their time to answer for the first time.
    Unreached,
    /// Removals of a link that waited for their turn may go.
    Removals(LinkName),
    /// Services of a link that failed and waited for their turn may be tried.
    Retries(LinkName),
    /// Plan again after a standstill.
    GoOn,
    /// Replicas have had their time to say their first word.
    FirstWord,
}

/// All timers, the next one first.
#[derive(Debug, Default)]
pub(super) struct Timers {
    by_moment: BTreeSet<(Moment, Timer)>,
    by_timer: BTreeMap<Timer, Moment>,
}

impl Timers {
    /// Sets a timer; an earlier setting of the same timer is kept.
    pub(super) fn set(&mut self, timer: Timer, moment: Moment) {
        match self.by_timer.get(&timer) {
            Some(set) if *set <= moment => return,
            Some(_) => self.clear(&timer),
            None => {}
        }
        self.by_moment.insert((moment, timer.clone()));
        self.by_timer.insert(timer, moment);
    }

    /// Takes a timer back.
    pub(super) fn clear(&mut self, timer: &Timer) {
        if let Some((timer, moment)) = self.by_timer.remove_entry(timer) {
            self.by_moment.remove(&(moment, timer));
        }
    }

    /// The next moment at which a timer is due.
    pub(super) fn next(&self) -> Option<Moment> {
        self.by_moment.first().map(|(moment, _)| *moment)
    }

    /// Takes out a timer that is due.
    pub(super) fn due(&mut self, now: Moment) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        let (_, timer) = self.by_moment.pop_first()?;
        self.by_timer.remove(&timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_earlier_setting_of_a_timer_stands() {
        let at = |seconds| Moment::after_origin(Duration::from_secs(seconds));
        let timer = || Timer::List("nacos".into());
        let mut timers = Timers::default();
        timers.set(timer(), at(5));
        timers.set(timer(), at(9));
        assert_eq!(timers.next(), Some(at(5)));
        timers.set(timer(), at(3));
        assert_eq!(timers.due(at(2)), None);
        assert_eq!(timers.due(at(3)), Some(timer()));
        assert_eq!(timers.next(), None);
    }
}
