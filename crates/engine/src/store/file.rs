//! The store's one file: made whole or not at all, verified before anything in
//! it is believed, set aside where it is damaged.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use redb::{Builder, Database, DatabaseError, ReadableDatabase, TableDefinition};
use serde::{Deserialize, Serialize};
use syncline_model::InstallId;

use super::error::StoreError;
use super::lock::{set_aside, sync_dir};
use super::record::{decode_meta, encode_meta};
use super::witness::Witness;

/// The schema that this version reads and writes.
pub const SCHEMA: u32 = 1;

pub(super) type Records = TableDefinition<'static, &'static [u8], &'static [u8]>;
pub(super) type Values = TableDefinition<'static, &'static str, &'static [u8]>;

pub(super) const CACHE: Records = TableDefinition::new("cache");
pub(super) const LEDGER: Records = TableDefinition::new("ledger");
pub(super) const WINDOWS: Records = TableDefinition::new("windows");
pub(super) const META: Values = TableDefinition::new("meta");

const SCHEMA_KEY: &str = "schema";
const INSTALL_KEY: &str = "install";
pub(super) const REBUILT_KEY: &str = "rebuilt";
/// The number of the last commit that had to be on disk.
pub(super) const COMMIT_KEY: &str = "commit";

const FILE: &str = "store.redb";
/// What the database may keep of its pages in memory; its default is a gigabyte.
const PAGE_CACHE_BYTES: usize = 8 * 1024 * 1024;

/// How the store was found when it was opened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Opened {
    /// There was none: nothing is owned yet.
    Fresh,
    /// It was there and every page of it verified.
    Existing,
    /// It was damaged, and an empty one stands in its place: what this install
    /// owns has to be learned again from its marks, and nothing is removed
    /// before a complete view. Reported at every start until
    /// [`StoreOp::RebuildDone`](super::StoreOp::RebuildDone).
    Rebuilt {
        /// Where the damaged file is kept.
        moved_to: PathBuf,
        /// What was wrong with it.
        why: String,
    },
}

/// Opens the database at a path, or makes one in an empty file.
///
/// A seam: tests put a failing disk here.
pub(super) type OpenDatabase =
    Box<dyn Fn(&Builder, &Path) -> Result<Database, DatabaseError> + Send>;

/// Where the store lives and whose it is.
pub(super) struct StoreFile {
    path: PathBuf,
    install: InstallId,
    open: OpenDatabase,
    witness: Witness,
}

/// The file, opened and believed.
pub(super) struct OpenFile {
    pub(super) database: Database,
    pub(super) opened: Opened,
    /// The number of the last commit that had to be on disk.
    pub(super) commit: u64,
}

impl StoreFile {
    pub(super) fn new(dir: &Path, install: InstallId, open: OpenDatabase) -> Self {
        Self {
            path: dir.join(FILE),
            install,
            open,
            witness: Witness::new(dir),
        }
    }

    /// Opens the file, making or replacing it where it must be.
    pub(super) fn open(&self, at_ms: u64) -> Result<OpenFile, StoreError> {
        let there = self
            .path
            .try_exists()
            .map_err(|error| self.failed("finding", error))?;
        if !there {
            self.create(None)?;
            let opened = Opened::Fresh;
            return Ok(OpenFile {
                opened,
                ..self.open_existing()?
            });
        }
        let why = match self.open_existing() {
            Err(StoreError::Corrupt { why, .. }) => why,
            other => return other,
        };
        let moved_to = set_aside(&self.path, at_ms)
            .map_err(|error| self.failed("setting aside the damaged", error))?;
        self.create(Some(&Opened::Rebuilt { moved_to, why }))?;
        self.open_existing()
    }

    /// Notes that a commit is on disk.
    pub(super) fn witness(&mut self, commit: u64) {
        self.witness.note(commit);
    }

    /// Makes a store under another name and moves it into place, so that a file
    /// without a schema is always a damaged one, never one half made.
    fn create(&self, opened: Option<&Opened>) -> Result<(), StoreError> {
        let new = self.path.with_extension("redb.new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::at("removing", &new, error));
            }
            _ => {}
        }
        let doing = format!("creating the store {}", new.display());
        self.create_at(&new, opened)
            .map_err(|error| StoreError::database(doing, error))?;
        fs::rename(&new, &self.path)
            .and_then(|()| self.path.parent().map_or(Ok(()), sync_dir))
            .map_err(|error| self.failed("moving into place", error))
    }

    fn create_at(&self, path: &Path, opened: Option<&Opened>) -> Result<(), redb::Error> {
        let database = (self.open)(&builder(), path)?;
        let transaction = database.begin_write()?;
        {
            transaction.open_table(CACHE)?;
            transaction.open_table(LEDGER)?;
            transaction.open_table(WINDOWS)?;
            let mut meta = transaction.open_table(META)?;
            let mut put = |key: &str, value: &[u8]| {
                meta.insert(key, encode_meta(key, value).as_slice())
                    .map(drop)
            };
            put(SCHEMA_KEY, &SCHEMA.to_le_bytes())?;
            put(INSTALL_KEY, self.install.as_str().as_bytes())?;
            put(COMMIT_KEY, &self.witness.last_commit().to_le_bytes())?;
            if let Some(opened) = opened {
                let text = serde_json::to_vec(opened)
                    .map_err(|error| redb::Error::Io(io::Error::from(error)))?;
                put(REBUILT_KEY, &text)?;
            }
        }
        transaction.commit()?;
        database.close()?;
        Ok(())
    }

    fn open_existing(&self) -> Result<OpenFile, StoreError> {
        let bytes = fs::metadata(&self.path)
            .map_err(|error| self.failed("reading the size of", error))?
            .len();
        if bytes == 0 {
            // The database would take an empty file for a new one.
            return Err(self.corrupt("the file is empty"));
        }
        let database = (self.open)(&builder(), &self.path).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
                StoreError::InUse {
                    dir: self.path.clone(),
                    by: "a process that opened its file directly".to_owned(),
                }
            }
            error => StoreError::database(self.opening(), error),
        })?;
        self.check_owner(&database)?;
        let commit = self.check_age(&database)?;
        let opened = match self.value(&database, REBUILT_KEY)? {
            None => Opened::Existing,
            Some(text) => serde_json::from_slice(&text)
                .map_err(|error| self.corrupt(&format!("its account of a rebuild: {error}")))?,
        };
        Ok(OpenFile {
            database,
            opened,
            commit,
        })
    }

    /// Checks that the store is one this version can read, and ours.
    fn check_owner(&self, database: &Database) -> Result<(), StoreError> {
        let schema = self
            .value(database, SCHEMA_KEY)?
            .and_then(|bytes| bytes.try_into().ok())
            .map(u32::from_le_bytes)
            .ok_or_else(|| self.corrupt("it names no schema"))?;
        if schema > SCHEMA {
            return Err(StoreError::NewerSchema {
                path: self.path.clone(),
                found: schema,
                known: SCHEMA,
            });
        }
        let install = self
            .value(database, INSTALL_KEY)?
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| self.corrupt("it names no install"))?;
        if install != self.install.as_str() {
            return Err(StoreError::ForeignInstall {
                path: self.path.clone(),
                found: install,
                expected: self.install.to_string(),
            });
        }
        Ok(())
    }

    /// Checks that no later state of the store was known.
    fn check_age(&self, database: &Database) -> Result<u64, StoreError> {
        let commit = self
            .value(database, COMMIT_KEY)?
            .and_then(|bytes| bytes.try_into().ok())
            .map(u64::from_le_bytes)
            .ok_or_else(|| self.corrupt("it does not number its commits"))?;
        let witnessed = self.witness.last_commit();
        if commit < witnessed {
            return Err(self.corrupt(&format!(
                "it is an older state of itself: commit {commit}, where {witnessed} was on disk"
            )));
        }
        Ok(commit)
    }

    fn value(&self, database: &Database, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        read_meta(database, key)
            .map_err(|error| StoreError::database(self.opening(), error))?
            .map(|record| decode_meta(key, &record).map(<[u8]>::to_vec))
            .transpose()
            .map_err(|why| self.corrupt(&format!("its {key} cannot be used: {why}")))
    }

    fn opening(&self) -> String {
        format!("opening {}", self.path.display())
    }

    fn corrupt(&self, why: &str) -> StoreError {
        StoreError::Corrupt {
            doing: self.opening().into(),
            why: why.to_owned(),
        }
    }

    fn failed(&self, doing: &str, error: io::Error) -> StoreError {
        StoreError::at(doing, &self.path, error)
    }
}

/// The settings of every database: each page's checksum is verified when it is
/// opened, so that damage is found there and not in the middle of the work.
fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .set_cache_size(PAGE_CACHE_BYTES)
        .set_check_integrity_on_open(true);
    builder
}

fn read_meta(database: &Database, key: &str) -> Result<Option<Vec<u8>>, redb::Error> {
    let table = match database.begin_read()?.open_table(META) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(table.get(key)?.map(|value| value.value().to_vec()))
}
