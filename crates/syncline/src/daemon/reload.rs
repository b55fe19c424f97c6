//! Another configuration for a running daemon: what is as it was keeps its
//! connections, and what is gone is withdrawn through the guard.

use std::time::Duration;

use syncline_contract::Ending;
use syncline_engine::core::LinkState;
use syncline_engine::{Engine, Stopped};
use syncline_model::LinkName;
use thiserror::Error;
use tokio::time::sleep;

use super::assemble::{self, AssembleError};
use super::connectors::Surroundings;
use super::given::Given;
use super::{Daemon, DaemonError, STOP_WITHIN};
use crate::config::{Config, Endpoint};

/// How long the writes under way may take to end before the change.
const STILL_WITHIN: Duration = Duration::from_secs(15);

/// How long a target that is configured otherwise stays open beside its
/// successor, so that what connections hold is there twice before it is there
/// once.
const OVERLAP: Duration = Duration::from_secs(10);

/// A configuration cannot be taken by a running daemon, which goes on as it was.
#[derive(Debug, Error)]
pub enum ReloadError {
    /// What it changes is read once, at the start.
    #[error(
        "{} changed, which takes a restart or `syncline run --takeover`",
        .0.join(", ")
    )]
    TakesARestart(Vec<String>),
    /// It does not hold together.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// Writes are under way for too long.
    #[error("the writes under way do not end; try again later")]
    Busy,
    /// There is no engine any more.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl Daemon {
    /// Looks whether this configuration can be taken, and stands still for it
    /// if so; [`Daemon::reload`] has to follow soon.
    ///
    /// # Errors
    /// When it cannot: the daemon goes on with the configuration that it has.
    pub async fn prepare(&self, config: &Config) -> Result<(), ReloadError> {
        let fixed = takes_a_restart(&self.config, config);
        if !fixed.is_empty() {
            return Err(ReloadError::TakesARestart(fixed));
        }
        let given = self.given.under(&self.config, config);
        assemble::assemble(
            config,
            &self.install,
            &self.options,
            Surroundings::new(config, &self.registries, &self.outlets),
            &given,
            &[],
        )?;
        match self.handle().hand_over(STILL_WITHIN).await? {
            Some(_) => Ok(()),
            None => Err(ReloadError::Busy),
        }
    }

    /// Goes on with another configuration, for which it was prepared.
    ///
    /// # Errors
    /// When the state folder cannot be opened again or read: then nothing runs
    /// any more.
    pub async fn reload(self, config: &Config) -> Result<Self, DaemonError> {
        let paused = self.paused().await;
        let given = self.given.under(&self.config, config);
        let estate = self.engine.leave(STOP_WITHIN).await;
        let estate = estate.ok_or(DaemonError::NotLeft)?;
        let state = match &self.options.state {
            Some(folder) => {
                let state = super::open_state(folder, &self.install, &self.config, &self.options);
                Some(state?.taken_over())
            }
            None => None,
        };
        let retired = match &state {
            Some(state) => super::retired(state, config, &self.options)?,
            None => Vec::new(),
        };
        let mut spec = assemble::assemble(
            config,
            &self.install,
            &self.options,
            Surroundings::new(config, &self.registries, &self.outlets),
            &given,
            &retired,
        )?;
        spec.paused = paused;
        self.outlets.pages.expect(config, &self.options);
        let now = Given::of(&spec);
        let engine = Engine::start_after(estate, spec, state)
            .await
            .map_err(DaemonError::Remembered)?;
        self.outlets.zones.keep_only(&config.links);
        let left = self.given.targets_beside(&now);
        let cancel = self.cancel.clone();
        self.tasks.spawn(async move {
            cancel.run_until_cancelled(sleep(OVERLAP)).await;
            for target in left {
                target.close(Ending::Stop).await;
            }
        });
        Ok(Self {
            engine,
            given: now,
            config: config.clone(),
            ..self
        })
    }

    /// The links that an operator stopped.
    async fn paused(&self) -> Vec<LinkName> {
        let Ok(status) = self.handle().status().await else {
            return Vec::new();
        };
        let links = status.links.into_iter();
        let paused = links.filter(|link| link.state == LinkState::Paused);
        paused.map(|link| link.link).collect()
    }
}

/// What differs of all that is read once.
fn takes_a_restart(before: &Config, after: &Config) -> Vec<String> {
    let keys = [
        ("`install`", before.install != after.install),
        ("`admin`", before.admin != after.admin),
        ("`peers`", before.peers != after.peers),
        ("`state`", before.state != after.state),
        ("`journal`", before.journal != after.journal),
        ("`log`", before.log != after.log),
    ];
    let keys = keys.into_iter().filter(|(_, differ)| *differ);
    let keys = keys.map(|(key, _)| key.to_owned());
    let served = |config: &Config| {
        let endpoints = config.endpoints.clone().into_iter();
        endpoints
            .filter(|(_, endpoint)| what_is_served(endpoint).is_some())
            .collect::<Vec<_>>()
    };
    let (had, has) = (served(before), served(after));
    let other = had.iter().filter(|endpoint| !has.contains(endpoint));
    let other = other.chain(has.iter().filter(|endpoint| !had.contains(endpoint)));
    let mut others: Vec<String> = other
        .filter_map(|(name, endpoint)| Some(format!("{} `{name}`", what_is_served(endpoint)?)))
        .collect();
    others.dedup();
    keys.chain(others).collect()
}

/// What an endpoint is that is served by this process; `None` for one that is
/// not.
fn what_is_served(endpoint: &Endpoint) -> Option<&'static str> {
    match endpoint {
        Endpoint::Embedded(_) => Some("the embedded registry"),
        Endpoint::Dns(_) => Some("the DNS zone"),
        Endpoint::Xds(_) => Some("the control plane"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use std::path::Path;

    fn config(text: &str) -> Config {
        parse("syncline.yaml", Path::new("/"), text, &|_| None).expect("right")
    }

    #[test]
    fn what_is_read_once_takes_a_restart() {
        let replica = "endpoints: { r: { kind: embedded, listen: \"127.0.0.1:9848\" } }";
        let other = replica.replace("9848", "9858");
        let (none, replica, other) = (config("links: []"), config(replica), config(&other));
        assert!(takes_a_restart(&replica, &replica).is_empty());
        assert_eq!(
            takes_a_restart(&replica, &other),
            ["the embedded registry `r`"]
        );
        assert_eq!(
            takes_a_restart(&none, &replica),
            ["the embedded registry `r`"]
        );
        let plane = config("endpoints: { e: { kind: xds } }");
        assert_eq!(takes_a_restart(&none, &plane), ["the control plane `e`"]);
        let logged = config("log: { format: json }");
        assert_eq!(takes_a_restart(&none, &logged), ["`log`"]);
    }
}
