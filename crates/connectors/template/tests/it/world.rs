//! A folder with a template, a file, and a list.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use syncline_connector_template::{Context, TemplateConfig, TemplateOutput};
use syncline_contract::{Debounce, FilePath, Output, Period, Snapshot};
use syncline_model::{Instance, Metadata, Port, ServiceKey, ServiceSet, Weight};
use syncline_testkit::eventually_some;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// How long anything may take that must happen.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A folder of a test's own.
pub(crate) struct World {
    folder: TempDir,
    pub(crate) config: TemplateConfig,
}

impl World {
    /// With a template, for a file of that name.
    pub(crate) fn new(file: &str, context: Context, template: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let source = folder.path().join("template.j2");
        std::fs::write(&source, template).expect("written");
        let config = TemplateConfig {
            template: FilePath::new(source),
            path: FilePath::new(folder.path().join(file)),
            context: Some(context),
            check: Vec::new(),
            reload: Vec::new(),
            runtime: None,
            timeout: Period::from_secs(30),
            debounce: Debounce::default(),
        };
        Self { folder, config }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into the folder.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
    }

    /// What a file of the folder says; empty where there is none.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// What the rendered file says; empty where there is none.
    pub(crate) fn file(&self) -> String {
        std::fs::read_to_string(self.config.path.as_path()).unwrap_or_default()
    }

    pub(crate) fn output(&self) -> TemplateOutput {
        TemplateOutput::new(&self.config)
    }
}

/// A server that ends with its value, and all that it started.
pub(crate) struct Server(Child);

impl Server {
    pub(crate) fn start(words: &[String]) -> std::io::Result<Self> {
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .stdin(Stdio::null())
            .process_group(0);
        Ok(Self(command.spawn()?))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id().unwrap_or_default()
    }

    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::TERM);
        self.0.wait().await?;
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw);
        if let Some(group) = id {
            // It may have ended by itself.
            kill_process_group(group, signal).ok();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Words of a command; `DIR` is the folder.
pub(crate) fn words(folder: &Path, words: &[&str]) -> Vec<String> {
    let folder = folder.display().to_string();
    let word = |word: &&str| word.replace("DIR", folder.trim_end_matches('/'));
    words.iter().map(word).collect()
}

/// Gives the output a list.
pub(crate) async fn render(output: &TemplateOutput, snapshot: &Snapshot) -> Result<(), String> {
    let changed: Vec<ServiceKey> = snapshot.keys().cloned().collect();
    eventually_some(LONG, async || {
        let rendered = output.render(snapshot, &changed).await;
        let rendered = rendered.map_err(|failure| failure.chain());
        // A child of another test, about to run its own program, still has the
        // lock of the output before this one.
        let taken = |error: &String| error.contains("another process writes");
        (!rendered.as_ref().is_err_and(taken)).then_some(rendered)
    })
    .await
}

/// An instance on loopback.
pub(crate) fn local(port: u16) -> Instance {
    Instance::new("127.0.0.1", Port::new(port).expect("not zero"))
}

pub(crate) fn weighted(mut instance: Instance, weight: f64) -> Instance {
    instance.weight = Weight::new(weight).expect("a weight");
    instance
}

pub(crate) fn with_metadata(mut instance: Instance, pairs: &[(&str, &str)]) -> Instance {
    instance.metadata = Metadata::from_pairs(pairs.iter().copied());
    instance
}

/// A list of one service.
pub(crate) fn list(service: &str, instances: Vec<Instance>) -> Snapshot {
    let key = ServiceKey::new("public", "DEFAULT_GROUP", service);
    Snapshot::from([(key, Arc::new(ServiceSet::new(instances)))])
}
