//! The tokio shell around the core: it performs effects and feeds back what
//! came of them.
//!
//! One task steps the core. Everything that waits for a peer or a disk is a
//! task of its own under one tracker and one cancellation token; it talks to
//! the core through one bounded channel of events.

mod driver;
mod estate;
mod filling;
mod gate;
mod handover;
mod limit;
mod peers;
mod pulse;
mod reading;
mod remembering;
mod rendering;
mod retired;
mod schedule;
mod storing;
mod writing;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use syncline_contract::{Ending, Interest, Output, Source, Target};
use syncline_model::adoption::Wish;
use syncline_model::guard::HoldId;
use syncline_model::scope::Scope;
use syncline_model::{EndpointName, LinkName, Moment};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use estate::Estate;
pub use filling::Filling;
pub use retired::Retired;
pub use schedule::Strategy;

use crate::core::{
    Adoption, Core, Evacuation, EvacuationPreview, Event, HeldBack, LinkAdoption, LinkPreview,
    LinkRules, LinkVerification, PeerSettings, Status,
};
use crate::journal::{Journal, JournalError, JournalOptions};
use crate::store::{Claim, Install, Opened, Store, StoreError, StoreWriter, WriterOptions};
use driver::{Driver, Sinks};
use filling::Filled;
use reading::Reading;
use remembering::Cached;
use storing::Storing;

/// How many events wait for the core before their senders wait too.
const EVENTS_AHEAD: usize = 1024;

/// What an engine is to do.
pub struct EngineSpec {
    /// The registries that are read.
    pub endpoints: Vec<EndpointSpec>,
    /// The routes.
    pub links: Vec<LinkSpec>,
    /// Whether anything is written.
    pub mode: Mode,
    /// How replicas are taken, where there are any.
    pub peers: Option<PeerSettings>,
    /// The links that stand still from the beginning.
    pub paused: Vec<LinkName>,
}

/// Whether an engine writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Reads and writes.
    Live,
    /// Reads, and only says what it would write.
    Dry,
}

/// A registry that is read.
pub struct EndpointSpec {
    /// Its name.
    pub name: EndpointName,
    /// How it is read.
    pub source: Arc<dyn Source>,
}

/// A route.
pub struct LinkSpec {
    /// What it does.
    pub rules: LinkRules,
    /// As the ledger knows it, where that is by another name.
    pub known_as: Option<LinkName>,
    /// Where it writes.
    pub sink: Sink,
    /// When it looks.
    pub strategy: Strategy,
    /// How often everything is read whole, whatever was pushed.
    pub verify_every: Duration,
    /// How many writes to its target are under way at once, at most.
    pub in_flight: NonZeroUsize,
}

/// Where a link writes.
pub enum Sink {
    /// A registry.
    Target(Arc<dyn Target>),
    /// A consumer that takes whole lists.
    Output(Arc<dyn Output>),
}

/// The state directory, open.
pub struct State {
    store: Store,
    journal: Journal,
    rebuilding: bool,
    taken_over: bool,
}

/// The state directory could not be opened.
#[derive(Debug, Error)]
pub enum StateError {
    /// The store.
    #[error("open the store")]
    Store(#[source] StoreError),
    /// The journal.
    #[error("open the journal")]
    Journal(#[source] JournalError),
}

impl State {
    /// Claims a state directory for this process: one store, one daemon. The
    /// command is told to whoever finds the directory taken.
    ///
    /// # Errors
    /// When another daemon has it, or it cannot be read or written.
    pub fn open(
        dir: &Path,
        install: &Install,
        command: &str,
        journal: JournalOptions,
    ) -> Result<Self, StateError> {
        let claim = Claim::of_this_process(command, storing::wall_ms());
        let (store, opened) = Store::open(dir, &install.id, &claim).map_err(StateError::Store)?;
        let rebuilding = matches!(opened, Opened::Rebuilt { .. });
        if let Opened::Rebuilt { moved_to, why } = opened {
            tracing::error!(
                "the store was damaged ({why}) and begins anew; the damaged file is {}",
                moved_to.display()
            );
        }
        let (journal, recovery) = Journal::open(&dir.join("journal"), journal, storing::wall_ms())
            .map_err(StateError::Journal)?;
        for torn in recovery.torn {
            tracing::warn!("the journal ended in {} torn bytes, cut away", torn.bytes);
        }
        Ok(Self {
            store,
            journal,
            rebuilding,
            taken_over: false,
        })
    }

    /// The same state, from a daemon of which all was taken over: what it held
    /// is taken up again at once, however long ago it was confirmed.
    #[must_use]
    pub fn taken_over(mut self) -> Self {
        self.taken_over = true;
        self
    }
}

/// A running engine.
pub struct Engine {
    controls: mpsc::Sender<Control>,
    cancel: CancellationToken,
    tasks: TaskTracker,
    done: oneshot::Receiver<mpsc::Receiver<Control>>,
    filling: Filling,
}

/// A handle to ask a running engine and to tell it what to do.
#[derive(Clone)]
pub struct EngineHandle {
    controls: mpsc::Sender<Control>,
}

/// The engine has stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("the engine has stopped")]
pub struct Stopped;

/// Looks at the core at a moment, and tells whoever asked.
type Look = Box<dyn FnOnce(&Core, Moment) + Send>;

/// What the engine is asked or told.
enum Control {
    Status(oneshot::Sender<Status>),
    Preview(oneshot::Sender<Vec<LinkPreview>>),
    Tell(Event, oneshot::Sender<()>),
    /// Something else that only looks.
    Look(Look),
    Stop(Ending),
    /// Stop, and leave the targets to somebody else.
    Leave,
}

impl Engine {
    /// Starts reading, planning and writing. Without a state, nothing is
    /// remembered and nothing is journalled.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn start(spec: EngineSpec, state: Option<State>) -> Result<Self, StoreError> {
        Self::start_after(Estate::new(), spec, state).await
    }

    /// Starts in the place of another one: its handles are this one's now.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub async fn start_after(
        Estate { controls, asked }: Estate,
        spec: EngineSpec,
        state: Option<State>,
    ) -> Result<Self, StoreError> {
        let cancel = CancellationToken::new();
        let tasks = TaskTracker::new();
        let (events, inbox) = mpsc::channel(EVENTS_AHEAD);
        let mut readings = BTreeMap::new();
        for endpoint in spec.endpoints {
            let interest = interest_in(&endpoint.name, &spec.links);
            let reading = Reading::new(
                endpoint.name.clone(),
                endpoint.source,
                interest,
                events.clone(),
                tasks.clone(),
                cancel.child_token(),
            );
            readings.insert(endpoint.name, reading);
        }
        let clock = Clock::start();
        let (mut remembered, storing) = match state {
            Some(state) => {
                let rebuilding = state.rebuilding;
                let Remembered {
                    events: remembered,
                    lived_lately,
                    writer,
                } = remember(state, &spec.links, spec.mode, clock).await?;
                let writer = Arc::new(writer);
                tasks.spawn(storing::watch_health(
                    writer.health(),
                    events.clone(),
                    cancel.child_token(),
                ));
                let known = (rebuilding, lived_lately);
                let storing = Storing::new(writer, known, events.clone(), tasks.clone());
                (remembered, Some(storing))
            }
            None => (Vec::new(), None),
        };
        let paused = spec.paused.into_iter();
        remembered.extend(paused.map(|link| Event::Pause { link, paused: true }));
        let (filled, filling) = Filled::new();
        let mut sinks = Sinks::new(filled, events.clone(), tasks.clone(), cancel.child_token());
        let mut rules = Vec::new();
        for link in spec.links {
            schedule::spawn(&link, &events, &tasks, &cancel);
            sinks.add(
                link.rules.name.clone(),
                link.sink,
                link.in_flight,
                spec.mode,
            );
            rules.push(link.rules);
        }
        let (finished, done) = oneshot::channel();
        let core = match spec.mode {
            Mode::Live => Core::new(rules),
            Mode::Dry => Core::new(rules).dry(),
        };
        let core = match spec.peers {
            Some(settings) => core.with_peers(settings),
            None => core,
        };
        let driver = Driver::new(core, spec.mode, clock, readings, sinks, storing);
        let token = cancel.clone();
        tasks.spawn(async move {
            let asked = driver.run(remembered, inbox, asked, token).await;
            // Whoever waits for the end may have gone.
            finished.send(asked).ok();
        });
        tasks.close();
        Ok(Self {
            controls,
            cancel,
            tasks,
            done,
            filling,
        })
    }

    /// A handle to ask and to tell.
    pub fn handle(&self) -> EngineHandle {
        EngineHandle {
            controls: self.controls.clone(),
        }
    }

    /// Stops: no new plans, writes under way are finished or abandoned within
    /// the time, registrations stay as far as their hold can keep them.
    pub async fn stop(self, ending: Ending, within: Duration) {
        // Half of the time is for what follows: the store, and the targets.
        let engine = self.handle();
        let drained = tokio::time::timeout(within / 2, engine.drain(within / 2)).await;
        if matches!(drained, Ok(Ok(false)) | Err(_)) {
            tracing::warn!("writes under way did not end in time and are abandoned");
        }
        // A driver that is gone has stopped already.
        drop(self.controls.send(Control::Stop(ending)).await);
        if tokio::time::timeout(within / 2, self.done).await.is_err() {
            tracing::warn!("the store or a target did not let go in time");
        }
        self.cancel.cancel();
        self.tasks.wait().await;
    }
}

impl EngineHandle {
    /// Everything at a glance.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn status(&self) -> Result<Status, Stopped> {
        self.ask(Control::Status).await
    }

    /// How long ago what each link gives its target was last known to be true;
    /// `None` while its source is heard, and where it was never known.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn ages(&self) -> Result<Vec<(LinkName, Option<Duration>)>, Stopped> {
        self.look(Core::ages).await
    }

    /// What would be written now.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn preview(&self) -> Result<Vec<LinkPreview>, Stopped> {
        self.ask(Control::Preview).await
    }

    /// All that the guard holds, with the instances that would go.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn held_back(&self) -> Result<Vec<HeldBack>, Stopped> {
        self.look(Core::held_back).await
    }

    /// Looks at everything, for one link or for all.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn trigger(&self, link: Option<LinkName>) -> Result<(), Stopped> {
        self.tell(Event::Trigger { link }).await
    }

    /// Lets a hold's losses through, or refuses them.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn decide(&self, hold: HoldId, approve: bool) -> Result<(), Stopped> {
        self.tell(Event::Decide { hold, approve }).await
    }

    /// Stops a link's planning, or lets it go on.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn pause(&self, link: LinkName, paused: bool) -> Result<(), Stopped> {
        self.tell(Event::Pause { link, paused }).await
    }

    /// Reads both sides of one link or of all, and writes nothing because of it
    /// that would not be written anyway.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn relist(&self, link: Option<LinkName>) -> Result<(), Stopped> {
        self.tell(Event::Relist { link }).await
    }

    /// What the source, the ledger and the target say, side by side.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn verify(&self) -> Result<Vec<LinkVerification>, Stopped> {
        self.look(Core::verify).await
    }

    /// What an evacuation concerns, or would.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn evacuation(&self, what: Evacuation) -> Result<EvacuationPreview, Stopped> {
        self.look(move |core, _| core.evacuation(&what)).await
    }

    /// What links could take over of what stands at their targets.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn adoptions(&self, wish: Wish) -> Result<Vec<LinkAdoption>, Stopped> {
        self.look(move |core, _| core.adoptions(wish)).await
    }

    /// Takes over what stands at a target. It is in the ledger when this returns.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn adopt(&self, adoption: Adoption) -> Result<(), Stopped> {
        self.tell(Event::Adopt(adoption)).await
    }

    /// Takes copies out of use at their targets, also while their source is
    /// down, or puts them back. It is remembered over restarts.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn evacuate(&self, what: Evacuation, on: bool) -> Result<(), Stopped> {
        self.tell(Event::Evacuate { what, on }).await
    }

    async fn tell(&self, event: Event) -> Result<(), Stopped> {
        self.ask(|done| Control::Tell(event, done)).await
    }

    /// Looks at the core.
    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Core, Moment) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        self.ask(|answer| {
            Control::Look(Box::new(move |core, now| {
                // Whoever asked may have gone away, which is nobody's loss.
                drop(answer.send(look(core, now)));
            }))
        })
        .await
    }

    async fn ask<T>(
        &self,
        control: impl FnOnce(oneshot::Sender<T>) -> Control,
    ) -> Result<T, Stopped> {
        let (answer, wait) = oneshot::channel();
        self.controls
            .send(control(answer))
            .await
            .map_err(|_| Stopped)?;
        wait.await.map_err(|_| Stopped)
    }
}

/// What an endpoint is read for: the scopes of the links that read from it, and
/// for those that write to it what they may have written there.
fn interest_in(endpoint: &EndpointName, links: &[LinkSpec]) -> Interest {
    let rules = || links.iter().map(|link| &link.rules);
    let reading = rules().filter(|rules| rules.from == *endpoint && !rules.retired);
    let writing = rules().filter(|rules| rules.target_is_read && rules.to == *endpoint);
    Interest {
        scopes: without_repetition(reading.map(|rules| rules.rules.scope.clone())),
        around: without_repetition(writing.map(|rules| rules.rules.scope_at_target())),
        ..Interest::default()
    }
}

fn without_repetition(scopes: impl Iterator<Item = Scope>) -> Arc<[Scope]> {
    let mut once = Vec::new();
    for scope in scopes {
        if !once.contains(&scope) {
            once.push(scope);
        }
    }
    once.into()
}

/// What a link writes, and where the ledger has that.
struct Route {
    link: LinkName,
    ledger: LinkName,
    from: EndpointName,
    to: EndpointName,
}

impl Route {
    fn of(link: &LinkSpec) -> Self {
        let LinkRules { name, from, to, .. } = &link.rules;
        Self {
            link: name.clone(),
            ledger: link.known_as.as_ref().unwrap_or(name).clone(),
            from: from.clone(),
            to: to.clone(),
        }
    }
}

/// What earlier runs knew and wrote.
struct Remembered {
    events: Vec<Event>,
    /// Whether what they wrote was held until lately.
    lived_lately: bool,
    writer: StoreWriter,
}

/// Reads what earlier runs knew and wrote, and starts the thread that writes.
async fn remember(
    mut state: State,
    links: &[LinkSpec],
    mode: Mode,
    clock: Clock,
) -> Result<Remembered, StoreError> {
    let routes: Vec<Route> = links.iter().map(Route::of).collect();
    let sources = links.iter().map(|link| link.rules.from.clone());
    let sources: BTreeSet<EndpointName> = sources.collect();
    let read = move || {
        let mut events = Vec::new();
        let reader = state.store.reader();
        let lived_lately = state.taken_over || remembering::lived_lately(&reader)?;
        let mut cached = Cached::default();
        for endpoint in &sources {
            events.extend(remembering::seen_before(&reader, endpoint, clock)?);
            for row in reader.load_cache(endpoint)? {
                let (service, record) = row?;
                cached.note(endpoint, &service, &record.set);
                events.push(Event::Remembered {
                    endpoint: endpoint.clone(),
                    service,
                    set: record.set,
                });
            }
        }
        for route in &routes {
            let Route {
                link, ledger, to, ..
            } = route;
            for row in reader.load_ledger(ledger)? {
                let (service, record) = row?;
                if record.target != *to {
                    continue;
                }
                let mut held = remembering::remembered(link, service, record, lived_lately);
                if let Event::Held {
                    service,
                    set,
                    fresh,
                    ..
                } = &mut held
                {
                    *fresh |= state.taken_over;
                    cached.share(&route.from, service, set);
                }
                events.push(held);
            }
            if mode == Mode::Live && link != ledger {
                state.rename(ledger, link, to)?;
            }
            events.push(remembering::recalled(&reader, link, clock)?);
        }
        events.extend(remembering::evacuated(&reader)?);
        Ok::<_, StoreError>((events, lived_lately, state))
    };
    let (events, lived_lately, state) = tokio::task::spawn_blocking(read)
        .await
        .map_err(|_| StoreError::Closed)??;
    let options = WriterOptions::new(Arc::new(storing::wall_ms));
    let writer = StoreWriter::start(state.store, state.journal, options)?;
    Ok(Remembered {
        events,
        lived_lately,
        writer,
    })
}

/// The wait before something that failed is tried again.
fn retry_wait(failures: u32, asked: Option<Duration>) -> Duration {
    const LONGEST: Duration = Duration::from_secs(30);
    let doubled = Duration::from_millis(500).saturating_mul(1 << failures.min(6));
    doubled.min(LONGEST).max(asked.unwrap_or_default())
}

/// Moments of this process: the time since it first asked, after as much as may
/// be remembered of earlier runs.
#[derive(Clone, Copy, Debug)]
struct Clock(tokio::time::Instant);

impl Clock {
    /// How long before the start a moment can be: longer than any window.
    const BEFORE: Duration = Duration::from_secs(30 * 24 * 3600);

    fn start() -> Self {
        Self(tokio::time::Instant::now())
    }

    fn now(self) -> Moment {
        Moment::after_origin(Self::BEFORE + self.0.elapsed())
    }

    /// The moment so long ago, as far as that can be told.
    fn ago(self, time: Duration) -> Moment {
        let since = self.now().since_origin();
        Moment::after_origin(since.saturating_sub(time))
    }

    fn instant(self, moment: Moment) -> tokio::time::Instant {
        self.0 + moment.since_origin().saturating_sub(Self::BEFORE)
    }
}
