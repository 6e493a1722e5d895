//! L16: a store that cannot do what it is asked is not asked more for it. L17: once it can again, or nothing goes wrong any
//! more, everybody soon asks as little as ever.

use super::{Book, Check, Findings};
use crate::event::{Process, Role};
use callboard_core::machine::{Span, Time};
use callboard_core::store::Request;
use std::collections::BTreeMap;

/// Counts what each process asks, minute by minute.
#[derive(Clone, Default)]
pub(crate) struct Traffic {
    asked: BTreeMap<Process, (Time, u32)>,
}

const MINUTE: Span = Span::secs(60);
/// How long after the last fault everything is as ever.
const AFTER: Span = Span::secs(120);
/// The most that a process asks within a minute, whatever goes wrong.
const MOST: u32 = 300;
/// The most when nothing does.
const STEADY: u32 = 100;

impl Check for Traffic {
    fn asked(&mut self, book: &Book, from: Process, _request: &Request, found: &mut Findings) {
        let (since, count) = self.asked.entry(from).or_insert((book.now, 0));
        if book.now.since(*since) >= MINUTE {
            (*since, *count) = (book.now, 0);
        }
        *count += 1;
        // What becomes of its tasks a process says as well.
        let share = match from.role {
            Role::Scheduler => 1,
            Role::Agent => book.hosts.len().div_ceil(4).max(1),
        };
        let more = u32::try_from(book.tasks.len() / share).unwrap_or(u32::MAX);
        let is_calm = *since >= book.calm_from + AFTER;
        let (promise, most) = if is_calm { ("L17", STEADY) } else { ("L16", MOST) };
        let most = most.saturating_add(more);
        if *count >= most {
            let what = format!(
                "{:?} {} asked {count} times within {}",
                from.role,
                from.index,
                book.now.since(*since)
            );
            *count = 0;
            found.blame(promise, what);
        }
    }
}
