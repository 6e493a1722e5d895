//! S23: when many hosts fall silent at once their tasks are replaced slowly, and when all do, not at all; and none is given
//! up that was silent for less than its fleet is patient.

use super::record::{Place, TaskRecord, Text};
use super::{By, Check, Findings, Seen};
use callboard_core::machine::{Span, Time};
use std::collections::{BTreeMap, VecDeque};

/// Remembers which silent hosts had tasks taken from them, and when.
#[derive(Clone, Default)]
pub(crate) struct Brake {
    given_up: VecDeque<(Time, Text)>,
    /// Since when each host was silent when it was given up.
    known: BTreeMap<Text, Time>,
    /// When each host was last heard of again.
    back: BTreeMap<Text, Time>,
    /// When locks changed hands: who takes over has a brake of its own.
    changes: VecDeque<Time>,
    /// When users last changed a cluster, and with it perhaps how patient it is.
    configured: Time,
}

const WINDOW: Span = Span::secs(60);
/// How long hosts that fell silent say that something is wrong.
const OF_LATE: Span = Span::secs(600);
/// The time from one to the next that is given up while many are silent, by a clock that may go too fast by a tenth.
const PACE: Span = Span::secs(9);
/// What comes and goes more often than this may be taken for silent all the time.
const FLAPPING: Span = Span::secs(180);

impl Check for Brake {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        let (now, lag) = (seen.book.now, seen.book.lag);
        for write in seen.writes {
            if let Place::Lock(_) = write.place {
                self.changes.push_back(now);
            } else if let Place::Cluster(_) = write.place {
                self.configured = now;
            } else if let Place::Alive(host) = &write.place
                && !write.deleted
            {
                self.back.insert(host.clone(), now);
            }
        }
        if seen.by != By::Scheduler {
            return;
        }
        let mut fresh: Vec<Text> = Vec::new();
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
                fresh.push(task.host.clone());
            }
        }
        if fresh.is_empty() {
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
        if count > 10.max(hosts / 50) + 60 {
            found.blame(
                "S23",
                format!("{count} hosts were given up within a minute, {silent} of {hosts} are silent"),
            );
        }
        self.judge(seen, &fresh, found);
    }
}

impl Brake {
    /// Looks at how patient whoever gave up these hosts was.
    fn judge(&mut self, seen: &Seen<'_>, fresh: &[Text], found: &mut Findings) {
        let (book, now) = (seen.book, seen.book.now);
        while self.changes.front().is_some_and(|at| now.since(*at) > OF_LATE) {
            self.changes.pop_front();
        }
        let calm = now.since(self.configured).0 > FLAPPING.0 + book.lag.0;
        let calm = calm && book.amnesia.is_none_or(|at| now.since(at) > OF_LATE);
        let grace = book.clusters.values().map(|cluster| cluster.grace()).max().filter(|_| calm);
        let Some(grace) = grace.map(|grace| Span(grace.0 * 9 / 10)) else { return };
        let steady = |host: &Text, since: Time| {
            let back = self.back.get(host).copied().unwrap_or_default();
            since.since(back) > Span(FLAPPING.0 + book.ignorance().0)
        };
        for host in fresh {
            let since = self.known.get(host).copied().unwrap_or_default();
            if now.since(since) < grace && steady(host, since) {
                let what = format!("{host} was given up after {} of silence", now.since(since));
                found.blame("S23", what);
            }
        }
        let silent = || {
            let pages = book.hosts.iter().filter(|(_, page)| page.registration.is_some() && !page.alive);
            pages.map(|(host, page)| (host, page.alive_since))
        };
        let given_up: Vec<(&Text, Time)> =
            silent().filter(|(host, since)| self.known.get(*host) == Some(since)).collect();
        let Some(first) = given_up.iter().map(|(_, since)| *since + grace).min() else { return };
        let of_late = |since: Time| since + book.lag <= first && now.since(since) < OF_LATE;
        let many = silent().filter(|(_, since)| of_late(*since)).count();
        let hosts = book.hosts.values().filter(|page| page.registration.is_some()).count();
        let changes = self.changes.iter().filter(|at| **at >= first).count();
        let paced = (now.since(first).0 + book.ignorance().0) / PACE.0;
        let most = 2 + changes + usize::try_from(paced).unwrap_or(usize::MAX);
        let all_steady = given_up.iter().all(|(host, since)| steady(host, *since));
        if many >= 3 && many * 3 > hosts && given_up.len() > most && all_steady {
            let count = given_up.len();
            let what = format!("{count} hosts were given up in haste, {many} of {hosts} fell silent");
            found.blame("S23", what);
        }
    }
}

/// Tells whether users wanted fewer tasks, another version, or none: then a task may go whatever its host does, and
/// nothing comes in its place.
fn was_asked_for(seen: &Seen<'_>, task: &TaskRecord) -> bool {
    let Some(page) = seen.book.services.get(&task.service) else { return true };
    let Some(record) = page.record.as_ref().filter(|_| seen.book.is_at_home(task)) else { return true };
    let replaced = seen.created().any(|new| new.service == task.service);
    let surplus = page.issued.len() >= record.target() as usize && !replaced;
    surplus || record.task_version != task.version
}
