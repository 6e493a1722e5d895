//! Processes of this machine, and which of them belong to a show: those that work in its directory or name it.
//!
//! **Invariant:** a signal goes only to the process that was looked at: its start time is compared after it is pinned.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use servers::Stat;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// In clock ticks since boot.
    start: u64,
}

impl Process {
    /// Looks a process up; one that has ended and waits to be reaped is none.
    pub(crate) fn read(pid: u32) -> Option<Process> {
        let stat = Stat::read(pid)?;
        (!stat.ended).then_some(Process { pid, start: stat.start })
    }

    /// Lists all processes.
    pub(crate) fn all() -> Vec<Process> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter_map(Process::read).collect()
    }

    /// Tells whether its current directory is this one or below.
    pub(crate) fn works_in(&self, dir: &Path) -> bool {
        fs::read_link(format!("/proc/{}/cwd", self.pid)).is_ok_and(|cwd| cwd.starts_with(dir))
    }

    /// Tells whether its command line names this directory.
    pub(crate) fn names(&self, dir: &Path) -> bool {
        let line = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let name = dir.as_os_str().as_encoded_bytes();
        line.windows(name.len()).any(|part| part == name)
    }

    /// Tells whether it still lives.
    pub(crate) fn lives(&self) -> bool {
        Process::read(self.pid).as_ref() == Some(self)
    }

    /// Sends a signal; nothing happens when the process is gone.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let Some(pinned) = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else { return };
        if self.lives() {
            // It may end at this very moment.
            let _gone = pidfd_send_signal(pinned, signal);
        }
    }
}

/// Ends all that is left of a show: first what looks after tasks is asked to, then all of it is killed.
pub(crate) fn clear_away(dir: &Path) {
    const PATIENCE: Duration = Duration::from_secs(8);
    let left = || -> Vec<Process> {
        Process::all().into_iter().filter(|process| process.works_in(dir) || process.names(dir)).collect()
    };
    let started = Instant::now();
    left().iter().filter(|process| process.names(dir)).for_each(|process| process.signal(Signal::TERM));
    while !left().is_empty() && started.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(50));
    }
    while !left().is_empty() && started.elapsed() < PATIENCE * 2 {
        left().iter().for_each(|process| process.signal(Signal::KILL));
        std::thread::sleep(Duration::from_millis(50));
    }
}
