//! The embedded registry beside others that Nacos clients can use: r-nacos, which is written in Rust too, and Java Nacos.
//!
//! All of them run at once and are asked in turn, round by round, so that what disturbs the machine disturbs all. Where
//! there are two cores or more, the servers share the first, and who asks has the others. r-nacos takes part where a
//! program `rnacos` is in the search path (`cargo install rnacos --version 0.8.8`).

mod candidate;
mod fan_out;
mod lane;
mod load;
mod memory;
mod rates;

use crate::Effort;
use candidate::Kind;
use xtask_stage::report::say;
use xtask_stage::table::Table;

/// Measures rates, fan-out and memory.
pub(crate) async fn measure(effort: Effort) -> anyhow::Result<Vec<Table>> {
    let kinds = Kind::present();
    if kinds.len() < Kind::ALL.len() {
        say("no `rnacos` in the search path: it is left out");
    }
    let running = candidate::start_all(&kinds).await?;
    let rates = rates::measure(&running, effort).await?;
    let fan_out = fan_out::measure(&running, effort).await?;
    drop(running);
    let memory = memory::measure(&kinds, effort).await?;
    Ok(vec![rates, fan_out, memory])
}
