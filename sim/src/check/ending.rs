//! S26: a task is asked to end before it is made to, and is over only when nothing of it is left. Until then its record,
//! and with that its port and memory, stays; what was stopped while it was being set up never comes to life.

use super::record::{Place, Text};
use super::{Alive, Book, By, Check, Findings, Seen, Write};
use callboard_core::machine::Span;
use callboard_core::work::Order;
use std::collections::BTreeMap;

/// Remembers how long each placement may take to end.
#[derive(Clone, Default)]
pub(crate) struct Ending {
    grace: BTreeMap<(Text, Text), (u64, Span)>,
}

impl Check for Ending {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        for write in seen.writes {
            match (&write.place, &seen.by) {
                (Place::Status { host, id }, By::Agent(_)) => judge_word(seen.book, host, id, found),
                (Place::Twin { host, id }, By::Scheduler) => judge_removal(seen.book, write, host, id, found),
                (_, By::Agent(_) | By::Scheduler | By::User | By::Stranger | By::Session) => {}
            }
        }
    }

    fn ordered(&mut self, _book: &Book, host: &Text, order: &Order, found: &mut Findings) {
        match order {
            Order::Start(spec) => {
                let key = (host.clone(), spec.task.id.clone());
                self.grace.insert(key, (spec.task.generation, spec.definition.kill_timeout));
            }
            Order::Stop { run, grace: None, definition: Some(_) } => {
                found.blame("S26", format!("{} on {host} is told to stop, and not how long it has", run.id));
            }
            // Who does not know what it is made of leaves its time to what it was started with.
            Order::Stop { run, grace: Some(grace), .. } => {
                let known = self.grace.get(&(host.clone(), run.id.clone()));
                let due = known.filter(|(generation, _)| *generation == run.generation);
                if let Some((_, due)) = due.filter(|(_, due)| due != grace) {
                    let what = format!("{} on {host} has {grace} to end, its kill_timeout is {due}", run.id);
                    found.blame("S26", what);
                }
            }
            Order::Stop { grace: None, .. }
            | Order::Inspect
            | Order::Remove(_)
            | Order::Check { .. }
            | Order::Measure => {}
        }
    }

    fn born(&mut self, book: &Book, host: &Text, id: &Text, alive: &Alive, found: &mut Findings) {
        let status = book.hosts.get(host).and_then(|page| page.statuses.get(id)).map(|status| &status.record);
        let is_over = status.is_some_and(|status| {
            status.is_over() && (status.generation, status.attempt) == (alive.generation, alive.attempt)
        });
        if is_over {
            found.blame("S26", format!("{id} came to life on {host} after it was said to be over"));
        }
    }
}

/// An agent says that nothing is left of a placement.
fn judge_word(book: &Book, host: &Text, id: &Text, found: &mut Findings) {
    let status = book.hosts.get(host).and_then(|page| page.statuses.get(id));
    let Some(status) = status.map(|status| &status.record).filter(|status| status.is_over()) else { return };
    let lives = |alive: &Alive| alive.generation == status.generation && alive.attempt <= status.attempt;
    let here = book.live.get(&(host.clone(), id.clone()));
    if here.is_some_and(|list| list.iter().any(lives)) && !book.is_misled(host) {
        found.blame("S26", format!("{id} lives on {host}, and is said to be over"));
    }
}

/// A scheduler takes away, or replaces, the record of what still lives. A host that has failed and that users took out
/// can confirm nothing any more; one that is drained is the business of S35.
fn judge_removal(book: &Book, write: &Write, host: &Text, id: &Text, found: &mut Findings) {
    let Some(before) = &write.task_before else { return };
    let goes_on = write.task_after.as_ref().is_some_and(|after| after.generation == before.generation);
    let page = book.hosts.get(host);
    let judged = page.is_some_and(|page| page.registration.is_some() && page.draining_since.is_none());
    // What its executors do not tell of, an agent takes for gone, and says so.
    if goes_on || !judged || book.is_misled(host) {
        return;
    }
    if book.still_lives(host, before) {
        found.blame("S26", format!("the record of {id} was taken away, and it lives on {host}"));
    }
}
