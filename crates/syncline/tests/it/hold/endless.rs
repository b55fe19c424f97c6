//! Killed, and stopped in good order, again and again while everything changes:
//! what outlives the process is never absent, nothing is lost, nothing is
//! doubled, and each write has its two lines in the journal.

use std::collections::BTreeMap;

use anyhow::ensure;
use serde_json::Value;
use syncline_testkit::nacos::{RealNacos, Version};
use syncline_testkit::run;

use crate::daemon::population::Population;
use crate::daemon::process::{Setup, Syncline, said};
use crate::daemon::registry::{Embedded, Nacos};
use crate::daemon::subscriber::Subscriber;
use crate::real::{Places, copy};
use crate::replicas::say;

/// How often, in every CI run and with `--all`.
const STOPS: (usize, usize) = (10, 200);
const DEATHS: usize = 50;

const SERVICES: usize = 10;
const INSTANCES: usize = 5;

/// Changes that happen while the process ends and starts again: half a second.
const MEANWHILE: usize = 25;

#[derive(Clone, Copy, PartialEq)]
enum End {
    Killed,
    Stopped,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_stops_under_load_lose_and_double_nothing() -> anyhow::Result<()> {
    ends(Version::V2_2_4, "beat", End::Stopped, STOPS.0).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_stops_under_load_lose_and_double_nothing() -> anyhow::Result<()> {
    in_tier_all(Version::V2_2_4, "beat", End::Stopped, STOPS.1).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_stops_of_persistent_instances_lose_nothing() -> anyhow::Result<()> {
    in_tier_all(Version::V2_1_1, "persistent", End::Stopped, STOPS.1).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_deaths_are_not_seen_where_beats_hold_at_2_2_4() -> anyhow::Result<()> {
    in_tier_all(Version::V2_2_4, "beat", End::Killed, DEATHS).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_deaths_are_not_seen_where_beats_hold_at_1_3_0() -> anyhow::Result<()> {
    in_tier_all(Version::V1_3_0, "beat", End::Killed, DEATHS).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_deaths_are_not_seen_by_persistent_instances_at_2_1_1() -> anyhow::Result<()> {
    in_tier_all(Version::V2_1_1, "persistent", End::Killed, DEATHS).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_deaths_are_not_seen_by_persistent_instances_at_2_2_4() -> anyhow::Result<()> {
    in_tier_all(Version::V2_2_4, "persistent", End::Killed, DEATHS).await
}

async fn in_tier_all(version: Version, hold: &str, end: End, times: usize) -> anyhow::Result<()> {
    match run::in_tier(run::Tier::All) {
        true => ends(version, hold, end, times).await,
        false => Ok(()),
    }
}

async fn ends(version: Version, hold: &str, end: End, times: usize) -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let server = RealNacos::shared(version).await?;
    server.elected().await?;
    let target = Nacos::real(server);
    let source = Embedded::serve().await?;
    let places = Places::fresh();
    let service = |n| places.service(n % 2, n / 2 % 2, &format!("service-{n}"));
    let services: Vec<_> = (0..SERVICES).map(service).collect();
    let mut population = Population::at(source.nacos, services, INSTANCES).await?;
    let configuration = copy(source.nacos.http, target.http, hold, &places.select());
    let mut syncline = Setup::new()?.run(&configuration)?;
    syncline.in_step().await?;
    let consumer = Subscriber::of(target, population.services())?;
    population.stands_at(&consumer).await?;
    let since = consumer.mark();

    for _ in 0..times {
        // In the middle of the changes, so that writes are under way.
        let ending = ends_and_starts(&mut syncline, end);
        let (lived, ended) = tokio::join!(population.live(MEANWHILE), ending);
        lived?;
        ended?;
        syncline.in_step().await?;
    }
    population.stands_at(&consumer).await?;
    let judgement = population.judge(&consumer, since);
    let changes = population.changes();
    say(&format!("{times} ends, {changes} changes: {judgement}"));
    match end {
        End::Stopped => judgement.is_fair()?,
        // What died between a removal and its confirmation is taken up once more
        // before it is removed again, which 1.x shows at once.
        End::Killed => judgement.has_no_gap()?,
    }
    ensure!(judgement.doubles() == 0, "{} doubles", judgement.doubles());
    let verified = syncline.command(&["journal", "verify"]).await?;
    ensure!(verified.status.success(), "{}", said(&verified));
    match end {
        End::Stopped => every_write_ended(&syncline).await,
        End::Killed => Ok(()),
    }
}

async fn ends_and_starts(syncline: &mut Syncline, end: End) -> anyhow::Result<()> {
    match end {
        End::Killed => syncline.kill().await?,
        End::Stopped => syncline.stop().await?,
    }
    syncline.restart()
}

/// Fails where a run began a write and ended without a word of how it went.
async fn every_write_ended(syncline: &Syncline) -> anyhow::Result<()> {
    let mut open: BTreeMap<u64, Value> = BTreeMap::new();
    let mut writes = 0;
    for entry in syncline.journal().await? {
        let kind = entry["kind"].as_str().unwrap_or_default().to_owned();
        if kind == "stopped" || kind == "started" {
            ensure!(open.is_empty(), "not ended before {entry}: {open:#?}");
        }
        let Some(effect) = entry["effect"].as_u64() else {
            continue;
        };
        match kind.as_str() {
            "intent" | "take_up" => {
                writes += 1;
                open.insert(effect, entry);
            }
            _ => {
                open.remove(&effect);
            }
        }
    }
    ensure!(writes > 0, "the journal tells of no writes");
    Ok(())
}
