//! Double: after a store forgot what runs, no service has more healthy tasks than its `max` for long.

use super::record::{KindRecord, Text};
use super::{Book, Check, End, Fault, Findings, Seen};
use callboard_core::machine::{Span, Time};
use std::collections::BTreeMap;

/// Remembers since when services have too many.
#[derive(Clone, Default)]
pub(crate) struct Surplus {
    since: BTreeMap<Text, Time>,
    trouble_until: Time,
}

/// How long it may take: agents say what runs, what is of use is adopted, the rest goes once enough others work.
const BOUND: Span = Span::secs(240);

impl Surplus {
    fn judge(&mut self, book: &Book, found: &mut Findings) {
        if book.amnesia.is_none() {
            return;
        }
        for (service, page) in &book.services {
            let is_other = page.record.as_ref().is_some_and(|record| record.kind != KindRecord::Service);
            let max = page.record.as_ref().map_or(0, |record| record.max);
            let healthy = || page.healthy.saturating_sub(book.homeless_of(service));
            if is_other || page.healthy <= max || healthy() <= max || !book.is_wanted(service) {
                self.since.remove(service);
                continue;
            }
            let since = *self.since.entry(service.clone()).or_insert(book.now);
            let lasting = book.now.since(since.max(self.trouble_until));
            // What was told to stop goes on for as long as too few others do their work.
            if lasting > Span(BOUND.0 + book.lag.0) && !book.is_kept(service, BOUND) {
                let what =
                    format!("{service} has {} healthy tasks for {lasting}, its max is {max}", page.healthy);
                found.blame("double", what);
                self.since.remove(service);
            }
        }
    }
}

impl Check for Surplus {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        self.judge(seen.book, found);
    }

    fn fault(&mut self, _book: &Book, fault: &Fault) {
        match fault {
            Fault::Trouble { until } | Fault::Outage { until } => {
                self.trouble_until = self.trouble_until.max(*until);
            }
            Fault::HostDown(_)
            | Fault::Unfit { .. }
            | Fault::Amnesia
            | Fault::Ended(_)
            | Fault::ClockJumped { .. }
            | Fault::Unreachable { .. } => {}
        }
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        self.judge(end.book, found);
    }
}
