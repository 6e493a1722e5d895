//! S15: of an exclusive service never two tasks live at a time, whatever host they are on and whoever hears of it.

use super::record::{Place, Text};
use super::{Alive, Book, By, Check, Fault, Findings, Seen};
use callboard_core::machine::Time;
use std::collections::BTreeMap;

/// Looks at what is born, and at what is issued beside what hosts say that the store forgot.
#[derive(Clone, Default)]
pub(crate) struct Exclusive {
    /// Since when hosts say that they run something without a record.
    said: BTreeMap<(Text, Text), Time>,
}

impl Check for Exclusive {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        let book = seen.book;
        for write in seen.writes {
            if let Place::Orphan { host, id } = &write.place {
                let key = (host.clone(), id.clone());
                if write.deleted {
                    self.said.remove(&key);
                } else {
                    self.said.entry(key).or_insert(book.now);
                }
            }
        }
        for task in seen.created().filter(|task| seen.by == By::Scheduler && !book.goes_on(task)) {
            let asks = book.services.get(&task.service).and_then(|page| page.record.as_ref());
            if !asks.is_some_and(|record| record.exclusive) {
                continue;
            }
            let mut said = self.said.iter().filter(|((host, id), at)| {
                let is_known =
                    book.now.since(**at) > book.ignorance() && book.meant.get(id) == Some(&task.service);
                is_known
                    && (host, id) != (&task.host, &task.id)
                    && book.live.contains_key(&(host.clone(), id.clone()))
            });
            if let Some(((host, id), _)) = said.next() {
                found
                    .blame("S15", format!("{} was issued, though {host} says that {id} runs there", task.id));
            }
        }
    }

    fn fault(&mut self, _book: &Book, fault: &Fault) {
        if matches!(fault, Fault::Amnesia) {
            self.said.clear();
        }
    }

    fn born(&mut self, book: &Book, host: &Text, id: &Text, alive: &Alive, found: &mut Findings) {
        let Some(service) = book.meant.get(id) else { return };
        let Some(page) = book.services.get(service) else { return };
        let asks = page.record.as_ref().is_some_and(|record| record.exclusive)
            && page.before.as_ref().is_none_or(|(record, _)| record.exclusive);
        // What a store has forgotten, or somebody has taken out of it by hand, nobody can wait for.
        if !asks || book.amnesia.is_some() {
            return;
        }
        for ((of, other), list) in
            book.live.iter().filter(|((_, other), _)| book.meant.get(other) == Some(service))
        {
            if list.iter().any(|it| (of, other, it.pid) != (host, id, alive.pid)) {
                found.blame("S15", format!("{id} lives on {host}, and {other} of {service} on {of}"));
            }
        }
    }
}
