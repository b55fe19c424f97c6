//! Registrations that live by beats: unhealthy after a while without one, and
//! removed after a longer while.

use std::time::Duration;

use syncline_model::{Metadata, Seen, ServiceKey};

use super::service::Published;
use super::timers::Timer;
use super::{Address, ClientId, ServiceId, Store};
use crate::moment::Moment;
use crate::settings::LifeSettings;

/// What a client is told to wait between beats, unless its metadata says
/// otherwise.
const INTERVAL: Duration = Duration::from_secs(5);

/// When a registration was last heard of, and when it is looked at next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Beat {
    last: Moment,
    /// The moment of the timer that counts; `None` before there is one.
    check: Option<Moment>,
}

impl Beat {
    pub(super) fn at(now: Moment) -> Self {
        Self {
            last: now,
            check: None,
        }
    }

    /// The beat of a registration that takes this one's place: its timer will
    /// do.
    pub(super) fn renewed(self, by: Self) -> Self {
        Self {
            last: by.last,
            check: self.check,
        }
    }
}

/// The times by which one instance lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BeatTimes {
    pub(crate) interval: Duration,
    pub(crate) unhealthy_after: Duration,
    pub(crate) removed_after: Duration,
}

impl BeatTimes {
    /// What an instance's metadata asks for. A value that is not all digits
    /// counts for nothing, as in Nacos.
    pub(crate) fn of(metadata: &Metadata, life: &LifeSettings) -> Self {
        let preserved = |key: &str, default: Duration| {
            let value = metadata.get(key);
            let digits = value.filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
            let millis = digits.and_then(|digits| digits.parse().ok());
            millis.map_or(default, Duration::from_millis)
        };
        Self {
            interval: preserved("preserved.heart.beat.interval", INTERVAL),
            unhealthy_after: preserved("preserved.heart.beat.timeout", life.unhealthy_after),
            removed_after: preserved("preserved.ip.delete.timeout", life.removed_after),
        }
    }
}

impl Store {
    /// Notes a beat, and tells when the next one is wanted; `None` where the
    /// address publishes nothing of that service.
    ///
    /// A beat makes an unhealthy instance healthy, also one that was
    /// registered so.
    pub(crate) fn beat(
        &mut self,
        address: &Address,
        key: &ServiceKey,
        now: Moment,
    ) -> Option<Duration> {
        let client = *self.addresses.get(address)?;
        let id = self.services.find(key)?;
        let publisher = self.services.get_mut(id)?.publisher_mut(client)?;
        publisher.beat.as_mut()?.last = now;
        let Published::One(instance) = &mut publisher.publication.published else {
            return None;
        };
        let interval = BeatTimes::of(&instance.metadata, &self.life).interval;
        if instance.healthy != Seen::Known(true) {
            instance.healthy = Seen::Known(true);
            self.touch(id, now);
        }
        Some(interval)
    }

    /// Plans the first look at a registration that was made or renewed.
    pub(super) fn plan_beat(&mut self, id: ServiceId, client: ClientId) {
        let life = &self.life;
        let service = self.services.get_mut(id);
        let Some(publisher) = service.and_then(|service| service.publisher_mut(client)) else {
            return;
        };
        let (Some(beat), [instance]) = (&mut publisher.beat, publisher.publication.instances())
        else {
            return;
        };
        let times = BeatTimes::of(&instance.metadata, life);
        let wait = times.unhealthy_after.min(removal(times, life));
        let due = beat.last.after(wait);
        // An earlier timer finds out by itself that it came too early.
        if beat.check.is_none_or(|check| check > due) {
            beat.check = Some(due);
            self.timers.add(due, Timer::Beat(id, client));
        }
    }

    /// Looks at a registration whose last beat may be long past.
    pub(super) fn check_beat(&mut self, id: ServiceId, client: ClientId, at: Moment, now: Moment) {
        let service = self.services.get_mut(id);
        let Some(publisher) = service.and_then(|service| service.publisher_mut(client)) else {
            return;
        };
        let (Some(beat), Published::One(instance)) =
            (&mut publisher.beat, &mut publisher.publication.published)
        else {
            return;
        };
        if beat.check != Some(at) {
            return;
        }
        let times = BeatTimes::of(&instance.metadata, &self.life);
        let removed_after = removal(times, &self.life);
        let silent = now.since(beat.last);
        if silent >= removed_after {
            self.withdraw_from(id, client, now);
            return;
        }
        let overdue = silent >= times.unhealthy_after;
        let due = beat.last.after(if overdue {
            removed_after
        } else {
            times.unhealthy_after.min(removed_after)
        });
        beat.check = Some(due);
        self.timers.add(due, Timer::Beat(id, client));
        if overdue && instance.healthy != Seen::Known(false) {
            instance.healthy = Seen::Known(false);
            self.touch(id, now);
        }
    }
}

fn removal(times: BeatTimes, life: &LifeSettings) -> Duration {
    times.removed_after.min(life.longest_silence)
}
