//! S7: a plan that takes several transactions is safe after each of them. All other checkers judge the store after each
//! transaction, as if there were no next one; this one finds permissions to stop that are counted down only in the next.

use super::record::Place;
use super::{By, Check, Findings, Seen};
use std::collections::BTreeSet;

/// Looks at what else is in a transaction that stops what works.
#[derive(Clone)]
pub(crate) struct Prefix;

impl Check for Prefix {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        if seen.by != By::Scheduler {
            return;
        }
        let written: BTreeSet<&Place> = seen.writes.iter().map(|write| &write.place).collect();
        // The next scheduler, and the agents, count on what is said to be left.
        for task in seen.ended().filter(|task| seen.book.surely_confirmed(task)) {
            let state = seen.book.services.get(&task.service).and_then(|page| page.state.as_ref());
            let left =
                seen.book.tasks_of(&task.service).filter(|it| it.runs() && seen.book.confirmed(it)).count()
                    + seen.book.unreadable_of(&task.service);
            let counts_it = state.is_some_and(|state| state.available as usize > left);
            if counts_it && !written.contains(&Place::ServiceState(task.service.clone())) {
                found
                    .blame("S7", format!("{} shall stop, and is still counted as one that is left", task.id));
            }
        }
    }
}
