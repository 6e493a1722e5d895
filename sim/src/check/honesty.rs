//! S40: whatever waits, is told to stop, or has failed, says why.

use super::record::{Place, Text};
use super::{Book, By, Check, End, Findings, Seen};

/// Looks at the reasons that are written down, and at the end at those that a scheduler tells when asked.
#[derive(Clone)]
pub(crate) struct Honesty;

impl Check for Honesty {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        for write in seen.writes {
            match (&write.place, &seen.by) {
                (Place::Task(id), By::Scheduler) => {
                    let record = write.task_after.as_ref();
                    if record.is_some_and(|record| record.reason.trim().is_empty()) {
                        found.blame("S40", format!("{id} does not say why it is where it is, or shall stop"));
                    }
                }
                (Place::Status { host, id }, By::Agent(_)) => judge_word(seen.book, host, id, found),
                (_, By::Agent(_) | By::Scheduler | By::User | By::Stranger | By::Session) => {}
            }
        }
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        for (service, page) in &end.book.services {
            let Some(record) = page.record.as_ref().filter(|_| end.book.is_wanted(service)) else { continue };
            let (issued, target) = (page.issued.len(), record.target() as usize);
            let Some(reasons) = &end.reasons else { return };
            let reason = reasons.get(service);
            if end.calm >= end.settle && issued.max(page.healthy as usize) < target && reason.is_none() {
                found.blame(
                    "S40",
                    format!("{issued} of {target} tasks of {service} are issued, and nobody says why"),
                );
            }
            if reason.is_some_and(|reason| reason.trim().is_empty()) {
                found.blame("S40", format!("the reason why tasks of {service} wait is empty"));
            }
        }
    }
}

fn judge_word(book: &Book, host: &Text, id: &Text, found: &mut Findings) {
    let status = book.hosts.get(host).and_then(|page| page.statuses.get(id));
    let Some(status) = status.map(|status| &status.record) else { return };
    let says = status.reason.as_ref().is_some_and(|reason| !reason.trim().is_empty());
    if (status.is_unhealthy() || status.has_failed()) && !says {
        found.blame(
            "S40",
            format!("{id} on {host} is {:?} {:?}, and nobody says why", status.phase, status.health),
        );
    }
}
