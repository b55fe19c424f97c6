//! Asking as fast as answers come, over some connections at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::future::try_join_all;

use super::lane::{Ask, Lane};
use crate::delays::Delays;

/// Calls under way at once, each over an HTTP connection of its own.
pub(super) const AT_ONCE: usize = 32;

/// How it went.
#[derive(Debug, Clone, Default)]
pub(super) struct Rate {
    answered: usize,
    /// Answers that were not what they should be.
    pub(super) bad: usize,
    took: Duration,
    pub(super) delays: Delays,
    /// What all of it cost the server.
    pub(super) cpu: Duration,
}

impl Rate {
    fn of(seen: Vec<Seen>, took: Duration) -> Self {
        Self {
            answered: seen.iter().map(|seen| seen.delays.len()).sum(),
            bad: seen.iter().map(|seen| seen.bad).sum(),
            took,
            delays: seen.into_iter().flat_map(|seen| seen.delays).collect(),
            cpu: Duration::ZERO,
        }
    }

    /// Good answers in a second.
    pub(super) fn per_second(&self) -> f64 {
        (self.answered - self.bad) as f64 / self.took.as_secs_f64()
    }

    /// What an answer cost the server.
    pub(super) fn cpu_of_a_call(&self) -> Duration {
        self.cpu.div_f64(self.answered.max(1) as f64)
    }
}

/// Asks over HTTP for so long; each request is made from its number.
///
/// In a thread of its own, which looks at one connection after the other and never sleeps: to wake a core that sleeps
/// is dear, dearest in a virtual machine, and who answers would have to pay for it.
pub(super) async fn over_http(
    server: SocketAddr,
    time: Duration,
    ask: impl Fn(u64) -> Ask + Send + 'static,
) -> anyhow::Result<Rate> {
    let asking = tokio::task::spawn_blocking(move || over_lanes(server, time, ask));
    asking.await.context("ask over HTTP")?
}

fn over_lanes(
    server: SocketAddr,
    time: Duration,
    ask: impl Fn(u64) -> Ask,
) -> anyhow::Result<Rate> {
    let mut lanes = Vec::new();
    for _ in 0..AT_ONCE {
        lanes.push(Lane::open(server)?);
    }
    let (begun, mut next, mut seen) = (Instant::now(), 0.., Seen::default());
    let mut send = |lane: &mut Lane| {
        let number = next.next().context("count")?;
        let sent = Instant::now();
        lane.ask(&ask(number))?;
        Ok::<_, anyhow::Error>(sent)
    };
    let mut asked = Vec::new();
    for mut lane in lanes {
        asked.push((send(&mut lane)?, lane));
    }
    while begun.elapsed() < time {
        for (sent, lane) in &mut asked {
            if let Some(good) = lane.answer()? {
                seen.note(*sent, good);
                *sent = send(lane)?;
            }
        }
    }
    Ok(Rate::of(vec![seen], begun.elapsed()))
}

/// Makes calls for so long; each is made from its number. One that fails ends it.
pub(super) async fn calls<F>(time: Duration, call: impl Fn(u64) -> F) -> anyhow::Result<Rate>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let next = Arc::new(AtomicU64::new(0));
    let calling = (0..AT_ONCE).map(|_| async {
        let (begun, mut seen) = (Instant::now(), Seen::default());
        while begun.elapsed() < time {
            let sent = Instant::now();
            call(next.fetch_add(1, Ordering::Relaxed)).await?;
            seen.note(sent, true);
        }
        Ok::<_, anyhow::Error>(seen)
    });
    let begun = Instant::now();
    let seen = try_join_all(calling).await?;
    Ok(Rate::of(seen, begun.elapsed()))
}

/// What one of them saw.
#[derive(Default)]
struct Seen {
    delays: Vec<Duration>,
    bad: usize,
}

impl Seen {
    fn note(&mut self, sent: Instant, good: bool) {
        self.delays.push(sent.elapsed());
        self.bad += usize::from(!good);
    }
}
