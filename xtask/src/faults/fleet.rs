//! What is no fault: applications that are deployed anew, and applications that truly go.

use std::time::{Duration, Instant};

use anyhow::ensure;
use xtask_stage::fleet::Fleet;

use crate::load::INSTANCES;
use crate::signal::{HELD, Told};
use crate::trial::Trial;
use crate::truth::Truth;

/// From one step of a rolling deploy to the next.
const STEP: Duration = Duration::from_secs(2);

/// How long something may take that the guard wants to see three times over half a minute.
const CONFIRMED: Duration = Duration::from_secs(75);

/// Four services in ten get other instances, one after the other; no service ever has fewer than it should.
pub(crate) async fn deploy(trial: &mut Trial) -> anyhow::Result<()> {
    // What comes and goes besides would make it fewer.
    trial.scene.load.rest().await?;
    trial.scene.consumer().watch_fewest();
    let services = trial.scene.load.fleet().services() * 2 / 5;
    trial.inject();
    for place in 0..INSTANCES as usize {
        trial.scene.load.happens(|fleet, _| {
            (0..services).for_each(|service| fleet.change(service, 100 + place, 0));
            (0..services).collect()
        });
        tokio::time::sleep(STEP).await;
        trial.scene.load.happens(|fleet, truth| {
            (0..services).for_each(|service| gone(fleet, truth, service, place));
            (0..services).collect()
        });
        tokio::time::sleep(STEP).await;
        let told = trial.told().await;
        ensure!(
            !is_held(&told),
            "a rolling deploy is held: {}",
            told.unrest()
        );
    }
    let fewest = trial.scene.consumer().fewest();
    ensure!(
        fewest.is_some_and(|fewest| fewest >= INSTANCES as usize),
        "a service had {fewest:?} instances in the midst of its deploy"
    );
    trial.heal();
    Ok(())
}

/// One service is given up. It goes, as soon as it was seen to be gone often enough.
pub(crate) async fn one_goes(trial: &mut Trial) -> anyhow::Result<()> {
    let last = trial.scene.load.fleet().services() - 1;
    decommission(trial, last..last + 1);
    trial.signal(HELD).await?;
    until_gone(trial, last).await?;
    come_back(trial);
    Ok(())
}

/// Three services in ten are given up at once. They stay until somebody approves.
pub(crate) async fn many_go(trial: &mut Trial) -> anyhow::Result<()> {
    let services = trial.scene.load.fleet().services();
    let going = services - services * 3 / 10..services;
    decommission(trial, going.clone());
    trial.signal(HELD).await?;
    trial.lasts(45).await;
    let gone = |service: &u32| trial.scene.consumer().usable(*service) == 0;
    let early = going.clone().filter(gone).count();
    ensure!(early == 0, "{early} services went before anybody approved");
    let deadline = Instant::now() + CONFIRMED;
    while trial.scene.consumer().usable(services - 1) > 0 {
        let control = trial.scene.syncline.control();
        for held in control.holds().await?.holds {
            // It may have changed since it was listed, and so have got another name.
            control.decide(&held.hold.id, true).await.ok();
        }
        ensure!(Instant::now() < deadline, "what was approved does not go");
        tokio::time::sleep(STEP).await;
    }
    for service in going {
        until_gone(trial, service).await?;
    }
    come_back(trial);
    Ok(())
}

fn is_held(told: &Told) -> bool {
    (HELD.is_told)(told)
}

fn decommission(trial: &mut Trial, services: std::ops::Range<u32>) {
    trial.scene.load.happens(|fleet, truth| {
        for service in services.clone() {
            let places: Vec<usize> = fleet.places(service).collect();
            places
                .into_iter()
                .for_each(|place| gone(fleet, truth, service, place));
        }
        services.collect()
    });
    trial.inject();
}

fn gone(fleet: &mut Fleet, truth: &mut Truth, service: u32, place: usize) {
    truth.goes((service, place));
    fleet.remove_at(service, place);
}

async fn until_gone(trial: &Trial, service: u32) -> anyhow::Result<()> {
    let deadline = Instant::now() + CONFIRMED;
    while trial.scene.consumer().usable(service) > 0 {
        ensure!(
            Instant::now() < deadline,
            "a service that is gone stays at the target"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// What was given up is there again, for the trials to come.
fn come_back(trial: &mut Trial) {
    trial.scene.load.happens(|fleet, truth| {
        let empty: Vec<u32> = (0..fleet.services())
            .filter(|service| fleet.instances_of(*service) == 0)
            .collect();
        for &service in &empty {
            for place in 0..INSTANCES as usize {
                truth.returns((service, place));
                fleet.change(service, place, 0);
            }
        }
        empty
    });
    trial.heal();
}
