//! Changes without end while either replica dies and comes back.

use syncline_testkit::run;

use super::pair::{Pair, Shape, Stage, say};

/// How much happens, half of it without a death.
struct Load {
    changes: usize,
    deaths: usize,
}

/// In every CI run.
const SOME: Load = Load {
    changes: 600,
    deaths: 4,
};

/// With `--all`.
const MANY: Load = Load {
    changes: 10_000,
    deaths: 50,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_instance_is_ever_absent_while_either_replica_lives() -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    lives_on(&Stage::alone().await?, Shape::default(), SOME).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_instance_is_absent_through_ten_thousand_changes_and_fifty_deaths() -> anyhow::Result<()>
{
    if !run::in_tier(run::Tier::All) || !run::require_real_servers() {
        return Ok(());
    }
    lives_on(&Stage::alone().await?, Shape::default(), MANY).await
}

/// Each holds everything on every member. With fewer copies, a member that the
/// survivor is not connected to hears of an addition from another one, seconds
/// later under such a load, and misses it when the other replica dies before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_instance_is_absent_through_ten_thousand_changes_at_a_cluster() -> anyhow::Result<()> {
    if !run::in_tier(run::Tier::All) || !run::require_real_servers() {
        return Ok(());
    }
    let shape = Shape {
        copies: Some(3),
        ..Shape::default()
    };
    lives_on(&Stage::cluster().await?, shape, MANY).await
}

async fn lives_on(stage: &Stage, shape: Shape, load: Load) -> anyhow::Result<()> {
    let mut pair = Pair::start(stage, shape).await?;
    // What replicas alone make of changes.
    pair.population.live(load.changes / 2).await?;
    pair.ends_well().await?;
    let lag = pair.lag().await?.as_millis();
    say(&format!("they wrote the same within {lag} ms"));
    let share = load.changes / 2 / load.deaths;
    for death in 0..load.deaths {
        pair.population.live(share / 2).await?;
        let (dies, stays) = match death % 2 {
            0 => (&mut pair.first, &mut pair.second),
            _ => (&mut pair.second, &mut pair.first),
        };
        stays.daemon.in_step().await?;
        dies.daemon.kill().await?;
        pair.population.live(share - share / 2).await?;
        dies.daemon.restart()?;
        dies.daemon.in_step().await?;
    }
    pair.ends_well().await
}

/// What leaves while one of them is dead is not put back by what that one
/// remembers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_comes_back_brings_nothing_back_that_left_meanwhile() -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    comes_back_alone(&Stage::alone().await?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_comes_back_brings_nothing_back_to_a_cluster() -> anyhow::Result<()> {
    if !run::in_tier(run::Tier::All) || !run::require_real_servers() {
        return Ok(());
    }
    comes_back_alone(&Stage::cluster().await?).await
}

async fn comes_back_alone(stage: &Stage) -> anyhow::Result<()> {
    let shape = Shape {
        services: 4,
        instances: 2,
        ..Shape::default()
    };
    let mut pair = Pair::start(stage, shape).await?;
    pair.first.daemon.kill().await?;
    // One service leaves as a whole, which takes the guard of each its time.
    let services = pair.population.services().to_vec();
    for _ in 0..2 {
        pair.population.remove(&services[0]).await?;
    }
    pair.population.change(&services[1]).await?;
    pair.population.add(&services[2]).await?;
    pair.stands().await?;
    pair.first.daemon.restart()?;
    pair.first.daemon.in_step().await?;
    pair.ends_well().await?;
    pair.second.dies_and_comes_back().await?;
    pair.ends_well().await
}
