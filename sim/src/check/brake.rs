//! S23: when many hosts fall silent at once their tasks are replaced slowly, and when all do, not at all.

use super::record::{TaskRecord, Text};
use super::{By, Check, Findings, Seen};
use callboard_core::machine::{Span, Time};
use std::collections::{BTreeMap, VecDeque};

/// Remembers which silent hosts had tasks taken from them, and when.
#[derive(Clone, Default)]
pub(crate) struct Brake {
    given_up: VecDeque<(Time, Text)>,
    known: BTreeMap<Text, Time>,
}

const WINDOW: Span = Span::secs(60);

impl Check for Brake {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        if seen.by != By::Scheduler {
            return;
        }
        let (now, lag) = (seen.book.now, seen.book.lag);
        let mut grew = false;
        for task in seen.ended() {
            let Some(page) = seen.book.hosts.get(&task.host) else { continue };
            if was_asked_for(seen, task) {
                continue;
            }
            if page.alive || now.since(page.alive_since) <= lag || page.draining_since.is_some() {
                continue;
            }
            if self.known.insert(task.host.clone(), page.alive_since) != Some(page.alive_since) {
                self.given_up.push_back((now, task.host.clone()));
                grew = true;
            }
        }
        if !grew {
            return;
        }
        while self.given_up.front().is_some_and(|(at, _)| now.since(*at) > WINDOW) {
            self.given_up.pop_front();
        }
        let pages = || seen.book.hosts.values().filter(|page| page.registration.is_some());
        let hosts = pages().count();
        let silent = pages().filter(|page| !page.alive && now.since(page.alive_since) > lag).count();
        let count = self.given_up.len();
        // The last of them must have been silent long enough for everybody to have settled on it.
        let settled = pages().all(|page| now.since(page.alive_since).0 > lag.0 + 15_000);
        if hosts >= 3 && silent == hosts && settled {
            found.blame("S23", format!("{count} hosts were given up though all {hosts} are silent"));
        }
        let mut most = 10.max(hosts / 50) + 60;
        if silent >= 3 && silent * 2 > hosts {
            most = 10.max(hosts / 50) + 12;
        }
        if count > most {
            found.blame(
                "S23",
                format!("{count} hosts were given up within a minute, {silent} of {hosts} are silent"),
            );
        }
    }
}

/// Tells whether users wanted fewer tasks, another version, or none: then a task may go whatever its host does, and
/// nothing comes in its place.
fn was_asked_for(seen: &Seen<'_>, task: &TaskRecord) -> bool {
    let Some(page) = seen.book.services.get(&task.service) else { return true };
    let Some(record) = &page.record else { return true };
    let replaced = seen.created().any(|new| new.service == task.service);
    let surplus = page.issued.len() >= record.target() as usize && !replaced;
    surplus || record.task_version != task.version
}
