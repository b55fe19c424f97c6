//! HAProxy's runtime API: what changed of servers alone is told to the running
//! process, over the socket that `stats socket … level admin` makes, and nothing
//! is reloaded.
//!
//! Weight, address and state of a server are set, servers are added and taken
//! away (HAProxy 2.4 and later). The file is written all the same, so that the
//! next start has it. Whatever the API cannot do, or refuses, is a reload.

mod difference;

use std::path::Path;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use difference::{Change, changes};

/// More changes at once are a reload.
const MOST: usize = 500;

/// No answer to one of our commands is longer.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// Why the running process was not told.
#[derive(Debug, Error)]
pub(crate) enum RuntimeError {
    /// It is not only servers that changed, or too many of them.
    #[error("more than some servers changed")]
    NeedsReload,
    /// The socket does not answer.
    #[error("the runtime API does not answer")]
    Socket(#[from] std::io::Error),
    /// It did not answer in time.
    #[error("the runtime API does not answer within {0:?}")]
    TookTooLong(Duration),
    /// It says no.
    #[error("the runtime API answers `{command}` with: {answer}")]
    Refused { command: String, answer: String },
}

/// Tells the running process what changed.
///
/// # Errors
/// It has to be reloaded. It may have a part of the changes then, all of which
/// are in the file.
pub(crate) async fn apply(
    socket: &Path,
    before: &str,
    after: &str,
    limit: Duration,
) -> Result<(), RuntimeError> {
    let changes = changes(before, after).filter(|changes| changes.len() <= MOST);
    let changes = changes.ok_or(RuntimeError::NeedsReload)?;
    let telling = async {
        for change in changes {
            tell(socket, &change).await?;
        }
        Ok(())
    };
    tokio::time::timeout(limit, telling)
        .await
        .map_err(|_| RuntimeError::TookTooLong(limit))?
}

async fn tell(socket: &Path, change: &Change) -> Result<(), RuntimeError> {
    if let Change::Add { server, options } = change {
        let answer = ask(socket, &change.command()).await?;
        // It was taken away earlier and still had connections.
        if answer.contains("lready exists") {
            return Err(RuntimeError::NeedsReload);
        }
        if !answer.starts_with("New server registered") {
            return Err(refused(change.command(), answer));
        }
        if options.iter().any(|word| word == "check") {
            expect_nothing(socket, format!("enable health {server}")).await?;
        }
        return expect_nothing(socket, format!("enable server {server}")).await;
    }
    if let Change::Remove { server } = change {
        expect_nothing(socket, format!("set server {server} state maint")).await?;
        // One that still has connections stays, without new ones, until the
        // next reload.
        let answer = ask(socket, &change.command()).await?;
        tracing::debug!(server, answer, "taken out of the running HAProxy");
        return Ok(());
    }
    let answer = ask(socket, &change.command()).await?;
    let went_well = match change {
        Change::Address { .. } => {
            answer.contains("changed from") || answer.contains("no need to change")
        }
        _ => answer.is_empty(),
    };
    match went_well {
        true => Ok(()),
        false => Err(refused(change.command(), answer)),
    }
}

async fn expect_nothing(socket: &Path, command: String) -> Result<(), RuntimeError> {
    let answer = ask(socket, &command).await?;
    match answer.is_empty() {
        true => Ok(()),
        false => Err(refused(command, answer)),
    }
}

fn refused(command: String, answer: String) -> RuntimeError {
    RuntimeError::Refused { command, answer }
}

/// One command, one connection: that is how the socket works unless it is told
/// otherwise.
async fn ask(socket: &Path, command: &str) -> Result<String, RuntimeError> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(format!("{command}\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).trim().to_owned())
}
