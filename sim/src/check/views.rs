//! L9: what a machine believes of the store is what the store holds, but for a minute: whatever is committed under a prefix
//! that a machine follows reaches it, by a watch or a listing, however its watches misbehave.

use super::record::Text;
use super::{Book, Check, End, Fault, Findings, Seen};
use crate::event::Process;
use callboard_core::machine::{Span, Time};
use callboard_core::store::{Reply, Revision};
use std::collections::{BTreeMap, BTreeSet};

/// Remembers who follows what, and what has not reached whom yet.
#[derive(Clone)]
pub(crate) struct Views {
    bound: Span,
    /// Prefixes that were listed to be followed, and by whom.
    followers: BTreeMap<String, BTreeSet<Process>>,
    /// When the first change of a key was committed of which a process has not heard, and the last such change.
    unheard: BTreeMap<(Process, Text), (Time, Revision)>,
    /// The same in the order in which they are judged.
    due: BTreeSet<(Time, Process, Text)>,
    /// Until when a process hears nothing.
    unreachable: BTreeMap<Process, Time>,
    trouble_until: Time,
}

impl Views {
    /// `bound` is how long a change may take to a machine that can hear.
    pub(crate) fn new(bound: Span) -> Views {
        Views {
            bound,
            followers: BTreeMap::new(),
            unheard: BTreeMap::new(),
            due: BTreeSet::new(),
            unreachable: BTreeMap::new(),
            trouble_until: Time(0),
        }
    }

    fn changed(&mut self, now: Time, key: &str, revision: Revision) {
        let path: Text = key.into();
        for (at, _) in key.match_indices('/') {
            for process in self.followers.get(&key[..=at]).into_iter().flatten() {
                let of = (*process, path.clone());
                let (since, last) = self.unheard.entry(of).or_insert((now, revision));
                *last = revision;
                self.due.insert((*since + self.bound, *process, path.clone()));
            }
        }
    }

    fn reached(&mut self, process: Process, key: &str, revision: Revision) {
        let of = (process, Text::from(key));
        if self.unheard.get(&of).is_some_and(|(_, last)| *last <= revision) {
            self.forget(&of);
        }
    }

    fn forget(&mut self, of: &(Process, Text)) {
        if let Some((since, _)) = self.unheard.remove(of) {
            self.due.remove(&(since + self.bound, of.0, of.1.clone()));
        }
    }

    fn of(&self, process: Process, prefix: &str) -> Vec<(Process, Text)> {
        let from = (process, Text::from(prefix));
        let all = self.unheard.range(from..).map(|(of, _)| of);
        all.take_while(|(of, key)| *of == process && key.starts_with(prefix)).cloned().collect()
    }

    fn judge(&mut self, now: Time, found: &mut Findings) {
        while let Some((at, process, key)) = self.due.first().filter(|(at, ..)| *at <= now).cloned() {
            self.due.pop_first();
            let of = (process, key);
            let Some((since, revision)) = self.unheard.remove(&of) else { continue };
            let able = self.unreachable.get(&process).copied().unwrap_or_default().max(self.trouble_until);
            if able > since {
                self.unheard.insert(of.clone(), (able, revision));
                self.due.insert((able + self.bound, of.0, of.1));
            } else {
                let (process, key) = of;
                let what = format!(
                    "{:?} {} has not heard of {key} for {}",
                    process.role,
                    process.index,
                    at.since(since)
                );
                found.blame("L9", what);
            }
        }
    }
}

impl Check for Views {
    fn heard(&mut self, to: Process, reply: &Reply) {
        match reply {
            Reply::Listed { prefix, result: Ok(listing) } => {
                if prefix.ends_with('/') {
                    self.followers.entry(prefix.clone()).or_default().insert(to);
                }
                for of in self.of(to, prefix) {
                    if self.unheard.get(&of).is_some_and(|(_, last)| *last <= listing.revision) {
                        self.forget(&of);
                    }
                }
            }
            Reply::Changed { changes, .. } => {
                changes.iter().for_each(|change| self.reached(to, change.key(), change.revision()));
            }
            Reply::Listed { .. }
            | Reply::SessionOpened(_)
            | Reply::SessionRenewed(..)
            | Reply::WatchEnded { .. }
            | Reply::Done { .. } => {}
        }
    }

    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        self.judge(seen.book.now, found);
        for write in seen.writes {
            self.changed(seen.book.now, &write.key, write.revision);
        }
    }

    fn fault(&mut self, _book: &Book, fault: &Fault) {
        match fault {
            Fault::Ended(process) => {
                self.followers.values_mut().for_each(|processes| {
                    processes.remove(process);
                });
                self.of(*process, "").iter().for_each(|of| self.forget(of));
                self.unreachable.remove(process);
            }
            Fault::Unreachable { process, until } => {
                let before = self.unreachable.entry(*process).or_default();
                *before = (*before).max(*until);
            }
            Fault::Trouble { until } | Fault::Outage { until } => {
                self.trouble_until = self.trouble_until.max(*until);
            }
            Fault::Amnesia => {
                self.unheard.clear();
                self.due.clear();
            }
            Fault::HostDown(_) | Fault::ClockJumped(_) | Fault::Unfit { .. } => {}
        }
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        self.judge(end.book.now, found);
    }
}
