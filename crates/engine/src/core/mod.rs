//! The engine's decisions as a state machine without I/O.
//!
//! [`Core::step`] takes what happened and the time, and says what has to be
//! done. It reads no clock, draws no random number and iterates over nothing in
//! hash order: the same events give the same effects. The shell turns effects
//! into I/O and the outcome of I/O into events.
//!
//! * a reader per endpoint knows what each service looks like and how far
//!   that can be trusted;
//! * a link turns that into accepted sets, one service at a time: what is
//!   dirty is planned when its turn comes, and nothing is written twice at once.

mod adopt;
mod arrivals;
mod aside;
mod copies;
mod draft;
mod evacuation;
mod event;
mod filling;
mod guarding;
mod handover;
mod holds;
mod ledger;
mod link;
mod looks;
mod pace;
mod peers;
mod preview;
mod reader;
mod retired;
mod retries;
mod service;
mod standstill;
mod status;
mod telling;
mod timers;
mod turns;
mod verify;
mod watching;
mod write;

pub use adopt::{Adoption, Candidate, LinkAdoption};
pub use aside::{Aside, Evacuation, NotAnEvacuation, SourceLost};
pub use evacuation::{EvacuatedLink, EvacuationPreview};
pub use event::{Effect, Event, Happening, Line, Persist, WriteError};
pub use filling::Fill;
pub use handover::Holding;
pub use holds::{HeldBack, HeldService};
pub use link::LinkRules;
pub use peers::{
    PeerAnswer, PeerDifference, PeerEvacuation, PeerLink, PeerLinkStatus, PeerName, PeerQuestion,
    PeerReport, PeerRuling, PeerSettings, PeerStatus,
};
pub use preview::{LinkPreview, ServicePreview};
pub use status::{EndpointStatus, HoldStatus, LinkState, LinkStatus, Problem, Status};
pub use verify::{Difference, LinkVerification, Outlook, Why};

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use syncline_contract::{ListEnd, Listed, Observation, Purpose, Rejected};
use syncline_model::{EndpointName, LinkName, Moment, ServiceKey, View};

use link::Link;
use peers::Peers;
use reader::{Looked, Reader};
use timers::{Timer, Timers};

/// The wait before a registry that shows a sign of life is listed again.
const LIST_AGAIN: Duration = Duration::from_secs(1);

/// How long reading waits at the start for what is taken up again first.
const TAKE_UP_FIRST: Duration = Duration::from_secs(2);

/// The engine's state.
#[derive(Debug)]
pub struct Core {
    readers: BTreeMap<EndpointName, Reader>,
    links: BTreeMap<LinkName, Link>,
    dirty: BTreeSet<(LinkName, ServiceKey)>,
    timers: Timers,
    effects: Vec<Effect>,
    writes: u64,
    peers: Peers,
    /// Until when nothing is planned, because somebody takes over.
    still_until: Option<Moment>,
    started: bool,
    /// Services that are to be taken up again before anything is read.
    to_take_up: usize,
    dry: bool,
    /// The copies that an operator took out of use.
    evacuated: BTreeSet<Evacuation>,
    /// The registries that are not watched yet.
    unwatched: BTreeSet<EndpointName>,
    /// Whether watching waits for targets that have not answered yet.
    unreached_are_awaited: bool,
}

impl Core {
    /// A core for these links, knowing nothing yet.
    pub fn new(links: impl IntoIterator<Item = LinkRules>) -> Self {
        let links: BTreeMap<LinkName, Link> = links
            .into_iter()
            .map(|rules| (rules.name.clone(), Link::new(rules)))
            .collect();
        let read = links.values().flat_map(|link| {
            let target = link.rules.target_is_read.then(|| link.rules.to.clone());
            [Some(link.rules.from.clone()), target]
        });
        let readers: BTreeMap<EndpointName, Reader> = read
            .flatten()
            .map(|name| (name, Reader::default()))
            .collect();
        Self {
            unwatched: readers.keys().cloned().collect(),
            readers,
            links,
            dirty: BTreeSet::new(),
            timers: Timers::default(),
            effects: Vec::new(),
            writes: 0,
            peers: Peers::default(),
            still_until: None,
            started: false,
            to_take_up: 0,
            dry: false,
            evacuated: BTreeSet::new(),
            unreached_are_awaited: true,
        }
    }

    /// The same core, looking only: it says what it would write when it is
    /// asked ([`Core::preview`]), and writes nothing.
    #[must_use]
    pub fn dry(mut self) -> Self {
        self.dry = true;
        self
    }

    /// Takes what happened and says what has to be done.
    pub fn step(&mut self, now: Moment, event: Event) -> Vec<Effect> {
        self.take(now, event);
        self.run_timers(now);
        if !self.dry {
            self.plan_dirty(now);
        }
        self.watch_what_rests();
        self.store_guards(now);
        std::mem::take(&mut self.effects)
    }

    /// When [`Event::Tick`] is due at the latest.
    pub fn next_wake(&self) -> Option<Moment> {
        self.timers.next()
    }

    fn take(&mut self, now: Moment, event: Event) {
        match event {
            Event::Remembered {
                endpoint,
                service,
                set,
            } => {
                if let Some(reader) = self.readers.get_mut(&endpoint) {
                    reader.remember(service, set);
                }
            }
            Event::Held {
                link,
                service,
                set,
                going,
                fresh,
                confirmed,
            } => self.held(&link, service, set, going, (fresh, confirmed)),
            Event::Guarded {
                link,
                freeze,
                records,
            } => self.guarded(&link, freeze, records),
            Event::SeenBefore { endpoint, at } => {
                if let Some(reader) = self.readers.get_mut(&endpoint) {
                    reader.complete_before = Some(at);
                }
            }
            Event::Started => self.start(now),
            Event::Described { link, report } => {
                if let Some(state) = self.links.get_mut(&link) {
                    state.described(report);
                    self.mark_all_dirty(&link);
                    self.heed_first_word(now, &link);
                }
            }
            Event::Listed { endpoint, listed } => self.listed(now, &endpoint, listed),
            Event::ListEnded { endpoint, end } => self.list_ended(now, &endpoint, end),
            Event::Observed {
                endpoint,
                observation,
            } => {
                self.note_life(now, &endpoint, &observation);
                self.observed(now, &endpoint, observation);
            }
            Event::Read {
                endpoint,
                service,
                view,
                rejected,
            } => self.read(now, &endpoint, &service, view, rejected),
            Event::Stored {
                link,
                service,
                result,
            } => self.stored(now, &link, &service, result),
            Event::Applied {
                link,
                service,
                result,
            } => self.applied(now, &link, &service, result),
            Event::Trigger { link } => self.trigger(now, link.as_ref()),
            Event::StoreReopened => self.persist_all(),
            Event::Decide { hold, approve } => {
                self.note_ruling(now, hold, approve);
                self.decide(hold, approve);
            }
            Event::Pause { link, paused } => self.pause(&link, paused),
            Event::TakeStock => self.take_stock(now),
            Event::PeerReported { peer, report } => self.peer_reported(now, peer, report),
            Event::PeerLost { peer, why } => self.peer_lost(peer, why),
            Event::PeerIsUs { peer } => self.peer_is_us(&peer),
            Event::PeerAnswered {
                peer,
                link,
                answer,
                took,
            } => self.peer_answered(now, &peer, &link, &answer, took),
            Event::HandOver { lease } => self.hand_over(now, lease),
            Event::Evacuate { what, on } => {
                self.note_evacuation(now, &what, on);
                self.evacuate(what, on);
            }
            Event::Relist { link } => self.relist(now, link.as_ref()),
            Event::Adopt(adoption) => self.adopt(&adoption),
            Event::StoodStill => self.stood_still(now),
            Event::Tick => {}
        }
    }

    /// All that was remembered is known: contributions are found again by
    /// mapping what the cache names, and everything is listed. What consumers
    /// miss until it is taken up again comes first: reading would take from the
    /// servers the time that this needs.
    fn start(&mut self, now: Moment) {
        self.started = true;
        self.await_first_words(now);
        if !self.dry {
            for link in self.links.values_mut() {
                let services = link.to_take_up();
                link.filling.lacks(services);
                self.to_take_up += services;
            }
        }
        // What the cache lost and the ledger did not is gone only when a read says so.
        for link in self.links.values() {
            if let Some(reader) = self.readers.get_mut(&link.rules.from) {
                link.unremembered()
                    .for_each(|service| reader.expect(service));
            }
        }
        for (endpoint, reader) in &self.readers {
            for (service, _) in reader.services() {
                for link in self
                    .links
                    .values_mut()
                    .filter(|l| l.rules.from == *endpoint)
                {
                    link.contribute(service);
                }
            }
        }
        match self.to_take_up {
            0 => self.list_all(now),
            _ => {
                for endpoint in self.readers.keys() {
                    let timer = Timer::List(endpoint.clone());
                    self.timers.set(timer, now + TAKE_UP_FIRST);
                }
            }
        }
        for endpoint in self.readers.keys().cloned().collect::<Vec<_>>() {
            self.source_silent(now, &endpoint);
            self.watch_later(now, endpoint);
        }
        let links: Vec<_> = self.links.keys().cloned().collect();
        for link in links {
            self.mark_all_dirty(&link);
        }
    }

    /// One more service that consumers may have missed since the start stands.
    fn taken_up(&mut self, now: Moment, link: &LinkName) {
        if let Some(link) = self.links.get_mut(link) {
            link.filling.stands();
        }
        self.to_take_up = self.to_take_up.saturating_sub(1);
        if self.to_take_up == 0 {
            self.list_all(now);
        }
    }

    fn list_all(&mut self, now: Moment) {
        let endpoints: Vec<_> = self.readers.keys().cloned().collect();
        for endpoint in endpoints {
            self.want_list(now, &endpoint);
        }
    }

    fn listed(&mut self, now: Moment, endpoint: &EndpointName, listed: Listed) {
        let Some(reader) = self.readers.get_mut(endpoint) else {
            return;
        };
        let service = listed.service;
        let looked = reader.look(&service, listed.view, listed.rejected, true, now);
        self.looked(now, endpoint, &service, looked);
    }

    fn observed(&mut self, now: Moment, endpoint: &EndpointName, observation: Observation) {
        let Some(reader) = self.readers.get_mut(endpoint) else {
            return;
        };
        match observation {
            Observation::Content {
                service,
                view,
                rejected,
            } => {
                if reader.lives() {
                    self.timers
                        .set(Timer::List(endpoint.clone()), now + LIST_AGAIN);
                }
                let looked = reader.look(&service, view, rejected, false, now);
                self.looked(now, endpoint, &service, looked);
                if looked.changed {
                    self.prove_losses_again(now, endpoint, &service);
                }
            }
            Observation::Look(service) => {
                let looked = reader.hint(&service, now);
                self.looked(now, endpoint, &service, looked);
            }
            Observation::LookAtAll => self.want_list(now, endpoint),
            Observation::Learns(how) => reader.learns = Some(how),
            Observation::Up => {
                reader.lives();
                if reader.down.take().is_some() {
                    self.tell_links(endpoint, Happening::SourceFound, "it answers again");
                    self.want_list(now, endpoint);
                }
            }
            Observation::Down(why) => {
                if reader.down.replace(why.clone()).is_none() {
                    self.tell_links(endpoint, Happening::SourceLost, &why);
                }
            }
        }
    }

    fn read(
        &mut self,
        now: Moment,
        endpoint: &EndpointName,
        service: &ServiceKey,
        view: View,
        rejected: Vec<Rejected>,
    ) {
        let Some(reader) = self.readers.get_mut(endpoint) else {
            return;
        };
        reader.reads = reader.reads.saturating_sub(1);
        let looked = reader.read(service, view, rejected, now);
        self.looked(now, endpoint, service, looked);
        for link in self.links.values().filter(|l| l.rules.to == *endpoint) {
            if link.has(service) {
                self.dirty
                    .insert((link.rules.name.clone(), service.clone()));
            }
        }
        // Whoever waits for a later look to tell who stands there.
        let written_lately = |link: &Link| {
            let state = link.service(service);
            link.rules.to == *endpoint && state.is_some_and(|state| !state.former.is_empty())
        };
        if self.links.values().any(written_lately) {
            for link in self.links.values().filter(|l| l.rules.from == *endpoint) {
                let target = link.target_of(service);
                self.dirty.insert((link.rules.name.clone(), target.clone()));
            }
        }
        // A removal that the guard holds counts complete views, also those
        // that show what the one before showed.
        let holding: Vec<_> = self
            .links
            .values()
            .filter(|link| link.rules.from == *endpoint)
            .filter_map(|link| Some((link.rules.name.clone(), link.held_target(service)?)))
            .collect();
        for (link, target) in holding {
            self.due(link, target);
        }
    }

    /// A push changed a service of which something was on its way out: whether
    /// that is still gone has to be read.
    fn prove_losses_again(&mut self, now: Moment, endpoint: &EndpointName, service: &ServiceKey) {
        let mut links = self.links.values().filter(|l| l.rules.from == *endpoint);
        if links.any(|link| link.is_losing(service))
            && let Some(reader) = self.readers.get_mut(endpoint)
            && reader.want_confirmation(service, now)
        {
            self.start_read(endpoint, service.clone(), Purpose::ConfirmRemoval);
        }
    }

    /// A wait that a plan of the service began is over.
    fn due(&mut self, link: LinkName, service: ServiceKey) {
        let state = self.links.get_mut(&link);
        if let Some(state) = state.and_then(|link| link.service_mut(&service)) {
            state.due = true;
            self.dirty.insert((link, service));
        }
    }

    fn start_read(&mut self, endpoint: &EndpointName, service: ServiceKey, purpose: Purpose) {
        if let Some(reader) = self.readers.get_mut(endpoint) {
            reader.reads += 1;
        }
        self.effects.push(Effect::Read {
            endpoint: endpoint.clone(),
            service,
            purpose,
        });
    }

    fn looked(
        &mut self,
        now: Moment,
        endpoint: &EndpointName,
        service: &ServiceKey,
        looked: Looked,
    ) {
        if let Some(purpose) = looked.read {
            self.start_read(endpoint, service.clone(), purpose);
        }
        if let Some(wait) = looked.retry {
            let timer = Timer::Read(endpoint.clone(), service.clone());
            self.timers.set(timer, now + wait);
        }
        if looked.changed {
            self.changed(endpoint, service);
        }
    }

    /// A service's content is not what it was: every link that reads or writes
    /// it has to plan.
    fn changed(&mut self, endpoint: &EndpointName, service: &ServiceKey) {
        let known = self
            .readers
            .get(endpoint)
            .and_then(|reader| reader.get(service));
        let mut selected = false;
        for link in self.links.values_mut() {
            if link.rules.from == *endpoint
                && let Some(target) = link.contribute(service)
            {
                self.dirty.insert((link.rules.name.clone(), target));
                selected = true;
            }
            if link.rules.to == *endpoint && link.has(service) {
                self.dirty
                    .insert((link.rules.name.clone(), service.clone()));
            }
        }
        if selected && let Some((truth, set)) = known.and_then(|known| known.view.complete()) {
            self.effects.push(Effect::Persist(Persist::Cache {
                endpoint: endpoint.clone(),
                service: service.clone(),
                truth,
                set: set.clone(),
            }));
        }
    }

    fn list_ended(&mut self, now: Moment, endpoint: &EndpointName, end: ListEnd) {
        let Some(reader) = self.readers.get_mut(endpoint) else {
            return;
        };
        let first = !reader.listed();
        let answers = end.areas.iter().any(|area| !looks::failed(area));
        for link in self.links.values_mut() {
            if link.rules.from == *endpoint && link.resolve(&end.show_names) {
                // What was listed before its namespace had a name is in scope.
                for (service, _) in reader.services() {
                    if let Some(target) = link.contribute(service) {
                        self.dirty.insert((link.rules.name.clone(), target));
                    }
                }
            }
        }
        let mut ended = reader.end_list(end, now);
        if ended.whole {
            self.effects.push(Effect::Persist(Persist::Seen {
                endpoint: endpoint.clone(),
            }));
        }
        // The proof that a service is gone is needed until all of it is let go.
        let links = &self.links;
        let needed = |service: &ServiceKey| {
            let mut readers = links.values().filter(|l| l.rules.from == *endpoint);
            readers.any(|link| link.holds_of(service))
        };
        ended.forget.retain(|service| !needed(service));
        for service in &ended.forget {
            reader.forget(service);
        }
        for (service, purpose) in ended.read {
            self.start_read(endpoint, service, purpose);
        }
        if let Some(wait) = ended.retry {
            self.timers.set(Timer::List(endpoint.clone()), now + wait);
        }
        if ended.again {
            self.want_list(now, endpoint);
        }
        for service in &ended.forget {
            self.forgotten(endpoint, service);
        }
        let reader = &self.readers[endpoint];
        let mut opened = Vec::new();
        for (name, link) in &mut self.links {
            if link.rules.from == *endpoint {
                link.source_listed(reader, ended.round, now);
                let let_go = link
                    .services()
                    .filter(|(_, state)| !state.let_go.is_empty());
                let let_go = let_go.map(|(service, _)| (name.clone(), service.clone()));
                self.dirty.extend(let_go);
                for (orphan, state) in link.orphans() {
                    // Lists are the views that the guard asked for.
                    state.due = state.hold.is_some();
                    self.dirty.insert((name.clone(), orphan.clone()));
                }
                opened.push(link.rules.name.clone());
            } else if link.rules.to == *endpoint {
                link.target_listed(reader, ended.since);
                opened.extend(first.then(|| link.rules.name.clone()));
            }
        }
        match answers {
            true => self.source_heard(endpoint),
            false => self.source_silent(now, endpoint),
        }
        for link in opened {
            if answers && self.links[&link].rules.from == *endpoint {
                self.source_is_back(&link);
            }
            self.open(&link);
            self.announce_lacking(now, &link);
        }
        self.open_retired();
    }

    /// A list went through: what waited for it is planned.
    fn open(&mut self, link: &LinkName) {
        if let Some(state) = self.links.get_mut(link) {
            for service in state.take_waiting() {
                self.dirty.insert((link.clone(), service));
            }
        }
    }

    fn forgotten(&mut self, endpoint: &EndpointName, service: &ServiceKey) {
        for link in self.links.values_mut() {
            if link.rules.from == *endpoint {
                link.uncontribute(service);
            }
        }
    }

    fn trigger(&mut self, now: Moment, only: Option<&LinkName>) {
        for link in self.links.values_mut() {
            if only.is_none_or(|name| *name == link.rules.name) {
                link.triggered(self.readers[&link.rules.from].next_round());
            }
        }
        self.relist(now, only);
    }

    /// Reads both sides of links whole, and writes nothing because of it that
    /// would not be written anyway.
    fn relist(&mut self, now: Moment, only: Option<&LinkName>) {
        let links = self.links.values();
        let links = links.filter(|link| only.is_none_or(|name| *name == link.rules.name));
        let sides = links.flat_map(|link| [&link.rules.from, &link.rules.to]);
        let endpoints: BTreeSet<EndpointName> = sides.cloned().collect();
        for endpoint in &endpoints {
            self.want_list(now, endpoint);
        }
    }

    fn pause(&mut self, link: &LinkName, paused: bool) {
        let Some(state) = self.links.get_mut(link) else {
            return;
        };
        if std::mem::replace(&mut state.paused, paused) == paused {
            return;
        }
        let happening = match paused {
            true => Happening::Paused,
            false => Happening::Resumed,
        };
        let line = Line::new(link, happening, "");
        self.effects.push(Effect::Tell(Box::new(line)));
        self.mark_all_dirty(link);
    }

    fn want_list(&mut self, now: Moment, endpoint: &EndpointName) {
        if let Some(reader) = self.readers.get_mut(endpoint)
            && reader.want_list(now)
        {
            self.timers.clear(&Timer::List(endpoint.clone()));
            self.effects.push(Effect::List {
                endpoint: endpoint.clone(),
            });
        }
    }

    fn mark_all_dirty(&mut self, link: &LinkName) {
        if let Some(state) = self.links.get(link) {
            let services = state.services().map(|(service, _)| service.clone());
            self.dirty
                .extend(services.map(|service| (link.clone(), service)));
        }
    }

    fn run_timers(&mut self, now: Moment) {
        while let Some(timer) = self.timers.due(now) {
            match timer {
                Timer::List(endpoint) => self.want_list(now, &endpoint),
                Timer::Read(endpoint, service) => {
                    if let Some(reader) = self.readers.get_mut(&endpoint) {
                        let looked = reader.retry(&service, now);
                        self.looked(now, &endpoint, &service, looked);
                    }
                }
                Timer::Confirm(link, service) => self.confirm_hold(now, &link, &service),
                Timer::SourceLost(link) => self.source_stays_lost(&link),
                Timer::Plan(link, service) => self.due(link, service),
                Timer::Watch(endpoint) => self.watch(&endpoint),
                Timer::Unreached => self.unreached_are_awaited = false,
                Timer::Removals(link) => self.let_removals_go(now, &link),
                Timer::Retries(link) => self.let_retries_go(now, &link),
                // What waited is planned after the timers.
                Timer::GoOn => {}
                Timer::FirstWord => self.first_words_are_over(),
            }
        }
    }

    /// A hold asks for another complete view of what it is about.
    fn confirm_hold(&mut self, now: Moment, link: &LinkName, service: &ServiceKey) {
        let Some(state) = self.links.get(link) else {
            return;
        };
        if state.is_unwanted(service) {
            return self.due(link.clone(), service.clone());
        }
        let from = state.rules.from.clone();
        let sources = state.sources(service);
        if sources.is_empty() {
            self.want_list(now, &from);
        }
        for source in sources {
            if let Some(reader) = self.readers.get_mut(&from)
                && reader.want_confirmation(&source, now)
            {
                self.start_read(&from, source, Purpose::ConfirmRemoval);
            }
        }
    }

    fn tell_links(&mut self, endpoint: &EndpointName, happening: Happening, detail: &str) {
        for link in self.links.values().filter(|l| l.rules.from == *endpoint) {
            let mut line = Line::new(&link.rules.name, happening, detail);
            line.endpoint = Some(endpoint.clone());
            self.effects.push(Effect::Tell(Box::new(line)));
        }
    }
}
