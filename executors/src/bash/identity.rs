//! Which process is the shim of a run.

use crate::process::{Process, boot};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// A shim, across boots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) boot: String,
    pub(super) pid: i32,
    pub(super) start: u64,
}

impl Identity {
    /// Names this process.
    pub(super) fn own() -> Option<Identity> {
        let own = Process::read(rustix::process::getpid().as_raw_pid())?;
        Some(Identity { boot: boot(), pid: own.pid, start: own.start })
    }

    /// Finds the shim it names; `None` unless it is proven: the same boot, pid and start time, and the run's lock
    /// as its standard input, which only its shim has.
    pub(super) fn process(&self, lock: &Path) -> Option<Process> {
        let process = Process::read(self.pid)?;
        let input = fs::read_link(format!("/proc/{}/fd/0", self.pid)).ok()?;
        (self.boot == boot() && process.start == self.start && input == lock).then_some(process)
    }
}
