//! The applications at the source: they register, change all the time, and come back when their server does.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use futures_util::stream::{self, TryStreamExt as _};
use parking_lot::Mutex;
use syncline_nacos::grpc::{ConnectionEvent, ConnectionEvents, GrpcConnection};
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;
use xtask_stage::bare;
use xtask_stage::fleet::{Fleet, scattered};
use xtask_stage::report::say;

use crate::truth::Truth;

/// Instances of a service; every now and then it has one more.
pub(crate) const INSTANCES: u32 = 10;

/// How long an application waits before it looks for a server again, as genuine clients do.
const COME_BACK: Duration = Duration::from_secs(1);

/// How long the applications may take to have everything registered.
const REGISTERED: Duration = Duration::from_secs(120);

/// Between two looks whether they have.
const LOOK: Duration = Duration::from_millis(2);

/// All applications, until dropped.
#[derive(Debug)]
pub(crate) struct Load {
    shared: Arc<Shared>,
    changing: watch::Sender<bool>,
    _living: Vec<AbortOnDropHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// There is something to register, by host.
    wanted: Vec<Notify>,
}

#[derive(Debug)]
struct State {
    fleet: Fleet,
    truth: Truth,
    revision: u64,
    /// What the source was not told yet, and what it is being told.
    untold: BTreeSet<u32>,
    telling: BTreeSet<u32>,
    /// Which hosts have a connection.
    connected: Vec<bool>,
    /// Nobody looks for a server now.
    away: bool,
}

impl Load {
    /// Applications on as many hosts as there are servers, each of which has a server of its own as long as that lives.
    /// They do not change before they are told to.
    pub(crate) fn start(servers: &[SocketAddr], services: u32) -> Self {
        let hosts = servers.len();
        let state = State {
            fleet: Fleet::new("faults", services, INSTANCES),
            truth: Truth::default(),
            revision: 0,
            untold: BTreeSet::new(),
            telling: BTreeSet::new(),
            connected: vec![false; hosts],
            away: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            wanted: (0..hosts).map(|_| Notify::new()).collect(),
        });
        let (changing, orders) = watch::channel(false);
        let living = (0..hosts).map(|number| {
            let mut servers = servers.to_vec();
            servers.rotate_left(number);
            let host = Host {
                number,
                shared: Arc::clone(&shared),
                orders: orders.clone(),
            };
            AbortOnDropHandle::new(tokio::spawn(host.live(servers)))
        });
        Self {
            _living: living.collect(),
            shared,
            changing,
        }
    }

    /// Changes go on.
    pub(crate) fn go(&self) {
        self.changing.send_replace(true);
    }

    /// Changes stop; waits until the source was told everything.
    pub(crate) async fn rest(&self) -> anyhow::Result<()> {
        self.changing.send_replace(false);
        self.until_told().await
    }

    /// Waits until the source was told all that is.
    pub(crate) async fn until_told(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + REGISTERED;
        while !self.is_told() {
            if Instant::now() > deadline {
                bail!("the applications cannot register at the source");
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    fn is_told(&self) -> bool {
        let state = self.shared.state.lock();
        let connected = state.connected.iter().all(|connected| *connected);
        connected && state.untold.is_empty() && state.telling.is_empty()
    }

    /// What is registered.
    pub(crate) fn fleet(&self) -> Fleet {
        self.shared.state.lock().fleet.clone()
    }

    /// What was truly taken away so far.
    pub(crate) fn truth(&self) -> Truth {
        self.shared.state.lock().truth.clone()
    }

    /// How many changes there were.
    pub(crate) fn changes(&self) -> u64 {
        self.shared.state.lock().revision
    }

    /// The applications go away, or come back, at a server that was restarted.
    pub(crate) fn stay_away(&self, away: bool) {
        self.shared.state.lock().away = away;
    }

    /// A change of a service's first instance; the revision that it has then.
    pub(crate) fn mark(&self, service: u32) -> u64 {
        let mut state = self.shared.state.lock();
        state.revision += 1;
        let revision = state.revision;
        let first = state.fleet.places(service).next();
        if let Some(place) = first {
            state.fleet.change(service, place, revision);
        }
        state.untold.insert(service);
        self.shared.wake();
        revision
    }

    /// Something happens to some services besides what always happens; it says to which.
    pub(crate) fn happens(&self, what: impl FnOnce(&mut Fleet, &mut Truth) -> Vec<u32>) {
        let mut state = self.shared.state.lock();
        let state = &mut *state;
        let touched = what(&mut state.fleet, &mut state.truth);
        state.untold.extend(touched);
        self.shared.wake();
    }
}

/// Changes a second: one in twenty services, within what a small machine and a large fleet can bear.
fn rate(services: u32) -> u32 {
    (services / 20).clamp(5, 50)
}

/// A host with the applications of some services, which share a connection.
struct Host {
    number: usize,
    shared: Arc<Shared>,
    orders: watch::Receiver<bool>,
}

impl Host {
    /// Connects for ever, to one server after the other.
    async fn live(mut self, servers: Vec<SocketAddr>) {
        for server in servers.iter().cycle() {
            let away = self.shared.state.lock().away;
            if !away && let Ok((connection, events)) = bare::open(*server).await {
                self.connected();
                tokio::select! {
                    error = self.publish(&connection) => {
                        say(&format!("applications are not heard at {server}: {error:#}"));
                    }
                    () = disconnected(events) => {}
                }
                self.shared.state.lock().connected[self.number] = false;
            }
            tokio::time::sleep(COME_BACK).await;
        }
    }

    fn is_ours(&self, service: u32) -> bool {
        service as usize % self.shared.wanted.len() == self.number
    }

    /// A server that knows nothing of us has to be told everything.
    fn connected(&self) {
        let mut state = self.shared.state.lock();
        state.connected[self.number] = true;
        state.telling.retain(|service| !self.is_ours(*service));
        let ours = (0..state.fleet.services()).filter(|service| self.is_ours(*service));
        state.untold.extend(ours);
    }

    /// Tells the server everything that it was not told, and changes something as often as it may; ends with what went
    /// wrong.
    async fn publish(&mut self, connection: &GrpcConnection) -> anyhow::Error {
        let rate = rate(self.shared.state.lock().fleet.services());
        let hosts = self.shared.wanted.len() as u32;
        let mut pace = interval(Duration::from_secs(1) * hosts / rate);
        pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            if let Err(error) = self.tell(connection).await {
                return error;
            }
            let changing = *self.orders.borrow_and_update();
            tokio::select! {
                _ = pace.tick(), if changing => {
                    self.shared.state.lock().change();
                    self.shared.wake();
                }
                () = self.shared.wanted[self.number].notified() => {}
                // Where nobody can give orders any more, we end with them.
                _ = self.orders.changed() => {}
            }
        }
    }

    async fn tell(&self, connection: &GrpcConnection) -> anyhow::Result<()> {
        let untold = {
            let mut state = self.shared.state.lock();
            let all = std::mem::take(&mut state.untold).into_iter();
            let (ours, others): (BTreeSet<u32>, BTreeSet<u32>) =
                all.partition(|service| self.is_ours(*service));
            state.untold = others;
            state.telling.extend(&ours);
            ours
        };
        let calls = untold
            .into_iter()
            .map(|service| Ok(self.tell_one(connection, service)));
        stream::iter(calls)
            .try_buffer_unordered(bare::IN_FLIGHT)
            .try_for_each(|()| std::future::ready(Ok(())))
            .await
    }

    async fn tell_one(&self, connection: &GrpcConnection, service: u32) -> anyhow::Result<()> {
        let (name, set) = {
            let state = self.shared.state.lock();
            (state.fleet.names.service(service), state.fleet.set(service))
        };
        match set.is_empty() {
            // The server looks at the connection, and not at the instance.
            true => {
                let any = Fleet::new("faults", 1, 1).set(0).remove(0);
                connection.deregister(&name, any).await?;
            }
            false => connection.batch_register(&name, &set).await?,
        }
        self.shared.state.lock().telling.remove(&service);
        Ok(())
    }
}

async fn disconnected(mut events: ConnectionEvents) {
    while let Some(event) = events.next().await {
        if matches!(event, ConnectionEvent::Disconnected(_)) {
            return;
        }
    }
}

impl Shared {
    /// Tells every host that there may be something to register.
    fn wake(&self) {
        self.wanted.iter().for_each(Notify::notify_one);
    }
}

impl State {
    /// The next change: of five, three are to an instance's metadata, one adds an eleventh instance where there is none,
    /// and one takes it away.
    fn change(&mut self) {
        let change = self.revision;
        self.revision += 1;
        let draw = scattered(change);
        let service = (draw % u64::from(self.fleet.services())) as u32;
        let instances = self.fleet.instances_of(service);
        match change % 5 {
            3 if instances == INSTANCES as usize => {
                let place = self.fleet.add(service, self.revision);
                self.truth.returns((service, place));
            }
            4 if instances > INSTANCES as usize => {
                let place = self.fleet.remove(service);
                self.truth.goes((service, place));
            }
            _ => {
                let at = (draw >> 32) as usize % instances.max(1);
                let place = self.fleet.places(service).nth(at);
                // A service that was decommissioned stays so.
                if let Some(place) = place {
                    self.fleet.change(service, place, self.revision);
                }
            }
        }
        self.untold.insert(service);
    }
}
