//! Applications with genuine clients of every language, at the real binary.
//!
//! Each scenario is written once and runs with all clients at the same time,
//! each in a namespace of its own:
//!
//! * [`life`]: a client registers, subscribes, is told what comes, changes and
//!   goes, and leaves;
//! * [`restart`]: the registry is killed and started again, and every client
//!   comes back by itself;
//! * [`login`]: the registry asks for users, and clients say who they are;
//! * [`names`]: the one that watches names is told of those that come and go.
//!
//! [`dubbo`] and [`spring`] are about whole applications, which have their
//! clients from a framework; [`process`] is one of them, running.
//!
//! [`kind`] says which clients there are and what each cannot do;
//! [`application`] is one of them, running.

mod application;
mod dubbo;
mod kind;
mod life;
mod login;
mod names;
mod process;
mod restart;
mod rust;
mod spring;

use std::time::Duration;

use anyhow::bail;
use syncline_testkit::patience;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::daemon::registry::Nacos;
use crate::daemon::seen::{Instance, Service, same};
use kind::Kind;

/// How long anything may take: clients over HTTP poll every 10 s, and what they
/// no longer beat for is gone after 15.
const PATIENCE: Duration = Duration::from_secs(60);

/// What scenarios of several clients came to, all of which run at the same time.
struct Together<T> {
    running: JoinSet<(Kind, anyhow::Result<T>)>,
}

impl<T: Send + 'static> Together<T> {
    fn new() -> Self {
        Self {
            running: JoinSet::new(),
        }
    }

    fn spawn(
        &mut self,
        kind: Kind,
        scenario: impl Future<Output = anyhow::Result<T>> + Send + 'static,
    ) {
        self.running.spawn(async move { (kind, scenario.await) });
    }

    /// What each came to, unless some failed: then what each of these says.
    async fn all(self) -> anyhow::Result<Vec<T>> {
        let mut right = Vec::new();
        let mut wrong = Vec::new();
        for (kind, ended) in self.running.join_all().await {
            match ended {
                Ok(value) => right.push(value),
                Err(error) => wrong.push(format!("{kind}: {error:#}")),
            }
        }
        anyhow::ensure!(wrong.is_empty(), "\n{}", wrong.join("\n"));
        Ok(right)
    }
}

/// A service in a group that is not the default one.
fn service(namespace: &str, name: &str) -> Service {
    Service::new(namespace, "shop", name)
}

/// Waits until a registry shows this to operators, healthy or not.
async fn shows(nacos: &Nacos, service: &Service, wanted: &[Instance]) -> anyhow::Result<()> {
    let deadline = Instant::now() + patience(PATIENCE);
    loop {
        let raw = nacos.raw(service).await?;
        let all = raw.into_iter().map(|it| Instance {
            healthy: true,
            ..it
        });
        let all: Vec<_> = all.collect();
        if same(&all, wanted) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{service} shows {all:?}, wanted {wanted:?}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
