//! L15: while the store is away, and because of that, no task is restarted.

use super::record::Text;
use super::{Alive, Book, Check, Fault, Findings};
use callboard_core::machine::{Span, Time};
use callboard_core::work::{Order, Run};
use std::collections::BTreeSet;

/// Remembers when the store was away.
#[derive(Clone, Default)]
pub(crate) struct Outage {
    window: Option<(Time, Time)>,
    /// What was stopped since it was not known to be there, or was said to be ill.
    tidied: BTreeSet<Run>,
}

impl Check for Outage {
    fn ordered(&mut self, book: &Book, host: &Text, order: &Order, _found: &mut Findings) {
        if let Order::Stop { run, .. } = order
            && (book.is_misled(host) || book.is_deceived(host))
        {
            self.tidied.insert(run.clone());
        }
    }

    fn gone(
        &mut self,
        book: &Book,
        host: &Text,
        id: &Text,
        alive: &Alive,
        ordered: bool,
        found: &mut Findings,
    ) {
        let Some((from, until)) = self.window else { return };
        let within = book.now >= from && book.now <= until + Span::secs(60);
        let told = book.is_ended(id, alive.generation) || book.is_forgotten(id, alive);
        let run = Run { id: id.clone(), generation: alive.generation, attempt: alive.attempt };
        let ran = book.now.since(alive.since);
        let worked = alive.healthy && ran >= Span::secs(60);
        // By a clock that may go too fast by a tenth it may have run for as long as it may.
        let is_due = alive.limit.is_some_and(|limit| book.now.since(alive.ordered).0 * 11 >= limit.0 * 10);
        if within && ordered && !told && worked && !is_due && !self.tidied.contains(&run) {
            found.blame("L15", format!("{id} on {host} was stopped because the store was away"));
        }
    }

    fn fault(&mut self, book: &Book, fault: &Fault) {
        if let Fault::Outage { until } = fault {
            self.window = Some((book.now, *until));
        }
    }
}
