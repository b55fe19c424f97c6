//! How old what an embedded registry shows is, as far as links brought it.

use std::time::Duration;

use syncline_engine::EngineHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ServedRegistry;

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Tells registries of it for as long as the engine runs.
pub(super) fn keep_telling(
    engine: EngineHandle,
    registries: &[ServedRegistry],
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) {
    if registries.is_empty() {
        return;
    }
    let (registries, cancel) = (registries.to_vec(), cancel.clone());
    tasks.spawn(async move {
        let mut looks = tokio::time::interval(EVERY);
        while cancel.run_until_cancelled(looks.tick()).await.is_some() {
            let Ok(ages) = engine.ages().await else {
                return;
            };
            for ServedRegistry { registry, .. } in &registries {
                for (link, known_ago) in &ages {
                    registry.tell_age(link, *known_ago);
                }
            }
        }
    });
}
