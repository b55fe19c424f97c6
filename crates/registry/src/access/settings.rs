//! Who may do what, as an operator says it.

use std::fmt;
use std::time::Duration;

use ring::hmac;
use syncline_model::scope::Pattern;

/// Who may use a registry over the network, and for what. Whoever uses it from
/// within the process, as links do, is asked for nothing.
#[derive(Clone, PartialEq, Debug)]
pub struct AccessSettings {
    /// Who may. While there is nobody, everybody may do everything.
    pub users: Vec<User>,
    /// How long a login holds. Nacos takes 5 h, and clients log in again when a
    /// tenth of it is left.
    pub token_ttl: Duration,
    /// What tokens are signed with. Where it is missing, a registry with a
    /// folder keeps a random one there, and any other one makes one at each
    /// start.
    pub token_key: Option<TokenKey>,
    /// Clients may look and subscribe, and change nothing.
    pub read_only: bool,
}

impl Default for AccessSettings {
    fn default() -> Self {
        Self {
            users: Vec::new(),
            token_ttl: Duration::from_secs(18_000),
            token_key: None,
            read_only: false,
        }
    }
}

/// Somebody who may log in.
#[derive(Clone, PartialEq, Debug)]
pub struct User {
    /// The name.
    pub name: String,
    /// What proves that it is them.
    pub password: Password,
    /// What they may do.
    pub rights: Rights,
}

/// What a user may do.
#[derive(Clone, PartialEq, Debug)]
pub enum Rights {
    /// Everything, in every namespace, and what concerns the server itself.
    Admin,
    /// What any of these allows.
    Granted(Vec<Grant>),
}

/// A right in some namespaces.
#[derive(Clone, PartialEq, Debug)]
pub struct Grant {
    /// The namespaces, by id.
    pub namespaces: Pattern,
    /// The right.
    pub right: Right,
}

/// What may be done with the services of a namespace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Right {
    /// List, query and subscribe.
    Read,
    /// Register, deregister and set.
    Write,
    /// Both.
    ReadWrite,
}

/// A password, or the bcrypt hash of one. Neither can be read off it.
#[derive(Clone, PartialEq)]
pub struct Password(pub(super) Kept);

#[derive(Clone, PartialEq)]
pub(super) enum Kept {
    /// A code of the password, by which one is told from another.
    Code([u8; 32]),
    /// As Nacos stores it.
    Bcrypt(Box<str>),
}

impl Password {
    /// Takes a password, or its bcrypt hash (`$2a$10$…`, as the table `users`
    /// of Nacos has it).
    pub fn new(text: &str) -> Self {
        Self(if is_bcrypt(text) {
            Kept::Bcrypt(text.into())
        } else {
            Kept::Code(code(text))
        })
    }

    /// What changes when the password does. A token is bound to it.
    pub(super) fn mark(&self) -> &[u8] {
        match &self.0 {
            Kept::Code(code) => code,
            Kept::Bcrypt(hash) => hash.as_bytes(),
        }
    }

    /// Whether comparing takes long enough to be done apart.
    pub(super) fn is_slow(&self) -> bool {
        matches!(self.0, Kept::Bcrypt(_))
    }

    /// Compares, in a time that does not depend on where the difference is.
    pub(super) fn is(&self, text: &str) -> bool {
        match &self.0 {
            Kept::Code(code) => hmac::verify(&code_key(), text.as_bytes(), code).is_ok(),
            Kept::Bcrypt(hash) => bcrypt::verify(text, hash).unwrap_or(false),
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// `$2a$10$` and 53 characters.
fn is_bcrypt(text: &str) -> bool {
    let mut parts = text.split('$');
    text.len() == 60
        && parts.next() == Some("")
        && matches!(parts.next(), Some("2a" | "2b" | "2x" | "2y"))
        && parts.next().is_some_and(|cost| cost.len() == 2)
        && parts.next().is_some_and(|rest| rest.len() == 53)
}

fn code(text: &str) -> [u8; 32] {
    let tag = hmac::sign(&code_key(), text.as_bytes());
    let mut code = [0; 32];
    code.copy_from_slice(tag.as_ref());
    code
}

/// It keeps nothing secret: codes never leave the process.
fn code_key() -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, b"syncline password")
}

/// What tokens are signed with. It cannot be read off either.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenKey(Box<[u8]>);

impl TokenKey {
    /// Fewer bytes could be guessed.
    pub const SHORTEST_BYTES: usize = 32;

    /// Takes a key; `None` for one that is too short.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Option<Self> {
        let bytes = bytes.into();
        (bytes.len() >= Self::SHORTEST_BYTES).then_some(Self(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `nacos`, as Nacos has it in its schema.
    const HASH: &str = "$2a$10$EuWPZHzz32dJN7jexM34MOeYirDdFAZm2kuWj7VEOJhhZkDrxfvUu";

    #[test]
    fn passwords_and_hashes_of_nacos_tell_right_from_wrong() {
        for password in [Password::new("nacos"), Password::new(HASH)] {
            assert!(password.is("nacos"));
            assert!(!password.is("nacos1"));
            assert!(!password.is(""));
            assert!(!password.is(HASH), "a stolen hash is no password");
        }
        assert!(Password::new(HASH).is_slow());
        assert!(!Password::new("$2a$10$short").is_slow(), "an odd password");
        assert!(Password::new("$2a$10$short").is("$2a$10$short"));
    }

    #[test]
    fn neither_passwords_nor_keys_show_themselves() {
        let user = User {
            name: "shop".into(),
            password: Password::new("hunter2"),
            rights: Rights::Admin,
        };
        let key = TokenKey::new(*b"0123456789abcdef0123456789abcdef");
        let shown = format!("{user:?} {key:?} {:?}", Password::new(HASH));
        for secret in ["hunter2", "0123", "$2a$"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert_eq!(TokenKey::new(*b"short"), None);
    }
}
