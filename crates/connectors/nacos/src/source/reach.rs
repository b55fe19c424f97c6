//! Which namespaces and groups the scopes reach into.

use std::collections::BTreeSet;

use syncline_contract::{Area, Coverage};
use syncline_model::scope::Scope;
use syncline_model::{GroupName, NamespaceId, ServiceKey};
use syncline_nacos::http::{Class, HttpError, Route};
use syncline_nacos::version::{Generation, Negotiated};

use super::{Reader, advice};
use crate::failure;

/// As many services as are read one by one where all are named; more are read
/// faster with everything around them.
const SINGLY: usize = 64;

/// What is to be read.
#[derive(Debug)]
pub(super) struct Reach {
    /// One for each namespace.
    pub(super) plots: Vec<Plot>,
    /// What cannot be read, and why.
    pub(super) doubts: Vec<Area>,
    /// The scopes, with ids in the place of the show names that were found.
    scopes: Vec<Scope>,
    /// Namespaces and their show names, as far as they were looked up.
    pub(super) show_names: Vec<(NamespaceId, String)>,
}

/// A part of the registry that is read together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Plot {
    pub(super) namespace: NamespaceId,
    /// The groups, where all are named.
    pub(super) groups: Option<BTreeSet<GroupName>>,
    /// The services, where all are named and there are few.
    pub(super) services: Option<BTreeSet<ServiceKey>>,
    /// Whether the namespace was listed once and is not any more.
    pub(super) vanished: bool,
}

/// The namespaces as far as they can be listed.
#[derive(Debug, Default)]
struct Found {
    /// Ids and, where they are known, show names.
    namespaces: Vec<(NamespaceId, String)>,
    /// Why there may be others.
    doubt: Option<Coverage>,
}

impl Reach {
    /// One that reads these, and selects nothing.
    #[cfg(test)]
    pub(super) fn of(plots: impl IntoIterator<Item = Plot>) -> Self {
        Self {
            plots: plots.into_iter().collect(),
            doubts: Vec::new(),
            scopes: Vec::new(),
            show_names: Vec::new(),
        }
    }

    /// Whether any scope selects a service.
    pub(super) fn selects(&self, service: &ServiceKey) -> bool {
        self.scopes.iter().any(|scope| scope.selects(service))
    }

    /// Whether any scope selects a service of a group.
    pub(super) fn selects_group(&self, namespace: &NamespaceId, group: &GroupName) -> bool {
        let selects = |s: &Scope| s.selects_namespace(namespace) && s.selects_group(group);
        self.scopes.iter().any(selects)
    }
}

impl Reader {
    /// Finds out where the scopes reach to. Namespaces are listed only where
    /// they are not all named.
    pub(super) async fn reach(&self, scopes: &[Scope], server: &Negotiated) -> Reach {
        if scopes.iter().all(|s| s.literal_namespaces().is_some()) {
            return plan(scopes, &Found::default(), &BTreeSet::new());
        }
        let mut found = self.find_namespaces(scopes, server).await;
        let missing = show_names_without_id(scopes, &found);
        if found.doubt.is_none() && !missing.is_empty() {
            let why = format!("no namespace is shown as {}", missing.join(", "));
            found.doubt = Some(Coverage::Partial(why.into()));
        }
        let known = {
            let mut memory = self.memory.lock();
            let known = memory.found.clone();
            let listed = found.namespaces.iter().map(|(id, _)| id);
            let named = |id: &&NamespaceId| scopes.iter().any(|s| s.selects_namespace(id));
            memory.found.extend(listed.filter(named).cloned());
            known
        };
        plan(scopes, &found, &known)
    }

    async fn find_namespaces(&self, scopes: &[Scope], server: &Negotiated) -> Found {
        let http = match self.cluster.http().await {
            Ok(http) => http,
            Err(failure) => return Found::failed(failure.chain()),
        };
        let listed = http
            .namespaces(server.features.namespaces, &Route::Any)
            .await;
        let mut found = match listed {
            Ok(listed) => Found::listed(listed.value),
            Err(error) if is_refusal(&error) => Found {
                namespaces: Vec::new(),
                doubt: Some(Coverage::Partial(advice::namespaces(server, &error))),
            },
            Err(error) => Found::failed(failure::reason(&error).to_string()),
        };
        // Up to 2.5 the names of all services tell which namespaces have any,
        // also those that nobody created in a console.
        if server.generation != Generation::V3
            && let Ok(names) = http.names_by_namespace(None, &Route::Any).await
        {
            let in_use = names.value.into_iter().map(|names| names.namespace);
            found.add(in_use);
            let by_show_name = scopes.iter().any(Scope::needs_show_names);
            if matches!(found.doubt, Some(Coverage::Partial(_))) && !by_show_name {
                found.doubt = None;
            }
        }
        found.add([NamespaceId::public()]);
        found
    }
}

impl Found {
    fn failed(why: String) -> Self {
        Self {
            namespaces: Vec::new(),
            doubt: Some(Coverage::Failed(why.into())),
        }
    }

    fn listed(listed: syncline_nacos::http::Namespaces) -> Self {
        let doubt = listed.rejected.first().map(|rejected| {
            let why = format!("a namespace could not be read: {rejected}");
            Coverage::Partial(why.into())
        });
        let named = listed.items.into_iter().map(|n| (n.id, n.show_name));
        Self {
            namespaces: named.collect(),
            doubt,
        }
    }

    /// Adds namespaces whose show names are not known.
    fn add(&mut self, ids: impl IntoIterator<Item = NamespaceId>) {
        for id in ids {
            if self.namespaces.iter().all(|(known, _)| *known != id) {
                self.namespaces.push((id, String::new()));
            }
        }
    }
}

/// Whether an answer says that we may not, or that the server cannot: then
/// there may be another way. Whoever cannot even log in has none.
pub(super) fn is_refusal(error: &HttpError) -> bool {
    let may_not = matches!(
        error.class(),
        Class::Forbidden | Class::Unauthenticated | Class::Unsupported
    );
    may_not && !matches!(error, HttpError::Login { .. })
}

fn show_names_without_id(scopes: &[Scope], found: &Found) -> Vec<String> {
    let mut missing = Vec::new();
    for scope in scopes {
        let resolved = scope.resolve(&found.namespaces);
        missing.extend(resolved.missing.iter().map(|name| format!("`{name}`")));
    }
    missing.sort();
    missing.dedup();
    missing
}

/// Lays out what is to be read. `known` are namespaces that were found before:
/// one that is not listed any more is still read.
fn plan(scopes: &[Scope], found: &Found, known: &BTreeSet<NamespaceId>) -> Reach {
    let scopes: Vec<Scope> = scopes
        .iter()
        .map(|scope| scope.resolve(&found.namespaces).scope)
        .collect();
    let literal = scopes
        .iter()
        .filter_map(Scope::literal_namespaces)
        .flatten();
    let listed: BTreeSet<&NamespaceId> = found.namespaces.iter().map(|(id, _)| id).collect();
    let mut namespaces: BTreeSet<NamespaceId> = literal.collect();
    let exact = namespaces.clone();
    let selected = |id: &&&NamespaceId| scopes.iter().any(|s| s.selects_namespace(id));
    namespaces.extend(listed.iter().filter(selected).map(|id| (*id).clone()));
    let gone =
        |id: &&NamespaceId| !listed.contains(id) && scopes.iter().any(|s| s.selects_namespace(id));
    namespaces.extend(known.iter().filter(gone).cloned());
    let plots = namespaces.into_iter().map(|namespace| {
        let vanished = !exact.contains(&namespace) && !listed.contains(&namespace);
        plot(&scopes, namespace, vanished)
    });
    Reach {
        plots: plots.collect(),
        doubts: found.doubt.clone().map(everywhere).into_iter().collect(),
        scopes,
        show_names: found.namespaces.clone(),
    }
}

fn plot(scopes: &[Scope], namespace: NamespaceId, vanished: bool) -> Plot {
    let mut groups = Some(BTreeSet::new());
    let mut services = Some(BTreeSet::new());
    for scope in scopes.iter().filter(|s| s.selects_namespace(&namespace)) {
        let named_groups = scope.literal_groups();
        services = match (&named_groups, scope.literal_services(), services) {
            (Some(groups), Some(names), Some(mut services)) => {
                let keys = groups.iter().flat_map(|group| {
                    let key = |name| ServiceKey {
                        namespace: namespace.clone(),
                        group: group.clone(),
                        name,
                    };
                    names.iter().cloned().map(key)
                });
                services.extend(keys.filter(|key| scope.selects(key)));
                (services.len() <= SINGLY).then_some(services)
            }
            _ => None,
        };
        groups = match (named_groups, groups) {
            (Some(named), Some(mut groups)) => {
                groups.extend(named);
                Some(groups)
            }
            _ => None,
        };
    }
    Plot {
        namespace,
        groups,
        services,
        vanished,
    }
}

/// What holds for all that the scopes select.
pub(super) fn everywhere(coverage: Coverage) -> Area {
    Area {
        namespace: None,
        group: None,
        coverage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_model::scope::{NamespacePattern, Patterns};

    fn scope(namespaces: &[&str], groups: &[&str], services: &[&str]) -> Scope {
        let parse = |text: &&str| NamespacePattern::parse(text).expect("legal");
        let patterns = |texts: &[&str]| Patterns::parse(texts.iter().copied()).expect("legal");
        Scope {
            namespaces: namespaces.iter().map(parse).collect(),
            groups: patterns(groups),
            services: patterns(services),
            ..Scope::everything()
        }
    }

    fn found(namespaces: &[(&str, &str)]) -> Found {
        let owned = |(id, name): &(&str, &str)| (NamespaceId::from(*id), (*name).to_owned());
        Found {
            namespaces: namespaces.iter().map(owned).collect(),
            doubt: None,
        }
    }

    fn laid_out(scopes: &[Scope], found: &Found, known: &[&str]) -> Vec<Plot> {
        let known = known.iter().map(|id| NamespaceId::from(*id)).collect();
        plan(scopes, found, &known).plots
    }

    #[test]
    fn named_namespaces_are_read_whether_listed_or_not() {
        let plots = laid_out(&[scope(&["a", ""], &["*"], &["*"])], &found(&[]), &[]);
        let ids: Vec<_> = plots.iter().map(|p| p.namespace.as_str()).collect();
        assert_eq!(ids, ["a", "public"]);
        assert!(plots.iter().all(|p| !p.vanished && p.groups.is_none()));
    }

    #[test]
    fn globs_and_show_names_select_among_the_listed() {
        let listed = found(&[("id-1", "prod"), ("test-1", "t"), ("test-2", "t")]);
        let plots = laid_out(
            &[scope(&["name:prod", "test-*"], &["*"], &["*"])],
            &listed,
            &[],
        );
        let ids: Vec<_> = plots.iter().map(|p| p.namespace.as_str()).collect();
        assert_eq!(ids, ["id-1", "test-1", "test-2"]);
    }

    #[test]
    fn a_namespace_that_was_there_is_still_read_and_said_to_have_vanished() {
        let listed = found(&[("test-1", "t")]);
        let plots = laid_out(&[scope(&["test-*"], &["*"], &["*"])], &listed, &["test-2"]);
        let vanished: Vec<_> = plots
            .iter()
            .map(|p| (p.namespace.as_str(), p.vanished))
            .collect();
        assert_eq!(vanished, [("test-1", false), ("test-2", true)]);
    }

    #[test]
    fn few_named_services_are_read_by_name() {
        let named = scope(&["a"], &["G", "H"], &["s", "t"]);
        let plots = laid_out(std::slice::from_ref(&named), &found(&[]), &[]);
        let services = plots[0].services.as_ref().expect("named");
        assert_eq!(services.len(), 4);
        let wider = scope(&["a"], &["I"], &["x*"]);
        let plots = laid_out(&[named, wider], &found(&[]), &[]);
        assert_eq!(plots[0].services, None);
        assert_eq!(plots[0].groups.as_ref().map(BTreeSet::len), Some(3));
    }

    #[test]
    fn many_named_services_are_read_with_everything_around_them() {
        let names: Vec<String> = (0..=SINGLY).map(|n| n.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let plots = laid_out(&[scope(&["a"], &["G"], &names)], &found(&[]), &[]);
        assert_eq!(plots[0].services, None);
    }

    #[test]
    fn a_show_name_that_nobody_has_is_told() {
        let scopes = [scope(&["name:prod", "name:gone"], &["*"], &["*"])];
        let missing = show_names_without_id(&scopes, &found(&[("id-1", "prod")]));
        assert_eq!(missing, ["`gone`"]);
    }
}
