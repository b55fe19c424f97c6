//! Marks that were changed, made up or moved, and graphs of registries in which
//! everything is copied everywhere.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use syncline_model::ownership::{Carry, Hop, MAX_HOPS, Path, may_carry};
use syncline_model::{Instance, MARK_KEY, MarkReading, Port, ServiceKey, Signer};

const KEY: &[u8] = b"an install's key, not a very good one";

fn signer() -> Signer {
    Signer::new("install-1".into(), KEY).expect("long enough")
}

fn instance() -> Instance {
    Instance::new("10.0.0.7", Port::new(8080).expect("not zero"))
}

fn service() -> ServiceKey {
    ServiceKey::new("public", "G", "order")
}

fn path(hops: &[(String, String)]) -> Path {
    let mut hops = hops.iter().map(|(i, e)| Hop::new(i.as_str(), e.as_str()));
    let origin = Path::from_origin(hops.next().expect("one at least"));
    hops.fold(origin, |path, hop| path.extended(hop))
}

fn hops() -> impl Strategy<Value = Vec<(String, String)>> {
    let install = prop_oneof![Just("install-1".to_owned()), ".{0,6}"];
    proptest::collection::vec((install, ".{0,8}"), 1..=MAX_HOPS)
}

proptest! {
    #[test]
    fn what_is_signed_is_read_as_it_was(hops in hops()) {
        let (signer, path) = (signer(), path(&hops));
        let copy = signer.marked(&service(), &instance(), &path);
        let again = signer.marked(&service(), &instance(), &path);
        prop_assert_eq!(&copy, &again);
        match signer.read(&service(), &copy) {
            MarkReading::Ours(mark) => prop_assert_eq!(mark.path, path),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn a_flipped_bit_is_never_ours(hops in hops(), at in any::<prop::sample::Index>(), bit in 0..7_u8) {
        let mark = signer().sign(&service(), &instance().key, &path(&hops));
        let mut bytes = mark.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let mark = String::from_utf8(bytes).expect("seven bits");
        let reading = signer().verify(Some(&mark), &service(), &instance().key);
        let of_another_install = mark.starts_with("1~") && !mark.starts_with("1~install-1~");
        match reading {
            MarkReading::Forged => {}
            // It names another install now, and is worth what such a mark is.
            MarkReading::OtherInstall(_) if of_another_install => {}
            other => prop_assert!(false, "{mark}: {other:?}"),
        }
    }

    #[test]
    fn a_shortened_or_lengthened_mark_is_never_ours(hops in hops(), cut in 1..30_usize, more in "[A-Za-z0-9~/!%_-]{1,6}") {
        let mark = signer().sign(&service(), &instance().key, &path(&hops));
        let shorter = &mark[..mark.len().saturating_sub(cut)];
        for text in [shorter.to_owned(), format!("{mark}{more}"), format!("{more}{mark}")] {
            let reading = signer().verify(Some(&text), &service(), &instance().key);
            prop_assert!(!matches!(reading, MarkReading::Ours(_)), "{}", text);
        }
    }

    #[test]
    fn no_text_is_ours_by_chance(text in ".{0,60}") {
        let forged = format!("1~install-1~{text}");
        for text in [text, forged] {
            let reading = signer().verify(Some(&text), &service(), &instance().key);
            prop_assert!(!matches!(reading, MarkReading::Ours(_)));
        }
    }

    /// Every registry holds a copy of everything that can reach it without a
    /// circle, no origin ever gets a copy back, and it ends.
    #[test]
    fn copies_settle_in_any_graph(
        links in proptest::collection::btree_set((0..6_usize, 0..6_usize), 0..20),
    ) {
        for origin in 0..6 {
            let ways = settle(&links, origin);
            for (at, ways) in &ways {
                for way in ways.iter().flatten() {
                    prop_assert!(!way.visited(&hop(*at)), "it was in {at} before");
                    prop_assert_eq!(way.origin(), &hop(origin));
                }
            }
            let reached: BTreeSet<usize> = ways.keys().copied().collect();
            prop_assert_eq!(reached, reachable(&links, origin));
        }
    }
}

/// What somebody may try who sees our marks and has no key: 10,000 attempts.
#[test]
fn ten_thousand_forged_marks_are_all_refused() {
    let (signer, service, instance) = (signer(), service(), instance());
    let path = Path::from_origin(Hop::new("install-1", "hangzhou"));
    let real = signer.sign(&service, &instance.key, &path);
    let (body, _) = real.rsplit_once('~').expect("a signature at its end");
    let mut accepted = 0;
    for n in 0..2_000_u32 {
        let mut guessed = [0; 32];
        guessed[..4].copy_from_slice(&n.to_be_bytes());
        let thief = Signer::new("install-1".into(), &guessed).expect("long enough");
        let elsewhere = ServiceKey::new("public", "G", format!("order-{n}"));
        let host = format!("10.1.{}.{}", n / 250, n % 250);
        let neighbour = Instance::new(host.as_str(), instance.key.port);
        let by_another_way = Path::from_origin(Hop::new("install-1", format!("e-{n}")));
        let forged = [
            // Another key; a guessed signature; marks that were real elsewhere.
            thief.sign(&service, &instance.key, &path),
            format!("{body}~{n:016}"),
            signer.sign(&elsewhere, &instance.key, &path),
            signer.sign(&service, &neighbour.key, &path),
            thief.sign(&service, &instance.key, &by_another_way),
        ];
        for mark in &forged {
            let reading = signer.verify(Some(mark), &service, &instance.key);
            accepted += u32::from(reading != MarkReading::Forged);
        }
    }
    assert_eq!(accepted, 0);
    let reading = signer.verify(Some(&real), &service, &instance.key);
    assert!(matches!(reading, MarkReading::Ours(_)));
}

fn hop(registry: usize) -> Hop {
    Hop::new("install-1", format!("registry-{registry}"))
}

/// The ways by which an instance of one registry comes to each registry; `None`
/// is where it was registered.
type Ways = BTreeMap<usize, BTreeSet<Option<PathInOrder>>>;

#[derive(Clone, PartialEq, Eq, Debug)]
struct PathInOrder(Path);

impl std::ops::Deref for PathInOrder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Ord for PathInOrder {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.hops().cmp(other.hops())
    }
}

impl PartialOrd for PathInOrder {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

fn settle(links: &BTreeSet<(usize, usize)>, origin: usize) -> Ways {
    let mut ways = Ways::from([(origin, BTreeSet::from([None]))]);
    loop {
        let before = ways.clone();
        for (from, to) in links {
            for way in before.get(from).into_iter().flatten() {
                let carry = may_carry(way.as_deref(), &hop(*from), &hop(*to));
                if let Carry::Yes(path) = carry {
                    ways.entry(*to).or_default().insert(Some(PathInOrder(path)));
                }
            }
        }
        if ways == before {
            return ways;
        }
    }
}

fn reachable(links: &BTreeSet<(usize, usize)>, origin: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::from([origin]);
    loop {
        let next = links.iter().filter(|(from, _)| reached.contains(from));
        let grown: BTreeSet<usize> = next.map(|(_, to)| *to).chain(reached.clone()).collect();
        if grown == reached {
            return reached;
        }
        reached = grown;
    }
}

/// Ten thousand attempts of someone who sees marks but not the key.
#[test]
fn forged_marks_are_not_accepted() {
    let real = signer().marked(
        &service(),
        &instance(),
        &path(&[("install-1".into(), "hz".into())]),
    );
    let seen = real.metadata.get(MARK_KEY).expect("marked").to_owned();
    for attempt in 0..10_000_u32 {
        let mut victim = instance();
        let text = match attempt % 4 {
            // Moved to another instance.
            0 => {
                victim.key.host = format!("10.{}.{}.1", attempt / 250, attempt % 250)
                    .as_str()
                    .into();
                seen.clone()
            }
            // Signed with another key.
            1 => {
                let key = format!("{:0>32}", attempt);
                let thief = Signer::new("install-1".into(), key.as_bytes()).expect("long enough");
                let path = path(&[("install-1".into(), "hz".into())]);
                thief.sign(&service(), &victim.key, &path)
            }
            // Another way under the same signature.
            2 => seen.replace("~hz~", &format!("~hz-{attempt}~")),
            // A guessed signature.
            _ => {
                let (body, _) = seen.rsplit_once('~').expect("signed");
                format!("{body}~{attempt:A>16}")
            }
        };
        victim.metadata = victim.metadata.with(MARK_KEY, text);
        let reading = signer().read(&service(), &victim);
        assert_eq!(reading, MarkReading::Forged, "{attempt}");
    }
}
