//! `list`, `watch` and `serve`, on an embedded registry over the real protocol.

use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use syncline_model::{Instance, Metadata, Port, Seen, ServiceKey, ServiceSet, Weight};
use syncline_registry::{LinkClient, Listeners, Registry, Settings};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Nothing here takes so long unless it never comes.
const PATIENCE: Duration = Duration::from_secs(30);

struct Served {
    link: LinkClient,
    address: String,
    _serving: DropGuard,
}

async fn serve() -> Served {
    let listeners = Listeners::bind_free().await.expect("a free pair");
    let address = listeners.http_addr().to_string();
    let registry = Registry::new(Settings::default());
    let link = registry.link_client(&"test".into());
    let cancel = CancellationToken::new();
    tokio::spawn(syncline_registry::serve(
        listeners,
        registry,
        cancel.clone(),
    ));
    Served {
        link,
        address,
        _serving: cancel.drop_guard(),
    }
}

impl Served {
    fn url(&self, rest: &str) -> String {
        format!("nacos://{}{rest}", self.address)
    }

    fn publish(&self, namespace: &str, group: &str, name: &str, instances: Vec<Instance>) {
        let key = ServiceKey::new(namespace, group, name);
        self.link
            .publish(&key, Arc::new(ServiceSet::new(instances)));
    }

    /// Two namespaces, two groups, and something wrong with one instance.
    fn fill(&self) {
        let mut sick = instance(4);
        sick.healthy = Seen::Known(false);
        let mut zoned = instance(3);
        zoned.weight = Weight::new(2.5).expect("legal");
        zoned.metadata = Metadata::from_pairs([("zone", "b"), ("version", "2")]);
        let mut far = instance(9);
        far.key.cluster = "sh".into();
        self.publish(
            "public",
            "DEFAULT_GROUP",
            "order-service",
            vec![instance(1)],
        );
        self.publish(
            "public",
            "DEFAULT_GROUP",
            "payment-service",
            vec![zoned, sick],
        );
        self.publish("prod-cn", "G_TRADE", "pay", vec![instance(1), far]);
    }
}

fn instance(last: u8) -> Instance {
    let host = format!("10.2.0.{last}");
    Instance::new(host.as_str(), Port::new(8080).expect("not zero"))
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_syncline"));
    command
        .args(arguments)
        .current_dir(std::env::temp_dir())
        .env_remove("SYNCLINE_CONFIG")
        .env_remove("NACOS_PASSWORD")
        .kill_on_drop(true);
    command
}

async fn syncline(arguments: &[&str]) -> Output {
    let output = command(arguments).output();
    tokio::time::timeout(PATIENCE, output)
        .await
        .expect("the command ends")
        .expect("the command runs")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn list_shows_the_services_of_all_namespaces_and_groups() {
    let served = serve().await;
    served.fill();
    let output = syncline(&["list", &served.url("")]).await;
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let text = out(&output);
    let (table, summary) = text.trim_end().rsplit_once('\n').expect("a summary");
    assert_eq!(
        table,
        "\
NAMESPACE  GROUP          SERVICE          HEALTHY  CLUSTERS
prod-cn    G_TRADE        pay                  2/2  DEFAULT, sh
public     DEFAULT_GROUP  order-service        1/1  DEFAULT
public     DEFAULT_GROUP  payment-service      1/2  DEFAULT      1 unhealthy"
    );
    assert!(
        summary.starts_with("3 services, 4 of 5 instances healthy · Nacos "),
        "{summary}"
    );
}

#[tokio::test]
async fn list_shows_the_instances_of_a_service() {
    let served = serve().await;
    served.fill();
    let output = syncline(&["list", &served.url(""), "-s", "payment-*"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let text = out(&output);
    assert!(
        text.starts_with(
            "\
public/DEFAULT_GROUP/payment-service   1/2 healthy   1 unhealthy
ADDRESS        WEIGHT  HEALTH     ENABLED  EPHEMERAL  CLUSTER  METADATA
10.2.0.3:8080     2.5  healthy    yes"
        ),
        "{text}"
    );
    assert!(text.contains("version=2, zone=b\n"), "{text}");
    assert!(
        text.contains("10.2.0.4:8080       1  unhealthy  yes"),
        "{text}"
    );
}

#[tokio::test]
async fn list_selects_by_url_and_by_option() {
    let served = serve().await;
    served.fill();
    for arguments in [
        &["list", &served.url("/prod-cn"), "-o", "json"][..],
        &["list", &served.url("?group=G_*"), "-o", "json"],
        &["list", &served.url(""), "-g", "re:G_.*", "-o", "json"],
        &["list", &served.url(""), "-x", "*-service", "-o", "json"],
        &[
            "list",
            &served.url(""),
            "--where",
            "cluster == \"sh\"",
            "-o",
            "json",
        ],
    ] {
        let output = syncline(arguments).await;
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        let answer: serde_json::Value = serde_json::from_str(&out(&output)).expect("JSON");
        assert_eq!(answer["complete"], true);
        let services = answer["services"].as_array().expect("services");
        let names: Vec<_> = services.iter().map(|s| s["service"].as_str()).collect();
        assert_eq!(names, [Some("pay")], "{arguments:?}");
    }
}

#[tokio::test]
async fn list_says_what_is_wrong_and_what_to_try() {
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        free.local_addr().expect("an address").port()
    };
    let url = format!("nacos://127.0.0.1:{port}");
    let output = syncline(&["list", &url]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = err(&output);
    assert!(said.starts_with(&format!("error: {url}: ")), "{said}");
    assert!(
        said.contains("\n  does a Nacos server listen there?"),
        "{said}"
    );
    for (word, part) in [
        ("127.0.0.1", "is no URL, and there is no configuration"),
        (
            "nacos://user@127.0.0.1",
            "set NACOS_PASSWORD to the password of `user`",
        ),
        ("nacos://u:secret@127.0.0.1", "a password on a command line"),
        ("file:x.json", "can be written but not listed"),
        ("nacos://127.0.0.1?group=re:(", "unclosed group"),
    ] {
        let output = syncline(&["list", word]).await;
        let said = err(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(part), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
}

#[tokio::test]
async fn list_takes_names_from_a_configuration() {
    let served = serve().await;
    served.fill();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("syncline.yaml");
    let text = format!(
        "endpoints:\n  hangzhou: {{ kind: nacos, servers: [\"{0}\"] }}\n  \
         local: {{ kind: embedded, listen: {0} }}\n",
        served.address
    );
    std::fs::write(&path, text).expect("a file");
    let list = async |name: &str| {
        let path: &Path = &path;
        let config = path.to_str().expect("text");
        syncline(&["list", name, "--config", config]).await
    };
    for name in ["hangzhou", "local"] {
        let output = list(name).await;
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        assert!(out(&output).contains("3 services"), "{}", out(&output));
    }
    let said = err(&list("hangzhu").await);
    assert!(
        said.contains("defines no endpoint `hangzhu`; did you mean `hangzhou`?"),
        "{said}"
    );
}

#[tokio::test]
async fn check_asks_every_endpoint_what_it_is() {
    let served = serve().await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("syncline.yaml");
    let check = async |server: &str| {
        let text = format!(
            "endpoints:\n  hangzhou: {{ kind: nacos, servers: [\"{server}\"] }}\n  \
             out: {{ kind: file, path: out.json }}\n\
             links: [{{ name: hz-out, from: hangzhou, to: out }}]\n"
        );
        std::fs::write(&path, text).expect("a file");
        syncline(&["check", path.to_str().expect("text")]).await
    };
    let output = check(&served.address).await;
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    assert!(
        out(&output).contains("hangzhou  Nacos "),
        "{}",
        out(&output)
    );

    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody = free.local_addr().expect("an address").to_string();
    drop(free);
    let output = check(&nobody).await;
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
    assert!(out(&output).contains("does not answer"), "{}", out(&output));
}

/// A running `watch` and its lines.
struct Watching {
    lines: Lines<BufReader<ChildStdout>>,
    child: Child,
}

impl Watching {
    fn start(arguments: &[&str]) -> Self {
        let mut child = command(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the command runs");
        let stdout = child.stdout.take().expect("a pipe");
        Self {
            lines: BufReader::new(stdout).lines(),
            child,
        }
    }

    async fn line(&mut self) -> String {
        tokio::time::timeout(PATIENCE, self.lines.next_line())
            .await
            .expect("a line comes")
            .expect("text")
            .expect("not the end")
    }
}

#[tokio::test]
async fn watch_shows_what_comes_changes_and_goes() {
    let served = serve().await;
    served.publish(
        "public",
        "DEFAULT_GROUP",
        "pay",
        vec![instance(1), instance(2)],
    );
    let mut watching = Watching::start(&["watch", &served.url("")]);
    let begin = watching.line().await;
    assert!(
        begin.starts_with("1 service, 2 instances · Nacos "),
        "{begin}"
    );

    let mut heavy = instance(1);
    heavy.weight = Weight::new(5.0).expect("legal");
    served.publish(
        "public",
        "DEFAULT_GROUP",
        "pay",
        vec![heavy.clone(), instance(2)],
    );
    let line = watching.line().await;
    assert!(
        line.ends_with("  ~ pay                    10.2.0.1:8080   weight 1 → 5"),
        "{line}"
    );

    served.publish("public", "DEFAULT_GROUP", "pay", vec![heavy]);
    let line = watching.line().await;
    assert!(
        line.contains("  - pay                    10.2.0.2:8080   deregistered"),
        "{line}"
    );

    served.publish("public", "G", "new", vec![instance(7)]);
    let line = watching.line().await;
    assert!(
        line.ends_with("  + G/new                  10.2.0.7:8080   weight 1"),
        "{line}"
    );
    watching.child.kill().await.expect("it ends");
}

#[tokio::test]
async fn watch_ends_by_itself_and_speaks_json() {
    let served = serve().await;
    let url = served.url("");
    let mut watching = Watching::start(&["watch", &url, "-o", "json", "--for", "1h"]);
    served.publish("public", "DEFAULT_GROUP", "pay", vec![instance(1)]);
    // Whether the list or the watch sees it is a matter of time, so a second
    // change is made until one is told.
    let mut weight = 1.0;
    let line = loop {
        weight += 1.0;
        let mut changed = instance(1);
        changed.weight = Weight::new(weight).expect("legal");
        served.publish("public", "DEFAULT_GROUP", "pay", vec![changed]);
        let soon = Duration::from_millis(300);
        if let Ok(line) = tokio::time::timeout(soon, watching.lines.next_line()).await {
            break line.expect("text").expect("not the end");
        }
        assert!(weight < 100.0, "no change was told");
    };
    let row: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(row["service"], "pay");
    assert_eq!(row["address"], "10.2.0.1:8080");
    watching.child.kill().await.expect("it ends");

    let output = syncline(&["watch", &url, "--for", "1ms"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
}

#[tokio::test]
async fn serve_serves_until_it_is_told_to_stop() {
    let mut serving = Watching::start(&["serve", "--listen", "127.0.0.1:0"]);
    let line = serving.line().await;
    let (_, url) = line.rsplit_once(' ').expect("a URL");
    let output = syncline(&["list", url]).await;
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).starts_with("0 services"), "{}", out(&output));
    let pid = serving.child.id().expect("it runs").to_string();
    let told = std::process::Command::new("kill").arg(&pid).status();
    assert!(told.expect("kill runs").success());
    let ended = tokio::time::timeout(PATIENCE, serving.child.wait()).await;
    let status = ended.expect("it ends").expect("a status");
    assert_eq!(status.code(), Some(0));
}
