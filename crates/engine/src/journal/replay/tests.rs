//! What a target had been given at a moment.

use super::*;
use crate::journal::lines::{Lines, content};

const ONE: &str = "10.0.0.1:80";
const TWO: &str = "10.0.0.2:80";

/// Each instance with its weight, and whether that is certain.
fn given(lines: &Lines, at_ms: u64) -> Vec<(String, Option<f64>, bool)> {
    let answer = lines
        .reader()
        .given_at("orders", None, at_ms)
        .expect("reads");
    assert_eq!(answer.unread, 0);
    let all = answer.given.into_iter().flat_map(|given| given.instances);
    let told = |it: GivenInstance| (it.instance, it.content.map(|c| c.weight), it.certain);
    all.map(told).collect()
}

fn certain(instance: &str, weight: f64) -> (String, Option<f64>, bool) {
    (instance.to_owned(), Some(weight), true)
}

#[test]
fn each_moment_has_what_was_confirmed_before_it() {
    let mut lines = Lines::begin();
    lines.intent(1, ONE, (None, Some(1.0)));
    let added = lines.outcome(1, Kind::Applied, "");
    lines.intent(2, ONE, (Some(1.0), Some(5.0)));
    let changed = lines.outcome(2, Kind::Applied, "");
    lines.intent(3, ONE, (Some(5.0), None));
    let removed = lines.outcome(3, Kind::Applied, "");

    assert_eq!(given(&lines, added), [certain(ONE, 1.0)]);
    assert_eq!(given(&lines, changed), [certain(ONE, 5.0)]);
    assert_eq!(given(&lines, removed), []);
    assert_eq!(given(&lines, u64::MAX), []);
    assert_eq!(given(&lines, 0), [], "it was not there before it was added");
}

#[test]
fn while_a_write_is_under_way_nothing_is_certain() {
    let mut lines = Lines::begin();
    let sent = lines.intent(1, ONE, (None, Some(1.0)));
    let applied = lines.outcome(1, Kind::Applied, "");
    let going = lines.intent(2, ONE, (Some(1.0), None));
    lines.outcome(2, Kind::Failed, "no answer");
    let uncertain = [(ONE.to_owned(), Some(1.0), false)];
    assert_eq!(given(&lines, sent), uncertain);
    assert_eq!(given(&lines, applied), [certain(ONE, 1.0)]);
    // A removal that failed may have been one, and may not.
    assert_eq!(given(&lines, going), uncertain);
    assert_eq!(given(&lines, u64::MAX), uncertain);
}

#[test]
fn what_was_planned_anew_was_never_given() {
    let mut lines = Lines::begin();
    lines.intent(1, ONE, (None, Some(1.0)));
    let dropped = lines.outcome(1, Kind::Dropped, "");
    assert_eq!(given(&lines, dropped), []);
    lines.intent(2, ONE, (None, Some(2.0)));
    let applied = lines.outcome(2, Kind::Applied, "");
    assert_eq!(given(&lines, applied), [certain(ONE, 2.0)]);
}

#[test]
fn what_stood_before_the_journal_is_told_from_its_first_change() {
    let mut lines = Lines::begin();
    let before = lines.plain(Kind::Reloaded);
    lines.intent(1, ONE, (Some(3.0), Some(4.0)));
    lines.intent(1, TWO, (Some(7.0), None));
    lines.outcome(1, Kind::Applied, "");
    assert_eq!(
        given(&lines, before),
        [certain(ONE, 3.0), certain(TWO, 7.0)]
    );
    let answer = lines
        .reader()
        .given_at("orders", None, before)
        .expect("reads");
    assert_eq!(answer.given[0].target.as_deref(), Some("b"));
    assert_eq!(answer.given[0].instances[0].since_ms, None);
    assert_eq!(answer.given[0].instances[0].content, Some(content(3.0)));
}

#[test]
fn a_crash_leaves_what_was_open_uncertain_until_it_is_taken_up_again() {
    let mut lines = Lines::begin();
    lines.intent(1, ONE, (None, Some(1.0)));
    let crashed = lines.plain(Kind::Started);
    // The new run's first effect has the number of the last run's.
    let others = lines.line(Kind::Applied, |entry| entry.effect = Some(1));
    assert_eq!(given(&lines, crashed), [(ONE.to_owned(), Some(1.0), false)]);
    assert_eq!(given(&lines, others), [(ONE.to_owned(), Some(1.0), false)]);
    lines.line(Kind::TakeUp, |entry| {
        entry.link = Some("l".to_owned());
        entry.service = Some(crate::journal::lines::orders());
        entry.effect = Some(2);
    });
    let taken_up = lines.outcome(2, Kind::Applied, "");
    assert_eq!(given(&lines, taken_up), [certain(ONE, 1.0)]);
}

#[test]
fn links_and_names_are_told_apart() {
    let mut lines = Lines::begin();
    lines.intent(1, ONE, (None, Some(1.0)));
    let at = lines.outcome(1, Kind::Applied, "");
    let count = |service: &str, link: Option<&str>| {
        let answer = lines.reader().given_at(service, link, at);
        answer.expect("reads").given.len()
    };
    assert_eq!(count("public/g/orders", None), 1);
    assert_eq!(count("g@@orders", Some("l")), 1);
    assert_eq!(count("orders", Some("other")), 0);
    assert_eq!(count("order", None), 0);
}
