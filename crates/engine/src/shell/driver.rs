//! The one task that steps the core and performs what it asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::Arc;

use syncline_contract::{Ending, Output, Target};
use syncline_model::{EndpointName, LinkName};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::filling::Filled;
use super::pulse::Pulse;
use super::reading::Reading;
use super::rendering::Rendering;
use super::storing::{LIVES_EVERY, Storing};
use super::writing::Writing;
use super::{Clock, Control, Mode, Sink};
use crate::core::{Core, Effect, Event, Happening};

/// How many events are stepped through before what they want on disk is handed
/// over in one batch.
const STEPS_A_BATCH: usize = 256;

/// Steps the core.
pub(super) struct Driver {
    core: Core,
    mode: Mode,
    clock: Clock,
    readings: BTreeMap<EndpointName, Reading>,
    sinks: Sinks,
    storing: Option<Storing>,
    pulse: Pulse,
}

impl Driver {
    pub(super) fn new(
        core: Core,
        mode: Mode,
        clock: Clock,
        readings: BTreeMap<EndpointName, Reading>,
        sinks: Sinks,
        storing: Option<Storing>,
    ) -> Self {
        Self {
            core,
            mode,
            clock,
            readings,
            sinks,
            storing,
            pulse: Pulse::start(),
        }
    }

    /// Runs until told to stop, and gives back where it was told.
    pub(super) async fn run(
        mut self,
        remembered: Vec<Event>,
        mut inbox: mpsc::Receiver<Event>,
        mut asked: mpsc::Receiver<Control>,
        cancel: CancellationToken,
    ) -> mpsc::Receiver<Control> {
        for event in remembered {
            self.step(event);
        }
        self.step(Event::Started);
        let mut lives = tokio::time::interval(LIVES_EVERY);
        loop {
            if let Some(storing) = &mut self.storing {
                storing.flush().await;
            }
            let wake = self.core.next_wake().map(|at| self.clock.instant(at));
            tokio::select! {
                () = cancel.cancelled() => break,
                control = asked.recv() => match control {
                    Some(Control::Stop(ending)) => {
                        self.stop(Some(ending)).await;
                        break;
                    }
                    Some(Control::Leave) => {
                        self.stop(None).await;
                        break;
                    }
                    Some(control) => self.answer(control),
                    None => break,
                },
                event = inbox.recv() => {
                    let Some(event) = event else { break };
                    self.step(event);
                    for _ in 1..STEPS_A_BATCH {
                        let Ok(event) = inbox.try_recv() else { break };
                        self.step(event);
                    }
                }
                () = sleep_until(wake) => self.step(Event::Tick),
                () = self.pulse.due() => self.step(Event::Tick),
                _ = lives.tick(), if self.mode == Mode::Live => {
                    if let Some(storing) = &mut self.storing {
                        storing.lives();
                    }
                }
            }
        }
        asked
    }

    fn step(&mut self, event: Event) {
        let now = self.clock.now();
        // Before anything else: the event itself may be from before.
        let mut effects = Vec::new();
        if self.pulse.stood_still() {
            tracing::warn!("nothing ran for a while: everything is looked at again");
            effects = self.core.step(now, Event::StoodStill);
        }
        effects.extend(self.core.step(now, event));
        for effect in effects {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect) {
        let reads = matches!(effect, Effect::List { .. } | Effect::Read { .. });
        if self.mode == Mode::Dry && !reads {
            return;
        }
        match effect {
            Effect::List { endpoint } => {
                if let Some(reading) = self.readings.get(&endpoint) {
                    reading.list();
                }
            }
            Effect::Watch { endpoint, listed } => {
                if let Some(reading) = self.readings.get(&endpoint) {
                    reading.watch(listed);
                }
            }
            Effect::Read {
                endpoint,
                service,
                purpose,
            } => {
                if let Some(reading) = self.readings.get(&endpoint) {
                    reading.read(service, purpose);
                }
            }
            Effect::Follow {
                endpoint,
                service,
                follow,
            } => {
                if let Some(reading) = self.readings.get(&endpoint) {
                    reading.follow(&service, follow);
                }
            }
            Effect::Persist(persist) => {
                if let Some(storing) = &mut self.storing {
                    storing.persist(persist);
                } else if let Some((link, service)) = persist.awaited() {
                    // Nothing is remembered by whoever runs without a state.
                    let result = Ok(());
                    self.step(Event::Stored {
                        link,
                        service,
                        result,
                    });
                }
            }
            Effect::Tell(line) => {
                match line.happening {
                    Happening::Held | Happening::Failed | Happening::SourceLost => {
                        tracing::warn!(link = %line.link, "{line}");
                    }
                    // Every service is taken up again at a start.
                    Happening::TakeUp | Happening::TakenUp => {
                        tracing::debug!(link = %line.link, "{line}");
                    }
                    _ => tracing::info!(link = %line.link, "{line}"),
                }
                if let Some(storing) = &mut self.storing {
                    storing.tell(*line);
                }
            }
            Effect::Apply { link, write } => self.sinks.apply(&link, write),
            Effect::Resumed { link } => self.sinks.resume(&link),
            Effect::Settled { link } => {
                let all = self.sinks.settle(&link);
                if all && let Some(storing) = &mut self.storing {
                    storing.settled();
                }
            }
            Effect::Filled { link, with } => self.sinks.filled.tell(link, with),
        }
    }

    fn answer(&mut self, control: Control) {
        let now = self.clock.now();
        // Whoever asked may have gone away, which is nobody's loss.
        match control {
            Control::Status(answer) => drop(answer.send(self.core.status(now))),
            Control::Preview(answer) => drop(answer.send(self.core.preview(now))),
            Control::Look(look) => look(&self.core, now),
            Control::Tell(event, done) => {
                self.step(event);
                match &mut self.storing {
                    Some(storing) => storing.acknowledge(done),
                    None => {
                        done.send(()).ok();
                    }
                }
            }
            Control::Stop(_) | Control::Leave => {}
        }
    }

    /// Puts on disk what is to be there, and closes the targets unless somebody
    /// else has them from now on.
    async fn stop(mut self, ending: Option<Ending>) {
        if let Some(storing) = &mut self.storing {
            storing.flush().await;
        }
        if let Some(ending) = ending.filter(|_| self.mode == Mode::Live) {
            self.sinks.close(ending).await;
        }
        if let Some(storing) = self.storing {
            storing.close().await;
        }
    }
}

async fn sleep_until(wake: Option<tokio::time::Instant>) {
    match wake {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// The writing sides of all links.
pub(super) struct Sinks {
    by_link: BTreeMap<LinkName, LinkSink>,
    settled: BTreeSet<LinkName>,
    filled: Filled,
    events: mpsc::Sender<Event>,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

enum LinkSink {
    Writing(Writing),
    Rendering(Rendering),
    /// A dry run describes an output and writes nothing.
    Nothing,
}

impl Sinks {
    pub(super) fn new(
        filled: Filled,
        events: mpsc::Sender<Event>,
        tasks: TaskTracker,
        cancel: CancellationToken,
    ) -> Self {
        Self {
            by_link: BTreeMap::new(),
            settled: BTreeSet::new(),
            filled,
            events,
            tasks,
            cancel,
        }
    }

    /// Starts a link's writing side and asks its target what it can do.
    pub(super) fn add(&mut self, link: LinkName, sink: Sink, in_flight: NonZeroUsize, mode: Mode) {
        let sink = match sink {
            Sink::Target(target) => LinkSink::Writing(self.writing(&link, target, in_flight)),
            Sink::Output(output) => self.rendering(&link, output, mode),
        };
        self.by_link.insert(link, sink);
    }

    fn writing(
        &self,
        link: &LinkName,
        target: Arc<dyn Target>,
        in_flight: NonZeroUsize,
    ) -> Writing {
        let writing = Writing::new(
            link.clone(),
            target,
            in_flight,
            self.events.clone(),
            self.tasks.clone(),
            self.cancel.clone(),
        );
        writing.describe();
        writing
    }

    fn rendering(&self, link: &LinkName, output: Arc<dyn Output>, mode: Mode) -> LinkSink {
        let described = Event::Described {
            link: link.clone(),
            report: Rendering::describe(&*output),
        };
        let events = self.events.clone();
        self.tasks.spawn(async move {
            // An error means that the engine stops.
            drop(events.send(described).await);
        });
        match mode {
            Mode::Dry => LinkSink::Nothing,
            Mode::Live => LinkSink::Rendering(Rendering::start(
                link.clone(),
                output,
                self.events.clone(),
                &self.tasks,
                self.cancel.clone(),
            )),
        }
    }

    fn apply(&self, link: &LinkName, write: syncline_contract::Write) {
        match self.by_link.get(link) {
            Some(LinkSink::Writing(writing)) => writing.apply(write),
            Some(LinkSink::Rendering(rendering)) => rendering.apply(write),
            Some(LinkSink::Nothing) | None => {}
        }
    }

    /// A link has given its target again all that it gave it before the start.
    fn resume(&self, link: &LinkName) {
        if let Some(LinkSink::Rendering(rendering)) = self.by_link.get(link) {
            rendering.resume();
        }
    }

    /// A link has planned what its first list showed; whether all have.
    fn settle(&mut self, link: &LinkName) -> bool {
        if let Some(LinkSink::Rendering(rendering)) = self.by_link.get(link) {
            rendering.settle();
        }
        self.settled.insert(link.clone());
        self.settled.len() == self.by_link.len()
    }

    async fn close(&self, ending: Ending) {
        for sink in self.by_link.values() {
            if let LinkSink::Writing(writing) = sink {
                writing.close(ending).await;
            }
        }
    }
}
