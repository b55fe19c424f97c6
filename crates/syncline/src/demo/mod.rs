//! `syncline demo`: the whole job on one machine, without any server.
//!
//! Two embedded registries and a file. Applications register in the first
//! registry over the real Nacos protocol; a Syncline daemon, the same that
//! `syncline run` starts, keeps the second registry and the file in step; and
//! witnesses that know nothing of Syncline measure when each change is seen.
//!
//! Three acts: the start, rolling deploys, and the death of the first registry.

mod acts;
mod application;
mod report;
mod stage;
mod witness;

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::output::Palette;
use acts::Acts;
use stage::Stage;

pub use report::Summary;

/// How the demo runs.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// How long; until it is cancelled where nothing is said.
    pub lasts: Option<Duration>,
    /// With or without colours.
    pub palette: Palette,
    /// A folder for the file and the state, empty and writable.
    pub folder: PathBuf,
    /// Turns true when it is to end early.
    pub stopped: watch::Receiver<bool>,
}

/// Plays the demo, telling each line when it happens.
///
/// # Errors
/// When a port or the folder cannot be had, or a change does not arrive.
pub async fn play(
    options: DemoOptions,
    tell: &mut (dyn FnMut(&str) -> anyhow::Result<()> + Send),
) -> anyhow::Result<Summary> {
    let ends = options.lasts.map(|lasts| Instant::now() + lasts);
    let mut stopped = options.stopped;
    let stage = Stage::set(&options.folder).await?;
    let mut acts = Acts::new(stage, options.palette, tell);
    let played = tokio::select! {
        played = acts.play(ends) => played,
        // The sender goes only with whoever wanted to end it.
        _ = stopped.wait_for(|stopped| *stopped) => Ok(()),
    };
    let summary = acts.end().await;
    played.map(|()| summary)
}
