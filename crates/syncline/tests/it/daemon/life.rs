//! From the first start to the end: everything arrives, signals end it, and no
//! two daemons share a state folder.

use super::application::Application;
use super::process::{Setup, Syncline, said};
use super::reader::Reader;
use super::registry::{Embedded, Nacos};
use super::seen::{Instance, Service};
use super::subscriber::Subscriber;

/// A daemon that keeps an embedded registry and a file in step with a source.
struct Daemon {
    syncline: Syncline,
    replica: Nacos,
    file: Reader,
}

/// Losses pass after two looks a second apart, so that tests need not wait.
const QUICK_GUARD: &str = "guard: { zero: { views: 2, over: 1s } }";

fn start(source: Nacos) -> anyhow::Result<Daemon> {
    let mut setup = Setup::new()?;
    let replica = setup.address()?;
    let file = Reader::of(&setup.file("services.json"));
    let syncline = setup.run(&format!(
        "endpoints:
  source: {{ kind: nacos, servers: [\"{}\"] }}
  replica: {{ kind: embedded, listen: \"{replica}\" }}
  file: {{ kind: file, path: services.json }}
links:
  - {{ name: to-replica, from: source, to: replica, {QUICK_GUARD} }}
  - {{ name: to-file, from: source, to: file, {QUICK_GUARD} }}
",
        source.http
    ))?;
    Ok(Daemon {
        syncline,
        replica: Nacos::at(replica),
        file,
    })
}

impl Daemon {
    /// Waits until replica and file show exactly this.
    async fn shows(
        &self,
        consumer: &Subscriber,
        service: &Service,
        wanted: &[Instance],
    ) -> anyhow::Result<()> {
        // Consumers of a registry never see what is disabled; readers of the
        // file do, and can tell.
        let enabled: Vec<_> = wanted.iter().filter(|i| i.enabled).cloned().collect();
        consumer.sees_exactly(service, &enabled).await?;
        self.file.sees_exactly(service, wanted).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_arrives_at_a_registry_and_in_a_file_that_is_always_whole()
-> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let orders = Service::plain("orders");
    let pay = Service::new("prod", "G_TRADE", "pay");
    let mut application = Application::at(source.nacos).await?;
    let one = Instance::at("10.0.0.1:8080").with("zone", "a");
    let two = Instance::at("10.0.0.2:8080").in_cluster("east");
    application
        .put_all(&orders, &[one.clone(), two.clone()])
        .await?;

    // Both namespaces are in use: one that comes into use is found within 30 s.
    let stock = Service::new("prod", "G_TRADE", "stock");
    application.put(&stock, &one).await?;

    let mut daemon = start(source.nacos)?;
    daemon.syncline.in_step().await?;
    let consumer = Subscriber::of(daemon.replica, &[orders.clone(), pay.clone()])?;
    let wanted = application.all(&orders);
    daemon.shows(&consumer, &orders, &wanted).await?;

    // Registered, by gRPC and by HTTP.
    let three = Instance::at("10.0.0.3:8080").weighing(0.5);
    application.put(&orders, &three).await?;
    daemon
        .shows(&consumer, &orders, &application.all(&orders))
        .await?;
    let by_hand = Instance::at("10.0.1.1:9090").with("by", "hand");
    let by_hand = super::registry::unattended(by_hand);
    source.nacos.register(&pay, &by_hand).await?;
    daemon
        .shows(&consumer, &pay, std::slice::from_ref(&by_hand))
        .await?;

    // Changed, field by field, and never gone meanwhile.
    let (seen, listed) = (consumer.mark(), daemon.file.mark());
    for changed in [
        one.clone().weighing(7.5),
        one.clone().with("zone", "b"),
        one.clone().with("zone", "b").sick(),
        one.clone(),
    ] {
        application.put(&orders, &changed).await?;
        daemon
            .shows(&consumer, &orders, &application.all(&orders))
            .await?;
    }
    consumer.always_saw(seen, &orders, &one.address)?;
    application.put(&orders, &one.clone().disabled()).await?;
    daemon
        .shows(&consumer, &orders, &application.all(&orders))
        .await?;
    application.put(&orders, &one).await?;
    daemon
        .shows(&consumer, &orders, &application.all(&orders))
        .await?;
    let all = ["10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080"];
    daemon.file.always_listed(listed, &orders, &all)?;

    // Removed: one of several, and a whole service.
    application.remove(&orders, &two.address).await?;
    daemon
        .shows(&consumer, &orders, &application.all(&orders))
        .await?;
    source.nacos.deregister(&pay, &by_hand).await?;
    daemon.shows(&consumer, &pay, &[]).await?;

    daemon.file.was_always_whole()?;
    daemon.syncline.stop().await?;
    assert_eq!(
        daemon.file.now()[&orders].len(),
        2,
        "what stands in the file stays"
    );
    daemon.file.was_always_whole()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_and_sigterm_end_it_in_good_order() -> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let mut daemon = start(source.nacos)?;
    for signal in ["INT", "TERM"] {
        daemon.syncline.in_step().await?;
        daemon.syncline.signal(signal).await?;
        let exit = daemon.syncline.ends().await?;
        assert_eq!(exit.code(), Some(0), "{signal}");
        let socket = daemon.syncline.state().join("control.sock");
        assert!(!socket.exists(), "the socket stays behind after {signal}");
        // Ports and state are free again at once.
        daemon.syncline.restart()?;
    }
    daemon.syncline.in_step().await?;
    let log = daemon.syncline.log();
    assert!(!log.contains("panicked"), "{log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_daemon_takes_up_where_it_was_and_takes_nothing_away() -> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let (orders, pay) = (Service::plain("orders"), Service::plain("pay"));
    let mut application = Application::at(source.nacos).await?;
    let five: Vec<_> = (1..=5)
        .map(|n| Instance::at(&format!("10.0.0.{n}:8080")))
        .collect();
    application.put_all(&orders, &five).await?;
    application.put_all(&pay, &five[..2]).await?;
    let mut daemon = start(source.nacos)?;
    daemon.file.sees_exactly(&orders, &five).await?;
    daemon.file.sees_exactly(&pay, &five[..2]).await?;
    let before = daemon.file.mark();

    for round in 0..3 {
        daemon.syncline.kill().await?;
        // What changed while nobody looked is made good after the start.
        let changed = five[0].clone().with("round", &round.to_string());
        application.put(&orders, &changed).await?;
        daemon.syncline.restart()?;
        daemon
            .file
            .sees_exactly(&orders, &application.all(&orders))
            .await?;
    }
    // Also in the middle of a change.
    for round in 0..5 {
        let changed = five[1].clone().with("moment", &round.to_string());
        application.put(&orders, &changed).await?;
        daemon.syncline.kill().await?;
        daemon.syncline.restart()?;
    }
    daemon
        .file
        .sees_exactly(&orders, &application.all(&orders))
        .await?;
    let addresses: Vec<_> = five.iter().map(|i| i.address.as_str()).collect();
    daemon.file.always_listed(before, &orders, &addresses)?;
    daemon.file.always_listed(before, &pay, &addresses[..2])?;
    daemon.file.was_always_whole()?;
    daemon.syncline.in_step().await?;
    let consumer = Subscriber::of(daemon.replica, std::slice::from_ref(&orders))?;
    consumer
        .sees_exactly(&orders, &application.all(&orders))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_daemon_on_the_same_state_is_refused_and_told_of_the_first() -> anyhow::Result<()>
{
    let source = Embedded::serve().await?;
    let mut daemon = start(source.nacos)?;
    daemon.syncline.in_step().await?;
    let pid = daemon.syncline.pid()?.to_string();
    for command in ["run", "sync"] {
        let second = daemon
            .syncline
            .command(&[
                command,
                "--from",
                "nacos://127.0.0.1:1",
                "--to",
                "file:out.json",
            ])
            .await?;
        let said = said(&second);
        assert_eq!(second.status.code(), Some(1), "{said}");
        assert!(said.contains(&pid), "which process is it? {said}");
        assert!(said.contains("syncline run"), "which command is it? {said}");
    }
    daemon.syncline.in_step().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_configuration_ends_it_before_it_begins() -> anyhow::Result<()> {
    let setup = Setup::new()?;
    setup.configure(
        "endpoints:
  source: { kind: nacos, serverz: [127.0.0.1] }
  file: { kind: file, path: services.json }
links:
  - { name: a, from: sorce, to: file }
",
    )?;
    let folder = setup.file("");
    let output = super::process::syncline(&folder, &["run"]).await?;
    let said = said(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("did you mean `servers`"), "{said}");
    assert!(said.contains("did you mean `source`"), "{said}");
    assert!(!setup.file("state").exists(), "nothing was begun");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_is_taken_is_named() -> anyhow::Result<()> {
    let taken = Embedded::serve().await?;
    let setup = Setup::new()?;
    let text = format!(
        "endpoints:
  source: {{ kind: nacos, servers: [127.0.0.1:1] }}
  replica: {{ kind: embedded, listen: \"{}\" }}
links:
  - {{ name: a, from: source, to: replica }}
",
        taken.nacos.http
    );
    setup.configure(&text)?;
    let output = super::process::syncline(&setup.file(""), &["run"]).await?;
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("replica"), "{said}");
    assert!(said.contains(&taken.nacos.http.to_string()), "{said}");
    Ok(())
}
