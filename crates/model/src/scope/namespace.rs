//! Namespaces selected by id or by the name that people see.

use crate::name::NamespaceId;

use super::pattern::{Pattern, PatternError, Patterns};

/// Selects namespaces by their id, or, as `name:prod`, by their show name.
///
/// Ids of namespaces made in a console are random, and differ between two
/// registries that people take for one environment; the show name is what they
/// gave it. Only the registry knows which id has which show name, so such a
/// pattern selects nothing until [`Scope::resolve`](super::Scope::resolve).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NamespacePattern {
    /// By id.
    Id(Pattern),
    /// By show name.
    ShowName(Pattern),
}

impl NamespacePattern {
    const SHOW_NAME: &str = "name:";

    /// Compiles a pattern. Nothing written is the public namespace, which Nacos
    /// itself spells that way.
    ///
    /// # Errors
    /// Those of [`Pattern::parse`].
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Ok(Self::Id(Pattern::literal(NamespaceId::PUBLIC)));
        }
        match text.strip_prefix(Self::SHOW_NAME) {
            Some(name) => Pattern::parse(name).map(Self::ShowName),
            None => Pattern::parse(text).map(Self::Id),
        }
    }

    /// Selects one namespace by its id.
    pub fn of(id: &NamespaceId) -> Self {
        Self::Id(Pattern::literal(id.as_str()))
    }

    /// Selects every namespace.
    pub fn any() -> Self {
        Self::Id(Pattern::any())
    }

    /// Whether a namespace is selected by its id.
    pub fn matches(&self, namespace: &NamespaceId) -> bool {
        match self {
            Self::Id(pattern) => pattern.matches(namespace.as_str()),
            Self::ShowName(_) => false,
        }
    }

    /// The one namespace that is selected, where it is named by its id.
    pub(super) fn as_literal(&self) -> Option<NamespaceId> {
        match self {
            Self::Id(pattern) => pattern.as_literal().map(|id| NamespaceId::new(id.clone())),
            Self::ShowName(_) => None,
        }
    }
}

/// Show names that were looked up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resolved<T> {
    /// The same with ids in the place of the show names that were found.
    pub scope: T,
    /// Show names that no namespace has. They are still in the scope, where
    /// they select nothing: a namespace that is not listed may be hidden or
    /// late, and is not proof that anything went away.
    pub missing: Patterns,
}

/// Puts ids where show names stood. Two namespaces may share a show name; both
/// are selected then.
pub(super) fn resolve(
    patterns: &[NamespacePattern],
    known: &[(NamespaceId, impl AsRef<str>)],
) -> (Vec<NamespacePattern>, Patterns) {
    let mut resolved = Vec::new();
    let mut missing = Vec::new();
    for pattern in patterns {
        let NamespacePattern::ShowName(name) = pattern else {
            resolved.push(pattern.clone());
            continue;
        };
        let before = resolved.len();
        resolved.extend(
            known
                .iter()
                .filter(|(_, shown)| name.matches(shown.as_ref()))
                .map(|(id, _)| NamespacePattern::Id(Pattern::literal(id.shared().clone()))),
        );
        if resolved.len() == before {
            missing.push(name.clone());
            resolved.push(pattern.clone());
        }
    }
    (resolved, missing.into_iter().collect())
}
