//! How a command ends: its exit code, and what is said of a failure.

use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::output::Palette;
use crate::output::safe::{self, safe};

/// What a command's exit code says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Exit {
    /// Done, or nothing to do.
    Ok = 0,
    /// It failed.
    Failure = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// `plan`: changes are pending.
    Pending = 3,
    /// Done in part: something could not be read or written.
    Partial = 4,
    /// The guard holds losses back.
    Held = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A command line that cannot mean anything.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// A failure, and what to do about it. The hint may have lines of its own.
#[derive(Debug)]
pub struct Hinted {
    hint: String,
    source: anyhow::Error,
}

impl Hinted {
    /// Adds a hint, which is shown on a line of its own.
    pub fn new(source: anyhow::Error, hint: impl Into<String>) -> Self {
        Self {
            hint: hint.into(),
            source,
        }
    }
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The alternate form of `anyhow` is the whole chain in one line.
        write!(f, "{:#}", self.source)
    }
}

impl std::error::Error for Hinted {}

/// What is said of a failure, without a line end, and the exit code. Nothing is
/// said where only the reader of our output went away.
pub fn report(error: &anyhow::Error, palette: Palette) -> (Option<String>, Exit) {
    if is_closed_pipe(error) {
        return (None, Exit::Ok);
    }
    let (text, exit) = if let Some(config) = find::<ConfigError>(error) {
        (config.render(palette), Exit::Usage)
    } else if let Some(hinted) = find::<Hinted>(error) {
        let hint = safe::lines(&hinted.hint);
        (format!("{}\n  {hint}", said(error)), Exit::Failure)
    } else if find::<Usage>(error).is_some() {
        (said(error), Exit::Usage)
    } else {
        (said(error), Exit::Failure)
    };
    let label = palette.removed("error:");
    (Some(format!("{label} {text}")), exit)
}

/// The whole chain in one line, whatever a server said in it.
fn said(error: &anyhow::Error) -> String {
    safe(&format!("{error:#}")).into_owned()
}

fn find<E: std::error::Error + 'static>(error: &anyhow::Error) -> Option<&E> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    find::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};

    #[test]
    fn the_whole_chain_is_one_line_and_the_hint_another() {
        let error = anyhow!("403: unknown user").context("user `sync` was refused");
        let error = Hinted::new(error, "check endpoints.hangzhou.username");
        let said = Err::<(), _>(error).context("cannot log in to hangzhou");
        let (text, exit) = report(&said.unwrap_err(), Palette::PLAIN);
        assert_eq!(exit, Exit::Failure);
        assert_eq!(
            text.as_deref(),
            Some(
                "error: cannot log in to hangzhou: user `sync` was refused: 403: unknown user\n  \
                 check endpoints.hangzhou.username"
            )
        );
    }

    #[test]
    fn a_reader_who_left_is_no_failure() {
        let error = anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe));
        let error = error.context("cannot print the list");
        assert_eq!(report(&error, Palette::PLAIN), (None, Exit::Ok));
    }

    #[test]
    fn wrong_usage_has_its_own_code() {
        let error = anyhow::Error::from(Usage("name an endpoint".to_owned()));
        let (text, exit) = report(&error, Palette::PLAIN);
        assert_eq!(text.as_deref(), Some("error: name an endpoint"));
        assert_eq!(exit, Exit::Usage);
    }
}
