//! What happens to Syncline itself: it dies, sleeps, starts in a bad moment, is told something wrong, runs out of things.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use syncline_testkit::fault::Fault;
use tokio::process::Command;

use crate::signal::{HELD, NO_DAEMON, NO_DESCRIPTORS, SOURCE_LOST};
use crate::trial::{Trial, not_run};

/// Deaths in a row, each at another moment of the work.
const DEATHS: u64 = 5;

/// It is killed over and over, in the midst of changes, and started at once.
pub(crate) async fn killed(trial: &mut Trial) -> anyhow::Result<()> {
    for death in 0..DEATHS {
        trial.scene.syncline.process().kill().await?;
        if death == 0 {
            trial.signal(NO_DAEMON).await?;
        }
        trial.scene.syncline.start()?;
        tokio::time::sleep(Duration::from_millis(1_500 + 1_300 * death)).await;
    }
    trial.heal();
    Ok(())
}

/// The machine sleeps for a while, as far as Syncline can tell.
pub(crate) async fn suspended(trial: &mut Trial) -> anyhow::Result<()> {
    trial.scene.syncline.process().signal("STOP").await?;
    let signalled = trial.signal(NO_DAEMON).await;
    trial.lasts(30).await;
    trial.scene.syncline.process().signal("CONT").await?;
    trial.heal();
    signalled
}

/// It starts while its source is away, and knows what it saw before. It lasts longer than beats may be silent, so that
/// whoever does not beat from its ledger would lose everything.
pub(crate) async fn starts_without_source(trial: &mut Trial) -> anyhow::Result<()> {
    trial.scene.syncline.process().kill().await?;
    trial.scene.to_source.set(Fault::Reset);
    trial.scene.syncline.start()?;
    trial.inject();
    trial.signal(SOURCE_LOST).await?;
    trial.lasts(75).await;
    trial.heal();
    Ok(())
}

/// It starts while its source is away, and has lost its store.
pub(crate) async fn starts_with_nothing(trial: &mut Trial) -> anyhow::Result<()> {
    trial.scene.syncline.process().kill().await?;
    trial.scene.to_source.set(Fault::Reset);
    let state = trial.scene.syncline.folder().join("state");
    for file in ["store.redb", "store.witness"] {
        std::fs::remove_file(state.join(file)).with_context(|| format!("remove {file}"))?;
    }
    trial.scene.syncline.start()?;
    trial.inject();
    trial.signal(SOURCE_LOST).await?;
    // What went meanwhile stays where it is: without a ledger nobody may remove it. It runs out by itself, three minutes
    // after the last beat.
    trial.may_take(Duration::from_secs(240));
    // Nobody beats for the others either, before they are known again.
    trial.lasts(25).await;
    trial.heal();
    Ok(())
}

/// A second daemon wants the same state.
pub(crate) async fn second(trial: &mut Trial) -> anyhow::Result<()> {
    let second = trial.scene.syncline.command(&["run"]).await?;
    let said = String::from_utf8_lossy(&second.stderr);
    let first = format!("process {} ", trial.scene.syncline.process().pid());
    ensure!(!second.status.success(), "the second one runs: {said}");
    ensure!(said.contains(&first), "the first is not named: {said}");
    trial.lasts(5).await;
    trial.heal();
    Ok(())
}

/// It may open no more files and connections, and those that it has to the source end.
pub(crate) async fn descriptors(trial: &mut Trial) -> anyhow::Result<()> {
    let pid = trial.scene.syncline.process().pid();
    let before = limit(pid, "16:").await?;
    trial.scene.to_source.set(Fault::Reset);
    trial.inject();
    tokio::time::sleep(Duration::from_secs(2)).await;
    trial.scene.to_source.set(Fault::None);
    let signalled = trial.signal(NO_DESCRIPTORS).await;
    trial.lasts(25).await;
    limit(pid, &format!("{before}:")).await?;
    trial.heal();
    signalled
}

/// Sets how many descriptors a process may have; how many it might before.
async fn limit(pid: u32, limit: &str) -> anyhow::Result<String> {
    let pid = pid.to_string();
    let limits = async |arguments: &[&str]| {
        let mut command = Command::new("prlimit");
        let output = command.args(["--pid", &pid]).args(arguments).output().await;
        let output = output.map_err(|_| not_run("needs prlimit (util-linux)"))?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        ensure!(output.status.success(), "prlimit fails");
        Ok(said)
    };
    let before = limits(&["--nofile", "--raw", "--noheadings", "--output", "SOFT"]).await?;
    limits(&[&format!("--nofile={limit}")]).await?;
    Ok(before)
}

/// Somebody mistypes the scope.
pub(crate) async fn narrowed(trial: &mut Trial) -> anyhow::Result<()> {
    trial
        .scene
        .configure(", select: { services: [\"fautls-*\"] }")?;
    trial.scene.syncline.process().signal("HUP").await?;
    trial.inject();
    trial.signal(HELD).await?;
    trial.lasts(45).await;
    trial.scene.configure("")?;
    trial.scene.syncline.process().signal("HUP").await?;
    trial.heal();
    Ok(())
}
