//! Watching by asking for everything again and again: what 1.x allows, and what
//! is left where no gRPC connection can be had.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use syncline_contract::{Area, Coverage, Follow, Interest, Listed, Observation, ObservationSink};
use syncline_model::ServiceKey;
use syncline_model::scope::Scope;
use syncline_nacos::http::Route;
use syncline_nacos::version::Generation;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::Reader;
use super::pace::{Answer, Pace};
use super::push::Prompter;
use super::reach::Reach;
use super::watch::{Pulse, Way};

/// How 1.x is described. One round is one request for each namespace and 1,000
/// services: 12 rounds a minute while nothing changes, 60 at most. The UDP
/// subscriptions of up to 32 services cost each of them 10 requests a minute.
pub(super) const DESCRIPTION: &str = "asking every 1 to 5 s, at once where UDP pushes arrive";

/// The wait between two rounds while something changes.
const LIVELY: Duration = Duration::from_secs(1);

/// The wait between two rounds while nothing does.
const CALM: Duration = Duration::from_secs(5);

/// The least time between two rounds, however many pushes arrive.
const LEAST: Duration = Duration::from_millis(200);

/// How many rounds go by before the namespaces are looked up again.
const ROUNDS_PER_REACH: u32 = 12;

/// How many listed services wait to be looked at.
const LISTED_AHEAD: usize = 64;

/// Services outside of every scope that are read at the same time.
const IN_FLIGHT: usize = 16;

/// Watches a 1.x registry until it turns out to be another one.
pub(super) async fn run(reader: &Arc<Reader>, interest: &Interest, sink: &ObservationSink) {
    let followed = &*interest.followed;
    let scopes = interest.everywhere();
    let prompter = Prompter::start(Arc::clone(reader));
    let mut poll = Poll::new(reader, &scopes, sink);
    let mut pace = Pace::new(LIVELY, CALM);
    for service in followed.all() {
        poll.follow(&service, Follow::Begin);
    }
    // No content has this fingerprint but by chance, and then it was told.
    poll.known
        .extend(interest.listed.iter().map(|s| (s.clone(), 0)));
    loop {
        let started = Instant::now();
        let answer = poll.round().await;
        if poll.generation.is_some_and(|found| found != Generation::V1) {
            return;
        }
        prompter.prompt_for(poll.services());
        let wait = sleep(pace.after(started.elapsed(), answer));
        tokio::select! {
            () = wait => {}
            () = prompter.prompted(), if answer != Answer::None => {
                sleep_until(started + LEAST).await;
            }
            changes = followed.changes() => {
                for (service, change) in changes {
                    poll.follow(&service, change);
                }
            }
        }
    }
}

/// Asks for everything for ever, whatever the version.
pub(super) async fn ask(reader: &Arc<Reader>, interest: &Interest, sink: &ObservationSink) {
    let scopes = interest.everywhere();
    let mut poll = Poll::new(reader, &scopes, sink);
    let mut pace = Pace::new(LIVELY, CALM);
    loop {
        let started = Instant::now();
        let answer = poll.round().await;
        sleep(pace.after(started.elapsed(), answer)).await;
    }
}

/// What was seen in the last round.
struct Poll<'a> {
    reader: &'a Reader,
    scopes: &'a [Scope],
    sink: &'a ObservationSink,
    /// The services that were there, by the fingerprint of what was shown.
    known: HashMap<ServiceKey, u64>,
    /// Followed services, of which those outside of the scopes are read singly.
    followed: BTreeSet<ServiceKey>,
    reach: Option<Reach>,
    rounds: u32,
    generation: Option<Generation>,
    failed: bool,
    pulse: Pulse,
}

impl<'a> Poll<'a> {
    fn new(reader: &'a Reader, scopes: &'a [Scope], sink: &'a ObservationSink) -> Self {
        Self {
            reader,
            scopes,
            sink,
            known: HashMap::new(),
            followed: BTreeSet::new(),
            reach: None,
            rounds: 0,
            generation: None,
            failed: false,
            pulse: Pulse::default(),
        }
    }

    fn follow(&mut self, service: &ServiceKey, change: Follow) {
        match change {
            Follow::Begin => {
                self.followed.insert(service.clone());
                self.sink.put(Observation::Look(service.clone()));
            }
            Follow::End => {
                self.followed.remove(service);
            }
        }
    }

    /// The services that are there.
    fn services(&self) -> impl ExactSizeIterator<Item = &ServiceKey> {
        self.known.keys()
    }

    /// Asks once for everything, and tells what is not as it was.
    async fn round(&mut self) -> Answer {
        match self.look_around().await {
            Ok(changed) => {
                self.failed = false;
                self.pulse.up(Way::Lists, self.sink);
                if changed {
                    Answer::Changed
                } else {
                    Answer::Same
                }
            }
            Err(why) => {
                self.failed = true;
                self.pulse.down(Way::Lists, why, self.sink);
                Answer::None
            }
        }
    }

    async fn look_around(&mut self) -> Result<bool, Arc<str>> {
        let asked = if self.failed {
            // What comes back may be another version.
            self.reader.cluster.negotiate().await
        } else {
            self.reader.cluster.negotiated().await
        };
        let server = asked.map_err(|failure| Arc::from(failure.chain()))?;
        self.generation = Some(server.generation);
        if self.rounds.is_multiple_of(ROUNDS_PER_REACH) {
            self.reach = None;
        }
        self.rounds = self.rounds.wrapping_add(1);
        let reach = match self.reach.take() {
            Some(reach) => reach,
            None => self.reader.reach(self.scopes, &server).await,
        };
        let (listed, mut services) = mpsc::channel(LISTED_AHEAD);
        let reader = self.reader;
        let listing = async {
            let areas = reader.list_reach(&server, &reach, &listed).await;
            drop(listed);
            areas
        };
        let mut there = HashSet::new();
        let mut changed = false;
        let taking = async {
            while let Some(listed) = services.recv().await {
                there.insert(listed.service.clone());
                changed |= self.take(listed);
            }
        };
        let (areas, ()) = tokio::join!(listing, taking);
        changed |= self.read_followed(&reach).await;
        changed |= self.miss(&reach, &areas, &there);
        self.reach = Some(reach);
        match areas.into_iter().find_map(failure) {
            Some(why) => Err(why),
            None => Ok(changed),
        }
    }

    /// Tells a service's content where it is not what it was.
    fn take(&mut self, listed: Listed) -> bool {
        let Some((_, set)) = listed.view.complete() else {
            return false;
        };
        let fingerprint = set.fingerprint().wrapping_add(listed.rejected.len() as u64);
        if self.known.get(&listed.service) == Some(&fingerprint) {
            return false;
        }
        self.known.insert(listed.service.clone(), fingerprint);
        self.sink.put(Observation::Content {
            service: listed.service,
            view: listed.view,
            rejected: listed.rejected,
        });
        true
    }

    /// Reads followed services that no list shows.
    async fn read_followed(&mut self, reach: &Reach) -> bool {
        let outside = self.followed.iter().filter(|s| !reach.selects(s)).cloned();
        let outside: Vec<ServiceKey> = outside.collect();
        let reader = self.reader;
        let mut looks = stream::iter(outside)
            .map(|service| async move {
                let look = reader.look(&service, &Route::Any).await;
                (service, look)
            })
            .buffer_unordered(IN_FLIGHT);
        let mut changed = false;
        while let Some((service, look)) = looks.next().await {
            if let Ok(look) = look {
                let (view, rejected) = look.shown.listed(look.truth);
                changed |= self.take(Listed {
                    service,
                    view,
                    rejected,
                });
            }
        }
        changed
    }

    /// Has a look at the services that are not there any more.
    fn miss(&mut self, reach: &Reach, areas: &[Area], there: &HashSet<ServiceKey>) -> bool {
        let whole = |service: &ServiceKey| {
            let tells = |a: &Area| matches!(a.coverage, Coverage::Complete(_)) && a.holds(service);
            reach.selects(service) && areas.iter().any(tells)
        };
        let known = self.known.len();
        let sink = self.sink;
        self.known.retain(|service, _| {
            let stays = there.contains(service) || !whole(service);
            if !stays {
                sink.put(Observation::Look(service.clone()));
            }
            stays
        });
        self.known.len() < known
    }
}

fn failure(area: Area) -> Option<Arc<str>> {
    match area.coverage {
        Coverage::Failed(why) => Some(why),
        Coverage::Complete(_) | Coverage::Partial(_) | Coverage::Suspect(_) => None,
    }
}
