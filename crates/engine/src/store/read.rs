//! Reading the store, from any thread, while one writes: each look sees one
//! moment, and decodes one service at a time.

use std::sync::Arc;

use parking_lot::RwLock;
use redb::{Database, OwnedRange, ReadOnlyTable, ReadableDatabase, ReadableTable};
use syncline_model::{EndpointName, LinkName, ServiceKey};

use super::codec::RecordError;
use super::error::StoreError;
use super::file::{CACHE, LEDGER, META, Records, WINDOWS};
use super::key::{CacheKey, LedgerKey, owner_of, range_of, service_of};
use super::record::{CacheRecord, LedgerRecord, decode_meta};
use super::window::{FreezeRecord, WindowRecord};

/// Where the open database stands; empty while it is being opened again after a
/// failure. Nobody holds the lock for longer than it takes to begin.
pub(super) type Slot = RwLock<Option<Database>>;

pub(super) const FREEZE: &str = "freeze/";
pub(super) const BLOB: &str = "blob/";

type Table = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// A view on the store for those who only read. Cheap to clone.
#[derive(Clone)]
pub struct StoreReader {
    slot: Arc<Slot>,
}

impl StoreReader {
    pub(super) fn new(slot: Arc<Slot>) -> Self {
        Self { slot }
    }

    /// What a link wrote, service by service, in the order of their names. A
    /// damaged record is one error in the row; the rest follows.
    ///
    /// # Errors
    /// When the store cannot be read at all.
    pub fn load_ledger(&self, link: &LinkName) -> Result<Loaded<LedgerRecord>, StoreError> {
        self.load(LEDGER, "ledger", link.as_str(), LedgerRecord::decode)
    }

    /// What was last seen at an endpoint, service by service, in the order of
    /// their names. A damaged record is one error in the row; the rest follows.
    ///
    /// # Errors
    /// When the store cannot be read at all.
    pub fn load_cache(&self, endpoint: &EndpointName) -> Result<Loaded<CacheRecord>, StoreError> {
        self.load(CACHE, "cache", endpoint.as_str(), CacheRecord::decode)
    }

    /// The names of what was last seen at an endpoint; no record is decoded.
    ///
    /// # Errors
    /// When the store cannot be read at all.
    pub fn cached_services(
        &self,
        endpoint: &EndpointName,
    ) -> Result<impl Iterator<Item = Result<ServiceKey, StoreError>> + use<>, StoreError> {
        let loaded = self.load(CACHE, "cache", endpoint.as_str(), |_, _| Ok(()))?;
        Ok(loaded.map(|row| row.map(|(service, ())| service)))
    }

    /// What a link wrote of one service.
    ///
    /// # Errors
    /// When the store cannot be read, or the record is damaged.
    pub fn get_ledger(&self, key: &LedgerKey) -> Result<Option<LedgerRecord>, StoreError> {
        self.get(LEDGER, "ledger", &key.bytes(), LedgerRecord::decode)
    }

    /// What was last seen of one service.
    ///
    /// # Errors
    /// When the store cannot be read, or the record is damaged.
    pub fn get_cache(&self, key: &CacheKey) -> Result<Option<CacheRecord>, StoreError> {
        self.get(CACHE, "cache", &key.bytes(), CacheRecord::decode)
    }

    /// All links that the ledger knows, also those that are configured no more.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn ledger_links(&self) -> Result<Vec<LinkName>, StoreError> {
        let owners = self.owners(LEDGER, "ledger")?;
        Ok(owners.into_iter().map(LinkName::from).collect())
    }

    /// All endpoints that the cache knows, also those that are configured no more.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn cached_endpoints(&self) -> Result<Vec<EndpointName>, StoreError> {
        let owners = self.owners(CACHE, "cache")?;
        Ok(owners.into_iter().map(EndpointName::from).collect())
    }

    /// What a link's guard knew, service by service. A damaged record is one
    /// error in the row; the rest follows.
    ///
    /// # Errors
    /// When the store cannot be read at all.
    pub fn load_windows(&self, link: &LinkName) -> Result<Loaded<WindowRecord>, StoreError> {
        let (name, decode) = ("windows", WindowRecord::decode);
        let table = self.table_if_there(WINDOWS, name)?;
        rows(table, name, link.as_str(), decode)
    }

    /// Whether all losses of a link wait.
    ///
    /// # Errors
    /// When the store cannot be read, or the record is damaged.
    pub fn freeze(&self, link: &LinkName) -> Result<Option<FreezeRecord>, StoreError> {
        self.record(&format!("{FREEZE}{link}"), FreezeRecord::decode)
    }

    /// A small value of the engine, as it wrote it.
    ///
    /// # Errors
    /// When the store cannot be read, or the value is damaged.
    pub fn blob(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.value(&format!("{BLOB}{name}"))
    }

    fn load<T>(
        &self,
        table: Records,
        name: &'static str,
        owner: &str,
        decode: Decode<T>,
    ) -> Result<Loaded<T>, StoreError> {
        rows(Some(self.table(table, name)?), name, owner, decode)
    }

    fn get<T>(
        &self,
        table: Records,
        name: &'static str,
        key: &[u8],
        decode: Decode<T>,
    ) -> Result<Option<T>, StoreError> {
        let record = self
            .table(table, name)?
            .get_owned(key)
            .map_err(|error| reading(name, error))?;
        record
            .map(|record| decode(key, record.value()).map_err(|why| bad_record(name, key, why)))
            .transpose()
    }

    /// The owners of a table's records, found by leaping from one to the next.
    fn owners(&self, table: Records, name: &'static str) -> Result<Vec<String>, StoreError> {
        let table = self.table(table, name)?;
        let mut owners = Vec::new();
        let mut from = Vec::new();
        loop {
            let next = ReadableTable::range::<&[u8]>(&table, from.as_slice()..)
                .and_then(|mut range| range.next().transpose())
                .map_err(|error| reading(name, error))?;
            let Some((key, _)) = next else {
                return Ok(owners);
            };
            let owner = owner_of(key.value())
                .ok_or_else(|| bad_record(name, key.value(), RecordError::Malformed("key")))?;
            from = range_of(&owner).end;
            owners.push(owner);
        }
    }

    fn value(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.record(key, |key, record| {
            let key = std::str::from_utf8(key).map_err(|_| RecordError::Malformed("key"))?;
            decode_meta(key, record).map(<[u8]>::to_vec)
        })
    }

    fn record<T>(&self, key: &str, decode: Decode<T>) -> Result<Option<T>, StoreError> {
        let read = || -> Result<_, redb::Error> {
            let Some(transaction) = self.begin()? else {
                return Ok(None);
            };
            Ok(Some(transaction.open_table(META)?.get_owned(key)?))
        };
        let record = read()
            .map_err(|error| reading("meta", error))?
            .ok_or_else(out_of_service)?;
        record
            .map(|record| {
                decode(key.as_bytes(), record.value())
                    .map_err(|why| bad_record("meta", key.as_bytes(), why))
            })
            .transpose()
    }

    fn table(&self, table: Records, name: &'static str) -> Result<Table, StoreError> {
        self.table_if_there(table, name)?
            .ok_or_else(|| reading(name, redb::Error::TableDoesNotExist(name.to_owned())))
    }

    /// A table; `None` where an earlier version made the store without it.
    fn table_if_there(
        &self,
        table: Records,
        name: &'static str,
    ) -> Result<Option<Table>, StoreError> {
        let open = || -> Result<_, redb::Error> {
            let Some(transaction) = self.begin()? else {
                return Ok(None);
            };
            match transaction.open_table(table) {
                Ok(table) => Ok(Some(Some(table))),
                Err(redb::TableError::TableDoesNotExist(_)) => Ok(Some(None)),
                Err(error) => Err(error.into()),
            }
        };
        open()
            .map_err(|error| reading(name, error))?
            .ok_or_else(out_of_service)
    }

    fn begin(&self) -> Result<Option<redb::ReadTransaction>, redb::Error> {
        match &*self.slot.read() {
            Some(database) => Ok(Some(database.begin_read()?)),
            None => Ok(None),
        }
    }
}

/// All rows of an owner; none where there is no such table.
fn rows<T>(
    table: Option<Table>,
    name: &'static str,
    owner: &str,
    decode: Decode<T>,
) -> Result<Loaded<T>, StoreError> {
    let keys = range_of(owner);
    let range = table
        .map(|table| table.range_owned::<&[u8]>(keys.start.as_slice()..keys.end.as_slice()))
        .transpose()
        .map_err(|error| reading(name, error))?;
    Ok(Loaded {
        range,
        table: name,
        decode,
    })
}

type Decode<T> = fn(&[u8], &[u8]) -> Result<T, RecordError>;

/// Services and their records, read and decoded one by one, all of one moment.
pub struct Loaded<T> {
    /// `None` where there is no such table, and once the store could not be read
    /// any further.
    range: Option<OwnedRange<&'static [u8], &'static [u8]>>,
    table: &'static str,
    decode: Decode<T>,
}

impl<T> Iterator for Loaded<T> {
    type Item = Result<(ServiceKey, T), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.range.as_mut()?.next()?;
        Some(match row {
            Ok((key, record)) => {
                let key = key.value();
                service_of(key)
                    .ok_or(RecordError::Malformed("key"))
                    .and_then(|service| Ok((service, (self.decode)(key, record.value())?)))
                    .map_err(|why| bad_record(self.table, key, why))
            }
            Err(error) => {
                self.range = None;
                Err(reading(self.table, error))
            }
        })
    }
}

fn reading(table: &str, error: impl Into<redb::Error>) -> StoreError {
    StoreError::database(format!("reading the {table} table"), error)
}

fn out_of_service() -> StoreError {
    StoreError::Degraded {
        why: "it is being opened again".into(),
    }
}

fn bad_record(table: &'static str, key: &[u8], why: RecordError) -> StoreError {
    let key = match (owner_of(key), service_of(key)) {
        (Some(owner), Some(service)) => format!("{service} of {owner}"),
        _ => key.escape_ascii().to_string(),
    };
    StoreError::BadRecord { table, key, why }
}
