//! One replica after the other is replaced by one that writes other marks.

use anyhow::ensure;
use syncline_testkit::run;

use super::pair::{Pair, Shape, Stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_with_other_marks_is_no_gap_and_leaves_no_ghost() -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    upgraded(&Stage::alone().await?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_with_other_marks_is_no_gap_at_a_cluster() -> anyhow::Result<()> {
    if !run::in_tier(run::Tier::All) || !run::require_real_servers() {
        return Ok(());
    }
    upgraded(&Stage::cluster().await?).await
}

async fn upgraded(stage: &Stage) -> anyhow::Result<()> {
    let mut pair = Pair::start(stage, Shape::default()).await?;
    pair.first.is_upgraded().await?;
    // Work goes on while their marks differ.
    pair.population.live(100).await?;
    pair.first.daemon.in_step().await?;
    pair.second.daemon.in_step().await?;
    pair.second.is_upgraded().await?;
    pair.population.live(100).await?;
    pair.ends_well().await?;
    for judgement in pair.judgements() {
        ensure!(judgement.doubles() > 0, "their marks never differed");
    }
    Ok(())
}
