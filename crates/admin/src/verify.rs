//! The comparison of source, ledger and target: both sides are read again, and
//! what differs is told field by field.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use syncline_engine::EngineHandle;
use syncline_engine::core::{Difference, LinkVerification, Outlook};
use syncline_model::{Instance, MARK_KEY, Seen};
use tokio::time::Instant;

use crate::api;
use crate::convert::service;
use crate::server::{OneLink, Refused, known_link};

/// How long reading may take; commands wait for an answer a little longer.
const READ_WITHIN: Duration = Duration::from_secs(20);

/// How often it is looked whether everything has been read.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(crate) async fn verify(
    State(engine): State<EngineHandle>,
    Query(OneLink { link }): Query<OneLink>,
) -> Result<Json<api::Verification>, Refused> {
    let only = match link {
        Some(name) => Some(known_link(&engine, &name).await?),
        None => None,
    };
    engine.relist(only.clone()).await?;
    let deadline = Instant::now() + READ_WITHIN;
    loop {
        let mut links = engine.verify().await?;
        links.retain(|link| only.as_ref().is_none_or(|only| *only == link.link));
        let reading = links.iter().any(|link| link.reading);
        if !reading || Instant::now() >= deadline {
            let links = links.iter().map(told).collect();
            return Ok(Json(api::Verification { links }));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn told(found: &LinkVerification) -> api::LinkVerification {
    api::LinkVerification {
        name: found.link.to_string(),
        from: found.from.to_string(),
        to: found.to.to_string(),
        late: found.reading,
        doubt: found.doubt.as_ref().map(ToString::to_string),
        source_seconds_ago: found.source_ago.map(|ago| ago.as_secs_f64()),
        target_is_read: found.target_is_read,
        target_seconds_ago: found.target_ago.map(|ago| ago.as_secs_f64()),
        same: found.same,
        differences: found
            .differences
            .iter()
            .map(|it| difference(it, found.target_is_read))
            .collect(),
    }
}

fn difference(found: &Difference, target_is_read: bool) -> api::Difference {
    let outlook = match found.why.outlook() {
        Outlook::Right => "right",
        Outlook::Passes => "passes",
        Outlook::Stays => "stays",
        Outlook::Held => "held",
    };
    api::Difference {
        service: service(&found.service),
        address: found.instance.address(),
        cluster: found.instance.cluster.to_string(),
        fields: fields(found, target_is_read),
        why: found.why.as_str().to_owned(),
        detail: found.why.to_string(),
        outlook: outlook.to_owned(),
    }
}

/// What a side says of a field, where it has and knows it.
type Said<'a> = &'a dyn Fn(&Instance) -> Option<String>;

/// What the sides that have the instance say differently of it; where one lacks
/// it, that is told too.
fn fields(found: &Difference, target_is_read: bool) -> Vec<api::FieldDifference> {
    let sides = [&found.source, &found.ledger, &found.target].map(Option::as_ref);
    let there: Vec<&Instance> = sides.into_iter().flatten().collect();
    let all = if target_is_read { 3 } else { 2 };
    let row = |field: &str, of: Said<'_>| {
        let [source, ledger, target] = sides.map(|side| side.and_then(of));
        api::FieldDifference {
            field: field.to_owned(),
            source,
            ledger,
            target,
        }
    };
    let mut rows = Vec::new();
    if (1..all).contains(&there.len()) {
        rows.push(row("instance", &|_| Some("there".to_owned())));
    }
    let plain: [(&str, Said<'_>); 4] = [
        ("cluster", &|side| Some(side.key.cluster.to_string())),
        ("weight", &|side| Some(side.weight.to_string())),
        ("healthy", &|side| match side.healthy {
            Seen::Known(healthy) => Some(healthy.to_string()),
            Seen::Unknown => None,
        }),
        ("enabled", &|side| Some(side.enabled.to_string())),
    ];
    for (field, of) in plain {
        // What a side does not know differs from nothing.
        let said: BTreeSet<String> = there.iter().filter_map(|side| of(side)).collect();
        if said.len() > 1 {
            rows.push(row(field, of));
        }
    }
    let pairs = there.iter().flat_map(|side| side.metadata.iter());
    let keys: BTreeSet<&str> = pairs.map(|(key, _)| key).collect();
    for key in keys.into_iter().filter(|key| *key != MARK_KEY) {
        let value = |side: &Instance| side.metadata.get(key).map(str::to_owned);
        let said: BTreeSet<Option<String>> = there.iter().map(|side| value(side)).collect();
        if said.len() > 1 {
            rows.push(row(&format!("metadata.{key}"), &value));
        }
    }
    rows
}
