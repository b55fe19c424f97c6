//! An operator takes the copies of a lost site out of use, and puts them back.

use super::application::Application;
use super::feed;
use super::process::{Setup, Syncline, said};
use super::reader::Reader;
use super::registry::{Embedded, Nacos};
use super::seen::{Instance, Service, instances};
use super::subscriber::Subscriber;

/// As a file shows what takes no traffic.
fn out_of_use(instances: &[Instance]) -> Vec<Instance> {
    let aside = |instance: &Instance| instance.clone().weighing(0.0).sick();
    instances.iter().map(aside).collect()
}

async fn says(daemon: &Syncline, arguments: &[&str], code: i32) -> anyhow::Result<String> {
    let output = daemon.command(arguments).await?;
    let said = said(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    Ok(said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_is_evacuated_and_restored_with_its_source_dead_and_over_a_restart()
-> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let (orders, pay) = (Service::plain("orders"), Service::plain("pay"));
    let mut application = Application::at(source.nacos).await?;
    application.put_all(&orders, &instances(3)).await?;
    application.put_all(&pay, &instances(1)).await?;
    let mut setup = Setup::new()?;
    let replica = setup.address()?;
    let file = Reader::of(&setup.file("services.json"));
    let mut daemon = setup.run(&format!(
        "endpoints:
  source: {{ kind: nacos, {} }}
  replica: {{ kind: embedded, listen: \"{replica}\" }}
  file: {{ kind: file, path: services.json }}
links:
  - {{ name: to-replica, from: source, to: replica }}
  - {{ name: to-file, from: source, to: file }}
",
        source.nacos.servers()
    ))?;
    daemon.in_step().await?;
    let services = [orders.clone(), pay.clone()];
    let consumer = Subscriber::of(Nacos::at(replica), &services)?;
    consumer.sees_exactly(&orders, &instances(3)).await?;
    file.sees_exactly(&orders, &instances(3)).await?;
    source.die().await;
    daemon
        .is(|status| status.links.iter().all(|link| link.state == "source lost"))
        .await?;

    // Looking changes nothing.
    let before = file.mark();
    let shown = says(&daemon, &["evacuate", "to-file"], 3).await?;
    assert!(
        shown.contains("would take out of use 4 instances of 2 services"),
        "{shown}"
    );
    assert!(
        shown.contains("public/DEFAULT_GROUP/pay would have nothing else"),
        "{shown}"
    );
    assert!(
        shown.contains("syncline evacuate link:to-file --yes"),
        "{shown}"
    );
    assert_eq!(file.mark(), before);

    let both = ["evacuate", "to-file", "link:to-replica", "--yes"];
    let done = says(&daemon, &both, 0).await?;
    let of = ["file", "replica"]
        .map(|to| format!("evacuated link:to-{to}: 4 instances of 2 services\n"));
    assert_eq!(done, of.concat());
    for (service, count) in [(&orders, 3), (&pay, 1)] {
        let aside = out_of_use(&instances(count));
        file.sees_exactly(service, &aside).await?;
        consumer.sees_exactly(service, &aside).await?;
    }
    let again = says(&daemon, &["evacuate", "to-file", "--yes"], 0).await?;
    assert_eq!(again, "link:to-file is already evacuated\n");
    drop(consumer);

    for _ in 0..2 {
        let evacuated = ["link:to-file", "link:to-replica"];
        let aside = Some("out of use");
        daemon
            .is(|status| {
                let links = status.links.iter();
                status.evacuated == evacuated && links.clone().all(|l| l.aside.as_deref() == aside)
            })
            .await?;
        let text = said(&daemon.command(&["status"]).await?);
        assert!(text.contains("! link:to-file is evacuated"), "{text}");
        let aside = "! to-replica: all its copies at replica are out of use";
        assert!(text.contains(aside), "{text}");
        let why = says(&daemon, &["why", "10.0.0.1:80"], 0).await?;
        assert!(
            why.contains("link:to-replica is evacuated, so that"),
            "{why}"
        );
        assert!(why.contains("rule: evacuated: link:to-replica"), "{why}");
        daemon.kill().await?;
        daemon.restart()?;
    }
    let consumer = Subscriber::of(Nacos::at(replica), &services)?;
    consumer
        .sees_exactly(&orders, &out_of_use(&instances(3)))
        .await?;
    file.sees_exactly(&orders, &out_of_use(&instances(3)))
        .await?;

    let shown = says(&daemon, &["restore", "--all"], 3).await?;
    assert!(
        shown.contains("would put back into use 4 instances"),
        "{shown}"
    );
    // A file is a whole list, and nobody knows one for certain yet.
    let deferred = "! to-file: file is written again only once source has been listed";
    assert!(shown.contains(deferred), "{shown}");
    let text = said(&daemon.command(&["status"]).await?);
    let stays = "! to-file: file stays as an earlier run left it until source has been listed";
    assert!(text.contains(stays), "{text}");
    says(&daemon, &["restore", "--all", "--yes"], 0).await?;
    consumer.sees_exactly(&orders, &instances(3)).await?;
    consumer.sees_exactly(&pay, &instances(1)).await?;
    let nothing = says(&daemon, &["restore", "--all", "--yes"], 0).await?;
    assert_eq!(nothing, "nothing is evacuated\n");
    let why = says(&daemon, &["why", "10.0.0.1:80"], 0).await?;
    assert!(!why.contains("is evacuated, so that"), "{why}");
    file.was_always_whole()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_to_be_done_outlives_a_kill_at_that_moment() -> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let orders = Service::plain("orders");
    let mut application = Application::at(source.nacos).await?;
    application.put_all(&orders, &instances(2)).await?;
    let (mut daemon, file) = feed::start(&source.nacos.servers(), "")?;
    daemon.in_step().await?;
    for (command, stand) in [
        ("evacuate", out_of_use(&instances(2))),
        ("restore", instances(2)),
    ] {
        says(&daemon, &[command, "to-file", "--yes"], 0).await?;
        daemon.kill().await?;
        daemon.restart()?;
        daemon.in_step().await?;
        file.sees_exactly(&orders, &stand).await?;
        let evacuated = daemon.status().await?.evacuated;
        assert_eq!(evacuated.len(), usize::from(command == "evacuate"));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_cluster_or_one_origin_is_evacuated_on_every_link() -> anyhow::Result<()> {
    let (near, far) = (Embedded::serve().await?, Embedded::serve().await?);
    let orders = Service::plain("orders");
    let here = [Instance::at("10.0.0.1:80").in_cluster("a")];
    let there = [Instance::at("10.9.0.1:80").in_cluster("b")];
    let mut at_near = Application::at(near.nacos).await?;
    at_near.put_all(&orders, &here).await?;
    let mut at_far = Application::at(far.nacos).await?;
    at_far.put_all(&orders, &there).await?;
    let setup = Setup::new()?;
    let (both, only) = (
        Reader::of(&setup.file("both.json")),
        Reader::of(&setup.file("only.json")),
    );
    // What was first registered far away comes into the file by way of near.
    let mut daemon = setup.run(&format!(
        "endpoints:
  near: {{ kind: nacos, {}, hold: connection }}
  far: {{ kind: nacos, {} }}
  both: {{ kind: file, path: both.json }}
  only: {{ kind: file, path: only.json }}
links:
  - {{ name: far-near, from: far, to: near }}
  - {{ name: near-both, from: near, to: both }}
  - {{ name: far-only, from: far, to: only }}
",
        near.nacos.servers(),
        far.nacos.servers()
    ))?;
    daemon.in_step().await?;
    let all = [here.to_vec(), there.to_vec()].concat();
    both.sees_exactly(&orders, &all).await?;

    says(&daemon, &["evacuate", "cluster:b", "--yes"], 0).await?;
    let without_b = [here.to_vec(), out_of_use(&there)].concat();
    both.sees_exactly(&orders, &without_b).await?;
    only.sees_exactly(&orders, &out_of_use(&there)).await?;
    says(&daemon, &["restore", "cluster:b", "--yes"], 0).await?;
    both.sees_exactly(&orders, &all).await?;

    far.die().await;
    daemon
        .is(|status| status.links.iter().any(|link| link.state == "source lost"))
        .await?;
    says(&daemon, &["evacuate", "origin:far", "--yes"], 0).await?;
    both.sees_exactly(&orders, &without_b).await?;
    only.sees_exactly(&orders, &out_of_use(&there)).await?;
    assert_eq!(
        near_shows(near.nacos, &orders, "10.9.0.1:80").await?,
        Some(0.0)
    );
    says(&daemon, &["restore", "origin:far", "--yes"], 0).await?;
    both.sees_exactly(&orders, &all).await?;
    only.sees_exactly(&orders, &there).await
}

async fn near_shows(near: Nacos, service: &Service, address: &str) -> anyhow::Result<Option<f64>> {
    let shown = near.raw(service).await?;
    let shown = shown.iter().find(|instance| instance.address == address);
    Ok(shown.map(|instance| instance.weight))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_name_evacuates_nothing_and_says_which_there_are() -> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let orders = Service::plain("orders");
    let mut application = Application::at(source.nacos).await?;
    application.put_all(&orders, &instances(1)).await?;
    let (mut daemon, file) = feed::start(&source.nacos.servers(), "")?;
    daemon.in_step().await?;
    let before = file.mark();
    for (words, code, part) in [
        (
            &["evacuate", "to-fiel", "--yes"][..],
            1,
            "there are: to-file",
        ),
        (
            &["evacuate", "to-file", "origin:x", "--yes"],
            1,
            "there are: source",
        ),
        (&["evacuate", "cluster:x", "--yes"], 1, "there are: DEFAULT"),
        (&["evacuate", "service:x", "--yes"], 2, "expected link:NAME"),
        (&["restore", "link:to-file", "--yes"], 0, "is not evacuated"),
        (&["evacuate"], 2, "required"),
        (&["restore"], 2, "required"),
    ] {
        let said = says(&daemon, words, code).await?;
        assert!(said.contains(part), "{words:?}: {said}");
    }
    assert_eq!(daemon.status().await?.evacuated, Vec::<String>::new());
    assert_eq!(file.mark(), before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_tell_each_other_so_that_nothing_is_shown_twice() -> anyhow::Result<()> {
    let (source, target) = (Embedded::serve().await?, Embedded::serve().await?);
    let orders = Service::plain("orders");
    let mut application = Application::at(source.nacos).await?;
    application.put_all(&orders, &instances(3)).await?;
    let (mut one, mut two) = (Setup::new()?, Setup::new()?);
    let addresses = [one.address()?.to_string(), two.address()?.to_string()];
    let key = "0f".repeat(32);
    let configuration = |own: &str| {
        format!(
            "install: {{ id: pair, key: \"{key}\", replicas: 2 }}
peers: {{ listen: \"{own}\", addresses: [\"{}\", \"{}\"] }}
endpoints:
  source: {{ kind: nacos, {} }}
  target: {{ kind: nacos, {} }}
links:
  - {{ name: copy, from: source, to: target }}
",
            addresses[0],
            addresses[1],
            source.nacos.servers(),
            target.nacos.servers()
        )
    };
    let mut first = one.run(&configuration(&addresses[0]))?;
    let mut second = two.run(&configuration(&addresses[1]))?;
    first.in_step().await?;
    second.in_step().await?;
    let consumer = Subscriber::of(target.nacos, std::slice::from_ref(&orders))?;
    consumer.sees_exactly(&orders, &instances(3)).await?;

    says(&first, &["evacuate", "copy", "--yes"], 0).await?;
    second
        .is(|status| status.evacuated == ["link:copy"])
        .await?;
    consumer
        .sees_exactly(&orders, &out_of_use(&instances(3)))
        .await?;
    says(&second, &["restore", "--all", "--yes"], 0).await?;
    first.is(|status| status.evacuated.is_empty()).await?;
    consumer.sees_exactly(&orders, &instances(3)).await
}
