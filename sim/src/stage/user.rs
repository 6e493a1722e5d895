//! Users: they write what they want, and when the store does not take it they try again.

use super::{Stage, Wish};
use crate::check::By;
use crate::event::Event;
use callboard_core::machine::Span;
use callboard_core::store::{Guard, Op, Outcome, Txn};

impl Stage {
    /// Takes a user's wish and grants it as soon as the store takes writes.
    pub(super) fn wish(&mut self, key: String, wish: Wish) {
        self.wishes.push((key, wish));
        self.grant_wishes();
    }

    /// Writes what users want, in the order in which they wanted it.
    pub(super) fn grant_wishes(&mut self) {
        let now = self.now();
        if !self.store.takes_puts(now) {
            self.queue.push(now + Span::secs(1), Event::UserRetry);
            return;
        }
        for (key, wish) in std::mem::take(&mut self.wishes) {
            let found = self.store.memory.get(&key).cloned();
            let guard = match &found {
                Some(entry) => Guard::At { key: key.clone(), revision: entry.revision },
                None => Guard::Absent { key: key.clone() },
            };
            let put = |value: String| Op::Put { key: key.clone(), value, session: None };
            let op = match (wish, found) {
                (Wish::Put(value), _) => put(value),
                (Wish::Set(change), Some(entry)) => match change.apply(&entry.value) {
                    Some(value) => put(value),
                    None => continue,
                },
                (Wish::Delete, Some(_)) => Op::Delete { key },
                (Wish::Delete | Wish::Set(_), None) => continue,
            };
            let txn = Txn { guards: vec![guard], ops: vec![op] };
            let (outcome, deliveries) = self.store.memory.commit(&txn);
            debug_assert!(matches!(outcome, Outcome::Committed(_)), "a user's wish was refused: {outcome:?}");
            self.publish(By::User, Some(&txn), deliveries);
        }
    }
}
