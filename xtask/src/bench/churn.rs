//! Minutes of many changes, from Nacos 2.1.1 to Nacos 2.2.4.
//!
//! Two shapes: many services, of which some instance changes, comes or goes; and one service of thousands of instances,
//! registered by many connections. At the end a raw list of the target is compared with what was registered.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use syncline_nacos::grpc::{GrpcConnection, ServiceRef};
use syncline_nacos::message::Instance;
use syncline_testkit::nacos::{RealNacos, Version};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::Effort;
use crate::proxy::{Proxy, Traffic};
use xtask_stage::bare;
use xtask_stage::compare::{Comparison, compare, until_complete};
use xtask_stage::fleet::{Fleet, scattered};
use xtask_stage::process::Usage;
use xtask_stage::report::say;
use xtask_stage::servers;
use xtask_stage::syncline::{Hold, Syncline, Target};
use xtask_stage::table::{Table, mebibytes, number, seconds};

const WITHIN: Duration = Duration::from_secs(900);

/// How long after the last change the target may take to show it, before what is wrong counts as lost.
const CATCH_UP: Duration = Duration::from_secs(60);

/// Calm before the changes begin.
const SETTLE: Duration = Duration::from_secs(10);

/// Over how many connections the one large service is registered.
const CONNECTIONS: usize = 50;

/// Calls to the source that may be on their way at once.
const LANES: usize = 16;

/// Changes that may wait for their turn in each lane.
const WAITING: usize = 64;

/// What changes, and how fast.
struct Shape {
    services: u32,
    instances: u32,
    changes_per_second: u32,
    /// How many connections register each service together.
    connections: usize,
}

impl Shape {
    fn name(&self) -> String {
        format!(
            "{} × {}, {} changes/s",
            number(self.services.into()),
            number(self.instances.into()),
            self.changes_per_second
        )
    }
}

/// Measures both shapes.
pub(crate) async fn measure(effort: Effort) -> anyhow::Result<Vec<Table>> {
    let window = match (effort.minutes, effort.quick) {
        (Some(minutes), _) => Duration::from_secs(60 * minutes),
        (None, true) => Duration::from_secs(20),
        (None, false) => Duration::from_secs(300),
    };
    let (services, instances) = if effort.quick {
        (500, 1_000)
    } else {
        (10_000, 5_000)
    };
    let shapes = [
        Shape {
            services,
            instances: 10,
            changes_per_second: 50,
            connections: 1,
        },
        Shape {
            services: 1,
            instances,
            changes_per_second: 20,
            connections: CONNECTIONS,
        },
    ];
    let mut work = Table::new(
        format!(
            "{} s of changes, Nacos 2.1.1 to Nacos 2.2.4",
            window.as_secs()
        ),
        &[
            "services × instances",
            "changes",
            "wrong at the end",
            "all equal after",
            "Syncline's CPU",
            "source CPU",
            "target CPU",
            "bytes out",
            "… a change",
            "calls out",
        ],
    );
    let mut memory = Table::new(
        "Syncline's memory meanwhile",
        &[
            "services × instances",
            "before",
            "25 %",
            "50 %",
            "75 %",
            "at the end",
            "peak",
        ],
    );
    for shape in &shapes {
        say(&shape.name());
        let outcome = churn(shape, window).await?;
        work.row(outcome.work(shape, window));
        let samples = outcome.memory.iter().copied().chain([outcome.peak]);
        memory.row([shape.name()].into_iter().chain(samples.map(mebibytes)));
    }
    work.note(
        "Wrong at the end: instances that a raw list of the target lacks, has too many or shows with some field \
         different, 60 s after the last change at the latest. All equal after: from the last change on.",
    );
    work.note(
        "Of five changes three are to an instance's metadata, one adds an instance and one removes one; those of the \
         one large service are all to metadata. Bytes out are those from Syncline to the target.",
    );
    Ok(vec![work, memory])
}

/// What came of it.
struct Outcome {
    changes: u64,
    /// What was wrong at the end, and how long it took until nothing was.
    left: Comparison,
    equal_after: Option<Duration>,
    cpu: [Duration; 3],
    out: Traffic,
    /// Before, after each quarter.
    memory: Vec<u64>,
    peak: u64,
}

impl Outcome {
    fn work(&self, shape: &Shape, window: Duration) -> Vec<String> {
        let rate = self.changes as f64 / window.as_secs_f64();
        let [own, source, target] = self.cpu.map(seconds);
        let wrong = match &self.left.example {
            Some(example) => format!("{}: {example}", self.left.wrong()),
            None => format!("0 of {}", number(self.left.equal as u64)),
        };
        vec![
            shape.name(),
            format!("{} ({rate:.1}/s)", number(self.changes)),
            wrong,
            self.equal_after.map_or("never".to_owned(), seconds),
            own,
            source,
            target,
            mebibytes(self.out.up_bytes),
            format!("{} B", number(self.out.up_bytes / self.changes.max(1))),
            number(self.out.grpc),
        ]
    }
}

async fn churn(shape: &Shape, window: Duration) -> anyhow::Result<Outcome> {
    let [source, target] = servers::start([Version::V2_1_1, Version::V2_2_4]).await?;
    let mut publisher = Publisher::start(&source, shape).await?;
    let out = Proxy::start(target.addr()).await?;
    let to = Target::Nacos(out.addr(), Hold::Connection);
    let mut syncline = Syncline::run(source.addr(), to)?;
    until_complete(target.addr(), &publisher.fleet, WITHIN)
        .await
        .map_err(|error| syncline.explain(error))?;
    tokio::time::sleep(SETTLE).await;
    publisher.pace.reset();

    let mut usages = || -> anyhow::Result<[Usage; 3]> {
        let servers = [servers::usage(&source)?, servers::usage(&target)?];
        Ok([syncline.usage()?, servers[0], servers[1]])
    };
    let (before, traffic) = (usages()?, out.traffic());
    let mut memory = vec![before[0].resident_bytes];
    let start = Instant::now();
    for quarter in 1..=4 {
        publisher.change_until(start + window * quarter / 4).await;
        memory.push(usages()?[0].resident_bytes);
    }
    publisher.finish().await?;
    let (left, equal_after) = catch_up(&target, &publisher.fleet).await?;
    let after = usages()?;
    Ok(Outcome {
        changes: publisher.changes,
        left,
        equal_after,
        cpu: std::array::from_fn(|at| after[at].cpu_since(&before[at])),
        out: out.traffic().since(&traffic),
        memory,
        peak: after[0].peak_bytes,
    })
}

/// Compares until nothing is wrong, or until it had time enough.
async fn catch_up(
    target: &RealNacos,
    fleet: &Fleet,
) -> anyhow::Result<(Comparison, Option<Duration>)> {
    let last_change = Instant::now();
    loop {
        let asked = last_change.elapsed();
        let left = compare(target.addr(), fleet).await?;
        if left.wrong() == 0 {
            return Ok((left, Some(asked)));
        }
        if asked > CATCH_UP {
            return Ok((left, None));
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Registers at the source and changes what it registered.
struct Publisher {
    fleet: Fleet,
    pool: Vec<GrpcConnection>,
    lanes: Vec<mpsc::Sender<Publication>>,
    publishing: JoinSet<anyhow::Result<()>>,
    changes: u64,
    pace: Interval,
}

/// What a connection registers.
struct Publication {
    connection: GrpcConnection,
    service: ServiceRef,
    instances: Vec<Instance>,
}

impl Publisher {
    async fn start(source: &RealNacos, shape: &Shape) -> anyhow::Result<Self> {
        let fleet = Fleet::new("bench", shape.services, shape.instances);
        let mut pace = interval(Duration::from_secs(1) / shape.changes_per_second);
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut publisher = Self {
            fleet,
            pool: Vec::new(),
            lanes: Vec::new(),
            publishing: JoinSet::new(),
            changes: 0,
            pace,
        };
        for _ in 0..shape.connections {
            let connection = bare::connect(source.grpc_addr()).await?;
            publisher.pool.push(connection);
        }
        for _ in 0..LANES {
            let (sender, waiting) = mpsc::channel(WAITING);
            publisher.lanes.push(sender);
            publisher.publishing.spawn(publish(waiting));
        }
        for service in 0..shape.services {
            for part in 0..shape.connections {
                publisher.publish(service, part).await;
            }
        }
        Ok(publisher)
    }

    /// Makes changes at the shape's pace.
    async fn change_until(&mut self, end: Instant) {
        while Instant::now() < end {
            self.pace.tick().await;
            let (service, place) = self.change();
            self.publish(service, place / self.part_size(service)).await;
        }
    }

    /// Makes the next change in the fleet: of which service, at which place.
    fn change(&mut self) -> (u32, usize) {
        let change = self.changes;
        self.changes += 1;
        let draw = scattered(change);
        let service = (draw % u64::from(self.fleet.services())) as u32;
        let instances = self.fleet.instances_of(service);
        let alone = self.pool.len() == 1;
        let place = match change % 5 {
            3 if alone && instances < 12 => self.fleet.add(service, change + 1),
            4 if alone && instances > 8 => self.fleet.remove(service),
            _ => {
                let place = (draw >> 32) as usize % instances;
                self.fleet.change(service, place, change + 1);
                place
            }
        };
        (service, place)
    }

    /// Publishes the part of a service that one connection registers, in turn after what was published of it before.
    async fn publish(&self, service: u32, part: usize) {
        let part = part.min(self.pool.len() - 1);
        let size = self.part_size(service);
        let end = self.fleet.instances_of(service).min((part + 1) * size);
        let publication = Publication {
            connection: self.pool[part].clone(),
            service: self.fleet.names.service(service),
            instances: self.fleet.part(service, part * size..end),
        };
        let lane = (service as usize + part) % LANES;
        // It is closed where its connection failed, which `finish` tells.
        self.lanes[lane].send(publication).await.ok();
    }

    /// Waits until the source has taken everything.
    async fn finish(&mut self) -> anyhow::Result<()> {
        self.lanes.clear();
        while let Some(ended) = self.publishing.join_next().await {
            ended.context("a lane panicked")??;
        }
        Ok(())
    }

    /// How many instances of a service each connection registers.
    fn part_size(&self, service: u32) -> usize {
        self.fleet.instances_of(service).div_ceil(self.pool.len())
    }
}

/// A lane: one call after another, so that of each service the last that was sent is the last that the server heard.
async fn publish(mut waiting: mpsc::Receiver<Publication>) -> anyhow::Result<()> {
    while let Some(publication) = waiting.recv().await {
        let Publication {
            connection,
            service,
            instances,
        } = publication;
        connection
            .batch_register(&service, &instances)
            .await
            .context("make a change at the source")?;
    }
    Ok(())
}
