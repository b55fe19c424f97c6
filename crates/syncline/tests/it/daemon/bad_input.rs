//! Servers that are not there, are none, or break off: a clear error, while the
//! rest goes on and nothing is removed for it.

use std::net::SocketAddr;

use syncline_testkit::ports::PortBlock;

use super::application::Application;
use super::fake::{Fake, Speech, good, services};
use super::process::{Setup, Syncline, said};
use super::reader::Reader;
use super::registry::Embedded;
use super::seen::{Instance, Service};

/// A daemon with a link from a source that works, and one from another.
struct Daemon {
    syncline: Syncline,
    good: Reader,
    bad: Reader,
    application: Application,
    orders: Service,
    _source: Embedded,
}

async fn beside(bad: &str) -> anyhow::Result<Daemon> {
    let source = Embedded::serve().await?;
    let setup = Setup::new()?;
    let (good, bad_file) = (
        Reader::of(&setup.file("good.json")),
        Reader::of(&setup.file("bad.json")),
    );
    let syncline = setup.run(&format!(
        "endpoints:
  good: {{ kind: nacos, servers: [\"{}\"] }}
  bad: {{ kind: nacos, {bad}, timeouts: {{ request: 2s }} }}
  good-file: {{ kind: file, path: good.json }}
  bad-file: {{ kind: file, path: bad.json }}
links:
  - {{ name: good, from: good, to: good-file }}
  - {{ name: bad, from: bad, to: bad-file, guard: {{ zero: {{ views: 1, over: 0s }} }} }}
",
        source.nacos.http
    ))?;
    Ok(Daemon {
        syncline,
        good,
        bad: bad_file,
        application: Application::at(source.nacos).await?,
        orders: Service::plain("orders"),
        _source: source,
    })
}

fn servers(address: SocketAddr) -> String {
    format!("servers: [\"{address}\"]")
}

impl Daemon {
    /// Waits until the bad source is said to be lost, with a reason that
    /// contains each of these words, and the other link works as ever.
    async fn suffers(&mut self, words: &[&str]) -> anyhow::Result<()> {
        let status = self
            .syncline
            .is(|status| {
                let of = |name: &str| status.links.iter().find(|link| link.name == name);
                of("good").is_some_and(|link| link.state == "in step")
                    && of("bad").is_some_and(|link| link.state == "source lost")
            })
            .await?;
        let bad = status.endpoints.iter().find(|e| e.name == "bad");
        let reasons = bad.into_iter().flat_map(|endpoint| {
            let areas = endpoint.areas.iter().filter_map(|area| area.why.clone());
            endpoint
                .down
                .iter()
                .cloned()
                .chain(areas)
                .collect::<Vec<_>>()
        });
        let reasons = reasons.collect::<Vec<_>>().join("\n");
        for word in words {
            assert!(reasons.contains(word), "no {word:?} in {reasons}");
        }
        let table = self.syncline.command(&["status"]).await?;
        assert!(said(&table).contains("source lost"), "{}", said(&table));
        self.still_works().await
    }

    /// A change at the good source arrives.
    async fn still_works(&mut self) -> anyhow::Result<()> {
        let weight = self
            .application
            .all(&self.orders)
            .first()
            .map_or(1.0, |i| i.weight + 1.0);
        let changed = Instance::at("10.0.0.1:80").weighing(weight);
        self.application.put(&self.orders, &changed).await?;
        self.good.sees_exactly(&self.orders, &[changed]).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_disturbs_only_its_own_link() -> anyhow::Result<()> {
    let nobody = PortBlock::reserve()?;
    let address = nobody.http().to_string();
    let mut daemon = beside(&servers(nobody.http())).await?;
    daemon.suffers(&[&address]).await?;
    let list = daemon
        .syncline
        .command(&["list", &format!("nacos://{address}")])
        .await?;
    assert_eq!(list.status.code(), Some(1), "{}", said(&list));
    assert!(said(&list).contains(&address), "{}", said(&list));
    assert!(said(&list).contains("refused"), "{}", said(&list));
    assert_eq!(daemon.bad.mark(), 0, "an empty file would be a lie");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_does_not_resolve_is_said() -> anyhow::Result<()> {
    let mut daemon = beside("servers: [\"nacos.invalid:8848\"]").await?;
    daemon.suffers(&["nacos.invalid"]).await
}

/// The source is a good one at first, speaks something else for a while, and
/// is then good again.
async fn speaks_otherwise_for_a_while(otherwise: Speech) -> anyhow::Result<()> {
    let orders = Service::plain("orders");
    let pair = || services("orders", vec![good("10.0.0.1"), good("10.0.0.2")]);
    let both = [Instance::at("10.0.0.1:80"), Instance::at("10.0.0.2:80")];
    let source = Fake::serve(Speech::Nacos(pair())).await?;
    let mut daemon = beside(&servers(source.address)).await?;
    daemon.bad.sees_exactly(&orders, &both).await?;
    let before = daemon.bad.mark();

    source.says(otherwise);
    daemon.suffers(&[]).await?;
    // Also for a daemon that starts while it is so.
    daemon.syncline.kill().await?;
    daemon.syncline.restart()?;
    daemon.suffers(&[]).await?;

    let three = vec![good("10.0.0.1"), good("10.0.0.2"), good("10.0.0.3")];
    source.says(Speech::Nacos(services("orders", three)));
    let three = [&both[..], &[Instance::at("10.0.0.3:80")]].concat();
    daemon.bad.sees_exactly(&orders, &three).await?;
    daemon
        .bad
        .always_listed(before, &orders, &["10.0.0.1:80", "10.0.0.2:80"])?;
    daemon.bad.was_always_whole()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn web_pages_are_no_lists() -> anyhow::Result<()> {
    speaks_otherwise_for_a_while(Speech::Html(200)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_answers_for_a_dead_server_is_no_server() -> anyhow::Result<()> {
    speaks_otherwise_for_a_while(Speech::Html(502)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_of_ssh_is_no_nacos() -> anyhow::Result<()> {
    speaks_otherwise_for_a_while(Speech::Ssh).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_list_is_no_list() -> anyhow::Result<()> {
    let orders = vec![good("10.0.0.1"), good("10.0.0.2")];
    speaks_otherwise_for_a_while(Speech::Half(services("orders", orders))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_say_what_answers_in_place_of_nacos() -> anyhow::Result<()> {
    let setup = Setup::new()?;
    for speech in [Speech::Html(200), Speech::Ssh] {
        let server = Fake::serve(speech.clone()).await?;
        let url = format!("nacos://{}", server.address);
        let list = super::process::syncline(&setup.file(""), &["list", &url]).await?;
        let said = said(&list);
        assert_eq!(list.status.code(), Some(1), "{speech:?}: {said}");
        assert!(
            said.contains(&server.address.to_string()),
            "{speech:?}: {said}"
        );
        assert!(!said.contains("panicked"), "{speech:?}: {said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_said_and_never_shown() -> anyhow::Result<()> {
    let server = Fake::serve(Speech::Locked).await?;
    let login = "username: sync, password: hunter2";
    let mut daemon = beside(&format!("{}, {login}", servers(server.address))).await?;
    daemon.suffers(&["sync", "unknown user"]).await?;
    assert!(!daemon.syncline.log().contains("hunter2"));
    let plan = daemon.syncline.command(&["status", "-o", "json"]).await?;
    assert!(!said(&plan).contains("hunter2"), "{}", said(&plan));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_none_disturbs_no_other() -> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let target = Fake::serve(Speech::Html(200)).await?;
    let orders = Service::plain("orders");
    let mut application = Application::at(source.nacos).await?;
    let one = Instance::at("10.0.0.1:80");
    application.put(&orders, &one).await?;
    let setup = Setup::new()?;
    let file = Reader::of(&setup.file("good.json"));
    let mut syncline = setup.run(&format!(
        "endpoints:
  source: {{ kind: nacos, servers: [\"{}\"] }}
  target: {{ kind: nacos, servers: [\"{}\"] }}
  file: {{ kind: file, path: good.json }}
links:
  - {{ name: good, from: source, to: file }}
  - {{ name: bad, from: source, to: target }}
",
        source.nacos.http, target.address
    ))?;
    file.sees_exactly(&orders, &[one]).await?;
    let status = syncline
        .is(|status| {
            let target = status.endpoints.iter().find(|e| e.name == "target");
            target.is_some_and(|e| e.down.is_some() || e.areas.iter().any(|a| a.why.is_some()))
        })
        .await?;
    let bad = status.links.iter().find(|link| link.name == "bad");
    assert!(
        bad.is_some_and(|link| link.state == "starting"),
        "{status:#?}"
    );
    syncline.stop().await
}
