//! Whether a server shows a fleet: every instance, every field, by a raw list.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use syncline_model::{MARK_KEY, NamespaceId};
use syncline_nacos::http::{ClientOptions, HttpClient, ListedService, Route, Step};
use syncline_nacos::message::Instance;
use syncline_nacos::version::{BulkApi, FirstPage};

use crate::bare;
use crate::fleet::{Fleet, GROUP, NAMESPACE};

/// Services on one page of the list.
const PAGE_SIZE: usize = 5_000;

/// Between two looks at how many services a server has, which is cheap.
const GLANCE: Duration = Duration::from_millis(20);

/// The least pause between two whole lists. It grows with what a list takes, so that looking stays a small load.
const LOOK: Duration = Duration::from_millis(100);

/// With so many instances right for each that is wrong, all but a few are there.
const NEARLY: usize = 20;

/// What a raw list shows of a fleet.
#[derive(Debug, Default, Clone)]
pub struct Comparison {
    /// Instances that are as they should be.
    pub equal: usize,
    /// Instances that are not there.
    pub missing: usize,
    /// Instances that should not be there.
    pub extra: usize,
    /// Instances of which some field is different.
    pub different: usize,
    /// The first thing that was wrong.
    pub example: Option<String>,
}

impl Comparison {
    /// How many instances are not as they should be.
    pub fn wrong(&self) -> usize {
        self.missing + self.extra + self.different
    }

    fn wrong_with(&mut self, what: impl FnOnce() -> String) {
        if self.example.is_none() {
            self.example = Some(what());
        }
    }

    fn service(&mut self, name: &str, should: Vec<Instance>, is: Vec<Instance>) {
        let mut should: HashMap<(String, i64), Instance> = should
            .into_iter()
            .map(|instance| ((instance.ip.clone(), instance.port), instance))
            .collect();
        for shown in is {
            match should.remove(&(shown.ip.clone(), shown.port)) {
                None => {
                    self.extra += 1;
                    self.wrong_with(|| format!("{name} has {}:{}", shown.ip, shown.port));
                }
                Some(wanted) if content(&wanted) == content(&shown) => self.equal += 1,
                Some(wanted) => {
                    self.different += 1;
                    self.wrong_with(|| format!("{name} has {shown:?} in place of {wanted:?}"));
                }
            }
        }
        self.missing += should.len();
        if let Some((ip, port)) = should.keys().next() {
            self.wrong_with(|| format!("{name} lacks {ip}:{port}"));
        }
    }
}

/// All that a raw list shows of an instance, apart from what a copy carries besides: our mark, and how long a copy held
/// by beats may be silent.
fn content(instance: &Instance) -> impl PartialEq + use<'_> {
    let own = |key: &str| key == MARK_KEY || key.starts_with("preserved.");
    let metadata = instance.metadata.iter().filter(|(key, _)| !own(key));
    (
        instance.weight,
        instance.healthy,
        instance.enabled,
        &instance.cluster_name,
        metadata.collect::<Vec<_>>(),
    )
}

/// Reads a raw list and compares it with a fleet. Services of other fleets do not count.
pub async fn compare(http: SocketAddr, fleet: &Fleet) -> anyhow::Result<Comparison> {
    let client =
        HttpClient::new(ClientOptions::new([http.to_string()])).context("make an HTTP client")?;
    let api = BulkApi::Catalog(FirstPage::One);
    let namespace = NamespaceId::from(NAMESPACE);
    let mut reader = client.services(api, &namespace, None, PAGE_SIZE, Route::Any);
    let mut comparing = Comparing::with(fleet);
    while let Step::Page(page) = reader.next().await.context("read a raw list")? {
        for ListedService {
            name, instances, ..
        } in page.services
        {
            comparing.service(name.as_str(), instances);
        }
    }
    Ok(comparing.end())
}

/// Compares what somebody shows with a fleet, service by service.
#[derive(Debug)]
pub struct Comparing<'a> {
    fleet: &'a Fleet,
    seen: Vec<bool>,
    comparison: Comparison,
}

impl<'a> Comparing<'a> {
    /// Nothing is shown yet.
    pub fn with(fleet: &'a Fleet) -> Self {
        Self {
            fleet,
            seen: vec![false; fleet.services() as usize],
            comparison: Comparison::default(),
        }
    }

    /// A service as it is shown. Services of other fleets do not count.
    pub fn service(&mut self, name: &str, instances: Vec<Instance>) {
        let number = self.fleet.names.number(name);
        if let Some(number) = number.filter(|number| *number < self.fleet.services()) {
            self.seen[number as usize] = true;
            self.comparison
                .service(name, self.fleet.set(number), instances);
        }
    }

    /// All was shown.
    pub fn end(self) -> Comparison {
        let (fleet, mut comparison) = (self.fleet, self.comparison);
        let unseen = |number: &u32| !self.seen[*number as usize];
        for number in (0..fleet.services()).filter(unseen) {
            let missing = fleet.instances_of(number);
            if missing > 0 {
                comparison.missing += missing;
                comparison.wrong_with(|| format!("service {number} is not there"));
            }
        }
        comparison
    }
}

/// That a server shows a whole fleet.
#[derive(Debug, Clone, Copy)]
pub struct Complete {
    /// When the list that showed it was asked for.
    pub asked: Instant,
    /// When that list had been read and compared.
    pub read: Instant,
}

/// Waits until a raw list of a server shows every instance of a fleet with every field equal. Until there are as many
/// services as there should be, it only asks for their count, so that looking costs the server little.
pub async fn until_complete(
    server: SocketAddr,
    fleet: &Fleet,
    within: Duration,
) -> anyhow::Result<Complete> {
    let deadline = Instant::now() + within;
    until_counted(server, i64::from(fleet.services()), deadline).await?;
    loop {
        let asked = Instant::now();
        let comparison = compare(server, fleet).await?;
        let read = Instant::now();
        if comparison.wrong() == 0 {
            return Ok(Complete { asked, read });
        }
        if read > deadline {
            bail!("{server} does not show all after {within:?}: {comparison:?}");
        }
        tokio::time::sleep(pause(&comparison, read - asked)).await;
    }
}

/// How long to wait after a list that took so long. Servers count services a moment before they list the instances, so
/// the first list may lack a few; the next one follows at once, or the pause would be measured and not the sync.
fn pause(comparison: &Comparison, took: Duration) -> Duration {
    if comparison.wrong() * NEARLY <= comparison.equal {
        LOOK
    } else {
        LOOK.max(4 * took)
    }
}

/// Waits until a server has so many services, and until it takes connections at all.
async fn until_counted(server: SocketAddr, count: i64, deadline: Instant) -> anyhow::Result<()> {
    let grpc = SocketAddr::new(server.ip(), server.port() + 1000);
    let connection = loop {
        match bare::connect(grpc).await {
            Ok(connection) => break connection,
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => tokio::time::sleep(GLANCE).await,
        }
    };
    loop {
        let list = connection.list_services(NAMESPACE, GROUP, 1, 1).await?;
        if list.count >= count {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{server} has {} of {count} services", list.count);
        }
        tokio::time::sleep(GLANCE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_nearly_there_is_looked_at_again_at_once() {
        let second = Duration::from_secs(1);
        let seen = |equal, missing| Comparison {
            equal,
            missing,
            ..Comparison::default()
        };
        assert_eq!(pause(&seen(9_990, 10), second), LOOK);
        assert_eq!(pause(&seen(9_000, 1_000), second), 4 * second);
        assert_eq!(pause(&seen(0, 10_000), second), 4 * second);
    }

    fn compared(change: impl FnOnce(&mut Vec<Instance>)) -> Comparison {
        let fleet = Fleet::new("t", 1, 2);
        let mut shown = fleet.set(0);
        change(&mut shown);
        let mut comparison = Comparison::default();
        comparison.service("t", fleet.set(0), shown);
        comparison
    }

    #[test]
    fn marks_do_not_count_and_every_field_does() {
        let marked = compared(|shown| {
            shown[0]
                .metadata
                .insert(MARK_KEY.to_owned(), "x".to_owned());
            shown[0].ephemeral = None;
        });
        assert_eq!((marked.equal, marked.wrong()), (2, 0));
        let changes: [fn(&mut Instance); 5] = [
            |instance| instance.weight = 2.0,
            |instance| instance.healthy = false,
            |instance| instance.enabled = false,
            |instance| instance.cluster_name = "B".to_owned(),
            |instance| instance.metadata.clear(),
        ];
        for change in changes {
            let compared = compared(|shown| change(&mut shown[1]));
            assert_eq!((compared.equal, compared.different), (1, 1));
        }
    }

    #[test]
    fn too_few_and_too_many_are_told_apart() {
        let less = compared(|shown| shown.truncate(1));
        assert_eq!((less.missing, less.extra), (1, 0));
        let more = compared(|shown| shown.push(Fleet::new("t", 1, 3).set(0).remove(2)));
        assert_eq!((more.missing, more.extra), (0, 1));
        let twice = compared(|shown| shown.push(shown[0].clone()));
        assert_eq!(twice.extra, 1);
    }
}
