//! Taking the steps of the pipeline: the file, what is kept beside it, and the
//! commands.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use syncline_files::{FileError, OnlyWriter, Staged, remove, replace};
use thiserror::Error;

use crate::config::TemplateConfig;
use crate::digest::Digest;
use crate::hook::{self, HookError, STAGED};
use crate::pipeline::{Attempt, Check, Commands, Disk, Known, Step};
use crate::runtime;

/// The first step that went wrong.
#[derive(Debug, Error)]
pub(crate) enum StepError {
    /// The check did not let it through.
    #[error("the check does not let it pass{}", back(*.restored))]
    Check {
        source: HookError,
        /// Whether a former version is in place again.
        restored: bool,
    },
    /// Consumers did not take it over.
    #[error("the reload fails{}", back(*.restored))]
    Reload { source: HookError, restored: bool },
    /// The disk refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// The disk refused what is kept beside the file.
    #[error("keep {}", path.display())]
    Keep { path: PathBuf, source: io::Error },
    /// A step fell over.
    #[error("a step did not end")]
    Step(#[from] tokio::task::JoinError),
}

fn back(restored: bool) -> &'static str {
    match restored {
        true => ", and the former file is back in place",
        false => "",
    }
}

/// A file, with what is known about it and who takes it over.
#[derive(Debug)]
pub(crate) struct Place {
    paths: Arc<Paths>,
    writer: Arc<OnlyWriter>,
    check: Vec<String>,
    reload: Vec<String>,
    runtime: Option<PathBuf>,
    limit: Duration,
}

#[derive(Debug)]
struct Paths {
    file: PathBuf,
    /// A copy of what was last applied.
    good: PathBuf,
    /// What is known of both.
    known: PathBuf,
}

impl Place {
    pub(crate) fn new(config: &TemplateConfig) -> Self {
        let file = config.path.as_path().to_owned();
        let beside = |what: &str| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            file.with_file_name(format!(".{name}.{what}"))
        };
        Self {
            writer: Arc::new(OnlyWriter::of_file(&file)),
            paths: Arc::new(Paths {
                good: beside("applied"),
                known: beside("state"),
                file,
            }),
            check: config.check.clone(),
            reload: config.reload.clone(),
            runtime: config
                .runtime
                .as_ref()
                .map(|path| path.as_path().to_owned()),
            limit: config.timeout.get(),
        }
    }

    fn commands(&self) -> Commands {
        let staged = self.check.iter().any(|word| word.contains(STAGED));
        let check = match staged {
            true => Check::Staged,
            false => Check::InPlace,
        };
        Commands {
            check: (!self.check.is_empty()).then_some(check),
            reload: !self.reload.is_empty(),
        }
    }

    /// Makes consumers apply these bytes, or leaves them with what they had.
    pub(crate) async fn put(&self, bytes: Vec<u8>) -> Result<(), StepError> {
        let writer = Arc::clone(&self.writer);
        tokio::task::spawn_blocking(move || writer.claim()).await??;
        let mut disk = self.look(None, Disk::default()).await?;
        let mut attempt = Attempt::new(Digest::of(&bytes), self.commands(), disk);
        // Somebody who changed the file by hand may have had it read as well.
        let certain =
            disk.good.is_some() && disk.good == disk.known.applied && disk.good == disk.file;
        let mut hands = Hands {
            place: self,
            bytes: bytes.into(),
            staged: None,
            runs_former: certain,
        };
        let mut first = None;
        while let Some(step) = attempt.next() {
            let taken = hands.take(step).await;
            disk = self.look(Some(step), disk).await?;
            attempt.took(step, taken.is_ok(), disk);
            if let Err(error) = taken {
                match &first {
                    None => first = Some(error),
                    // Why it had to go back is what matters.
                    Some(_) => tracing::warn!(path = %self.paths.file.display(),
                        "going back to the former file: {}", chain(&error)),
                }
            }
        }
        first.map_or(Ok(()), |error| Err(error.told(attempt.went_back())))
    }

    /// What is on the disk after a step, or at the beginning.
    async fn look(&self, step: Option<Step>, before: Disk) -> Result<Disk, StepError> {
        let paths = Arc::clone(&self.paths);
        Ok(tokio::task::spawn_blocking(move || paths.look(step, before)).await?)
    }
}

impl Paths {
    /// Looks again at what a step may have changed; files may be large.
    fn look(&self, step: Option<Step>, mut disk: Disk) -> Disk {
        let digest = |path: &Path| fs::read(path).ok().map(|bytes| Digest::of(&bytes));
        if matches!(step, None | Some(Step::Swap | Step::Restore)) {
            disk.file = digest(&self.file);
        }
        if matches!(step, None | Some(Step::KeepFormer | Step::KeepApplied)) {
            disk.good = digest(&self.good);
        }
        if matches!(step, None | Some(Step::Note(_))) {
            let known = fs::read(&self.known).ok();
            // What cannot be read is not known: then consumers are told once more.
            let known = known.and_then(|bytes| serde_json::from_slice(&bytes).ok());
            disk.known = known.unwrap_or_default();
        }
        disk
    }

    fn restore(&self) -> Result<(), StepError> {
        match fs::read(&self.good) {
            Ok(good) => replace(&self.file, &good).map(drop)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => remove(&self.file)?,
            Err(source) => {
                let path = self.good.clone();
                return Err(StepError::Keep { path, source });
            }
        }
        Ok(())
    }

    fn keep_former(&self) -> Result<(), StepError> {
        let former = fs::read(&self.file).map_err(|source| StepError::Keep {
            path: self.good.clone(),
            source,
        })?;
        keep(&self.good, &former)
    }

    fn note(&self, known: Known) -> Result<(), StepError> {
        let bytes = serde_json::to_vec(&known).map_err(|error| StepError::Keep {
            path: self.known.clone(),
            source: error.into(),
        })?;
        keep(&self.known, &bytes)
    }
}

/// Replaces a file that is ours alone: what it holds may be secret.
fn keep(path: &Path, bytes: &[u8]) -> Result<(), StepError> {
    let mut options = OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o600).open(path);
    match made {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            let path = path.to_owned();
            return Err(StepError::Keep { path, source });
        }
        Ok(_) | Err(_) => {}
    }
    replace(path, bytes).map(drop)?;
    Ok(())
}

/// What an attempt has in its hands.
struct Hands<'a> {
    place: &'a Place,
    bytes: Arc<[u8]>,
    staged: Option<Staged>,
    /// The consumer is known to run with what was last applied.
    runs_former: bool,
}

impl Hands<'_> {
    async fn take(&mut self, step: Step) -> Result<(), StepError> {
        let (paths, bytes) = (Arc::clone(&self.place.paths), Arc::clone(&self.bytes));
        let limit = self.place.limit;
        match step {
            Step::Stage => {
                let stage = move || Staged::beside(&paths.file, &bytes);
                self.staged = Some(tokio::task::spawn_blocking(stage).await??);
            }
            Step::Check => {
                let staged = self.staged.as_ref().map(Staged::path);
                hook::run(&self.place.check, staged, limit)
                    .await
                    .map_err(|source| StepError::Check {
                        source,
                        restored: false,
                    })?;
            }
            Step::KeepFormer => {
                tokio::task::spawn_blocking(move || paths.keep_former()).await??;
            }
            Step::Note(known) => {
                tokio::task::spawn_blocking(move || paths.note(known)).await??;
            }
            Step::Swap => {
                if let Some(staged) = self.staged.take() {
                    tokio::task::spawn_blocking(move || staged.put()).await??;
                }
            }
            Step::Reload => {
                // Whatever comes of it, that is certain only once.
                if std::mem::take(&mut self.runs_former) && self.tell_running().await {
                    return Ok(());
                }
                hook::run(&self.place.reload, None, limit)
                    .await
                    .map_err(|source| StepError::Reload {
                        source,
                        restored: false,
                    })?;
            }
            Step::KeepApplied => {
                let keep = move || keep(&paths.good, &bytes);
                tokio::task::spawn_blocking(keep).await??;
            }
            Step::Restore => {
                tokio::task::spawn_blocking(move || paths.restore()).await??;
            }
        }
        Ok(())
    }
}

impl Hands<'_> {
    /// Tells a running HAProxy what changed, where that is all it needs.
    async fn tell_running(&self) -> bool {
        let Some(socket) = &self.place.runtime else {
            return false;
        };
        let paths = Arc::clone(&self.place.paths);
        let former = tokio::task::spawn_blocking(move || fs::read_to_string(&paths.good)).await;
        let (Ok(Ok(former)), Ok(new)) = (former, std::str::from_utf8(&self.bytes)) else {
            return false;
        };
        match runtime::apply(socket, &former, new, self.place.limit).await {
            Ok(()) => true,
            Err(error) => {
                tracing::info!(path = %self.place.paths.file.display(),
                    "reloading: {}", chain(&error));
                false
            }
        }
    }
}

impl StepError {
    /// With what became of the file.
    fn told(self, went_back: bool) -> Self {
        match self {
            Self::Check { source, .. } => Self::Check {
                source,
                restored: went_back,
            },
            Self::Reload { source, .. } => Self::Reload {
                source,
                restored: went_back,
            },
            other => other,
        }
    }
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
