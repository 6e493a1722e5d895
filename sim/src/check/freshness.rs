//! L20: what is said of a host and of its tasks is how they fare, but for two looks at them and the way to the store.

use super::{Check, End, Findings};
use callboard_core::machine::Span;

/// Compares at the end what agents say with what is.
#[derive(Clone)]
pub(crate) struct Freshness;

/// Two looks, each a check's interval apart, and the way.
const BOUND: Span = Span::secs(60);

impl Check for Freshness {
    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        let book = end.book;
        if end.calm < end.settle {
            return;
        }
        for host in &end.fit_hosts {
            if !book.hosts.get(host).is_some_and(|page| page.alive) {
                found.blame("L20", format!("{host} is well, and said to be silent"));
            }
        }
        for task in book.tasks.values().filter(|task| task.runs()) {
            if end.fit_hosts.binary_search(&task.host).is_err() {
                continue;
            }
            let list = book.live.get(&(task.host.clone(), task.id.clone()));
            let alive = list.and_then(|list| list.iter().find(|alive| alive.generation == task.generation));
            let said = book.status(task).is_some_and(|status| status.record.is_healthy());
            let (is, since) = alive.map_or((false, None), |alive| (alive.healthy, Some(alive.healthy_since)));
            // Since when what lives no more lives no more is not known here: what was said of it must have changed.
            let Some(since) = since else { continue };
            if is != said && book.now.since(since) > Span(BOUND.0 + book.lag.0) {
                let (is, said) = (in_words(is), in_words(said));
                found.blame("L20", format!("{} on {} is {is}, and said to be {said}", task.id, task.host));
            }
        }
    }
}

fn in_words(healthy: bool) -> &'static str {
    if healthy { "healthy" } else { "not healthy" }
}
