//! What speaks against believing a registry that answers. Pure: what was found
//! and the time come in, reasons go out.
//!
//! Nothing here keeps anything from being added. A reason makes a view suspect,
//! and so takes from it the power to remove.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use syncline_model::{GroupName, NamespaceId};
use tokio::time::Instant;

/// How long a cluster is doubted that is not what it was: another version, other
/// members. A rolling upgrade of three members keeps it doubted throughout.
const CHANGED_FOR: Duration = Duration::from_secs(60);

/// How long a member is doubted that was away: it may answer before it has
/// loaded what its peers know, more than 10 s before (alibaba/nacos#7687).
const BACK_FOR: Duration = Duration::from_secs(30);

/// As many services make a list full, so that none at all is strange after it.
/// What is smaller is the guard's alone.
const FULL: usize = 10;

/// After so many empty lists over such a time, one after a full one is believed.
const EMPTY_LISTS: u32 = 3;
const EMPTY_FOR: Duration = Duration::from_secs(30);

/// What tells a cluster from another at the same addresses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fingerprint {
    /// The version, as far as it is known.
    pub(super) version: String,
    /// The members that the cluster names; `None` where it does not.
    pub(super) members: Option<BTreeSet<String>>,
}

/// A part of the registry that is listed as one.
pub(super) type Place = (NamespaceId, Option<GroupName>);

/// What was noticed lately.
#[derive(Debug, Default)]
pub(super) struct Suspicions {
    fingerprint: Option<Fingerprint>,
    changed: Option<(Instant, Arc<str>)>,
    lists: HashMap<Place, Fullness>,
}

/// How many services a list had when it had any.
#[derive(Debug)]
struct Fullness {
    services: usize,
    /// How many empty lists came since then, and since when.
    empty: Option<(u32, Instant)>,
}

impl Suspicions {
    /// Takes note of what the cluster is now.
    pub(super) fn found(&mut self, now: Instant, mut found: Fingerprint) {
        if let Some(before) = &self.fingerprint {
            if let Some(what) = difference(before, &found) {
                self.changed = Some((now, what.into()));
            }
            // Members that cannot be listed just now are not other members.
            found.members = found.members.or_else(|| before.members.clone());
        }
        self.fingerprint = Some(found);
    }

    /// Why the cluster as a whole is not believed.
    pub(super) fn of_cluster(&self, now: Instant) -> Option<Arc<str>> {
        let (at, what) = self.changed.as_ref()?;
        let since = now.saturating_duration_since(*at);
        let left = CHANGED_FOR.checked_sub(since).filter(|d| !d.is_zero())?;
        Some(format!("{what}; nothing is removed for {} s", seconds(left)).into())
    }

    /// Takes note of how many services a whole list had, and says why that is
    /// not believed.
    pub(super) fn listed(
        &mut self,
        now: Instant,
        place: Place,
        services: usize,
    ) -> Option<Arc<str>> {
        if services > 0 {
            let empty = None;
            self.lists.insert(place, Fullness { services, empty });
            return None;
        }
        let before = self.lists.get_mut(&place).filter(|f| f.services >= FULL)?;
        let (lists, since) = before.empty.get_or_insert((0, now));
        *lists += 1;
        let lasted = now.saturating_duration_since(*since);
        if *lists >= EMPTY_LISTS && lasted >= EMPTY_FOR {
            self.lists.remove(&place);
            return None;
        }
        let why = format!(
            "{} services were listed in {} before and none is now; believed after {EMPTY_LISTS} \
             such lists over {} s",
            before.services,
            place.0,
            EMPTY_FOR.as_secs(),
        );
        Some(why.into())
    }
}

/// Why a member is not believed that answers again for so long.
pub(super) fn of_member(server: &str, back_for: Option<Duration>) -> Option<Arc<str>> {
    let left = BACK_FOR.checked_sub(back_for?).filter(|d| !d.is_zero())?;
    let why = format!(
        "{server} was away and may not have loaded everything yet; it is believed in {} s",
        seconds(left)
    );
    Some(why.into())
}

/// What is not as it was, for people.
fn difference(before: &Fingerprint, now: &Fingerprint) -> Option<String> {
    if before.version != now.version {
        return Some(format!(
            "the servers were Nacos {} and are {}",
            before.version, now.version
        ));
    }
    let (Some(before), Some(now)) = (&before.members, &now.members) else {
        return None;
    };
    let mut text = String::new();
    for (what, members) in [
        ("joined", now.difference(before)),
        ("left", before.difference(now)),
    ] {
        let members: Vec<&str> = members.map(String::as_str).collect();
        if !members.is_empty() {
            let and = if text.is_empty() { "" } else { " and " };
            // Writing to a `String` does not fail.
            write!(text, "{and}{} {what}", members.join(", ")).ok()?;
        }
    }
    (!text.is_empty()).then(|| format!("the cluster has other members: {text}"))
}

/// Whole seconds, never less than what is left.
fn seconds(left: Duration) -> u64 {
    left.as_secs() + u64::from(left.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn cluster(version: &str, members: &[&str]) -> Fingerprint {
        Fingerprint {
            version: version.to_owned(),
            members: Some(members.iter().map(|m| (*m).to_owned()).collect()),
        }
    }

    fn place(namespace: &str) -> Place {
        (namespace.into(), None)
    }

    #[test]
    fn another_version_freezes_removals_for_a_while() {
        let start = Instant::now();
        let mut suspicions = Suspicions::default();
        suspicions.found(start, cluster("2.1.1", &["a"]));
        assert_eq!(
            suspicions.of_cluster(start),
            None,
            "nothing to compare with"
        );
        suspicions.found(start + S, cluster("2.2.4", &["a"]));
        let why = suspicions.of_cluster(start + S).expect("doubted");
        assert!(
            why.contains("2.1.1") && why.contains("2.2.4") && why.contains("60 s"),
            "{why}"
        );
        suspicions.found(start + 30 * S, cluster("2.2.4", &["a"]));
        assert!(suspicions.of_cluster(start + 60 * S).is_some());
        assert_eq!(suspicions.of_cluster(start + 61 * S), None);
    }

    #[test]
    fn members_that_come_and_go_are_named() {
        let start = Instant::now();
        let mut suspicions = Suspicions::default();
        suspicions.found(start, cluster("2.2.4", &["a:1", "b:1"]));
        let unlisted = Fingerprint {
            members: None,
            ..cluster("2.2.4", &[])
        };
        suspicions.found(start, unlisted);
        assert_eq!(suspicions.of_cluster(start), None, "not told is not gone");
        suspicions.found(start, cluster("2.2.4", &["b:1", "c:1"]));
        let why = suspicions.of_cluster(start).expect("doubted");
        assert!(why.contains("c:1 joined and a:1 left"), "{why}");
    }

    #[test]
    fn empty_after_full_is_believed_after_three_lists_and_thirty_seconds() {
        let start = Instant::now();
        let mut suspicions = Suspicions::default();
        assert_eq!(suspicions.listed(start, place("a"), FULL), None);
        let mut empty = |after: u32| suspicions.listed(start + after * S, place("a"), 0);
        let why = empty(1).expect("doubted");
        assert!(why.contains("10 services"), "{why}");
        assert!(empty(2).is_some());
        assert!(empty(3).is_some(), "often enough, and too soon");
        assert!(empty(30).is_some());
        assert_eq!(empty(31), None);
        assert_eq!(empty(32), None, "that is how it is now");
    }

    #[test]
    fn a_list_that_comes_back_starts_anew() {
        let start = Instant::now();
        let mut suspicions = Suspicions::default();
        suspicions.listed(start, place("a"), 40);
        assert!(suspicions.listed(start, place("a"), 0).is_some());
        assert_eq!(suspicions.listed(start + 40 * S, place("a"), 40), None);
        assert!(suspicions.listed(start + 41 * S, place("a"), 0).is_some());
    }

    #[test]
    fn a_small_list_may_become_empty_and_another_place_is_another_matter() {
        let start = Instant::now();
        let mut suspicions = Suspicions::default();
        suspicions.listed(start, place("a"), FULL - 1);
        suspicions.listed(start, place("b"), FULL);
        assert_eq!(suspicions.listed(start, place("a"), 0), None);
        assert_eq!(suspicions.listed(start, place("c"), 0), None);
        assert!(suspicions.listed(start, place("b"), 0).is_some());
    }

    #[test]
    fn a_member_that_is_back_is_doubted_for_thirty_seconds() {
        assert_eq!(of_member("a:1", None), None);
        let why = of_member("a:1", Some(10 * S)).expect("doubted");
        assert!(why.contains("a:1") && why.contains("20 s"), "{why}");
        assert_eq!(of_member("a:1", Some(30 * S)), None);
    }
}
