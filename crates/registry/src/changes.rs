//! Which services changed, for whoever wants to know within the process.

use std::collections::HashSet;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use syncline_model::ServiceKey;
use tokio::sync::Notify;

/// Tells which services changed. Only names are remembered, each once, so a
/// reader that lags loses nothing but the intermediate states, and costs no
/// more than the names of all services.
pub struct Changes(Arc<Pending>);

#[derive(Default)]
struct Pending {
    services: Mutex<HashSet<ServiceKey>>,
    some: Notify,
}

impl Changes {
    /// Waits until something has changed since the last call, and tells all
    /// that did, in no order. Nothing is lost if the wait is given up.
    pub async fn next(&mut self) -> Vec<ServiceKey> {
        loop {
            let services = self.take();
            if !services.is_empty() {
                return services;
            }
            // A change that came since is remembered by the notification.
            self.0.some.notified().await;
        }
    }

    /// What has changed since the last call, which may be nothing.
    pub fn take(&mut self) -> Vec<ServiceKey> {
        self.0.services.lock().drain().collect()
    }
}

/// Those who want to know.
#[derive(Default)]
pub(crate) struct Listeners(Mutex<Vec<Weak<Pending>>>);

impl Listeners {
    pub(crate) fn listen(&self) -> Changes {
        let pending = Arc::new(Pending::default());
        self.0.lock().push(Arc::downgrade(&pending));
        Changes(pending)
    }

    pub(crate) fn tell(&self, changed: &[ServiceKey]) {
        self.0.lock().retain(|pending| {
            let Some(pending) = pending.upgrade() else {
                return false;
            };
            pending.services.lock().extend(changed.iter().cloned());
            pending.some.notify_one();
            true
        });
    }
}
