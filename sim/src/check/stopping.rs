//! L7: a stop comes to its end: what was ordered to stop is dead once its time to end by itself is over, and the agent had
//! the time to repeat the order.

use super::{Alive, Check, End, Findings};
use callboard_core::machine::Span;

/// Looks at the end at what should be dead.
#[derive(Clone)]
pub(crate) struct Stops;

/// The longest time to end by itself that a scenario gives, twice, and what the agent waits before it asks again.
const BOUND: Span = Span::secs(150);

impl Check for Stops {
    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        let book = end.book;
        if end.calm < end.settle {
            return;
        }
        for ((host, id), list) in &book.live {
            if end.fit_hosts.binary_search(host).is_err() {
                continue;
            }
            let is_kept = || book.meant.get(id).is_some_and(|service| book.is_kept(service, BOUND));
            let task = book.tasks.get(id).filter(|task| task.runs());
            let goes_on = |alive: &Alive| task.is_some_and(|task| task.generation == alive.generation);
            for alive in list.iter().filter(|alive| !(goes_on(alive) || alive.healthy && is_kept())) {
                let Some(at) = book.ended.get(&(id.clone(), alive.generation)) else { continue };
                if book.amnesia.is_some_and(|then| *at <= then) {
                    continue;
                }
                let lasting = book.now.since((*at).max(book.calm_from));
                let is_forgotten = book.is_forgotten(id, alive);
                if lasting > BOUND && !is_forgotten {
                    let what = format!("{id} still lives on {host}, {lasting} after it was ordered to stop");
                    found.blame("L7", what);
                }
            }
        }
    }
}
