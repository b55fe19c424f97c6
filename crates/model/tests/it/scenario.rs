//! Planning told as stories: `tests/scenarios/*.txt`.
//!
//! A story says what a link gave its target, what its source then shows, and
//! what is planned; each plan is carried out before the next view comes. Run
//! with `SYNCLINE_BLESS=1` to have the plans written anew, and review the
//! difference as prose.

mod read;
mod tell;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use syncline_model::plan::{
    Flips, Inputs, Losses, Missing, Natives, Plan, RemovalPolicy, UnavailableAs, plan,
};
use syncline_model::{Identity, Instance, Moment, ServiceSet, View};

use read::{Line, Story};

/// What a plan is made from, as far as the story has been told.
struct Scene {
    held: Arc<ServiceSet>,
    missing: Missing,
    natives: Natives,
    identity: Identity,
    policy: RemovalPolicy,
    unavailable: UnavailableAs,
    losses: Losses,
    flips: Flips,
    dwell: Duration,
}

impl Scene {
    fn new() -> Self {
        Self {
            held: ServiceSet::empty(),
            missing: Missing::new(),
            natives: Natives::new(),
            identity: Identity::AddressAndCluster,
            policy: RemovalPolicy::Delete {
                grace: Duration::ZERO,
            },
            unavailable: UnavailableAs::WeightAndHealth,
            losses: Losses::Pass,
            flips: Flips::new(),
            dwell: Duration::ZERO,
        }
    }

    fn plan(&self, now: Moment, desired: &View) -> Plan {
        plan(&Inputs {
            desired,
            held: &self.held,
            natives: &self.natives,
            missing: &self.missing,
            identity: self.identity,
            policy: self.policy,
            unavailable: self.unavailable,
            losses: self.losses,
            flips: &self.flips,
            dwell: self.dwell,
            now,
        })
    }

    /// Plans, carries the plan out, and makes sure that it leaves nothing to do.
    fn look(&mut self, now: Moment, desired: &View) -> Plan {
        let planned = self.plan(now, desired);
        self.held = Arc::clone(&planned.accepted);
        self.missing = planned.missing.clone();
        self.flips = planned.flips.clone();
        let again = self.plan(now, desired);
        assert_eq!(again.changes, [], "a plan that was carried out is right");
        assert_eq!(again.accepted, planned.accepted);
        planned
    }
}

/// The whole story with the plans that are made now.
fn retell(story: &Story) -> String {
    let mut scene = Scene::new();
    let mut told = String::new();
    for line in &story.lines {
        match line {
            Line::Text(text) => {
                told.push_str(text);
                told.push('\n');
            }
            Line::Held(held) => scene.held = set(held),
            Line::Natives(natives) => scene.natives = natives.clone(),
            Line::Identity(identity) => scene.identity = *identity,
            Line::Policy(policy) => scene.policy = *policy,
            Line::Unavailable(unavailable) => scene.unavailable = *unavailable,
            Line::Losses(losses) => scene.losses = *losses,
            Line::Dwell(dwell) => scene.dwell = *dwell,
            Line::Look(now, view) => {
                let planned = scene.look(*now, view);
                tell::plan(&mut told, &planned);
            }
        }
    }
    told
}

fn set(instances: &[Instance]) -> Arc<ServiceSet> {
    Arc::new(ServiceSet::new(instances.to_vec()))
}

fn stories() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut stories: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder is part of the crate")
        .map(|entry| entry.expect("can be read").path())
        .collect();
    stories.sort();
    stories
}

#[test]
fn every_story_is_planned_as_it_is_told() {
    let bless = std::env::var_os("SYNCLINE_BLESS").is_some();
    let mut wrong = Vec::new();
    for path in stories() {
        let name = path.file_name().expect("a file").to_string_lossy();
        let told = fs::read_to_string(&path).expect("a text");
        let story = Story::read(&told).unwrap_or_else(|why| panic!("{name}: {why}"));
        let retold = retell(&story);
        if retold == told {
            continue;
        }
        if bless {
            fs::write(&path, &retold).expect("can be written");
        } else {
            wrong.push(format!("{name} is planned like this now:\n\n{retold}"));
        }
    }
    let count = wrong.len();
    assert!(
        wrong.is_empty(),
        "{}\n{count} stories differ; SYNCLINE_BLESS=1 writes them anew",
        wrong.join("\n")
    );
}

#[test]
fn a_story_that_makes_no_sense_is_refused() {
    for (text, why) in [
        ("polcy: keep", "line 1: `polcy: keep` is no part of a story"),
        (
            "held:\n  10.0.0.1",
            "line 2: `10.0.0.1` is no address and port",
        ),
        (
            "held:\n  10.0.0.1:80 heavy",
            "line 2: `heavy` says nothing of an instance",
        ),
        (
            "at noon a complete raw view shows:",
            "line 1: `noon` is no time",
        ),
    ] {
        assert_eq!(Story::read(text).err().as_deref(), Some(why));
    }
}
