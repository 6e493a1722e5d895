//! Finds all processes of a run, also those that went into the background, changed their session or lost their parent.
//!
//! **Invariant:** a process is kin only on proof: it is in the run's control group, or carries the run's token in its
//! environment, or descends from the living shim or from such a process, or is in a session led by one of those.

use super::group::Groups;
use crate::process::Process;
use std::collections::BTreeMap;

/// The variable that carries a run's token; drawn at random, so that whoever has it got it from us.
pub(super) const TOKEN_NAME: &str = "CALLBOARD_RUN";

/// What is known of a run to find its processes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kin<'a> {
    pub(super) groups: Option<&'a Groups>,
    /// Costs a look at each environment of the machine.
    pub(super) token: Option<&'a str>,
    /// The shim's pid, which is also its session.
    pub(super) shim: i32,
    /// Its pid cannot have been given to another.
    pub(super) shim_lives: bool,
}

impl Kin<'_> {
    /// Lists what lives of a run besides its shim, given all processes.
    pub(super) fn find(&self, all: &BTreeMap<i32, Process>) -> Vec<Process> {
        self.with_zombies(all).into_iter().filter(|process| !process.zombie).collect()
    }

    /// Lists also what has ended and was not reaped yet.
    pub(super) fn with_zombies(&self, all: &BTreeMap<i32, Process>) -> Vec<Process> {
        let own = rustix::process::getpid().as_raw_pid();
        let mut found: BTreeMap<i32, Process> = BTreeMap::new();
        let grouped = self.groups.map(Groups::pids).unwrap_or_default();
        found.extend(grouped.into_iter().filter_map(|pid| Some((pid, *all.get(&pid)?))));
        if let Some(token) = self.token {
            let line = format!("{TOKEN_NAME}={token}");
            let carriers = all.values().filter(|process| process.has_environment(&line));
            found.extend(carriers.map(|process| (process.pid, *process)));
        }
        found.remove(&own);
        loop {
            let before = found.len();
            // A session outlives its leader, and its number is not given away while it has members.
            let session = found.values().any(|process| process.session == self.shim);
            let ours = |pid| found.contains_key(&pid) || self.shim_lives && pid == self.shim;
            let led = |pid| ours(pid) || session && pid == self.shim;
            let more = all.values().filter(|process| ours(process.parent) || led(process.session));
            let more = more.filter(|process| process.pid != own && process.pid != self.shim);
            let more: Vec<_> = more.map(|process| (process.pid, *process)).collect();
            found.extend(more);
            if found.len() == before {
                break;
            }
        }
        found.into_values().collect()
    }
}
