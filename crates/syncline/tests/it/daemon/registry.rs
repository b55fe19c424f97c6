//! Any Nacos, real or embedded, by its own HTTP API: what operators and
//! applications do by hand, and what a test must not ask the client under test
//! for.

use std::net::SocketAddr;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use syncline_nacos::grpc::GrpcServer;
use syncline_registry::{Listeners, Registry, Settings};
use syncline_testkit::nacos::{RealNacos, Version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::PATIENCE;
use super::seen::{Instance, Service};

/// Where a registry is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Nacos {
    pub(crate) http: SocketAddr,
    /// None on 1.x.
    pub(crate) grpc: Option<SocketAddr>,
}

/// How long a registration that nobody beats for lives: longer than any test,
/// as far as the server allows (2.x: 180 s).
const UNATTENDED: [(&str, &str); 2] = [
    ("preserved.heart.beat.timeout", "170000"),
    ("preserved.ip.delete.timeout", "180000"),
];

impl Nacos {
    /// Where it is, as an endpoint of a configuration has it.
    pub(crate) fn servers(self) -> String {
        format!("servers: [\"{}\"]", self.http)
    }

    /// A real one.
    pub(crate) fn real(server: &RealNacos) -> Self {
        let has_grpc = server.version() > Version::V1_3_0;
        Self {
            http: server.addr(),
            grpc: has_grpc.then(|| server.grpc_addr()),
        }
    }

    /// One that is served at an address, with gRPC 1000 ports higher.
    pub(crate) fn at(http: SocketAddr) -> Self {
        let grpc = SocketAddr::new(http.ip(), http.port() + 1000);
        Self {
            http,
            grpc: Some(grpc),
        }
    }

    /// Where gRPC clients connect.
    pub(crate) fn grpc_server(&self) -> anyhow::Result<GrpcServer> {
        let grpc = self.grpc.context("no gRPC before 2.0")?;
        Ok(GrpcServer {
            host: grpc.ip().to_string(),
            port: grpc.port(),
        })
    }

    /// Calls the HTTP API; the body of a success.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
    ) -> anyhow::Result<String> {
        let query: Vec<String> = query
            .iter()
            .map(|(key, value)| format!("{key}={}", escaped(value)))
            .collect();
        let path = format!("/nacos/v1/ns/{path}?{}", query.join("&"));
        let (status, body) = http(self.http, method, &path).await?;
        ensure!(status == 200, "{method} {path}: {status} {body}");
        Ok(body)
    }

    /// Registers an ephemeral instance, or gives it other content, as an
    /// application without a client does. It lives for three minutes.
    pub(crate) async fn register(&self, service: &Service, it: &Instance) -> anyhow::Result<()> {
        self.post(service, &unattended(it.clone()), "true").await
    }

    /// Registers an ephemeral instance exactly as it is.
    pub(crate) async fn register_bare(
        &self,
        service: &Service,
        it: &Instance,
    ) -> anyhow::Result<()> {
        self.post(service, it, "true").await
    }

    /// Registers a persistent instance.
    pub(crate) async fn persist(&self, service: &Service, it: &Instance) -> anyhow::Result<()> {
        self.post(service, it, "false").await
    }

    async fn post(&self, service: &Service, it: &Instance, lives: &str) -> anyhow::Result<()> {
        let metadata = serde_json::to_string(&it.metadata)?;
        let (weight, enabled) = (it.weight.to_string(), it.enabled.to_string());
        let healthy = it.healthy.to_string();
        let mut query = names(service, it);
        query.extend([
            ("weight", weight.as_str()),
            ("enabled", enabled.as_str()),
            ("healthy", healthy.as_str()),
            ("metadata", metadata.as_str()),
            ("ephemeral", lives),
        ]);
        self.call("POST", "instance", &query).await?;
        Ok(())
    }

    /// Takes an ephemeral instance back.
    pub(crate) async fn deregister(&self, service: &Service, it: &Instance) -> anyhow::Result<()> {
        let mut query = names(service, it);
        query.push(("ephemeral", "true"));
        self.call("DELETE", "instance", &query).await?;
        Ok(())
    }

    /// Says that an instance lives.
    pub(crate) async fn beat(&self, service: &Service, it: &Instance) -> anyhow::Result<()> {
        let mut query = names(service, it);
        query.push(("ephemeral", "true"));
        self.call("PUT", "instance/beat", &query).await?;
        Ok(())
    }

    /// All instances of a service as operators see them: the disabled ones too,
    /// with their true health.
    pub(crate) async fn raw(&self, service: &Service) -> anyhow::Result<Vec<Instance>> {
        let mut all = Vec::new();
        for (shown, instances) in self.raw_namespace(&service.namespace).await? {
            if shown == *service {
                all.extend(instances);
            }
        }
        Ok(all)
    }

    /// Everything in a namespace as operators see it.
    pub(crate) async fn raw_namespace(
        &self,
        namespace: &str,
    ) -> anyhow::Result<Vec<(Service, Vec<Instance>)>> {
        let mut pages = Vec::new();
        // Pages of instances are counted from 0 on 1.x and from 1 on 2.x; one
        // that holds everything is the same under either number.
        let query = [
            ("namespaceId", namespace),
            ("withInstances", "true"),
            ("pageNo", "1"),
            ("pageSize", "500"),
        ];
        let body = self.call("GET", "catalog/services", &query).await?;
        let page: Value = serde_json::from_str(&body).with_context(|| body.clone())?;
        for shown in page.as_array().with_context(|| body.clone())? {
            let text = |key: &str| shown[key].as_str().unwrap_or_default();
            let service = Service::new(namespace, text("groupName"), text("serviceName"));
            pages.push((service, in_clusters(&shown["clusterMap"])));
        }
        Ok(pages)
    }

    /// The instances of a service as an ordinary list shows them to consumers.
    pub(crate) async fn list(&self, service: &Service) -> anyhow::Result<Vec<Instance>> {
        let grouped = service.grouped();
        let query = [
            ("namespaceId", service.namespace.as_str()),
            ("serviceName", &grouped),
        ];
        let body = self.call("GET", "instance/list", &query).await?;
        let list: Value = serde_json::from_str(&body).with_context(|| body.clone())?;
        let hosts = list["hosts"].as_array().with_context(|| body.clone())?;
        Ok(hosts.iter().map(Instance::of_json).collect())
    }
}

/// An instance with the times that let it live without beats.
pub(crate) fn unattended(it: Instance) -> Instance {
    UNATTENDED
        .iter()
        .fold(it, |it, (key, value)| it.with(key, value))
}

fn names<'a>(service: &'a Service, it: &'a Instance) -> Vec<(&'a str, &'a str)> {
    let (ip, port) = it.ip_and_port();
    vec![
        ("namespaceId", &service.namespace),
        ("groupName", &service.group),
        ("serviceName", &service.name),
        ("clusterName", &it.cluster),
        ("ip", ip),
        ("port", port),
    ]
}

/// The instances of a bulk read, which tells health as `valid` and the cluster
/// by its place.
fn in_clusters(clusters: &Value) -> Vec<Instance> {
    let clusters = clusters.as_object().into_iter().flatten();
    clusters
        .flat_map(|(name, cluster)| {
            let hosts = cluster["hosts"].as_array().into_iter().flatten();
            hosts.map(|host| Instance {
                cluster: name.clone(),
                healthy: host["valid"].as_bool().unwrap_or(true),
                ..Instance::of_json(host)
            })
        })
        .collect()
}

/// One HTTP call; HTTP/1.0, so that nothing is chunked.
pub(crate) async fn http(
    server: SocketAddr,
    method: &str,
    path: &str,
) -> anyhow::Result<(u16, String)> {
    let (head, body) = exchange(server, method, path).await?;
    let status = head.split_whitespace().nth(1).and_then(|s| s.parse().ok());
    Ok((status.with_context(|| head.clone())?, body))
}

/// What an answer says before its body, and the body.
pub(crate) async fn exchange(
    server: SocketAddr,
    method: &str,
    path: &str,
) -> anyhow::Result<(String, String)> {
    let request =
        format!("{method} {path} HTTP/1.0\r\nHost: {server}\r\nContent-Length: 0\r\n\r\n");
    let exchange = async {
        let mut stream = TcpStream::connect(server).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let what = || format!("{method} http://{server}{path}");
    let answer = tokio::time::timeout(PATIENCE, exchange)
        .await
        .with_context(what)?
        .with_context(what)?;
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        bail!("{}: no end of headers in {answer:?}", what());
    };
    Ok((head.to_owned(), body.to_owned()))
}

fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    text.bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

/// An embedded registry, served by the test as if it were a server elsewhere.
pub(crate) struct Embedded {
    pub(crate) nacos: Nacos,
    tasks: TaskTracker,
    stop: DropGuard,
}

impl Embedded {
    pub(crate) async fn serve() -> anyhow::Result<Self> {
        Ok(Self::on(Listeners::bind_free().await?))
    }

    fn on(listeners: Listeners) -> Self {
        let nacos = Nacos {
            http: listeners.http_addr(),
            grpc: Some(listeners.grpc_addr()),
        };
        let registry = Registry::new(Settings::default());
        let cancel = CancellationToken::new();
        let tasks = TaskTracker::new();
        tasks.spawn(syncline_registry::serve(
            listeners,
            registry,
            cancel.clone(),
        ));
        tasks.close();
        Self {
            nacos,
            tasks,
            stop: cancel.drop_guard(),
        }
    }

    /// Dies as a crashed server does, with all that it knew.
    pub(crate) async fn die(self) -> Nacos {
        drop(self.stop);
        self.tasks.wait().await;
        self.nacos
    }

    /// One comes back where another died, empty.
    pub(crate) async fn come_back(nacos: Nacos) -> anyhow::Result<Self> {
        Ok(Self::on(Listeners::bind(nacos.http).await?))
    }
}
