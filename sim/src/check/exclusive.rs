//! S15: of an exclusive service never two tasks live at a time, whatever host they are on and whoever hears of it.

use super::record::Text;
use super::{Alive, Book, Check, Findings};

/// Looks at what is born.
#[derive(Clone)]
pub(crate) struct Exclusive;

impl Check for Exclusive {
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
