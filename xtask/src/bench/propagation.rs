//! How long until a change is seen.
//!
//! Changes are made at a real Nacos 2.1.1 over gRPC. A bare subscriber sees them there; another sees them where
//! Syncline has copied them: at its embedded replica, or at a real Nacos 2.2.4. For the latter the floor is what the
//! two servers need by themselves: the bare subscriber's delay, plus the delay of a change that a bare client makes at
//! the target at the same time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use syncline_nacos::grpc::GrpcConnection;
use syncline_testkit::nacos::{RealNacos, Version};
use syncline_testkit::ports::PortBlock;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::Effort;
use crate::board::{Board, Sign};
use crate::delays::Delays;
use xtask_stage::bare::{self, Subscriber};
use xtask_stage::compare::until_complete;
use xtask_stage::fleet::Fleet;
use xtask_stage::report::say;
use xtask_stage::servers;
use xtask_stage::syncline::{Hold, Syncline, Target};
use xtask_stage::table::{Table, milliseconds, ratio};

const SERVICES: u32 = 50;
const INSTANCES: u32 = 10;

/// Between two changes. Prime to the servers' tick of 100 ms, so that changes come at every phase of it.
const PACE: Duration = Duration::from_millis(37);

/// After this a change counts as lost.
const LOST_AFTER: Duration = Duration::from_secs(30);

/// For subscriptions to stand once everything is there.
const SETTLE: Duration = Duration::from_secs(5);

const WITHIN: Duration = Duration::from_secs(120);

/// What is done to a service, in turn: its eleventh instance comes, changes, and goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Register,
    Metadata,
    Deregister,
}

const KINDS: [(Kind, &str); 3] = [
    (Kind::Register, "register"),
    (Kind::Metadata, "metadata change"),
    (Kind::Deregister, "deregister, 1 of 11"),
];

/// One change: how long until the bare subscriber saw it, and until the subscriber of the copy did.
#[derive(Debug, Clone, Copy)]
struct Sample {
    kind: Kind,
    bare: Option<Duration>,
    copy: Option<Duration>,
    /// A change at the target itself, made by a bare client at that moment.
    direct: Option<Duration>,
}

impl Sample {
    /// What the copy cannot be faster than.
    fn floor(&self, has_direct: bool) -> Option<Duration> {
        if has_direct {
            Some(self.bare? + self.direct?)
        } else {
            self.bare
        }
    }
}

/// Measures both routes.
pub(crate) async fn measure(effort: Effort) -> anyhow::Result<Vec<Table>> {
    let changes = if effort.quick { 150 } else { 1_200 };
    let new_services = if effort.quick { 5 } else { 30 };
    let mut tables = to_replica(changes, new_services).await?;
    tables.push(to_nacos(changes).await?);
    Ok(tables)
}

async fn to_replica(changes: usize, new_services: u32) -> anyhow::Result<Vec<Table>> {
    let [source] = servers::start([Version::V2_1_1]).await?;
    let replica = PortBlock::reserve()?;
    let mut stage = Stage::set(source, Target::Embedded(replica.http())).await?;
    let samples = stage.change(changes, None).await?;
    let title = "Nacos 2.1.1 to a subscriber of the embedded replica, beside a bare subscriber";
    let goals = "goals: median ≤ 1.1, p99 ≤ 1.2";
    let known = table(
        title,
        "bare subscriber",
        "at the replica",
        &samples,
        false,
        goals,
    );
    let found = stage.new_services(new_services).await?;
    Ok(vec![known, found])
}

async fn to_nacos(changes: usize) -> anyhow::Result<Table> {
    let [source, target] = servers::start([Version::V2_1_1, Version::V2_2_4]).await?;
    let to = Target::Nacos(target.addr(), Hold::Connection);
    let mut stage = Stage::set(source, to).await?;
    let direct = Direct::start(&target).await?;
    let samples = stage.change(changes, Some(direct)).await?;
    let title = "Nacos 2.1.1 to a subscriber of Nacos 2.2.4, beside the floor";
    let goals = "the floor of a change is the bare subscriber's delay at the source plus, at the same moment, that of a \
                 bare client's change at the target; goal: median ≤ 1.05";
    Ok(table(
        title,
        "floor",
        "at the target",
        &samples,
        true,
        goals,
    ))
}

/// A link that runs, with subscribers at both of its ends.
struct Stage {
    // First, since fields drop in order: they go before the servers.
    _subscribers: [Subscriber; 2],
    source: RealNacos,
    copy: std::net::SocketAddr,
    syncline: Syncline,
    publisher: Arc<GrpcConnection>,
    fleet: Fleet,
    boards: [Arc<Board>; 2],
}

impl Stage {
    async fn set(source: RealNacos, to: Target) -> anyhow::Result<Self> {
        let fleet = Fleet::new("bench", SERVICES, INSTANCES);
        let publisher = bare::connect(source.grpc_addr()).await?;
        bare::register_all(&publisher, &fleet).await?;
        say("starting Syncline");
        let syncline = Syncline::run(source.addr(), to)?;
        let copy = to.addr();
        until_complete(copy, &fleet, WITHIN)
            .await
            .map_err(|error| syncline.explain(error))?;
        let boards = [Board::new(), Board::new()];
        let subscribe = |at, board: &Arc<Board>| {
            let board = Arc::clone(board);
            Subscriber::start(at, fleet.names, 0..SERVICES, board)
        };
        let subscribers = [
            subscribe(source.grpc_addr(), &boards[0]).await?,
            subscribe(grpc_of(copy), &boards[1]).await?,
        ];
        tokio::time::sleep(SETTLE).await;
        Ok(Self {
            _subscribers: subscribers,
            source,
            copy,
            syncline,
            publisher: Arc::new(publisher),
            fleet,
            boards,
        })
    }

    /// Makes so many changes, spread over the services.
    async fn change(
        &mut self,
        changes: usize,
        mut direct: Option<Direct>,
    ) -> anyhow::Result<Vec<Sample>> {
        say(&format!("making {changes} changes"));
        let mut calls = JoinSet::new();
        let mut ticks = interval(PACE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for change in 0..changes {
            let (service, kind) = turn(change);
            let all = self.boards.iter().chain(direct.as_ref().map(|d| &d.board));
            for board in all {
                board.until_seen(service, LOST_AFTER).await;
            }
            ticks.tick().await;
            let sign = apply(&mut self.fleet, service, kind, change);
            for board in &self.boards {
                board.expect(service, change, sign, Instant::now());
            }
            call(&mut calls, &self.publisher, &self.fleet, service);
            if let Some(direct) = &mut direct {
                let sign = apply(&mut direct.fleet, service, kind, change);
                direct.board.expect(service, change, sign, Instant::now());
                call(&mut calls, &direct.publisher, &direct.fleet, service);
            }
            while let Some(done) = calls.try_join_next() {
                done.context("a call panicked")??;
            }
        }
        for service in 0..SERVICES {
            for board in self.boards.iter().chain(direct.as_ref().map(|d| &d.board)) {
                board.until_seen(service, LOST_AFTER).await;
            }
        }
        self.syncline.usage().context("after all changes")?;
        let sample = |change| Sample {
            kind: turn(change).1,
            bare: self.boards[0].delay(change),
            copy: self.boards[1].delay(change),
            direct: direct.as_ref().and_then(|d| d.board.delay(change)),
        };
        Ok((0..changes).map(sample).collect())
    }

    /// Registers services that nobody has heard of, one after another.
    async fn new_services(&mut self, count: u32) -> anyhow::Result<Table> {
        say(&format!("registering {count} new services"));
        let fleet = Fleet::new("new", count, 1);
        let boards = [Board::new(), Board::new()];
        let places = [self.source.grpc_addr(), grpc_of(self.copy)];
        let mut subscribers = Vec::new();
        for (board, at) in boards.iter().zip(places) {
            let board = Arc::clone(board);
            subscribers.push(Subscriber::start(at, fleet.names, 0..count, board).await?);
        }
        for service in 0..count {
            // At every phase of whatever is polled.
            tokio::time::sleep(Duration::from_millis(
                1_000 + u64::from(service) * 617 % 2_000,
            ))
            .await;
            for board in &boards {
                board.expect(service, service as usize, Sign::Shows(0, 0), Instant::now());
            }
            bare::register(&self.publisher, &fleet, service).await?;
            for board in &boards {
                board.until_seen(service, LOST_AFTER).await;
            }
        }
        let mut table = Table::new(
            "Until a new service is seen",
            &["who", "services", "min", "median", "p99", "max", "not seen"],
        );
        let who = ["bare subscriber that knew the name", "at the replica"];
        for (who, board) in who.into_iter().zip(&boards) {
            let delays: Delays = (0..count as usize)
                .filter_map(|at| board.delay(at))
                .collect();
            table.row([
                who.to_owned(),
                delays.len().to_string(),
                milliseconds(delays.min()),
                milliseconds(delays.median()),
                milliseconds(delays.p99()),
                milliseconds(delays.max()),
                (count as usize - delays.len()).to_string(),
            ]);
        }
        table.note(
            "Nacos 2.x tells no one of new services: Syncline asks for the list of names every 2 s (more seldom where \
             one answer takes more than 0.1 s), and subscribes to what is new.",
        );
        Ok(table)
    }
}

/// A bare client that changes services of its own at the target, and a subscriber that sees it.
struct Direct {
    publisher: Arc<GrpcConnection>,
    fleet: Fleet,
    board: Arc<Board>,
    _subscriber: Subscriber,
}

impl Direct {
    async fn start(target: &RealNacos) -> anyhow::Result<Self> {
        let fleet = Fleet::new("floor", SERVICES, INSTANCES);
        let publisher = bare::connect(target.grpc_addr()).await?;
        bare::register_all(&publisher, &fleet).await?;
        let board = Board::new();
        let observer = Arc::clone(&board);
        let subscriber =
            Subscriber::start(target.grpc_addr(), fleet.names, 0..SERVICES, observer).await?;
        tokio::time::sleep(SETTLE).await;
        Ok(Self {
            publisher: Arc::new(publisher),
            fleet,
            board,
            _subscriber: subscriber,
        })
    }
}

fn grpc_of(http: std::net::SocketAddr) -> std::net::SocketAddr {
    std::net::SocketAddr::new(http.ip(), http.port() + 1000)
}

/// Which service a change is of, and what it does.
fn turn(change: usize) -> (u32, Kind) {
    let services = SERVICES as usize;
    let kind = KINDS[change / services % KINDS.len()].0;
    ((change % services) as u32, kind)
}

/// Makes a change in the fleet; how it shows.
fn apply(fleet: &mut Fleet, service: u32, kind: Kind, change: usize) -> Sign {
    let revision = change as u64 + 1;
    match kind {
        Kind::Register => Sign::Shows(fleet.add(service, revision), revision),
        Kind::Metadata => {
            let place = fleet.instances_of(service) - 1;
            fleet.change(service, place, revision);
            Sign::Shows(place, revision)
        }
        Kind::Deregister => Sign::Lacks(fleet.remove(service)),
    }
}

/// Publishes a service without waiting for the answer.
fn call(
    calls: &mut JoinSet<anyhow::Result<()>>,
    publisher: &Arc<GrpcConnection>,
    fleet: &Fleet,
    service: u32,
) {
    let publisher = Arc::clone(publisher);
    let (service, set) = (fleet.names.service(service), fleet.set(service));
    calls.spawn(async move {
        publisher.batch_register(&service, &set).await?;
        Ok(())
    });
}

fn table(
    title: &str,
    floor: &str,
    copy: &str,
    samples: &[Sample],
    has_direct: bool,
    note: &str,
) -> Table {
    let columns = [
        "change".to_owned(),
        "n".to_owned(),
        format!("{floor}: min"),
        "median".to_owned(),
        "p99".to_owned(),
        format!("{copy}: min"),
        "median".to_owned(),
        "p99".to_owned(),
        "ratio of medians".to_owned(),
        "ratio of p99".to_owned(),
        "not seen".to_owned(),
    ];
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut table = Table::new(title, &columns);
    let all = KINDS.map(|(kind, name)| (Some(kind), name));
    for (kind, name) in all.into_iter().chain([(None, "all")]) {
        let of_kind = |sample: &&Sample| kind.is_none_or(|kind| sample.kind == kind);
        let samples: Vec<&Sample> = samples.iter().filter(of_kind).collect();
        let floors: Delays = samples.iter().filter_map(|s| s.floor(has_direct)).collect();
        let copies: Delays = samples.iter().filter_map(|s| s.copy).collect();
        table.row([
            name.to_owned(),
            samples.len().to_string(),
            milliseconds(floors.min()),
            milliseconds(floors.median()),
            milliseconds(floors.p99()),
            milliseconds(copies.min()),
            milliseconds(copies.median()),
            milliseconds(copies.p99()),
            ratio(copies.median(), floors.median()),
            ratio(copies.p99(), floors.p99()),
            (samples.len() - copies.len()).to_string(),
        ]);
    }
    table.note(format!(
        "{SERVICES} known services of {INSTANCES} instances, a change every {} ms, from the call to the push; {note}",
        PACE.as_millis()
    ));
    table
}
