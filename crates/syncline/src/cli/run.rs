//! `syncline run`: the daemon.

use std::time::Duration;

use clap::Args;
use syncline_engine::core::{LinkState, LinkStatus};
use syncline_engine::{EngineHandle, Mode};
use tokio::signal::unix::{SignalKind, signal};

use super::route::Route;
use super::{Context, Exit, log};
use crate::config::Config;
use crate::daemon::{Daemon, Options};
use crate::output::Palette;
use crate::output::number::plural;
use crate::output::progress::Progress;
use crate::output::time::spoken;

/// How often the first sync's progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Keep all links of the configuration in step until told to stop
///
/// SIGTERM and Ctrl-C end it in good order: writes under way are finished and
/// registrations stay as far as their hold can keep them. A second one ends it
/// at once. SIGHUP reads the configuration again: what is as it was keeps its
/// connections, and what is gone is withdrawn through the guard.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  syncline run --config /etc/syncline
  syncline run --config /etc/syncline --takeover
  syncline run --from nacos://sync@10.0.0.1:8848 --to file:services.json
  syncline run --from nacos://10.0.0.1 --to embedded:127.0.0.1:8848 --group 'G_*'")]
pub struct RunArgs {
    /// What is kept in step.
    #[command(flatten)]
    pub route: Route,

    /// Replace the daemon that runs with the same state folder, without a gap:
    /// it ends once all that it holds is held here
    #[arg(long)]
    pub takeover: bool,
}

impl RunArgs {
    /// Runs until a signal.
    ///
    /// # Errors
    /// When the configuration is wrong, the state folder is taken, or a port is.
    pub async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let route = self.route.clone();
        let (config, links) = self.route.config(context)?;
        log::start(context.global.verbose, Some(&config.log), &context.env());
        let options = Options {
            mode: Mode::Live,
            links,
            state: Some(context.state(&config)),
            control: true,
            command: "syncline run".to_owned(),
        };
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut daemon = match self.takeover {
            true => Daemon::take_over(&config, options).await?,
            false => Daemon::start(&config, options).await?,
        };
        let mut watching = tokio::spawn(tell_progress(daemon.handle()));
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                () = daemon.taken_over() => break,
                _ = hangup.recv() => {
                    let Some(config) = another(&route, context, &daemon).await else {
                        continue;
                    };
                    watching.abort();
                    daemon = daemon.reload(&config).await?;
                    tracing::info!("the configuration was read again");
                    watching = tokio::spawn(tell_progress(daemon.handle()));
                }
            }
        }
        watching.abort();
        tracing::info!("stopping; a second signal ends at once");
        tokio::select! {
            () = daemon.stop() => Ok(Exit::Ok),
            _ = terminate.recv() => Ok(Exit::Failure),
            _ = interrupt.recv() => Ok(Exit::Failure),
        }
    }
}

/// Reads the configuration again, and prepares the daemon for it. `None` where
/// it cannot be taken: the daemon goes on with the one that it has.
async fn another(route: &Route, context: &Context, daemon: &Daemon) -> Option<Config> {
    if route.from.is_some() {
        tracing::warn!("SIGHUP changes nothing: no configuration was read");
        return None;
    }
    let prepared = async {
        let (config, _) = route.clone().config(context)?;
        daemon.prepare(&config).await?;
        anyhow::Ok(config)
    };
    let refused = |error: &anyhow::Error| {
        let (why, _) = super::report(error, Palette::PLAIN);
        tracing::error!("the configuration is not taken, and nothing changes");
        let lines = why.iter().flat_map(|why| why.lines());
        for line in lines.filter(|line| !line.trim().is_empty()) {
            tracing::error!("{line}");
        }
    };
    prepared.await.inspect_err(refused).ok()
}

/// Shows how the first sync goes: a bar for each link while a terminal looks,
/// and one line when it is in step.
async fn tell_progress(engine: EngineHandle) {
    let begun = tokio::time::Instant::now();
    let mut bars: Vec<(String, Option<Progress>)> = Vec::new();
    loop {
        let Ok(status) = engine.status().await else {
            return;
        };
        // What is configured no more has no first sync.
        for link in status.links.iter().filter(|link| !link.retired) {
            let name = link.link.to_string();
            let at = match bars.iter().position(|(known, _)| *known == name) {
                Some(at) => at,
                None => {
                    let reading = format!("reading {}", link.from);
                    bars.push((name.clone(), Some(Progress::begin(&name, &reading))));
                    bars.len() - 1
                }
            };
            let Some(bar) = &bars[at].1 else { continue };
            if show(link, bar) {
                bars[at].1 = None;
                tracing::info!(
                    link = name,
                    "{}: {} in {}; watching for changes",
                    link.state.as_str(),
                    plural(link.instances, "instance"),
                    spoken(begun.elapsed())
                );
            }
        }
        if !bars.is_empty() && bars.iter().all(|(_, bar)| bar.is_none()) {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Shows one link's first sync; whether it is over.
fn show(link: &LinkStatus, bar: &Progress) -> bool {
    match link.state {
        LinkState::InStep | LinkState::Held | LinkState::Paused => true,
        LinkState::Withdrawing => false,
        LinkState::SourceLost => {
            bar.say(&format!("{} cannot be read", link.from));
            false
        }
        LinkState::Starting => false,
        LinkState::Syncing => {
            bar.out_of(link.services + link.pending);
            bar.set(link.services);
            false
        }
    }
}
