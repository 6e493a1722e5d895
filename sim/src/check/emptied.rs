//! S35: a drained host counts as empty, and is shown so, only when nothing of ours lives there: the record of what lives
//! there stays.

use super::record::Place;
use super::{By, Check, Findings, Seen};

/// Looks at what is taken away from drained hosts.
#[derive(Clone)]
pub(crate) struct Emptied;

impl Check for Emptied {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        if seen.by != By::Scheduler {
            return;
        }
        for write in seen.writes.iter().filter(|write| write.deleted) {
            let (Place::Twin { host, id }, Some(before)) = (&write.place, &write.task_before) else {
                continue;
            };
            let page = seen.book.hosts.get(host);
            let drains =
                page.is_some_and(|page| page.draining_since.is_some() && page.registration.is_some());
            if drains && seen.book.still_lives(host, before) {
                found.blame("S35", format!("{host} is drained, and {id} lives there without a record"));
            }
        }
    }
}
