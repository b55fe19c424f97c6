//! Fuzzy watch (3.0 and later): the server tells of names that come and go.
//!
//! What it tells is only ever a reason to look. It forgets a name where its
//! limits are reached, and nothing at all is told while a connection is away:
//! the list of names goes on beside it, more seldom.
//!
//! A server takes 20 patterns for all its clients together and tells 500 names
//! for each, unless it is set otherwise. Where it refuses one, its namespace is
//! asked for names as it would be without. A server that reaches the limit
//! later says nothing (3.0.3): the list of names then finds one that was not
//! told, which counts as a refusal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use syncline_model::{NamespaceId, ServiceKey};
use tokio::time::Instant;

use super::names::GROUPS_SINGLY;
use super::reach::{Plot, Reach};

/// Patterns that one source watches, so that others find room.
const MOST: usize = 8;

/// How long a pattern that was refused is not asked for again.
const REFUSED_FOR: Duration = Duration::from_secs(300);

/// How much later than a list of names the server may tell one: it collects
/// changes for half a second, and members lag each other by up to 1.7 s.
const LATE: Duration = Duration::from_secs(5);

/// A pattern, as Nacos writes it: `namespace>>group>>service`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Pattern {
    pub(super) namespace: NamespaceId,
    pub(super) text: Arc<str>,
}

/// The patterns of a source, and how far the server watches them.
#[derive(Debug, Default)]
pub(super) struct Fuzzy {
    wanted: BTreeMap<Pattern, State>,
    /// Namespaces whose names take more patterns than there may be.
    left_out: BTreeSet<NamespaceId>,
    /// Names that a list showed, since when, and that were not told yet.
    missed: BTreeMap<ServiceKey, Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Not asked for on this connection.
    Idle,
    /// Asked for; not all that matches was told yet.
    Asked,
    /// All that matched was told, and what changes will be.
    Stands,
    Refused(Instant),
}

impl Fuzzy {
    /// Takes what is to be watched now; gives the patterns that are not wanted
    /// any more.
    pub(super) fn want(&mut self, reach: &Reach) -> Vec<Pattern> {
        self.left_out.clear();
        let mut wanted = BTreeSet::new();
        for plot in &reach.plots {
            let patterns = patterns(plot);
            if wanted.len() + patterns.len() <= MOST {
                wanted.extend(patterns);
            } else {
                self.left_out.insert(plot.namespace.clone());
            }
        }
        let over = self.wanted.keys();
        let over = over.filter(|pattern| !wanted.contains(pattern));
        let over: Vec<Pattern> = over.cloned().collect();
        self.wanted.retain(|pattern, _| wanted.contains(pattern));
        for pattern in wanted {
            self.wanted.entry(pattern).or_insert(State::Idle);
        }
        over
    }

    /// Whether there is nothing to watch.
    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// The patterns to ask for now.
    pub(super) fn ask(&mut self) -> Vec<Pattern> {
        let mut ask = Vec::new();
        for (pattern, state) in &mut self.wanted {
            let again = match state {
                State::Idle => true,
                State::Refused(since) => since.elapsed() >= REFUSED_FOR,
                State::Asked | State::Stands => false,
            };
            if again {
                *state = State::Asked;
                ask.push(pattern.clone());
            }
        }
        ask
    }

    /// All that matched a pattern was told, unless the server said that it
    /// does not tell all.
    pub(super) fn complete(&mut self, text: &str) {
        self.set(text, State::Stands);
    }

    /// The server does not watch a pattern, or not all that matches.
    pub(super) fn refused(&mut self, text: &str) {
        self.set(text, State::Refused(Instant::now()));
    }

    /// A list showed a name before it was told.
    pub(super) fn miss(&mut self, service: &ServiceKey) {
        self.missed.insert(service.clone(), Instant::now());
    }

    /// A name was told.
    pub(super) fn hear(&mut self, service: &ServiceKey) {
        self.missed.remove(service);
    }

    /// Takes it for refused where names are not told in time; gives the
    /// patterns that are of no use.
    pub(super) fn give_up(&mut self) -> Vec<Pattern> {
        let mut late = BTreeSet::new();
        self.missed.retain(|service, since| {
            let is_late = since.elapsed() >= LATE;
            late.extend(is_late.then(|| service.namespace.clone()));
            !is_late
        });
        let mut useless = Vec::new();
        for (pattern, state) in &mut self.wanted {
            if late.contains(&pattern.namespace) {
                *state = State::Refused(Instant::now());
                useless.push(pattern.clone());
            }
        }
        useless
    }

    /// The connection is gone. The next one asks for the same by itself, so
    /// nothing has to be asked for again.
    pub(super) fn lost(&mut self) {
        self.missed.clear();
        for state in self.wanted.values_mut() {
            if *state == State::Stands {
                *state = State::Asked;
            }
        }
    }

    /// The namespaces whose names are all told.
    pub(super) fn told(&self) -> BTreeSet<NamespaceId> {
        let mut told: BTreeMap<&NamespaceId, bool> = BTreeMap::new();
        for (pattern, state) in &self.wanted {
            let all = told.entry(&pattern.namespace).or_insert(true);
            *all &= *state == State::Stands;
        }
        let told = told.into_iter().filter(|(_, all)| *all);
        let told = told.map(|(namespace, _)| namespace.clone());
        told.filter(|namespace| !self.left_out.contains(namespace))
            .collect()
    }

    /// How new names are learnt, for people; `None` where all are named.
    pub(super) fn learns(&self) -> Option<String> {
        let watched = self.wanted.keys().map(|pattern| &pattern.namespace);
        let all: BTreeSet<&NamespaceId> = watched.chain(&self.left_out).collect();
        let (told, all) = (self.told().len(), all.len());
        match told {
            _ if all == 0 => None,
            0 => Some("new names every 2 s".to_owned()),
            told if told == all => Some("new names by fuzzy watch".to_owned()),
            told => Some(format!(
                "new names by fuzzy watch in {told} of {all} namespaces, every 2 s in the others"
            )),
        }
    }

    fn set(&mut self, text: &str, to: State) {
        for (pattern, state) in &mut self.wanted {
            let is_late = to == State::Stands && *state != State::Asked;
            if *pattern.text == *text && !is_late {
                *state = to;
            }
        }
    }
}

/// The patterns that tell all names of a plot; none where all are known.
fn patterns(plot: &Plot) -> BTreeSet<Pattern> {
    let namespace = &plot.namespace;
    let pattern = |group: &str| Pattern {
        namespace: namespace.clone(),
        text: format!("{namespace}>>{group}>>*").into(),
    };
    match (&plot.services, &plot.groups) {
        (Some(_), _) => BTreeSet::new(),
        (None, Some(groups)) if groups.len() <= GROUPS_SINGLY => {
            groups.iter().map(|group| pattern(group.as_str())).collect()
        }
        (None, _) => BTreeSet::from([pattern("*")]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_model::GroupName;

    fn plot(namespace: &str, groups: &[&str]) -> Plot {
        let groups = groups.iter().map(|group| GroupName::from(*group));
        let groups: BTreeSet<GroupName> = groups.collect();
        Plot {
            namespace: namespace.into(),
            groups: (!groups.is_empty()).then_some(groups),
            services: None,
            vanished: false,
        }
    }

    fn texts(patterns: impl IntoIterator<Item = Pattern>) -> Vec<String> {
        let texts = patterns.into_iter().map(|pattern| pattern.text.to_string());
        texts.collect()
    }

    fn told(fuzzy: &Fuzzy) -> Vec<String> {
        fuzzy.told().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn few_groups_are_watched_singly_and_more_with_all_others() {
        assert_eq!(texts(patterns(&plot("a", &[]))), ["a>>*>>*"]);
        let two = patterns(&plot("a", &["G", "H"]));
        assert_eq!(texts(two), ["a>>G>>*", "a>>H>>*"]);
        let five = patterns(&plot("a", &["G", "H", "I", "J", "K"]));
        assert_eq!(texts(five), ["a>>*>>*"]);
        let mut named = plot("a", &["G"]);
        named.services = Some(BTreeSet::new());
        assert!(patterns(&named).is_empty());
    }

    #[test]
    fn a_namespace_is_told_once_all_its_patterns_stand_and_until_one_does_not() {
        let mut fuzzy = Fuzzy::default();
        fuzzy.want(&Reach::of([plot("a", &["G", "H"]), plot("b", &[])]));
        assert_eq!(fuzzy.ask().len(), 3);
        assert!(fuzzy.ask().is_empty(), "once is enough");
        fuzzy.complete("a>>G>>*");
        assert_eq!(fuzzy.learns().as_deref(), Some("new names every 2 s"));
        fuzzy.complete("b>>*>>*");
        assert_eq!(told(&fuzzy), ["b"]);
        let some = "new names by fuzzy watch in 1 of 2 namespaces, every 2 s in the others";
        assert_eq!(fuzzy.learns().as_deref(), Some(some));
        fuzzy.complete("a>>H>>*");
        assert_eq!(told(&fuzzy), ["a", "b"]);
        assert_eq!(fuzzy.learns().as_deref(), Some("new names by fuzzy watch"));
        fuzzy.refused("a>>G>>*");
        fuzzy.complete("a>>G>>*");
        assert_eq!(told(&fuzzy), ["b"], "not all that matched was told");
        fuzzy.lost();
        assert!(told(&fuzzy).is_empty());
        assert!(fuzzy.ask().is_empty(), "the session does that by itself");
        let over = fuzzy.want(&Reach::of([plot("a", &["H"])]));
        assert_eq!(texts(over), ["a>>G>>*", "b>>*>>*"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_refused_is_tried_again_much_later() {
        let mut fuzzy = Fuzzy::default();
        fuzzy.want(&Reach::of([plot("a", &[])]));
        assert_eq!(fuzzy.ask().len(), 1);
        fuzzy.refused("a>>*>>*");
        assert!(fuzzy.ask().is_empty());
        tokio::time::advance(REFUSED_FOR).await;
        assert_eq!(fuzzy.ask().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_keeps_names_to_itself_is_asked_for_them() {
        let mut fuzzy = Fuzzy::default();
        fuzzy.want(&Reach::of([plot("a", &[]), plot("b", &[])]));
        for pattern in fuzzy.ask() {
            fuzzy.complete(&pattern.text);
        }
        let [late, lost] = ["late", "lost"].map(|name| ServiceKey::new("a", "G", name));
        fuzzy.miss(&late);
        fuzzy.miss(&lost);
        assert!(fuzzy.give_up().is_empty());
        fuzzy.hear(&late);
        tokio::time::advance(LATE).await;
        assert_eq!(texts(fuzzy.give_up()), ["a>>*>>*"]);
        assert_eq!(told(&fuzzy), ["b"]);
        assert!(fuzzy.give_up().is_empty());
    }

    #[test]
    fn one_source_takes_only_some_of_the_servers_room() {
        let mut fuzzy = Fuzzy::default();
        let plots = (0..=MOST).map(|n| plot(&format!("n{n}"), &[]));
        fuzzy.want(&Reach::of(plots));
        let asked = fuzzy.ask();
        assert_eq!(asked.len(), MOST);
        for pattern in &asked {
            fuzzy.complete(&pattern.text);
        }
        assert_eq!(fuzzy.told().len(), MOST);
    }
}
