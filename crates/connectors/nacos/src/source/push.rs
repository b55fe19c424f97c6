//! UDP pushes of 1.x, which make polling prompter and nothing else: whatever a
//! push says is looked up before anyone believes it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, FuturesUnordered, StreamExt};
use syncline_model::{NamespaceId, ServiceKey};
use syncline_nacos::http::{PushSocket, Route, local_address_towards};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Reader;

/// As many services as are subscribed, since each has to be asked for again
/// every few seconds.
const MOST: usize = 32;

/// How often a subscription is renewed: a server forgets it after 10 s.
const RENEW: Duration = Duration::from_secs(6);

/// Renewals under way at the same time.
const IN_FLIGHT: usize = 4;

/// The wait before a socket that broke is opened again.
const REOPEN: Duration = Duration::from_secs(10);

type Services = BTreeSet<ServiceKey>;

/// Waits for pushes. Ends with its value.
pub(super) struct Prompter {
    wanted: watch::Sender<Arc<Services>>,
    prompt: Arc<Notify>,
    _tasks: JoinSet<()>,
}

impl Prompter {
    pub(super) fn start(reader: Arc<Reader>) -> Self {
        let (wanted, services) = watch::channel(Arc::default());
        let prompt = Arc::new(Notify::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(reader, services, Arc::clone(&prompt)));
        Self {
            wanted,
            prompt,
            _tasks: tasks,
        }
    }

    /// Has the changes of these services pushed, if they are few.
    pub(super) fn prompt_for<'a>(&self, services: impl ExactSizeIterator<Item = &'a ServiceKey>) {
        let services: Services = if services.len() <= MOST {
            services.cloned().collect()
        } else {
            Services::new()
        };
        self.wanted.send_if_modified(|wanted| {
            let news = **wanted != services;
            if news {
                *wanted = Arc::new(services);
            }
            news
        });
    }

    /// Waits for a push.
    pub(super) async fn prompted(&self) {
        self.prompt.notified().await;
    }
}

async fn serve(
    reader: Arc<Reader>,
    mut wanted: watch::Receiver<Arc<Services>>,
    prompt: Arc<Notify>,
) {
    loop {
        let services = Arc::clone(&wanted.borrow_and_update());
        // A push does not name its namespace, so each has a socket of its own.
        let mut namespaces: BTreeMap<&NamespaceId, Vec<&ServiceKey>> = BTreeMap::new();
        for service in services.iter() {
            namespaces
                .entry(&service.namespace)
                .or_default()
                .push(service);
        }
        let mut sockets: FuturesUnordered<_> = namespaces
            .into_values()
            .map(|services| listen(&reader, services, &prompt))
            .collect();
        let listening = async {
            while sockets.next().await.is_some() {}
            std::future::pending().await
        };
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() { return },
            () = listening => {}
        }
    }
}

/// Takes pushes of one namespace's services, for ever.
async fn listen(reader: &Reader, services: Vec<&ServiceKey>, prompt: &Notify) {
    loop {
        match open(reader).await {
            Ok((ip, socket)) => {
                let port = socket.port().unwrap_or_default();
                tokio::select! {
                    error = receive(socket, prompt) => tracing::debug!(%error, "UDP pushes ended"),
                    () = renew(reader, &services, ip, port) => {}
                }
            }
            Err(error) => tracing::debug!(%error, "no UDP pushes"),
        }
        sleep(REOPEN).await;
    }
}

async fn open(reader: &Reader) -> io::Result<(IpAddr, PushSocket)> {
    let http = reader
        .cluster
        .http()
        .await
        .map_err(|f| io::Error::other(f.chain()))?;
    let current = http.servers().current();
    let ip = local_address_towards(current.host(), current.port()).await?;
    let mut trusted = Vec::new();
    for address in http.servers().addresses() {
        let found = tokio::net::lookup_host((address.host(), address.port())).await;
        trusted.extend(found.into_iter().flatten().map(|a| a.ip().to_canonical()));
    }
    let socket = PushSocket::bind(SocketAddr::new(ip, 0), trusted).await?;
    Ok((ip, socket))
}

async fn receive(mut socket: PushSocket, prompt: &Notify) -> io::Error {
    loop {
        match socket.next().await {
            Ok(_) => prompt.notify_one(),
            Err(error) => return error,
        }
    }
}

async fn renew(reader: &Reader, services: &[&ServiceKey], ip: IpAddr, port: u16) {
    let Ok(http) = reader.cluster.http().await else {
        return;
    };
    loop {
        stream::iter(services)
            .for_each_concurrent(IN_FLIGHT, |service| async move {
                // A subscription that fails leaves the polling, which goes on.
                if let Err(error) = http.subscribe_udp(service, ip, port, &Route::Any).await {
                    tracing::debug!(%error, "no UDP subscription");
                }
            })
            .await;
        sleep(RENEW).await;
    }
}
