//! Faults of clusters: members that go and come back while the others go on.

use std::time::Duration;

use anyhow::Context as _;

use crate::signal::CONNECTION_LOST;
use crate::trial::Trial;

/// From one member's restart to the next one's.
const APART: Duration = Duration::from_secs(20);

/// How long a member stays away.
const AWAY: u64 = 30;

/// How long the members themselves may show what was said before somebody moved from one to another: they keep what a dead
/// one had for 180 s (Nacos 2.2.4), beside what is registered anew.
const STALE: Duration = Duration::from_secs(300);

/// Every member of the source is stopped and started again, one after the other.
pub(crate) async fn source_rolls(trial: &mut Trial) -> anyhow::Result<()> {
    for number in 0..trial.scene.source.members().len() {
        let member = &trial.scene.source.members()[number];
        member.stop().await?;
        member.restart().await?;
        tokio::time::sleep(APART).await;
    }
    trial.scene.source.settled().await?;
    trial.may_take(STALE);
    trial.heal();
    Ok(())
}

/// The member that Syncline listens to is killed, and comes back later.
pub(crate) async fn source_member_dies(trial: &mut Trial) -> anyhow::Result<()> {
    let number = listened_to(trial)?;
    trial.scene.source.members()[number].kill().await?;
    let signalled = trial.signal(CONNECTION_LOST).await;
    trial.lasts(AWAY).await;
    trial.scene.source.members()[number].restart().await?;
    trial.scene.source.settled().await?;
    trial.may_take(STALE);
    trial.heal();
    signalled
}

/// The member that Syncline listens to hangs, and goes on later.
pub(crate) async fn source_member_freezes(trial: &mut Trial) -> anyhow::Result<()> {
    let number = listened_to(trial)?;
    trial.scene.source.members()[number].freeze().await?;
    let signalled = trial.signal(CONNECTION_LOST).await;
    trial.lasts(AWAY).await;
    trial.scene.source.members()[number].thaw().await?;
    trial.scene.source.settled().await?;
    trial.may_take(STALE);
    trial.heal();
    signalled
}

/// Every member of the target is stopped and started again, one after the other. Consumers at the others see nothing of it;
/// those at that member have nobody to ask meanwhile.
pub(crate) async fn target_rolls(trial: &mut Trial) -> anyhow::Result<()> {
    for number in 0..trial.scene.target.members().len() {
        let at_it = &trial.scene.consumers[number].witness;
        at_it.look_away(true);
        let member = &trial.scene.target.members()[number];
        member.stop().await?;
        member.restart().await?;
        trial.scene.target.settled().await?;
        tokio::time::sleep(APART).await;
        at_it.look_away(false);
    }
    trial.may_take(STALE);
    trial.heal();
    Ok(())
}

/// The number of the source's member to which Syncline connected last, by its log.
fn listened_to(trial: &Trial) -> anyhow::Result<usize> {
    let log = trial.scene.syncline.log_after(0);
    let members = trial.scene.source.members().iter().enumerate();
    let connected = members.filter_map(|(number, member)| {
        let said = log.rfind(&format!("server={}", member.grpc_addr()))?;
        Some((said, number))
    });
    let last = connected.max();
    last.map(|(_, number)| number)
        .context("Syncline is connected to no member")
}
