//! Genuine Nacos clients, as applications have them.
//!
//! Each is a small program around the published client of its language, in the testbed, that obeys lines on standard
//! input and tells what it sees as JSON lines: one protocol for all, in `testbed/README.md`.

mod kind;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::sync::watch;

pub use kind::Kind;

use crate::patience;

/// How long a command may take; the client itself retries for some seconds.
const COMMAND_DEADLINE: Duration = Duration::from_secs(30);

/// A process with one naming client. It ends with its value or with this process, whichever comes first.
#[derive(Debug)]
pub struct GenuineClient {
    kind: Kind,
    child: Child,
    commands: Mutex<Option<ChildStdin>>,
    events: watch::Receiver<Events>,
    /// How many events [`await_event`](Self::await_event) went past.
    passed: Mutex<usize>,
    /// One command at a time, so that an answer belongs to the command before it.
    turn: tokio::sync::Mutex<()>,
    folder: TempDir,
}

/// All that the client printed.
#[derive(Debug, Default)]
struct Events {
    seen: Vec<Event>,
    /// Whether the process closed its output.
    ended: bool,
}

/// A line that the client printed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// The client is connected as far as its constructor connects.
    Ready,
    /// A subscriber was told the instances of a service.
    Instances(Instances),
    /// A watcher was told that a service came or went.
    Name(Name),
    /// The answer to [`GenuineClient::list`].
    List(Instances),
    /// A command succeeded.
    Done {
        /// The command as sent.
        command: String,
    },
    /// A command failed.
    Failed {
        /// The command as sent.
        command: String,
        /// What the client said.
        error: String,
    },
}

/// A service that came or went, as the client tells it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Name {
    /// The service's name, without its group.
    pub service: String,
    /// The service's group.
    pub group: String,
    /// `ADD_SERVICE` or `DELETE_SERVICE`.
    pub change: String,
}

/// The instances of a service, as the client sees them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Instances {
    /// The service's name, without its group.
    pub service: String,
    /// The service's group.
    pub group: String,
    /// When, in milliseconds since 1970 by the clock of this machine.
    pub at_ms: u64,
    /// In no particular order.
    pub instances: Vec<SeenInstance>,
}

/// One instance, as the client sees it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct SeenInstance {
    /// Address.
    pub ip: String,
    /// Port.
    pub port: u16,
    /// Weight; `NaN` cannot come here.
    pub weight: f64,
    /// Whether the server holds it healthy.
    pub healthy: bool,
    /// Whether it is shown to consumers.
    pub enabled: bool,
    /// Whether it lives by a connection or by beats.
    pub ephemeral: bool,
    /// The cluster's name.
    pub cluster: String,
    /// Metadata.
    pub metadata: BTreeMap<String, String>,
}

impl GenuineClient {
    /// Starts a client for a namespace.
    ///
    /// # Errors
    ///
    /// When the testbed cannot build it, or it does not come up.
    pub async fn start(kind: Kind, server: SocketAddr, namespace: &str) -> anyhow::Result<Self> {
        Self::start_in(kind, server, namespace, &[]).await
    }

    /// Starts a client with environment variables such as `NACOS_USERNAME` and `NACOS_PASSWORD`.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_in(
        kind: Kind,
        server: SocketAddr,
        namespace: &str,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let folder =
            tempfile::tempdir().with_context(|| format!("make a folder for the {kind} client"))?;
        let log = std::fs::File::create(folder.path().join("log"))
            .with_context(|| format!("make the log of the {kind} client"))?;
        let mut child = kind
            .command()
            .args(["run", &server.to_string(), namespace])
            .envs(environment.iter().copied())
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("start the {kind} client"))?;
        let commands = Mutex::new(child.stdin.take());
        let output = child.stdout.take().context("a client without output")?;
        let (sender, events) = watch::channel(Events::default());
        std::thread::spawn(move || read(output, &sender));
        let client = Self {
            kind,
            child,
            commands,
            events,
            passed: Mutex::new(0),
            turn: tokio::sync::Mutex::default(),
            folder,
        };
        // The first run on a machine compiles.
        client
            .find(0, Duration::from_secs(120), |event| *event == Event::Ready)
            .await?;
        Ok(client)
    }

    /// Registers an ephemeral instance and keeps it alive. The metadata key `@cluster` names the cluster, and
    /// `@ephemeral=false` makes it persistent.
    ///
    /// # Errors
    ///
    /// When the client reports an error.
    pub async fn register(
        &self,
        service: &str,
        group: &str,
        address: SocketAddr,
        weight: f64,
        metadata: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        let pairs: Vec<String> = metadata
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let (ip, port) = (address.ip(), address.port());
        self.command(&format!(
            "register {service} {group} {ip} {port} {weight} {}",
            pairs.join(",")
        ))
        .await
    }

    /// Registers these ephemeral instances with their weights, and no others, as the service's instances of this
    /// client.
    ///
    /// # Errors
    ///
    /// When the client reports an error, or knows no batches.
    pub async fn batch(
        &self,
        service: &str,
        group: &str,
        instances: &[(SocketAddr, f64)],
    ) -> anyhow::Result<()> {
        let instances: Vec<String> = instances
            .iter()
            .map(|(address, weight)| format!("{address}*{weight}"))
            .collect();
        self.command(&format!("batch {service} {group} {}", instances.join(" ")))
            .await
    }

    /// Takes an instance in cluster `DEFAULT` back.
    ///
    /// # Errors
    ///
    /// When the client reports an error.
    pub async fn deregister(
        &self,
        service: &str,
        group: &str,
        address: SocketAddr,
    ) -> anyhow::Result<()> {
        let (ip, port) = (address.ip(), address.port());
        self.command(&format!("deregister {service} {group} {ip} {port}"))
            .await
    }

    /// Subscribes to a service; from now on [`Event::Instances`] come.
    ///
    /// # Errors
    ///
    /// When the client reports an error.
    pub async fn subscribe(&self, service: &str, group: &str) -> anyhow::Result<()> {
        self.command(&format!("subscribe {service} {group}")).await
    }

    /// Watches the names of services that match a pattern each for name and group; from now on [`Event::Name`] come.
    ///
    /// # Errors
    ///
    /// When the client reports an error, or knows no such watch: all but Java from 3.0 on.
    pub async fn watch(&self, name: &str, group: &str) -> anyhow::Result<()> {
        self.command(&format!("watch {name} {group}")).await
    }

    /// The instances of a service as the client lists them: the server's answer, or what the client knows already where
    /// it subscribed.
    ///
    /// # Errors
    ///
    /// When the client reports an error.
    pub async fn list(&self, service: &str, group: &str) -> anyhow::Result<Vec<SeenInstance>> {
        let before = self.events.borrow().seen.len();
        self.command(&format!("list {service} {group}")).await?;
        let is_answer = |event: &Event| matches!(event, Event::List(_));
        match self.find(before, COMMAND_DEADLINE, is_answer).await? {
            (_, Event::List(list)) => Ok(list.instances),
            (_, other) => bail!("expected a list, got {other:?}"),
        }
    }

    /// Sends a command line (see `testbed/README.md`) and waits until it is done.
    ///
    /// # Errors
    ///
    /// When the client reports an error, ended, or takes longer than 30 s.
    pub async fn command(&self, line: &str) -> anyhow::Result<()> {
        let _turn = self.turn.lock().await;
        let line = line.trim_end();
        let before = self.events.borrow().seen.len();
        self.send(line)?;
        let is_answer = |event: &Event| matches!(event, Event::Done { command } | Event::Failed { command, .. } if command == line);
        match self.find(before, COMMAND_DEADLINE, is_answer).await? {
            (_, Event::Failed { error, .. }) => bail!("{line}: {error}"),
            _ => Ok(()),
        }
    }

    /// The next event that `matches`, after the one that the last call returned.
    ///
    /// # Errors
    ///
    /// When none comes before the deadline (stretched by [`patience`]), or the client ended; says what came instead.
    pub async fn await_event(
        &self,
        deadline: Duration,
        matches: impl Fn(&Event) -> bool,
    ) -> anyhow::Result<Event> {
        let from = *lock(&self.passed);
        let (index, event) = self.find(from, deadline, matches).await?;
        *lock(&self.passed) = index + 1;
        Ok(event)
    }

    /// The next push about a service whose instances `match`; see [`await_event`](Self::await_event).
    ///
    /// # Errors
    ///
    /// As [`await_event`](Self::await_event).
    pub async fn await_instances(
        &self,
        service: &str,
        deadline: Duration,
        matches: impl Fn(&[SeenInstance]) -> bool,
    ) -> anyhow::Result<Instances> {
        let is_wanted = |event: &Event| matches!(event, Event::Instances(seen) if seen.service == service && matches(&seen.instances));
        match self.await_event(deadline, is_wanted).await? {
            Event::Instances(seen) => Ok(seen),
            other => bail!("expected instances, got {other:?}"),
        }
    }

    /// Waits until a watcher is told of a change (`ADD_SERVICE`, `DELETE_SERVICE`) of a name; see
    /// [`await_event`](Self::await_event).
    ///
    /// # Errors
    ///
    /// As [`await_event`](Self::await_event).
    pub async fn await_name(
        &self,
        service: &str,
        change: &str,
        deadline: Duration,
    ) -> anyhow::Result<()> {
        let is_wanted = |event: &Event| matches!(event, Event::Name(told) if told.service == service && told.change == change);
        self.await_event(deadline, is_wanted).await.map(drop)
    }

    /// Every push about a service so far, in order: for "at no moment was it absent".
    pub fn pushes(&self, service: &str) -> Vec<Instances> {
        let events = self.events.borrow();
        let of_service = |event: &Event| match event {
            Event::Instances(seen) if seen.service == service => Some(seen.clone()),
            _ => None,
        };
        events.seen.iter().filter_map(of_service).collect()
    }

    /// Kills the process as a crash would; what it registered stays until the server notices.
    ///
    /// # Errors
    ///
    /// When the process cannot be signalled.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let kind = self.kind;
        self.child
            .kill()
            .with_context(|| format!("kill the {kind} client"))?;
        self.child
            .wait()
            .with_context(|| format!("wait for the {kind} client"))?;
        Ok(())
    }

    /// Lets the client shut down as an application does that ends in order, and waits until the process is gone.
    ///
    /// # Errors
    ///
    /// When it takes longer than 30 s.
    pub async fn close(mut self) -> anyhow::Result<()> {
        let kind = self.kind;
        self.send("quit")?;
        let mut events = self.events.clone();
        let ended = events.wait_for(|events| events.ended);
        tokio::time::timeout(patience(COMMAND_DEADLINE), ended)
            .await
            .with_context(|| format!("the {kind} client does not end"))??;
        self.child
            .wait()
            .with_context(|| format!("wait for the {kind} client"))?;
        Ok(())
    }

    fn send(&self, line: &str) -> anyhow::Result<()> {
        let mut commands = lock(&self.commands);
        let commands = commands.as_mut().context("the client was told to end")?;
        writeln!(commands, "{line}")
            .with_context(|| format!("send {line} to the {} client", self.kind))
    }

    /// The first event at or after `from` that matches, with its index.
    async fn find(
        &self,
        from: usize,
        deadline: Duration,
        matches: impl Fn(&Event) -> bool,
    ) -> anyhow::Result<(usize, Event)> {
        let mut events = self.events.clone();
        let found = |events: &Events| {
            events
                .seen
                .iter()
                .skip(from)
                .position(&matches)
                .map(|index| from + index)
        };
        let waiting = events.wait_for(|events| events.ended || found(events).is_some());
        let waited = tokio::time::timeout(patience(deadline), waiting)
            .await
            .is_ok();
        let events = self.events.borrow();
        match found(&events) {
            Some(index) => Ok((index, events.seen[index].clone())),
            None if waited => bail!("the {} client ended: {}", self.kind, self.log()),
            None => bail!(
                "not seen within {deadline:?}; came instead: {:?}",
                &events.seen[from.min(events.seen.len())..]
            ),
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log"))
            .unwrap_or_else(|error| error.to_string())
    }
}

impl Drop for GenuineClient {
    /// Killed rather than asked: a client that waits for a dead server takes its time to shut down.
    fn drop(&mut self) {
        // It may have ended before; either way nothing is left to do.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Reads until the process closes its output.
fn read(output: ChildStdout, events: &watch::Sender<Events>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        // Whatever is no event was printed by a library, not by the driver.
        if let Ok(event) = serde_json::from_str(&line) {
            events.send_modify(|events| events.seen.push(event));
        }
    }
    events.send_modify(|events| events.ended = true);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_client_prints() {
        let line = r#"{"event":"instances","service":"s","group":"G","at_ms":7,"instances":[{"ip":"10.0.0.1","port":80,
            "weight":1.5,"healthy":true,"enabled":true,"ephemeral":true,"cluster":"hz","metadata":{"a":"b"}}]}"#;
        let Event::Instances(seen) = serde_json::from_str(line).unwrap() else {
            panic!("not instances")
        };
        assert_eq!((seen.service.as_str(), seen.at_ms), ("s", 7));
        assert_eq!(
            (seen.instances[0].cluster.as_str(), seen.instances[0].weight),
            ("hz", 1.5)
        );
        let failed: Event =
            serde_json::from_str(r#"{"event":"failed","command":"x","error":"y"}"#).unwrap();
        assert_eq!(
            failed,
            Event::Failed {
                command: "x".to_owned(),
                error: "y".to_owned()
            }
        );
    }
}
