//! `syncline sync`: once.

use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use syncline_connector_nacos::config::HoldMode;
use syncline_contract::{Coverage, Period};
use syncline_engine::core::{LinkState, LinkStatus, Status};
use syncline_engine::{EngineHandle, Mode};
use tokio::time::Instant;

use super::route::Route;
use super::{Context, Exit, Hinted, Usage};
use crate::config::{Config, Endpoint, Link};
use crate::daemon::{Daemon, Options};
use crate::output::describe::way;
use crate::output::number::plural;
use crate::output::safe::safe;
use crate::output::time::spoken;

/// How often the progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Read the source once, make the target right, and end
///
/// What a Nacos target is given has to outlive the command, so it must be
/// written with `hold: persistent`. With --let-go ephemeral instances are
/// written all the same: they are gone as soon as their beats or their
/// connection are.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  syncline sync --from nacos://10.0.0.1:8848 --to file:services.json
  syncline sync --from nacos://10.0.0.1 --to 'nacos://10.1.0.1?hold=persistent'
  syncline sync hz-to-sh

Exit codes: 0 in step, 1 failed, 2 wrong usage, 4 done in part, 5 held by the guard")]
pub struct SyncArgs {
    /// What is brought in step.
    #[command(flatten)]
    pub route: Route,

    /// Write ephemeral instances although they end with this command
    #[arg(long)]
    pub let_go: bool,

    /// Give up after this time
    #[arg(long, value_name = "TIME", default_value = "5m")]
    pub timeout: Period,
}

impl SyncArgs {
    /// Brings everything in step, once.
    ///
    /// # Errors
    /// When it could not be brought in step in time.
    pub async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let (mut config, links) = self.route.config(context)?;
        for link in &mut config.links {
            // One look, and the next one is the next command's.
            link.strategy.mode = crate::config::Mode::Event;
        }
        if !self.let_go {
            refuse_what_ends_with_us(&config, &links)?;
        }
        let options = Options {
            mode: Mode::Live,
            links,
            state: Some(context.state(&config)),
            control: false,
            command: "syncline sync".to_owned(),
        };
        let begun = Instant::now();
        let daemon = Daemon::start(&config, options).await?;
        let brought = in_step(&daemon.handle(), begun + self.timeout.get()).await;
        daemon.stop().await;
        let status = brought?;
        for link in &status.links {
            context.screen.line(&format!(
                "{}   {}   {}: {} of {} in {}",
                link.link,
                way(link.from.as_str(), link.to.as_str()),
                link.state.as_str(),
                plural(link.instances, "instance"),
                plural(link.services, "service"),
                spoken(begun.elapsed())
            ))?;
        }
        Ok(exit(&status))
    }
}

/// Ephemeral instances live by our connection or our beats: a command that ends
/// would take them with it.
fn refuse_what_ends_with_us(
    config: &Config,
    links: &[syncline_model::LinkName],
) -> Result<(), Usage> {
    let runs = |link: &&Link| links.is_empty() || links.contains(&link.name);
    for link in config.links.iter().filter(runs) {
        let why = match config.endpoints.get(&link.to) {
            Some(Endpoint::Nacos(nacos)) if nacos.hold != HoldMode::Persistent => format!(
                "instances at `{}` would live only as long as this command; \
                 set `hold: persistent` (in a URL: ?hold=persistent) to keep them, \
                 use `syncline run` to hold them, or say --let-go",
                link.to
            ),
            Some(Endpoint::Embedded(_) | Endpoint::Dns(_) | Endpoint::Xds(_)) => format!(
                "`{}` is served by this command and ends with it; use `syncline run`",
                link.to
            ),
            _ => continue,
        };
        return Err(Usage(why));
    }
    Ok(())
}

/// Waits until every link has done what it can.
async fn in_step(engine: &EngineHandle, deadline: Instant) -> anyhow::Result<Status> {
    loop {
        let status = engine.status().await.context("look at the links")?;
        if status.links.iter().all(is_done) {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            let late = anyhow::anyhow!(
                "not in step in time; nothing was removed that was not proven gone"
            );
            return Err(Hinted::new(late, why_not(&status)).into());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether nothing more will happen by itself: what is held until further looks
/// have confirmed it is waited for.
fn is_done(link: &LinkStatus) -> bool {
    match link.state {
        LinkState::InStep => true,
        LinkState::Held => link
            .holds
            .iter()
            .all(|held| held.hold.needs.next_view_after().is_none()),
        _ => false,
    }
}

/// A line for each thing that is not as it should be.
fn why_not(status: &Status) -> String {
    let endpoints = status.endpoints.iter().flat_map(|endpoint| {
        let areas = endpoint.areas.iter();
        let doubts = areas.filter_map(|area| area.coverage.doubt());
        endpoint
            .down
            .iter()
            .chain(doubts)
            .map(|why| format!("{}: {why}", endpoint.endpoint))
            .collect::<Vec<_>>()
    });
    let links = status.links.iter().flat_map(|link| {
        let problems = link.problems.iter().take(5);
        problems.map(|problem| format!("{}: {} {}", link.link, problem.service, problem.what))
    });
    let links_behind = status
        .links
        .iter()
        .filter(|link| !is_done(link))
        .map(|link| {
            let state = link.state.as_str();
            format!("{}: {state}, {} services pending", link.link, link.pending)
        });
    let lines = links_behind.chain(endpoints).chain(links);
    let lines: Vec<String> = lines.map(|line| safe(&line).into_owned()).collect();
    lines.join("\n  ")
}

fn exit(status: &Status) -> Exit {
    let held = status
        .links
        .iter()
        .any(|link| link.state == LinkState::Held);
    let sources: Vec<_> = status.links.iter().map(|link| &link.from).collect();
    let partial = status
        .endpoints
        .iter()
        .filter(|endpoint| sources.contains(&&endpoint.endpoint))
        .flat_map(|endpoint| &endpoint.areas)
        .any(|area| !matches!(area.coverage, Coverage::Complete(_)));
    let left_out = status.links.iter().any(|link| !link.problems.is_empty());
    match (held, partial || left_out) {
        (true, _) => Exit::Held,
        (false, true) => Exit::Partial,
        (false, false) => Exit::Ok,
    }
}
