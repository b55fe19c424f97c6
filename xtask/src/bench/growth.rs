//! Whether size matters: from 100 services to 100,000, of 10 instances each, into the embedded replica.
//!
//! The source is `syncline serve` in a process of its own, spoken to by the real protocol: a Java server needs more
//! memory for a million instances than the machines have that this should run on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use syncline_nacos::grpc::GrpcConnection;
use syncline_testkit::ports::PortBlock;
use tokio::time::interval;

use crate::Effort;
use crate::board::{Board, Sign};
use crate::delays::Delays;
use xtask_stage::bare::{self, Subscriber};
use xtask_stage::compare::{Complete, until_complete};
use xtask_stage::fleet::Fleet;
use xtask_stage::process::{Process, Usage};
use xtask_stage::report::say;
use xtask_stage::syncline::{self, Syncline, Target};
use xtask_stage::table::{Table, mebibytes, milliseconds, number, seconds};

const INSTANCES: u32 = 10;
const WITHIN: Duration = Duration::from_secs(1_800);

/// The longest wait for what follows the first sync, before the single changes begin.
const SETTLE: Duration = Duration::from_secs(120);

const CHANGES_PER_SECOND: usize = 50;

/// Services that change and are subscribed to, at every size the same number.
const CHANGING: u32 = 50;

/// After this a change counts as lost.
const LOST_AFTER: Duration = Duration::from_secs(30);

/// Measures each size.
pub(crate) async fn measure(effort: Effort) -> anyhow::Result<Vec<Table>> {
    let window = Duration::from_secs(if effort.quick { 5 } else { 30 });
    let sizes: &[u32] = if effort.quick {
        &[100, 1_000]
    } else {
        &[100, 1_000, 10_000, 100_000]
    };
    let mut copying = Table::new(
        "Growth: into the embedded replica",
        &[
            "services × instances",
            "complete after",
            "CPU",
            "CPU an instance",
            "memory then",
            "memory later",
            "peak",
            "bytes an instance",
        ],
    );
    let mut single = Table::new(
        "Growth: a single change",
        &[
            "services × instances",
            "changes",
            "CPU a change",
            "median",
            "p99",
            "not seen",
        ],
    );
    // What the process needs for itself.
    let empty = grow(1, Duration::ZERO).await?.later.resident_bytes;
    for &services in sizes {
        let name = format!("{} × {INSTANCES}", number(services.into()));
        if !effort.includes(services) {
            copying.not_run(&name);
            single.not_run(&name);
            continue;
        }
        say(&name);
        let grown = grow(services, window).await?;
        copying.row(grown.copying(&name, empty));
        single.row(grown.single(&name));
    }
    copying.note(format!(
        "From `syncline serve`, a process of its own, by the real protocol. Memory then: when all was there; later: \
         after the single changes below. Bytes an instance: the latter beyond the {} that the process has with one \
         service, divided by the instances, each with five metadata pairs.",
        mebibytes(empty)
    ));
    single.note(format!(
        "{CHANGES_PER_SECOND} metadata changes a second, spread over {CHANGING} of the services. CPU a change: what \
         Syncline used in {} s of changes beyond as many quiet seconds before. Delays: from the call at the source to \
         the push at the replica.",
        window.as_secs()
    ));
    Ok(vec![copying, single])
}

/// What one size came to.
struct Grown {
    instances: usize,
    took: Duration,
    /// When all was there.
    usage: Usage,
    /// When all changes were made.
    later: Usage,
    change_cpu: Duration,
    changes: usize,
    delays: Delays,
}

impl Grown {
    fn copying(&self, name: &str, empty: u64) -> Vec<String> {
        let instances = self.instances as u64;
        let each = self.later.resident_bytes.saturating_sub(empty) / instances;
        let cpu = self.usage.cpu.as_secs_f64() * 1e6 / instances as f64;
        vec![
            name.to_owned(),
            seconds(self.took),
            seconds(self.usage.cpu),
            format!("{cpu:.1} µs"),
            mebibytes(self.usage.resident_bytes),
            mebibytes(self.later.resident_bytes),
            mebibytes(self.later.peak_bytes),
            number(each),
        ]
    }

    fn single(&self, name: &str) -> Vec<String> {
        let cpu = self.change_cpu.as_secs_f64() * 1e3 / self.changes as f64;
        vec![
            name.to_owned(),
            number(self.changes as u64),
            format!("{cpu:.2} ms"),
            milliseconds(self.delays.median()),
            milliseconds(self.delays.p99()),
            (self.changes - self.delays.len()).to_string(),
        ]
    }
}

async fn grow(services: u32, window: Duration) -> anyhow::Result<Grown> {
    let mut fleet = Fleet::new("bench", services, INSTANCES);
    let ports = [PortBlock::reserve()?, PortBlock::reserve()?];
    let [source, replica] = [ports[0].http(), ports[1].http()];
    let (_source, publisher) = serve(source, ports[0].grpc()).await?;
    bare::register_all(&publisher, &fleet).await?;

    let mut syncline = Syncline::run(source, Target::Embedded(replica))?;
    let Complete { asked, .. } = until_complete(replica, &fleet, WITHIN)
        .await
        .map_err(|error| syncline.explain(error))?;
    let took = asked.duration_since(syncline.started());
    let usage = syncline.usage()?;

    let board = Board::new();
    let changing = CHANGING.min(services);
    let observer = Arc::clone(&board);
    let _subscriber =
        Subscriber::start(ports[1].grpc(), fleet.names, 0..changing, observer).await?;
    syncline.calm(SETTLE).await?;
    let idle = syncline.usage()?;
    tokio::time::sleep(window).await;
    let before = syncline.usage()?;
    let changes = window.as_secs() as usize * CHANGES_PER_SECOND;
    change(&publisher, &mut fleet, &board, changes, changing).await?;
    let after = syncline.usage()?;
    Ok(Grown {
        instances: fleet.instances(),
        took,
        usage,
        later: after,
        change_cpu: after
            .cpu_since(&before)
            .saturating_sub(before.cpu_since(&idle)),
        changes,
        delays: (0..changes).filter_map(|at| board.delay(at)).collect(),
    })
}

/// Starts the source, and the one client that registers there.
pub(crate) async fn serve(
    http: SocketAddr,
    grpc: SocketAddr,
) -> anyhow::Result<(Process, GrpcConnection)> {
    let source = syncline::serve(http)?;
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match bare::connect(grpc).await {
            Ok(publisher) => return Ok((source, publisher)),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn change(
    publisher: &GrpcConnection,
    fleet: &mut Fleet,
    board: &Board,
    changes: usize,
    changing: u32,
) -> anyhow::Result<()> {
    let mut pace = interval(Duration::from_secs(1) / CHANGES_PER_SECOND as u32);
    for change in 0..changes {
        let service = change as u32 % changing;
        board.until_seen(service, LOST_AFTER).await;
        pace.tick().await;
        let revision = change as u64 + 1;
        fleet.change(service, 0, revision);
        board.expect(service, change, Sign::Shows(0, revision), Instant::now());
        bare::register(publisher, fleet, service)
            .await
            .context("make a change")?;
    }
    for service in 0..changing {
        board.until_seen(service, LOST_AFTER).await;
    }
    Ok(())
}
