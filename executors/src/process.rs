//! Which process is which. A pid alone proves nothing: it is given again to strangers.
//!
//! **Invariant:** every signal of this crate goes to a process whose start time was compared after a pidfd pinned it,
//! to a control group of ours, or to the process group of a child whose pid we keep from being given away.

use callboard_core::machine::Span;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;

/// A process of this boot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// In clock ticks since boot.
    pub(crate) start: u64,
    pub(crate) parent: i32,
    pub(crate) session: i32,
    /// It has ended and waits to be reaped.
    pub(crate) zombie: bool,
    /// Processor time used by it and by those of its children that were reaped, in clock ticks.
    pub(crate) ticks: u64,
}

/// Tells for how long a container's first process has run, by its pid; `None` where that is nothing of the container, as
/// when its engine counts processes otherwise.
#[cfg(feature = "docker")]
pub(crate) fn age_in_container(pid: i32, container: &str) -> Option<Span> {
    let process = Process::read(pid)?;
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    groups.contains(container).then(|| process.age()).flatten()
}

/// Tells this boot of the machine from every other.
pub(crate) fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_string()
}

impl Process {
    /// Looks a process up; `None` when there is none.
    pub(crate) fn read(pid: i32) -> Option<Process> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may itself hold blanks and parentheses.
        let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect();
        Some(Process {
            pid,
            start: fields.get(19)?.parse().ok()?,
            parent: fields.get(1)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            zombie: matches!(*fields.first()?, "Z" | "X"),
            ticks: fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum(),
        })
    }

    /// Lists all processes.
    pub(crate) fn all() -> BTreeMap<i32, Process> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter_map(|pid| Some((pid, Process::read(pid)?))).collect()
    }

    /// Tells whether this very process is there and has not ended.
    pub(crate) fn lives(&self) -> bool {
        Process::read(self.pid).is_some_and(|now| now.start == self.start && !now.zombie)
    }

    /// Pins it, so that it can be signalled and waited for though its pid be given to another.
    pub(crate) fn pin(&self) -> Option<OwnedFd> {
        let pinned = pidfd_open(Pid::from_raw(self.pid)?, PidfdFlags::empty()).ok()?;
        Process::read(self.pid).is_some_and(|now| now.start == self.start).then_some(pinned)
    }

    /// Sends a signal to this very process. Nothing happens when it is gone.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pinned) = self.pin() {
            let _ = pidfd_send_signal(pinned, signal);
        }
    }

    /// Tells whether its environment, as it was when its program began, has this line.
    pub(crate) fn has_environment(&self, line: &str) -> bool {
        let environ = fs::read(format!("/proc/{}/environ", self.pid)).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|entry| entry == line.as_bytes())
    }

    /// Tells for how long it has run, by the clock that nobody can set.
    pub(crate) fn age(&self) -> Option<Span> {
        let uptime = fs::read_to_string("/proc/uptime").ok()?;
        let (seconds, hundredths) = uptime.split_whitespace().next()?.split_once('.')?;
        let up = seconds.parse::<u64>().ok()? * 1000 + hundredths.parse::<u64>().ok()? * 10;
        let began = self.start.saturating_mul(1000) / rustix::param::clock_ticks_per_second().max(1);
        Some(Span(up.saturating_sub(began)))
    }

    /// Measures its resident memory in bytes.
    pub(crate) fn resident(&self) -> u64 {
        let page = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.pid)).unwrap_or_default();
        let pages = statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
        pages.unwrap_or(0).saturating_mul(page)
    }
}
