//! What nacos-sync left at a real server is taken over, however it is kept.

use syncline_testkit::nacos::{RealNacos, Version};
use syncline_testkit::run;

use crate::daemon::adopt::is_taken_over;
use crate::daemon::registry::Nacos;

async fn at_a_real_one(hold: &str) -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let server = RealNacos::shared(Version::V2_1_1).await?;
    server.elected().await?;
    is_taken_over(Nacos::real(server), hold).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ephemeral_copies_at_a_real_2_1_1_are_taken_over_by_beats() -> anyhow::Result<()> {
    at_a_real_one("beat").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ephemeral_copies_at_a_real_2_1_1_are_taken_over_by_a_connection() -> anyhow::Result<()> {
    at_a_real_one("connection").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn persistent_copies_at_a_real_2_1_1_are_taken_over_for_good() -> anyhow::Result<()> {
    at_a_real_one("persistent").await
}
