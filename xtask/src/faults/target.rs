//! Faults of the target, and of the network before it. None lasts longer than beats may be silent.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use syncline_testkit::fault::{Fault, Reply, Rule};
use xtask_stage::bare;
use xtask_stage::fleet::GROUP;

use crate::signal::{NO_BEATS, PENDING, SHADOWED};
use crate::trial::Trial;

/// How long a target stays away: well within the minute that beats may be silent.
const AWAY: u64 = 30;

/// How long a change may take to the target that is well.
const SOON: Duration = Duration::from_secs(10);

/// The network does something to everything; the file does not mind.
pub(crate) async fn network(trial: &mut Trial, fault: Fault) -> anyhow::Result<()> {
    trial.scene.to_target.set(fault);
    trial.signal(NO_BEATS).await?;
    trial.signal(PENDING).await?;
    delays_only_itself(trial).await
}

/// Every request is refused.
pub(crate) async fn refuses(trial: &mut Trial, reply: Reply) -> anyhow::Result<()> {
    trial.scene.to_target.answer([Rule::new("", reply)]);
    trial.signal(NO_BEATS).await?;
    trial.signal(PENDING).await?;
    delays_only_itself(trial).await
}

/// It hangs, and its connections stay.
pub(crate) async fn frozen(trial: &mut Trial) -> anyhow::Result<()> {
    trial.scene.target.first()?.freeze().await?;
    let signalled = trial.signal(PENDING).await;
    let only_itself = delays_only_itself(trial).await;
    trial.scene.target.first()?.thaw().await?;
    trial.heal();
    signalled.and(only_itself)
}

async fn delays_only_itself(trial: &mut Trial) -> anyhow::Result<()> {
    // A registration that a network swallowed may arrive after its deregistration. Nobody beats for it, so it runs out.
    trial.may_take(Duration::from_secs(240));
    trial.passes(&trial.scene.reader.witness, SOON).await?;
    trial.lasts(AWAY).await;
    trial.heal();
    Ok(())
}

/// Every call takes a second; nothing fails.
pub(crate) async fn slow(trial: &mut Trial) -> anyhow::Result<()> {
    trial
        .scene
        .to_target
        .set(Fault::Delay(Duration::from_millis(500)));
    trial.signal(PENDING).await?;
    delays_only_itself(trial).await
}

/// What is registered is registered, and the answer never comes.
pub(crate) async fn reply_lost(trial: &mut Trial) -> anyhow::Result<()> {
    let lost = Rule::new("POST /nacos/v1/ns/instance", Reply::Lost);
    trial.scene.to_target.answer([lost]);
    trial.signal(PENDING).await?;
    delays_only_itself(trial).await
}

/// Of every service some instances are refused, and the others are not.
pub(crate) async fn half(trial: &mut Trial) -> anyhow::Result<()> {
    let refused = [1, 3, 5, 7, 9].map(|place| {
        let rule = Rule::new("POST /nacos/v1/ns/instance", Reply::status(500));
        rule.with_query(format!("port={}", xtask_stage::fleet::port(place)))
    });
    trial.scene.to_target.answer(refused);
    trial.signal(PENDING).await?;
    delays_only_itself(trial).await
}

/// The server dies and starts again with nothing: everything has to be registered anew.
pub(crate) async fn killed(trial: &mut Trial) -> anyhow::Result<()> {
    trial.target_forgets();
    trial.scene.target.first()?.kill().await?;
    trial.signal(NO_BEATS).await?;
    trial.scene.target.first()?.restart().await?;
    trial.heal();
    Ok(())
}

/// One in ten copies is gone though nobody of ours removed it.
pub(crate) async fn loses_records(trial: &mut Trial) -> anyhow::Result<()> {
    trial.target_forgets();
    let fleet = trial.scene.load.fleet();
    let lost = (0..fleet.services()).map(|service| {
        let name = fleet.names.service(service).name;
        let instance = fleet.set(service).remove(service as usize % 10);
        let (ip, port) = (instance.ip, instance.port);
        format!(
            "/nacos/v1/ns/instance?serviceName={GROUP}%40%40{name}&ip={ip}&port={port}&ephemeral=true"
        )
    });
    let target = trial.scene.target.first()?;
    let answers = stream::iter(lost).map(|path| async move { target.call("DELETE", &path).await });
    let mut answers = answers.buffer_unordered(bare::IN_FLIGHT);
    while let Some(answer) = answers.next().await {
        answer?;
    }
    drop(answers);
    trial.heal();
    Ok(())
}

/// An application registers at the target what we copy there; it wins, and later it leaves.
pub(crate) async fn native(trial: &mut Trial) -> anyhow::Result<()> {
    // When it leaves, nothing is there for a moment, which is its own doing.
    trial.target_forgets();
    let connection = bare::connect(trial.scene.target.first()?.grpc_addr()).await?;
    let fleet = trial.scene.load.fleet();
    let (service, mut set) = (fleet.names.service(2), fleet.set(2));
    set.truncate(3);
    for instance in &mut set {
        instance.metadata.clear();
    }
    trial.inject();
    connection.batch_register(&service, &set).await?;
    trial.signal(SHADOWED).await?;
    trial.lasts(AWAY / 2).await;
    connection.close().await;
    trial.heal();
    Ok(())
}
