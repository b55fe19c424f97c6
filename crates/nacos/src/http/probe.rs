//! Finding out what a server is.
//!
//! Pages that tell the version come first. Where none answers, the version
//! follows from what some versions have and others lack. A server that is
//! starting answers so strangely that nothing may follow from it: it is *not
//! ready*, and has to be asked again later.

use std::future::Future;
use std::sync::Arc;

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::address::ServerAddress;
use super::client::{Answered, HttpClient};
use super::decode::MemberInfo;
use super::error::{Class, HttpError};
use super::servers::Route;
use super::transport::{Answer, Request};
use crate::version::{Features, Negotiated, ServerVersion, Support, Versions};

/// The page that all versions up to 3.1 have and show without a login.
pub(crate) const METRICS: &str = "/v1/ns/operator/metrics";

const ATTEMPTED: &str = "find out the version";

/// What is found at a server's gRPC port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GrpcPort {
    /// Somebody answers there.
    Answers,
    /// Nobody does, which can be a firewall's doing as well as an old version's.
    Silent,
    /// A Nacos server that is starting answers there (errorCode 300).
    Starting,
}

/// A page that tells the version. Each is there on some versions only.
struct StatePage {
    path: &'static str,
    /// The version in the answer.
    version: fn(&Answer) -> Option<String>,
    what: &'static str,
}

/// In the order in which they are asked. The first two need no login.
const STATE_PAGES: [StatePage; 3] = [
    StatePage {
        path: "/v3/admin/core/state",
        version: |answer| answer.data::<State>().ok()?.version,
        what: "the state page of 3.x",
    },
    StatePage {
        path: "/v1/console/server/state",
        version: |answer| answer.json::<State>().ok()?.version,
        what: "the console's state page",
    },
    // Present from 1.3 to 2.5 even where the console is left out (recorded).
    StatePage {
        path: "/v1/core/cluster/self",
        version: |answer| answer.data::<MemberInfo>().ok()?.extend_info.version,
        what: "the server's page about itself",
    },
];

/// At `admin_url`, where that leads to a console.
const CONSOLE_PAGE: StatePage = StatePage {
    path: "/v3/console/server/state",
    version: |answer| answer.json::<State>().ok()?.version,
    what: "the state page of the 3.x console",
};

#[derive(Deserialize)]
struct State {
    #[serde(default)]
    version: Option<String>,
}

/// What a page said of the version.
enum Told {
    Version(ServerVersion),
    /// The page is there and switched off, as only 3.0 and 3.1 do it.
    Gone,
    Nothing,
}

/// What the answers leave possible, and which answers did.
struct Inference {
    known: Versions,
    because: Vec<&'static str>,
}

impl Inference {
    fn learn(&mut self, versions: Versions, because: &'static str) {
        // Answers that contradict each other come from several versions behind
        // one address; what was learnt first stands.
        if let Some(both) = self.known.and(versions) {
            self.known = both;
            self.because.push(because);
        }
    }

    fn conclude(self) -> Negotiated {
        let because = self.because.join(", ");
        Negotiated::inferred(self.known, format!("inferred: {because}"))
    }
}

/// The metrics page. 2.x shows its status alone unless asked for more.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metrics {
    status: String,
    #[serde(default)]
    service_count: Option<i64>,
}

impl HttpClient {
    /// Finds out a server's version and what follows from it. Goes to the
    /// current server, and to the next where that does not answer.
    ///
    /// `grpc` looks at a server's gRPC port. It is asked only where nothing else
    /// tells whether there should be one; a TCP connection is enough for an
    /// answer, a `ServerCheckRequest` is better.
    ///
    /// # Errors
    /// [`Class::NotReady`] while the server starts, [`HttpError::Foreign`] where
    /// something else answers, and any other failure.
    pub async fn probe<P, F>(
        &self,
        grpc: P,
        route: &Route,
    ) -> Result<Answered<Negotiated>, HttpError>
    where
        P: Fn(Arc<ServerAddress>) -> F,
        F: Future<Output = GrpcPort>,
    {
        let mut attempts = self.servers().attempts(route);
        while let Some(server) = attempts.next() {
            let found = self.probe_server(&server, &grpc).await;
            if let Some(outcome) = attempts.outcome(&server, found) {
                return outcome;
            }
        }
        Err(attempts.exhausted(ATTEMPTED.into()))
    }

    async fn probe_server<P, F>(
        &self,
        server: &Arc<ServerAddress>,
        grpc: &P,
    ) -> Result<Negotiated, HttpError>
    where
        P: Fn(Arc<ServerAddress>) -> F,
        F: Future<Output = GrpcPort>,
    {
        let mut gone = false;
        for page in &STATE_PAGES {
            match self.state(server, page).await? {
                Told::Version(version) => {
                    self.check_ready(server, version).await?;
                    let how = format!("told by {}", page.what);
                    return Ok(Negotiated::exactly(version, how));
                }
                Told::Gone => gone = true,
                Told::Nothing => {}
            }
        }
        if let Some(admin) = self.admin_address()
            && let Ok(Told::Version(version)) = self.state(admin, &CONSOLE_PAGE).await
        {
            let how = format!("told by {}", CONSOLE_PAGE.what);
            return Ok(Negotiated::exactly(version, how));
        }
        self.infer(server, grpc, gone).await
    }

    /// What a page says of the version. A page that is missing, blocked or not
    /// understood says nothing; a server that cannot be asked is an error.
    async fn state(&self, server: &ServerAddress, page: &StatePage) -> Result<Told, HttpError> {
        let request = Request::get(ATTEMPTED, page.path).unauthenticated();
        let read = |answer: &Answer| {
            let version = (page.version)(answer);
            Ok(version.as_deref().and_then(ServerVersion::parse))
        };
        match self.ask_one(server, &request, &read).await {
            Ok(Some(version)) => Ok(Told::Version(version)),
            Ok(None) => Ok(Told::Nothing),
            Err(error) => match error {
                HttpError::Unreachable { .. }
                | HttpError::TimedOut { .. }
                | HttpError::NotReady { .. } => Err(error),
                _ if error.status() == Some(StatusCode::GONE) => Ok(Told::Gone),
                _ => Ok(Told::Nothing),
            },
        }
    }

    /// A server may tell its version before it is ready to serve.
    async fn check_ready(
        &self,
        server: &ServerAddress,
        version: ServerVersion,
    ) -> Result<(), HttpError> {
        if version.major < 3 {
            return self.metrics(server).await.map(|_| ());
        }
        let request = Request::get(ATTEMPTED, "/v3/admin/core/state/readiness").unauthenticated();
        match self.ask_one(server, &request, &|_| Ok(())).await {
            // Not ready is a refusal there, whatever its number.
            Err(HttpError::Refused { call, excerpt, .. }) => Err(HttpError::NotReady {
                call,
                says: excerpt,
            }),
            outcome => outcome,
        }
    }

    async fn metrics(&self, server: &ServerAddress) -> Result<Metrics, HttpError> {
        let request = Request::get(ATTEMPTED, METRICS).unauthenticated();
        let metrics = |answer: &Answer| answer.json::<Metrics>();
        let metrics = self.ask_one(server, &request, &metrics).await?;
        if matches!(metrics.status.as_str(), "DOWN" | "STARTING") {
            return Err(HttpError::NotReady {
                call: request.call(server),
                says: format!("status {}", metrics.status),
            });
        }
        Ok(metrics)
    }

    async fn infer<P, F>(
        &self,
        server: &Arc<ServerAddress>,
        grpc: &P,
        gone: bool,
    ) -> Result<Negotiated, HttpError>
    where
        P: Fn(Arc<ServerAddress>) -> F,
        F: Future<Output = GrpcPort>,
    {
        let mut inference = Inference {
            known: Versions::ANY,
            because: Vec::new(),
        };
        match self.metrics(server).await {
            Ok(metrics) if metrics.service_count.is_some() => {
                inference.learn(Versions::ANY.until(2, 0, 0), "its metrics are those of 1.x");
            }
            Ok(_) => {
                let two_or_three = Versions::since(2, 0, 0).until(3, 2, 0);
                inference.learn(two_or_three, "its metrics are those of 2.x and 3.x");
            }
            Err(error) if error.class() == Class::Unsupported => {
                self.infer_without_v1(server, &mut inference, error).await?;
            }
            Err(error) => return Err(error),
        }
        if gone {
            let switched_off = Versions::since(3, 0, 0).until(3, 2, 0);
            inference.learn(switched_off, "its console's v1 API is switched off");
        }
        if Features::of(inference.known).v2.worth_trying() {
            self.infer_from_v2(server, &mut inference).await;
            self.infer_from_upgrade_ops(server, &mut inference).await;
        }
        if Features::of(inference.known).grpc == Support::Unknown {
            match grpc(server.clone()).await {
                GrpcPort::Answers => {
                    inference.learn(Versions::since(2, 0, 0), "its gRPC port answers");
                }
                GrpcPort::Silent => {}
                GrpcPort::Starting => {
                    let request = Request::get(ATTEMPTED, "");
                    return Err(HttpError::NotReady {
                        call: request.call(server),
                        says: "gRPC errorCode 300".into(),
                    });
                }
            }
        }
        Ok(inference.conclude())
    }

    /// No metrics: 3.2, or no Nacos at all under that path.
    async fn infer_without_v1(
        &self,
        server: &ServerAddress,
        inference: &mut Inference,
        no_metrics: HttpError,
    ) -> Result<(), HttpError> {
        // Without a service to list, a 3.x server complains in its own form.
        let request = Request::get(ATTEMPTED, "/v3/client/ns/instance/list").unauthenticated();
        let outcome = self.ask_one(server, &request, &|_| Ok(())).await;
        let is_v3 = match &outcome {
            Ok(()) => true,
            Err(error) => {
                error.code().is_some()
                    || matches!(error.class(), Class::Unauthenticated | Class::Forbidden)
            }
        };
        if is_v3 {
            inference.learn(Versions::since(3, 0, 0), "it has the v3 client API");
            return Ok(());
        }
        let HttpError::Refused { call, excerpt, .. } = no_metrics else {
            return Err(no_metrics);
        };
        Err(HttpError::Foreign {
            call,
            hint: "HTTP is spoken there, but there is no Nacos API under that path; \
                   check address and context_path"
                .into(),
            excerpt,
        })
    }

    async fn infer_from_v2(&self, server: &ServerAddress, inference: &mut Inference) {
        let request = Request::get(ATTEMPTED, "/v2/ns/service/list")
            .query("pageNo", "1")
            .query("pageSize", "1");
        #[derive(Deserialize)]
        struct Coded<'a> {
            code: i64,
            #[serde(borrow, rename = "data")]
            _data: &'a RawValue,
        }
        let code = |answer: &Answer| Ok(answer.json::<Coded<'_>>()?.code);
        match self.ask_one(server, &request, &code).await {
            Ok(0) => inference.learn(Versions::since(2, 2, 0), "its v2 lists are those of 2.2"),
            // 2.0 and 2.1 answer with an HTTP status for a code.
            Ok(200) => inference.learn(
                Versions::since(2, 0, 0).until(2, 2, 0),
                "its v2 lists are those before 2.2",
            ),
            Err(error) if error.status() == Some(StatusCode::GONE) => inference.learn(
                Versions::since(3, 0, 0).until(3, 2, 0),
                "its v2 API is switched off",
            ),
            Err(error) if error.class() == Class::Unsupported => {
                inference.learn(Versions::ANY.until(2, 0, 4), "it has no v2 API");
            }
            Ok(_) | Err(_) => {}
        }
    }

    async fn infer_from_upgrade_ops(&self, server: &ServerAddress, inference: &mut Inference) {
        if !Features::of(inference.known).upgrade_ops.worth_trying() {
            return;
        }
        let request = Request::get(ATTEMPTED, "/v1/ns/upgrade/ops/metrics").query("json", "true");
        let is_json = |answer: &Answer| answer.json::<&RawValue>().map(|_| ());
        if self.ask_one(server, &request, &is_json).await.is_ok() {
            inference.learn(
                Versions::since(2, 0, 2).until(2, 1, 3),
                "it has the upgrade API",
            );
        }
    }
}
