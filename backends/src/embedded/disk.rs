//! The file: how it is made, claimed, verified, read and written.
//!
//! **Invariant:** the file appears under its name only when it is whole, and a write is acknowledged only when both
//! phases of it are on the disk.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use callboard_core::store::{Entry, Revision, SessionId};
use redb::{
    Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, StorageError, TableDefinition,
    WriteTransaction,
};

use super::OpenError;

const ENTRIES: TableDefinition<&str, (u64, Option<&str>, &str)> = TableDefinition::new("entries");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const SCHEMA: u64 = 1;
const NAME: &str = "callboard.redb";
const UNFINISHED: &str = "callboard.redb.unfinished";
/// Everything is served from memory, so redb needs little of its own.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Opens the file, each time it is called.
pub(super) type Opener = Box<dyn Fn() -> Result<Database, DatabaseError> + Send>;

/// The open file.
#[derive(Debug)]
pub(super) struct Disk {
    database: Database,
}

/// One line to write.
pub(super) enum Line<'a> {
    Put { key: &'a str, revision: Revision, session: Option<&'a SessionId>, value: &'a str },
    Delete { key: &'a str },
}

/// How a write failed. After either the file must be opened anew.
#[derive(Debug)]
pub(super) enum WriteError {
    /// Before anything could become durable.
    NotWritten(String),
    /// While it was made durable: only reading the file again tells.
    Unknown(String),
}

/// Makes the directory, for this user alone, and keeps every other process out of it.
pub(super) fn claim(dir: &Path) -> Result<File, OpenError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    let directory = made.and_then(|()| File::open(dir)).map_err(|error| unusable(dir, &error))?;
    match directory.try_lock() {
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { dir: dir.into() }),
        // Where directories cannot be locked, redb's lock on the file remains.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(directory),
    }
}

/// Makes the file when there is none: under another name first, so that a crash never leaves half of one.
pub(super) fn create(dir: &Path, directory: &File) -> Result<(), OpenError> {
    let path = dir.join(NAME);
    if path.try_exists().map_err(|error| unusable(dir, &error))? {
        return Ok(());
    }
    let unfinished = dir.join(UNFINISHED);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)
        .map_err(|error| unusable(dir, &error))?;
    let database = Database::builder().create_file(file).map_err(|error| classify(dir, error.into()))?;
    prepare(&database).map_err(|error| classify(dir, error))?;
    drop(database);
    std::fs::rename(&unfinished, &path)
        .and_then(|()| directory.sync_all())
        .map_err(|error| unusable(dir, &error))
}

/// Gives what opens the file of a directory.
pub(super) fn opener(dir: &Path) -> Opener {
    let path = dir.join(NAME);
    Box::new(move || {
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(StorageError::from)?;
        file.set_permissions(Permissions::from_mode(0o600)).map_err(StorageError::from)?;
        if file.metadata().map_err(StorageError::from)?.len() == 0 {
            // redb would take an empty file for a new store.
            return Err(DatabaseError::Storage(StorageError::Corrupted("the file is empty".into())));
        }
        Database::builder().set_cache_size(CACHE_BYTES).create_file(file)
    })
}

/// Opens the file, verifies every page, ends the sessions of whoever had it open before, and reads everything.
pub(super) fn open(dir: &Path, opener: &Opener) -> Result<(Disk, Revision, Vec<Arc<Entry>>), OpenError> {
    // A damaged file can make redb panic; for whoever opens it that is one more way of being damaged.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let mut database = opener().map_err(|error| classify(dir, error.into()))?;
        let whole = database.check_integrity().map_err(|error| classify(dir, error.into()))?;
        if !whole {
            let why = "it was repaired, but may lack the last commits; opening it again accepts that".into();
            return Err(OpenError::Damaged { dir: dir.into(), why });
        }
        prepare(&database).map_err(|error| classify(dir, error))?;
        let found = schema(&database).map_err(|error| classify(dir, error))?;
        if found > SCHEMA {
            return Err(OpenError::Newer { dir: dir.into(), found, known: SCHEMA });
        }
        let (revision, entries) = begin(&database).map_err(|error| classify(dir, error))?;
        Ok((Disk { database }, revision, entries))
    }));
    opened.unwrap_or_else(|_panic| {
        Err(OpenError::Damaged { dir: dir.into(), why: "it is not readable".into() })
    })
}

impl Disk {
    /// Writes lines and the revision they lead to, durably, all or none.
    pub(super) fn write(&self, revision: Revision, lines: &[Line<'_>]) -> Result<(), WriteError> {
        let txn = self.stage(revision, lines).map_err(|error| WriteError::NotWritten(error.to_string()))?;
        txn.commit().map_err(|error| WriteError::Unknown(error.to_string()))
    }

    fn stage(&self, revision: Revision, lines: &[Line<'_>]) -> Result<WriteTransaction, redb::Error> {
        let txn = durable(&self.database)?;
        {
            let mut table = txn.open_table(ENTRIES)?;
            for line in lines {
                match line {
                    Line::Put { key, revision, session, value } => {
                        let session = session.map(|session| session.0.as_str());
                        table.insert(key, (revision.0, session, *value))?;
                    }
                    Line::Delete { key } => {
                        table.remove(key)?;
                    }
                }
            }
            txn.open_table(META)?.insert("revision", revision.0)?;
        }
        Ok(txn)
    }
}

fn durable(database: &Database) -> Result<WriteTransaction, redb::Error> {
    let mut txn = database.begin_write()?;
    txn.set_durability(Durability::Immediate)?;
    txn.set_two_phase_commit(true);
    Ok(txn)
}

/// Makes the tables of a file that has none.
fn prepare(database: &Database) -> Result<(), redb::Error> {
    if database.begin_read()?.list_tables()?.next().is_some() {
        return Ok(());
    }
    let txn = durable(database)?;
    txn.open_table(ENTRIES)?;
    txn.open_table(META)?.insert("schema", SCHEMA)?;
    txn.commit()?;
    Ok(())
}

fn schema(database: &Database) -> Result<u64, redb::Error> {
    let found = database.begin_read()?.open_table(META)?.get("schema")?.map(|schema| schema.value());
    found.ok_or_else(|| redb::Error::Corrupted("it names no schema".into()))
}

/// Reads everything, leaving out what lived under sessions: they ended with the process. That is a revision of its own,
/// even when nothing goes, so that no session id is ever given twice.
fn begin(database: &Database) -> Result<(Revision, Vec<Arc<Entry>>), redb::Error> {
    let txn = durable(database)?;
    let mut entries = Vec::new();
    let revision;
    {
        let mut table = txn.open_table(ENTRIES)?;
        table.retain(|_, (_, session, _)| session.is_none())?;
        for row in table.iter()? {
            let (key, line) = row?;
            let (revision, _, value) = line.value();
            let (key, value) = (key.value().into(), value.into());
            entries.push(Arc::new(Entry { key, value, revision: Revision(revision), session: None }));
        }
        let mut meta = txn.open_table(META)?;
        let last = meta.get("revision")?.map_or(0, |revision| revision.value());
        revision = Revision(last + 1);
        meta.insert("revision", revision.0)?;
    }
    txn.commit()?;
    Ok((revision, entries))
}

fn unusable(dir: &Path, error: &io::Error) -> OpenError {
    OpenError::Unusable { dir: dir.into(), why: error.to_string() }
}

fn classify(dir: &Path, error: redb::Error) -> OpenError {
    let dir = dir.into();
    if matches!(error, redb::Error::DatabaseAlreadyOpen) {
        return OpenError::InUse { dir };
    }
    let out_of_reach = if let redb::Error::Io(io) = &error {
        !matches!(io.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
    } else {
        matches!(error, redb::Error::PreviousIo)
    };
    let why = error.to_string();
    if out_of_reach { OpenError::Unusable { dir, why } } else { OpenError::Damaged { dir, why } }
}
