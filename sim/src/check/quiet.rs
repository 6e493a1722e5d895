//! L2: once everything is as it shall be, nobody changes anything any more.

use super::convergence::is_rolling;
use super::{Check, End, Findings, Seen, ServicePage};
use callboard_core::machine::{Span, Time};

/// Remembers the last change of state.
#[derive(Clone, Default)]
pub(crate) struct Quiet {
    last: Option<(Time, String)>,
}

/// How long nothing may change at the end.
const QUIET: Span = Span::secs(30);

impl Check for Quiet {
    fn committed(&mut self, seen: &Seen<'_>, _found: &mut Findings) {
        if let Some(write) = seen.writes.iter().find(|write| write.key.starts_with("state/")) {
            self.last = Some((seen.book.now, write.key.clone()));
        }
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        let Some((at, key)) = self.last.as_ref().filter(|_| end.calm >= end.settle) else { return };
        // Where answers get lost, sessions do, and who was not heard of for a while counts anew.
        let heard = end.book.hosts.values().all(|page| end.book.now.since(page.alive_since).0 > QUIET.0 * 2);
        // An update may still go its way, one task after the other.
        let rolls = |page: &ServicePage| {
            page.record.as_ref().is_some_and(|record| is_rolling(end.book, page, record))
        };
        if end.book.services.values().any(rolls) {
            return;
        }
        if end.unsound.is_empty() && heard && end.book.now.since(*at) < QUIET {
            found.blame("L2", format!("{key} was still changed at the end"));
        }
    }
}
