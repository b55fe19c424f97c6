//! The guard under any sequence of looks.

use std::time::Duration;

use proptest::prelude::*;
use syncline_model::guard::{Guard, Look, LostDigest, Offer, Settings};
use syncline_model::{InstanceKey, Moment, Port, ServiceKey, Verdict};

const SERVICES: usize = 8;

/// A look at one service: how long after the last, and how many it shows.
#[derive(Clone, Debug)]
struct Step {
    wait: u64,
    service: usize,
    shown: u32,
    complete: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..60_u64, 0..SERVICES, 0..14_u32, prop::bool::weighted(0.9));
    let step = step.prop_map(|(wait, service, shown, complete)| Step {
        wait,
        service,
        shown,
        complete,
    });
    proptest::collection::vec(step, 0..60)
}

/// A link of which instances 0..n of each service are shown, for some n.
#[derive(Clone)]
struct Link {
    guard: Guard,
    now: Moment,
    target: [u32; SERVICES],
}

impl Link {
    fn new() -> Self {
        let mut settings = Settings::default();
        settings.link_share.at_least = 5;
        settings.zero_services.more_than = 3;
        Self {
            guard: Guard::new("hz".into(), settings),
            now: Moment::after_origin(Duration::from_secs(1000)),
            target: [10; SERVICES],
        }
    }

    fn look(&self, complete: bool) -> Look {
        Look {
            now: self.now,
            seen: complete.then_some(self.now),
            link_in_use: self.target.iter().map(|n| u64::from(*n)).sum(),
        }
    }

    fn judge(&mut self, step: &Step) -> Verdict {
        let has = self.target[step.service];
        let lost = (step.shown..has).fold(LostDigest::NONE, |lost, n| lost.with(&instance(n)));
        let offer = Offer {
            has,
            given: step.shown,
            moved: 0,
            lost,
        };
        let look = self.look(step.complete);
        let verdict = self.guard.judge(&look, &service(step.service), &offer);
        self.target[step.service] = match verdict {
            Verdict::Pass => step.shown,
            Verdict::Hold(_) => has.max(step.shown),
        };
        verdict
    }

    fn run(&mut self, steps: &[Step]) {
        for step in steps {
            self.now = self.now + Duration::from_secs(step.wait);
            self.judge(step);
        }
    }
}

fn service(number: usize) -> ServiceKey {
    ServiceKey::new("public", "G", format!("s{number}"))
}

fn instance(number: u32) -> InstanceKey {
    InstanceKey {
        host: format!("10.0.0.{number}").as_str().into(),
        port: Port::new(80).expect("not zero"),
        cluster: "DEFAULT".into(),
    }
}

fn held(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Hold(_))
}

proptest! {
    /// What is held stays held when more is lost.
    #[test]
    fn more_loss_never_passes_where_less_is_held(steps in steps(), service in 0..SERVICES, more in 1..14_u32, less in 0..14_u32) {
        let mut link = Link::new();
        link.run(&steps);
        let judge = |shown| {
            let step = Step { wait: 0, service, shown, complete: true };
            held(&link.clone().judge(&step))
        };
        let (small, large) = (more.min(less), more.max(less));
        prop_assert!(!judge(large) || judge(small), "{large} is held and {small} is not");
    }

    /// Where a service is shown with as many as it had or more, nothing waits.
    #[test]
    fn additions_always_pass(steps in steps(), service in 0..SERVICES, more in 0..5_u32) {
        let mut link = Link::new();
        link.run(&steps);
        let shown = link.target[service] + more;
        let step = Step { wait: 0, service, shown, complete: true };
        prop_assert!(!held(&link.judge(&step)));
    }

    /// Every instance that leaves and is replaced at once is no loss at all.
    #[test]
    fn replacements_always_pass(replaced in proptest::collection::vec((0..5_u64, 0..SERVICES, 1..=10_u32), 1..200)) {
        let mut link = Link::new();
        for (wait, name, count) in replaced {
            link.now = link.now + Duration::from_secs(wait);
            let lost = (0..count).fold(LostDigest::NONE, |lost, n| lost.with(&instance(n)));
            let offer = Offer { has: 10, given: 10, moved: 0, lost };
            let verdict = link.guard.judge(&link.look(true), &service(name), &offer);
            prop_assert_eq!(verdict, Verdict::Pass);
            prop_assert!(link.guard.records().next().is_none());
        }
    }

    /// However the source behaves, it all comes right once it shows everything.
    #[test]
    fn a_source_that_returns_ends_every_hold(steps in steps()) {
        let mut link = Link::new();
        link.run(&steps);
        for service in 0..SERVICES {
            let step = Step { wait: 0, service, shown: 14, complete: true };
            link.judge(&step);
        }
        prop_assert_eq!(link.guard.holds().count(), 0);
        prop_assert!(link.guard.freeze().is_none());
        link.guard.expire(link.now + Duration::from_secs(301));
        prop_assert_eq!(link.guard.records().count(), 0);
    }

    /// A service never falls below the share without three views that say so.
    #[test]
    fn no_service_falls_at_once(steps in steps()) {
        let mut link = Link::new();
        for step in &steps {
            link.now = link.now + Duration::from_secs(step.wait);
            let before = link.target[step.service];
            let pending = link.guard.record(&service(step.service)).is_some_and(|r| r.pending.is_some());
            link.judge(step);
            let after = link.target[step.service];
            if !pending && before >= 3 {
                prop_assert!(after * 2 >= before, "{before} → {after}");
            }
        }
    }

    /// What waits has a name, and an approval of that name lets it through.
    #[test]
    fn what_waits_can_be_approved(steps in steps()) {
        let mut link = Link::new();
        link.run(&steps);
        let holds: Vec<_> = link.guard.holds().collect();
        for hold in holds {
            let mut link = link.clone();
            let services = link.guard.approve(hold.id).expect("it was just listed");
            prop_assert!(!services.is_empty());
            prop_assert!(link.guard.holds().all(|other| other.id != hold.id || other.service.is_some()));
            for key in services {
                let number = (0..SERVICES).find(|n| service(*n) == key).expect("known");
                let pending = link.guard.record(&key).and_then(|r| r.pending.clone()).expect("waits");
                let offer = Offer {
                    has: link.target[number],
                    given: pending.given,
                    moved: pending.moved,
                    lost: pending.lost,
                };
                let verdict = link.guard.judge(&link.look(false), &key, &offer);
                prop_assert_eq!(verdict, Verdict::Pass);
            }
        }
    }

    /// A guard that is stored and restored goes on as if nothing had happened.
    #[test]
    fn a_restart_changes_nothing(before in steps(), after in steps()) {
        let mut link = Link::new();
        link.run(&before);
        let mut restarted = link.clone();
        let records: Vec<_> = link.guard.records().map(|(s, r)| (s.clone(), r.clone())).collect();
        restarted.guard = Guard::restored(
            "hz".into(),
            *link.guard.settings(),
            link.guard.freeze().copied(),
            records,
        );
        for step in &after {
            for link in [&mut link, &mut restarted] {
                link.now = link.now + Duration::from_secs(step.wait);
            }
            prop_assert_eq!(link.judge(step), restarted.judge(step));
        }
    }
}
