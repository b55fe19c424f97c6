//! The guard's rules at their thresholds, and the ways out of a hold.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::instance::InstanceKey;

/// A link whose services have numbered instances, with what the source shows
/// and what the target has.
struct Link {
    guard: Guard,
    now: Moment,
    services: BTreeMap<ServiceKey, Service>,
}

#[derive(Clone, Default)]
struct Service {
    shown: BTreeSet<u32>,
    target: BTreeSet<u32>,
}

fn service(name: usize) -> ServiceKey {
    ServiceKey::new("public", "G", format!("s{name:05}"))
}

fn instance(number: u32) -> InstanceKey {
    InstanceKey {
        host: format!("10.0.{}.{}", number / 250, number % 250)
            .as_str()
            .into(),
        port: crate::instance::Port::new(80).expect("not zero"),
        cluster: "DEFAULT".into(),
    }
}

impl Link {
    /// Services of equal size, all in step, with the product's defaults.
    fn of(services: usize, size: u32) -> Self {
        let full = Service {
            shown: (0..size).collect(),
            target: (0..size).collect(),
        };
        Self {
            guard: Guard::new("hz".into(), Settings::default()),
            now: Moment::after_origin(Duration::from_secs(1_000_000)),
            services: (0..services).map(|n| (service(n), full.clone())).collect(),
        }
    }

    fn wait(&mut self, wait: Duration) -> &mut Self {
        self.now = self.now + wait;
        self
    }

    fn seconds(&mut self, seconds: u64) -> &mut Self {
        self.wait(Duration::from_secs(seconds))
    }

    fn show(&mut self, name: usize, shown: impl IntoIterator<Item = u32>) -> &mut Self {
        let service = self.services.entry(service(name)).or_default();
        service.shown = shown.into_iter().collect();
        self
    }

    fn target(&self, name: usize) -> usize {
        self.services[&service(name)].target.len()
    }

    fn look(&self) -> Look {
        let in_use = self.services.values().map(|s| s.target.len() as u64);
        Look {
            now: self.now,
            seen: Some(self.now),
            link_in_use: in_use.sum(),
        }
    }

    fn offer(&self, service: &ServiceKey, moved: u32) -> Offer {
        let Service { shown, target } = &self.services[service];
        let lost = target.difference(shown);
        Offer {
            has: target.len() as u32,
            given: shown.len() as u32,
            moved,
            lost: lost.fold(LostDigest::NONE, |lost, n| lost.with(&instance(*n))),
        }
    }

    /// One look at one service, judged and carried out.
    fn judge(&mut self, name: usize) -> Verdict {
        self.judge_with(name, self.look(), 0)
    }

    fn judge_with(&mut self, name: usize, look: Look, moved: u32) -> Verdict {
        let key = service(name);
        let offer = self.offer(&key, moved);
        let verdict = self.guard.judge(&look, &key, &offer);
        let service = self.services.get_mut(&key).expect("known");
        match verdict {
            Verdict::Pass => service.target = service.shown.clone(),
            Verdict::Hold(_) => service.target.extend(&service.shown),
        }
        verdict
    }

    /// One read of all services: announced, then judged. How many were held.
    fn read(&mut self) -> usize {
        let (look, names) = (self.look(), self.services.len());
        for key in self.services.keys() {
            let offer = self.offer(key, 0);
            self.guard.announce(&look, key, &offer);
        }
        (0..names)
            .filter(|name| self.judge(*name) != Verdict::Pass)
            .count()
    }

    fn hold(&mut self, name: usize) -> Hold {
        match self.judge(name) {
            Verdict::Hold(hold) => hold,
            Verdict::Pass => panic!("service {name} passed"),
        }
    }

    #[track_caller]
    fn passes(&mut self, name: usize) {
        assert_eq!(self.judge(name), Verdict::Pass);
    }

    /// A link without history forgets everything after a while.
    #[track_caller]
    fn ends_clean(&mut self) {
        self.seconds(3600);
        self.guard.expire(self.now);
        assert_eq!(self.guard.records().count(), 0);
        assert_eq!(self.guard.sums, Share::default());
        assert!(self.guard.agenda.is_empty());
        assert_eq!(self.guard.freeze(), None);
    }
}

const NANO: Duration = Duration::from_nanos(1);

#[test]
fn a_service_goes_to_zero_after_three_views_over_thirty_seconds() {
    let mut link = Link::of(1, 10);
    link.show(0, []);
    let hold = link.hold(0);
    assert_eq!(hold.reason, Reason::Zero { had: 10 });
    assert_eq!(hold.reason.setting(), Some("zero"));
    let needs = |more, seconds| Needs::Views {
        more,
        over: Duration::from_secs(seconds),
    };
    assert_eq!(hold.needs, needs(2, 30));
    assert_eq!(link.seconds(10).hold(0).needs, needs(1, 20));
    let early = link.wait(Duration::from_secs(20) - NANO).hold(0);
    assert_eq!(
        early.needs,
        Needs::Views {
            more: 1,
            over: NANO
        }
    );
    assert_eq!((early.id, early.since), (hold.id, hold.since));
    link.wait(NANO).passes(0);
    assert_eq!(link.target(0), 0);
    assert_eq!(link.guard.holds().count(), 0);
    link.ends_clean();
}

#[test]
fn thirty_seconds_with_two_views_are_not_enough() {
    let mut link = Link::of(1, 1);
    link.show(0, []).hold(0);
    let hold = link.seconds(60).hold(0);
    let needs = Needs::Views {
        more: 1,
        over: Duration::ZERO,
    };
    assert_eq!(hold.needs, needs);
    link.wait(NANO).passes(0);
}

#[test]
fn a_view_counts_once_and_only_when_it_is_complete() {
    let mut link = Link::of(1, 10);
    link.show(0, []);
    let first = link.look();
    for _ in 0..5 {
        assert_ne!(link.judge_with(0, first, 0), Verdict::Pass);
    }
    for _ in 0..5 {
        link.seconds(30);
        let look = Look {
            seen: None,
            ..link.look()
        };
        assert_ne!(link.judge_with(0, look, 0), Verdict::Pass);
    }
    link.hold(0);
    link.seconds(1).passes(0);
}

#[test]
fn an_instance_that_returns_ends_the_hold() {
    let mut link = Link::of(1, 10);
    link.show(0, []).hold(0);
    link.seconds(5).show(0, 0..10).passes(0);
    assert_eq!(link.guard.holds().count(), 0);
    assert_eq!(link.target(0), 10);
    // Gone again: it is counted from the beginning.
    link.seconds(5).show(0, []).hold(0);
    link.seconds(20).hold(0);
    link.seconds(5).hold(0);
    link.seconds(5).passes(0);
}

#[test]
fn a_share_of_a_service_is_held_above_the_threshold() {
    for (size, left, held) in [
        (10, 5, false),
        (10, 4, true),
        (3, 2, false),
        (3, 1, true),
        (2, 1, false),
        (100, 50, false),
        (100, 49, true),
    ] {
        // Beside others, so that the link as a whole loses little.
        let mut link = Link::of(10, size);
        link.show(0, 0..left);
        let verdict = link.judge(0);
        assert_eq!(verdict != Verdict::Pass, held, "{left} of {size}");
        if let Verdict::Hold(hold) = verdict {
            let expected = Reason::ServiceShare {
                lost: size - left,
                of: size,
                above: Percent::new(50).expect("legal"),
                within: Duration::from_secs(60),
            };
            assert_eq!(hold.reason, expected);
            assert_eq!(hold.service, Some(service(0)));
        }
    }
}

#[test]
fn a_share_is_counted_over_its_window() {
    let after = |wait: Duration| {
        let mut link = Link::of(10, 10);
        link.show(0, 0..6).passes(0);
        link.wait(wait).show(0, 0..4);
        link.judge(0)
    };
    let minute = Duration::from_secs(60);
    assert_ne!(after(Duration::ZERO), Verdict::Pass);
    assert_ne!(after(minute), Verdict::Pass);
    assert_eq!(after(minute + NANO), Verdict::Pass);
}

#[test]
fn a_share_that_was_confirmed_is_the_new_whole() {
    let mut link = Link::of(10, 10);
    link.show(0, 0..4).hold(0);
    link.seconds(15).hold(0);
    link.seconds(15).passes(0);
    // Another one right after: 1 of 4, not 7 of 10.
    link.show(0, 0..3).passes(0);
    link.ends_clean();
}

#[test]
fn a_growing_loss_is_confirmed_from_its_largest_on() {
    let mut link = Link::of(10, 10);
    link.show(0, 0..4).hold(0);
    link.seconds(15).hold(0);
    link.seconds(15).show(0, 0..3).hold(0);
    link.seconds(15).show(0, 0..4).hold(0);
    link.seconds(15).show(0, 0..3).passes(0);
}

#[test]
fn what_joins_during_a_hold_counts() {
    let mut link = Link::of(1, 10);
    link.show(0, []).hold(0);
    // Four others join: 10 → 4 is still too much, though the target now has 14.
    let hold = link.seconds(1).show(0, 20..24).hold(0);
    assert!(matches!(
        hold.reason,
        Reason::ServiceShare {
            lost: 6,
            of: 10,
            ..
        }
    ));
    assert_eq!(link.target(0), 14);
    link.seconds(1).show(0, 20..25).passes(0);
    assert_eq!(link.target(0), 5);
}

#[test]
fn what_moved_to_another_service_is_not_lost() {
    let mut link = Link::of(1, 10);
    link.show(0, []);
    assert_ne!(link.judge_with(0, link.look(), 9), Verdict::Pass);
    assert_eq!(link.judge_with(0, link.look(), 10), Verdict::Pass);
    // A part moves, then a part is lost: 5 of the remaining 6 are too many.
    let mut link = Link::of(10, 10);
    link.show(0, 0..6);
    assert_eq!(link.judge_with(0, link.look(), 4), Verdict::Pass);
    link.show(0, 0..3).passes(0);
    let hold = link.show(0, 0..2).hold(0);
    assert!(matches!(
        hold.reason,
        Reason::ServiceShare { lost: 4, of: 6, .. }
    ));
}

/// So many of 10 lost in each service, one service after another.
fn spread(services: usize, lost: u32) -> Link {
    let mut link = Link::of(100, 10);
    for name in 0..services {
        link.show(name, lost..10);
    }
    link
}

#[test]
fn a_share_of_the_link_is_held_above_the_threshold() {
    let mut at = spread(50, 3);
    assert_eq!(at.read(), 0, "150 of 1000");
    at.ends_clean();
    let mut above = spread(50, 3);
    above.show(50, 1..10);
    assert_eq!(above.read(), 51, "151 of 1000");
    let hold = above.hold(0);
    assert_eq!(hold.service, None);
    assert!(matches!(
        hold.reason,
        Reason::LinkShare {
            lost: 151,
            of: 1000,
            ..
        }
    ));
    assert_eq!(hold.needs, Needs::Approval);
    assert_eq!(
        hold.reason.to_string(),
        "the link would have lost 151 of 1000 instances within 300s, which is more than 15 %"
    );
}

#[test]
fn a_small_link_may_lose_a_larger_share() {
    for (lost, held) in [(19, 0), (20, 10)] {
        let mut link = Link::of(10, 10);
        for name in 0..10 {
            link.show(name, 0..if name < lost - 10 { 8 } else { 9 });
        }
        assert_eq!(link.read(), held, "{lost} of 100");
    }
}

#[test]
fn without_announcing_the_threshold_still_holds() {
    let mut link = spread(60, 3);
    let passed = (0..60).filter(|name| link.judge(*name) == Verdict::Pass);
    assert_eq!(passed.count(), 50);
}

#[test]
fn the_links_losses_are_counted_over_their_window() {
    let after = |wait: Duration| {
        let mut link = spread(50, 3);
        assert_eq!(link.read(), 0);
        link.wait(wait).show(99, 1..10);
        link.judge(99)
    };
    let window = Duration::from_secs(300);
    assert_ne!(after(window), Verdict::Pass);
    assert_eq!(after(window + NANO), Verdict::Pass);
}

#[test]
fn a_frozen_link_waits_for_an_operator_however_long() {
    let mut link = spread(60, 3);
    assert_eq!(link.read(), 60);
    for _ in 0..10 {
        assert_eq!(link.seconds(3600).read(), 60);
    }
    // Other losses wait with it, additions and replacements do not.
    link.show(70, 1..10).show(71, 0..11).show(72, 1..11);
    let held: Vec<bool> = (70..73).map(|n| link.judge(n) != Verdict::Pass).collect();
    assert_eq!(held, [true, false, false]);
    assert_eq!(link.guard.holds().count(), 62);
}

#[test]
fn an_approval_lets_exactly_the_seen_losses_through() {
    let mut link = spread(60, 3);
    link.read();
    let hold = link.hold(0);
    link.seconds(60).show(0, 4..10);
    let changed = link.hold(0);
    assert_ne!(changed.id, hold.id);
    assert_eq!(link.guard.approve(hold.id), Err(NoSuchHold(hold.id)));
    let approved = link.guard.approve(changed.id).expect("waits");
    assert_eq!(approved.len(), 60);
    assert_eq!(link.guard.freeze(), None);
    // Between the approval and the next look, service 1 lost more than that.
    link.show(1, 9..10);
    assert!(matches!(link.hold(1).reason, Reason::ServiceShare { .. }));
    for name in (0..60).filter(|name| *name != 1) {
        link.passes(name);
    }
    // What was approved does not count towards the next freeze.
    link.show(80, 1..10).passes(80);
    link.show(1, 0..10).passes(1);
    link.ends_clean();
}

#[test]
fn one_service_of_a_frozen_link_can_be_approved() {
    let mut link = spread(60, 3);
    link.read();
    let of_service = |hold: &Hold| hold.service == Some(service(7));
    let hold = link.guard.holds().find(of_service).expect("waits");
    assert_eq!(link.guard.approve(hold.id), Ok(vec![service(7)]));
    link.passes(7);
    link.hold(8);
    assert!(link.guard.freeze().is_some());
}

#[test]
fn a_freeze_ends_when_the_source_shows_enough_again() {
    let mut link = spread(60, 3);
    assert_eq!(link.read(), 60);
    for name in 0..10 {
        link.show(name, 0..10).passes(name);
        assert_eq!(link.guard.freeze().is_some(), name < 9, "after {name}");
    }
    assert_eq!(link.read(), 0, "150 of 1000");
    link.ends_clean();
}

#[test]
fn what_grows_elsewhere_does_not_end_a_freeze() {
    let mut link = spread(60, 3);
    assert_eq!(link.read(), 60);
    for name in 60..100 {
        link.show(name, 0..100).passes(name);
    }
    assert_eq!(link.read(), 60);
}

#[test]
fn eleven_services_to_zero_freeze_the_link() {
    let wipe = |services| {
        let mut link = Link::of(1000, 1);
        for name in 0..services {
            link.show(name, []);
        }
        assert_eq!(link.read(), services);
        link.seconds(15).read();
        link.seconds(15).read();
        link
    };
    let mut ten = wipe(10);
    assert_eq!(ten.read(), 0);
    let mut eleven = wipe(11);
    let hold = eleven.hold(0);
    assert!(matches!(
        hold.reason,
        Reason::ZeroServices { services: 11, .. }
    ));
    assert_eq!(hold.needs, Needs::Approval);
    // One comes back: the other ten have been seen often enough.
    eleven.show(3, [0]).passes(3);
    assert_eq!(eleven.read(), 0);
    assert_eq!(ten.show(10, []).judge(10), {
        let hold = ten.guard.holds().next().expect("frozen");
        Verdict::Hold(hold)
    });
}

#[test]
fn services_to_zero_are_counted_over_their_window() {
    let after = |wait: u64| {
        let mut link = Link::of(1000, 1);
        for name in 0..10 {
            link.show(name, []);
        }
        for _ in 0..3 {
            link.read();
            link.seconds(15);
        }
        assert_eq!(link.target(0), 0);
        link.seconds(wait).show(10, []);
        link.hold(10);
        link.guard.freeze().is_some()
    };
    // The third read was 15 seconds before the wait began.
    assert!(after(285));
    assert!(!after(286));
}

#[test]
fn a_wiped_source_loses_nothing() {
    let mut link = Link::of(1000, 10);
    for name in 0..1000 {
        link.show(name, []);
    }
    for _ in 0..5 {
        assert_eq!(link.read(), 1000);
        link.seconds(60);
    }
    assert!((0..1000).all(|name| link.target(name) == 10));
    for name in 0..1000 {
        link.show(name, 0..10);
    }
    assert_eq!(link.read(), 0);
    assert_eq!(link.guard.holds().count(), 0);
    link.ends_clean();
}

#[test]
fn the_order_of_a_read_does_not_change_the_id() {
    let frozen = |order: &mut dyn Iterator<Item = usize>| {
        let mut link = spread(60, 3);
        for name in order {
            link.judge(name);
        }
        // The first few passed before the freeze: which ones is chance, so the
        // links are compared where none did.
        let mut announced = spread(60, 3);
        announced.read();
        assert!(link.guard.freeze().is_some());
        announced.guard.holds().next().expect("frozen").id
    };
    assert_eq!(frozen(&mut (0..60)), frozen(&mut (0..60).rev()));
}

#[test]
fn a_denied_loss_waits_until_all_is_shown_again() {
    let mut link = Link::of(10, 10);
    let hold = link.show(0, 0..4).hold(0);
    assert_eq!(link.guard.deny(hold.id), Ok(vec![service(0)]));
    for _ in 0..10 {
        let denied = link.seconds(60).hold(0);
        assert_eq!(denied.reason, Reason::Denied { lost: 6 });
        assert_eq!(denied.needs, Needs::Reversal);
    }
    // Less is lost, or more: it was denied all the same.
    assert_eq!(link.show(0, 0..9).hold(0).reason.as_str(), "denied");
    let worse = link.show(0, 0..1).hold(0);
    assert_eq!(worse.reason, Reason::Denied { lost: 9 });
    // The operator thinks again.
    assert_eq!(link.guard.approve(worse.id), Ok(vec![service(0)]));
    link.passes(0);
    assert_eq!(link.target(0), 1);
}

#[test]
fn a_denied_link_opens_when_the_source_returns() {
    let mut link = spread(60, 3);
    link.read();
    let hold = link.hold(0);
    assert_eq!(link.guard.deny(hold.id).map(|denied| denied.len()), Ok(60));
    let frozen = link.guard.holds().next().expect("frozen");
    assert_eq!((frozen.service, frozen.needs), (None, Needs::Reversal));
    for name in 0..59 {
        link.show(name, 0..10);
    }
    assert_eq!(link.read(), 1, "the freeze is over, the denial is not");
    link.show(59, 0..10).passes(59);
    assert_eq!(link.guard.holds().count(), 0);
}

/// Replaces services of a link within five minutes, each in steps, in the way
/// given: what a step shows of a service at 10 before, with the first `step`
/// instances replaced.
fn roll(services: usize, shown: impl Fn(u32) -> Vec<u32>) {
    let mut link = Link::of(100, 10);
    let steps = 20_u32;
    for step in 0..steps {
        for name in 0..services {
            // The services start at different moments.
            let done = (step * 2).saturating_sub(name as u32 % 20).min(10);
            link.show(name, shown(done));
        }
        assert_eq!(link.read(), 0, "step {step}");
        link.seconds(300 / u64::from(steps));
    }
    for name in 0..services {
        link.show(name, shown(10));
    }
    assert_eq!(link.read(), 0);
    assert_eq!(link.target(0), 10);
    link.ends_clean();
}

#[test]
fn a_rolling_deploy_never_trips() {
    let new = |count: u32| 100..100 + count;
    // One for one.
    roll(40, |done| (done..10).chain(new(done)).collect());
    // The old one goes first and is replaced a step later.
    roll(40, |done| {
        (done..10)
            .chain(new(done.saturating_sub(2)))
            .chain(new(10).filter(|_| done == 10))
            .collect()
    });
    // All the new ones come before the first old one goes.
    roll(40, |done| match done {
        0 => (0..10).collect(),
        1..6 => (0..10).chain(new(10)).collect(),
        _ => ((done - 5) * 2..10).chain(new(10)).collect(),
    });
    // The same for every service of the link.
    roll(100, |done| match done {
        0 => (0..10).collect(),
        1..6 => (0..10).chain(new(10)).collect(),
        _ => ((done - 5) * 2..10).chain(new(10)).collect(),
    });
}

#[test]
fn what_was_just_seen_for_the_first_time_has_gained_nothing() {
    let mut link = Link::of(0, 0);
    for name in 0..100 {
        link.show(name, 0..10);
    }
    assert_eq!(link.read(), 0);
    assert_eq!(
        link.guard.records().count(),
        0,
        "nothing is remembered of it"
    );
    link.seconds(1);
    for name in 0..100 {
        link.show(name, 4..10);
    }
    assert_eq!(link.read(), 100);
}

#[test]
fn a_gain_makes_up_for_losses_of_its_window_only() {
    let held = |wait: u64| {
        let mut link = Link::of(100, 10);
        for name in 0..100 {
            link.show(name, 0..15);
        }
        assert_eq!(link.read(), 0);
        link.seconds(wait);
        for name in 0..100 {
            link.show(name, 0..10);
        }
        link.read()
    };
    assert_eq!(held(300), 0);
    assert_eq!(held(301), 100);
}

#[test]
fn a_true_decommission_gets_through() {
    let mut link = Link::of(100, 10);
    link.show(0, []);
    assert_eq!(link.read(), 1);
    assert_eq!(link.seconds(15).read(), 1);
    assert_eq!(link.seconds(15).read(), 0);
    assert_eq!(link.target(0), 0);
    link.ends_clean();
}

#[test]
fn windows_survive_a_restart() {
    let mut link = spread(50, 3);
    link.show(99, []);
    link.read();
    link.seconds(20).read();
    let before: Vec<Hold> = link.guard.holds().collect();
    assert_eq!(before.len(), 52, "frozen with 50 × 3 + 10");
    let (then, now) = (link.now, Moment::after_origin(Duration::from_secs(5000)));
    let records: Vec<(ServiceKey, Record)> = link
        .guard
        .records()
        .map(|(service, record)| (service.clone(), record.clone().rebased(then, now)))
        .collect();
    let freeze = link.guard.freeze().map(|freeze| freeze.rebased(then, now));
    let settings = *link.guard.settings();
    let sums = link.guard.sums;
    link.guard = Guard::restored("hz".into(), settings, freeze, records);
    link.now = now;
    assert_eq!(link.guard.sums, sums);
    for (before, after) in before.iter().zip(link.guard.holds()) {
        assert_eq!((before.id, before.reason), (after.id, after.reason));
        assert_eq!(then.since(before.since), now.since(after.since));
        assert_eq!(before.needs, after.needs);
    }
    for name in 0..50 {
        link.show(name, 0..10);
    }
    assert_eq!(link.seconds(10).read(), 0, "the third view over 30 s");
    link.ends_clean();
}

#[test]
fn settings_can_switch_every_rule_off() {
    let mut link = Link::of(100, 10);
    let all = Percent::new(100).expect("legal");
    let mut settings = Settings {
        zero: Confirmation {
            views: 1,
            over: Duration::ZERO,
        },
        ..Settings::default()
    };
    settings.service_share.above = all;
    settings.link_share.above = all;
    settings.zero_services.more_than = u32::MAX;
    link.guard = Guard::new("hz".into(), settings);
    for name in 0..100 {
        link.show(name, []);
    }
    assert_eq!(link.read(), 0);
}
