//! Waiting for a condition, with a deadline that slow machines can stretch.

use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use tokio::time::Instant;

/// How long to wait between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(20);

/// A deadline stretched by `SYNCLINE_PATIENCE`, a factor of at least 1 (unset or unreadable: 1).
pub fn patience(deadline: Duration) -> Duration {
    let factor = std::env::var("SYNCLINE_PATIENCE").ok();
    deadline.mul_f64(factor_of(factor.as_deref()))
}

fn factor_of(text: Option<&str>) -> f64 {
    text.and_then(|text| text.parse::<f64>().ok())
        .filter(|factor| (1.0..=1000.0).contains(factor))
        .unwrap_or(1.0)
}

/// Waits until `condition` holds.
///
/// # Panics
///
/// With the caller's place, when the deadline (stretched by [`patience`]) passes first.
#[track_caller]
pub fn eventually<C, F>(deadline: Duration, mut condition: C) -> impl Future<Output = ()>
where
    C: FnMut() -> F,
    F: Future<Output = bool>,
{
    eventually_some(deadline, move || {
        let holds = condition();
        async move { holds.await.then_some(()) }
    })
}

/// Waits until `attempt` gives a value, and returns it.
///
/// # Panics
///
/// With the caller's place, when the deadline (stretched by [`patience`]) passes first. An attempt that hangs is cut
/// off by the deadline too.
#[track_caller]
pub fn eventually_some<T, A, F>(deadline: Duration, mut attempt: A) -> impl Future<Output = T>
where
    A: FnMut() -> F,
    F: Future<Output = Option<T>>,
{
    let caller = Location::caller();
    async move {
        let deadline = patience(deadline);
        let end = Instant::now() + deadline;
        let looking = async {
            loop {
                if let Some(value) = attempt().await {
                    return value;
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        match tokio::time::timeout_at(end, looking).await {
            Ok(value) => value,
            Err(_) => panic!("condition at {caller} did not hold within {deadline:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn returns_as_soon_as_the_condition_holds() {
        let mut looks = 0;
        let found = eventually_some(Duration::from_secs(60), || {
            looks += 1;
            let seen = looks;
            async move { (seen == 3).then_some(seen) }
        });
        assert_eq!(found.await, 3);
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "patience.rs")]
    async fn names_the_caller_when_the_deadline_passes() {
        eventually(Duration::from_secs(1), || async { false }).await;
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "did not hold within 1s")]
    async fn cuts_off_an_attempt_that_hangs() {
        eventually(Duration::from_secs(1), std::future::pending).await;
    }

    #[test]
    fn patience_never_shortens() {
        assert_eq!(factor_of(None), 1.0);
        assert_eq!(factor_of(Some("3.5")), 3.5);
        for nonsense in ["0.1", "-2", "NaN", "inf", "soon", ""] {
            assert_eq!(factor_of(Some(nonsense)), 1.0, "{nonsense}");
        }
    }
}
