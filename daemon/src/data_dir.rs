//! The directory a daemon keeps its own things in: its lock, its identity, the embedded store, what its tasks run in.
//!
//! **Invariant:** two processes never use one data directory: the second is refused before it touches anything.

use anyhow::{Context, Result};
use callboard_core::model::Name;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A data directory that this process holds.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    /// Holds the lock as long as it is open.
    _lock: File,
}

impl DataDir {
    /// Makes the directory where there is none, and takes its lock.
    ///
    /// # Errors
    /// Another process holds it, or it cannot be made or written.
    pub(crate) fn open(path: &Path) -> Result<DataDir> {
        let shown = path.display();
        DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(|| {
            format!("the data directory {shown} cannot be made; name another with --data-dir")
        })?;
        let path =
            path.canonicalize().with_context(|| format!("the data directory {shown} cannot be read"))?;
        let shown = path.display();
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))
            .with_context(|| {
                format!("the data directory {shown} cannot be written; check its owner and mode")
            })?;
        if let Err(error) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            let mut holder = String::new();
            // Who holds it is only for the message.
            let _unread = lock.read_to_string(&mut holder);
            let holder = holder.trim();
            if error.kind() == ErrorKind::WouldBlock {
                anyhow::bail!(
                    "the data directory {shown} is in use by process {holder}; stop that one first, or name another \
                     directory with --data-dir"
                );
            }
            return Err(error).with_context(|| format!("the data directory {shown} cannot be locked"));
        }
        lock.set_len(0)?;
        lock.rewind()?;
        lock.write_all(format!("{}\n", std::process::id()).as_bytes())?;
        Ok(DataDir { path, _lock: lock })
    }

    /// Gives its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the identity of the agent that lives here, drawn at the first time.
    pub(crate) fn agent_id(&self) -> Result<String> {
        let file = self.path.join("agent_id");
        match fs::read_to_string(&file) {
            Ok(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
            Ok(_) => self.draw_agent_id(),
            Err(error) if error.kind() == ErrorKind::NotFound => self.draw_agent_id(),
            Err(error) => Err(error).with_context(|| format!("{} cannot be read", file.display())),
        }
    }

    fn draw_agent_id(&self) -> Result<String> {
        let id = draw_id()?;
        self.write("agent_id", &id)?;
        Ok(id)
    }

    /// Gives what the agent living here has seen of its store: the highest revision, and the store's id.
    pub(crate) fn seen(&self) -> Seen {
        fs::read_to_string(self.seen_file()).ok().and_then(|text| Seen::parse(&text)).unwrap_or_default()
    }

    /// Gives the file in which that is kept.
    pub(crate) fn seen_file(&self) -> PathBuf {
        self.path.join("seen")
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let file = self.path.join(name);
        replace(&file, text).with_context(|| format!("{} cannot be written", file.display()))
    }
}

/// Draws an id that nobody else has.
///
/// # Errors
/// The kernel gives no random numbers.
pub(crate) fn draw_id() -> Result<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/uuid")
        .context("no random number could be drawn for an identity")?;
    Ok(id.trim().to_owned())
}

/// What an agent has seen of its store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The highest revision.
    pub(crate) revision: u64,
    /// The id of the store.
    pub(crate) store_id: Option<Name>,
}

impl Seen {
    fn parse(text: &str) -> Option<Seen> {
        let mut words = text.split_whitespace();
        let revision = words.next()?.parse().ok()?;
        Some(Seen { revision, store_id: words.next().map(Name::from) })
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.revision, self.store_id.as_deref().unwrap_or_default())
    }
}

/// Writes a small file whole or not at all.
pub(crate) fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let fresh = file.with_extension("new");
    let mut written = File::create(&fresh)?;
    written.write_all(text.as_bytes())?;
    written.sync_all()?;
    fs::rename(&fresh, file)
}

/// Gives where `callboard dev` keeps its things unless told otherwise.
pub(crate) fn for_dev() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let state =
        std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute()).or_else(home);
    state.unwrap_or_else(std::env::temp_dir).join("callboard").join("dev")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_refused_and_told_who_is_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(&dir.path().join("new")).unwrap();
        let refused = DataDir::open(first.path()).unwrap_err().to_string();
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
        assert!(refused.contains(&first.path().display().to_string()), "{refused}");
        let id = first.agent_id().unwrap();
        drop(first);
        let again = DataDir::open(&dir.path().join("new")).unwrap();
        assert_eq!(again.agent_id().unwrap(), id);
        assert_eq!(again.seen(), Seen::default());
        let seen = Seen { revision: 7, store_id: Some("4f".into()) };
        for seen in [seen.clone(), Seen { store_id: None, ..seen }] {
            replace(&again.seen_file(), &seen.to_string()).unwrap();
            assert_eq!(again.seen(), seen);
        }
    }
}
