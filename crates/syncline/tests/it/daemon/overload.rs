//! Targets that have too much to do, and what is spared them.

use syncline_testkit::fault::{NacosProxy, Reply, Rule};

use super::application::Application;
use super::process::{Setup, Syncline};
use super::registry::Embedded;
use super::seen::{Instance, Service};
use super::subscriber::Subscriber;

fn instance(n: usize) -> Instance {
    Instance::at(&format!("10.0.0.{n}:80"))
}

/// A source with many services, a busy target behind a proxy, and one that is
/// at ease.
struct Scene {
    application: Application,
    services: Vec<Service>,
    proxy: NacosProxy,
    daemon: Syncline,
    busy: Embedded,
    at_ease: Embedded,
    _source: Embedded,
}

const WRITES: &str = "POST /nacos/v1/ns/instance";

impl Scene {
    async fn set() -> anyhow::Result<Self> {
        let source = Embedded::serve().await?;
        let (busy, at_ease) = (Embedded::serve().await?, Embedded::serve().await?);
        let proxy = NacosProxy::start(busy.nacos.http).await?;
        let mut application = Application::at(source.nacos).await?;
        let services: Vec<Service> = (0..30).map(|n| Service::plain(&format!("s{n}"))).collect();
        for service in &services {
            application.put(service, &instance(1)).await?;
        }
        let mut daemon = Setup::new()?.run(&format!(
            "endpoints:
  source: {{ kind: nacos, {} }}
  busy: {{ kind: nacos, servers: [\"{}\"], hold: persistent }}
  at-ease: {{ kind: nacos, {}, hold: persistent }}
links:
  - {{ name: to-busy, from: source, to: busy, limits: {{ in_flight: 4 }} }}
  - {{ name: to-at-ease, from: source, to: at-ease }}
",
            source.nacos.servers(),
            proxy.addr(),
            at_ease.nacos.servers(),
        ))?;
        daemon.in_step().await?;
        Ok(Self {
            application,
            services,
            proxy,
            daemon,
            busy,
            at_ease,
            _source: source,
        })
    }

    /// Every service changes.
    async fn change_all(&mut self, weight: f64) -> anyhow::Result<()> {
        for service in &self.services {
            let heavier = instance(1).weighing(weight);
            self.application.put(service, &heavier).await?;
        }
        Ok(())
    }

    /// Waits until a target shows all as it is at the source.
    async fn shows_all(&self, target: &Embedded) -> anyhow::Result<()> {
        let consumer = Subscriber::of(target.nacos, &self.services)?;
        for service in &self.services {
            let all = self.application.all(service);
            consumer.sees_exactly(service, &all).await?;
        }
        Ok(())
    }

    /// How often the busy target was asked to write something, which it refused.
    fn refused(&self) -> u64 {
        self.proxy.http.met()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_asks_for_a_rest_has_it_and_delays_only_itself() -> anyhow::Result<()> {
    let mut scene = Scene::set().await?;
    let until = [
        ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("Retry-After", "Sun, 06 Nov 1994 08:49:49 GMT"),
    ];
    for headers in [&[("Retry-After", "12")][..], &until] {
        let before = scene.refused();
        let throttled = Reply::new(429, headers, "too many requests");
        scene.proxy.http.answer([Rule::new(WRITES, throttled)]);
        scene.change_all(5.0).await?;
        scene
            .daemon
            .is(|status| status.links.iter().any(|link| !link.problems.is_empty()))
            .await?;
        for weight in [2.0, 3.0, 4.0] {
            scene.change_all(weight).await?;
            scene.shows_all(&scene.at_ease).await?;
        }
        // Of thirty services those were tried that were under way by then.
        let refused = scene.refused() - before;
        assert!((1..=4).contains(&refused), "{refused}");
        scene.proxy.http.answer([]);
        scene.shows_all(&scene.busy).await?;
        scene.daemon.in_step().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_not_ready_is_not_stormed_and_delays_only_itself() -> anyhow::Result<()> {
    let mut scene = Scene::set().await?;
    scene
        .proxy
        .http
        .answer([Rule::new(WRITES, Reply::status(503))]);
    // Every service fails once, and then retries have their budget.
    for round in 0..10 {
        scene.change_all(f64::from(round) + 2.0).await?;
        scene.shows_all(&scene.at_ease).await?;
    }
    let refused = scene.refused();
    assert!(refused > 0);
    assert!(refused < 30 * 10, "{refused} calls for thirty services");
    scene.proxy.http.answer([]);
    scene.shows_all(&scene.busy).await?;
    scene.daemon.in_step().await?;
    Ok(())
}
