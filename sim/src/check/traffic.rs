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
        let is_calm = *since >= book.calm_from + AFTER;
        let (promise, most) = if is_calm { ("L17", STEADY) } else { ("L16", MOST) };
        if *count >= most && *count >= most.saturating_add(share(book, from.role)) {
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

/// Gives how much more a process asks for the tasks that it looks after: of each it says what becomes of it, and an agent
/// asks again and again whether it may stop what was told to stop. Machines that are packed have many.
fn share(book: &Book, role: Role) -> u32 {
    let tasks = match role {
        Role::Scheduler => book.tasks.len(),
        Role::Agent => book.hosts.values().map(|page| page.twins.len() * 4).max().unwrap_or(0),
    };
    u32::try_from(tasks).unwrap_or(u32::MAX)
}
