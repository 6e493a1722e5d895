//! S29: a host that says it cannot start anything gets nothing new; what runs there goes on, as S16 and S26 say.

use super::record::{Place, Text};
use super::{By, Check, Fault, Findings, Seen};
use callboard_core::machine::Time;
use std::collections::BTreeMap;

/// Remembers since when hosts say that they are unfit.
#[derive(Clone, Default)]
pub(crate) struct Unfit {
    since: BTreeMap<Text, Time>,
}

impl Check for Unfit {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        let book = seen.book;
        for write in seen.writes {
            let Place::Usage(host) = &write.place else { continue };
            let usage = book.hosts.get(host).and_then(|page| page.usage.as_ref());
            if usage.is_some_and(|usage| usage.unfit.is_some()) {
                self.since.entry(host.clone()).or_insert(book.now);
            } else {
                self.since.remove(host);
            }
        }
        if seen.by != By::Scheduler || self.since.is_empty() || book.trouble_until > book.now {
            return;
        }
        for task in seen.created().filter(|task| !book.goes_on(task)) {
            let known = self.since.get(&task.host).filter(|since| book.now.since(**since) > book.lag);
            if known.is_some() {
                found.blame("S29", format!("{} came to {}, which says it is unfit", task.id, task.host));
            }
        }
    }

    fn fault(&mut self, _book: &super::Book, fault: &Fault) {
        if matches!(fault, Fault::Amnesia) {
            self.since.clear();
        }
    }
}
