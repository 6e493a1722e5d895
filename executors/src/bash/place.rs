//! The directory of a run: what is kept there, and who may touch it. All that must survive the agent is here.
//!
//! ```text
//! <data_dir>/tasks/<task id>/<generation>-<attempt>/
//!   lock        held (flock) by the agent from before the shim exists, then by the shim as long as it lives
//!   spec.json   the plan; complete on disk before there is a shim
//!   shim.json   which process the shim is
//!   alive       a pipe that the shim keeps open as long as it lives, to wait for its end by
//!   started     the start commands were spawned
//!   stop.json   it shall stop; no step begins any more
//!   exit.json   how it ended; nothing of it is left
//!   output.log  what it wrote, and output.log.1 what it wrote before that; output.times and output.times.1 say when
//!   shim.log    what the shim itself has to say
//!   work/       the task's own directory
//! ```
//!
//! **Invariant:** the lock is free only when there is no shim and none will come up.

use super::identity::Identity;
use super::marks;
use crate::{Failure, failpoint};
use callboard_core::machine::Span;
use callboard_core::work::{Exit, Run};
use rustix::fs::{FlockOperation, flock};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A run's directory, which need not exist.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) path: PathBuf,
}

/// How a run ended, and why it did not come to be where that is so.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Ending {
    pub(super) exit: Exit,
    pub(super) failure: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct StopFile {
    /// `None`: as long as it was started with.
    grace: Option<Span>,
}

/// What holding a place's lock proves: no other process starts, runs or settles this run.
pub(super) struct Lock(pub(super) File);

impl Place {
    /// Finds the place of a run. Refuses names that would lead elsewhere.
    pub(super) fn of(tasks: &Path, run: &Run) -> Result<Place, Failure> {
        let id: &str = &run.id;
        if id.is_empty() || id.starts_with('.') || id.contains(['/', '\0']) || id.len() > 200 {
            return Err(Failure(format!("the task id {id:?} cannot name a directory; nothing was done")));
        }
        Ok(Place { path: tasks.join(id).join(format!("{}-{}", run.generation, run.attempt)) })
    }

    /// Names a file in it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The task's own directory.
    pub(super) fn work(&self) -> PathBuf {
        self.file("work")
    }

    pub(super) fn exists(&self) -> bool {
        self.path.is_dir()
    }

    /// Makes the directories; with `passable` others may go through them to the task's own, and see nothing on the way.
    pub(super) fn create(&self, passable: bool) -> Result<(), Failure> {
        failpoint::step();
        let made = DirBuilder::new().recursive(true).mode(0o700).create(self.work());
        let opened = made.and_then(|()| {
            let mut dirs = self.path.parent().into_iter().chain([self.path.as_path()]).filter(|_| passable);
            dirs.try_for_each(|dir| fs::set_permissions(dir, fs::Permissions::from_mode(0o711)))
        });
        opened.map_err(|error| self.failure("cannot make the directory", &self.work(), &error))
    }

    /// Takes the lock; `None` when the run lives, or is just being started or settled.
    pub(super) fn lock(&self) -> Result<Option<Lock>, Failure> {
        failpoint::step();
        let path = self.file("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(|error| self.failure("cannot open", &path, &error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Lock(file))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(self.failure("cannot lock", &path, &error.into())),
        }
    }

    /// Tells whether somebody holds the lock, without ever being in the way of another who asks.
    pub(super) fn is_locked(&self) -> Result<bool, Failure> {
        let path = self.file("lock");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(self.failure("cannot open", &path, &error)),
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(false),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(self.failure("cannot lock", &path, &error.into())),
        }
    }

    /// Reads a file of it; `None` when there is none, or when a crash of the machine left only half of it.
    pub(super) fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Failure> {
        let path = self.file(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failure("cannot read", &path, &error)),
        }
    }

    /// Writes a file of it, whole or not at all.
    pub(super) fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<(), Failure> {
        self.write_bytes(name, &to_bytes(value)?, false)
    }

    /// Writes a file of it that then also survives a crash of the machine.
    pub(super) async fn write_durably<T: Serialize>(
        &self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Failure> {
        let (place, bytes) = (self.clone(), to_bytes(value)?);
        let written = tokio::task::spawn_blocking(move || place.write_bytes(name, &bytes, true)).await;
        written.unwrap_or_else(|error| Err(Failure::of("cannot write", error)))
    }

    fn write_bytes(&self, name: &str, bytes: &[u8], durable: bool) -> Result<(), Failure> {
        let (path, new) = (self.file(name), self.file(&format!(".{name}.new")));
        let write = || -> io::Result<()> {
            failpoint::step();
            let mut file =
                OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
            file.write_all(bytes)?;
            if durable {
                file.sync_all()?;
            }
            failpoint::step();
            fs::rename(&new, &path)?;
            if durable {
                File::open(&self.path)?.sync_all()?;
            }
            Ok(())
        };
        write().map_err(|error| self.failure("cannot write", &path, &error))
    }

    pub(super) fn ending(&self) -> Result<Option<Ending>, Failure> {
        self.read("exit.json")
    }

    pub(super) fn shim(&self) -> Result<Option<Identity>, Failure> {
        self.read("shim.json")
    }

    /// Gives the grace when it shall stop, of a run that has so long by itself.
    pub(super) fn stop_grace(&self, own: Span) -> Option<Span> {
        let stop: Option<StopFile> = self.read("stop.json").ok().flatten();
        stop.map(|stop| stop.grace.unwrap_or(own))
    }

    pub(super) fn ask_stop(&self, grace: Option<Span>) -> Result<(), Failure> {
        self.write("stop.json", &StopFile { grace })
    }

    /// Reads the end of what the run wrote.
    pub(super) fn tail(&self, bytes_max: usize, since: Option<SystemTime>) -> io::Result<Vec<u8>> {
        let start = |which| since.map_or(0, |since| marks::start(self, which, since));
        let newest = tail_of(&self.file("output.log"), bytes_max, start(""))?;
        let missing = bytes_max - newest.len();
        let mut output = match missing {
            0 => Vec::new(),
            _ => tail_of(&self.file("output.log.1"), missing, start(".1"))?,
        };
        output.extend(newest);
        Ok(output)
    }

    fn failure(&self, doing: &str, path: &Path, error: &io::Error) -> Failure {
        Failure(format!("{doing} {}: {error}; see to the disk and the permissions of it", path.display()))
    }
}

fn to_bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec_pretty(value).map_err(|error| Failure::of("cannot be written as JSON", error))
}

fn tail_of(path: &Path, bytes_max: usize, start: u64) -> io::Result<Vec<u8>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let max = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    let start = file.metadata()?.len().saturating_sub(max).max(start);
    file.seek(SeekFrom::Start(start))?;
    let mut output = Vec::new();
    file.take(max).read_to_end(&mut output)?;
    Ok(output)
}
