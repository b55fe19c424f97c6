//! The guard's rules at every threshold and at every edge of their windows: all
//! cases of small links, not a sample of them, against the rules as the
//! documentation words them.

use std::time::Duration;

use syncline_model::guard::{Confirmation, Guard, Look, LostDigest, Offer, Percent, Settings};
use syncline_model::{InstanceKey, Moment, Port, ServiceKey, Verdict};

const NANO: Duration = Duration::from_nanos(1);

/// Of how many instances of the rest of the link nothing is lost, where the rules
/// of the link are to stay out of it.
const OTHERS: u64 = 1_000_000;

/// A guard and its clock.
struct Asked {
    guard: Guard,
    now: Moment,
}

impl Asked {
    fn with(settings: Settings) -> Self {
        Self {
            guard: Guard::new("hz".into(), settings),
            now: Moment::after_origin(Duration::from_secs(10_000)),
        }
    }

    fn wait(&mut self, wait: Duration) {
        self.now = self.now + wait;
    }

    fn look(&self, link_in_use: u64) -> Look {
        Look {
            now: self.now,
            seen: Some(self.now),
            link_in_use,
        }
    }

    /// Whether the loss of the first instances of one service waits.
    fn holds(&mut self, service: u32, has: u32, given: u32, link_in_use: u64) -> bool {
        let look = self.look(link_in_use);
        let verdict = self.guard.judge(&look, &key(service), &offer(has, given));
        matches!(verdict, Verdict::Hold(_))
    }

    /// One look that shows that each of these services lost one of its instances;
    /// how many of these losses wait.
    fn holds_of(&mut self, services: std::ops::Range<u32>, each_has: u32, in_use: u64) -> usize {
        let look = self.look(in_use);
        for service in services.clone() {
            let offer = offer(each_has, each_has - 1);
            self.guard.announce(&look, &key(service), &offer);
        }
        services
            .filter(|service| self.holds(*service, each_has, each_has - 1, in_use))
            .count()
    }
}

fn key(service: u32) -> ServiceKey {
    ServiceKey::new("public", "G", format!("s{service:03}"))
}

fn offer(has: u32, given: u32) -> Offer {
    let instance = |number: u32| InstanceKey {
        host: format!("10.0.0.{number}").as_str().into(),
        port: Port::new(80).expect("not zero"),
        cluster: "DEFAULT".into(),
    };
    let lost = (given..has).fold(LostDigest::NONE, |lost, n| lost.with(&instance(n)));
    Offer {
        has,
        given,
        moved: 0,
        lost,
    }
}

fn percent(percent: u8) -> Percent {
    Percent::new(percent).expect("not more than the whole")
}

/// No rule holds anything.
fn open() -> Settings {
    let mut settings = Settings {
        zero: Confirmation {
            views: 1,
            over: Duration::ZERO,
        },
        ..Settings::default()
    };
    settings.service_share.above = percent(100);
    settings.link_share.above = percent(100);
    settings.zero_services.more_than = u32::MAX;
    settings
}

/// Whether a part is more than so many percent of the whole, as one would do it by
/// hand.
fn is_more_than(part: u32, above: u8, whole: u32) -> bool {
    u64::from(part) * 100 > u64::from(above) * u64::from(whole)
}

/// The ages of an earlier loss at the edge of a window, and whether it counts.
fn ages(within: Duration) -> [(Duration, bool); 4] {
    [
        (Duration::ZERO, true),
        (within - NANO, true),
        (within, true),
        (within + NANO, false),
    ]
}

#[test]
fn service_share_holds_exactly_above_its_share_and_from_its_size_on() {
    let mut cases = 0;
    for above in 0..=100 {
        for from in 0..=5 {
            let mut settings = Settings::default();
            settings.service_share.above = percent(above);
            settings.service_share.from = from;
            for has in 1..=10 {
                for given in 1..=has {
                    let held = Asked::with(settings).holds(0, has, given, OTHERS);
                    let expected = has >= from && is_more_than(has - given, above, has);
                    assert_eq!(
                        held, expected,
                        "{has} → {given}, above {above} %, from {from}"
                    );
                    cases += 1;
                }
            }
        }
    }
    assert_eq!(cases, 101 * 6 * 55);
}

#[test]
fn service_share_counts_from_the_most_in_its_window() {
    let mut settings = Settings::default();
    settings.service_share.above = percent(40);
    settings.service_share.from = 1;
    for (age, counts) in ages(settings.service_share.within) {
        for most in 1..=10 {
            for then in 1..=most {
                for now in 1..=then {
                    let mut asked = Asked::with(settings);
                    if asked.holds(0, most, then, OTHERS) {
                        continue;
                    }
                    asked.wait(age);
                    let of = if counts { most } else { then };
                    let expected = now < then && is_more_than(of - now, 40, of);
                    let held = asked.holds(0, then, now, OTHERS);
                    assert_eq!(held, expected, "{most} → {then} → {now} after {age:?}");
                }
            }
        }
    }
}

/// Every way in which up to five looks follow one another.
#[test]
fn a_service_goes_to_zero_with_exactly_the_view_that_is_enough() {
    let waits = [0, 1, 15, 30].map(Duration::from_secs);
    for views in 1..=4 {
        for over in [0, 1, 30].map(Duration::from_secs) {
            let mut settings = open();
            settings.zero = Confirmation { views, over };
            for row in 0..waits.len().pow(5) {
                let mut asked = Asked::with(settings);
                let (mut seen, mut first, mut last) = (0, None, None);
                for look in 0..5 {
                    // A view that was had at the same moment is the same view.
                    if last.is_none_or(|last| asked.now > last) {
                        seen += 1;
                        first.get_or_insert(asked.now);
                        last = Some(asked.now);
                    }
                    let lasts = asked.now.since(first.expect("seen once at least"));
                    let enough = seen >= views && lasts >= over;
                    let held = asked.holds(0, 3, 0, OTHERS);
                    assert_eq!(
                        held, !enough,
                        "{views} over {over:?}, row {row}, look {look}"
                    );
                    if enough {
                        break;
                    }
                    asked.wait(waits[row / waits.len().pow(look) % waits.len()]);
                }
            }
        }
    }
}

#[test]
fn link_share_holds_exactly_above_its_share_and_from_its_number_on() {
    let mut cases = 0;
    for above in 0..=100 {
        for at_least in 1..=4 {
            let mut settings = open();
            settings.link_share.above = percent(above);
            settings.link_share.at_least = at_least;
            for of in [6, 10, 13] {
                for lost in 0..=6 {
                    let mut asked = Asked::with(settings);
                    let held = asked.holds_of(0..lost, 2, u64::from(of));
                    let too_much = lost >= at_least && is_more_than(lost, above, of);
                    let expected = if too_much { lost as usize } else { 0 };
                    let case = format!("{lost} of {of}, above {above} %, at least {at_least}");
                    assert_eq!(held, expected, "{case}");
                    assert_eq!(asked.guard.freeze().is_some(), too_much, "{case}");
                    cases += 1;
                }
            }
        }
    }
    assert_eq!(cases, 101 * 4 * 3 * 7);
}

#[test]
fn link_share_counts_over_its_window() {
    let mut settings = open();
    settings.link_share.above = percent(30);
    settings.link_share.at_least = 1;
    let of = 10;
    for (age, counts) in ages(settings.link_share.within) {
        for before in 0..=3 {
            for now in 1..=5 {
                let mut asked = Asked::with(settings);
                assert_eq!(asked.holds_of(0..before, 2, u64::from(of)), 0);
                asked.wait(age);
                let left = of - before;
                let held = asked.holds_of(20..20 + now, 2, u64::from(left));
                let (lost, whole) = match counts {
                    true => (before + now, of),
                    false => (now, left),
                };
                let expected = if is_more_than(lost, 30, whole) {
                    now as usize
                } else {
                    0
                };
                assert_eq!(held, expected, "{before}, and {now} after {age:?}");
            }
        }
    }
}

#[test]
fn what_comes_back_makes_up_for_what_went_and_nothing_more() {
    let mut settings = open();
    settings.link_share.above = percent(0);
    for at_least in 1..=6 {
        settings.link_share.at_least = at_least;
        for lost in 0..=5 {
            for back in 0..=lost {
                for again in 1..=5 {
                    let mut asked = Asked::with(settings);
                    if asked.holds_of(0..lost, 2, 100) > 0 {
                        continue;
                    }
                    for service in 0..back {
                        assert!(!asked.holds(service, 1, 2, 100));
                    }
                    let held = asked.holds_of(20..20 + again, 2, 100);
                    let expected = lost - back + again >= at_least;
                    let case = format!("{lost} - {back} + {again}, at least {at_least}");
                    assert_eq!(held > 0, expected, "{case}");
                }
            }
        }
    }
}

#[test]
fn zero_services_holds_exactly_above_its_number_and_over_its_window() {
    for more_than in 0..=4 {
        let mut settings = open();
        settings.zero_services.more_than = more_than;
        for (age, counts) in ages(settings.zero_services.within) {
            for before in 0..=more_than {
                for now in 1..=6 {
                    let mut asked = Asked::with(settings);
                    assert_eq!(asked.holds_of(0..before, 1, OTHERS), 0);
                    asked.wait(age);
                    let held = asked.holds_of(20..20 + now, 1, OTHERS);
                    let at_zero = if counts { before + now } else { now };
                    let expected = if at_zero > more_than { now as usize } else { 0 };
                    let case = format!("{before}, and {now} after {age:?}, more than {more_than}");
                    assert_eq!(held, expected, "{case}");
                }
            }
        }
    }
}
