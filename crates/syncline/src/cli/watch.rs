//! `syncline watch`: what changes?

mod seen;

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use syncline_contract::{Interest, Observation, Observations, Period, Purpose, observations};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::reading::Reading;
use super::route::Selection;
use super::stop::stopped;
use super::{Context, Exit};
use crate::output::change::{ChangeRow, Layout};
use crate::output::number::plural;
use crate::output::time::clock;
use seen::Seen;

/// How often everything is read again, to find what no push told.
const LIST_EVERY: Duration = Duration::from_secs(60);

/// Longer than anybody watches.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);

/// Show what changes in a registry, as it happens
///
/// Until Ctrl-C.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  syncline watch nacos://127.0.0.1:8848
  syncline watch nacos://127.0.0.1/prod --service 'order-*'
  syncline watch hangzhou -o json --for 1h > changes.jsonl")]
pub struct WatchArgs {
    /// A URL such as nacos://host:8848, or a name from the configuration
    pub endpoint: String,

    /// What of it.
    #[command(flatten)]
    pub selection: Selection,

    /// End by itself after this time, such as 10m
    #[arg(long, value_name = "TIME")]
    pub r#for: Option<Period>,
}

/// What happens to the source itself, for programs.
#[derive(Serialize)]
struct SourceEvent<'a> {
    at: String,
    kind: &'static str,
    detail: &'a str,
}

impl WatchArgs {
    /// Watches until told to stop.
    ///
    /// # Errors
    /// When the registry cannot be read at the beginning.
    pub async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let time = self.r#for.map_or(FOR_EVER, Period::get);
        let reading = Reading::of(context, &self.endpoint, self.selection)?;
        let report = reading.describe().await?;
        let whole = reading.list().await;
        if let Some(why) = whole.failure() {
            anyhow::bail!("cannot read {}: {why}", reading.word);
        }
        let mut watch = Watch {
            context,
            reading,
            seen: Seen::default(),
            layout: Layout::STREAM,
        };
        watch.seen.begin(&whole);
        watch.announce(&report.to_string(), &report.watching)?;

        let (sink, observations) = observations();
        let cancel = CancellationToken::new();
        let tasks = TaskTracker::new();
        let source = Arc::clone(&watch.reading.source);
        let interest = Interest::in_all_of(watch.reading.scope.clone());
        let token = cancel.clone();
        tasks.spawn(async move {
            source.watch(interest, sink, token).await;
        });
        let ended = watch.until(&observations, Instant::now() + time).await;
        cancel.cancel();
        tasks.close();
        tasks.wait().await;
        ended.map(|()| Exit::Ok)
    }
}

struct Watch<'a> {
    context: &'a Context,
    reading: Reading,
    seen: Seen,
    layout: Layout,
}

impl Watch<'_> {
    fn announce(&self, how: &str, watching: &str) -> anyhow::Result<()> {
        let screen = &self.context.screen;
        if !screen.wants_data() {
            let services = plural(self.seen.services(), "service");
            let instances = plural(self.seen.instances(), "instance");
            let line = format!("{services}, {instances} · {how} · {watching} · Ctrl-C ends");
            screen.line(&screen.palette.dim(line).to_string())?;
        }
        Ok(())
    }

    async fn until(&mut self, observations: &Observations, end: Instant) -> anyhow::Result<()> {
        let mut list = tokio::time::interval_at(Instant::now() + LIST_EVERY, LIST_EVERY);
        list.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                observation = observations.next() => self.observe(observation).await?,
                _ = list.tick() => self.list().await?,
                () = tokio::time::sleep_until(end) => return Ok(()),
                stop = stopped() => return Ok(stop?),
            }
        }
    }

    async fn observe(&mut self, observation: Observation) -> anyhow::Result<()> {
        match observation {
            Observation::Content { service, view, .. } => {
                let view = self.reading.admitted(&service, view);
                let (rows, look) = self.seen.push(&service, &view, &now());
                self.show(&rows)?;
                if look {
                    self.read(&service, Purpose::ConfirmRemoval).await?;
                }
                Ok(())
            }
            Observation::Look(service) => self.read(&service, Purpose::Refresh).await,
            Observation::LookAtAll => self.list().await,
            Observation::Learns(_) => Ok(()),
            Observation::Up => self.source_event("up", "the source answers again"),
            Observation::Down(why) => self.source_event("down", &why),
        }
    }

    async fn read(
        &mut self,
        service: &syncline_model::ServiceKey,
        purpose: Purpose,
    ) -> anyhow::Result<()> {
        let view = self.reading.source.read(service, purpose).await;
        let view = self.reading.admitted(service, view);
        let rows = self.seen.look(service, &view, &now());
        self.show(&rows)
    }

    async fn list(&mut self) -> anyhow::Result<()> {
        let whole = self.reading.list().await;
        let rows = self.seen.list(&whole, &now());
        self.show(&rows)
    }

    fn show(&mut self, rows: &[ChangeRow]) -> anyhow::Result<()> {
        let screen = &self.context.screen;
        for row in rows {
            if screen.wants_data() {
                screen.item(row)?;
            } else {
                screen.line(&self.layout.line(row, screen.palette))?;
            }
        }
        Ok(())
    }

    fn source_event(&mut self, kind: &'static str, detail: &str) -> anyhow::Result<()> {
        let screen = &self.context.screen;
        let was_down = self.seen.is_down();
        self.seen.set_down(kind == "down");
        if was_down == self.seen.is_down() {
            return Ok(());
        }
        let at = now();
        if screen.wants_data() {
            return screen.item(&SourceEvent { at, kind, detail });
        }
        let palette = screen.palette;
        let sign = palette.changed("!");
        screen.line(&format!("{}  {sign} {detail}", palette.dim(at)))?;
        Ok(())
    }
}

fn now() -> String {
    clock(&jiff::Zoned::now())
}
