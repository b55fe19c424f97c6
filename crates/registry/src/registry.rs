//! The registry as the rest of the process sees it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use syncline_model::{LinkName, NamespaceId, ServiceKey, ServiceSet};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::access::Access;
use crate::ages::Ages;
use crate::answers::Answers;
use crate::changes::{Changes, Listeners};
use crate::configs::ConfigUpstream;
use crate::durable::{self, FolderError, NotSaved, OpenDatabase, Saver};
use crate::figures::{Counters, Figures};
use crate::grpc::Outboxes;
use crate::intern::Interner;
use crate::link::LinkClient;
use crate::moment::{Clock, Moment};
use crate::returning::Returning;
use crate::settings::Settings;
use crate::store::{Holder, Snapshot, Store};
use crate::udp::Udp;

/// A Nacos-compatible registry.
///
/// Cloning gives another handle to the same registry. Without
/// [`serve`](crate::serve()) it is reachable only from within the process.
#[derive(Clone)]
pub struct Registry {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    store: Arc<Mutex<Store>>,
    /// Where anything outlives the process.
    saver: Option<Saver>,
    /// Wakes whoever waits for the store's next timer.
    sooner: Notify,
    /// Wakes whoever looks at persistent instances.
    checks_due: Notify,
    listeners: Listeners,
    pub(crate) outboxes: RwLock<Outboxes>,
    pub(crate) udp: Udp,
    pub(crate) interner: Arc<Interner>,
    pub(crate) answers: Answers,
    pub(crate) ages: Ages,
    pub(crate) counters: Counters,
    /// Who may do what; `None` where everybody may do everything.
    pub(crate) access: Option<Access>,
    /// Where calls about configurations go.
    pub(crate) configs: Option<ConfigUpstream>,
    link_generation: AtomicU64,
    pub(crate) returning: Returning,
}

/// What keeps a publication alive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A client's gRPC connection.
    Connection,
    /// A client's beats over HTTP.
    Beat,
    /// Nothing: it is persistent.
    Persistent,
    /// A link of ours.
    Link(LinkName),
}

impl Origin {
    /// Whether an application registered it, and not a link.
    pub fn is_native(&self) -> bool {
        !matches!(self, Self::Link(_))
    }
}

impl Registry {
    /// An empty registry, all in memory, which refuses calls about
    /// configurations.
    pub fn new(settings: Settings) -> Self {
        Self::with_configs(settings, None)
    }

    /// An empty registry, all in memory, that passes calls about configurations
    /// on.
    pub fn with_configs(settings: Settings, configs: Option<ConfigUpstream>) -> Self {
        let interner = Arc::new(Interner::new());
        let store = Arc::new(Mutex::new(Store::new(&settings, interner.clone())));
        let nobody = Returning::new(false);
        let access = Access::in_memory(&settings.access);
        Self::of(
            settings,
            configs,
            (Clock::start(), nobody),
            interner,
            store,
            None,
            access,
        )
    }

    /// A registry that keeps in a folder what has to outlive the process:
    /// persistent instances, and what operators set for services, clusters and
    /// instances. All that is kept there is back when this returns. Blocks; the
    /// folder is free again once the last handle is dropped.
    ///
    /// # Errors
    /// When another process has the folder, when what is in it is damaged or a
    /// newer version's, and when the disk fails. Nothing is changed then.
    pub fn open(
        settings: Settings,
        configs: Option<ConfigUpstream>,
        folder: &Path,
    ) -> Result<Self, FolderError> {
        Self::open_on(settings, configs, folder, durable::on_disk())
    }

    pub(crate) fn open_on(
        settings: Settings,
        configs: Option<ConfigUpstream>,
        folder: &Path,
        open: OpenDatabase,
    ) -> Result<Self, FolderError> {
        let (clock, interner) = (Clock::start(), Arc::new(Interner::new()));
        let store = Arc::new(Mutex::new(Store::new(&settings, interner.clone())));
        let returning = Returning::new(folder.exists());
        let saver = Saver::start(folder, store.clone(), &interner, clock.now(), open)?;
        let access = Access::kept(&settings.access, folder)?;
        Ok(Self::of(
            settings,
            configs,
            (clock, returning),
            interner,
            store,
            Some(saver),
            access,
        ))
    }

    fn of(
        settings: Settings,
        configs: Option<ConfigUpstream>,
        (clock, returning): (Clock, Returning),
        interner: Arc<Interner>,
        store: Arc<Mutex<Store>>,
        saver: Option<Saver>,
        access: Option<Access>,
    ) -> Self {
        let inner = Arc::new(Inner {
            store,
            saver,
            answers: Answers::new(settings.limits.answer_cache_bytes),
            ages: Ages::default(),
            udp: Udp::new(settings.udp.clone()),
            access,
            settings,
            clock,
            sooner: Notify::new(),
            checks_due: Notify::new(),
            listeners: Listeners::default(),
            outboxes: RwLock::default(),
            interner,
            counters: Counters::default(),
            configs,
            link_generation: AtomicU64::new(0),
            returning,
        });
        Self { inner }
    }

    /// The client by which a link publishes. A link's second client takes over
    /// what the first one published, so that a restarted link leaves no gap.
    pub fn link_client(&self, name: &LinkName) -> LinkClient {
        let generation = self.inner.link_generation.fetch_add(1, Ordering::Relaxed) + 1;
        LinkClient::open(self.clone(), name.clone(), generation)
    }

    /// All instances of a service, raw: disabled and unhealthy ones included,
    /// whoever published them. Empty for a service that does not exist.
    pub fn snapshot(&self, service: &ServiceKey) -> Arc<ServiceSet> {
        self.look(service)
            .map_or_else(ServiceSet::empty, |snapshot| snapshot.set.clone())
    }

    /// What applications registered of a service, without what links published.
    pub fn natives(&self, service: &ServiceKey) -> Arc<ServiceSet> {
        let publications = self.publications(service);
        let mut natives = publications
            .into_iter()
            .filter(|(origin, _)| origin.is_native());
        match (natives.next(), natives.next()) {
            (None, _) => ServiceSet::empty(),
            (Some((_, set)), None) => set,
            (Some((_, one)), Some((_, two))) => {
                let sets = [one, two].into_iter().chain(natives.map(|(_, set)| set));
                let instances = sets.flat_map(|set| set.instances().to_vec());
                Arc::new(ServiceSet::new(instances.collect()))
            }
        }
    }

    /// Who publishes a service, and what, before anything was overridden.
    pub fn publications(&self, service: &ServiceKey) -> Vec<(Origin, Arc<ServiceSet>)> {
        self.act(|store, _| {
            let publications = store.publications(service);
            publications
                .filter_map(|(_, holder, publication)| {
                    Some((holder.origin()?, publication.to_set()))
                })
                .collect()
        })
    }

    /// The services of a namespace, in order of group and name.
    pub fn services(
        &self,
        namespace: &NamespaceId,
    ) -> impl ExactSizeIterator<Item = ServiceKey> + use<> {
        let names = self.act(|store, _| store.names(namespace));
        let namespace = namespace.clone();
        (0..names.len()).map(move |at| ServiceKey {
            namespace: namespace.clone(),
            group: names[at].0.clone(),
            name: names[at].1.clone(),
        })
    }

    /// The namespaces that have services.
    pub fn namespaces(&self) -> Vec<NamespaceId> {
        self.act(|store, _| store.namespaces())
    }

    /// Tells from now on which services changed, whoever changed them.
    pub fn changes(&self) -> Changes {
        self.inner.listeners.listen()
    }

    /// How much there is, and how much was done.
    pub fn figures(&self) -> Figures {
        let counts = self.act(|store, _| store.counts());
        self.inner.counters.figures(counts)
    }

    /// Whether who comes over the network has to log in.
    pub(crate) fn has_users(&self) -> bool {
        let access = self.inner.access.as_ref();
        access.is_some_and(Access::has_users)
    }

    /// The settings that it was made with.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Keeps its timers until cancelled. [`serve`](crate::serve()) does this; a
    /// registry that is used within the process only has no need of it, since
    /// every call catches up first.
    pub(crate) async fn keep_time(&self, cancel: &CancellationToken) {
        loop {
            let sooner = self.inner.sooner.notified();
            let next = self.act(|store, _| store.next_due());
            let due = async {
                match next {
                    Some(next) => tokio::time::sleep_until(self.inner.clock.instant(next)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = cancel.cancelled() => return,
                () = sooner => {}
                () = due => {}
            }
        }
    }

    /// Waits until it is somebody's turn to be looked at.
    pub(crate) async fn checks_due(&self) {
        self.inner.checks_due.notified().await;
    }

    /// Does something to the store, at the present moment, and hands on what
    /// follows from it. Short: the lock is held meanwhile.
    pub(crate) fn act<T>(&self, action: impl FnOnce(&mut Store, Moment) -> T) -> T {
        let now = self.inner.clock.now();
        let (result, effects, sooner, checks_due, unsaved) = {
            let mut store = self.inner.store.lock();
            let saved = store.durable_revision();
            store.advance(now);
            let before = store.next_due();
            let result = action(&mut store, now);
            let sooner = match (store.next_due(), before) {
                (Some(after), Some(before)) => after < before,
                (after, None) => after.is_some(),
                (None, Some(_)) => false,
            };
            let unsaved = store.durable_revision() > saved;
            let checks_due = store.has_due_checks();
            (result, store.take_effects(), sooner, checks_due, unsaved)
        };
        if checks_due {
            self.inner.checks_due.notify_one();
        }
        if sooner {
            self.inner.sooner.notify_one();
        }
        if let (true, Some(saver)) = (unsaved, &self.inner.saver) {
            saver.wake();
        }
        if !effects.changed.is_empty() {
            self.inner.listeners.tell(&effects.changed);
        }
        if !effects.pushes.is_empty() {
            self.inner.outboxes.read().post(&effects.pushes);
            self.inner.udp.post(&effects.pushes);
        }
        if !effects.names.is_empty() {
            self.inner.outboxes.read().post_names(&effects.names);
        }
        result
    }

    /// Waits until all durable changes that were made so far are on disk; at
    /// once where nothing is kept.
    pub(crate) async fn saved(&self) -> Result<(), NotSaved> {
        let Some(saver) = &self.inner.saver else {
            return Ok(());
        };
        let revision = self.inner.store.lock().durable_revision();
        saver.saved(revision).await
    }

    /// A service as it stands.
    pub(crate) fn look(&self, service: &ServiceKey) -> Option<Arc<Snapshot>> {
        self.act(|store, _| store.snapshot(service))
    }
}

impl Holder {
    /// `None` for one that publishes nothing.
    pub(crate) fn origin(&self) -> Option<Origin> {
        match self {
            Self::Connection => Some(Origin::Connection),
            Self::Address(address) if address.kind.is_ephemeral() => Some(Origin::Beat),
            Self::Address(_) => Some(Origin::Persistent),
            Self::Link(name) => Some(Origin::Link(name.clone())),
            Self::Listener => None,
        }
    }
}
