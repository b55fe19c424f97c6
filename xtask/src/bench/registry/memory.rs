//! What instances and connections cost a registry, each measured in a process that was just started.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::candidate::{self, Candidate, Kind};
use crate::Effort;
use xtask_stage::bare::{self, IN_FLIGHT};
use xtask_stage::fleet::Fleet;
use xtask_stage::report::say;
use xtask_stage::table::{Table, mebibytes, number};

const INSTANCES: u32 = 10;

/// For what follows registrations: pushes that nobody waits for, collectors.
const SETTLE: Duration = Duration::from_secs(10);

/// Measures each registry.
pub(super) async fn measure(kinds: &[Kind], effort: Effort) -> anyhow::Result<Table> {
    candidate::unpin().await?;
    let (services, connections) = if effort.quick {
        (500, 200)
    } else {
        (10_000, 10_000)
    };
    let instances = |services: u32| number(u64::from(services * INSTANCES));
    let mut table = Table::new(
        "The embedded registry beside others: memory",
        &["what", "who", "resident before", "then", "each"],
    );
    for &kind in kinds {
        let what = format!("{} instances", instances(services));
        say(&format!("{what}: {}", kind.name()));
        table.row(registered(kind, services).await.row(&what, kind));
    }
    for &kind in kinds {
        let what = format!("{} idle gRPC connections", number(connections as u64));
        say(&format!("{what}: {}", kind.name()));
        table.row(connected(kind, connections).await.row(&what, kind));
    }
    let many = 10 * services;
    let what = format!("{} instances", instances(many));
    if effort.includes(many) {
        say(&what);
        let cost = registered(Kind::Syncline, many).await;
        table.row(cost.row(&what, Kind::Syncline));
    } else {
        table.not_run(&what);
    }
    table.note(format!(
        "Services of {INSTANCES} instances with five metadata pairs each, registered by gRPC batches over one \
         connection; {} s after the last. Nacos runs with {}. Goal: at most half of r-nacos an instance.",
        SETTLE.as_secs(),
        xtask_stage::servers::JAVA_OPTIONS,
    ));
    Ok(table)
}

/// What a process held before and after.
struct Cost {
    before: u64,
    then: u64,
    each: u64,
}

/// A cost, or why there is none.
struct Measured(anyhow::Result<Cost>);

impl Measured {
    fn row(self, what: &str, kind: Kind) -> Vec<String> {
        let mut cells = vec![what.to_owned(), kind.name().to_owned()];
        match self.0 {
            Ok(cost) => cells.extend([
                mebibytes(cost.before),
                mebibytes(cost.then),
                format!("{} B", number(cost.each)),
            ]),
            Err(error) => {
                say(&format!("{}: {error:#}", kind.name()));
                cells.push("failed".to_owned());
            }
        }
        cells
    }
}

async fn registered(kind: Kind, services: u32) -> Measured {
    let measured = async {
        let candidate = Candidate::start(kind).await?;
        let before = candidate.usage()?.resident_bytes;
        let fleet = Fleet::new("memory", services, INSTANCES);
        let connection = bare::connect(candidate.grpc).await?;
        bare::register_all(&connection, &fleet).await?;
        cost(&candidate, before, fleet.instances()).await
    };
    Measured(measured.await)
}

async fn connected(kind: Kind, connections: usize) -> Measured {
    let measured = async {
        let candidate = Candidate::start(kind).await?;
        let before = candidate.usage()?.resident_bytes;
        let all = stream::iter(0..connections).map(|_| Ok(bare::open(candidate.grpc)));
        let _all: Vec<_> = all.try_buffer_unordered(IN_FLIGHT).try_collect().await?;
        cost(&candidate, before, connections).await
    };
    Measured(measured.await)
}

async fn cost(candidate: &Candidate, before: u64, count: usize) -> anyhow::Result<Cost> {
    tokio::time::sleep(SETTLE).await;
    let then = candidate.usage()?.resident_bytes;
    Ok(Cost {
        before,
        then,
        each: then.saturating_sub(before) / count.max(1) as u64,
    })
}
