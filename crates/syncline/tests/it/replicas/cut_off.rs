//! One replica is cut off from the source while the other one follows it.

use std::time::Duration;

use syncline_testkit::fault::Fault;
use syncline_testkit::run;
use tokio::time::Instant;

use super::pair::{Pair, Shape, Stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_cut_off_from_the_source_leaves_no_ghost() -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let shape = Shape::default();
    cut_off(&Stage::alone().await?, shape, Duration::ZERO, Fault::Reset).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_minutes_without_the_source_leave_no_ghost() -> anyhow::Result<()> {
    if !run::in_tier(run::Tier::All) || !run::require_real_servers() {
        return Ok(());
    }
    five_minutes(&Stage::alone().await?, Fault::Reset).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_minutes_in_a_network_that_swallows_leave_no_ghost_at_a_cluster() -> anyhow::Result<()>
{
    if !run::in_tier(run::Tier::All) || !run::require_real_servers() {
        return Ok(());
    }
    five_minutes(&Stage::cluster().await?, Fault::BlackHole).await
}

/// With the time to let go as it is without a word in the configuration.
async fn five_minutes(stage: &Stage, fault: Fault) -> anyhow::Result<()> {
    let shape = Shape {
        let_go_after: "60s",
        ..Shape::default()
    };
    cut_off(stage, shape, Duration::from_secs(300), fault).await
}

/// Cuts the second off for so long, and until it has let go.
async fn cut_off(
    stage: &Stage,
    shape: Shape,
    at_least: Duration,
    fault: Fault,
) -> anyhow::Result<()> {
    let mut pair = Pair::start(stage, shape).await?;
    pair.network.set(fault);
    let cut = Instant::now();
    let lost = pair.second.daemon.is(|status| {
        let link = &status.links[0];
        link.state == "source lost"
    });
    lost.await?;
    loop {
        pair.population.live(25).await?;
        // What left is gone and what changed shows once, though the second one
        // held it when it was cut off.
        pair.stands().await?;
        if cut.elapsed() >= at_least {
            break;
        }
    }
    pair.judged()?;
    pair.network.set(Fault::None);
    pair.second.daemon.in_step().await?;
    pair.population.live(25).await?;
    pair.ends_well().await?;
    // It holds everything again.
    pair.first.dies_and_comes_back().await?;
    pair.ends_well().await
}
