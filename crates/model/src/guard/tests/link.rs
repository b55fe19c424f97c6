//! Holds of the whole link, deploys, and what outlives a restart.

use super::*;

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
fn an_approval_settles_what_went_before() {
    let mut link = spread(49, 3);
    assert_eq!(link.read(), 0);
    for name in 50..60 {
        link.show(name, 3..10);
    }
    assert_eq!(link.read(), 10, "147 and 30 of 1000");
    let hold = link.hold(50);
    assert_eq!(link.guard.approve(hold.id).map(|s| s.len()), Ok(10));
    assert_eq!(link.read(), 0);
    link.show(70, 4..10);
    assert_eq!(link.read(), 0, "151, if an operator had not looked at 147");
}

#[test]
fn what_froze_a_link_does_not_become_less_by_waiting() {
    let mut link = spread(49, 3);
    assert_eq!(link.read(), 0);
    link.show(70, 4..10).hold(70);
    for _ in 0..10 {
        link.seconds(3600).hold(70);
        assert_eq!(link.read(), 1);
    }
    link.show(70, 0..10).passes(70);
    link.ends_clean();
}

#[test]
fn what_returns_was_not_lost() {
    let mut link = spread(50, 3);
    assert_eq!(link.read(), 0);
    for name in 0..100 {
        link.show(name, 0..10);
    }
    assert_eq!(link.seconds(1).read(), 0);
    for name in 50..100 {
        link.show(name, 3..10);
    }
    assert_eq!(link.seconds(1).read(), 0, "150 of 1000 again, and others");
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
fn services_that_may_go_to_zero_do_not_count_afterwards() {
    let mut link = Link::of(1000, 1);
    for name in 0..11 {
        link.show(name, []);
    }
    assert_eq!(link.read(), 11);
    let hold = link.hold(0);
    assert_eq!(link.guard.approve(hold.id).map(|s| s.len()), Ok(11));
    assert_eq!(link.read(), 0);
    for name in 11..21 {
        link.show(name, []);
        assert_eq!(link.hold(name).service, Some(service(name)));
    }
}

#[test]
fn without_a_loss_that_waits_nothing_is_frozen() {
    let mut link = spread(49, 3);
    assert_eq!(link.read(), 0);
    // The link has become smaller, by whatever means but a loss.
    let look = Look {
        link_in_use: 100,
        ..link.look()
    };
    assert_eq!(link.judge_with(70, look, 0), Verdict::Pass);
    assert_eq!(link.guard.freeze(), None);
}

#[test]
fn gains_grow_old_in_a_frozen_link() {
    let mut link = spread(60, 3);
    link.show(70, 0..11).passes(70);
    assert_eq!(link.read(), 60);
    link.seconds(301).show(70, 0..10);
    assert_eq!(link.hold(70).service, None);
}

#[test]
fn a_service_that_returns_is_not_at_zero() {
    let mut link = Link::of(1000, 1);
    for name in 0..10 {
        link.show(name, []);
    }
    for _ in 0..3 {
        link.read();
        link.seconds(15);
    }
    assert_eq!(link.target(0), 0);
    link.show(0, [0]).passes(0);
    assert_eq!(link.show(10, []).hold(10).service, Some(service(10)));
    assert_eq!(link.show(11, []).hold(11).service, None);
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
        let look = link.look();
        for name in order {
            let key = service(name);
            let offer = link.offer(&key, 0);
            link.guard.announce(&look, &key, &offer);
        }
        link.hold(0).id
    };
    assert_eq!(frozen(&mut (0..60)), frozen(&mut (0..60).rev()));
}

#[test]
fn a_denied_link_opens_when_the_source_returns() {
    let mut link = spread(60, 3);
    link.read();
    let hold = link.hold(0);
    assert_eq!(link.guard.deny(hold.id).map(|denied| denied.len()), Ok(60));
    let frozen = link.guard.holds().next().expect("frozen");
    assert_eq!((frozen.service, frozen.needs), (None, Needs::Reversal));
    assert_eq!(link.hold(0).reason, Reason::Denied { lost: 3 });
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
        let replaced = if done < 10 {
            done.saturating_sub(2)
        } else {
            10
        };
        (done..10).chain(new(replaced)).collect()
    });
    // All the new ones come before the first old one goes, in a part of the
    // link or in all of it.
    let surge = |done: u32| match done {
        0 => (0..10).collect(),
        1..6 => (0..10).chain(new(10)).collect(),
        _ => ((done - 5) * 2..10).chain(new(10)).collect(),
    };
    roll(40, surge);
    roll(100, surge);
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

#[test]
fn a_loss_that_was_put_off_leaves_what_makes_up_for_it() {
    let mut link = Link::of(100, 5);
    for name in 0..100 {
        link.show(name, 0..6).passes(name);
        link.show(name, 1..6).passes(name);
        // Something came between, and the write was never sent.
        link.guard.take_back(link.now, &service(name), 1);
        let still = link.services.get_mut(&service(name)).expect("known");
        still.target = (0..6).collect();
        link.seconds(1).passes(name);
    }
    assert_eq!(link.guard.sums.lost, 0);
    link.ends_clean();
}
