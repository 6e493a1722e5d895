//! L12: what is issued to a host that is well is started there soon, whatever else fails or hangs on the host; and L13:
//! what ended by itself is started again, or given up, within the longest delay.

use super::record::Text;
use super::{Alive, Book, Check, End, Findings, Seen};
use callboard_core::machine::{Span, Time};
use callboard_core::work::Order;
use std::collections::BTreeMap;

/// Remembers what waits for its start.
#[derive(Clone, Default)]
pub(crate) struct Prompt {
    /// By host, id and generation: since when, and the longest delay of a restart when it is one.
    waits: BTreeMap<(Text, Text, u64), (Time, Option<Span>)>,
    /// The longest delay of what was started.
    delays: BTreeMap<(Text, Text, u64), Span>,
    /// Nothing that waits is due before.
    soonest: Time,
}

/// So many an agent starts at once.
const AT_ONCE: u64 = 4;
/// It waits for each no longer than this.
const A_START: Span = Span::secs(35);
/// The way to the agent, a listing that was missed, what it must know first, the end of what had its id before.
const BOUND: Span = Span::secs(30);

/// What is due may wait until one more look: each goes through all that waits.
const LOOKS: Span = Span::secs(1);

/// Gives how long a start, or another one after the longest delay, may take when nothing else is started there.
fn bound(book: &Book, delay: Option<Span>) -> Span {
    Span(BOUND.0 + book.lag.0 + delay.map_or(0, |delay| delay.0 * 5 / 4))
}

impl Prompt {
    fn wait(&mut self, book: &Book, of: (Text, Text, u64), delay: Option<Span>) {
        self.soonest = self.soonest.min(book.now + bound(book, delay));
        self.waits.insert(of, (book.now, delay));
    }

    fn judge(&mut self, book: &Book, found: &mut Findings) {
        if book.now <= self.soonest {
            return;
        }
        let crowd = |host: &Text| {
            self.waits.range((host.clone(), "".into(), 0)..).take_while(|((of, ..), _)| of == host).count()
                as u64
        };
        let is_due = |(host, _, _): &(Text, Text, u64), (since, delay): &(Time, Option<Span>)| {
            let turn = crowd(host).div_ceil(AT_ONCE) * A_START.0;
            book.now.since((*since).max(book.calm_from)) > Span(bound(book, *delay).0 + turn)
        };
        let due: Vec<(Text, Text, u64)> =
            self.waits.iter().filter(|(of, wait)| is_due(of, wait)).map(|(of, _)| of.clone()).collect();
        let soonest = self.waits.values().map(|(since, delay)| *since + bound(book, *delay)).min();
        self.soonest = soonest.unwrap_or(Time(u64::MAX)).max(book.now + LOOKS);
        for of in due {
            let Some((since, delay)) = self.waits.remove(&of) else { continue };
            let (host, id, generation) = &of;
            let page = book.hosts.get(host);
            let task = page.and_then(|page| page.twins.get(id));
            let shall_run = task.is_some_and(|task| task.generation == *generation && task.runs());
            let present =
                page.is_some_and(|page| page.alive && page.alive_since <= since.max(book.calm_from));
            let over = task.and_then(|task| book.status(task)).is_some_and(|status| status.record.is_over());
            if shall_run && present && !over {
                let lasting = book.now.since(since);
                let (promise, what) = match delay {
                    Some(_) => ("L13", "ended by itself and was not started again"),
                    None => ("L12", "was not started"),
                };
                found.blame(promise, format!("{id} on {host} {what} for {lasting}"));
            }
        }
    }
}

impl Check for Prompt {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        for task in seen.created().filter(|task| task.runs() && !seen.book.goes_on(task)) {
            let of = (task.host.clone(), task.id.clone(), task.generation);
            self.wait(seen.book, of, None);
        }
        for task in seen.ended() {
            let of = (task.host.clone(), task.id.clone(), task.generation);
            self.waits.remove(&of);
            self.delays.remove(&of);
        }
        self.judge(seen.book, found);
    }

    fn ordered(&mut self, _book: &Book, host: &Text, order: &Order, _found: &mut Findings) {
        if let Order::Start(spec) = order {
            let of = (host.clone(), spec.task.id.clone(), spec.task.generation);
            self.waits.remove(&of);
            self.delays.insert(of, spec.definition.restart.max_delay);
        }
    }

    fn born(&mut self, _book: &Book, host: &Text, id: &Text, alive: &Alive, _found: &mut Findings) {
        self.waits.remove(&(host.clone(), id.clone(), alive.generation));
    }

    fn gone(
        &mut self,
        book: &Book,
        host: &Text,
        id: &Text,
        alive: &Alive,
        ordered: bool,
        _found: &mut Findings,
    ) {
        let of = (host.clone(), id.clone(), alive.generation);
        if let Some(delay) = self.delays.get(&of).copied().filter(|_| !ordered) {
            self.wait(book, of, Some(delay));
        }
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        self.soonest = Time(0);
        self.judge(end.book, found);
    }
}
