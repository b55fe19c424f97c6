//! The one file in which durable parts are kept: a database that is made whole
//! or not at all, and never written over when something is wrong with it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{
    Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition, TableError,
};

use super::record::{RecordError, decode, decode_key, encode, encode_key};
use crate::intern::Interner;
use crate::store::{Durable, DurableKey};

const NAME: &str = "registry.redb";
const LOCK: &str = "lock";

/// The format that this version writes.
const FORMAT: u32 = 2;
/// One that it reads as well: checkers of clusters had no port.
const EARLIER_FORMAT: u32 = 1;
const FORMAT_KEY: &str = "format";

const ABOUT: TableDefinition<'static, &str, u32> = TableDefinition::new("syncline-registry");
const PARTS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("parts");

/// What the database may keep of its pages in memory; its default is a gigabyte.
const PAGE_CACHE_BYTES: usize = 8 * 1024 * 1024;

/// More than whoever has a folder writes of itself.
const LONGEST_OWNER_BYTES: u64 = 1024;

/// Why a registry's folder cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process has it.
    #[error("the registry's folder {} is in use by {by}", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// What that process says of itself.
        by: String,
    },
    /// A newer Syncline wrote it; this one would lose what it does not know.
    #[error(
        "{} has format {found}, and this Syncline knows formats up to {FORMAT}: run the newer version",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The file is damaged, or something else. Nothing was changed.
    #[error(
        "{} is not a whole registry file: {why}; bring a copy back, or move it away to begin empty",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The disk or the system failed.
    #[error("{doing} {}", path.display())]
    Io {
        /// What was being attempted.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
}

impl FolderError {
    /// The message with its cause.
    pub(super) fn chain(&self) -> String {
        match self {
            Self::Io { source, .. } => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }
}

/// Opens the database at a path, or makes one in an empty file.
///
/// A seam: tests put a failing disk here.
pub(crate) type OpenDatabase =
    Box<dyn Fn(&Builder, &Path) -> Result<Database, DatabaseError> + Send>;

/// Opens it as any process does.
pub(crate) fn on_disk() -> OpenDatabase {
    Box::new(|builder, path| builder.create(path))
}

/// The file, claimed for this process.
pub(super) struct PartsFile {
    path: PathBuf,
    open: OpenDatabase,
    /// `None` after a failure, until the file is opened again: the database
    /// accepts nothing after one.
    database: Option<Database>,
    /// Held as long as the file is ours. The system lets go of it when the
    /// process ends, however it ends.
    _lock: File,
}

impl PartsFile {
    /// Claims a folder and opens the file in it, making both where they are
    /// missing.
    pub(super) fn open(folder: &Path, open: OpenDatabase) -> Result<Self, FolderError> {
        let lock = claim(folder)?;
        let path = folder.join(NAME);
        let there = path.try_exists();
        if !there.map_err(|error| failed("finding", &path, error))? {
            create(&path, &open)?;
        }
        let database = open_existing(&path, &open)?;
        Ok(Self {
            path,
            open,
            database: Some(database),
            _lock: lock,
        })
    }

    /// All that is in it, in the order of the keys.
    pub(super) fn load(
        &self,
        interner: &Interner,
    ) -> Result<Vec<(DurableKey, Durable)>, FolderError> {
        let Some(database) = &self.database else {
            return Ok(Vec::new());
        };
        let rows =
            read_rows(database).map_err(|error| database_failed("reading", &self.path, error))?;
        let read = |Row { key, value }: &Row| -> Result<_, RecordError> {
            let named = decode_key(key)?;
            let durable = decode(key, &named, value, interner)?;
            Ok((named, durable))
        };
        let mut parts = Vec::with_capacity(rows.len());
        for row in &rows {
            parts.push(read(row).map_err(|error| {
                let name = String::from_utf8_lossy(&row.key);
                corrupt(&self.path, &format!("record {name}: {error}"))
            })?);
        }
        parts.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(parts)
    }

    /// Writes all parts, or none of them; they are on disk when it returns.
    /// After a failure the file is opened again first.
    pub(super) fn write(
        &mut self,
        parts: &[(DurableKey, Option<Durable>)],
    ) -> Result<(), FolderError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => open_existing(&self.path, &self.open)?,
        };
        let written = commit(&database, parts);
        let written = written.map_err(|error| database_failed("writing", &self.path, error));
        // What a failed write left on disk is not known before it is read again.
        if written.is_ok() {
            self.database = Some(database);
        }
        written
    }

    /// What is said of parts that contradict each other.
    pub(super) fn contradicted(&self, why: &str) -> FolderError {
        corrupt(&self.path, why)
    }
}

/// What stands in the file, as it stands there.
struct Row {
    key: Vec<u8>,
    value: Vec<u8>,
}

fn read_rows(database: &Database) -> Result<Vec<Row>, redb::Error> {
    let table = database.begin_read()?.open_table(PARTS)?;
    let rows = table.iter()?.map(|row| {
        let (key, value) = row?;
        Ok(Row {
            key: key.value().to_vec(),
            value: value.value().to_vec(),
        })
    });
    rows.collect()
}

fn commit(database: &Database, parts: &[(DurableKey, Option<Durable>)]) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    // Two phases: once it is on disk, no damage to it can pass for a commit
    // that never ended, and bring back the one before.
    transaction.set_two_phase_commit(true);
    {
        let mut table = transaction.open_table(PARTS)?;
        for (key, durable) in parts {
            let key = encode_key(key).map_err(unwritable)?;
            match durable {
                Some(durable) => {
                    let value = encode(&key, durable).map_err(unwritable)?;
                    table.insert(key.as_slice(), value.as_slice())?;
                }
                None => drop(table.remove(key.as_slice())?),
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

fn unwritable(error: RecordError) -> redb::Error {
    redb::Error::Io(io::Error::other(error))
}

/// Makes the folder where it is missing, readable for its owner only, and
/// claims it.
fn claim(folder: &Path) -> Result<File, FolderError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| failed("making", folder, error))?;
    let path = folder.join(LOCK);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let opened = options.open(&path);
    let mut file = opened.map_err(|error| failed("opening", &path, error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(FolderError::InUse {
                folder: folder.to_owned(),
                by: owner(&file),
            });
        }
        Err(TryLockError::Error(error)) => return Err(failed("locking", &path, error)),
    }
    // The lock holds without a name: a full disk must not keep the registry
    // from serving what it has.
    let pid = std::process::id();
    let named = file
        .set_len(0)
        .and_then(|()| writeln!(file, "process {pid}"));
    if let Err(error) = named {
        tracing::warn!(%error, path = %path.display(), "the lock file names no owner");
    }
    Ok(file)
}

fn owner(file: &File) -> String {
    let mut text = String::new();
    match file.take(LONGEST_OWNER_BYTES).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "another process".to_owned(),
    }
}

/// Makes the file under another name and moves it into place, so that one
/// without a format is never one half made.
fn create(path: &Path, open: &OpenDatabase) -> Result<(), FolderError> {
    let new = path.with_extension("redb.new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("removing", &new, error));
        }
        _ => {}
    }
    let make = || -> Result<(), redb::Error> {
        let database = open(&builder(), &new)?;
        let transaction = database.begin_write()?;
        transaction.open_table(PARTS)?;
        transaction.open_table(ABOUT)?.insert(FORMAT_KEY, FORMAT)?;
        transaction.commit()?;
        database.close()?;
        Ok(())
    };
    make().map_err(|error| database_failed("making", &new, error))?;
    let folder = path.parent().unwrap_or(path);
    let moved = fs::rename(&new, path).and_then(|()| File::open(folder)?.sync_all());
    moved.map_err(|error| failed("moving into place", path, error))
}

fn open_existing(path: &Path, open: &OpenDatabase) -> Result<Database, FolderError> {
    let bytes = fs::metadata(path).map_err(|error| failed("looking at", path, error))?;
    if bytes.len() == 0 {
        // The database would take an empty file for a new one.
        return Err(corrupt(path, "it is empty"));
    }
    let opened = open(&builder(), path);
    let database = opened.map_err(|error| database_failed("opening", path, error))?;
    let format = || -> Result<Option<u32>, redb::Error> {
        let table = match database.begin_read()?.open_table(ABOUT) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            table => table?,
        };
        Ok(table.get(FORMAT_KEY)?.map(|format| format.value()))
    };
    let format = format().map_err(|error| database_failed("opening", path, error))?;
    match format {
        Some(FORMAT) => Ok(database),
        Some(EARLIER_FORMAT) => {
            // So that an earlier version says that it is too old, and does not
            // take for damaged what it does not know.
            let raised = raise_format(&database);
            raised.map_err(|error| database_failed("writing", path, error))?;
            Ok(database)
        }
        Some(found) if found > FORMAT => Err(FolderError::Newer {
            path: path.to_owned(),
            found,
        }),
        _ => Err(corrupt(path, "it is a database of something else")),
    }
}

fn raise_format(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(ABOUT)?.insert(FORMAT_KEY, FORMAT)?;
    transaction.commit()?;
    Ok(())
}

/// Each page's checksum is verified when the file is opened, so that damage is
/// found there and not in the middle of the work.
fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .set_cache_size(PAGE_CACHE_BYTES)
        .set_check_integrity_on_open(true);
    builder
}

fn failed(doing: &'static str, path: &Path, source: io::Error) -> FolderError {
    FolderError::Io {
        doing,
        path: path.to_owned(),
        source: Arc::new(source),
    }
}

fn corrupt(path: &Path, why: &str) -> FolderError {
    FolderError::Corrupt {
        path: path.to_owned(),
        why: why.to_owned(),
    }
}

/// Sorts an error of the database into what the disk did and what is wrong with
/// the file.
fn database_failed(doing: &'static str, path: &Path, error: impl Into<redb::Error>) -> FolderError {
    match error.into() {
        // A file that is no database or that ends early is damaged; the disk
        // answered.
        redb::Error::Io(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            corrupt(path, &error.to_string())
        }
        redb::Error::Io(error) => failed(doing, path, error),
        redb::Error::DatabaseAlreadyOpen => FolderError::InUse {
            folder: path.to_owned(),
            by: "another process".to_owned(),
        },
        error => corrupt(path, &error.to_string()),
    }
}
