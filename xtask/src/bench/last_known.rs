//! How long until the embedded replica answers from disk, after a crash and with its source dead.
//!
//! As in [`growth`](crate::growth), the source is `syncline serve`. It fills the replica, both are killed, and Syncline
//! alone is started again.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;
use syncline_testkit::ports::PortBlock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Effort;
use crate::growth::serve;
use xtask_stage::bare;
use xtask_stage::compare::{Complete, until_complete};
use xtask_stage::fleet::{Fleet, GROUP, NAMESPACE};
use xtask_stage::process::Usage;
use xtask_stage::report::say;
use xtask_stage::syncline::{Syncline, Target};
use xtask_stage::table::{Table, mebibytes, number, seconds};

const INSTANCES: u32 = 10;
const WITHIN: Duration = Duration::from_secs(1_800);

/// The longest wait until cache and ledger are on disk.
const SETTLE: Duration = Duration::from_secs(120);

/// Between two tries to connect.
const TRY_EVERY: Duration = Duration::from_millis(1);

/// Measures each size.
pub(crate) async fn measure(effort: Effort) -> anyhow::Result<Vec<Table>> {
    let sizes: &[u32] = if effort.quick {
        &[100, 1_000]
    } else {
        &[10_000, 100_000]
    };
    let mut table = Table::new(
        "The last known good: kill -9, the source dead, and a start",
        &[
            "services × instances",
            "first answer after",
            "all there after",
            "CPU",
            "memory then",
            "peak",
            "age told",
        ],
    );
    for &services in sizes {
        let name = format!("{} × {INSTANCES}", number(services.into()));
        if !effort.includes(services) {
            table.not_run(&name);
            continue;
        }
        say(&name);
        table.row(start_alone(services).await?.row(&name));
    }
    table.note(
        "From the start of the process. First answer: the list of one service over HTTP, asked again and again from the \
         start on; every answer has to be right. All there: when the raw list was asked for that showed every instance \
         with every field. Age told: `last_known_seconds_ago` then.",
    );
    Ok(vec![table])
}

/// What one size came to.
struct Started {
    first: Duration,
    whole: Duration,
    usage: Usage,
    age: Option<f64>,
}

impl Started {
    fn row(&self, name: &str) -> Vec<String> {
        let age = self.age.map(Duration::from_secs_f64);
        vec![
            name.to_owned(),
            seconds(self.first),
            seconds(self.whole),
            seconds(self.usage.cpu),
            mebibytes(self.usage.resident_bytes),
            mebibytes(self.usage.peak_bytes),
            age.map_or_else(|| "–".to_owned(), seconds),
        ]
    }
}

async fn start_alone(services: u32) -> anyhow::Result<Started> {
    let fleet = Fleet::new("bench", services, INSTANCES);
    let ports = [PortBlock::reserve()?, PortBlock::reserve()?];
    let [source, replica] = [ports[0].http(), ports[1].http()];
    let (mut serving, publisher) = serve(source, ports[0].grpc()).await?;
    bare::register_all(&publisher, &fleet).await?;
    let mut syncline = Syncline::run(source, Target::Embedded(replica))?;
    until_complete(replica, &fleet, WITHIN)
        .await
        .map_err(|error| syncline.explain(error))?;
    syncline.calm(SETTLE).await?;
    syncline.process().kill().await?;
    drop(publisher);
    serving.kill().await?;

    syncline.start()?;
    let first = first_answer(replica, &fleet, services / 2)
        .await
        .map_err(|error| syncline.explain(error))?;
    let Complete { asked, .. } = until_complete(replica, &fleet, WITHIN)
        .await
        .map_err(|error| syncline.explain(error))?;
    let usage = syncline.usage()?;
    let status = syncline.control().status().await?;
    let link = status.links.first().context("a link in the status")?;
    Ok(Started {
        first: first.duration_since(syncline.started()),
        whole: asked.duration_since(syncline.started()),
        usage,
        age: link.last_known_seconds_ago,
    })
}

/// When a service was first answered for.
async fn first_answer(http: SocketAddr, fleet: &Fleet, service: u32) -> anyhow::Result<Instant> {
    let deadline = Instant::now() + WITHIN;
    let name = fleet.names.service(service).name;
    let path = format!(
        "/nacos/v1/ns/instance/list?serviceName={GROUP}%40%40{name}&namespaceId={NAMESPACE}"
    );
    loop {
        if let Ok(answer) = ask(http, &path).await {
            let at = Instant::now();
            let answer: Value = serde_json::from_str(&answer).with_context(|| answer.clone())?;
            let shown = answer["hosts"].as_array().map_or(0, Vec::len);
            if shown != fleet.instances_of(service) {
                bail!("the first answer shows {shown} instances: {answer}");
            }
            return Ok(at);
        }
        if Instant::now() > deadline {
            bail!("no answer");
        }
        tokio::time::sleep(TRY_EVERY).await;
    }
}

/// The body of an answer; HTTP/1.0, so that nothing is chunked.
async fn ask(http: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(http).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {http}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_, body) = answer.split_once("\r\n\r\n").context("an answer")?;
    Ok(body.to_owned())
}
