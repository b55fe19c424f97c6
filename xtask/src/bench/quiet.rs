//! What a minute without changes costs.
//!
//! After a first sync from Nacos 2.1.1 to Nacos 2.2.4, in the same minute: Syncline, its source, its target, and
//! another target at which a bare client holds the same data. What passes between Syncline and the servers is counted
//! on its way.

use std::time::Duration;

use syncline_testkit::nacos::Version;

use crate::Effort;
use crate::hold::{self, Over};
use crate::proxy::{Proxy, Traffic};
use xtask_stage::compare::until_complete;
use xtask_stage::fleet::Fleet;
use xtask_stage::process::Usage;
use xtask_stage::report::say;
use xtask_stage::servers;
use xtask_stage::syncline::{Hold, Syncline, Target};
use xtask_stage::table::{Table, mebibytes, number, seconds};

const INSTANCES: u32 = 10;
const WITHIN: Duration = Duration::from_secs(900);

/// How long what follows a first sync takes: compiling and collecting in the servers, the last records in Syncline.
const SETTLE: Duration = Duration::from_secs(60);

/// Measures each size.
pub(crate) async fn measure(effort: Effort) -> anyhow::Result<Vec<Table>> {
    let (sizes, settle, window) = if effort.quick {
        (vec![200], Duration::from_secs(10), Duration::from_secs(20))
    } else {
        (vec![1_000, 10_000], SETTLE, Duration::from_secs(60))
    };
    let mut cpu = Table::new(
        format!("CPU time in {} quiet seconds", window.as_secs()),
        &[
            "services × instances",
            "Syncline",
            "its target",
            "target beside, held by a bare client",
            "its source",
            "Syncline's memory",
        ],
    );
    let mut requests = Table::new(
        format!("What Syncline asked in these {} s", window.as_secs()),
        &[
            "services × instances",
            "of",
            "HTTP requests",
            "gRPC calls",
            "bytes sent",
            "bytes received",
        ],
    );
    for services in sizes {
        let name = format!("{} × {INSTANCES}", number(services.into()));
        if !effort.includes(services) {
            cpu.not_run(&name);
            requests.not_run(&name);
            continue;
        }
        say(&name);
        let fleet = Fleet::new("bench", services, INSTANCES);
        let quiet = quiet(&fleet, settle, window).await?;
        cpu.row([
            name.clone(),
            seconds(quiet.syncline),
            seconds(quiet.target),
            seconds(quiet.beside),
            seconds(quiet.source),
            mebibytes(quiet.memory),
        ]);
        for (of, traffic) in [
            ("source", quiet.asked_source),
            ("target", quiet.asked_target),
        ] {
            requests.row([
                name.clone(),
                of.to_owned(),
                requests_of(&traffic),
                number(traffic.grpc),
                number(traffic.up_bytes),
                number(traffic.down_bytes),
            ]);
        }
    }
    cpu.note(format!(
        "`hold: connection`; measured {} s after the first sync, all columns in the same minute. Goals: Syncline \
         ≤ 0.2 s a minute, no difference between the two targets.",
        settle.as_secs()
    ));
    requests.note(
        "gRPC calls include the health check that each connection sends every 5 s. A whole list is read again every 5 \
         minutes (`verify_every`), which may or may not fall into the minute.",
    );
    Ok(vec![cpu, requests])
}

struct Quiet {
    syncline: Duration,
    source: Duration,
    target: Duration,
    beside: Duration,
    memory: u64,
    asked_source: Traffic,
    asked_target: Traffic,
}

async fn quiet(fleet: &Fleet, settle: Duration, window: Duration) -> anyhow::Result<Quiet> {
    let versions = [Version::V2_1_1, Version::V2_2_4, Version::V2_2_4];
    let [source, target, beside] = servers::start(versions).await?;
    let _applications = hold::start(Over::Grpc, source.addr(), fleet)?;
    let _bare = hold::start(Over::Grpc, beside.addr(), fleet)?;
    until_complete(source.addr(), fleet, WITHIN).await?;
    until_complete(beside.addr(), fleet, WITHIN).await?;
    let [to_source, to_target] = [
        Proxy::start(source.addr()).await?,
        Proxy::start(target.addr()).await?,
    ];
    let to = Target::Nacos(to_target.addr(), Hold::Connection);
    let mut syncline = Syncline::run(to_source.addr(), to)?;
    until_complete(target.addr(), fleet, WITHIN)
        .await
        .map_err(|error| syncline.explain(error))?;
    tokio::time::sleep(settle).await;

    let mut look = || -> anyhow::Result<([Usage; 4], [Traffic; 2])> {
        let usages = [
            syncline.usage()?,
            servers::usage(&source)?,
            servers::usage(&target)?,
            servers::usage(&beside)?,
        ];
        Ok((usages, [to_source.traffic(), to_target.traffic()]))
    };
    let (before, asked_before) = look()?;
    tokio::time::sleep(window).await;
    let (after, [source_asked, target_asked]) = look()?;
    let [own, of_source, of_target, of_beside] =
        std::array::from_fn(|at| after[at].cpu_since(&before[at]));
    Ok(Quiet {
        syncline: own,
        source: of_source,
        target: of_target,
        beside: of_beside,
        memory: after[0].resident_bytes,
        asked_source: source_asked.since(&asked_before[0]),
        asked_target: target_asked.since(&asked_before[1]),
    })
}

fn requests_of(traffic: &Traffic) -> String {
    if traffic.http.is_empty() {
        return "0".to_owned();
    }
    let lines = traffic.http.iter();
    let lines = lines.map(|(path, count)| format!("{} × {path}", number(*count)));
    lines.collect::<Vec<_>>().join("; ")
}
