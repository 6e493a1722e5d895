//! L4: the tasks of a host that failed are not left there, unless so many failed that haste would be wrong.

use super::page::HostPage;
use super::record::{TaskRecord, Text};
use super::{Book, Check, End, Fault, Findings, Seen, room};
use callboard_core::machine::{Span, Time};
use std::collections::VecDeque;

/// Remembers hosts that failed until their tasks must be gone.
#[derive(Clone)]
pub(crate) struct Replacement {
    outlives: Span,
    due: VecDeque<Due>,
    trouble_until: Time,
}

/// When the tasks of a host are to be gone.
#[derive(Clone)]
struct Due {
    at: Time,
    host: Text,
    failed: Time,
    /// It was looked at before, and one was left: there may have been room for it only just.
    again: bool,
}

/// How long a host must have been silent beyond its grace to be given up for certain: the pace at which hosts are given
/// up, planning.
const PACE: Span = Span::secs(90);
/// How long it may take until a place that has become free is taken.
const NOTICE: Span = Span::secs(20);

impl Replacement {
    pub(crate) fn new(outlives: Span) -> Replacement {
        // Until its session ends, and then the rest.
        Replacement { outlives: Span(outlives.0 * 2), due: VecDeque::new(), trouble_until: Time(0) }
    }

    fn judge(&mut self, book: &Book, found: &mut Findings) {
        let pace = pace(book);
        while self.due.front().is_some_and(|due| due.at <= book.now) {
            let Some(due) = self.due.pop_front() else { return };
            let Some(page) = book.hosts.get(&due.host) else { continue };
            let since = due.failed;
            let silent_for = book.now.since(page.alive_since);
            let undisturbed = self.trouble_until <= since && !page.alive && silent_for >= pace;
            let hosts = book.hosts.values().filter(|page| page.registration.is_some()).count();
            // One that is back only just was among the silent while hosts were to be given up.
            let is_silent = |page: &HostPage| !page.alive || book.now.since(page.alive_since) < pace;
            let registered = book.hosts.values().filter(|page| page.registration.is_some());
            let silent = registered.filter(|page| is_silent(page)).count();
            // One that must be alone waits for the word of its host.
            let is_alone = |service: &Text| {
                let record = book.services.get(service).and_then(|page| page.record.as_ref());
                record.is_some_and(|record| record.exclusive)
            };
            // What fits nowhere is left alone: its host may yet come back.
            let fits = |twin: &TaskRecord| {
                let record = book.services.get(&twin.service).and_then(|page| page.record.as_ref());
                record.is_none_or(|record| room::host_for(book, record).is_some())
            };
            let left = page
                .twins
                .values()
                .find(|twin| twin.runs() && !is_alone(&twin.service) && (!undisturbed || fits(twin)));
            let Some(left) = left.filter(|_| undisturbed && silent * 3 <= hosts) else { continue };
            if due.again {
                let what = format!("{} is still issued to {}, which failed long ago", left.id, due.host);
                found.blame("L4", what);
            } else {
                let at = book.now + Span(NOTICE.0 + book.lag.0);
                let place = self.due.partition_point(|other| other.at <= at);
                self.due.insert(place, Due { at, again: true, ..due });
            }
        }
    }
}

/// Gives how long the most patient cluster may take with a silent host.
fn pace(book: &Book) -> Span {
    let grace = book.clusters.values().map(|cluster| cluster.grace()).max();
    Span(PACE.0 + grace.unwrap_or(Span::secs(30)).0)
}

impl Check for Replacement {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        self.judge(seen.book, found);
    }

    fn fault(&mut self, book: &Book, fault: &Fault) {
        match fault {
            Fault::HostDown(host) => {
                let (at, failed) = (book.now + self.outlives + pace(book), book.now);
                let place = self.due.partition_point(|other| other.at <= at);
                self.due.insert(place, Due { at, host: host.clone(), failed, again: false });
            }
            Fault::Trouble { until } | Fault::Outage { until } => {
                self.trouble_until = self.trouble_until.max(*until);
            }
            Fault::Amnesia => self.due.clear(),
            Fault::Ended(_) | Fault::ClockJumped { .. } | Fault::Unreachable { .. } | Fault::Unfit { .. } => {
            }
        }
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        self.judge(end.book, found);
    }
}
