//! Being told to stop.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Waits until a terminal (Ctrl-C) or a service manager (SIGTERM) tells us to
/// stop.
pub(super) async fn stopped() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
