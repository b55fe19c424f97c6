//! A consumer of the target, which must never see what stays go.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use syncline_model::ServiceKey;
use syncline_nacos::grpc::{
    GrpcOptions, GrpcServer, ServiceRef, Session, SessionEvent, SessionOptions,
};
use syncline_nacos::message::{Instance, ServiceInfo};
use syncline_testkit::eventually;
use syncline_testkit::nacos::RealNacos;
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(15);

/// All that a consumer was shown of one service, in its order.
pub(crate) struct Subscriber {
    shown: Arc<Mutex<Vec<Vec<Instance>>>>,
    _session: Option<Session>,
    taking: JoinHandle<()>,
}

impl Subscriber {
    /// Subscribes over gRPC; 1.x is asked every 20 ms instead.
    pub(crate) async fn to(nacos: &'static RealNacos, service: &ServiceKey) -> Self {
        let shown = Arc::new(Mutex::new(Vec::new()));
        if !nacos.version().has_grpc() {
            let taking = tokio::spawn(poll(nacos, service.clone(), Arc::clone(&shown)));
            return Self {
                shown,
                _session: None,
                taking,
            };
        }
        let address = nacos.grpc_addr();
        let server = GrpcServer {
            host: address.ip().to_string(),
            port: address.port(),
        };
        let options = SessionOptions::new(vec![server], Arc::new(GrpcOptions::default()), 1);
        let (session, mut events) = Session::start(options);
        let log = Arc::clone(&shown);
        let taking = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if let SessionEvent::Subscribed { info, .. } | SessionEvent::Pushed { info, .. } =
                    event
                {
                    log.lock().push(info.hosts.items);
                }
            }
        });
        let name = ServiceRef::new(
            service.namespace.as_str(),
            service.group.as_str(),
            service.name.as_str(),
        );
        eventually(PATIENCE, || async {
            session.subscribe(name.clone()).await.is_ok()
        })
        .await;
        Self {
            shown,
            _session: Some(session),
            taking,
        }
    }

    /// Waits until the latest that was shown is like that.
    pub(crate) async fn sees(&self, what: &str, holds: impl Fn(&[Instance]) -> bool) {
        let seen = async {
            eventually(PATIENCE, || async {
                self.shown.lock().last().is_some_and(|last| holds(last))
            })
            .await;
        };
        tokio::pin!(seen);
        let told = tokio::time::timeout(PATIENCE * 9 / 10, &mut seen).await;
        assert!(told.is_ok(), "not {what}: {:?}", self.shown.lock().last());
    }

    /// From now on only what comes counts.
    pub(crate) fn forget(&self) {
        let mut shown = self.shown.lock();
        let last = shown.pop();
        shown.clear();
        shown.extend(last);
    }

    /// The addresses that were in everything shown since the last
    /// [`forget`](Self::forget).
    pub(crate) fn always(&self) -> BTreeSet<String> {
        let shown = self.shown.lock();
        let addresses = |instances: &Vec<Instance>| -> BTreeSet<String> {
            let address = |i: &Instance| format!("{}:{}", i.ip, i.port);
            instances.iter().map(address).collect()
        };
        let mut all = shown.iter().map(addresses);
        let first = all.next().expect("something was shown");
        all.fold(first, |always, next| &always & &next)
    }

    /// The most entries that were shown for one address.
    pub(crate) fn most_of(&self, ip: &str) -> usize {
        let shown = self.shown.lock();
        let count = |instances: &Vec<Instance>| instances.iter().filter(|i| i.ip == ip).count();
        shown.iter().map(count).max().unwrap_or_default()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.taking.abort();
    }
}

async fn poll(nacos: &RealNacos, service: ServiceKey, shown: Arc<Mutex<Vec<Vec<Instance>>>>) {
    let path = format!(
        "/nacos/v1/ns/instance/list?namespaceId={}&serviceName={}",
        service.namespace,
        service.grouped()
    );
    loop {
        if let Ok(answer) = nacos.call("GET", &path).await
            && answer.status == 200
        {
            let info: ServiceInfo = serde_json::from_str(&answer.body).expect("a list");
            shown.lock().push(info.hosts.items);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
