//! Telling a plan.

use std::fmt::Write as _;

use syncline_model::plan::{Change, Plan, difference};
use syncline_model::{Instance, Moment, Seen, Weight};

/// Appends what is planned, and what the target has then.
pub(super) fn plan(told: &mut String, plan: &Plan) {
    let mut lines: Vec<String> = plan.changes.iter().map(change).collect();
    if lines.is_empty() {
        lines.push("change nothing".to_owned());
    }
    lines.extend(plan.shadowed.iter().map(|key| format!("shadowed: {key}")));
    lines.extend(
        plan.missing
            .iter()
            .map(|(key, since)| format!("missing: {key} since {}", seconds(*since))),
    );
    lines.extend(
        (plan.flips.iter()).map(|(key, since)| format!("flipped: {key} since {}", seconds(*since))),
    );
    if let Some(wake) = plan.wake {
        lines.push(format!("plan again at {}", seconds(wake)));
    }
    let held = plan.accepted.instances();
    lines.extend(held.iter().map(|i| format!("then holds {}", instance(i))));
    if held.is_empty() {
        lines.push("then holds nothing".to_owned());
    }
    told.push_str("plan:\n");
    for line in lines {
        writeln!(told, "  {line}").expect("a string takes everything");
    }
}

fn seconds(moment: Moment) -> String {
    format!("{}s", moment.since_origin().as_secs_f64())
}

fn change(change: &Change) -> String {
    let key = change.key();
    match change {
        Change::Add(added) => format!("add {}", instance(added)),
        Change::Update { from, to } => format!("update {key}: {}", difference(from, to)),
        Change::MarkUnavailable { from, to, proof } => {
            let difference = difference(from, to);
            let truth = proof.truth();
            format!("mark unavailable {key}: {difference} (gone from the source, {truth})")
        }
        Change::Remove { because, .. } => format!("remove {key}: {because}"),
    }
}

fn instance(instance: &Instance) -> String {
    let mut text = instance.key.to_string();
    if instance.weight != Weight::ONE {
        text += &format!(" weight {}", instance.weight);
    }
    match instance.healthy {
        Seen::Known(true) => {}
        Seen::Known(false) => text += " unhealthy",
        Seen::Unknown => text += " health unknown",
    }
    if !instance.enabled {
        text += " disabled";
    }
    match instance.ephemeral {
        Seen::Known(true) => {}
        Seen::Known(false) => text += " persistent",
        Seen::Unknown => text += " kind unknown",
    }
    for (key, value) in instance.metadata.iter() {
        text += &format!(" {key}={value}");
    }
    text
}
