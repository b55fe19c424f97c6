//! From the engine's values to the API's.

use std::time::Duration;

use syncline_contract::{self as contract, Coverage};
use syncline_engine::core as engine;
use syncline_model::guard::{Hold, Needs};
use syncline_model::plan::{self, Change};
use syncline_model::{Instance, InstanceKey, Seen, ServiceKey};

use crate::api;

/// What the engine says of itself, as the API tells it.
pub fn status(status: engine::Status) -> api::Status {
    api::Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        endpoints: status.endpoints.into_iter().map(endpoint).collect(),
        links: status.links.into_iter().map(link).collect(),
        peers: status.peers.iter().map(peer).collect(),
        evacuated: status.evacuated.iter().map(ToString::to_string).collect(),
    }
}

/// What the engine would do, as the API tells it.
pub fn plan(previews: Vec<engine::LinkPreview>) -> api::Plan {
    api::Plan {
        links: previews.into_iter().map(link_plan).collect(),
    }
}

fn peer(status: &engine::PeerStatus) -> api::Peer {
    let links = status.links.iter().map(|link| api::PeerLink {
        name: link.link.to_string(),
        seen_seconds_ago: link.unseen_for.map(|ago| ago.as_secs_f64()),
        same_rules: link.same_rules,
        differs_seconds: link.differs_for.map(|time| time.as_secs_f64()),
        differing: link.differing.iter().map(service).collect(),
    });
    api::Peer {
        address: status.peer.to_string(),
        heard_seconds_ago: status.heard_ago.map(|ago| ago.as_secs_f64()),
        lost: status.lost.as_ref().map(ToString::to_string),
        links: links.collect(),
    }
}

/// What the guard holds, as the API tells it.
pub fn holds(held: Vec<engine::HeldBack>) -> api::Holds {
    api::Holds {
        holds: held.iter().map(held_back).collect(),
    }
}

fn held_back(held: &engine::HeldBack) -> api::HeldBack {
    let changes = |held: &engine::HeldService| -> Vec<api::Change> {
        let changes = held.changes.iter();
        changes.map(|c| change(&held.service, c)).collect()
    };
    api::HeldBack {
        link: held.link.to_string(),
        from: held.from.to_string(),
        to: held.to.to_string(),
        hold: hold(&held.status.hold, held.status.held_for),
        would_go: held.services.iter().flat_map(changes).collect(),
    }
}

/// What an evacuation concerns, as the API tells it.
pub fn evacuation(preview: &engine::EvacuationPreview) -> api::Evacuation {
    let links = preview.links.iter().map(|link| api::EvacuatedLink {
        name: link.link.to_string(),
        from: link.from.to_string(),
        to: link.to.to_string(),
        services: link.services,
        instances: link.instances,
        emptied: link.emptied.iter().map(service).collect(),
        deferred: link.deferred,
    });
    api::Evacuation {
        what: preview.what.to_string(),
        evacuated: preview.evacuated,
        links: links.collect(),
    }
}

fn endpoint(status: engine::EndpointStatus) -> api::Endpoint {
    api::Endpoint {
        name: status.endpoint.to_string(),
        down: status.down.map(|why| why.to_string()),
        learns: status.learns.map(|how| how.to_string()),
        areas: status.areas.iter().map(area).collect(),
        complete_seconds_ago: status.complete_ago.map(|ago| ago.as_secs_f64()),
        last_known_seconds_ago: status.last_known_ago.map(|ago| ago.as_secs_f64()),
        services: status.services,
        instances: status.instances,
        problems: status.problems.iter().map(problem).collect(),
    }
}

fn area(area: &contract::Area) -> api::Area {
    let (coverage, view) = match &area.coverage {
        Coverage::Complete(truth) => ("complete", Some(truth.to_string())),
        Coverage::Partial(_) => ("partial", None),
        Coverage::Suspect(_) => ("suspect", None),
        Coverage::Failed(_) => ("failed", None),
    };
    api::Area {
        namespace: area.namespace.as_ref().map(ToString::to_string),
        group: area.group.as_ref().map(ToString::to_string),
        coverage: coverage.to_owned(),
        view,
        why: area.coverage.doubt().map(|why| why.to_string()),
    }
}

fn link(status: engine::LinkStatus) -> api::Link {
    api::Link {
        name: status.link.to_string(),
        from: status.from.to_string(),
        to: status.to.to_string(),
        state: status.state.as_str().to_owned(),
        view: status.truth.map(|truth| truth.to_string()),
        complete_seconds_ago: status.complete_ago.map(|ago| ago.as_secs_f64()),
        last_known_seconds_ago: status.last_known_ago.map(|ago| ago.as_secs_f64()),
        target: status.target.map(|report| api::Target {
            product: report.product,
            hold: report.hold.as_str().to_owned(),
            advice: report.advice,
        }),
        services: status.services,
        instances: status.instances,
        pending: status.pending,
        shadowed: status.shadowed,
        aside: status.aside.map(|aside| aside.as_str().to_owned()),
        holds: status
            .holds
            .iter()
            .map(|held| hold(&held.hold, held.held_for))
            .collect(),
        problems: status.problems.iter().map(problem).collect(),
    }
}

fn hold(hold: &Hold, held_for: Duration) -> api::Hold {
    let needs = match hold.needs {
        Needs::Views { more, over } => {
            let views = match more {
                1 => "1 more complete view".to_owned(),
                many => format!("{many} more complete views"),
            };
            format!("{views} over {} s, or an approval", over.as_secs().max(1))
        }
        Needs::Approval => "an approval, or the source shows them again".to_owned(),
        Needs::Reversal => "the source shows them again".to_owned(),
    };
    api::Hold {
        id: hold.id.to_string(),
        service: hold.service.as_ref().map(service),
        reason: hold.reason.to_string(),
        setting: hold.reason.setting().map(str::to_owned),
        needs,
        held_seconds: held_for.as_secs_f64(),
    }
}

fn problem(problem: &engine::Problem) -> api::Problem {
    api::Problem {
        service: service(&problem.service),
        instance: problem.instance.as_ref().map(ToString::to_string),
        what: problem.what.clone(),
    }
}

pub(crate) fn service(service: &ServiceKey) -> api::ServiceName {
    api::ServiceName {
        namespace: service.namespace.to_string(),
        group: service.group.to_string(),
        service: service.name.to_string(),
    }
}

fn link_plan(preview: engine::LinkPreview) -> api::LinkPlan {
    let wrong = &preview.wrong;
    let changes = wrong
        .iter()
        .flat_map(|wrong| wrong.changes.iter().map(|c| change(&wrong.service, c)))
        .collect();
    let held = wrong
        .iter()
        .flat_map(|wrong| wrong.kept.iter().map(|c| change(&wrong.service, c)))
        .collect();
    // All losses of a link wait for one hold.
    let mut holds: Vec<&Hold> = Vec::new();
    for hold in wrong.iter().filter_map(|wrong| wrong.hold.as_ref()) {
        if !holds.iter().any(|told| told.id == hold.id) {
            holds.push(hold);
        }
    }
    let shadowed = wrong
        .iter()
        .flat_map(|wrong| wrong.shadowed.iter().map(|k| shadow(&wrong.service, k)))
        .collect();
    api::LinkPlan {
        name: preview.link.to_string(),
        from: preview.from.to_string(),
        to: preview.to.to_string(),
        ready: preview.ready,
        down: preview.down.as_ref().map(|why| why.to_string()),
        view: preview.truth.map(|truth| truth.to_string()),
        areas: preview.areas.iter().map(area).collect(),
        complete_seconds_ago: preview.complete_ago.map(|ago| ago.as_secs_f64()),
        services: preview.services,
        instances: preview.instances,
        changes,
        shadowed,
        left_out: wrong
            .iter()
            .flat_map(|wrong| wrong.left_out.iter().map(problem))
            .collect(),
        holds: (holds.into_iter())
            .map(|held| hold(held, Duration::ZERO))
            .collect(),
        held,
    }
}

fn change(of: &ServiceKey, change: &Change) -> api::Change {
    let (before, after, detail) = match change {
        Change::Add(instance) => (None, Some(instance), String::new()),
        Change::Update { from, to } | Change::MarkUnavailable { from, to, .. } => {
            (Some(from), Some(to), plan::difference(from, to))
        }
        Change::Remove { instance, because } => (Some(instance), None, because.to_string()),
    };
    api::Change {
        kind: change.kind().to_owned(),
        service: service(of),
        address: change.key().address(),
        cluster: change.key().cluster.to_string(),
        before: before.map(instance),
        after: after.map(instance),
        detail,
    }
}

fn shadow(of: &ServiceKey, key: &InstanceKey) -> api::Change {
    api::Change {
        kind: "shadowed".to_owned(),
        service: service(of),
        address: key.address(),
        cluster: key.cluster.to_string(),
        before: None,
        after: None,
        detail: "an application registers it natively at the target".to_owned(),
    }
}

fn instance(instance: &Instance) -> api::Instance {
    api::Instance {
        weight: instance.weight.get(),
        healthy: match instance.healthy {
            Seen::Known(healthy) => Some(healthy),
            Seen::Unknown => None,
        },
        enabled: instance.enabled,
        metadata: instance
            .metadata
            .iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
    }
}
