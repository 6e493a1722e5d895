//! S39: what the store holds, and what a machine keeps in mind, stays within bounds that follow from the configuration and
//! the number of hosts.

use super::record::{Place, ServiceRecord, Text};
use super::{Book, Check, End, Fault, Findings, Seen};
use callboard_core::machine::{Span, Time};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Remembers what is left over, and since when.
#[derive(Clone, Default)]
pub(crate) struct Growth {
    leftovers: BTreeMap<(Text, Text), Time>,
    due: VecDeque<(Time, Text, Text)>,
}

/// How long what was said of a task may lie around after its record is gone, while the agent that said it is well.
const LEFT: Span = Span::secs(120);
/// Bytes that a machine may need for each key that it knows, and at least.
const A_KEY: usize = 8 * 1024;
const AT_LEAST: usize = 64 * 1024;

impl Check for Growth {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        for write in seen.writes {
            let (Place::Twin { host, id } | Place::Status { host, id }) = &write.place else { continue };
            let key = (host.clone(), id.clone());
            if is_left(seen.book, host, id) {
                let since = *self.leftovers.entry(key).or_insert(seen.book.now);
                self.due.push_back((since + LEFT + seen.book.lag, host.clone(), id.clone()));
            } else {
                self.leftovers.remove(&key);
            }
        }
        let services: BTreeSet<&Text> = seen.created().map(|task| &task.service).collect();
        services.into_iter().for_each(|service| judge_service(seen.book, service, found));
        self.judge_leftovers(seen.book, found);
    }

    fn fault(&mut self, _book: &Book, fault: &Fault) {
        if matches!(fault, Fault::Amnesia) {
            *self = Growth::default();
        }
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        self.judge_leftovers(end.book, found);
        let pages = end.book.hosts.values();
        let keys = pages.map(|page| 4 + page.twins.len() * 2 + page.statuses.len()).sum::<usize>()
            + end.book.services.len() * 2
            + end.book.definitions.len();
        for (process, bytes) in &end.weights {
            if *bytes > AT_LEAST + keys * A_KEY {
                found.blame("S39", format!("{process:?} keeps {bytes} bytes in mind, for {keys} keys"));
            }
        }
    }
}

impl Growth {
    fn judge_leftovers(&mut self, book: &Book, found: &mut Findings) {
        while self.due.front().is_some_and(|(at, ..)| *at <= book.now) {
            let Some((due, host, id)) = self.due.pop_front() else { return };
            let since = due - Span(LEFT.0 + book.lag.0);
            let same = self.leftovers.get(&(host.clone(), id.clone())) == Some(&since);
            let page = book.hosts.get(&host);
            let present = page.is_some_and(|page| page.alive && page.alive_since <= since);
            if same && present && book.trouble_until <= since && is_left(book, &host, &id) {
                found.blame("S39", format!("what {host} said of {id} is kept, long after its record went"));
            }
        }
    }
}

/// Tells whether something is said of a task that is not issued, and not of junk in the place of its record either.
fn is_left(book: &Book, host: &Text, id: &Text) -> bool {
    let page = book.hosts.get(host);
    page.is_some_and(|page| page.statuses.contains_key(id) && !page.twins.contains_key(id))
        && !book.junk.contains(&format!("state/tasks/{host}/{id}"))
}

/// A service has at most `max` tasks that run, and twice as many on each host that cannot say that they have ended: what it
/// got before it was lost, and what it got when it was back and was lost again before it could say so.
fn judge_service(book: &Book, service: &Text, found: &mut Findings) {
    let Some(page) = book.services.get(service) else { return };
    let each = |record: &ServiceRecord| if record.is_system() { book.hosts.len() } else { 0 };
    let max = |record: &ServiceRecord| each(record).max(record.max.max(record.parallelism()) as usize);
    let now = page.record.as_ref().map_or(0, max);
    let most = now.max(page.before.as_ref().map_or(0, |(record, _)| max(record)));
    let records = book.by_service.get(service).map_or(0, BTreeSet::len);
    if records > (most + 1) * (2 * book.hosts.len() + 1) {
        found.blame("S39", format!("there are {records} records of {service}, whose max is {most}"));
    }
}
