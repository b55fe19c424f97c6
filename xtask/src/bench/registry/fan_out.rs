//! One change, and when each of many subscribers is told of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use parking_lot::Mutex;
use syncline_nacos::message::ServiceInfo;

use super::candidate::Candidate;
use crate::Effort;
use crate::delays::Delays;
use xtask_stage::bare::{self, IN_FLIGHT, Observer, Subscriber};
use xtask_stage::fleet::{Fleet, revision};
use xtask_stage::report::say;
use xtask_stage::table::{Table, milliseconds, number};

/// After this a change counts as lost for whoever has not seen it.
const LOST_AFTER: Duration = Duration::from_secs(30);

/// Between two changes.
const PAUSE: Duration = Duration::from_secs(1);

/// Measures each registry, one after the other.
pub(super) async fn measure(running: &[Candidate], effort: Effort) -> anyhow::Result<Table> {
    let (subscribers, changes) = if effort.quick { (50, 3) } else { (1_000, 10) };
    let mut table = Table::new(
        format!(
            "One more instance told to {} subscribers, each with a connection of its own",
            number(subscribers as u64)
        ),
        &[
            "who",
            "changes",
            "first told: median",
            "last told: median",
            "last told: max",
            "not told",
        ],
    );
    for candidate in running {
        say(&format!("fan-out: {}", candidate.kind.name()));
        let mut cells = vec![candidate.kind.name().to_owned()];
        match tell(candidate, subscribers, changes).await {
            Ok(told) => cells.extend(told.cells()),
            Err(error) => {
                say(&format!("{}: {error:#}", candidate.kind.name()));
                cells.push("failed".to_owned());
            }
        }
        table.row(cells);
    }
    table.note(
        "From the call that registers one more instance, of a service of ten at first, to the push as read by the one \
         process that has all subscribers. Nacos and r-nacos collect changes for 500 ms before they push. (r-nacos 0.8.8 \
         pushes a change of metadata too, but shows what the instance had at first.)",
    );
    Ok(table)
}

/// When the first and the last were told of each change.
#[derive(Default)]
struct Told {
    first: Vec<Duration>,
    last: Vec<Duration>,
    not: usize,
}

impl Told {
    fn cells(self) -> [String; 5] {
        let changes = self.first.len();
        let (first, last): (Delays, Delays) = (
            self.first.into_iter().collect(),
            self.last.into_iter().collect(),
        );
        [
            changes.to_string(),
            milliseconds(first.median()),
            milliseconds(last.median()),
            milliseconds(last.max()),
            self.not.to_string(),
        ]
    }
}

async fn tell(candidate: &Candidate, subscribers: usize, changes: u64) -> anyhow::Result<Told> {
    let mut fleet = Fleet::new("fan-out", 1, 10);
    let publisher = bare::connect(candidate.grpc).await?;
    bare::register_all(&publisher, &fleet).await?;
    let seen = Arc::new(Seen::default());
    let all = stream::iter(0..subscribers).map(|_| {
        let observer = Arc::clone(&seen) as Arc<dyn Observer>;
        Ok(Subscriber::start(
            candidate.grpc,
            fleet.names,
            0..1,
            observer,
        ))
    });
    let _subscribers: Vec<Subscriber> = all.try_buffer_unordered(IN_FLIGHT).try_collect().await?;
    let mut told = Told::default();
    for change in 1..=changes {
        tokio::time::sleep(PAUSE).await;
        seen.expect(change);
        let sent = Instant::now();
        fleet.add(0, change);
        bare::register(&publisher, &fleet, 0).await?;
        while seen.count() < subscribers && sent.elapsed() < LOST_AFTER {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let (count, first, last) = seen.times();
        told.not += subscribers - count.min(subscribers);
        told.first.extend(first.map(|at| at - sent));
        told.last.extend(last.map(|at| at - sent));
    }
    Ok(told)
}

/// Who has seen the change that is expected.
#[derive(Default)]
struct Seen(Mutex<State>);

#[derive(Default)]
struct State {
    revision: u64,
    count: usize,
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Seen {
    fn expect(&self, revision: u64) {
        *self.0.lock() = State {
            revision,
            ..State::default()
        };
    }

    fn count(&self) -> usize {
        self.0.lock().count
    }

    fn times(&self) -> (usize, Option<Instant>, Option<Instant>) {
        let state = self.0.lock();
        (state.count, state.first, state.last)
    }
}

impl Observer for Seen {
    fn shown(&self, _: u32, at: Instant, info: &ServiceInfo) {
        let mut state = self.0.lock();
        let expected = state.revision;
        if expected > 0
            && info
                .hosts
                .items
                .iter()
                .any(|host| revision(host) == Some(expected))
        {
            state.count += 1;
            state.first.get_or_insert(at);
            state.last = Some(at);
        }
    }
}
