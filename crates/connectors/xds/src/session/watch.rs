//! What a client wants of one kind, what it was sent, and so what comes next.

use std::collections::HashMap;
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use super::subscription::{Subscription, TooMany};
use super::{Protocol, Refused, Wants};
use crate::resources::{Kind, Resource, Table, of_nobody};

/// After so many bytes an answer is full: gRPC clients refuse more than 4 MiB.
/// One resource goes out whatever its size, and so does an answer that has to
/// be whole.
const FULL: usize = 1 << 20;

/// What a client is known to have under a name.
#[derive(Clone, Debug)]
enum Has {
    /// This resource, or it refused it.
    Resource(Arc<Resource>),
    /// A resource of this version, from an earlier stream.
    Version(u64),
    /// Nobody knows, or it must be sent again: it is told what there is.
    Unsure,
    /// It was told that there is nothing.
    Nothing,
}

/// The content of an answer.
#[derive(Default, Debug)]
pub(super) struct Content {
    pub(super) resources: Vec<Arc<Resource>>,
    pub(super) removed: Vec<Arc<str>>,
    /// Of `resources` those that the client does not have.
    pub(super) told: Vec<Arc<str>>,
}

/// An answer that the client has not said anything to.
#[derive(Debug)]
struct UnderWay {
    nonce: String,
    resources: usize,
    names: Vec<Arc<str>>,
}

/// One kind of resource, as one client sees it.
#[derive(Debug)]
pub(super) struct Watch {
    kind: Kind,
    protocol: Protocol,
    subscription: Subscription,
    has: HashMap<Arc<str>, Has>,
    under_way: Option<UnderWay>,
    /// Whether there may be something new to send, and something to take back.
    additions: bool,
    removals: bool,
    /// Whether the client waits for an answer, be it empty.
    owed: bool,
    /// The version that the client has from an earlier stream.
    resumes: Option<String>,
    /// How many resources an answer holds at most, after one was refused.
    most: usize,
}

impl Watch {
    /// Nothing is wanted yet.
    pub(super) fn new(kind: Kind, protocol: Protocol) -> Self {
        Self {
            kind,
            protocol,
            subscription: Subscription::default(),
            has: HashMap::new(),
            under_way: None,
            additions: false,
            removals: false,
            owed: false,
            resumes: None,
            most: usize::MAX,
        }
    }

    /// Whether each answer holds all that the client subscribed to.
    fn is_told_whole(&self) -> bool {
        self.protocol == Protocol::Whole && self.kind.is_told_whole()
    }

    /// Resources are others now.
    pub(super) fn look(&mut self) {
        self.additions = true;
        self.removals = true;
    }

    /// Whether the client has said yes or no to all that there is, though it
    /// may have more.
    pub(super) fn has_all(&self) -> bool {
        self.under_way.is_none() && !self.additions
    }

    /// Whether nothing is to be told.
    pub(super) fn is_settled(&self) -> bool {
        self.has_all() && !self.removals
    }

    /// A resource is to be sent once more.
    pub(super) fn send_again(&mut self, name: &Arc<str>) {
        if self.subscription.covers(name, None) {
            self.has.insert(Arc::clone(name), Has::Unsure);
            self.additions = true;
        }
    }

    /// Takes the client's word about an answer. A word about an earlier one
    /// says nothing any more.
    pub(super) fn reply(&mut self, nonce: &str, refusal: Option<String>) -> Option<Refused> {
        let answer = self.under_way.take_if(|answer| answer.nonce == nonce)?;
        let Some(reason) = refusal else {
            self.most = self.most.saturating_mul(2);
            return None;
        };
        let parts = answer.names.len();
        if parts > 1 && !self.is_told_whole() {
            self.most = parts / 2;
            let again = answer.names.iter().cloned();
            self.has.extend(again.map(|name| (name, Has::Unsure)));
            self.look();
        }
        Some(Refused {
            kind: self.kind,
            resources: answer.resources,
            culprit: answer.names.into_iter().next().filter(|_| parts == 1),
            reason,
        })
    }

    /// Takes what the client wants.
    pub(super) fn subscribe(&mut self, wants: Wants, is_first: bool) -> Result<(), TooMany> {
        match wants {
            Wants::Whole { names, version } => {
                let asks_for_more = self.subscription.replace(self.kind, names)?;
                self.owed |= self.is_told_whole() && (is_first || asks_for_more);
                if is_first {
                    self.resumes = Some(version);
                }
            }
            Wants::Delta {
                subscribe,
                unsubscribe,
                known,
            } => {
                self.add(subscribe)?;
                self.remove(unsubscribe);
                if is_first {
                    self.subscription.add_all_unless_named(self.kind);
                    self.owed = known.is_empty();
                    let known = known.into_iter();
                    let known = known.map(|(name, version)| (name.into(), Has::version(&version)));
                    self.has.extend(known);
                }
            }
        }
        let subscription = &self.subscription;
        self.has
            .retain(|name, has| subscription.covers(name, has.resource()));
        self.look();
        Ok(())
    }

    /// What is subscribed to is sent, be it once more.
    fn add(&mut self, names: Vec<String>) -> Result<(), TooMany> {
        let names: Vec<Arc<str>> = names.into_iter().map(Arc::from).collect();
        for name in &names {
            self.has.remove(name);
        }
        self.subscription.add(names.into_iter())
    }

    /// What is still covered by a subscription to all is told once more, since
    /// the client has thrown it away.
    fn remove(&mut self, names: Vec<String>) {
        for name in names.into_iter().map(Arc::from) {
            self.subscription.remove(&name);
            if self.subscription.all() {
                self.has.insert(name, Has::Unsure);
            }
        }
    }

    /// What is to be sent now. Without `removals`, what is gone stays a while.
    pub(super) fn next(&mut self, table: &Table, removals: bool) -> Option<Content> {
        if self.under_way.is_some() {
            return None;
        }
        let looks = self.additions || (removals && self.removals) || self.owed;
        if !looks {
            return None;
        }
        let content = match self.is_told_whole() {
            true => self.whole(table, removals),
            false => self.different(table, removals),
        };
        let is_owed = std::mem::take(&mut self.owed);
        if content.is_old() && !is_owed {
            return None;
        }
        let resumes = self.resumes.take();
        if self.is_told_whole() && resumes.is_some_and(|version| version == content.version()) {
            self.take(&content);
            return None;
        }
        Some(content)
    }

    /// An answer is on its way.
    pub(super) fn sent(&mut self, nonce: &str, content: &Content) {
        self.take(content);
        let told = content.told.iter().chain(&content.removed);
        self.under_way = Some(UnderWay {
            nonce: nonce.to_owned(),
            resources: content.resources.len(),
            names: told.cloned().collect(),
        });
    }

    /// The client has this content now.
    fn take(&mut self, content: &Content) {
        for resource in &content.resources {
            let has = Has::Resource(Arc::clone(resource));
            self.has.insert(Arc::clone(&resource.name), has);
        }
        for name in &content.removed {
            match self.subscription.names().contains(name) {
                true => drop(self.has.insert(Arc::clone(name), Has::Nothing)),
                false => drop(self.has.remove(name)),
            }
        }
    }

    /// All that the client subscribed to.
    fn whole(&mut self, table: &Table, removals: bool) -> Content {
        let mut content = Content::default();
        for resource in self.wanted(table) {
            if !self.has_this(resource) {
                content.told.push(Arc::clone(&resource.name));
            }
            content.resources.push(Arc::clone(resource));
        }
        let is_gone = |(name, has): (&Arc<str>, &Has)| match has {
            Has::Resource(resource) if table.get(name).is_none() => Some(Arc::clone(resource)),
            _ => None,
        };
        let gone: Vec<_> = self.has.iter().filter_map(is_gone).collect();
        self.additions = false;
        self.removals = !removals && !gone.is_empty();
        if removals {
            // Leaving something out takes it back.
            content.removed = gone.iter().map(|gone| Arc::clone(&gone.name)).collect();
        } else {
            content.resources.extend(gone);
            content.resources.sort_by(|a, b| a.name.cmp(&b.name));
        }
        content
    }

    /// What is new or gone, up to what an answer holds.
    fn different(&mut self, table: &Table, removals: bool) -> Content {
        let mut content = Content::default();
        let new = self
            .wanted(table)
            .filter(|resource| !self.has_this(resource));
        let asked_for_nobody = self.nobodies(table, |has| {
            !matches!(has, Some(Has::Resource(_) | Has::Version(_)))
        });
        let additions = new.cloned().chain(asked_for_nobody);
        self.additions = !content.fill(additions, self.most);
        if self.additions || !removals {
            return content;
        }
        let lost = self.nobodies(table, |has| {
            matches!(has, Some(Has::Resource(_) | Has::Version(_)))
        });
        self.removals = !content.fill(lost, self.most);
        if self.protocol == Protocol::Delta && !self.removals {
            let room = self.most.saturating_sub(content.told.len());
            let gone = self.gone(table);
            self.removals = gone.len() > room;
            content.removed = gone.into_iter().take(room).collect();
        }
        content
    }

    /// What the client wants and there is.
    fn wanted<'a>(&'a self, table: &'a Table) -> Box<dyn Iterator<Item = &'a Arc<Resource>> + 'a> {
        match self.subscription.all() {
            true => Box::new(
                table
                    .iter()
                    .filter(|resource| self.subscription.covers(&resource.name, Some(resource))),
            ),
            false => Box::new(
                self.subscription
                    .names()
                    .iter()
                    .filter_map(|name| table.get(name)),
            ),
        }
    }

    /// Whether the client has exactly this resource, or refused it.
    fn has_this(&self, resource: &Resource) -> bool {
        match self.has.get(&resource.name) {
            Some(Has::Resource(has)) => has.version == resource.version,
            Some(Has::Version(version)) => *version == resource.version,
            Some(Has::Unsure | Has::Nothing) | None => false,
        }
    }

    /// Empty lists of endpoints for services that do not exist and are asked
    /// for by name: Envoy keeps what it had where an answer says nothing, or
    /// that something was removed. Only where the client has something that is
    /// `such`.
    fn nobodies<'a>(
        &'a self,
        table: &'a Table,
        such: impl Fn(Option<&Has>) -> bool + 'a,
    ) -> impl Iterator<Item = Arc<Resource>> + 'a {
        let names = self.subscription.names().iter();
        let names = names.filter(|_| self.kind == Kind::Endpoint);
        let missing = names.filter(|name| table.get(name).is_none());
        let such = missing.filter(move |name| such(self.has.get(*name)));
        let nobodies = such.map(|name| Arc::new(of_nobody(name)));
        nobodies.filter(|nobody| !self.has_this(nobody))
    }

    /// What is not there and the client does not know to be missing.
    fn gone(&self, table: &Table) -> Vec<Arc<str>> {
        let asked = self.subscription.names().iter();
        let asked = asked.filter(|_| self.kind != Kind::Endpoint);
        let unknown = asked.filter(|name| !self.has.contains_key(*name));
        let by_name = |name: &Arc<str>| {
            self.kind == Kind::Endpoint && self.subscription.names().contains(name)
        };
        let had = self
            .has
            .iter()
            .filter(|(_, has)| !matches!(has, Has::Nothing));
        let had = had.map(|(name, _)| name).filter(|name| !by_name(name));
        let is_missing = |name: &&Arc<str>| {
            let resource = table.get(name);
            resource.is_none_or(|resource| !self.subscription.covers(name, Some(resource)))
        };
        let mut gone: Vec<_> = unknown.chain(had).filter(is_missing).cloned().collect();
        gone.sort();
        gone
    }
}

impl Has {
    /// As clients tell what they have from an earlier stream.
    fn version(version: &str) -> Self {
        match u64::from_str_radix(version, 16) {
            Ok(version) => Self::Version(version),
            Err(_) => Self::Unsure,
        }
    }

    fn resource(&self) -> Option<&Resource> {
        match self {
            Self::Resource(resource) => Some(resource),
            Self::Version(_) | Self::Unsure | Self::Nothing => None,
        }
    }
}

impl Content {
    /// Adds resources that the client does not have, until it is full. Whether
    /// all found room.
    fn fill(&mut self, resources: impl Iterator<Item = Arc<Resource>>, most: usize) -> bool {
        let mut bytes: usize = self
            .resources
            .iter()
            .map(|resource| resource.body.len())
            .sum();
        for resource in resources {
            if bytes >= FULL || self.told.len() >= most {
                return false;
            }
            bytes += resource.body.len();
            self.told.push(Arc::clone(&resource.name));
            self.resources.push(resource);
        }
        true
    }

    /// Whether it tells the client nothing.
    fn is_old(&self) -> bool {
        self.told.is_empty() && self.removed.is_empty()
    }

    /// A hash of it all: the same after a restart, and at every replica.
    pub(super) fn version(&self) -> String {
        let mut hasher = Xxh3::new();
        for resource in &self.resources {
            hasher.update(&resource.name.len().to_le_bytes());
            hasher.update(resource.name.as_bytes());
            hasher.update(&resource.version.to_le_bytes());
        }
        format!("{:016x}", hasher.digest())
    }
}
