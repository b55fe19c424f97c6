//! The output: renders snapshots through the template, and sees to it that what
//! was rendered is applied.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use syncline_contract::{
    Class, Debounce, Failure, Hold, Lasting, Output, OutputReport, Snapshot, TargetReport,
    Unavailable, Whose,
};
use syncline_model::{Identity, ServiceKey};
use tokio::time::Instant;

use crate::config::{Context, TemplateConfig};
use crate::digest::Digest;
use crate::environment::{self, RenderError};
use crate::place::Place;

/// How long the same content is left alone after it was refused once; it
/// doubles with each refusal.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(60);

/// A template is written by people.
const LARGEST_TEMPLATE: u64 = 4 * 1024 * 1024;

/// A file rendered from a template, and whoever reads it.
#[derive(Debug)]
pub struct TemplateOutput {
    template: PathBuf,
    path: PathBuf,
    context: Context,
    debounce: Debounce,
    place: Place,
    refused: Mutex<Option<Refused>>,
}

/// Content that was refused, and until when it is not tried again.
#[derive(Clone, Debug)]
struct Refused {
    content: Digest,
    times: u32,
    until: Instant,
    why: String,
}

impl TemplateOutput {
    /// An output as configured.
    pub fn new(config: &TemplateConfig) -> Self {
        Self {
            template: config.template.as_path().to_owned(),
            path: config.path.as_path().to_owned(),
            // A configuration without one is refused when it is read.
            context: config.context().unwrap_or(Context::Plain),
            debounce: config.debounce,
            place: Place::new(config),
            refused: Mutex::new(None),
        }
    }

    /// What can be said of it without a list: whether the template is one.
    ///
    /// # Errors
    /// With the line that is none, or why the template cannot be read.
    pub fn check(&self) -> Result<TargetReport, Failure> {
        let source = read(&self.template).map_err(|error| unreadable(&self.template, error))?;
        environment::compile(&self.template, &source, self.context).map_err(unrendered)?;
        Ok(TargetReport {
            product: self.describe().product,
            identity: Identity::AddressAndCluster,
            hold: Hold::Written,
            unavailable: Unavailable::WeightAndHealth,
            advice: Vec::new(),
        })
    }

    /// The file's content. The template is read anew each time, so that one
    /// that was mended is used without a restart.
    async fn rendered(&self, snapshot: &Snapshot) -> Result<String, Failure> {
        let (path, context) = (self.template.clone(), self.context);
        let snapshot = snapshot.clone();
        let rendering = move || {
            let source = read(&path).map_err(|error| unreadable(&path, error))?;
            environment::render(&path, &source, context, &snapshot).map_err(unrendered)
        };
        // A large list takes some tenths of a second, which no other task of
        // the runtime should wait for.
        tokio::task::spawn_blocking(rendering)
            .await
            .map_err(|panic| Failure::new(Class::Fatal, "render the template").because(panic))?
    }

    /// Why this content is not tried yet, if it is not.
    fn resting(&self, content: Digest) -> Option<Failure> {
        let refused = self.refused.lock().clone()?;
        let rests = refused.content == content && Instant::now() < refused.until;
        rests.then(|| self.failure(refused.why))
    }

    fn refuse(&self, content: Digest, why: String) {
        let mut refused = self.refused.lock();
        let before = refused
            .as_ref()
            .filter(|refused| refused.content == content);
        let times = before.map_or(0, |before| before.times);
        let rest = FIRST_REST
            .saturating_mul(1 << times.min(6))
            .min(LONGEST_REST);
        *refused = Some(Refused {
            content,
            times: times + 1,
            until: Instant::now() + rest,
            why,
        });
    }

    fn failure(&self, why: String) -> Failure {
        Failure::new(Class::Transient, format!("apply {}", self.path.display()))
            .blaming(Whose::Configuration)
            .because(why)
    }
}

#[async_trait]
impl Output for TemplateOutput {
    fn describe(&self) -> OutputReport {
        OutputReport {
            product: self.path.display().to_string(),
            debounce: self.debounce,
            lasting: Lasting::Stays,
        }
    }

    async fn render(&self, snapshot: &Snapshot, _: &[ServiceKey]) -> Result<(), Failure> {
        let rendered = self.rendered(snapshot).await?;
        let content = Digest::of(rendered.as_bytes());
        if let Some(failure) = self.resting(content) {
            return Err(failure);
        }
        match self.place.put(rendered.into_bytes()).await {
            Ok(()) => {
                *self.refused.lock() = None;
                Ok(())
            }
            Err(error) => {
                let why = crate::place::chain(&error);
                self.refuse(content, why.clone());
                Err(self.failure(why))
            }
        }
    }
}

fn unreadable(template: &Path, error: std::io::Error) -> Failure {
    Failure::new(Class::Malformed, format!("read {}", template.display()))
        .blaming(Whose::Configuration)
        .because(error)
}

fn unrendered(error: RenderError) -> Failure {
    Failure::new(Class::Malformed, "render the template")
        .blaming(Whose::Configuration)
        .because(error)
}

fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)?
        .take(LARGEST_TEMPLATE + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST_TEMPLATE {
        let message = format!("it is longer than {LARGEST_TEMPLATE} bytes");
        return Err(std::io::Error::new(
            std::io::ErrorKind::FileTooLarge,
            message,
        ));
    }
    Ok(text)
}
