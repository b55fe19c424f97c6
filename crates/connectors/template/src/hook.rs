//! Running the commands that a configuration names.
//!
//! This is the only file of what ships that starts programs. What is started is
//! named word by word in the configuration, never through a shell, and nothing
//! that came from a registry is ever a word of it. It runs in a process group of
//! its own, so that what takes too long goes with all that it started.

use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

/// Where a word of a command has this, the path of the staged file is put.
pub(crate) const STAGED: &str = "{}";

/// How much of what a command says is kept: the end of it.
const SAID: usize = 4 * 1024;

/// How long what a command said is waited for once it has ended: something that
/// it left running may keep its output open for ever.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// A command did not do what it should.
#[derive(Debug, Error)]
pub(crate) enum HookError {
    /// There is no such program, or we may not run it.
    #[error("start {program}")]
    Start { program: String, source: io::Error },
    /// It ended, and not well.
    #[error("{program} ended with {status}{said}")]
    Failed {
        program: String,
        status: ExitStatus,
        /// With a colon before; empty where it said nothing.
        said: String,
    },
    /// It took too long and was killed with all that it had started.
    #[error("{program} took longer than {limit:?} and was killed{said}")]
    TookTooLong {
        program: String,
        limit: Duration,
        said: String,
    },
    /// The system does not tell how it ended.
    #[error("wait for {program}")]
    Wait { program: String, source: io::Error },
}

/// Runs a command until it ends well.
///
/// # Errors
/// It could not be started, took longer than the limit, or ended otherwise.
pub(crate) async fn run(
    words: &[String],
    staged: Option<&Path>,
    limit: Duration,
) -> Result<(), HookError> {
    let mut command = command(words, staged);
    let program = words.first().cloned().unwrap_or_default();
    let mut child = command.spawn().map_err(|source| HookError::Start {
        program: program.clone(),
        source,
    })?;
    let mut group = Group::of(&child);
    let mut said = Said::default();
    let ended = tokio::time::timeout(limit, said.until_end_of(&mut child)).await;
    if ended.is_err() {
        group.kill();
        // It is dead: this only takes its exit status, so that no zombie stays.
        drop(child.wait().await);
    }
    group.leave();
    let said = said.shown();
    match ended {
        Err(_) => Err(HookError::TookTooLong {
            program,
            limit,
            said,
        }),
        Ok(Err(source)) => Err(HookError::Wait { program, source }),
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(HookError::Failed {
            program,
            status,
            said,
        }),
    }
}

fn command(words: &[String], staged: Option<&Path>) -> Command {
    let staged = staged.map(|path| path.display().to_string());
    let mut words = words.iter().map(|word| match &staged {
        Some(path) => word.replace(STAGED, path),
        None => word.clone(),
    });
    let mut command = Command::new(words.next().unwrap_or_default());
    command
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    command
}

/// The process group of a command. What is dropped while it runs is killed.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }

    fn kill(&self) {
        if let Some(group) = self.0 {
            // It may have ended by itself this very moment.
            kill_process_group(group, Signal::KILL).ok();
        }
    }

    /// Whatever it left running on purpose, such as a server, goes on.
    fn leave(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The end of what a command says, errors behind the rest.
#[derive(Default)]
struct Said {
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Said {
    async fn until_end_of(&mut self, child: &mut Child) -> io::Result<ExitStatus> {
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let listening = async {
            tokio::join!(listen(out, &mut self.out), listen(err, &mut self.err));
        };
        tokio::pin!(listening);
        tokio::select! {
            () = &mut listening => child.wait().await,
            status = child.wait() => {
                // What is said later is of no interest.
                drop(tokio::time::timeout(LAST_WORDS, listening).await);
                status
            }
        }
    }

    /// On one line, with a colon before.
    fn shown(&self) -> String {
        let both = [&self.out, &self.err].map(|said| String::from_utf8_lossy(said).into_owned());
        let lines: Vec<&str> = both.iter().flat_map(|said| said.lines()).collect();
        let lines = lines
            .iter()
            .map(|line| line.trim())
            .filter(|line| !line.is_empty());
        let text: String = lines.collect::<Vec<_>>().join("; ");
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        match text.is_empty() {
            true => text,
            false => format!(": {text}"),
        }
    }
}

/// Keeps the end of what comes, and lets whoever says it never wait.
async fn listen(from: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut from) = from else { return };
    let mut part = [0; 4096];
    loop {
        match from.read(&mut part).await {
            Ok(0) | Err(_) => return,
            Ok(count) => kept.extend_from_slice(&part[..count]),
        }
        if kept.len() > SAID {
            kept.drain(..kept.len() - SAID);
        }
    }
}

#[cfg(test)]
mod tests;
