//! What the journal tells of one thing.

use super::*;
use crate::journal::lines::Lines;

const ONE: &str = "10.0.0.1:80";

fn about(lines: &Lines, what: &str) -> Story {
    let question = Question {
        about: what.to_owned(),
        ..Question::default()
    };
    lines.reader().story(&question).expect("reads")
}

/// What happened, and how it ended.
fn steps(story: &Story) -> Vec<(Kind, Option<Outcome>)> {
    let step = |step: &Step| (step.record.entry.kind, step.outcome.clone());
    story.steps.iter().map(step).collect()
}

#[test]
fn each_write_has_the_outcome_of_its_own_effect() {
    let mut lines = Lines::begin();
    lines.intent(1, ONE, (None, Some(1.0)));
    lines.intent(2, "10.0.0.2:80", (None, Some(1.0)));
    let failed = lines.outcome(2, Kind::Failed, "refused");
    let applied = lines.outcome(1, Kind::Applied, "");
    lines.intent(3, ONE, (Some(1.0), Some(2.0)));
    lines.outcome(3, Kind::Dropped, "");
    lines.intent(4, ONE, (Some(1.0), None));

    let story = about(&lines, ONE);
    assert_eq!(
        steps(&story),
        [
            (Kind::Intent, Some(Outcome::Applied { at_ms: applied })),
            (Kind::Intent, Some(Outcome::Dropped)),
            (Kind::Intent, Some(Outcome::Open)),
        ]
    );
    let why = "refused".to_owned();
    let expected = Outcome::Failed { at_ms: failed, why };
    assert_eq!(
        steps(&about(&lines, "10.0.0.2:80")),
        [(Kind::Intent, Some(expected))]
    );
}

#[test]
fn what_a_run_left_open_stays_unknown_though_numbers_begin_anew() {
    let mut lines = Lines::begin();
    lines.intent(1, ONE, (None, Some(1.0)));
    lines.plain(Kind::Started);
    lines.intent(1, ONE, (None, Some(1.0)));
    let applied = lines.outcome(1, Kind::Applied, "");
    assert_eq!(
        steps(&about(&lines, ONE)),
        [
            (Kind::Intent, Some(Outcome::Unknown)),
            (Kind::Intent, Some(Outcome::Applied { at_ms: applied })),
        ]
    );
}

#[test]
fn a_thing_is_found_by_each_of_its_names_and_by_no_other() {
    let mut lines = Lines::begin();
    lines.line(Kind::Intent, |entry| {
        entry.link = Some("l".to_owned());
        entry.service = Some(crate::journal::lines::orders());
        entry.instance = Some("10.0.0.1:80@east".to_owned());
    });
    for name in [
        "orders",
        "g@@orders",
        "public/g/orders",
        "10.0.0.1",
        "10.0.0.1:80",
        "10.0.0.1:80@east",
    ] {
        assert_eq!(about(&lines, name).steps.len(), 1, "{name}");
    }
    for other in ["order", "x@@orders", "10.0.0.10", "10.0.0.1:8", "east", ""] {
        let story = about(&lines, other);
        assert_eq!(story.steps.len(), 0, "{other}");
        assert!(
            story.services.contains("public/g/orders"),
            "to be named as a hint"
        );
    }
}

#[test]
fn times_and_links_bound_the_answer_but_not_the_outcome() {
    let mut lines = Lines::begin();
    let first = lines.intent(1, ONE, (None, Some(1.0)));
    let second = lines.intent(2, ONE, (Some(1.0), Some(2.0)));
    lines.outcome(1, Kind::Applied, "");
    let ended = lines.outcome(2, Kind::Applied, "");
    let ask = |from_ms, until_ms, link: Option<&str>| {
        let question = Question {
            about: ONE.to_owned(),
            link: link.map(str::to_owned),
            from_ms,
            until_ms,
        };
        steps(&lines.reader().story(&question).expect("reads"))
    };
    let applied = Some(Outcome::Applied { at_ms: ended });
    assert_eq!(ask(Some(second), None, None), [(Kind::Intent, applied)]);
    assert_eq!(ask(None, Some(first), None).len(), 1);
    assert_eq!(ask(None, None, Some("l")).len(), 2);
    assert_eq!(ask(None, None, Some("other")).len(), 0);
}

#[test]
fn a_hold_is_told_to_its_end_and_those_of_others_are_not() {
    let mut lines = Lines::begin();
    let mut about_hold = |kind, hold: &str, kept: &[&str]| {
        lines.line(kind, |entry| {
            entry.link = Some("l".to_owned());
            entry.hold = Some(hold.to_owned());
            entry.kept = kept.iter().map(|kept| (*kept).to_owned()).collect();
        })
    };
    about_hold(Kind::Held, "h1", &[ONE]);
    about_hold(Kind::Held, "h2", &["10.0.0.2:80"]);
    about_hold(Kind::Approved, "h2", &[]);
    about_hold(Kind::Denied, "h1", &[]);
    about_hold(Kind::Released, "h1", &[]);
    let told: Vec<Kind> = steps(&about(&lines, ONE))
        .into_iter()
        .map(|s| s.0)
        .collect();
    assert_eq!(told, [Kind::Held, Kind::Denied, Kind::Released]);
}

#[test]
fn what_lasts_is_told_until_it_ends() {
    let mut lines = Lines::begin();
    lines.intent(1, ONE, (None, Some(1.0)));
    let lasting = |lines: &Lines| -> Vec<(Kind, String)> {
        let told = about(lines, ONE).lasting;
        let pair = |record: Record| (record.entry.kind, record.entry.note.unwrap_or_default());
        told.into_iter().map(pair).collect()
    };
    let evacuated = |what: &str| (Kind::Evacuated, what.to_owned());
    lines.of_link(Kind::SourceLost, "refused");
    lines.of_link(Kind::Paused, "");
    lines.of_link(Kind::Evacuated, "link:l");
    lines.of_link(Kind::Evacuated, "cluster:c");
    assert_eq!(lasting(&lines).len(), 4);
    lines.of_link(Kind::SourceFound, "");
    lines.of_link(Kind::Restored, "link:l");
    assert_eq!(
        lasting(&lines),
        [(Kind::Paused, String::new()), evacuated("cluster:c")]
    );
    // A pause ends with the daemon; an evacuation does not.
    lines.plain(Kind::Started);
    assert_eq!(lasting(&lines), [evacuated("cluster:c")]);
    lines.of_link(Kind::Restored, "cluster:c");
    assert_eq!(lasting(&lines), []);
    // Of links that the answer does not name nothing is told.
    lines.of_link(Kind::SourceLost, "refused");
    assert!(about(&lines, "other").lasting.is_empty());
}
