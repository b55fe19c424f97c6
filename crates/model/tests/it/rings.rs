//! Ownership and paths among three registries: every graph of links between them,
//! with every choice of where an application registers, all of one address.
//!
//! Links plan one after another by the very functions that the engine plans with,
//! until nobody has anything to do.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use syncline_model::desire::{HealthPolicy, Marking, Rules, unmarked};
use syncline_model::mapping::{Mapping, Rules as MappingRules};
use syncline_model::ownership::MAX_HOPS;
use syncline_model::plan::{
    Flips, Inputs, Losses, Missing, Natives, RemovalPolicy, Standing, UnavailableAs, plan,
};
use syncline_model::{
    EndpointName, Identity, Instance, Moment, Port, Scope, ServiceKey, ServiceSet, Signer, Truth,
    View,
};

const REGISTRIES: [&str; 3] = ["a", "b", "c"];
/// All that there can be, from where to where.
const ROUTES: [(usize, usize); 6] = [(0, 1), (1, 2), (2, 0), (1, 0), (2, 1), (0, 2)];
/// Nobody has to ask more often than that: a way leads through each registry once,
/// and natives may stop and free ways.
const MOST_ROUNDS: usize = 8;
const IDENTITY: Identity = Identity::AddressAndCluster;

fn service() -> ServiceKey {
    ServiceKey::new("public", "G", "orders")
}

/// What an application registers at a registry.
fn native(at: usize) -> Instance {
    let mut native = Instance::new("10.0.0.1", Port::new(80).expect("not zero"));
    native.metadata = native.metadata.with("of", REGISTRIES[at]);
    native
}

struct Link {
    from: usize,
    to: usize,
    rules: Rules,
    held: Arc<ServiceSet>,
}

impl Link {
    /// A link of an install. Each install has names of its own for registries.
    fn new((from, to): (usize, usize), install: usize) -> Self {
        let name =
            |place: usize| EndpointName::from(format!("{}{install}", REGISTRIES[place]).as_str());
        let key = [b'k' + install as u8; 32];
        let signer = Signer::new(format!("install-{install}").as_str().into(), &key);
        let signer = signer.expect("long enough");
        Self {
            from,
            to,
            rules: Rules {
                scope: Scope::everything(),
                mapping: Mapping::new(name(from), MappingRules::identity()).expect("legal"),
                health: HealthPolicy::Copy,
                marking: Some(Marking {
                    from: signer.hop(&name(from)),
                    to: signer.hop(&name(to)),
                    signer,
                    marks: true,
                }),
            },
            held: ServiceSet::empty(),
        }
    }

    fn marking(&self) -> &Marking {
        self.rules.marking.as_ref().expect("has one")
    }
}

struct World {
    /// Where an application registers, a bit each.
    natives: u8,
    links: Vec<Link>,
}

impl World {
    /// The links are the digits of a number: to the base of the number of installs
    /// and one, where 0 is no link.
    fn new(graph: usize, installs: usize, natives: u8) -> Self {
        let base = installs + 1;
        let links = ROUTES.iter().enumerate().filter_map(|(place, route)| {
            let install = graph / base.pow(place as u32) % base;
            (install > 0).then(|| Link::new(*route, install))
        });
        Self {
            natives,
            links: links.collect(),
        }
    }

    fn is_native(&self, at: usize) -> bool {
        self.natives & 1 << at != 0
    }

    /// All that stands at a registry.
    fn shown(&self, at: usize) -> Arc<ServiceSet> {
        let native = self.is_native(at).then(|| native(at));
        let copies = self.links.iter().filter(|link| link.to == at);
        let copies = copies.flat_map(|link| link.held.instances().iter().cloned());
        Arc::new(ServiceSet::new(native.into_iter().chain(copies).collect()))
    }

    /// Lets a link plan; whether it had anything to do.
    fn plan(&mut self, link: usize) -> bool {
        let shown = View::Complete(Truth::Raw, self.shown(self.links[link].from));
        let Link {
            to, rules, held, ..
        } = &self.links[link];
        let desired = rules.desire(&service(), &shown, |_| None);
        assert_eq!(desired.findings, [], "no way is too long");
        let (desired, _) = rules.merge(desired.view, IDENTITY);
        let there = self.shown(*to);
        let marking = self.links[link].marking();
        let (ours, others): (Vec<_>, Vec<_>) = there
            .instances()
            .iter()
            .partition(|instance| marking.is_ours(&service(), instance));
        let standing = match ours.is_empty() {
            true => Standing::Instead,
            false => Standing::Beside,
        };
        let natives: Natives = others
            .iter()
            .map(|i| ((i.key.host.clone(), i.key.port), standing))
            .collect();
        let planned = plan(&Inputs {
            desired: &desired,
            held,
            natives: &natives,
            missing: &Missing::new(),
            flips: &Flips::new(),
            dwell: Duration::ZERO,
            identity: IDENTITY,
            policy: RemovalPolicy::Delete {
                grace: Duration::ZERO,
            },
            unavailable: UnavailableAs::WeightAndHealth,
            losses: Losses::Pass,
            now: Moment::ORIGIN,
        });
        self.links[link].held = planned.accepted;
        !planned.changes.is_empty()
    }

    /// Lets all links plan, in that order, until none has anything to do.
    fn settle(&mut self, order: &[usize]) {
        for _ in 0..MOST_ROUNDS {
            let changed = Cell::new(false);
            for link in order {
                changed.set(self.plan(*link) | changed.get());
            }
            if !changed.get() {
                return;
            }
        }
        panic!(
            "it goes round: {:?}, natives {:03b}",
            self.routes(),
            self.natives
        );
    }

    fn routes(&self) -> Vec<(usize, usize)> {
        self.links.iter().map(|link| (link.from, link.to)).collect()
    }

    /// Which natives' content may stand at a registry, by the graph alone: each has
    /// a way there on which nobody registers the same address.
    fn reaching(&self, at: usize) -> Vec<usize> {
        let origins = (0..REGISTRIES.len()).filter(|origin| self.is_native(*origin));
        origins.filter(|origin| self.leads(*origin, at)).collect()
    }

    fn leads(&self, from: usize, to: usize) -> bool {
        let direct = |from, to| {
            let mut links = self.links.iter();
            links.any(|link| (link.from, link.to) == (from, to)) && !self.is_native(to)
        };
        let via = |over| direct(from, over) && direct(over, to);
        from == to || direct(from, to) || (0..REGISTRIES.len()).any(|over| over != to && via(over))
    }

    /// No copy stands where it came from or was before, and none beside a native.
    fn check_ownership(&self) {
        for link in &self.links {
            for copy in link.held.instances() {
                let path = link.marking().path_of(&service(), copy).expect("marked");
                assert!(!path.visited(&link.marking().to), "{path:?}");
                assert!(path.hop_count() <= MAX_HOPS, "{path:?}");
                assert!(!self.is_native(link.to), "doubled at {}", link.to);
            }
        }
    }

    /// Every registry shows what the graph says.
    fn check_all_arrived(&self) {
        self.check_ownership();
        for link in &self.links {
            for copy in link.held.instances() {
                let path = link.marking().path_of(&service(), copy).expect("marked");
                assert!(path.hop_count() < REGISTRIES.len(), "{path:?}");
            }
        }
        for at in 0..REGISTRIES.len() {
            let origins = self.reaching(at);
            let shown = self.shown(at);
            let what = format!("{:?}, natives {:03b}, at {at}", self.routes(), self.natives);
            assert_eq!(shown.is_empty(), origins.is_empty(), "{what}");
            for instance in shown.instances() {
                let bare = unmarked(&instance.metadata);
                let known = origins
                    .iter()
                    .any(|origin| native(*origin).metadata == bare);
                assert!(known, "{what}: {bare:?}");
            }
        }
    }
}

/// All orders in which so many links may have their turns.
fn orders(links: usize) -> Vec<Vec<usize>> {
    if links == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(links - 1);
    let with_last = |order: &Vec<usize>| {
        (0..=order.len())
            .map(|place| {
                let mut order = order.clone();
                order.insert(place, links - 1);
                order
            })
            .collect::<Vec<_>>()
    };
    shorter.iter().flat_map(with_last).collect()
}

/// With one install all that can arrive arrives, whoever comes first, whatever
/// registers or leaves afterwards: from each choice of natives to each other.
#[test]
fn in_every_graph_every_change_of_natives_ends_where_the_graph_says() {
    let orders: BTreeMap<usize, Vec<Vec<usize>>> = (0..=6).map(|n| (n, orders(n))).collect();
    let mut worlds = 0;
    for graph in 0..1 << ROUTES.len() {
        for (before, after) in (0..8).flat_map(|before| (0..8).map(move |after| (before, after))) {
            let links = World::new(graph, 1, before).links.len();
            let all = &orders[&links];
            // All orders of up to three links; of more, one and its reverse.
            let few = [all.first(), all.last()];
            let tried: Vec<_> = match links {
                0..=3 => all.iter().collect(),
                _ => few.into_iter().flatten().collect(),
            };
            for order in tried {
                let mut world = World::new(graph, 1, before);
                world.settle(order);
                world.check_all_arrived();
                world.natives = after;
                world.settle(order);
                world.check_all_arrived();
                worlds += 1;
            }
        }
    }
    assert!(worlds > 64 * 64, "{worlds}");
}

/// Two installs do not know each other's names, so a copy may come back to a registry
/// by the other's links. It ends all the same, and natives stay alone.
#[test]
fn links_of_two_installs_never_go_round() {
    for graph in 0..3_usize.pow(ROUTES.len() as u32) {
        for natives in 0..8 {
            let mut world = World::new(graph, 2, natives);
            let order: Vec<usize> = (0..world.links.len()).collect();
            world.settle(&order);
            world.check_ownership();
            let order: Vec<usize> = order.into_iter().rev().collect();
            world.settle(&order);
            world.check_ownership();
        }
    }
}
