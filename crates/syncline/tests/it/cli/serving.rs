//! `serve` with a state folder: what it said "ok" to is there after a kill.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use syncline_nacos::grpc::{GrpcConnection, ServiceRef};
use syncline_testkit::ports::PortBlock;
use syncline_testkit::{eventually, patience};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::daemon::registry::Nacos;

/// Nothing here takes so long unless it never comes.
const PATIENCE: Duration = Duration::from_secs(30);

/// `syncline serve` at an address, with a state folder.
pub(crate) struct Serving {
    child: Child,
    more: Vec<String>,
    pub(crate) nacos: Nacos,
    folder: TempDir,
    _ports: PortBlock,
}

fn command(http: SocketAddr, state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_syncline"));
    command
        .args(["serve", "--listen", &http.to_string(), "--state"])
        .arg(state)
        .env_remove("SYNCLINE_CONFIG")
        .env_remove("SYNCLINE_LOG")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

impl Serving {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        Self::start_saying(&[]).await
    }

    /// Starts one that presents a version, and waits less for clients to come
    /// back.
    pub(crate) async fn presenting(version: &str) -> anyhow::Result<Self> {
        let fast = "embedded:?return_within=6s";
        Self::start_saying(&["--presents", version, fast]).await
    }

    /// Starts it with further arguments.
    pub(crate) async fn start_saying(more: &[&str]) -> anyhow::Result<Self> {
        let ports = PortBlock::reserve()?;
        let folder = tempfile::tempdir()?;
        let state = folder.path().join("state");
        let serving = Self {
            child: command(ports.http(), &state).args(more).spawn()?,
            more: more.iter().map(|&argument| argument.to_owned()).collect(),
            nacos: Nacos::at(ports.http()),
            folder,
            _ports: ports,
        };
        serving.answers().await;
        Ok(serving)
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    async fn answers(&self) {
        let state = || async {
            let page = [("pageNo", "1"), ("pageSize", "1")];
            self.nacos.call("GET", "service/list", &page).await.is_ok()
        };
        eventually(PATIENCE, state).await;
    }

    /// Kills it with SIGKILL, and starts it again with what that left.
    pub(crate) async fn kill_and_restart(&mut self) -> anyhow::Result<()> {
        self.child.kill().await?;
        let mut again = command(self.nacos.http, &self.state());
        self.child = again.args(&self.more).spawn()?;
        self.answers().await;
        Ok(())
    }

    async fn json(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
        let body = self.nacos.call("GET", path, query).await?;
        serde_json::from_str(&body).context(body)
    }

    /// What operators see of the services of this test.
    async fn seen(&self) -> anyhow::Result<Vec<Value>> {
        let mut seen = Vec::new();
        for name in ["orders", "users", "empty"] {
            let service = [("serviceName", name), ("groupName", "G")];
            seen.push(self.json("service", &service).await?);
            if name != "empty" {
                let page = [("clusterName", "c1"), ("pageNo", "1"), ("pageSize", "50")];
                let service = [("serviceName", format!("G@@{name}"))];
                let mut query: Vec<(&str, &str)> = service
                    .iter()
                    .map(|(key, value)| (*key, value.as_str()))
                    .collect();
                query.extend(page);
                seen.push(self.json("catalog/instances", &query).await?);
            }
        }
        Ok(seen)
    }
}

/// Starts it where it cannot start; what it says.
async fn refused(state: &Path) -> anyhow::Result<String> {
    let ports = PortBlock::reserve()?;
    let ended = command(ports.http(), state).output();
    let output = tokio::time::timeout(patience(PATIENCE), ended).await??;
    anyhow::ensure!(output.status.code() == Some(1), "{:?}", output.status);
    Ok(String::from_utf8(output.stderr)?)
}

#[tokio::test]
async fn instances_and_settings_that_were_said_to_be_taken_outlive_a_kill() -> anyhow::Result<()> {
    let mut serving = Serving::start().await?;
    let nacos = serving.nacos;
    let instance = |name, ip| {
        [
            ("serviceName", name),
            ("groupName", "G"),
            ("ip", ip),
            ("port", "8080"),
            ("clusterName", "c1"),
            ("ephemeral", "false"),
        ]
    };
    let with = |base: [(&'static str, &'static str); 6], more: &[(&'static str, &'static str)]| {
        let mut query = base.to_vec();
        query.extend_from_slice(more);
        query
    };
    let register = with(
        instance("orders", "10.0.0.1"),
        &[("weight", "0.3"), ("metadata", r#"{"zone":"a"}"#)],
    );
    nacos.call("POST", "instance", &register).await?;
    nacos
        .call("POST", "instance", &instance("orders", "10.0.0.2"))
        .await?;
    nacos
        .call("POST", "instance", &instance("orders", "10.0.0.3"))
        .await?;
    nacos
        .call("DELETE", "instance", &instance("orders", "10.0.0.3"))
        .await?;
    let over = with(
        instance("orders", "10.0.0.2"),
        &[("weight", "7"), ("enabled", "false"), ("metadata", "k=v")],
    );
    nacos.call("PUT", "instance", &over).await?;
    let settings = [
        ("serviceName", "G@@orders"),
        ("protectThreshold", "0.7"),
        ("metadata", "team=a"),
    ];
    nacos.call("PUT", "service", &settings).await?;
    let checker = [
        ("serviceName", "G@@orders"),
        ("clusterName", "c1"),
        ("checkPort", "80"),
        ("useInstancePort4Check", "true"),
        ("healthChecker", r#"{"type":"NONE"}"#),
    ];
    nacos.call("PUT", "cluster", &checker).await?;
    let sick = with(instance("orders", "10.0.0.1"), &[("healthy", "false")]);
    nacos.call("PUT", "health/instance", &sick).await?;
    let made = [("serviceName", "G@@empty"), ("protectThreshold", "0.2")];
    nacos.call("POST", "service", &made).await?;

    let (connection, _events) =
        GrpcConnection::connect(&nacos.grpc_server()?, Arc::default()).await?;
    let stays = syncline_nacos::message::Instance {
        ip: "10.0.1.1".to_owned(),
        port: 9090,
        cluster_name: "c1".to_owned(),
        ephemeral: Some(false),
        ..syncline_nacos::message::Instance::default()
    };
    let users = ServiceRef::new("public", "G", "users");
    connection.persistent_register(&users, stays).await?;
    // Nobody is there to be looked at.
    let unchecked = checker.map(|(name, value)| match name {
        "serviceName" => (name, "G@@users"),
        _ => (name, value),
    });
    nacos.call("PUT", "cluster", &unchecked).await?;

    let before = serving.seen().await?;
    assert_eq!(before[1]["count"], 2, "{before:#?}");
    serving.kill_and_restart().await?;
    assert_eq!(serving.seen().await?, before);
    serving.kill_and_restart().await?;
    assert_eq!(serving.seen().await?, before, "also after a second kill");
    Ok(())
}

#[tokio::test]
async fn of_a_storm_that_a_kill_ends_all_that_was_said_to_be_taken_is_there() -> anyhow::Result<()>
{
    let mut serving = Serving::start().await?;
    let nacos = serving.nacos;
    let mut storm = JoinSet::new();
    for lane in 1..=16_u8 {
        storm.spawn(async move {
            let mut taken = Vec::new();
            for number in 1..=250_u8 {
                let ip = format!("10.0.{lane}.{number}");
                let query = [
                    ("serviceName", "storm"),
                    ("ip", ip.as_str()),
                    ("port", "80"),
                    ("ephemeral", "false"),
                ];
                if nacos.call("POST", "instance", &query).await.is_err() {
                    break;
                }
                taken.push(ip);
            }
            taken
        });
    }
    // In the middle of it, wherever that is.
    let list = [("serviceName", "storm")];
    let hosts = |list: &Value| list["hosts"].as_array().map_or(0, Vec::len);
    let some = || async {
        let list = serving.json("instance/list", &list).await;
        list.is_ok_and(|list| hosts(&list) > 100)
    };
    eventually(PATIENCE, some).await;
    serving.kill_and_restart().await?;
    let taken: Vec<String> = storm.join_all().await.into_iter().flatten().collect();
    let list = serving.json("instance/list", &list).await?;
    let found: Vec<&str> = list["hosts"]
        .as_array()
        .context("hosts")?
        .iter()
        .filter_map(|host| host["ip"].as_str())
        .collect();
    let lost: Vec<&String> = taken
        .iter()
        .filter(|ip| !found.contains(&ip.as_str()))
        .collect();
    assert!(taken.len() > 50, "{} taken", taken.len());
    assert!(
        lost.is_empty(),
        "{} of {}: {lost:?}",
        lost.len(),
        taken.len()
    );
    Ok(())
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_refused_by_name_and_left_alone() -> anyhow::Result<()> {
    let serving = Serving::start().await?;
    let said = refused(&serving.state()).await?;
    assert!(said.contains("is in use by process"), "{said}");
    drop(serving);

    let folder = tempfile::tempdir()?;
    let file = folder.path().join("registry/registry.redb");
    std::fs::create_dir_all(file.parent().context("a folder")?)?;
    std::fs::write(&file, "no database")?;
    let said = refused(folder.path()).await?;
    assert!(said.contains(&file.display().to_string()), "{said}");
    assert!(said.contains("is not a whole registry file"), "{said}");
    assert_eq!(std::fs::read_to_string(&file)?, "no database");

    let said = refused(&file).await?;
    assert!(said.contains(&file.display().to_string()), "{said}");
    Ok(())
}

#[tokio::test]
async fn without_a_state_folder_nothing_is_kept() -> anyhow::Result<()> {
    let ports = PortBlock::reserve()?;
    let folder = tempfile::tempdir()?;
    let mut child = Command::new(env!("CARGO_BIN_EXE_syncline"))
        .args(["serve", "--listen", &ports.http().to_string()])
        .current_dir(folder.path())
        .env("XDG_STATE_HOME", folder.path())
        .env("HOME", folder.path())
        .env_remove("SYNCLINE_STATE")
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let nacos = Nacos::at(ports.http());
    let query = [
        ("serviceName", "orders"),
        ("ip", "10.0.0.1"),
        ("port", "80"),
        ("ephemeral", "false"),
    ];
    let registered = || async { nacos.call("POST", "instance", &query).await.is_ok() };
    eventually(PATIENCE, registered).await;
    child.kill().await?;
    assert_eq!(std::fs::read_dir(folder.path())?.count(), 0);
    Ok(())
}

#[tokio::test]
async fn an_address_that_others_reach_is_not_opened_by_oversight() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let ports = PortBlock::reserve()?;
    let everywhere = SocketAddr::from(([0, 0, 0, 0], ports.http().port()));
    let ended = command(everywhere, folder.path()).output();
    let output = tokio::time::timeout(patience(PATIENCE), ended).await??;
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr)?;
    assert!(said.contains("add --open to let everybody in"), "{said}");

    // Users of an endpoint of the configuration, at another address.
    let config = "endpoints: { edge: { kind: embedded, access: { users: { \
                  shop: { password: \"${file:password}\", rights: { public: r } } } } } }\n";
    std::fs::write(folder.path().join("syncline.yaml"), config)?;
    std::fs::write(folder.path().join("password"), "hunter2\n")?;
    let mut serving = command(everywhere, &folder.path().join("state"));
    serving.arg("edge").current_dir(folder.path());
    let _serving = serving.spawn()?;
    let nacos = Nacos::at(ports.http());
    let state = || async { nacos.call("GET", "operator/metrics", &[]).await.is_ok() };
    eventually(PATIENCE, state).await;
    let shop = [
        ("serviceName", "s"),
        ("username", "shop"),
        ("password", "hunter2"),
    ];
    assert!(nacos.call("GET", "instance/list", &shop).await.is_ok());
    let stranger = nacos.call("GET", "instance/list", &shop[..1]).await;
    let refused = stranger.expect_err("a stranger").to_string();
    assert!(refused.contains("403"), "{refused}");
    let write = [&shop[..], &[("ip", "10.0.0.1"), ("port", "80")]].concat();
    let refused = nacos.call("POST", "instance", &write).await;
    let refused = refused.expect_err("only reading was granted").to_string();
    assert!(refused.contains("authorization failed!"), "{refused}");
    Ok(())
}
