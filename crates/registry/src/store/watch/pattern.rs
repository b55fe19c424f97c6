//! The patterns of fuzzy watch.

use std::sync::Arc;

use syncline_model::{GroupName, NamespaceId, ServiceKey, ServiceName};

use crate::store::Names;

/// What separates the parts of a pattern.
const BETWEEN: &str = ">>";

/// What stands for any text.
const ANY: char = '*';

/// Names of services, as `namespace>>group>>name`. The namespace is exact;
/// group and name may begin and end with `*`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Pattern {
    text: Arc<str>,
    namespace: NamespaceId,
    group: Part,
    name: Part,
}

/// What a group or a name has to be like.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    Exactly(Box<str>),
    Anything,
    Beginning(Box<str>),
    Ending(Box<str>),
    With(Box<str>),
    /// Nothing is, as with a `*` between other signs.
    Nothing,
}

impl Pattern {
    /// Reads a pattern. Nacos 3.0.3 refuses none, and what makes no sense
    /// matches nothing.
    pub(crate) fn new(text: &str) -> Self {
        let mut parts = text.split(BETWEEN);
        let namespace = parts.next().unwrap_or_default();
        let mut part = || parts.next().map_or(Part::Nothing, Part::new);
        Self {
            text: text.into(),
            namespace: NamespaceId::from_wire(namespace),
            group: part(),
            name: part(),
        }
    }

    /// The pattern as it was told, by which clients know it.
    pub(crate) fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The only namespace in which it can match.
    pub(crate) fn namespace(&self) -> &NamespaceId {
        &self.namespace
    }

    /// Whether it names a service.
    pub(crate) fn matches(&self, key: &ServiceKey) -> bool {
        self.namespace == key.namespace && self.selects(&key.group, &key.name)
    }

    /// The services among those of its namespace, which are in order.
    pub(crate) fn among(&self, names: &[(GroupName, ServiceName)]) -> Vec<ServiceKey> {
        let names = match &self.group {
            Part::Exactly(group) => Names::of_group(names, &GroupName::from(&**group)),
            _ => names,
        };
        let selected = names
            .iter()
            .filter(|(group, name)| self.selects(group, name));
        let key = |(group, name): &(GroupName, ServiceName)| ServiceKey {
            namespace: self.namespace.clone(),
            group: group.clone(),
            name: name.clone(),
        };
        selected.map(key).collect()
    }

    fn selects(&self, group: &GroupName, name: &ServiceName) -> bool {
        self.group.is_like(group.as_str()) && self.name.is_like(name.as_str())
    }
}

impl Part {
    /// As Nacos reads it (`FuzzyGroupKeyPattern`): every `*` is dropped, and
    /// where one stood first or last says what is compared.
    fn new(text: &str) -> Self {
        if text.is_empty() {
            return Self::Nothing;
        }
        if !text.contains(ANY) {
            return Self::Exactly(text.into());
        }
        let plain: Box<str> = text.replace(ANY, "").into();
        match (text.starts_with(ANY), text.ends_with(ANY)) {
            (true, true) if plain.is_empty() => Self::Anything,
            (true, true) => Self::With(plain),
            (true, false) => Self::Ending(plain),
            (false, true) => Self::Beginning(plain),
            (false, false) => Self::Nothing,
        }
    }

    fn is_like(&self, text: &str) -> bool {
        match self {
            Self::Exactly(wanted) => text == &**wanted,
            Self::Anything => true,
            Self::Beginning(start) => text.starts_with(&**start),
            Self::Ending(end) => text.ends_with(&**end),
            Self::With(part) => text.contains(&**part),
            Self::Nothing => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_at_the_ends_of_group_and_name() {
        let orders = ServiceKey::new("public", "SHOP", "orders-api");
        for (pattern, matches) in [
            ("public>>SHOP>>orders-api", true),
            ("public>>*>>*", true),
            ("public>>SH*>>orders*", true),
            ("public>>*OP>>*-api", true),
            ("public>>*HO*>>*ders*", true),
            ("public>>**>>**", true),
            (">>SHOP>>*", true),
            ("public>>SHOP>>orders", false),
            ("public>>SHOP>>o*i", false),
            ("public>>SHOP>>", false),
            ("public>>SHOP", false),
            ("*>>SHOP>>*", false),
            ("dev>>SHOP>>*", false),
            ("nope", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(&orders), matches, "{pattern}");
        }
    }

    #[test]
    fn what_matches_is_found_among_many() {
        let names = [
            ("A", "x1"),
            ("B", "x1"),
            ("B", "x2"),
            ("B", "y"),
            ("C", "x3"),
        ];
        let names = names.map(|(group, name)| (GroupName::from(group), ServiceName::from(name)));
        let found = |pattern: &str| {
            let found = Pattern::new(pattern).among(&names).into_iter();
            found.map(|key| key.grouped()).collect::<Vec<_>>()
        };
        assert_eq!(found("public>>B>>x*"), ["B@@x1", "B@@x2"]);
        assert_eq!(found("public>>*>>x*").len(), 4);
        assert!(found("public>>D>>*").is_empty());
    }
}
