//! What the journal is told, so that it can say why.

use std::time::Duration;

use syncline_model::bugs::Bug;
use syncline_model::guard::{Hold, HoldId};
use syncline_model::plan::{self, Change, Flips, Removal, RemovalPolicy};
use syncline_model::{InstanceKey, LinkName, Moment, ServiceKey};

use super::link::{Link, LinkRules};
use super::status::Problem;
use super::{Core, Effect, Happening, Line};

/// How often it is told that an instance flaps.
const FLAPS_TOLD_EVERY: Duration = Duration::from_secs(600);

/// How many of the instances that a hold keeps back are named: enough to see
/// which they are, and few enough for a line.
const KEPT_TOLD: usize = 100;

impl Link {
    /// A line about one of the link's services.
    pub(super) fn line(
        &self,
        happening: Happening,
        detail: impl Into<String>,
        service: &ServiceKey,
    ) -> Line {
        let mut line = Line::new(&self.rules.name, happening, detail).about(service);
        if let Some(state) = self.service(service)
            && !state.from.contains(service)
        {
            line.source_service = state.from.first().cloned();
        }
        line
    }

    /// What is about to be written.
    fn intent(&self, service: &ServiceKey, change: &Change) -> Line {
        let detail = match change {
            Change::Add(_) => String::new(),
            Change::Update { from, to } | Change::MarkUnavailable { from, to, .. } => {
                plan::difference(from, to)
            }
            Change::Remove { because, .. } => because.to_string(),
        };
        let mut line = self.line(Happening::Intent, detail, service);
        line.endpoint = Some(self.rules.to.clone());
        line.instance = Some(change.key().clone());
        line.change = Some(change.clone());
        line.source = Some(self.rules.from.clone());
        line.truth = self.truth;
        line.rule = rule(&self.rules, change);
        line
    }

    /// What the guard holds, and which instances it keeps back.
    pub(super) fn held_line(&self, service: &ServiceKey, hold: &Hold, kept: &[Change]) -> Line {
        let mut line = self.line(Happening::Held, hold.reason.to_string(), service);
        line.endpoint = Some(self.rules.to.clone());
        line.hold = Some(hold.id);
        line.kept = kept
            .iter()
            .take(KEPT_TOLD)
            .map(|change| change.key().clone())
            .collect();
        line.source = Some(self.rules.from.clone());
        line.truth = self.truth;
        line.rule = hold.reason.setting().map(|name| format!("guard.{name}"));
        line
    }

    /// A hold that ended, with or without its losses.
    pub(super) fn released_line(&self, service: &ServiceKey, hold: HoldId, goes: bool) -> Line {
        let detail = match goes {
            true => "its losses go through",
            false => "nothing of it is lost any more",
        };
        let mut line = self.line(Happening::Released, detail, service);
        line.hold = Some(hold);
        line
    }
}

impl Core {
    /// Tells what is about to be written, and which rule decided it.
    pub(super) fn tell_intents(
        &mut self,
        name: &LinkName,
        service: &ServiceKey,
        effect: u64,
        changes: &[Change],
    ) {
        let Some(link) = self.links.get(name) else {
            return;
        };
        if Bug::NoIntent.is_planted() {
            return;
        }
        let asides = self.asides(link);
        let line = |change: &Change| {
            let mut line = link.intent(service, change);
            line.effect = Some(effect);
            if let Change::Add(given) | Change::Update { to: given, .. } = change {
                let aside = asides.rule(service, given);
                line.rule = aside.or_else(|| dwelt(&link.rules, change));
            }
            Effect::Tell(Box::new(line))
        };
        let told: Vec<Effect> = changes.iter().map(line).collect();
        self.effects.extend(told);
    }

    /// Tells how a write as a whole is doing.
    pub(super) fn tell_effect(
        &mut self,
        name: &LinkName,
        service: &ServiceKey,
        happening: Happening,
        effect: u64,
        detail: impl Into<String>,
    ) {
        let Some(link) = self.links.get(name) else {
            return;
        };
        let mut line = link.line(happening, detail, service);
        line.effect = Some(effect);
        self.effects.push(Effect::Tell(Box::new(line)));
    }

    /// The target is about to be given again what it had.
    pub(super) fn tell_take_up(
        &mut self,
        name: &LinkName,
        service: &ServiceKey,
        effect: u64,
        instances: usize,
    ) {
        let detail = format!("{instances} instances");
        self.tell_effect(name, service, Happening::TakeUp, effect, detail);
    }

    /// A write succeeded: what it changed, and how much stands now.
    pub(super) fn tell_confirmed(
        &mut self,
        name: &LinkName,
        service: &ServiceKey,
        changes: &[Change],
        effect: u64,
        standing: usize,
    ) {
        if Bug::NoOutcome.is_planted() {
            return;
        }
        let (happening, detail) = match changes.len() {
            0 => (Happening::TakenUp, format!("{standing} instances stand")),
            1 => (
                Happening::Applied,
                format!("1 change, {standing} instances stand"),
            ),
            many => (
                Happening::Applied,
                format!("{many} changes, {standing} instances stand"),
            ),
        };
        self.tell_effect(name, service, happening, effect, detail);
    }

    /// A write was planned anew before it was begun.
    pub(super) fn tell_dropped(&mut self, name: &LinkName, service: &ServiceKey, effect: u64) {
        let detail = "what happened meanwhile may speak against it";
        self.tell_effect(name, service, Happening::Dropped, effect, detail);
    }

    /// An operator decided on a hold of these services.
    pub(super) fn tell_decided(
        &mut self,
        link: &LinkName,
        services: &[ServiceKey],
        hold: HoldId,
        approve: bool,
    ) {
        let Some(link) = self.links.get(link) else {
            return;
        };
        let happening = match approve {
            true => Happening::Approved,
            false => Happening::Denied,
        };
        for service in services {
            let mut line = link.line(happening, "", service);
            line.hold = Some(hold);
            self.effects.push(Effect::Tell(Box::new(line)));
        }
    }

    /// Tells of instances that are left out from now on, each once.
    pub(super) fn tell_left_out(
        &mut self,
        name: &LinkName,
        service: &ServiceKey,
        left_out: &[Problem],
    ) {
        let Some(link) = self.links.get(name) else {
            return;
        };
        let before = link
            .service(service)
            .map_or(&[][..], |state| &state.left_out);
        for problem in left_out.iter().filter(|new| !before.contains(new)) {
            let mut line = link.line(Happening::Quarantined, problem.what.clone(), service);
            line.instance = problem.instance.clone();
            line.source = Some(link.rules.from.clone());
            self.effects.push(Effect::Tell(Box::new(line)));
        }
    }

    /// Tells of changes of health that have to last before they are passed on.
    /// What flaps is told once in a while.
    pub(super) fn tell_flips(
        &mut self,
        now: Moment,
        name: &LinkName,
        service: &ServiceKey,
        flips: &Flips,
    ) {
        let link = self.links.get_mut(name);
        let Some(state) = link.and_then(|link| link.service_mut(service)) else {
            return;
        };
        let told = &mut state.told_flips;
        told.retain(|key, at| flips.contains_key(key) || now.since(*at) < FLAPS_TOLD_EVERY);
        let new = flips.keys().filter(|key| !told.contains_key(key));
        let new: Vec<InstanceKey> = new.cloned().collect();
        told.extend(new.iter().map(|key| (key.clone(), now)));
        let Some(link) = self.links.get(name).filter(|_| !new.is_empty()) else {
            return;
        };
        for key in new {
            let held = link.service(service).map(|state| state.held.get(&key));
            let was_healthy =
                (held.and_then(<[_]>::first)).is_none_or(|held| held.healthy.or(true));
            let health = if was_healthy { "unhealthy" } else { "healthy" };
            let detail = format!("{health} at the source; passed on if it lasts");
            let mut line = link.line(Happening::Flipped, detail, service);
            line.instance = Some(key);
            line.source = Some(link.rules.from.clone());
            line.rule = Some(dwell_rule(&link.rules));
            self.effects.push(Effect::Tell(Box::new(line)));
        }
    }

    /// Tells of natives that came and went, each once.
    pub(super) fn tell_shadowed(
        &mut self,
        name: &LinkName,
        service: &ServiceKey,
        shadowed: &[InstanceKey],
    ) {
        let Some(link) = self.links.get(name) else {
            return;
        };
        let before = link
            .service(service)
            .map_or(&[][..], |state| &state.shadowed);
        let came = shadowed.iter().filter(|key| !before.contains(key));
        let left = before.iter().filter(|key| !shadowed.contains(key));
        let told = came
            .map(|key| (key, Happening::Shadowed))
            .chain(left.map(|key| (key, Happening::Unshadowed)));
        for (key, happening) in told {
            let mut line = link.line(happening, "", service);
            line.endpoint = Some(link.rules.to.clone());
            line.instance = Some(key.clone());
            self.effects.push(Effect::Tell(Box::new(line)));
        }
    }
}

/// The dwell time that a change of health had to last, where there is one.
fn dwelt(rules: &LinkRules, change: &Change) -> Option<String> {
    let Change::Update { from, to } = change else {
        return None;
    };
    let flips = from.healthy.or(true) != to.healthy.or(true);
    (flips && !rules.health_dwell.is_zero()).then(|| dwell_rule(rules))
}

fn dwell_rule(rules: &LinkRules) -> String {
    format!("health_dwell: {:?}", rules.health_dwell)
}

/// The setting that decides a change, and its value.
fn rule(rules: &LinkRules, change: &Change) -> Option<String> {
    let because = match change {
        Change::Add(_) | Change::Update { .. } => return None,
        Change::MarkUnavailable { .. } => None,
        Change::Remove { because, .. } => Some(because),
    };
    if let Some(Removal::Shadowed(_)) = because {
        return Some("natives win".to_owned());
    }
    let (policy, grace) = match rules.removal {
        RemovalPolicy::Delete { grace } => ("delete", grace),
        RemovalPolicy::MarkUnavailable {
            expire_after: Some(after),
            ..
        } if because.is_some() => {
            return Some(format!("removal.expire_after: {after:?}"));
        }
        RemovalPolicy::MarkUnavailable { grace, .. } => ("mark-unavailable", grace),
        RemovalPolicy::Keep => return None,
    };
    Some(match grace.is_zero() {
        true => format!("removal.policy: {policy}"),
        false => format!("removal.policy: {policy}, removal.grace: {grace:?}"),
    })
}
