//! One fault: it is injected, it lasts, it is healed, and what everybody saw meanwhile is judged.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use xtask_stage::fleet::Names;

use crate::scene::Scene;
use crate::signal::{Signal, Told};
use crate::truth::{Loss, Truth};
use crate::witness::Witness;

/// Within this a fault has to be signalled.
const SIGNALLED: Duration = Duration::from_secs(15);

/// Within this both sides have to be equal again. A server that was away is not believed about removals for 30 s, the
/// next list may be 10 s off, and what the guard held takes another 30 s.
const CONVERGED: Duration = Duration::from_secs(90);

/// How many seconds a brief fault lasts.
const BRIEF: u64 = 12;

/// How long a signal is waited for, to tell late from never.
const WAITED: Duration = Duration::from_secs(45);

/// Between two looks for a signal.
const LOOK: Duration = Duration::from_millis(200);

/// Changes before a fault, so that it happens in the midst of them.
const WARM_UP: Duration = Duration::from_secs(3);

/// A fault under way.
pub(crate) struct Trial {
    pub(crate) scene: Scene,
    since: Instant,
    log_from: u64,
    lists: u64,
    changes: u64,
    injected: Instant,
    healed: Option<Instant>,
    bound: Duration,
    brief: bool,
    found: Found,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// Which signals were raised, and how long after the fault.
    pub(crate) signals: Vec<(&'static str, Duration)>,
    /// How long it lasted.
    pub(crate) lasted: Duration,
    /// From its end until both sides were equal.
    pub(crate) converged: Option<Duration>,
    /// Losses that no removal at the source explains: as the consumer, the file and Syncline's log show them.
    pub(crate) wrong: [usize; 3],
    /// What the target lost by itself, as was to be expected.
    pub(crate) excused: Option<usize>,
    /// Lists that consumer and reader saw.
    pub(crate) lists: u64,
    /// Changes at the source meanwhile.
    pub(crate) changes: u64,
}

/// Why a fault cannot happen here; it counts neither as held nor as failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotRun(&'static str);

impl fmt::Display for NotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not run: {}", self.0)
    }
}

impl std::error::Error for NotRun {}

/// An error for a story that cannot happen here.
pub(crate) fn not_run(why: &'static str) -> anyhow::Error {
    anyhow::Error::new(NotRun(why))
}

/// How a trial ended.
pub(crate) struct Ended {
    /// Whether everything was as it should be.
    pub(crate) held: anyhow::Result<()>,
    pub(crate) found: Found,
    /// For the next trial.
    pub(crate) scene: Option<Scene>,
}

impl Trial {
    /// Begins in a scene that is at rest, and lets changes go on. A brief one shows less, and takes less time.
    pub(crate) async fn begin(scene: Scene, brief: bool) -> Self {
        let now = Instant::now();
        let mut trial = Self {
            since: now,
            log_from: scene.syncline.logged_bytes(),
            lists: scene.lists(),
            changes: scene.load.changes(),
            injected: now,
            healed: None,
            bound: CONVERGED,
            brief,
            found: Found::default(),
            scene,
        };
        trial.scene.load.go();
        tokio::time::sleep(WARM_UP).await;
        trial.injected = Instant::now();
        trial
    }

    /// What Syncline says, and said since the trial began.
    pub(crate) async fn told(&self) -> Told {
        self.scene.told(self.log_from).await
    }

    /// Waits for a signal, which counts from the injection.
    pub(crate) async fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        self.until(signal.name, WAITED, signal.is_told).await?;
        let after = self.injected.elapsed();
        self.found.signals.push((signal.name, after));
        ensure!(
            after <= SIGNALLED,
            "signalled after {:.1} s only: {}",
            after.as_secs_f64(),
            signal.name
        );
        Ok(())
    }

    /// Waits until Syncline says something.
    pub(crate) async fn until(
        &self,
        what: &str,
        within: Duration,
        is_told: impl Fn(&Told) -> bool,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + within;
        loop {
            let told = self.told().await;
            if is_told(&told) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("never said: {what}; {}", told.unrest());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The fault begins now, and not when the trial began.
    pub(crate) fn inject(&mut self) {
        self.injected = Instant::now();
    }

    /// Lets the fault last until so long after its injection.
    pub(crate) async fn lasts(&self, seconds: u64) {
        let seconds = if self.brief {
            seconds.min(BRIEF)
        } else {
            seconds
        };
        let end = self.injected + Duration::from_secs(seconds);
        tokio::time::sleep_until(end.into()).await;
    }

    /// The fault ends now.
    pub(crate) fn heal(&mut self) {
        self.scene.heal();
        self.healed = Some(Instant::now());
    }

    /// A change at the source is seen by somebody within a time, fault or not.
    pub(crate) async fn passes(&self, who: &Witness, within: Duration) -> anyhow::Result<()> {
        let revision = self.scene.load.mark(0);
        let deadline = Instant::now() + within;
        while !who.saw_revision(0, revision) {
            let waited = within.as_secs();
            ensure!(
                Instant::now() < deadline,
                "a change was not passed on within {waited} s"
            );
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Both sides may take longer to become equal, for a reason that the story gives.
    pub(crate) fn may_take(&mut self, bound: Duration) {
        self.bound = bound;
    }

    /// The target forgets what it had, for which nobody else can be blamed.
    pub(crate) fn target_forgets(&mut self) {
        self.found.excused = Some(0);
    }

    /// What happened went well or not; where it did, both sides have to become equal, and nobody may have lost anything
    /// wrongly. The scene is at rest afterwards, and given back where it is still fit for another trial.
    pub(crate) async fn end(mut self, happened: anyhow::Result<()>) -> Ended {
        let was_run = !matches!(&happened, Err(error) if error.is::<NotRun>());
        let converged = match was_run {
            true if happened.is_err() => Ok(()),
            _ => self.converge().await,
        };
        let is_fit = converged.is_ok() && (happened.is_ok() || !was_run);
        let held = happened.and(converged).and(self.judge());
        let syncline = &self.scene.syncline;
        Ended {
            held: held.map_err(|error| syncline.explain(error)),
            found: self.found,
            scene: is_fit.then_some(self.scene),
        }
    }

    /// Waits until both sides are equal, with changes at rest. What counts is the first time.
    pub(crate) async fn converge(&mut self) -> anyhow::Result<()> {
        let healed = *self.healed.get_or_insert_with(Instant::now);
        self.found.lasted = healed - self.injected;
        self.scene.load.rest().await?;
        self.scene.until_equal(self.bound).await?;
        self.found.converged.get_or_insert_with(|| healed.elapsed());
        Ok(())
    }

    fn judge(&mut self) -> anyhow::Result<()> {
        let (scene, truth) = (&self.scene, self.scene.load.truth());
        let wrong = |witness: &Witness| truth.wrong(&witness.losses(), self.since);
        let consumer: Vec<Loss> = scene
            .consumers
            .iter()
            .flat_map(|consumer| wrong(&consumer.witness))
            .collect();
        let reader = wrong(&scene.reader.witness);
        let log = scene.syncline.log_after(self.log_from);
        let logged = wrong_in_log(&log, scene.load.fleet().names, &truth, self.since);
        self.found.lists = scene.lists() - self.lists;
        self.found.changes = scene.load.changes() - self.changes;
        self.found.wrong = [consumer.len(), reader.len(), logged];
        if self.found.excused.is_some() {
            self.found.excused = Some(consumer.len());
            self.found.wrong[0] = 0;
        }
        if let Some(broken) = scene.reader.witness.take_broken() {
            bail!("the file was no whole document: {broken}");
        }
        if self.found.wrong != [0; 3] {
            let first = consumer.first().or(reader.first());
            bail!(
                "removed though it was there: {:?} at consumer, file and in the log; {}",
                self.found.wrong,
                first.map_or(String::new(), |loss| self.describe(loss)),
            );
        }
        Ok(())
    }

    fn describe(&self, loss: &Loss) -> String {
        let (service, place) = loss.place;
        let after = loss.at.saturating_duration_since(self.injected);
        let after = after.as_secs_f64();
        format!("the first was instance {place} of service {service}, {after:.1} s after the fault")
    }
}

/// How many removals Syncline logged of instances that are there. The log is not as exact as a witness: it is only asked
/// whether an instance was ever truly removed since.
fn wrong_in_log(log: &str, names: Names, truth: &Truth, since: Instant) -> usize {
    let now = Instant::now();
    let removals = log.lines().filter_map(|line| {
        let (_, told) = line.split_once(": remove ")?;
        let (service, rest) = told.split_once(' ')?;
        let number = names.number(service.rsplit('/').next()?)?;
        let port = rest.split_once('@')?.0.rsplit(':').next()?.parse().ok()?;
        let place = (number, xtask_stage::fleet::place(port)?);
        Some(Loss { place, at: now })
    });
    // Each link removes once.
    let mut removals: Vec<Loss> = removals.collect();
    removals.sort_by_key(|loss| loss.place);
    removals.dedup();
    truth.wrong(&removals, since).len()
}
