//! A daemon that starts again has lost what clients held by connections and
//! beats, and they come back by themselves: until they had the time, nothing
//! that is not back yet is taken away upstream.

use std::time::Duration;

use tokio::time::sleep;

use super::both_ways;
use crate::daemon::application::Application;
use crate::daemon::process::Setup;
use crate::daemon::registry::{Embedded, Nacos};
use crate::daemon::seen::{Instance, Service, shows_once};
use crate::daemon::subscriber::Subscriber;

fn native(n: u8) -> Instance {
    Instance::at(&format!("10.2.0.{n}:80")).with("registered", "local")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_back_yet_after_a_restart_stays_upstream_for_a_while() -> anyhow::Result<()> {
    let up = Embedded::serve().await?;
    let orders = Service::plain("orders");
    let mut setup = Setup::new()?;
    let local = setup.address()?;
    let of_local = ", return_within: 12s";
    let mut daemon = setup.run(&both_ways(up.nacos, "beat", (local, of_local), ""))?;
    daemon.in_step().await?;
    let local = Nacos::at(local);
    let consumer = Subscriber::of(up.nacos, std::slice::from_ref(&orders))?;
    let mut stays = Application::at(local).await?;
    let mut leaves = Application::at(local).await?;
    stays
        .put_all(&orders, &[native(1), native(2), native(3)])
        .await?;
    leaves.put_all(&orders, &[native(4)]).await?;
    let all = [native(1), native(2), native(3), native(4)];
    consumer.sees_exactly(&orders, &all).await?;
    daemon.in_step().await?;
    // In order, since a kill may forget what was registered in the last second.
    daemon.stop().await?;
    drop(leaves);
    let mark = consumer.mark();
    daemon.restart()?;

    // Who is back is followed at once, and who is not stays meanwhile, also
    // after there was time enough to notice.
    let back = [native(1), native(2), native(3)];
    let neighbour = Subscriber::of(local, std::slice::from_ref(&orders))?;
    neighbour.sees_exactly(&orders, &back).await?;
    sleep(Duration::from_secs(1)).await;
    let mut comes = Application::at(local).await?;
    comes.put(&orders, &native(5)).await?;
    consumer
        .sees(&orders, |seen| shows_once(seen, &native(5).address))
        .await?;
    let back = [native(1), native(2), native(3), native(5)];
    consumer.sees_exactly(&orders, &back).await?;
    for address in [native(1), native(2), native(3)].map(|native| native.address) {
        consumer.always_saw(mark, &orders, &address)?;
    }
    let seen = consumer.since(mark, &orders);
    let shows_both = |seen: &[Instance]| {
        [native(4), native(5)]
            .iter()
            .all(|it| shows_once(seen, &it.address))
    };
    assert!(
        seen.iter().any(|sight| shows_both(&sight.instances)),
        "it went before anybody could come back: {seen:#?}"
    );
    daemon.stop().await
}
