//! S40: whatever waits, is told to stop, or has failed, says why.

use super::record::{Place, RolloutRecord, Text};
use super::{Book, By, Check, End, Findings, Seen, ServicePage};
use callboard_core::machine::Span;

/// How long a scheduler may take from one look at a service to the next.
const A_LOOK: Span = Span::secs(5);

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
            if end.calm >= end.settle
                && issued.max(page.healthy as usize) < target
                && reason.is_none()
                && !waits_its_turn(end.book, page)
                && !is_being_replaced(end.book, service)
            {
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

/// Tells whether a task was told to stop, or taken away, so lately that nobody may have looked for its successor.
fn is_being_replaced(book: &Book, service: &Text) -> bool {
    let lately = |at| book.now.since(at) <= Span(A_LOOK.0 + book.lag.0);
    book.ended.iter().any(|((id, _), at)| lately(*at) && book.meant.get(id) == Some(service))
}

/// Tells whether a rollout says what the missing wait for: a version that has not worked before comes step by step, and as
/// many of its tasks as may be are on their way, each with a status that says how far it is.
fn waits_its_turn(book: &Book, page: &ServicePage) -> bool {
    let (Some(record), Some(state)) = (&page.record, &page.state) else { return false };
    let version = record.task_version;
    let on_trial = state.version == version && state.stable.is_some_and(|stable| stable != version);
    let proven = |since| book.now.since(since) > Span(record.proof().0 + book.lag.0);
    let on_the_way = page.issued.iter().filter_map(|id| book.tasks.get(id)).filter(|task| {
        let healthy_since = book.status(task).and_then(|status| status.healthy_since);
        task.version == version && !healthy_since.is_some_and(proven)
    });
    state.rollout == RolloutRecord::Running
        && on_trial
        && on_the_way.count() >= book.parallel(record) as usize
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
