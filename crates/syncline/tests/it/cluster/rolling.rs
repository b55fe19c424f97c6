//! One replica with two copies of everything rides out a rolling restart of its
//! target.

use syncline_testkit::nacos::{RealCluster, Version};
use syncline_testkit::run;

use crate::daemon::population::Population;
use crate::daemon::process::Setup;
use crate::daemon::registry::{Embedded, Nacos};
use crate::daemon::subscriber::Subscriber;
use crate::real::Places;
use crate::replicas::say;

/// Instances come and nothing changes or leaves: what a member held before its
/// restart is shown by the others as it was for three minutes, whatever a client
/// does (measured, 2.2.4).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_of_the_target_is_not_seen() -> anyhow::Result<()> {
    if !run::in_tier(run::Tier::All) || !run::require_real_servers() {
        return Ok(());
    }
    let cluster = RealCluster::start(Version::V2_2_4, 3).await?;
    let members: Vec<Nacos> = cluster.members().iter().map(Nacos::real).collect();
    let source = Embedded::serve().await?;
    let places = Places::fresh();
    let service = |n: usize| places.service(n % 2, 1, &format!("service-{n}"));
    let services: Vec<_> = (0..50).map(service).collect();
    let mut population = Population::at(source.nacos, services.clone(), 4).await?;
    let servers: Vec<_> = members.iter().map(|m| format!("\"{}\"", m.http)).collect();
    let mut syncline = Setup::new()?.run(&format!(
        "endpoints:
  source: {{ kind: nacos, servers: [\"{}\"] }}
  target: {{ kind: nacos, servers: [{}], hold: connection, copies: 2 }}
links:
  - {{ name: copy, from: source, to: target, {} }}
",
        source.nacos.http,
        servers.join(", "),
        places.select()
    ))?;
    syncline.in_step().await?;
    // Each begins at another member, and goes on to the next when that is away.
    let mut consumers = Vec::new();
    for first in 0..members.len() {
        let mut order = members.clone();
        order.rotate_left(first);
        let consumer = Subscriber::of_cluster(&order, &services)?;
        population.stands_at(&consumer).await?;
        consumers.push((consumer.mark(), consumer));
    }

    for member in cluster.members() {
        member.stop().await?;
        for service in services.iter().take(10) {
            population.add(service).await?;
        }
        for (_, consumer) in &consumers {
            population.stands_at(consumer).await?;
        }
        member.restart().await?;
        cluster.settled().await?;
    }
    for (since, consumer) in &consumers {
        population.stands_at(consumer).await?;
        let judgement = population.judge(consumer, *since);
        say(&format!("rolling restart: {judgement}"));
        judgement.is_fair()?;
    }
    syncline.in_step().await?;
    Ok(())
}
