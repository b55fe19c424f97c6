//! Links both ways, within one install and between two: nothing goes round, and
//! nothing stays when its application has left.

use syncline_testkit::nacos::{RealNacos, Version};
use syncline_testkit::run;

use crate::daemon::process::{Setup, Syncline};
use crate::daemon::registry::{Nacos, unattended};
use crate::daemon::seen::{Instance, Service, sorted};
use crate::daemon::subscriber::Subscriber;
use crate::real::{Places, QUICK_GUARD};

struct Sides {
    a: Nacos,
    b: Nacos,
    service: Service,
    at_a: Subscriber,
    at_b: Subscriber,
}

/// What applications register at either side.
fn natives() -> (Instance, Instance) {
    let of = |n: u8, side: &str| {
        unattended(Instance::at(&format!("10.7.0.{n}:80")).with("native", side))
    };
    (of(1, "a"), of(2, "b"))
}

impl Sides {
    async fn meet(a: Version, b: Version, places: &Places) -> anyhow::Result<Self> {
        let (a, b) = (RealNacos::shared(a).await?, RealNacos::shared(b).await?);
        let (a, b) = (Nacos::real(a), Nacos::real(b));
        let service = places.service(1, 1, "orders");
        let (native_a, native_b) = natives();
        a.register(&service, &native_a).await?;
        b.register(&service, &native_b).await?;
        let services = std::slice::from_ref(&service);
        Ok(Self {
            at_a: Subscriber::of(a, services)?,
            at_b: Subscriber::of(b, services)?,
            a,
            b,
            service,
        })
    }

    /// Each side shows both, and then nothing changes any more although
    /// everything is looked at again and again.
    async fn fall_silent(&self, daemons: &mut [Syncline]) -> anyhow::Result<()> {
        let (native_a, native_b) = natives();
        let both = sorted(vec![native_a, native_b]);
        for side in [&self.at_a, &self.at_b] {
            side.sees_exactly(&self.service, &both).await?;
        }
        let marks = (self.at_a.mark(), self.at_b.mark());
        for _ in 0..3 {
            for daemon in daemons.iter_mut() {
                let told = daemon.command(&["trigger", "--all"]).await?;
                assert!(told.status.success(), "{told:?}");
                daemon.in_step().await?;
            }
        }
        for (side, mark) in [(&self.at_a, marks.0), (&self.at_b, marks.1)] {
            let seen = side.since(mark, &self.service);
            assert_eq!(seen.len(), 1, "it changes by itself: {seen:#?}");
        }
        Ok(())
    }

    /// What leaves one side leaves both.
    async fn empty(&self) -> anyhow::Result<()> {
        let (native_a, native_b) = natives();
        self.a.deregister(&self.service, &native_a).await?;
        for side in [&self.at_a, &self.at_b] {
            side.sees_exactly(&self.service, std::slice::from_ref(&native_b))
                .await?;
        }
        self.b.deregister(&self.service, &native_b).await?;
        for side in [&self.at_a, &self.at_b] {
            side.sees_exactly(&self.service, &[]).await?;
        }
        Ok(())
    }
}

fn link(from: (&str, Nacos), to: (&str, Nacos), places: &Places) -> (String, String) {
    let endpoint = |(name, nacos): (&str, Nacos)| {
        format!(
            "  {name}: {{ kind: nacos, servers: [\"{}\"] }}\n",
            nacos.http
        )
    };
    let link = format!(
        "  - {{ name: {}-{}, from: {}, to: {}, {}, {QUICK_GUARD} }}\n",
        from.0,
        to.0,
        from.0,
        to.0,
        places.select()
    );
    (format!("{}{}", endpoint(from), endpoint(to)), link)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_both_ways_of_one_install_converge_and_fall_silent() -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    for (a, b) in [
        (Version::V1_3_0, Version::V2_2_4),
        (Version::V2_0_3, Version::V2_1_1),
    ] {
        let places = Places::fresh();
        let sides = Sides::meet(a, b, &places).await?;
        let (endpoints, there) = link(("a", sides.a), ("b", sides.b), &places);
        let (_, back) = link(("b", sides.b), ("a", sides.a), &places);
        let daemon = Setup::new()?.run(&format!("endpoints:\n{endpoints}links:\n{there}{back}"))?;
        let mut daemons = [daemon];
        sides.fall_silent(&mut daemons).await?;
        // Nor does a restart set anything in motion.
        let [daemon] = &mut daemons;
        daemon.kill().await?;
        daemon.restart()?;
        daemon.in_step().await?;
        sides.fall_silent(&mut daemons).await?;
        sides.empty().await?;
    }
    Ok(())
}

/// Each install has one link, and does not know of the other but by its marks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_installs_do_not_chase_each_other() -> anyhow::Result<()> {
    if !run::require_real_servers() {
        return Ok(());
    }
    let places = Places::fresh();
    let sides = Sides::meet(Version::V2_1_1, Version::V2_2_4, &places).await?;
    let (endpoints, there) = link(("a", sides.a), ("b", sides.b), &places);
    let (_, back) = link(("b", sides.b), ("a", sides.a), &places);
    let mut daemons = [
        Setup::new()?.run(&format!("endpoints:\n{endpoints}links:\n{there}"))?,
        Setup::new()?.run(&format!("endpoints:\n{endpoints}links:\n{back}"))?,
    ];
    sides.fall_silent(&mut daemons).await?;
    sides.empty().await
}
