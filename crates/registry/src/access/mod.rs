//! Who may do what: users, their tokens and rights, and a mode in which nobody
//! changes anything.
//!
//! What is decided here are plain questions ([`Access::allows`]); where calls
//! come in asks them: `http/gate.rs` and `grpc/gate.rs`. Where there are no
//! users and writing is allowed there is no [`Access`] at all, and nothing is
//! asked.

mod denied;
mod key;
mod need;
mod settings;
mod throttle;
mod token;

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use parking_lot::Mutex;
use ring::hmac;
use tokio::sync::Semaphore;

use crate::durable::FolderError;
use crate::moment::Moment;

pub(crate) use denied::Denied;
pub(crate) use need::{Action, Need, answer_to, of_kind, of_path};
pub use settings::{AccessSettings, Grant, Password, Right, Rights, TokenKey, User};
use throttle::Throttle;

/// How many slow comparisons of passwords are made at a time.
const AT_ONCE: usize = 2;

/// The guard at the door.
pub(crate) struct Access {
    /// Whether there are users; only they may do anything then.
    asks: bool,
    users: HashMap<String, Known>,
    token_ttl: Duration,
    read_only: bool,
    failures: Mutex<Throttle>,
    comparing: Semaphore,
}

struct Known {
    user: User,
    key: hmac::Key,
}

/// What somebody who logged in gets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Session {
    pub(crate) token: String,
    pub(crate) ttl: Duration,
    pub(crate) is_admin: bool,
}

/// Somebody who said who they are, and proved it.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a>(&'a User);

impl Access {
    /// The guard of a registry without a folder; `None` where everybody may do
    /// everything. Without a key nobody can log in.
    pub(crate) fn in_memory(settings: &AccessSettings) -> Option<Self> {
        Self::new(settings, key::random).unwrap_or_else(|error| {
            tracing::error!(%error, "nobody can log in");
            Some(Self::of(settings, HashMap::new()))
        })
    }

    /// The guard of a registry that keeps what outlives the process in a
    /// folder: tokens outlive it too.
    pub(crate) fn kept(
        settings: &AccessSettings,
        folder: &Path,
    ) -> Result<Option<Self>, FolderError> {
        Self::new(settings, || key::kept(folder)).map_err(|source| FolderError::Io {
            doing: "read or make the key of tokens in",
            path: folder.to_owned(),
            source: source.into(),
        })
    }

    fn new(
        settings: &AccessSettings,
        key: impl FnOnce() -> io::Result<TokenKey>,
    ) -> io::Result<Option<Self>> {
        if settings.users.is_empty() && !settings.read_only {
            return Ok(None);
        }
        let key = match &settings.token_key {
            _ if settings.users.is_empty() => return Ok(Some(Self::of(settings, HashMap::new()))),
            Some(key) => key.clone(),
            None => key()?,
        };
        let users = settings.users.iter().map(|user| {
            let key = token::key_of(user, &key);
            let user = user.clone();
            (user.name.clone(), Known { user, key })
        });
        Ok(Some(Self::of(settings, users.collect())))
    }

    fn of(settings: &AccessSettings, users: HashMap<String, Known>) -> Self {
        Self {
            asks: !settings.users.is_empty(),
            users,
            token_ttl: settings.token_ttl,
            read_only: settings.read_only,
            failures: Mutex::default(),
            comparing: Semaphore::new(AT_ONCE),
        }
    }

    /// Whether anybody has to log in.
    pub(crate) fn has_users(&self) -> bool {
        self.asks
    }

    /// Whether that is the name of a user.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.users.contains_key(name)
    }

    /// Whose token it is.
    pub(crate) fn caller(&self, token: &str, now: Moment) -> Result<Caller<'_>, Denied> {
        token::read(token, now, |name| {
            let known = self.users.get(name)?;
            Some((&known.key, Caller(&known.user)))
        })
    }

    /// Whether a call may be made. `caller` is who makes it, and looked at only
    /// where that matters.
    pub(crate) fn allows<'a>(
        &'a self,
        need: &Need,
        caller: impl FnOnce() -> Result<Caller<'a>, Denied>,
    ) -> Result<(), Denied> {
        if *need == Need::Nothing {
            return Ok(());
        }
        if self.has_users() && !may(caller()?.0, need) {
            return Err(Denied::NoRight);
        }
        if self.read_only && need.writes() {
            return Err(Denied::ReadOnly);
        }
        Ok(())
    }

    /// Finds out who has that name and password. `from` is where they ask from.
    pub(crate) async fn recognize(
        &self,
        from: Option<IpAddr>,
        name: &str,
        password: &str,
        now: Moment,
    ) -> Result<Caller<'_>, Denied> {
        if from.is_some_and(|from| !self.failures.lock().admits(from, now)) {
            return Err(Denied::TooManyFailures);
        }
        let known = self.users.get(name);
        // An unknown name takes as long as a known one.
        let slow = || self.users.values().find(|it| it.user.password.is_slow());
        let is_right = match known.or_else(slow) {
            Some(it) => self.is_password_of(&it.user, password).await,
            None => false,
        };
        if let (Some(known), true) = (known, is_right) {
            return Ok(Caller(&known.user));
        }
        tracing::info!(?from, ?name, "a login failed");
        if let Some(from) = from {
            self.failures.lock().failed(from, now);
        }
        Err(Denied::WrongPassword)
    }

    async fn is_password_of(&self, user: &User, password: &str) -> bool {
        let kept = user.password.clone();
        if !kept.is_slow() {
            return kept.is(password);
        }
        let Ok(_turn) = self.comparing.acquire().await else {
            return false;
        };
        let password = password.to_owned();
        let compared = tokio::task::spawn_blocking(move || kept.is(&password)).await;
        compared.unwrap_or(false)
    }

    /// What a caller who proved a password gets.
    pub(crate) fn log_in(
        &self,
        caller: Caller<'_>,
        now: Moment,
    ) -> Result<Session, serde_json::Error> {
        let Caller(user) = caller;
        let Some(known) = self.users.get(&user.name) else {
            return Err(serde::ser::Error::custom("the user is gone"));
        };
        Ok(Session {
            token: token::issue(&user.name, &known.key, now.after(self.token_ttl))?,
            ttl: self.token_ttl,
            is_admin: user.rights == Rights::Admin,
        })
    }
}

/// Whether a user's rights cover what is needed.
fn may(user: &User, need: &Need) -> bool {
    let Rights::Granted(grants) = &user.rights else {
        return true;
    };
    match need {
        Need::Nothing | Need::AnyUser => true,
        Need::In(namespace, action) => grants.iter().any(|grant| {
            grant.namespaces.matches(namespace.as_str()) && grant.right.covers(*action)
        }),
        Need::Everywhere(action) => grants
            .iter()
            .any(|grant| grant.namespaces.is_any() && grant.right.covers(*action)),
        Need::Admin(_) => false,
    }
}

impl Right {
    fn covers(self, action: Action) -> bool {
        match action {
            Action::Read => self != Self::Write,
            Action::Write => self != Self::Read,
        }
    }
}

#[cfg(test)]
mod tests;
