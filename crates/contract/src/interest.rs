//! What of a registry is watched: all of some scopes, and single services.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use syncline_model::ServiceKey;
use syncline_model::scope::Scope;
use tokio::sync::Notify;

/// What of a registry is watched.
#[derive(Clone, Debug, Default)]
pub struct Interest {
    /// All that these select, also what is new.
    pub scopes: Arc<[Scope]>,
    /// Services by name, and nothing else beside them.
    pub followed: Arc<Followed>,
    /// Where the followed services are, for whoever asks for many of them more
    /// cheaply than for each.
    pub around: Arc<[Scope]>,
    /// What a list showed before the watch began: of these it says, too, when
    /// they are not there any more.
    pub listed: Arc<[ServiceKey]>,
}

impl Interest {
    /// An interest in all that a scope selects.
    pub fn in_all_of(scope: Scope) -> Self {
        Self {
            scopes: Arc::from([scope]),
            ..Self::default()
        }
    }

    /// All scopes, those of followed services included.
    pub fn everywhere(&self) -> Vec<Scope> {
        let mut scopes = self.scopes.to_vec();
        let around = self.around.iter().filter(|s| !self.scopes.contains(s));
        scopes.extend(around.cloned());
        scopes
    }
}

/// The services that somebody wants to hear of by name: a link follows what it
/// writes at its target, so that a native registration is noticed at once.
///
/// Changes wait in a map with one entry per service, so a storm of them stays
/// as small as the number of services.
#[derive(Debug, Default)]
pub struct Followed {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// How many links follow each service.
    followers: BTreeMap<ServiceKey, usize>,
    /// Services whose state changed since the last [`Followed::changes`].
    pending: BTreeMap<ServiceKey, Follow>,
}

/// What became of a service's being followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Follow {
    /// Somebody follows it now.
    Begin,
    /// Nobody does any more.
    End,
}

impl Followed {
    /// One more follower of a service.
    pub fn follow(&self, service: &ServiceKey) {
        let mut state = self.state.lock();
        let count = state.followers.entry(service.clone()).or_insert(0);
        *count += 1;
        if *count == 1 {
            state.pending.insert(service.clone(), Follow::Begin);
            self.changed.notify_one();
        }
    }

    /// One follower fewer.
    pub fn unfollow(&self, service: &ServiceKey) {
        let mut state = self.state.lock();
        let Some(count) = state.followers.get_mut(service) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            state.followers.remove(service);
            state.pending.insert(service.clone(), Follow::End);
            self.changed.notify_one();
        }
    }

    /// Whether anybody follows a service.
    pub fn contains(&self, service: &ServiceKey) -> bool {
        self.state.lock().followers.contains_key(service)
    }

    /// All followed services, for one who starts anew; forgets what was pending.
    pub fn all(&self) -> Vec<ServiceKey> {
        let mut state = self.state.lock();
        state.pending.clear();
        state.followers.keys().cloned().collect()
    }

    /// What changed since the last call; waits until something did.
    pub async fn changes(&self) -> Vec<(ServiceKey, Follow)> {
        loop {
            let pending = std::mem::take(&mut self.state.lock().pending);
            if !pending.is_empty() {
                return pending.into_iter().collect();
            }
            self.changed.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn changes_of_one_service_coalesce() {
        let followed = Followed::default();
        let service = ServiceKey::new("public", "G", "s");
        followed.follow(&service);
        followed.follow(&service);
        assert_eq!(followed.changes().await, [(service.clone(), Follow::Begin)]);
        followed.unfollow(&service);
        assert!(followed.contains(&service), "one follower is left");
        followed.unfollow(&service);
        assert_eq!(followed.changes().await, [(service, Follow::End)]);
    }
}
