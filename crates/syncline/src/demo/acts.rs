//! The three acts: the start, rolling deploys, an outage.

use std::time::Duration;

use tokio::time::Instant;

use super::application::{Applications, Content};
use super::report::{Delays, Summary, millis};
use super::stage::Stage;
use super::witness::{Sight, Witness};
use crate::output::Palette;

/// The services that applications register.
const SERVICES: [&str; 3] = ["order-service", "payment-service", "user-service"];
/// The service that is deployed.
const DEPLOYED: &str = "order-service";
/// The pause between two changes, so that people can read along.
const PAUSE: Duration = Duration::from_millis(150);
/// How long the first registry stays dead.
const OUTAGE: Duration = Duration::from_secs(2);

type Tell<'a> = &'a mut (dyn FnMut(&str) -> anyhow::Result<()> + Send);

pub(super) struct Acts<'a> {
    stage: Stage,
    applications: Applications,
    source: Witness,
    replica: Witness,
    file: Witness,
    summary: Summary,
    palette: Palette,
    deploys: u8,
    tell: Tell<'a>,
}

/// A change that an application makes, and how a witness knows that it came.
enum Step {
    Put(String, Content, String),
    Remove(String),
}

impl<'a> Acts<'a> {
    pub(super) fn new(stage: Stage, palette: Palette, tell: Tell<'a>) -> Self {
        Self {
            applications: Applications::at(stage.production.addresses),
            source: Witness::subscriber(stage.production.addresses, &SERVICES),
            replica: Witness::subscriber(stage.replica, &SERVICES),
            file: Witness::reader(stage.file.clone()),
            summary: Summary::default(),
            stage,
            palette,
            deploys: 0,
            tell,
        }
    }

    /// Plays all acts until it is time to end.
    pub(super) async fn play(&mut self, ends: Option<Instant>) -> anyhow::Result<()> {
        self.start().await?;
        self.deploy(ends).await?;
        self.outage().await?;
        while ends.is_none_or(|ends| Instant::now() < ends) {
            self.deploy(ends).await?;
        }
        Ok(())
    }

    /// Says what listens where, and lets the first instances come up.
    async fn start(&mut self) -> anyhow::Result<()> {
        let (production, replica) = (self.stage.production.addresses, self.stage.replica);
        let file = self.stage.file.display().to_string();
        self.line("Two embedded registries and a file, kept in step by one daemon:")?;
        self.line(&format!(
            "  production  nacos://{}  where applications register",
            production.http
        ))?;
        self.line(&format!(
            "  replica     nacos://{}  what consumers ask",
            replica.http
        ))?;
        self.line(&format!("  file        {file}"))?;
        self.line("")?;
        let since = Instant::now();
        for (at, name) in SERVICES.into_iter().enumerate() {
            for last in 1..=4 {
                let address = format!("10.{}.0.{last}:8080", at + 1);
                self.applications
                    .put(name, &address, Content::default())
                    .await?;
            }
        }
        let all = |sight: &Sight| {
            let four = |name| sight.get(name).is_some_and(|all| all.len() == 4);
            SERVICES.into_iter().all(four)
        };
        let (replica, file) =
            tokio::try_join!(self.replica.sees(since, all), self.file.sees(since, all))?;
        self.line(&format!(
            "{} services with 12 instances registered over gRPC; new services found and copied: \
             replica {}, file {}",
            SERVICES.len(),
            millis(Some(replica)),
            millis(Some(file))
        ))?;
        let counts = [&self.replica, &self.file];
        counts.into_iter().for_each(Witness::count_anew);
        Ok(())
    }

    /// One rolling deploy: each instance is joined by its successor, drained
    /// and removed.
    async fn deploy(&mut self, ends: Option<Instant>) -> anyhow::Result<()> {
        self.deploys += 1;
        self.line("")?;
        self.line(&format!(
            "{}{:>42}{:>12}{:>12}",
            self.palette
                .strong(format!("A rolling deploy of {DEPLOYED}")),
            "production",
            "replica",
            "file"
        ))?;
        let (old, new) = (self.deploys - 1, self.deploys);
        for last in 1..=4 {
            for step in one_instance(old, new, last) {
                if ends.is_some_and(|ends| Instant::now() >= ends) {
                    return Ok(());
                }
                self.step(step).await?;
            }
        }
        Ok(())
    }

    /// The first registry dies and comes back empty; consumers keep what they
    /// have until the applications have registered again.
    async fn outage(&mut self) -> anyhow::Result<()> {
        self.line("")?;
        self.line(&self.palette.strong("An outage").to_string())?;
        let truth = self.applications.counts();
        self.replica.count_anew();
        self.file.count_anew();
        self.stage.production.die().await;
        self.line("  production is dead: every connection broke, all it knew is gone")?;
        tokio::time::sleep(OUTAGE).await;
        self.tell_consumers("  consumers still have")?;
        self.source.go_blank();
        let since = Instant::now();
        self.stage.production.come_back().await?;
        self.line("  production is back, and empty; applications register again by themselves")?;
        let whole = |sight: &Sight| {
            let same = |(name, count): (&&str, &usize)| {
                sight.get(*name).is_some_and(|all| all.len() == *count)
            };
            truth.iter().all(same)
        };
        let back = self.source.sees(since, whole).await?;
        self.line(&format!(
            "  production has all of them again after {}",
            millis(Some(back))
        ))?;
        let step = Step::Put(
            "10.9.0.1:8080".to_owned(),
            Content::default(),
            String::new(),
        );
        self.step(step).await?;
        self.step(Step::Remove("10.9.0.1:8080".to_owned())).await?;
        let missed = |witness: &Witness| -> usize {
            let fewest = witness.fewest();
            let missing = |(name, count): (&&str, &usize)| {
                count.saturating_sub(fewest.get(*name).copied().unwrap_or(0))
            };
            truth.iter().map(missing).sum()
        };
        let missed = missed(&self.replica) + missed(&self.file);
        self.summary.wrong_removals += missed;
        self.line(&format!(
            "  instances that a consumer missed meanwhile: {missed}"
        ))
    }

    /// Ends everything.
    pub(super) async fn end(self) -> Summary {
        let summary = self.summary;
        self.stage.strike().await;
        summary
    }

    async fn step(&mut self, step: Step) -> anyhow::Result<()> {
        tokio::time::sleep(PAUSE).await;
        let since = Instant::now();
        let (sign, address, detail) = match &step {
            Step::Put(address, content, what) => {
                self.applications.put(DEPLOYED, address, *content).await?;
                let sign = match what.is_empty() {
                    true => self.palette.added("+".to_owned()),
                    false => self.palette.changed("~".to_owned()),
                };
                (sign, address, what.as_str())
            }
            Step::Remove(address) => {
                self.applications.remove(DEPLOYED, address).await?;
                (self.palette.removed("-".to_owned()), address, "")
            }
        };
        let came = |sight: &Sight| step.came(sight);
        let (source, replica, file) = tokio::try_join!(
            self.source.sees(since, came),
            self.replica.sees(since, came),
            self.file.sees(since, came)
        )?;
        let text = format!(
            "  {sign} {address:<15} {detail:<36}{:>12}{:>12}{:>12}",
            millis(Some(source)),
            millis(Some(replica)),
            millis(Some(file))
        );
        self.summary.add(Delays {
            source,
            replica,
            file,
        });
        self.line(&text)
    }

    fn tell_consumers(&mut self, what: &str) -> anyhow::Result<()> {
        let count = |witness: &Witness| -> usize { witness.fewest().values().sum() };
        let (replica, file) = (count(&self.replica), count(&self.file));
        self.line(&format!(
            "{what} {replica} instances at the replica and {file} in the file"
        ))
    }

    fn line(&mut self, text: &str) -> anyhow::Result<()> {
        (self.tell)(text)
    }
}

/// The steps by which one instance is replaced by its successor.
fn one_instance(old: u8, new: u8, last: u8) -> Vec<Step> {
    let before = address(old, last);
    let after = address(new, last);
    let put = |address: &str, weight, healthy, what: &str| {
        Step::Put(
            address.to_owned(),
            Content { weight, healthy },
            what.to_owned(),
        )
    };
    vec![
        put(&after, 1.0, true, ""),
        put(&after, 5.0, true, "weight 1 → 5"),
        put(&before, 1.0, false, "healthy → unhealthy"),
        Step::Remove(before),
    ]
}

fn address(deploy: u8, last: u8) -> String {
    format!("10.1.{deploy}.{last}:8080")
}

impl Step {
    fn came(&self, sight: &Sight) -> bool {
        let instances = sight.get(DEPLOYED);
        match self {
            Self::Put(address, content, _) => {
                instances.and_then(|all| all.get(address)) == Some(content)
            }
            Self::Remove(address) => instances.is_none_or(|all| !all.contains_key(address)),
        }
    }
}
