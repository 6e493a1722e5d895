//! L23: a try that runs for longer than its time limit is told to stop soon, whatever became of its agent meanwhile.

use super::record::Text;
use super::{Alive, Book, Check, End, Findings, Seen};
use callboard_core::machine::{Span, Time};
use callboard_core::work::Order;
use std::collections::BTreeMap;

/// A start: host, id, placement, and which start of it.
type Start = (Text, Text, u64, u32);

/// Remembers until when what lives may run, and how long that is.
#[derive(Clone, Default)]
pub(crate) struct Overtime {
    dues: BTreeMap<Start, (Time, Span)>,
}

/// How long an agent may take to see that it is time, one that was just started included.
const BOUND: Span = Span::secs(60);

impl Overtime {
    fn judge(&mut self, book: &Book, found: &mut Findings) {
        let long = |since: Time| book.now.since(since).0 > BOUND.0 + book.lag.0;
        let is_looked_after = |(host, id, generation, _): &Start| {
            let page = book.hosts.get(host).filter(|page| page.alive && long(page.alive_since));
            let task = page.and_then(|page| page.twins.get(id));
            task.is_some_and(|task| task.generation == *generation && task.runs())
        };
        if !long(book.calm_from) {
            return;
        }
        self.dues.retain(|start, (due, limit)| {
            let is_late = long(*due) && is_looked_after(start);
            if is_late {
                let (host, id, ..) = start;
                let what = format!("{id} on {host} runs for {} longer than {limit}", book.now.since(*due));
                found.blame("L23", what);
            }
            !is_late
        });
    }
}

impl Check for Overtime {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        self.judge(seen.book, found);
    }

    fn ordered(&mut self, book: &Book, host: &Text, order: &Order, found: &mut Findings) {
        if let Order::Stop { run, .. } = order {
            self.judge(book, found);
            self.dues.remove(&(host.clone(), run.id.clone(), run.generation, run.attempt));
        }
    }

    fn born(&mut self, _book: &Book, host: &Text, id: &Text, alive: &Alive, _found: &mut Findings) {
        if let Some(limit) = alive.limit {
            let start = (host.clone(), id.clone(), alive.generation, alive.attempt);
            self.dues.insert(start, (alive.since + limit, limit));
        }
    }

    fn gone(
        &mut self,
        book: &Book,
        host: &Text,
        id: &Text,
        alive: &Alive,
        _ordered: bool,
        found: &mut Findings,
    ) {
        self.judge(book, found);
        self.dues.remove(&(host.clone(), id.clone(), alive.generation, alive.attempt));
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        self.judge(end.book, found);
    }
}
