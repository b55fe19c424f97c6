//! Who may use a registry, as a configuration says it.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use syncline_contract::{Period, Secret};
use syncline_model::scope::Pattern;
use syncline_registry::{AccessSettings, Grant, Password, Right, Rights, TokenKey, User};

/// Java clients look every 5 s whether they have to log in again.
const SHORTEST_TTL: Duration = Duration::from_secs(60);

/// Who may use a registry over the network, and for what.
#[derive(Clone, PartialEq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccessConfig {
    /// Whoever reaches it may do everything.
    pub open: bool,

    /// The users, by name. Nobody else may do anything then.
    pub users: BTreeMap<String, UserConfig>,

    /// How long a login holds. Clients log in again before it ends.
    pub token_ttl: Period,

    /// What tokens are signed with, at least 32 characters: the same for
    /// registries that share their clients. Kept in the state folder where it is
    /// not said.
    pub token_key: Option<Secret>,
}

impl Default for AccessConfig {
    fn default() -> Self {
        Self {
            open: false,
            users: BTreeMap::new(),
            token_ttl: AccessSettings::default().token_ttl.into(),
            token_key: None,
        }
    }
}

/// One user.
#[derive(Clone, PartialEq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserConfig {
    /// The password, best as `${file:…}` or `${VAR}`; or its bcrypt hash, as
    /// Nacos stores it.
    pub password: Secret,

    /// May do everything everywhere.
    #[serde(default)]
    pub admin: bool,

    /// What they may do, by namespace id. Patterns as in a selection.
    #[serde(default)]
    pub rights: BTreeMap<String, RightConfig>,
}

/// What may be done with the services of a namespace.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
pub enum RightConfig {
    /// List, query and subscribe.
    #[serde(rename = "r")]
    Read,
    /// Register, deregister and set.
    #[serde(rename = "w")]
    Write,
    /// Both.
    #[serde(rename = "rw")]
    ReadWrite,
}

impl AccessConfig {
    /// Whether it does not say who may. On loopback that means everybody.
    pub(crate) fn is_silent(&self) -> bool {
        !self.open && self.users.is_empty()
    }

    /// What is wrong with it, as it reads on from its key.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.open && !self.users.is_empty() {
            faults.push("cannot be `open` and have `users`".to_owned());
        }
        if self.token_ttl.get() < SHORTEST_TTL {
            faults.push("needs a `token_ttl` of at least 1m".to_owned());
        }
        if self.token_key.is_some() && self.key().is_none() {
            let shortest = TokenKey::SHORTEST_BYTES;
            faults.push(format!(
                "needs a `token_key` of at least {shortest} characters"
            ));
        }
        for (name, user) in &self.users {
            faults.extend(user.faults().into_iter().map(|fault| {
                let name = name.escape_debug();
                format!("has a user `{name}` {fault}")
            }));
        }
        faults
    }

    /// As the registry takes it. A pattern that is none grants nothing; it was
    /// objected to before.
    pub(crate) fn settings(&self) -> AccessSettings {
        let users = self.users.iter().map(|(name, user)| User {
            name: name.clone(),
            password: Password::new(user.password.expose()),
            rights: user.rights(),
        });
        AccessSettings {
            users: users.collect(),
            token_ttl: self.token_ttl.get(),
            token_key: self.key(),
            ..AccessSettings::default()
        }
    }

    fn key(&self) -> Option<TokenKey> {
        TokenKey::new(self.token_key.as_ref()?.expose().as_bytes())
    }
}

impl UserConfig {
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.password.expose().is_empty() {
            faults.push("without a password".to_owned());
        }
        if self.admin && !self.rights.is_empty() {
            faults.push("with `admin` and `rights`: an administrator has them all".to_owned());
        }
        if !self.admin && self.rights.is_empty() {
            faults.push("who may do nothing: give `rights`, such as { public: rw }".to_owned());
        }
        let patterns = self.rights.keys().map(|text| Pattern::parse(text));
        let errors = patterns.filter_map(Result::err);
        faults.extend(errors.map(|error| format!("with a right that cannot be: {error}")));
        faults
    }

    fn rights(&self) -> Rights {
        if self.admin {
            return Rights::Admin;
        }
        let grants = self.rights.iter().filter_map(|(pattern, right)| {
            let namespaces = Pattern::parse(pattern).ok()?;
            let right = match right {
                RightConfig::Read => Right::Read,
                RightConfig::Write => Right::Write,
                RightConfig::ReadWrite => Right::ReadWrite,
            };
            Some(Grant { namespaces, right })
        });
        Rights::Granted(grants.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(rights: &[(&str, RightConfig)]) -> UserConfig {
        let rights = rights.iter().map(|(k, right)| ((*k).to_owned(), *right));
        UserConfig {
            password: Secret::new("x"),
            admin: false,
            rights: rights.collect(),
        }
    }

    fn with(name: &str, user: UserConfig) -> AccessConfig {
        AccessConfig {
            users: BTreeMap::from([(name.to_owned(), user)]),
            ..AccessConfig::default()
        }
    }

    #[test]
    fn users_come_to_the_registry_with_their_rights() {
        let config = with("shop", user(&[("dev-*", RightConfig::ReadWrite)]));
        assert_eq!(config.faults(), [""; 0]);
        let settings = config.settings();
        assert_eq!(settings.users[0].name, "shop");
        let Rights::Granted(grants) = &settings.users[0].rights else {
            panic!("no administrator");
        };
        assert!(grants[0].namespaces.matches("dev-1"));
        assert_eq!(grants[0].right, Right::ReadWrite);
        let ops = UserConfig {
            admin: true,
            ..user(&[])
        };
        assert_eq!(with("ops", ops).settings().users[0].rights, Rights::Admin);
    }

    #[test]
    fn what_lets_in_nobody_or_everybody_by_mistake_is_told() {
        let fault = |config: AccessConfig| config.faults().join("; ");
        let both = AccessConfig {
            open: true,
            ..with("a", user(&[("*", RightConfig::Read)]))
        };
        assert!(fault(both).contains("cannot be `open`"));
        assert!(fault(with("a", user(&[]))).contains("may do nothing"));
        let broken = user(&[("re:(", RightConfig::Read)]);
        assert!(fault(with("a", broken)).contains("re:("));
        let short = AccessConfig {
            token_key: Some(Secret::new("short")),
            ..with("a", user(&[("*", RightConfig::Read)]))
        };
        let said = fault(short);
        assert!(said.contains("32") && !said.contains("short"), "{said}");
        let empty = UserConfig {
            password: Secret::new(""),
            ..user(&[("*", RightConfig::Read)])
        };
        assert!(fault(with("a", empty)).contains("without a password"));
    }
}
