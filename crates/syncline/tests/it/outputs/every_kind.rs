//! What outputs of every kind do when their source is away, comes, and dies,
//! and when Syncline itself dies: all of them at once, from one source.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;
use syncline_testkit::eventually;

use super::NO_GUARD;
use crate::daemon::PATIENCE;
use crate::daemon::process::Setup;
use crate::daemon::registry::{Embedded, http};
use crate::daemon::seen::{Instance, Service};

/// The consumers of one source.
struct Consumers {
    document: PathBuf,
    targets: PathBuf,
    folder: PathBuf,
    page: SocketAddr,
}

/// What one of them has: nothing, or the addresses that its list names.
type Has = Option<BTreeSet<String>>;

impl Consumers {
    const CONFIGURATION: &str = "
  document: { kind: file, path: document.json }
  targets: { kind: prometheus-file, path: targets.json }
  folder: { kind: prometheus-file, path: folder, layout: per-service, format: yaml }
  page: { kind: prometheus-http }
";
    const LINKS: [&str; 4] = ["document", "targets", "folder", "page"];

    fn of(setup: &Setup) -> Self {
        Self {
            document: setup.file("document.json"),
            targets: setup.file("targets.json"),
            folder: setup.file("folder"),
            page: setup.admin(),
        }
    }

    async fn have(&self) -> [Has; 4] {
        let page = http(self.page, "GET", "/sd/prometheus").await;
        let page = page.ok().filter(|(status, _)| *status == 200);
        [
            read(&self.document),
            read(&self.targets),
            read_all(&self.folder),
            page.map(|(_, body)| addresses(&body)),
        ]
    }

    async fn all_have(&self, wanted: &[&str]) {
        self.all_have_one_of(&[wanted]).await;
    }

    /// Waits until each has one of these lists.
    async fn all_have_one_of(&self, wanted: &[&[&str]]) {
        let set = |list: &&[&str]| Some(list.iter().map(|s| (*s).to_owned()).collect());
        let wanted: Vec<Has> = wanted.iter().map(set).collect();
        eventually(PATIENCE, || async {
            self.have().await.iter().all(|has| wanted.contains(has))
        })
        .await;
    }
}

fn read(path: &Path) -> Has {
    std::fs::read_to_string(path)
        .ok()
        .map(|text| addresses(&text))
}

fn read_all(folder: &Path) -> Has {
    let entries = std::fs::read_dir(folder).ok()?;
    let paths = entries.map(|entry| entry.expect("readable").path());
    let paths = paths.filter(|path| path.extension().is_some_and(|e| e == "yaml"));
    let lists: Vec<_> = paths.filter_map(|path| read(&path)).collect();
    (!lists.is_empty()).then(|| lists.into_iter().flatten().collect())
}

/// The addresses in any of the formats.
fn addresses(text: &str) -> BTreeSet<String> {
    let document: Value = serde_saphyr::from_str(text).expect("JSON or YAML");
    let all = |list: &Value| list.as_array().cloned().unwrap_or_default();
    let of_groups = all(&document)
        .into_iter()
        .flat_map(|group| all(&group["targets"]));
    let of_groups = of_groups.filter_map(|target| target.as_str().map(str::to_owned));
    let services = all(&document["services"]).into_iter();
    let of_services = services
        .flat_map(|service| all(&service["instances"]))
        .map(|it| format!("{}:{}", it["ip"].as_str().unwrap_or_default(), it["port"]));
    of_groups.chain(of_services).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_have_nothing_or_a_whole_list_whatever_dies() -> anyhow::Result<()> {
    let source = Embedded::serve().await?.die().await;
    let setup = Setup::new()?;
    let consumers = Consumers::of(&setup);
    let links = Consumers::LINKS
        .map(|to| format!("  - {{ name: to-{to}, from: source, to: {to}, {NO_GUARD} }}\n"));
    let mut daemon = setup.run(&format!(
        "endpoints:\n  source: {{ kind: nacos, {} }}{}links:\n{}",
        source.servers(),
        Consumers::CONFIGURATION,
        links.concat()
    ))?;

    // The source is away: nobody is told that there is nothing.
    eventually(PATIENCE, || async {
        let page = http(consumers.page, "GET", "/sd/prometheus").await;
        page.is_ok_and(|(status, _)| status == 503)
    })
    .await;
    daemon
        .is(|status| status.endpoints.iter().any(|source| source.down.is_some()))
        .await?;
    assert_eq!(consumers.have().await, [const { None }; 4]);

    // It comes, and one read of it serves all four.
    let (orders, stock) = (
        Service::plain("orders"),
        Service::new("public", "G/x", "a b"),
    );
    let source = Embedded::come_back(source).await?;
    for (service, address) in [
        (&orders, "10.0.0.1:80"),
        (&orders, "10.0.0.2:80"),
        (&stock, "10.0.0.3:80"),
    ] {
        source
            .nacos
            .register(service, &Instance::at(address))
            .await?;
    }
    consumers
        .all_have(&["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"])
        .await;
    source
        .nacos
        .deregister(&orders, &Instance::at("10.0.0.2:80"))
        .await?;
    consumers.all_have(&["10.0.0.1:80", "10.0.0.3:80"]).await;

    // Both die; the one that comes back alone serves what was known last. What
    // was taken away within the last second before a kill may be there again:
    // the ledger did not know yet that it was gone.
    let before = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"];
    let after = ["10.0.0.1:80", "10.0.0.3:80"];
    daemon.in_step().await?;
    daemon.kill().await?;
    let source = source.die().await;
    daemon.restart()?;
    consumers.all_have_one_of(&[&before, &after]).await;

    // The source comes back with a part of it, and more.
    let source = Embedded::come_back(source).await?;
    for address in ["10.0.0.1:80", "10.0.0.4:80"] {
        source
            .nacos
            .register(&orders, &Instance::at(address))
            .await?;
    }
    source
        .nacos
        .register(&stock, &Instance::at("10.0.0.3:80"))
        .await?;
    consumers
        .all_have(&["10.0.0.1:80", "10.0.0.3:80", "10.0.0.4:80"])
        .await;

    // The same after an ordinary end, to the instance.
    daemon.stop().await?;
    source.die().await;
    daemon.restart()?;
    consumers
        .all_have(&["10.0.0.1:80", "10.0.0.3:80", "10.0.0.4:80"])
        .await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_daemon_does_not_write_the_same_file() -> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let orders = Service::plain("orders");
    source
        .nacos
        .register(&orders, &Instance::at("10.0.0.1:80"))
        .await?;
    let configuration = |path: &Path| {
        format!(
            "endpoints:
  source: {{ kind: nacos, {} }}
  targets: {{ kind: prometheus-file, path: \"{}\" }}
links:
  - {{ name: link, from: source, to: targets, {NO_GUARD} }}
",
            source.nacos.servers(),
            path.display()
        )
    };
    let first = Setup::new()?;
    let path = first.file("targets.json");
    let mut first = first.run(&configuration(&path))?;
    first.in_step().await?;
    let mut second = Setup::new()?.run(&configuration(&path))?;
    second
        .is(|status| {
            let mut problems = status.links.iter().flat_map(|link| &link.problems);
            problems.any(|problem| problem.what.contains("another process writes"))
        })
        .await?;
    first.kill().await?;
    second.in_step().await?;
    source
        .nacos
        .register(&orders, &Instance::at("10.0.0.2:80"))
        .await?;
    eventually(PATIENCE, || async {
        read(&path).is_some_and(|has| has.len() == 2)
    })
    .await;
    Ok(())
}
