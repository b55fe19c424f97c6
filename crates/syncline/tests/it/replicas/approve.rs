//! What an operator says to one replica of a hold, both do.

use anyhow::ensure;
use syncline_admin::api;
use syncline_testkit::run;

use super::pair::{Pair, Shape, Stage};
use crate::daemon::process::said;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn approved_at_one_a_hold_ends_at_both() -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    approved(&Stage::alone().await?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn approved_at_one_a_hold_ends_at_both_of_a_cluster() -> anyhow::Result<()> {
    if !run::in_tier(run::Tier::All) || !run::require_real_servers() {
        return Ok(());
    }
    approved(&Stage::cluster().await?).await
}

const SERVICES: usize = 50;
const INSTANCES: usize = 4;

/// Whether one of each service is lost, and some of these wait for somebody's
/// word.
fn frozen(status: &api::Status) -> bool {
    let link = &status.links[0];
    let (of_link, waiting): (Vec<_>, Vec<_>) =
        (link.holds.iter()).partition(|hold| hold.service.is_none());
    let gone = SERVICES * INSTANCES - link.instances;
    of_link.len() == 1 && gone + waiting.len() == SERVICES
}

async fn approved(stage: &Stage) -> anyhow::Result<()> {
    let shape = Shape {
        services: SERVICES,
        instances: INSTANCES,
        ..Shape::default()
    };
    let mut pair = Pair::start(stage, shape).await?;
    // One of four leaves everywhere: the first go, and then it is too much of
    // the link. The one may have let more go than the other by then.
    for service in pair.population.services().to_vec() {
        pair.population.remove(&service).await?;
    }
    let held = pair.first.daemon.is(frozen).await?;
    pair.second.daemon.is(frozen).await?;
    let hold = &held.links[0].holds[0].id;
    let approved = pair.first.daemon.command(&["approve", hold]).await?;
    ensure!(approved.status.success(), "{}", said(&approved));
    pair.ends_well().await?;
    for replica in [&pair.first, &pair.second] {
        let status = replica.daemon.status().await?;
        ensure!(status.links[0].holds.is_empty(), "{status:#?}");
    }
    Ok(())
}
