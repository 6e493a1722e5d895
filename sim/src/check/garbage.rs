//! L11: nothing is left of what was deleted: no record of its tasks, no copy of one, no word of its agents, nothing
//! remembered of it, and nothing of its runs on any machine.

use super::record::{Place, Text};
use super::{Book, Check, End, Findings, Seen};
use callboard_core::machine::{Span, Time};
use callboard_core::work::Run;
use std::collections::BTreeMap;

/// Remembers when records were taken away, and looks at the end for what nobody needs any more.
#[derive(Clone, Default)]
pub(crate) struct Garbage {
    removed: BTreeMap<(Text, Text), Time>,
}

/// How long an agent may go on to speak of what it has no record of any more.
const BOUND: Span = Span::secs(60);
/// How long what is left of its runs may lie there: until agents look again.
const REMAINS: Span = Span::secs(150);
/// The last run of a task that is issued, and the one before.
const KEPT: usize = 2;

impl Check for Garbage {
    fn committed(&mut self, seen: &Seen<'_>, _found: &mut Findings) {
        for write in seen.writes.iter().filter(|write| write.deleted) {
            if let Place::Twin { host, id } = &write.place {
                self.removed.insert((host.clone(), id.clone()), seen.book.now);
            }
        }
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        let book = end.book;
        if end.calm < end.settle {
            return;
        }
        let is_fit = |host| end.fit_hosts.binary_search(host).is_ok();
        for (service, page) in book.services.iter().filter(|(service, _)| !book.is_wanted(service)) {
            // Who configured a service is not known to a store that lost it: what runs of it is left alone.
            let deleted = page.before.as_ref().filter(|_| page.record.is_none()).map(|(_, at)| *at);
            // Nor can whoever finds it missing, once it has noticed that, tell why.
            let noticed = |then: Time| then + Span(BOUND.0 + book.lag.0);
            let is_lost = book.amnesia.is_some_and(|then| deleted.is_none_or(|at| at <= noticed(then)));
            if is_lost || page.rubbish {
                continue;
            }
            let left = || book.tasks_of(service);
            if let Some(task) = left().find(|task| is_fit(&task.host)) {
                found.blame("L11", format!("{} is left of {service}, which was deleted", task.id));
            } else if left().next().is_none() && page.state.is_some() {
                found.blame("L11", format!("{service} is still remembered, and was deleted"));
            }
        }
        for (host, page) in book.hosts.iter().filter(|(host, _)| is_fit(host)) {
            for id in page.statuses.keys() {
                let lives = book.live.contains_key(&(host.clone(), id.clone()));
                let removed = self.removed.get(&(host.clone(), id.clone()));
                let lately = removed.is_some_and(|at| book.now.since(*at) <= Span(BOUND.0 + book.lag.0));
                // Of junk that stands where its record should, an agent says so.
                let stands =
                    page.twins.contains_key(id) || book.junk.contains(&format!("state/tasks/{host}/{id}"));
                if !stands && !lives && !lately {
                    found.blame("L11", format!("{host} still speaks of {id}, of which nothing is left"));
                }
            }
        }
        judge_copies(book, found);
        self.judge_remains(end, found);
    }
}

/// Of each copy under a host there is the record, or somebody may yet say what is left of it there.
fn judge_copies(book: &Book, found: &mut Findings) {
    for (host, page) in &book.hosts {
        for (id, twin) in &page.twins {
            let stands = book.tasks.contains_key(id) || book.junk.contains(&format!("state/tasks/_/{id}"));
            let lives = book.live.contains_key(&(host.clone(), id.clone()));
            let is_spoken_of = !page.alive && page.statuses.contains_key(id);
            if !stands && !lives && !is_spoken_of && book.clusters.contains_key(&twin.cluster) {
                found.blame("L11", format!("{host} has a copy of {id}, which is in no record"));
            }
        }
    }
}

impl Garbage {
    /// Of what is issued to a host little is kept there, and of all else nothing.
    fn judge_remains(&self, end: &End<'_>, found: &mut Findings) {
        let book = end.book;
        // Of what a store forgot an agent never learns that nobody needs it any more.
        let is_known = |run: &Run| {
            let issued = book.first_issued.get(&(run.id.clone(), run.generation));
            book.amnesia.is_none_or(|then| issued.is_some_and(|at| *at > then))
        };
        let mut count: BTreeMap<(&Text, &Text), usize> = BTreeMap::new();
        for (host, run) in end.remains.iter().filter(|(_, run)| is_known(run)) {
            *count.entry((host, &run.id)).or_default() += 1;
        }
        for ((host, id), count) in count {
            let removed = self.removed.get(&(host.clone(), id.clone()));
            let lately = removed.is_some_and(|at| book.now.since(*at) <= Span(REMAINS.0 + book.lag.0));
            let lives = book.live.contains_key(&(host.clone(), id.clone()));
            let stands = book.hosts.get(host).is_some_and(|page| page.twins.contains_key(id))
                || book.junk.contains(&format!("state/tasks/{host}/{id}"));
            if !lately && count > if stands || lives { KEPT } else { 0 } {
                found.blame("L11", format!("{host} keeps what is left of {count} runs of {id}"));
            }
        }
    }
}
