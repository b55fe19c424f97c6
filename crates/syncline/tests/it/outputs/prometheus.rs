//! A real Prometheus, configured by the recipe of the guide.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Output, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use syncline_testkit::ports::PortBlock;
use syncline_testkit::{eventually, eventually_some, run};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use super::NO_GUARD;
use crate::daemon::PATIENCE;
use crate::daemon::process::Setup;
use crate::daemon::registry::{Embedded, http};
use crate::daemon::seen::{Instance, Service};

const GUIDE: &str = include_str!("../../../../../docs/guide/prometheus.md");

/// A program that is scraped: whatever is asked, it answers one metric.
async fn scraped() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                if stream.read(&mut request).await.is_ok() {
                    let answer =
                        "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nshop_orders 1\n";
                    stream.write_all(answer.as_bytes()).await.ok();
                }
            });
        }
    });
    Ok(address)
}

/// The recipe, for a file and a page that are elsewhere, by one of the two.
fn recipe(targets: &Path, admin: SocketAddr) -> anyhow::Result<String> {
    let (_, recipe) = GUIDE
        .split_once("```yaml\nscrape_configs:\n")
        .context("the recipe")?;
    let (recipe, _) = recipe.split_once("```").context("its end")?;
    let (head, rest) = recipe
        .split_once("    file_sd_configs:")
        .context("the file")?;
    let (file, rest) = rest
        .split_once("    http_sd_configs:")
        .context("the page")?;
    let (page, rules) = rest.split_once("\n\n").context("the rules")?;
    let job = |name: &str, discovery: &str| {
        let head = head.replace("job_name: nacos", &format!("job_name: {name}"));
        format!("{head}    {discovery}\n\n{rules}\n")
    };
    let path = "/etc/prometheus/targets/nacos.json";
    ensure!(
        file.contains(path) && page.contains("127.0.0.1:8849"),
        "{recipe}"
    );
    let file = file.replace(path, &targets.display().to_string());
    let page = page
        .replace("127.0.0.1:8849", &admin.to_string())
        .replace("15s", "1s");
    Ok(format!(
        "global: {{ scrape_interval: 1s }}\nscrape_configs:\n{}{}",
        job("file", &format!("file_sd_configs:{file}")),
        job("page", &format!("http_sd_configs:{page}"))
    ))
}

async fn promtool(arguments: &[&str]) -> anyhow::Result<Output> {
    let output = Command::new("promtool").args(arguments).output().await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "promtool {arguments:?}: {out}{said}"
    );
    Ok(output)
}

struct Prometheus {
    address: SocketAddr,
    _process: Child,
    _ports: PortBlock,
}

/// What is scraped in a job and went well: labels of targets, by address.
type Up = BTreeMap<String, BTreeMap<String, String>>;

impl Prometheus {
    fn start(folder: &Path, configuration: &Path) -> anyhow::Result<Self> {
        let ports = PortBlock::reserve()?;
        let log = std::fs::File::create(folder.join("prometheus.log"))?;
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("tsdb").display()
            ))
            .arg(format!("--web.listen-address={}", ports.http()))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("start Prometheus")?;
        Ok(Self {
            address: ports.http(),
            _process: process,
            _ports: ports,
        })
    }

    async fn up(&self, job: &str) -> anyhow::Result<Up> {
        let (status, body) = http(self.address, "GET", "/api/v1/targets?state=active").await?;
        ensure!(status == 200, "{status} {body}");
        let answer: Value = serde_json::from_str(&body)?;
        let targets = answer["data"]["activeTargets"]
            .as_array()
            .context("targets")?;
        let up = targets
            .iter()
            .filter(|target| target["scrapePool"] == job && target["health"] == "up");
        Ok(up
            .map(|target| {
                let labels = serde_json::from_value(target["labels"].clone());
                let labels: BTreeMap<String, String> = labels.unwrap_or_default();
                (labels.get("instance").cloned().unwrap_or_default(), labels)
            })
            .collect())
    }

    /// Waits until exactly these are scraped by both jobs.
    async fn scrapes(&self, wanted: &[SocketAddr]) -> Up {
        let wanted: BTreeSet<String> = wanted.iter().map(ToString::to_string).collect();
        let all = |up: &Up| up.keys().cloned().collect::<BTreeSet<_>>() == wanted;
        eventually_some(PATIENCE, || async {
            let (file, page) = (self.up("file").await.ok()?, self.up("page").await.ok()?);
            (all(&file) && all(&page)).then_some(page)
        })
        .await
    }
}

/// An instance at an address that is scraped elsewhere, as Spring has it.
fn managed(address: &str, at: SocketAddr) -> Instance {
    Instance::at(address).with("management.port", &at.port().to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_scrapes_what_is_registered_through_the_file_and_through_the_page() -> anyhow::Result<()>
{
    if !run::require_program("prometheus") {
        return Ok(());
    }
    let [one, other, third] = [scraped().await?, scraped().await?, scraped().await?];
    let source = Embedded::serve().await?;
    let (orders, pay) = (
        Service::plain("orders"),
        Service::new("public", "G_TRADE", "providers:com.x.Pay:1.0:g"),
    );
    let hostile = managed("127.0.0.1:1", other)
        .with("version", "1\"}]2\\")
        .with("note", "two\nlines")
        .with("a.b", "dot")
        .with("a-b", "dash")
        .with("区域", "杭州");
    source
        .nacos
        .register(&orders, &Instance::at(&one.to_string()))
        .await?;
    source.nacos.register(&pay, &hostile).await?;

    let setup = Setup::new()?;
    let (targets, configuration) = (setup.file("nacos.json"), setup.file("prometheus.yml"));
    std::fs::write(&configuration, recipe(&targets, setup.admin())?)?;
    let mut daemon = setup.run(&format!(
        "endpoints:
  source: {{ kind: nacos, {} }}
  targets: {{ kind: prometheus-file, path: nacos.json }}
  page: {{ kind: prometheus-http }}
links:
  - {{ name: scrape-file, from: source, to: targets, {NO_GUARD} }}
  - {{ name: scrape-page, from: source, to: page, {NO_GUARD} }}
",
        source.nacos.servers()
    ))?;
    daemon.in_step().await?;
    let path = configuration.display().to_string();
    promtool(&["check", "config", &path]).await?;
    for job in ["file", "page"] {
        let found = promtool(&["check", "service-discovery", "--timeout=1s", &path, job]).await?;
        let found = String::from_utf8_lossy(&found.stdout).into_owned();
        ensure!(
            found.contains("providers:com.x.Pay:1.0:g") && found.contains("杭州"),
            "{found}"
        );
    }

    let prometheus = Prometheus::start(&daemon.file("."), &configuration)?;
    let up = prometheus.scrapes(&[one, other]).await;
    let labels = &up[&other.to_string()];
    assert_eq!(labels["service"], "providers:com.x.Pay:1.0:g");
    assert_eq!(labels["group"], "G_TRADE");
    assert_eq!(labels["version"], "1\"}]2\\");

    // Targets come and go with the instances.
    source
        .nacos
        .register(&orders, &managed("127.0.0.1:2", third))
        .await?;
    prometheus.scrapes(&[one, other, third]).await;
    source.nacos.deregister(&pay, &hostile).await?;
    prometheus.scrapes(&[one, third]).await;

    // Neither the death of both nor a start without the source takes one away.
    daemon.kill().await?;
    source.die().await;
    daemon.restart()?;
    eventually(PATIENCE, || async {
        let page = http(daemon.admin(), "GET", "/sd/prometheus").await;
        page.is_ok_and(|(status, _)| status == 200)
    })
    .await;
    prometheus.scrapes(&[one, third]).await;
    Ok(())
}
