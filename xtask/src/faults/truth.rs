//! What is true of the applications, whatever any registry says of them.

use std::collections::HashMap;
use std::time::Instant;

/// An instance: the number of its service, and its place there.
pub(crate) type Place = (u32, usize);

/// An instance that could be used and can be no more: it is gone, unhealthy, disabled, or has no weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    pub(crate) place: Place,
    pub(crate) at: Instant,
}

/// When applications truly took instances away, and brought them back. What never went is there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Truth {
    turns: HashMap<Place, Vec<Turn>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Goes(Instant),
    Returns(Instant),
}

impl Turn {
    fn at(self) -> Instant {
        match self {
            Self::Goes(at) | Self::Returns(at) => at,
        }
    }
}

impl Truth {
    /// Notes that an instance goes now, before anybody is told of it.
    pub(crate) fn goes(&mut self, place: Place) {
        self.note(place, Turn::Goes(Instant::now()));
    }

    /// Notes that an instance is there again from now on.
    pub(crate) fn returns(&mut self, place: Place) {
        self.note(place, Turn::Returns(Instant::now()));
    }

    fn note(&mut self, place: Place, turn: Turn) {
        self.turns.entry(place).or_default().push(turn);
    }

    /// The losses since a moment of instances that were there. Who is told late may lose what is there again: each time
    /// that an instance went since then explains one such loss, if it came first.
    pub(crate) fn wrong(&self, losses: &[Loss], since: Instant) -> Vec<Loss> {
        let mut explained: HashMap<Place, usize> = HashMap::new();
        let mut wrong = Vec::new();
        for loss in losses.iter().filter(|loss| loss.at >= since) {
            let turns = self.turns.get(&loss.place).map_or(&[][..], Vec::as_slice);
            let before = turns.iter().filter(|turn| turn.at() <= loss.at);
            if matches!(before.clone().next_back(), Some(Turn::Goes(_))) {
                // It was not there, whoever showed it.
                *explained.entry(loss.place).or_default() += 1;
                continue;
            }
            let went = before.filter(|turn| matches!(turn, Turn::Goes(at) if *at >= since));
            let explained = explained.entry(loss.place).or_default();
            if went.count() > *explained {
                *explained += 1;
            } else {
                wrong.push(*loss);
            }
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_there_is_lost_wrongly_unless_it_went_before() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let loss = |place, seconds| Loss {
            place,
            at: at(seconds),
        };
        let mut truth = Truth::default();
        let (swings, stays) = ((1, 10), (1, 0));
        for turn in [
            Turn::Goes(at(10)),
            Turn::Returns(at(20)),
            Turn::Goes(at(30)),
            Turn::Returns(at(40)),
        ] {
            truth.note(swings, turn);
        }
        let wrong = |losses: &[Loss], since| truth.wrong(losses, at(since));
        assert_eq!(wrong(&[loss(stays, 5)], 0), [loss(stays, 5)]);
        assert_eq!(wrong(&[loss(swings, 5)], 0), [loss(swings, 5)]);
        // In time, or late; each time once.
        assert_eq!(wrong(&[loss(swings, 11), loss(swings, 31)], 0), []);
        assert_eq!(wrong(&[loss(swings, 41), loss(swings, 42)], 0), []);
        assert_eq!(
            wrong(&[loss(swings, 11), loss(swings, 25), loss(swings, 31)], 0),
            [loss(swings, 25)]
        );
        // What is not there may be shown and lost by whoever does not know.
        assert_eq!(wrong(&[loss(swings, 31), loss(swings, 33)], 0), []);
        // What went before counts no more.
        assert_eq!(
            wrong(&[loss(swings, 11), loss(swings, 25)], 21),
            [loss(swings, 25)]
        );
        assert_eq!(wrong(&[loss(swings, 45)], 41), [loss(swings, 45)]);
    }
}
