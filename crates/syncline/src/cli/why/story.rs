//! A story, told the newest first.

use serde::Serialize;
use syncline_admin::api;
use syncline_engine::journal::{Change, JournalEntry, Kind, Outcome, Step, Story};

use crate::cli::when::{local, utc};
use crate::output::number::plural;
use crate::output::palette::{Palette, Tone};
use crate::output::safe::safe;

/// One step, for programs.
#[derive(Serialize)]
pub(super) struct StepData<'a> {
    number: u64,
    at: String,
    /// `applied`, `failed`, `dropped`, `unknown` or `open`; absent for what does
    /// not end.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a str>,
    #[serde(flatten)]
    entry: &'a JournalEntry,
}

pub(super) fn data(step: &Step) -> StepData<'_> {
    let (outcome, ended_at, failure) = match &step.outcome {
        None => (None, None, None),
        Some(Outcome::Applied { at_ms }) => (Some("applied"), Some(utc(*at_ms)), None),
        Some(Outcome::Failed { at_ms, why }) => {
            (Some("failed"), Some(utc(*at_ms)), Some(why.as_str()))
        }
        Some(Outcome::Dropped) => (Some("dropped"), None, None),
        Some(Outcome::Unknown) => (Some("unknown"), None, None),
        Some(Outcome::Open) => (Some("open"), None, None),
    };
    StepData {
        number: step.record.number,
        at: utc(step.record.entry.at_ms),
        outcome,
        ended_at,
        failure,
        entry: &step.record.entry,
    }
}

/// The whole story: what stands now, then each step.
pub(super) fn text(
    what: &str,
    story: &Story,
    held: &[&api::HeldBack],
    (told, runs): (usize, bool),
    palette: Palette,
) -> String {
    let mut text = String::new();
    if let Some(last) = story.steps.iter().rev().find(|step| is_telling(step)) {
        let head = headline(what, last, runs);
        text.push_str(&format!("{}\n", palette.strong(safe(&head))));
    }
    for held in held {
        let hold = &held.hold;
        let what = format!(
            "held on {}: {}; needs {}; syncline approve {}",
            held.link, hold.reason, hold.needs, hold.id
        );
        text.push_str(&format!("{} {}\n", palette.changed("!"), safe(&what)));
    }
    for record in &story.lasting {
        text.push_str(&format!(
            "{} since {}: {}\n",
            palette.changed("!"),
            local(record.entry.at_ms),
            safe(&trouble(&record.entry))
        ));
    }
    text.push('\n');
    for step in story.steps.iter().rev().take(told) {
        text.push_str(&step_text(step, runs, palette));
    }
    let more = story.steps.len().saturating_sub(told);
    if more > 0 {
        let more = format!("{} before that; -o wide tells all", plural(more, "step"));
        text.push_str(&format!("{}\n", palette.dim(more)));
    }
    if let Some(reach) = story.oldest.filter(|reach| !reach.is_whole()) {
        let back = format!("the journal reaches back to {}", local(reach.at_ms));
        text.push_str(&format!("{}\n", palette.dim(back)));
    }
    for error in &story.unread {
        let error = error.to_string();
        text.push_str(&format!("{} {}\n", palette.changed("!"), safe(&error)));
    }
    text
}

/// Whether a step says what became of the thing.
fn is_telling(step: &Step) -> bool {
    !matches!(step.record.entry.kind, Kind::Approved | Kind::Denied)
}

/// What is asked for, where it is, and what was done to it last.
fn headline(what: &str, step: &Step, runs: bool) -> String {
    let entry = &step.record.entry;
    let link = entry.link.as_deref().unwrap_or("no link");
    let of = entry
        .service
        .as_ref()
        .map(ToString::to_string)
        .filter(|service| service != what)
        .map_or_else(String::new, |service| format!("  {service}"));
    let (done, _) = deed(step, runs);
    format!(
        "{what}{of}  on link {link}: {done} at {}",
        local(entry.at_ms)
    )
}

fn step_text(step: &Step, runs: bool, palette: Palette) -> String {
    let entry = &step.record.entry;
    let (done, tone) = deed(step, runs);
    let at = palette.dim(local(entry.at_ms));
    let instance = entry
        .instance
        .as_ref()
        .map_or_else(String::new, |instance| format!("   {}", safe(instance)));
    let done = palette.paint(tone, safe(&done));
    let mut text = format!("{at}  {done}{instance}\n");
    for line in reasons(step) {
        text.push_str(&format!("{:25}{}\n", "", safe(&line)));
    }
    text
}

/// What was done, in the past tense where that is certain.
fn deed(step: &Step, runs: bool) -> (String, Tone) {
    let entry = &step.record.entry;
    let target = entry.endpoint.as_deref().unwrap_or("the target");
    let (done, to_be, tone) = match (entry.kind, entry.change) {
        (Kind::Intent, Some(Change::Add)) => ("added to", "add to", Tone::Added),
        (Kind::Intent, Some(Change::Update)) => ("changed at", "change at", Tone::Changed),
        (Kind::Intent, Some(Change::Remove)) => ("removed from", "remove from", Tone::Removed),
        (Kind::Intent, Some(Change::Mark)) => (
            "marked unavailable at",
            "mark unavailable at",
            Tone::Changed,
        ),
        (Kind::Intent, _) => ("written to", "write to", Tone::Changed),
        (Kind::TakeUp, _) => ("taken up again at", "take up again at", Tone::Added),
        (kind, _) => return event(kind, target),
    };
    match &step.outcome {
        Some(Outcome::Applied { .. }) | None => (format!("{done} {target}"), tone),
        Some(Outcome::Failed { .. }) => (format!("failed to {to_be} {target}"), Tone::Removed),
        Some(Outcome::Dropped) => (
            format!("meant to {to_be} {target}, and never sent"),
            Tone::Dim,
        ),
        Some(Outcome::Open) if runs => (format!("about to {to_be} {target}"), Tone::Changed),
        Some(Outcome::Unknown | Outcome::Open) => (
            format!("about to {to_be} {target}, and no outcome is known"),
            Tone::Changed,
        ),
    }
}

fn event(kind: Kind, target: &str) -> (String, Tone) {
    let (text, tone) = match kind {
        Kind::Held => ("held by the guard", Tone::Changed),
        Kind::Released => ("no longer held", Tone::Plain),
        Kind::Approved => ("approved by an operator", Tone::Plain),
        Kind::Denied => ("denied by an operator", Tone::Plain),
        Kind::Shadowed => {
            let text = format!("shadowed: an application registers it itself at {target}");
            return (text, Tone::Changed);
        }
        Kind::Unshadowed => {
            let text = format!("no longer shadowed: the application left {target}");
            return (text, Tone::Plain);
        }
        Kind::Quarantined => ("left out", Tone::Changed),
        Kind::Conflict => ("left alone: another's stands there", Tone::Changed),
        Kind::Blocked => ("blocked by a service of the other kind", Tone::Changed),
        Kind::Drift => ("changed at the target by another", Tone::Changed),
        Kind::Adopted => {
            let text = format!("taken over at {target} by an operator");
            return (text, Tone::Added);
        }
        Kind::Flipped => ("its health changed", Tone::Changed),
        Kind::Failed => ("a write failed", Tone::Removed),
        Kind::Applied => ("a write was confirmed", Tone::Plain),
        _ => ("noted", Tone::Plain),
    };
    (text.to_owned(), tone)
}

/// Why, and how it ended, a line each.
fn reasons(step: &Step) -> Vec<String> {
    let entry = &step.record.entry;
    let mut lines = Vec::new();
    lines.extend(entry.note.clone());
    if let Some(cause) = &entry.cause {
        let seen = match (&cause.source, &cause.view) {
            (Some(source), Some(view)) => Some(format!("as seen at {source} ({view})")),
            (Some(source), None) => Some(format!("as seen at {source}")),
            _ => None,
        };
        let rule = cause.rule.as_ref().map(|rule| format!("rule: {rule}"));
        let both: Vec<String> = seen.into_iter().chain(rule).collect();
        if !both.is_empty() {
            lines.push(both.join("; "));
        }
    }
    if let Some(source) = &entry.source_service {
        lines.push(format!("{source} at the source"));
    }
    if let Some(hold) = &entry.hold {
        lines.push(format!("hold {hold}"));
    }
    if !entry.kept.is_empty() && entry.instance.is_none() {
        lines.push(format!("kept: {}", entry.kept.join(", ")));
    }
    lines.extend(ending(step));
    lines
}

fn ending(step: &Step) -> Option<String> {
    let begun = step.record.entry.at_ms;
    Some(match step.outcome.as_ref()? {
        Outcome::Applied { at_ms } => {
            format!("confirmed after {} ms", at_ms.saturating_sub(begun))
        }
        Outcome::Failed { at_ms, why } => {
            format!("failed after {} ms: {why}", at_ms.saturating_sub(begun))
        }
        Outcome::Dropped => "it was planned anew before it was sent".to_owned(),
        Outcome::Unknown => "the daemon ended before the outcome was known; \
             what the ledger remembers is looked at again at the next start"
            .to_owned(),
        Outcome::Open => return None,
    })
}

fn trouble(entry: &JournalEntry) -> String {
    let link = entry.link.as_deref().unwrap_or_default();
    let endpoint = entry.endpoint.as_deref().unwrap_or("it");
    let note = entry.note.as_deref().unwrap_or_default();
    match entry.kind {
        Kind::SourceLost => {
            format!("{endpoint} cannot be read, which removes nothing: {note}")
        }
        Kind::TargetLost => format!("{endpoint} cannot be written: {note}"),
        Kind::Evacuated => format!("{note} is evacuated, so that its copies take no traffic"),
        _ => format!("{link} is paused"),
    }
}
