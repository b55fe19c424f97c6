//! What consumers see when Syncline crashes and is started again at once.
//!
//! Syncline holds services at a real Nacos 2.2.4, a subscriber there watches all of them, and Syncline is killed with
//! `kill -9`. Beside it, at another server, the same happens to a bare client that registers again after its start.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use syncline_nacos::message::ServiceInfo;
use syncline_testkit::nacos::{RealNacos, Version};

use crate::Effort;
use crate::delays::Delays;
use crate::hold::{self, Over};
use xtask_stage::bare::{Observer, Subscriber};
use xtask_stage::compare::until_complete;
use xtask_stage::fleet::Fleet;
use xtask_stage::report::say;
use xtask_stage::servers;
use xtask_stage::syncline::{Hold, Syncline, Target};
use xtask_stage::table::{Table, milliseconds, number, seconds};

const INSTANCES: u32 = 10;
const WITHIN: Duration = Duration::from_secs(600);

/// For the ledger to know that everything stands.
const SETTLE: Duration = Duration::from_secs(15);

/// How long the subscriber watches after the crash: longer than what is held by beats stays healthy by default.
const WATCH: Duration = Duration::from_secs(60);

/// Measures both holds, each beside a bare client.
pub(crate) async fn measure(effort: Effort) -> anyhow::Result<Vec<Table>> {
    let services = if effort.quick { 100 } else { 1_000 };
    let fleet = Fleet::new("bench", services, INSTANCES);
    let mut table = Table::new(
        format!(
            "kill -9 and an immediate start, {} × {INSTANCES}, seen by a subscriber of the target",
            number(services.into())
        ),
        &[
            "who",
            "services with a gap",
            "gap: min",
            "median",
            "max",
            "fewest instances shown",
            "all back after",
            "not back",
        ],
    );
    say("a bare client");
    table.row(bare(&fleet).await?.row("bare client, one connection"));
    for hold in [Hold::Connection, Hold::Beat] {
        say(&format!("Syncline, {}", hold.as_str()));
        let seen = syncline(&fleet, hold).await?;
        table.row(seen.row(&format!("Syncline, `hold: {}`", hold.as_str())));
    }
    table.note(format!(
        "A gap: fewer than {INSTANCES} healthy instances in a push, until the next push with all of them. All back \
         after: from the kill on. Watched for {} s.",
        WATCH.as_secs()
    ));
    table.note("Nacos collects changes of a service for 0.5 s, so what is back by then is never seen to be gone.");
    Ok(vec![table])
}

async fn bare(fleet: &Fleet) -> anyhow::Result<Seen> {
    let [target] = servers::start([Version::V2_2_4]).await?;
    let mut client = hold::start(Over::Grpc, target.addr(), fleet)?;
    until_complete(target.addr(), fleet, WITHIN).await?;
    let watch = Watch::start(&target, fleet).await?;
    tokio::time::sleep(SETTLE).await;
    let killed = Instant::now();
    client.kill().await?;
    let _again = hold::start(Over::Grpc, target.addr(), fleet)?;
    tokio::time::sleep(WATCH).await;
    Ok(watch.seen(killed))
}

async fn syncline(fleet: &Fleet, hold: Hold) -> anyhow::Result<Seen> {
    let [source, target] = servers::start([Version::V2_1_1, Version::V2_2_4]).await?;
    let _applications = hold::start(Over::Grpc, source.addr(), fleet)?;
    until_complete(source.addr(), fleet, WITHIN).await?;
    let mut syncline = Syncline::run(source.addr(), Target::Nacos(target.addr(), hold))?;
    until_complete(target.addr(), fleet, WITHIN)
        .await
        .map_err(|error| syncline.explain(error))?;
    let watch = Watch::start(&target, fleet).await?;
    tokio::time::sleep(SETTLE).await;
    syncline.usage()?;
    let killed = Instant::now();
    syncline.crash().await?;
    tokio::time::sleep(WATCH).await;
    syncline.usage()?;
    Ok(watch.seen(killed))
}

/// A subscriber to a whole fleet that notes gaps.
struct Watch {
    gaps: Arc<Gaps>,
    _subscriber: Subscriber,
}

impl Watch {
    async fn start(target: &RealNacos, fleet: &Fleet) -> anyhow::Result<Self> {
        let gaps = Arc::new(Gaps::default());
        let observer = Arc::clone(&gaps);
        let subscriber = Subscriber::start(
            target.grpc_addr(),
            fleet.names,
            0..fleet.services(),
            observer,
        )
        .await?;
        Ok(Self {
            gaps,
            _subscriber: subscriber,
        })
    }

    fn seen(&self, killed: Instant) -> Seen {
        let services = self.gaps.services.lock();
        let gaps = services.values().flat_map(|service| &service.gaps);
        let ended = gaps.clone().map(|(_, end)| *end).max();
        Seen {
            with_gap: services
                .values()
                .filter(|service| service.since.is_some() || !service.gaps.is_empty())
                .count(),
            delays: gaps
                .map(|(begin, end)| end.duration_since(*begin))
                .collect(),
            fewest: services.values().filter_map(|service| service.fewest).min(),
            back_after: ended.map(|end| end.saturating_duration_since(killed)),
            not_back: services
                .values()
                .filter(|service| service.since.is_some())
                .count(),
        }
    }
}

#[derive(Debug, Default)]
struct Gaps {
    services: Mutex<HashMap<u32, Service>>,
}

#[derive(Debug, Default)]
struct Service {
    /// Since when instances are missing, if they are.
    since: Option<Instant>,
    gaps: Vec<(Instant, Instant)>,
    fewest: Option<usize>,
}

impl Observer for Gaps {
    fn shown(&self, number: u32, at: Instant, info: &ServiceInfo) {
        let healthy = info.hosts.items.iter().filter(|host| host.healthy).count();
        let mut services = self.services.lock();
        let service = services.entry(number).or_default();
        service.fewest = Some(service.fewest.map_or(healthy, |fewest| fewest.min(healthy)));
        match (healthy < INSTANCES as usize, service.since) {
            (true, None) => service.since = Some(at),
            (false, Some(since)) => {
                service.gaps.push((since, at));
                service.since = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
}

/// What the subscriber saw.
#[derive(Debug)]
struct Seen {
    with_gap: usize,
    delays: Delays,
    fewest: Option<usize>,
    back_after: Option<Duration>,
    not_back: usize,
}

impl Seen {
    fn row(&self, who: &str) -> [String; 8] {
        [
            who.to_owned(),
            number(self.with_gap as u64),
            milliseconds(self.delays.min()),
            milliseconds(self.delays.median()),
            milliseconds(self.delays.max()),
            self.fewest
                .map_or("–".to_owned(), |fewest| fewest.to_string()),
            self.back_after.map_or("–".to_owned(), seconds),
            self.not_back.to_string(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(fleet: &Fleet) -> ServiceInfo {
        ServiceInfo {
            name: String::new(),
            group_name: String::new(),
            clusters: String::new(),
            cache_millis: 0,
            hosts: fleet.set(0).into(),
            last_ref_time: 0,
            checksum: String::new(),
            reach_protection_threshold: false,
        }
    }

    #[test]
    fn a_gap_lasts_from_the_first_push_to_the_last() {
        let (whole, part) = (Fleet::new("t", 1, INSTANCES), Fleet::new("t", 1, 3));
        let gaps = Gaps::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        gaps.shown(0, at(0), &info(&whole));
        gaps.shown(0, at(10), &info(&part));
        gaps.shown(0, at(20), &info(&part));
        gaps.shown(0, at(50), &info(&whole));
        let services = gaps.services.lock();
        assert_eq!(services[&0].gaps, [(at(10), at(50))]);
        assert_eq!((services[&0].since, services[&0].fewest), (None, Some(3)));
    }
}
