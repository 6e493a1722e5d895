//! Runs that have lost their directory and go on: somebody removed it. Their shims are known by the lock that is still
//! their standard input, and was in that directory.
//!
//! **Invariant:** such a run is not taken for ended while its shim lives, nothing is started in its place, and it ends when
//! it is told to.

use super::kin::Kin;
use super::place::Place;
use super::{Bash, PATIENCE_UNKNOWN, STOP_SLACK};
use crate::Failure;
use crate::process::Process;
use callboard_core::machine::Span;
use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// A run without its directory.
pub(super) struct Lost {
    path: PathBuf,
    shim: Process,
}

/// What the kernel adds to the name of a file that is gone.
const LOCK_GONE: &str = "/lock (deleted)";

impl Lost {
    /// Lists the runs below a directory that have lost their own.
    pub(super) fn all(tasks: &Path) -> Vec<Lost> {
        let lost = |shim: Process| {
            let input = fs::read_link(format!("/proc/{}/fd/0", shim.pid)).ok()?;
            let path = PathBuf::from(input.to_str()?.strip_suffix(LOCK_GONE)?);
            path.starts_with(tasks).then_some(Lost { path, shim })
        };
        Process::all().into_values().filter_map(lost).collect()
    }

    /// Says what is so, and what to do.
    pub(super) fn failure(&self) -> Failure {
        Failure(format!(
            "{} is gone, but process {} and what it started run on; they are left alone until the task is told to stop, or \
             somebody ends them",
            self.path.display(),
            self.shim.pid
        ))
    }

    /// Tells whether it is a run of the same task.
    fn is_of_task_at(&self, place: &Place) -> bool {
        self.path.parent() == place.path.parent()
    }
}

impl Bash {
    /// Finds the run of a place that lost its directory, or at least its lock.
    pub(super) fn lost(&self, place: &Place) -> Option<Lost> {
        Lost::all(&self.tasks).into_iter().find(|lost| lost.path == place.path)
    }

    /// Refuses a start while something of the same task runs without its directory.
    pub(super) fn refuse_beside_lost(&self, place: &Place) -> Result<(), Failure> {
        let lost = Lost::all(&self.tasks).into_iter().find(|lost| lost.is_of_task_at(place));
        lost.map_or(Ok(()), |lost| Err(lost.failure()))
    }

    /// Stops a run through its shim, which knows its own grace; when that does not end in time, without it.
    pub(super) async fn stop_lost(&self, lost: &Lost, grace: Option<Span>) -> Result<(), Failure> {
        lost.shim.signal(Signal::TERM);
        // It may have stop commands, and a teardown.
        let patience = grace.unwrap_or(PATIENCE_UNKNOWN).times(3);
        let deadline = Instant::now() + Duration::from_millis(patience.0) + STOP_SLACK;
        while lost.shim.lives() {
            if Instant::now() >= deadline + STOP_SLACK {
                return Err(Failure(format!("{}; not even killed they end", lost.failure())));
            }
            if Instant::now() >= deadline {
                let kin = Kin { groups: None, token: None, shim: lost.shim.pid, shim_lives: true };
                kin.find(&Process::all()).iter().for_each(|process| process.signal(Signal::KILL));
                lost.shim.signal(Signal::KILL);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}
