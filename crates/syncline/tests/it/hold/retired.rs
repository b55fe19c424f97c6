//! What becomes of copies at a real target when their link is configured no
//! more, or otherwise.

use syncline_testkit::nacos::{RealNacos, Version};
use syncline_testkit::run;

use super::{Holding, THREE};
use crate::daemon::process::said;
use crate::daemon::registry::Embedded;

const HOLDS: [&str; 2] = ["persistent", "connection"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_copies_of_a_removed_link_go_when_somebody_approves_with_the_source_dead()
-> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let server = RealNacos::shared(Version::V2_2_4).await?;
    for hold in HOLDS {
        let mut holding = Holding::start(server, hold).await?;
        holding.syncline.stop().await?;
        let (endpoints, _) = (holding.configuration)
            .split_once("links:")
            .expect("has links");
        holding.syncline.configure(endpoints)?;
        let elsewhere = Embedded::serve().await?;
        let source = std::mem::replace(&mut holding.source, elsewhere);
        source.die().await;

        let planned = holding.syncline.command(&["plan"]).await?;
        let shown = said(&planned);
        assert_eq!(planned.status.code(), Some(5), "{hold}: {shown}");
        assert!(
            shown.contains("(removed) → target") && shown.contains("10.2.0.1:8080"),
            "{hold}: {shown}"
        );

        holding.syncline.restart()?;
        let frozen = |status: &syncline_admin::api::Status| {
            let held = status.links.iter().filter(|link| link.state == "held");
            held.count() == 1 && status.links[0].instances == 30
        };
        let status = holding.syncline.is(frozen).await?;
        holding.stands().await?;
        let frozen = &status.links[0].holds[0].id;
        let approved = holding.syncline.command(&["approve", frozen]).await?;
        assert!(approved.status.success(), "{}", said(&approved));
        holding.is_gone().await?;
        let status = holding
            .syncline
            .is(|status| status.links.is_empty())
            .await?;
        assert!(status.links.is_empty());
        let story = holding.syncline.command(&["why", "10.2.0.1:8080"]).await?;
        let because = "its link was removed from the configuration";
        assert!(said(&story).contains(because), "{}", said(&story));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_misses_anything_when_a_link_is_renamed() -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let server = RealNacos::shared(Version::V2_1_1).await?;
    let mut holding = Holding::start(server, "persistent").await?;
    let start = holding.consumer.mark();
    holding.syncline.stop().await?;
    let renamed = holding.configuration.replace("name: copy", "name: renamed");
    holding.syncline.configure(&renamed)?;
    holding.syncline.restart()?;
    let alone = |status: &syncline_admin::api::Status| {
        let [link] = &status.links[..] else {
            return false;
        };
        link.name == "renamed" && link.state == "in step" && link.instances == 30
    };
    holding.syncline.is(alone).await?;
    holding.stands().await?;
    holding.never_missed(start, &THREE)
}
