//! What every output owes its consumers: one suite for all connectors that give whole lists.
//!
//! A connector says how its consumer reads ([`Consumer`]) and calls [`conforms`]. What the engine sees to for all of them
//! (nothing before a whole list, nothing new while the source is lost, gathered changes) is tested there and with the
//! real binary.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use syncline_contract::{Lasting, Output, Snapshot};
use syncline_model::{Instance, Metadata, Port, Seen, ServiceKey, ServiceSet, Weight};

/// A consumer, with what it was given so far.
pub trait Consumer {
    /// An output over that, as a process that starts makes it.
    fn output(&self) -> Arc<dyn Output>;

    /// What the consumer reads; `None` where it was never given anything, or has it no more.
    ///
    /// # Panics
    /// When what it reads is no whole list.
    fn reads(&self) -> Option<List>;

    /// All that it could read, byte by byte.
    fn bytes(&self) -> Vec<u8>;
}

/// A list as a consumer reads it.
pub type List = BTreeMap<ServiceKey, BTreeSet<Entry>>;

/// An instance as a consumer reads it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Entry {
    /// `host:port`, with brackets around an IPv6 address.
    pub address: String,
    /// The cluster.
    pub cluster: String,
    /// The weight, as Rust writes a number.
    pub weight: String,
    /// Whether it is healthy; `None` where that is unknown.
    pub healthy: Option<bool>,
    /// Whether it is in rotation.
    pub enabled: bool,
    /// The values of its metadata.
    pub metadata: BTreeSet<String>,
}

/// Parts of names that mean something somewhere: to a file system, a terminal, a shell, or a format.
pub const HOSTILE: [&str; 34] = [
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "..\\..\\boot.ini",
    "C:\\x",
    ".",
    "",
    " ",
    ".hidden",
    "~root",
    "a/../b",
    "a//b",
    "%2e%2e%2f",
    "\0",
    "a\nb",
    "a\r\nb",
    "\u{1b}[2J",
    "\u{202e}gpj.exe",
    "\u{2028}\u{85}\u{feff}",
    "CON",
    "nul.json",
    "-rf",
    "$(id)",
    "`id`;|&",
    "a:b@@c",
    "\"},{\"targets\":[\"evil:1\"]",
    "' or 1=1 --",
    "}; server evil:1; #",
    "- a: b # c",
    "{{ x }}{% y %}",
    "${A} %s",
    "providers:com.x.Pay:1.0:g",
    "订单😀",
    "UPPER_lower-9",
];

/// Tries an output by all rules, each on a consumer of its own.
///
/// # Panics
/// Where a rule is broken.
pub async fn conforms<C: Consumer>(fresh: impl Fn() -> C) {
    any_name_is_read_back(&fresh()).await;
    every_field_is_content(&fresh()).await;
    what_goes_is_gone_and_an_empty_list_is_one(&fresh()).await;
    equal_lists_are_equal_bytes(&fresh()).await;
    a_new_process_goes_on(&fresh()).await;
}

async fn any_name_is_read_back(consumer: &impl Consumer) {
    let long = "长".repeat(512);
    let names = HOSTILE.into_iter().chain([long.as_str()]);
    let services = names.flat_map(|name| {
        [
            ServiceKey::new("public", "G", name),
            ServiceKey::new("public", name, "s"),
            ServiceKey::new(name, "G", "s"),
            ServiceKey::new(name, name, name),
        ]
    });
    let mut hostile = instance("10.0.0.1", 80);
    hostile.metadata = Metadata::from_pairs(HOSTILE.map(|text| (text, format!("value {text}"))));
    hostile.key.cluster = HOSTILE[25].into();
    let set = Arc::new(ServiceSet::new(vec![hostile, instance("fe80::1", 80)]));
    let list: Snapshot = services.map(|key| (key, Arc::clone(&set))).collect();
    assert!(list.len() > 130, "{} services", list.len());
    let output = consumer.output();
    render(&*output, &list, &Snapshot::new()).await;
    assert_reads(consumer, &list, "any name");
}

async fn every_field_is_content(consumer: &impl Consumer) {
    let before = instance("10.0.0.1", 80);
    let changed: [fn(&mut Instance); 8] = [
        |it| it.weight = Weight::new(0.01).unwrap_or(Weight::ZERO),
        |it| it.weight = Weight::ZERO,
        |it| it.healthy = Seen::Known(false),
        |it| it.healthy = Seen::Unknown,
        |it| it.enabled = false,
        |it| it.metadata = Metadata::from_pairs([("zone", "b")]),
        |it| it.key.cluster = "other".into(),
        |it| it.key.port = port(81),
    ];
    let output = consumer.output();
    let mut last = Snapshot::new();
    for change in changed {
        let mut after = before.clone();
        change(&mut after);
        for it in [&before, &after] {
            let list = Snapshot::from([(service("orders"), of(std::slice::from_ref(it)))]);
            render(&*output, &list, &last).await;
            assert_reads(consumer, &list, "every field");
            last = list;
        }
    }
}

async fn what_goes_is_gone_and_an_empty_list_is_one(consumer: &impl Consumer) {
    let one = instance("10.0.0.1", 80);
    let both = [one.clone(), instance("10.0.0.2", 80)];
    let lists = [
        Snapshot::new(),
        Snapshot::from([(service("a"), of(&both)), (service("b"), of(&both))]),
        Snapshot::from([(service("a"), of(&[one])), (service("b"), of(&both))]),
        Snapshot::from([(service("b"), of(&both))]),
        Snapshot::new(),
    ];
    let output = consumer.output();
    let mut last = Snapshot::new();
    for list in lists {
        render(&*output, &list, &last).await;
        assert_reads(consumer, &list, "what goes");
        last = list;
    }
}

async fn equal_lists_are_equal_bytes(consumer: &impl Consumer) {
    let pairs = [("b", "1"), ("a.b", "2"), ("a-b", "3")];
    let mut one = instance("10.0.0.10", 80);
    one.metadata = Metadata::from_pairs(pairs);
    let other = instance("10.0.0.9", 80);
    let list = Snapshot::from([
        (service("a"), of(&[one.clone(), other.clone()])),
        (service("b"), of(&[one.clone()])),
    ]);
    render(&*consumer.output(), &list, &Snapshot::new()).await;
    let bytes = consumer.bytes();
    one.metadata = Metadata::from_pairs(pairs.into_iter().rev());
    let same = Snapshot::from([
        (service("b"), of(&[one.clone()])),
        (service("a"), of(&[other, one])),
    ]);
    render(&*consumer.output(), &same, &Snapshot::new()).await;
    assert!(bytes == consumer.bytes(), "equal lists differ in bytes");
}

async fn a_new_process_goes_on(consumer: &impl Consumer) {
    assert_eq!(consumer.reads(), None, "nothing was given yet");
    let output = consumer.output();
    let list = Snapshot::from([(service("a"), of(&[instance("10.0.0.1", 80)]))]);
    render(&*output, &list, &Snapshot::new()).await;
    let lasting = output.describe().lasting;
    drop(output);
    if lasting == Lasting::Stays {
        assert_reads(consumer, &list, "after the end of the process");
    }
    let next = Snapshot::from([(service("b"), of(&[instance("10.0.0.2", 80)]))]);
    render(&*consumer.output(), &next, &list).await;
    assert_reads(consumer, &next, "by the next process");
}

/// Renders a list, of which all is named that may differ from another.
async fn render(output: &dyn Output, list: &Snapshot, last: &Snapshot) {
    let changed: BTreeSet<_> = list.keys().chain(last.keys()).cloned().collect();
    let changed: Vec<_> = changed.into_iter().collect();
    let rendered = output.render(list, &changed).await;
    rendered.unwrap_or_else(|failure| panic!("{}", failure.chain()));
}

#[track_caller]
fn assert_reads(consumer: &impl Consumer, list: &Snapshot, rule: &str) {
    let read = consumer
        .reads()
        .unwrap_or_else(|| panic!("{rule}: reads nothing"));
    let wanted: List = list
        .iter()
        .map(|(key, set)| (key.clone(), entries(set)))
        .collect();
    for (key, entries) in &wanted {
        assert_eq!(read.get(key), Some(entries), "{rule}: {key:?}");
    }
    assert_eq!(read.len(), wanted.len(), "{rule}: {:?}", read.keys());
}

fn entries(set: &ServiceSet) -> BTreeSet<Entry> {
    let entry = |it: &Instance| Entry {
        address: it.key.address(),
        cluster: it.key.cluster.to_string(),
        weight: it.weight.to_string(),
        healthy: match it.healthy {
            Seen::Known(healthy) => Some(healthy),
            Seen::Unknown => None,
        },
        enabled: it.enabled,
        metadata: it
            .metadata
            .iter()
            .map(|(_, value)| value.to_owned())
            .collect(),
    };
    set.instances().iter().map(entry).collect()
}

fn service(name: &str) -> ServiceKey {
    ServiceKey::new("public", "DEFAULT_GROUP", name)
}

fn of(instances: &[Instance]) -> Arc<ServiceSet> {
    Arc::new(ServiceSet::new(instances.to_vec()))
}

fn instance(host: &str, number: u16) -> Instance {
    Instance::new(host, port(number))
}

fn port(number: u16) -> Port {
    Port::new(number).unwrap_or(Port::MIN)
}
