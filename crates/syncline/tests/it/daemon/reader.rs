//! A consumer that reads the file, over and over.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use syncline_testkit::patience;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::PATIENCE;
use super::seen::{Instance, Service, same, sorted};

/// How often the file is read.
const READ_EVERY: Duration = Duration::from_millis(2);

/// What one document says.
pub(crate) type Document = BTreeMap<Service, Vec<Instance>>;

/// Reads a file and remembers every document that it ever saw there, and
/// whatever was none.
pub(crate) struct Reader {
    seen: watch::Receiver<Seen>,
    reading: JoinHandle<()>,
    path: PathBuf,
}

#[derive(Default)]
struct Seen {
    documents: Vec<Document>,
    /// The first time that the file was no whole document, or was not there
    /// any more.
    broken: Option<String>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Reader {
    /// Begins to read; the file need not be there yet.
    pub(crate) fn of(path: &Path) -> Self {
        let (seeing, seen) = watch::channel(Seen::default());
        let reading = tokio::spawn(read(path.to_owned(), seeing));
        Self {
            seen,
            reading,
            path: path.to_owned(),
        }
    }

    /// Waits until the document is as described.
    pub(crate) async fn sees(&self, says: impl Fn(&Document) -> bool) -> anyhow::Result<()> {
        let mut seen = self.seen.clone();
        let waiting = seen.wait_for(|seen| seen.documents.last().is_some_and(&says));
        match tokio::time::timeout(patience(PATIENCE), waiting).await {
            Ok(Ok(_)) => Ok(()),
            _ => bail!(
                "{} never said that; last it was {:#?}",
                self.path.display(),
                self.now()
            ),
        }
    }

    /// Waits until the document lists exactly these instances of a service; for
    /// none, until it does not name the service.
    pub(crate) async fn sees_exactly(
        &self,
        service: &Service,
        wanted: &[Instance],
    ) -> anyhow::Result<()> {
        let of = |document: &Document| document.get(service).cloned().unwrap_or_default();
        let seen = self.sees(|document| same(&of(document), wanted)).await;
        seen.with_context(|| format!("{service}: wanted {wanted:#?}"))
    }

    /// The document as last read.
    pub(crate) fn now(&self) -> Document {
        let seen = self.seen.borrow();
        seen.documents.last().cloned().unwrap_or_default()
    }

    /// How many documents were seen so far.
    pub(crate) fn mark(&self) -> usize {
        self.seen.borrow().documents.len()
    }

    /// Fails where the file was ever anything but a whole document.
    pub(crate) fn was_always_whole(&self) -> anyhow::Result<()> {
        match &self.seen.borrow().broken {
            None => Ok(()),
            Some(what) => bail!("{}: {what}", self.path.display()),
        }
    }

    /// Fails where any document since then, beginning with the one at that
    /// moment, lacked an address of a service.
    pub(crate) fn always_listed(
        &self,
        mark: usize,
        service: &Service,
        addresses: &[&str],
    ) -> anyhow::Result<()> {
        let seen = self.seen.borrow();
        for document in &seen.documents[mark.saturating_sub(1)..] {
            let listed = document.get(service).cloned().unwrap_or_default();
            for address in addresses {
                ensure!(
                    super::seen::shows_once(&listed, address),
                    "{address} of {service} was gone for a moment: {listed:#?}"
                );
            }
        }
        Ok(())
    }
}

async fn read(path: PathBuf, seeing: watch::Sender<Seen>) {
    let mut last = Vec::new();
    loop {
        tokio::time::sleep(READ_EVERY).await;
        match tokio::fs::read(&path).await {
            Ok(bytes) if bytes == last => {}
            Ok(bytes) => {
                let read = document(&bytes);
                seeing.send_modify(|seen| match read {
                    Ok(document) => seen.documents.push(document),
                    Err(error) => seen.breaks(format!("{error:#}")),
                });
                last = bytes;
            }
            // It may come late, but never goes.
            Err(error) if !last.is_empty() => {
                seeing.send_modify(|seen| seen.breaks(error.to_string()));
            }
            Err(_) => {}
        }
    }
}

impl Seen {
    fn breaks(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }
}

/// Parses a document of ours, which lists each service once.
pub(crate) fn document(bytes: &[u8]) -> anyhow::Result<Document> {
    let text = String::from_utf8_lossy(bytes);
    let value: Value = serde_json::from_str(&text).with_context(|| text.to_string())?;
    ensure!(text.ends_with("}\n"), "it ends early: {text}");
    let mut document = Document::new();
    for listed in value["services"].as_array().context("no services")? {
        let name = |key: &str| listed[key].as_str().unwrap_or_default();
        let service = Service::new(name("namespace"), name("group"), name("service"));
        let instances = listed["instances"].as_array().context("no instances")?;
        let instances = sorted(instances.iter().map(Instance::of_json).collect());
        let twice = document.insert(service, instances).is_some();
        ensure!(!twice, "a service stands there twice: {text}");
    }
    Ok(document)
}
