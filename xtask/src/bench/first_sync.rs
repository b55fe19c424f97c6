//! How long until everything is copied from Nacos to Nacos, and what it costs.
//!
//! Both ways begin with the start of a process and end when a raw list of the target shows every instance with every
//! field equal: Syncline, which reads the source and writes the target, and a bare client that only registers the same
//! set at a fresh target of its own.

use std::time::{Duration, Instant};

use syncline_testkit::nacos::{RealNacos, Version};

use crate::Effort;
use crate::hold::{self, Over};
use xtask_stage::compare::{Complete, until_complete};
use xtask_stage::fleet::Fleet;
use xtask_stage::process::Usage;
use xtask_stage::report::say;
use xtask_stage::servers;
use xtask_stage::syncline::{Hold, Syncline, Target};
use xtask_stage::table::{Table, mebibytes, number, ratio, seconds};

const WITHIN: Duration = Duration::from_secs(900);

/// One size, and how it is held.
struct Case {
    services: u32,
    instances: u32,
    hold: Hold,
}

impl Case {
    fn name(&self) -> String {
        let (services, instances) = (number(self.services.into()), self.instances);
        format!("{services} × {instances}, {}", self.hold.as_str())
    }
}

/// How one way went.
struct Way {
    started: Instant,
    complete: Complete,
    /// How long the bare client took.
    beside: Option<Duration>,
    /// Of the process that registers.
    own: Usage,
    source_cpu: Option<Duration>,
    target_cpu: Duration,
    target: Usage,
}

impl Way {
    /// Until the list that showed everything was asked for: what the list itself takes would make any two ways alike.
    fn took(&self) -> Duration {
        self.complete.asked.duration_since(self.started)
    }

    fn with_list(&self) -> Duration {
        self.complete.read.duration_since(self.started)
    }
}

/// Measures every size.
pub(crate) async fn measure(effort: Effort) -> anyhow::Result<Vec<Table>> {
    let case = |services, instances, hold| Case {
        services,
        instances,
        hold,
    };
    let cases = if effort.quick {
        vec![case(200, 10, Hold::Connection), case(100, 10, Hold::Beat)]
    } else {
        vec![
            case(1_000, 10, Hold::Connection),
            case(1_000, 10, Hold::Connection),
            case(1_000, 10, Hold::Connection),
            case(10_000, 10, Hold::Connection),
            case(20_000, 3, Hold::Connection),
            case(1_000, 10, Hold::Beat),
        ]
    };
    let mut table = Table::new(
        "First sync, Nacos 2.1.1 to Nacos 2.2.4, beside a bare batch-registering client",
        &[
            "services × instances, hold",
            "who",
            "complete after",
            "… list read",
            "ratio",
            "own CPU",
            "source CPU",
            "target CPU",
            "own memory (peak)",
            "target memory",
        ],
    );
    for case in cases {
        if !effort.includes(case.services) {
            table.not_run(&case.name());
            continue;
        }
        say(&case.name());
        for (who, way) in compared(&case).await? {
            row(&mut table, &case, who, &way);
        }
    }
    table.note(
        "Complete: from the start of the process until the raw list was asked for that showed every instance with \
         every field equal; with `hold: connection` the goal is a ratio ≤ 1.5.",
    );
    table.note(
        "Every row has servers of its own, freshly started; rows of the same size are repetitions.",
    );
    table.note(
        "The bare client beside `hold: connection` registers one batch for each service over one connection, the one \
         beside `hold: beat` one instance with each HTTP request; both have 32 calls on their way at once.",
    );
    Ok(vec![table])
}

/// Both ways, the bare one first.
async fn compared(case: &Case) -> anyhow::Result<[(&'static str, Way); 2]> {
    let fleet = Fleet::new("bench", case.services, case.instances);
    let versions = [Version::V2_1_1, Version::V2_2_4, Version::V2_2_4];
    let [source, beside, target] = servers::start(versions).await?;
    let _applications = hold::start(Over::Grpc, source.addr(), &fleet)?;
    until_complete(source.addr(), &fleet, WITHIN).await?;
    let (over, who) = match case.hold {
        Hold::Connection => (Over::Grpc, "bare client"),
        Hold::Beat => (Over::Http, "bare client, HTTP"),
    };
    let bare = bare(over, &fleet, &beside).await?;
    let mut ours = syncline(&fleet, &source, &target, case.hold).await?;
    ours.beside = Some(bare.took());
    Ok([(who, bare), ("Syncline", ours)])
}

async fn bare(over: Over, fleet: &Fleet, target: &RealNacos) -> anyhow::Result<Way> {
    let before = servers::usage(target)?;
    let started = Instant::now();
    let client = hold::start(over, target.addr(), fleet)?;
    let complete = until_complete(target.addr(), fleet, WITHIN).await?;
    let after = servers::usage(target)?;
    Ok(Way {
        started,
        complete,
        beside: None,
        own: client.usage()?,
        source_cpu: None,
        target_cpu: after.cpu_since(&before),
        target: after,
    })
}

async fn syncline(
    fleet: &Fleet,
    source: &RealNacos,
    target: &RealNacos,
    hold: Hold,
) -> anyhow::Result<Way> {
    let before = [servers::usage(source)?, servers::usage(target)?];
    let mut syncline = Syncline::run(source.addr(), Target::Nacos(target.addr(), hold))?;
    let complete = until_complete(target.addr(), fleet, WITHIN)
        .await
        .map_err(|error| syncline.explain(error))?;
    let after = [servers::usage(source)?, servers::usage(target)?];
    Ok(Way {
        started: syncline.started(),
        complete,
        beside: None,
        own: syncline.usage()?,
        source_cpu: Some(after[0].cpu_since(&before[0])),
        target_cpu: after[1].cpu_since(&before[1]),
        target: after[1],
    })
}

fn row(table: &mut Table, case: &Case, who: &str, way: &Way) {
    table.row([
        case.name(),
        who.to_owned(),
        seconds(way.took()),
        seconds(way.with_list()),
        way.beside.map_or("1".to_owned(), |beside| {
            ratio(Some(way.took()), Some(beside))
        }),
        seconds(way.own.cpu),
        way.source_cpu.map_or("–".to_owned(), seconds),
        seconds(way.target_cpu),
        format!(
            "{} ({})",
            mebibytes(way.own.resident_bytes),
            mebibytes(way.own.peak_bytes)
        ),
        mebibytes(way.target.resident_bytes),
    ]);
}
