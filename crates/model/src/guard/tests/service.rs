//! Holds of one service.

use super::*;

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
fn what_went_before_a_confirmed_loss_is_settled_with_it() {
    let mut link = Link::of(10, 10);
    link.show(0, 0..7).passes(0);
    link.show(0, 0..4).hold(0);
    link.seconds(15).hold(0);
    link.seconds(15).passes(0);
    link.show(0, 0..3).passes(0);
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
fn a_growing_loss_needs_all_its_views() {
    let mut link = Link::of(10, 10);
    let zero = Confirmation {
        views: 3,
        over: Duration::ZERO,
    };
    let settings = Settings {
        zero,
        ..Settings::default()
    };
    link.guard = Guard::new("hz".into(), settings);
    link.show(0, 0..4).hold(0);
    link.seconds(1).show(0, 0..3).hold(0);
    link.seconds(1).hold(0);
    link.seconds(1).passes(0);
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
    assert_eq!(link.guard.sums.lost, 5, "not those that were held besides");
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

#[test]
fn what_moved_was_never_there() {
    let mut link = Link::of(10, 10);
    link.show(0, 0..8).passes(0);
    link.show(0, 0..4);
    assert_eq!(link.judge_with(0, link.look(), 4), Verdict::Pass);
    // The most there were without those that moved is 6.
    link.show(0, 0..3).passes(0);
    let hold = link.show(0, 0..2).hold(0);
    assert!(matches!(
        hold.reason,
        Reason::ServiceShare { lost: 4, of: 6, .. }
    ));
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
fn views_that_showed_a_part_of_a_service_do_not_show_it_empty() {
    let mut link = Link::of(10, 3);
    link.show(0, [0]).hold(0);
    link.seconds(15).hold(0);
    // The last one moves to another service, so that no more is lost than before.
    link.seconds(10).show(0, []);
    let moved = |link: &mut Link| link.judge_with(0, link.look(), 1);
    assert_ne!(moved(&mut link), Verdict::Pass);
    for _ in 0..2 {
        link.seconds(14);
        assert_ne!(moved(&mut link), Verdict::Pass, "28 seconds of it");
    }
    link.seconds(2);
    assert_eq!(moved(&mut link), Verdict::Pass);
}

#[test]
fn a_view_that_nobody_judged_breaks_the_row_all_the_same() {
    let mut link = Link::of(10, 3);
    link.show(0, []).hold(0);
    link.seconds(20).hold(0);
    link.seconds(5).show(0, [2]);
    let shown = link.offer(&service(0), 0);
    link.guard.overlook(&service(0), &shown);
    link.seconds(5).show(0, []).hold(0);
    link.seconds(15).hold(0);
    link.seconds(15).passes(0);
}
