//! Log lines, to the standard error output.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::{Env, Log, LogFormat};

/// The variable that says what is logged, before everything else.
const VARIABLE: &str = "SYNCLINE_LOG";

/// Starts logging. The first caller in a process decides; commands that read
/// their settings from a configuration call it once they have it.
pub fn start(verbose: u8, settings: Option<&Log>, env: Env<'_>) {
    let level = match (verbose, settings) {
        (0, Some(log)) => log.level.clone(),
        (0, None) => "warn".to_owned(),
        (1, _) => "info".to_owned(),
        (2, _) => "debug".to_owned(),
        _ => "trace".to_owned(),
    };
    let level = env(VARIABLE).unwrap_or(level);
    let no_colour = env("NO_COLOR").is_some_and(|value| !value.is_empty());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::builder().parse_lossy(level))
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && !no_colour);
    let started = match settings.map(|log| log.format) {
        Some(LogFormat::Json) => builder.json().try_init(),
        Some(LogFormat::Text) | None => builder.try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}
