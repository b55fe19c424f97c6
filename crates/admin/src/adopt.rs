//! Taking over what stands at a target: both sides are read again, what could
//! be taken over is told, and on a POST it is.

use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use syncline_engine::EngineHandle;
use syncline_engine::core::{Adoption, Candidate, LinkAdoption};
use syncline_model::adoption::Wish;
use syncline_model::scope::Pattern;
use tokio::time::Instant;

use crate::api;
use crate::convert::service;
use crate::server::{Refused, known_link};

/// How long reading may take; commands wait for an answer a little longer.
const READ_WITHIN: Duration = Duration::from_secs(20);

/// How often it is looked whether everything has been read.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(default)]
pub struct AdoptQuery {
    /// Only by this link.
    pub link: Option<String>,
    /// Only services whose name matches this pattern.
    pub service: Option<String>,
    /// Also what bears no mark of a copy.
    pub natives: bool,
    /// Also what has other content than the link would write.
    pub differing: bool,
}

impl AdoptQuery {
    /// The same as the query of a URL, with the `?`.
    pub(crate) fn to_query(&self) -> String {
        let escaped = crate::client::escaped;
        let link = self
            .link
            .iter()
            .map(|link| format!("link={}", escaped(link)));
        let service = self.service.iter();
        let service = service.map(|pattern| format!("service={}", escaped(pattern)));
        let flags = [
            format!("natives={}", self.natives),
            format!("differing={}", self.differing),
        ];
        let pairs: Vec<String> = link.chain(service).chain(flags).collect();
        format!("?{}", pairs.join("&"))
    }

    fn wish(&self) -> Wish {
        Wish {
            natives: self.natives,
            differing: self.differing,
        }
    }
}

pub(crate) async fn show(
    State(engine): State<EngineHandle>,
    Query(query): Query<AdoptQuery>,
) -> Result<Json<api::Adoption>, Refused> {
    let found = read(&engine, &query).await?;
    Ok(Json(told(&found)))
}

pub(crate) async fn adopt(
    State(engine): State<EngineHandle>,
    Query(query): Query<AdoptQuery>,
) -> Result<Json<api::Adoption>, Refused> {
    let found = read(&engine, &query).await?;
    for link in &found {
        let free = |it: &&Candidate| it.obstacle.is_none();
        let chosen = link.candidates.iter().filter(free);
        let adoption = Adoption {
            link: link.link.clone(),
            wish: query.wish(),
            instances: chosen
                .map(|it| (it.service.clone(), it.instance.key.clone()))
                .collect(),
        };
        if !adoption.instances.is_empty() {
            engine.adopt(adoption).await?;
        }
    }
    Ok(Json(told(&found)))
}

/// What could be taken over, after both sides were read.
async fn read(engine: &EngineHandle, query: &AdoptQuery) -> Result<Vec<LinkAdoption>, Refused> {
    let only = match &query.link {
        Some(name) => Some(known_link(engine, name).await?),
        None => None,
    };
    let pattern = query.service.as_deref().map(Pattern::parse).transpose();
    let pattern = pattern.map_err(|error| Refused(StatusCode::BAD_REQUEST, error.to_string()))?;
    engine.relist(only.clone()).await?;
    let deadline = Instant::now() + READ_WITHIN;
    loop {
        let mut links = engine.adoptions(query.wish()).await?;
        links.retain(|link| only.as_ref().is_none_or(|only| *only == link.link));
        if !links.iter().any(|link| link.reading) || Instant::now() >= deadline {
            for link in &mut links {
                let matches = |it: &Candidate| {
                    let name = it.service.name.as_str();
                    pattern.as_ref().is_none_or(|pattern| pattern.matches(name))
                };
                link.candidates.retain(matches);
            }
            return Ok(links);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn told(found: &[LinkAdoption]) -> api::Adoption {
    let links = found.iter().map(|link| api::LinkAdoption {
        name: link.link.to_string(),
        from: link.from.to_string(),
        to: link.to.to_string(),
        late: link.reading,
        candidates: link.candidates.iter().map(candidate).collect(),
    });
    api::Adoption {
        links: links.collect(),
    }
}

fn candidate(found: &Candidate) -> api::Candidate {
    api::Candidate {
        service: service(&found.service),
        address: found.instance.key.address(),
        cluster: found.instance.key.cluster.to_string(),
        by: found.by.as_str().to_owned(),
        obstacle: found.obstacle.as_ref().map(ToString::to_string),
    }
}
