//! An application registers where our copy stands: the copy steps aside at
//! once, and returns when the application leaves.

use syncline_testkit::nacos::{RealNacos, Version};
use syncline_testkit::run;

use crate::daemon::application::Application;
use crate::daemon::process::{Setup, Syncline};
use crate::daemon::registry::{Embedded, Nacos};
use crate::daemon::seen::{Instance, Service, shows_once};
use crate::daemon::subscriber::Subscriber;
use crate::real::Places;

/// A daemon that copies a service of two instances to a target.
struct Copying {
    target: Nacos,
    service: Service,
    application: Application,
    syncline: Syncline,
    consumer: Subscriber,
    _source: Embedded,
}

fn copy() -> Instance {
    Instance::at("10.4.0.1:8080").with("from", "the source")
}

fn other() -> Instance {
    Instance::at("10.4.0.2:8080").with("from", "the source")
}

/// The same address, registered at the target by the application itself.
fn native() -> Instance {
    Instance::at("10.4.0.1:8080")
        .weighing(2.0)
        .with("from", "the target")
}

impl Copying {
    async fn start(target: Nacos, hold: &str) -> anyhow::Result<Self> {
        let source = Embedded::serve().await?;
        let mut application = Application::at(source.nacos).await?;
        let places = Places::fresh();
        let service = places.service(0, 1, "orders");
        application.put_all(&service, &[copy(), other()]).await?;
        let mut syncline = Setup::new()?.run(&format!(
            "endpoints:
  source: {{ kind: nacos, servers: [\"{}\"] }}
  target: {{ kind: nacos, servers: [\"{}\"], hold: {hold} }}
links:
  - {{ name: copy, from: source, to: target, {} }}
",
            source.nacos.http,
            target.http,
            places.select()
        ))?;
        syncline.in_step().await?;
        let consumer = Subscriber::of(target, std::slice::from_ref(&service))?;
        consumer.sees_exactly(&service, &[copy(), other()]).await?;
        Ok(Self {
            target,
            service,
            application,
            syncline,
            consumer,
            _source: source,
        })
    }

    /// Waits until the native stands alone at its address.
    async fn is_shadowed(&mut self) -> anyhow::Result<()> {
        let shadowed = [native(), other()];
        self.consumer.sees_exactly(&self.service, &shadowed).await?;
        let status = self
            .syncline
            .is(|status| status.links[0].shadowed == 1)
            .await?;
        let link = &status.links[0];
        assert!(link.problems.is_empty(), "it is no conflict: {link:#?}");
        Ok(())
    }

    /// Waits until our copy is back.
    async fn is_back(&mut self) -> anyhow::Result<()> {
        let ours = [copy(), other()];
        self.consumer.sees_exactly(&self.service, &ours).await?;
        self.syncline
            .is(|status| status.links[0].shadowed == 0)
            .await?;
        Ok(())
    }

    /// What the source says of the shadowed instance changes nothing at the
    /// target; what it says of others does.
    async fn changes_pass_by_the_native(&mut self) -> anyhow::Result<()> {
        let service = self.service.clone();
        self.application
            .put(&service, &copy().weighing(7.0))
            .await?;
        self.application
            .put(&service, &other().weighing(7.0))
            .await?;
        let wanted = [native(), other().weighing(7.0)];
        self.consumer.sees_exactly(&service, &wanted).await?;
        self.application.put(&service, &copy()).await?;
        self.application.put(&service, &other()).await?;
        self.is_shadowed().await
    }

    /// An application registers over gRPC, and leaves.
    async fn steps_aside_for_a_grpc_client(&mut self) -> anyhow::Result<()> {
        let start = self.consumer.mark();
        let mut moved = Application::at(self.target).await?;
        moved.put(&self.service, &native()).await?;
        self.is_shadowed().await?;
        self.changes_pass_by_the_native().await?;
        for sight in self.consumer.since(start, &self.service) {
            let there = sight.instances.iter().any(|i| i.address == copy().address);
            assert!(there, "it was never gone: {sight:#?}");
            assert!(shows_once(&sight.instances, &other().address), "{sight:#?}");
        }
        moved.leave(&self.service).await?;
        self.is_back().await
    }

    /// An application registers over HTTP, and leaves.
    async fn steps_aside_for_an_http_client(&mut self) -> anyhow::Result<()> {
        let start = self.consumer.mark();
        self.target.register_bare(&self.service, &native()).await?;
        self.is_shadowed().await?;
        for sight in self.consumer.since(start, &self.service) {
            let there = sight.instances.iter().any(|i| i.address == copy().address);
            assert!(there, "it was never gone: {sight:#?}");
        }
        self.target.deregister(&self.service, &native()).await?;
        self.is_back().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_held_by_connection_steps_aside() -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let server = RealNacos::shared(Version::V2_2_4).await?;
    let mut copying = Copying::start(Nacos::real(server), "connection").await?;
    copying.steps_aside_for_a_grpc_client().await?;
    copying.steps_aside_for_an_http_client().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_lives_by_beats_steps_aside() -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let server = RealNacos::shared(Version::V2_0_3).await?;
    let mut copying = Copying::start(Nacos::real(server), "beat").await?;
    copying.steps_aside_for_a_grpc_client().await?;
    copying.steps_aside_for_an_http_client().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_at_1_3_0_steps_aside() -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let server = RealNacos::shared(Version::V1_3_0).await?;
    let mut copying = Copying::start(Nacos::real(server), "beat").await?;
    copying.steps_aside_for_an_http_client().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_in_an_embedded_registry_steps_aside() -> anyhow::Result<()> {
    let target = Embedded::serve().await?;
    let mut copying = Copying::start(target.nacos, "connection").await?;
    copying.steps_aside_for_a_grpc_client().await?;
    copying.steps_aside_for_an_http_client().await
}
