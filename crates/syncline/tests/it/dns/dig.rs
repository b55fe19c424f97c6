//! `dig`, which asks the zone itself.

use syncline_testkit::{eventually, run};

use super::{PATIENCE, Scene, orders};
use crate::daemon::seen::{Instance, Service, instances};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_come_change_and_go() -> anyhow::Result<()> {
    if !run::require_program("dig") {
        return Ok(());
    }
    let Scene {
        mut application,
        mut daemon,
        zone,
        source: _source,
    } = Scene::new().await?;
    // So many that the guard lets two of them go at once.
    let five = instances(5);
    application.put_all(&orders(), &five[..4]).await?;
    let addresses = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"];
    zone.has("orders.nacos.internal", &addresses[..4]).await;
    application.put(&orders(), &five[4]).await?;
    zone.has("ORDERS.nacos.internal", &addresses).await;

    let heavy = Instance::at("10.0.0.2:80").weighing(2.5);
    application.put(&orders(), &heavy).await?;
    let srv = |weight: u16, n: u8| {
        format!("0 {weight} 80 10-0-0-{n}.orders.default_group.public.nacos.internal.")
    };
    let wanted = [
        srv(256, 1),
        srv(256, 3),
        srv(256, 4),
        srv(256, 5),
        srv(640, 2),
    ];
    let name = "_orders._tcp.nacos.internal";
    eventually(PATIENCE, || async {
        zone.short(name, "SRV").await == wanted
    })
    .await;
    let target = "10-0-0-2.orders.default_group.public.nacos.internal";
    assert_eq!(zone.short(target, "A").await, ["10.0.0.2"]);

    application.remove(&orders(), "10.0.0.1:80").await?;
    zone.has("orders.nacos.internal", &addresses[1..]).await;
    let drained = Instance::at("10.0.0.2:80").weighing(0.0);
    application.put(&orders(), &drained).await?;
    let whole = "orders.default_group.public.nacos.internal";
    zone.has(whole, &addresses[2..]).await;

    zone.says("nothing.nacos.internal", "NXDOMAIN").await;
    zone.says("public.nacos.internal", "NOERROR").await;
    zone.says("example.com", "REFUSED").await;
    assert!(zone.short("orders.nacos.internal", "AAAA").await.is_empty());
    daemon.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_much_for_a_datagram_comes_over_tcp() -> anyhow::Result<()> {
    if !run::require_program("dig") {
        return Ok(());
    }
    let Scene {
        mut application,
        mut daemon,
        zone,
        source: _source,
    } = Scene::new().await?;
    // Dubbo's names, and one instance with a name in place of an address.
    let service = Service::new("prod", "G.trade", "providers:c.t.Pay:1.0:");
    let mut all = instances(250);
    all.push(Instance::at("db.example.com:5432"));
    application.put_all(&service, &all).await?;
    let name = "providers--3ac--2et--2epay--3a1--2e0--3a.g--2etrade.prod.nacos.internal";
    let many = || async { zone.short(name, "A").await.len() == 250 };
    eventually(PATIENCE, many).await;
    let srv = zone.short(name, "SRV").await;
    assert_eq!(srv.len(), 251);
    assert!(
        srv.contains(&"0 256 5432 db.example.com.".to_owned()),
        "{srv:?}"
    );
    // What fits is told over UDP, with the word that it is not all.
    let cut = zone
        .dig(&[name, "A", "+ignore", "+noall", "+comments"])
        .await?;
    assert!(cut.contains(" tc") && cut.contains("udp: 1232"), "{cut}");
    // One connection takes one question after the other.
    let both = zone
        .dig(&[
            "+tcp",
            "+keepopen",
            "+short",
            name,
            "SOA",
            name,
            "AAAA",
            "nacos.internal",
            "NS",
        ])
        .await?;
    assert_eq!(both, "ns--1.nacos.internal.\n");
    daemon.stop().await
}
