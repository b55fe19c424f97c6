//! What failed is given again, also where no service waits for it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use syncline_contract::{Class, Failure};

use super::*;

/// Fails so often, and counts on.
struct Stubborn {
    failures: u32,
    given: AtomicU32,
}

#[async_trait]
impl Output for Stubborn {
    fn describe(&self) -> OutputReport {
        OutputReport {
            product: "a stubborn one".to_owned(),
            debounce: Debounce::default(),
            lasting: Lasting::Stays,
        }
    }

    async fn render(&self, _: &Snapshot, _: &[ServiceKey]) -> Result<(), Failure> {
        match self.given.fetch_add(1, Ordering::Relaxed) < self.failures {
            true => Err(Failure::new(Class::Transient, "write the list")),
            false => Ok(()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_without_services_is_given_until_it_is_taken() {
    let output = Arc::new(Stubborn {
        failures: 3,
        given: AtomicU32::new(0),
    });
    let (events, _applied) = mpsc::channel(8);
    let cancel = CancellationToken::new();
    let rendering = Rendering::start(
        LinkName::from("link"),
        Arc::clone(&output) as Arc<dyn Output>,
        events,
        &TaskTracker::new(),
        cancel.clone(),
    );
    rendering.settle();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(output.given.load(Ordering::Relaxed), 4);
    cancel.cancel();
}
