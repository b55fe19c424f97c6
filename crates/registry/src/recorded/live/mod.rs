//! The registry against servers that run: the calls of a corpus are made of a
//! real Nacos and recorded, and then replayed like any other recording.

mod ask;
mod corpus;

use std::time::{Duration, Instant};

use axum::http::{Request, header};
use syncline_testkit::nacos::{RealNacos, Version};
use syncline_testkit::recordings::{Direction, Exchange, Grpc, Http, Recording};
use syncline_testkit::run::require_real_servers;

use self::ask::{GrpcAsker, HttpAsker};
use self::corpus::{Act, Step};
use super::differences::{self, Differences};
use super::{encoded, replay};

/// 2.x shows a change after 500 ms, and some more.
const SETTLED: Duration = Duration::from_millis(750);

/// One server at a time.
static SERVER: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test]
async fn answers_are_those_of_a_running_1_3_0() -> anyhow::Result<()> {
    compare_with(Version::V1_3_0, &differences::LIVE_1_3_0).await
}

#[tokio::test]
async fn answers_are_those_of_a_running_2_0_3() -> anyhow::Result<()> {
    compare_with(Version::V2_0_3, &differences::LIVE_2_0_3).await
}

#[tokio::test]
async fn answers_are_those_of_a_running_2_1_1() -> anyhow::Result<()> {
    compare_with(Version::V2_1_1, &differences::LIVE_2_1_1).await
}

#[tokio::test]
async fn answers_are_those_of_a_running_2_2_4() -> anyhow::Result<()> {
    compare_with(Version::V2_2_4, &differences::LIVE_2_2_4).await
}

async fn compare_with(version: Version, differences: &'static Differences) -> anyhow::Result<()> {
    if !require_real_servers() {
        return Ok(());
    }
    let (recording, port) = {
        let _turn = SERVER.lock().await;
        let nacos = RealNacos::start(version).await?;
        nacos.elected().await?;
        (record(&nacos).await?, nacos.addr().port())
    };
    tokio::time::pause();
    replay(&recording, port, differences).await;
    Ok(())
}

/// Makes the calls of the corpus of a server, and keeps its answers.
async fn record(nacos: &RealNacos) -> anyhow::Result<Recording> {
    let mut recorder = Recorder {
        http: HttpAsker::new(nacos.addr()),
        grpc: nacos
            .version()
            .has_grpc()
            .then(|| GrpcAsker::new(nacos.grpc_addr())),
        started: Instant::now(),
        exchanges: Vec::new(),
    };
    for step in corpus::steps() {
        recorder.make(step).await?;
    }
    Ok(Recording {
        name: nacos.version().as_str(),
        exchanges: recorder.exchanges,
    })
}

struct Recorder {
    http: HttpAsker,
    grpc: Option<GrpcAsker>,
    started: Instant,
    exchanges: Vec<Exchange>,
}

impl Recorder {
    async fn make(&mut self, Step { note, act }: Step) -> anyhow::Result<()> {
        let n = u32::try_from(self.exchanges.len() + 1)?;
        let t = self.started.elapsed().as_secs_f64();
        let exchange = match act {
            Act::Settle => {
                tokio::time::sleep(SETTLED).await;
                return Ok(());
            }
            Act::Http {
                method,
                path,
                query,
                form,
                agent,
            } => {
                let agent = agent.map(|agent| (header::USER_AGENT.to_string(), agent));
                let mut http = Http {
                    n,
                    t,
                    note,
                    method,
                    path,
                    query,
                    form,
                    headers: agent.into_iter().collect(),
                    listener: None,
                    status: 0,
                    content_type: None,
                    response_headers: Default::default(),
                    body: String::new(),
                };
                self.ask(&mut http).await?;
                Exchange::Http(http)
            }
            act => match self.connected(n, t, note, act).await? {
                Some(grpc) => Exchange::Grpc(grpc),
                None => return Ok(()),
            },
        };
        self.exchanges.push(exchange);
        Ok(())
    }

    async fn ask(&self, http: &mut Http) -> anyhow::Result<()> {
        let path = match http.query.is_empty() {
            true => http.path.clone(),
            false => format!("{}?{}", http.path, encoded(&http.query)),
        };
        // A `#` would end the path.
        let path = path.replace('#', "%23");
        let mut request = Request::builder().method(http.method.as_str());
        for (name, value) in &http.headers {
            request = request.header(name, value);
        }
        let body = match &http.form {
            Some(form) => {
                let form_type = "application/x-www-form-urlencoded";
                request = request.header(header::CONTENT_TYPE, form_type);
                encoded(form)
            }
            None => String::new(),
        };
        http.path = http.path.replace('#', "%23");
        let answer = self.http.ask(request, &path, body).await?;
        http.status = answer.status;
        http.content_type = answer.content_type;
        http.body = answer.body;
        Ok(())
    }

    /// What happens on a connection, where the version has any.
    async fn connected(
        &mut self,
        n: u32,
        t: f64,
        note: String,
        act: Act,
    ) -> anyhow::Result<Option<Grpc>> {
        let Some(asker) = &mut self.grpc else {
            return Ok(None);
        };
        let mut grpc = Grpc {
            n,
            t,
            note,
            conn: String::new(),
            dir: Direction::StreamOut,
            request_type: String::new(),
            request: None,
            headers: Default::default(),
            response_type: None,
            response: None,
            error: None,
        };
        match act {
            Act::Open(conn, setup) => {
                asker.open(&conn, &setup).await?;
                grpc.request_type = "ConnectionSetupRequest".to_owned();
                (grpc.conn, grpc.request) = (conn, Some(setup));
            }
            Act::Close(conn) => {
                asker.close(&conn);
                grpc.conn = conn;
            }
            Act::Call(conn, kind, body) => {
                let (response_type, response) = asker.call(&conn, &kind, &body).await?;
                grpc.dir = Direction::Call;
                (grpc.conn, grpc.request_type, grpc.request) = (conn, kind, Some(body));
                (grpc.response_type, grpc.response) = (Some(response_type), Some(response));
            }
            Act::Http { .. } | Act::Settle => return Ok(None),
        }
        Ok(Some(grpc))
    }
}
