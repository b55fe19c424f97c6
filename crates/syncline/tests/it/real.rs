//! Between real Nacos servers of four versions, each as a source and as a
//! target.

mod adopt;
mod source;
mod strange;
mod target;
mod views;

use std::net::SocketAddr;

use syncline_testkit::nacos::fresh_name;

use crate::daemon::seen::Service;

/// Two namespaces with two groups each, and one service of the same name in all
/// of them: whoever mixes two of them up shows the wrong instances.
pub(crate) struct Places {
    pub(crate) namespaces: [String; 2],
    pub(crate) groups: [&'static str; 2],
}

impl Places {
    pub(crate) fn fresh() -> Self {
        Self {
            namespaces: [fresh_name("it-a"), fresh_name("it-b")],
            groups: ["DEFAULT_GROUP", "G_TRADE"],
        }
    }

    /// A service in one of the two namespaces and one of the two groups.
    pub(crate) fn service(&self, namespace: usize, group: usize, name: &str) -> Service {
        Service::new(&self.namespaces[namespace], self.groups[group], name)
    }

    /// The services of one name, everywhere.
    pub(crate) fn everywhere(&self, name: &str) -> Vec<Service> {
        let places = [(0, 0), (0, 1), (1, 0), (1, 1)];
        let service = |(namespace, group)| self.service(namespace, group, name);
        places.map(service).to_vec()
    }

    /// What a link selects: both namespaces by name, since servers without a
    /// console cannot list them.
    pub(crate) fn select(&self) -> String {
        let [a, b] = &self.namespaces;
        format!("select: {{ namespaces: [{a}, {b}] }}")
    }
}

/// Losses pass after two looks a second apart, so that tests need not wait.
pub(crate) const QUICK_GUARD: &str = "guard: { zero: { views: 2, over: 1s } }";

/// A configuration of one link, `copy`, from one Nacos to another.
pub(crate) fn copy(source: SocketAddr, target: SocketAddr, hold: &str, select: &str) -> String {
    format!(
        "endpoints:
  source: {{ kind: nacos, servers: [\"{source}\"] }}
  target: {{ kind: nacos, servers: [\"{target}\"], hold: {hold} }}
links:
  - {{ name: copy, from: source, to: target, {select}, {QUICK_GUARD} }}
"
    )
}
