//! L9: what a machine believes of the store is what the store holds, but for a minute: whatever is committed under a prefix
//! that a machine follows reaches it, by a watch or a listing, however its watches misbehave.

use super::record::Text;
use super::{Book, Check, End, Fault, Findings, Seen};
use crate::event::Process;
use callboard_core::machine::{Span, Time};
use callboard_core::store::{Reply, Revision};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Remembers who follows what, and what has not reached whom yet.
#[derive(Clone)]
pub(crate) struct Views {
    bound: Span,
    /// Prefixes that were listed to be followed, and by whom.
    followers: HashMap<String, BTreeSet<Process>>,
    /// The same by who follows.
    followed: BTreeMap<Process, BTreeSet<String>>,
    /// When the first change of a key was committed of which a process has not heard, and the last such change.
    unheard: BTreeMap<Process, BTreeMap<Text, (Time, Revision)>>,
    /// None of these is late before.
    soonest: Time,
    /// Until when a process hears nothing.
    unreachable: BTreeMap<Process, Time>,
    trouble_until: Time,
}

impl Views {
    /// `bound` is how long a change may take to a machine that can hear.
    pub(crate) fn new(bound: Span) -> Views {
        Views {
            bound,
            followers: HashMap::new(),
            followed: BTreeMap::new(),
            unheard: BTreeMap::new(),
            soonest: NEVER,
            unreachable: BTreeMap::new(),
            trouble_until: Time(0),
        }
    }

    fn follows(&mut self, process: Process, prefix: &str) {
        let followed = self.followed.entry(process).or_default();
        if !followed.contains(prefix) {
            followed.insert(prefix.into());
            self.followers.entry(prefix.into()).or_default().insert(process);
        }
    }

    fn changed(&mut self, now: Time, key: &str, revision: Revision) {
        let path: Text = key.into();
        for (at, _) in key.match_indices('/') {
            for process in self.followers.get(&key[..=at]).into_iter().flatten() {
                let unheard = self.unheard.entry(*process).or_default();
                let (since, last) = unheard.entry(path.clone()).or_insert((now, revision));
                *last = revision;
                self.soonest = self.soonest.min(*since + self.bound);
            }
        }
    }

    fn reached(&mut self, process: Process, key: &str, revision: Revision) {
        let Some(unheard) = self.unheard.get_mut(&process) else { return };
        if unheard.get(key).is_some_and(|(_, last)| *last <= revision) {
            unheard.remove(key);
        }
    }

    fn judge(&mut self, now: Time, found: &mut Findings) {
        if now < self.soonest {
            return;
        }
        let (mut late, bound) = (Vec::new(), self.bound);
        self.soonest = NEVER;
        for (process, unheard) in &mut self.unheard {
            let able = self.unreachable.get(process).copied().unwrap_or_default().max(self.trouble_until);
            unheard.retain(|key, (since, _)| {
                if *since + bound <= now {
                    *since = able.max(*since);
                }
                let at = *since + bound;
                if at > now {
                    self.soonest = self.soonest.min(at);
                } else {
                    late.push((at, *process, key.clone()));
                }
                at > now
            });
        }
        late.sort();
        for (_, process, key) in late {
            let (role, index) = (process.role, process.index);
            found.blame("L9", format!("{role:?} {index} has not heard of {key} for {bound}"));
        }
    }
}

/// Later than anything.
const NEVER: Time = Time(u64::MAX);

impl Check for Views {
    fn heard(&mut self, to: Process, reply: &Reply) {
        match reply {
            Reply::Listed { prefix, result: Ok(listing) } => {
                if prefix.ends_with('/') {
                    self.follows(to, prefix);
                }
                if let Some(unheard) = self.unheard.get_mut(&to) {
                    let reaches = |last: Revision| last <= listing.revision;
                    unheard.retain(|key, (_, last)| !(reaches(*last) && key.starts_with(prefix.as_str())));
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
                for prefix in self.followed.remove(process).into_iter().flatten() {
                    if let Some(followers) = self.followers.get_mut(&prefix) {
                        followers.remove(process);
                    }
                }
                self.unheard.remove(process);
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
            }
            Fault::HostDown(_) | Fault::ClockJumped { .. } | Fault::Unfit { .. } => {}
        }
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        self.judge(end.book.now, found);
    }
}
