//! What a link selects: namespaces, groups, services and instances.

mod condition;
mod namespace;
mod pattern;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::instance::Instance;
use crate::name::{GroupName, NamespaceId, ServiceKey, ServiceName};

pub use condition::{Condition, ConditionError, Undecided};
pub use namespace::{NamespacePattern, Resolved};
pub use pattern::{Pattern, PatternError, Patterns};

/// What Dubbo registers beside its providers. It is meant for the one registry
/// it was written to, so it is selected only where it is named.
const DUBBO_ENTRIES: [&str; 3] = ["consumers:", "routers:", "configurators:"];

/// What a link selects.
#[derive(Clone, PartialEq, Debug)]
pub struct Scope {
    /// Any of these.
    pub namespaces: Vec<NamespacePattern>,
    /// Any of these.
    pub groups: Patterns,
    /// Any of these. Dubbo's `consumers:…`, `routers:…` and `configurators:…`
    /// are selected only by another pattern than a bare `*`.
    pub services: Patterns,
    /// None of these, compared with the service name and with `group@@name`.
    pub exclude: Patterns,
    /// Where a file lists services, it has to list the service as well.
    pub listed: Option<Arc<BTreeSet<ServiceName>>>,
    /// What an instance of a selected service has to fulfil.
    pub condition: Option<Condition>,
}

impl Scope {
    /// Everything but what Dubbo registers beside its providers: what a link
    /// selects unless told otherwise.
    pub fn everything() -> Self {
        Self {
            namespaces: vec![NamespacePattern::any()],
            groups: Patterns::any(),
            services: Patterns::any(),
            exclude: Patterns::none(),
            listed: None,
            condition: None,
        }
    }

    /// Whether services of that namespace may be selected.
    pub fn selects_namespace(&self, namespace: &NamespaceId) -> bool {
        self.namespaces.iter().any(|p| p.matches(namespace))
    }

    /// Whether services of that group may be selected.
    pub fn selects_group(&self, group: &GroupName) -> bool {
        self.groups.matches(group.as_str())
    }

    /// Whether a service is selected. Which of its instances are is for
    /// [`admits`](Self::admits) to say.
    pub fn selects(&self, service: &ServiceKey) -> bool {
        self.selects_namespace(&service.namespace)
            && self.selects_group(&service.group)
            && self.names(&service.name)
            && !self.excludes(service)
    }

    /// Whether the condition lets an instance of a selected service in.
    ///
    /// # Errors
    /// The condition has no answer for this instance. Then the instance stays
    /// as it was: neither is it admitted anew, nor did it leave the scope.
    pub fn admits(&self, service: &ServiceKey, instance: &Instance) -> Result<bool, Undecided> {
        match &self.condition {
            None => Ok(true),
            Some(condition) => condition.holds(service, instance),
        }
    }

    /// The selected namespaces, where all are named by their id: the others
    /// need not be listed.
    pub fn literal_namespaces(&self) -> Option<Vec<NamespaceId>> {
        self.namespaces
            .iter()
            .map(NamespacePattern::as_literal)
            .collect()
    }

    /// The selected groups, where all are plain names.
    pub fn literal_groups(&self) -> Option<Vec<GroupName>> {
        let names = self.groups.literals()?;
        Some(names.into_iter().cloned().map(GroupName::new).collect())
    }

    /// The names that a service may have, where all are plain names or listed
    /// in a file. `exclude` may still exclude some of them.
    pub fn literal_services(&self) -> Option<Vec<ServiceName>> {
        if let Some(listed) = &self.listed {
            return Some(listed.iter().filter(|n| self.names(n)).cloned().collect());
        }
        let names = self.services.literals()?;
        Some(names.into_iter().cloned().map(ServiceName::new).collect())
    }

    /// Whether namespaces are selected by show name that have no id yet.
    pub fn needs_show_names(&self) -> bool {
        self.namespaces
            .iter()
            .any(|p| matches!(p, NamespacePattern::ShowName(_)))
    }

    /// Looks up show names in what the registry lists: ids and show names.
    pub fn resolve(&self, known: &[(NamespaceId, impl AsRef<str>)]) -> Resolved<Self> {
        let (namespaces, missing) = namespace::resolve(&self.namespaces, known);
        Resolved {
            scope: Self {
                namespaces,
                ..self.clone()
            },
            missing,
        }
    }

    fn names(&self, name: &ServiceName) -> bool {
        let listed = match &self.listed {
            Some(listed) if !listed.contains(name) => return false,
            listed => listed.is_some(),
        };
        let of_dubbo = DUBBO_ENTRIES
            .iter()
            .any(|prefix| name.as_str().starts_with(prefix));
        self.services
            .iter()
            .filter(|pattern| !of_dubbo || listed || !pattern.is_any())
            .any(|pattern| pattern.matches(name.as_str()))
    }

    fn excludes(&self, service: &ServiceKey) -> bool {
        !self.exclude.is_empty()
            && (self.exclude.matches(service.name.as_str())
                || self.exclude.matches(&service.grouped()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(texts: &[&str]) -> Patterns {
        Patterns::parse(texts.iter().copied()).expect("legal")
    }

    fn namespaces(texts: &[&str]) -> Vec<NamespacePattern> {
        let parse = |text: &&str| NamespacePattern::parse(text).expect("legal");
        texts.iter().map(parse).collect()
    }

    fn key(namespace: &str, group: &str, name: &str) -> ServiceKey {
        ServiceKey::new(namespace, group, name)
    }

    #[test]
    fn every_part_of_the_name_has_to_be_selected() {
        let scope = Scope {
            namespaces: namespaces(&["", "prod-*"]),
            groups: patterns(&["PAY", "re:BILL(ING)?"]),
            services: patterns(&["order*"]),
            ..Scope::everything()
        };
        assert!(scope.selects(&key("public", "PAY", "order")));
        assert!(scope.selects(&key("prod-eu", "BILLING", "order-v2")));
        assert!(!scope.selects(&key("test", "PAY", "order")));
        assert!(!scope.selects(&key("public", "PAYX", "order")));
        assert!(!scope.selects(&key("public", "PAY", "my-order")));
    }

    #[test]
    fn excludes_compare_the_name_and_the_grouped_name() {
        let scope = Scope {
            exclude: patterns(&["*-canary", "PAY@@internal*"]),
            ..Scope::everything()
        };
        assert!(!scope.selects(&key("public", "PAY", "order-canary")));
        assert!(!scope.selects(&key("public", "PAY", "internal-audit")));
        assert!(scope.selects(&key("public", "HR", "internal-audit")));
    }

    #[test]
    fn dubbo_entries_have_to_be_named() {
        let consumer = key("public", "G", "consumers:com.acme.Pay:1.0:");
        let provider = key("public", "G", "providers:com.acme.Pay:1.0:");
        let with = |services: &[&str]| Scope {
            services: patterns(services),
            ..Scope::everything()
        };
        assert!(with(&["*"]).selects(&provider));
        assert!(!with(&["*"]).selects(&consumer));
        assert!(!with(&["*", "routers:*"]).selects(&consumer));
        assert!(with(&["*", "consumers:*"]).selects(&consumer));
        assert!(with(&["re:.*Pay.*"]).selects(&consumer));
        assert!(!with(&["*"]).selects(&key("public", "G", "configurators:x")));
    }

    #[test]
    fn a_file_of_services_narrows_the_selection() {
        let listed = ["order", "pay", "consumers:com.acme.Pay::"];
        let scope = Scope {
            services: patterns(&["*"]),
            listed: Some(Arc::new(listed.map(ServiceName::from).into())),
            ..Scope::everything()
        };
        assert!(scope.selects(&key("public", "G", "order")));
        assert!(!scope.selects(&key("public", "G", "stock")));
        assert!(scope.selects(&key("public", "G", "consumers:com.acme.Pay::")));
        let narrower = Scope {
            services: patterns(&["o*"]),
            ..scope
        };
        assert!(!narrower.selects(&key("public", "G", "pay")));
        assert_eq!(
            narrower.literal_services(),
            Some(vec![ServiceName::from("order")])
        );
    }

    #[test]
    fn literals_are_told_only_where_they_are_all_there_is() {
        let scope = Scope {
            namespaces: namespaces(&["", "prod"]),
            groups: patterns(&["A", "B*"]),
            services: patterns(&["order"]),
            ..Scope::everything()
        };
        assert_eq!(
            scope.literal_namespaces(),
            Some(vec![NamespaceId::public(), "prod".into()])
        );
        assert_eq!(scope.literal_groups(), None);
        assert_eq!(scope.literal_services(), Some(vec!["order".into()]));
    }

    #[test]
    fn show_names_select_only_once_they_are_resolved() {
        let scope = Scope {
            namespaces: namespaces(&["name:prod", "name:gone", "id-3"]),
            ..Scope::everything()
        };
        assert!(scope.needs_show_names());
        assert!(!scope.selects_namespace(&"id-1".into()));
        let known: [(NamespaceId, &str); 4] = [
            ("id-1".into(), "prod"),
            ("id-2".into(), "prod"),
            ("id-3".into(), "test"),
            ("id-4".into(), "stage"),
        ];
        let resolved = scope.resolve(&known);
        let selected = |id: &str| resolved.scope.selects_namespace(&id.into());
        assert!(selected("id-1") && selected("id-2") && selected("id-3"));
        assert!(!selected("id-4"));
        assert_eq!(resolved.missing, patterns(&["gone"]));
        assert!(
            resolved.scope.needs_show_names(),
            "the missing one may come"
        );
    }

    #[test]
    fn an_id_with_pattern_characters_is_still_an_id_once_resolved() {
        let scope = Scope {
            namespaces: namespaces(&["name:odd"]),
            ..Scope::everything()
        };
        let resolved = scope.resolve(&[(NamespaceId::from("a*"), "odd")]);
        assert!(resolved.scope.selects_namespace(&"a*".into()));
        assert!(!resolved.scope.selects_namespace(&"ab".into()));
    }
}
