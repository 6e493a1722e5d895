//! S16: an agent stops a task that does its work only when somebody said so, or when it has run for as long
//! as it may.

use super::record::{Place, Text};
use super::{Book, Check, Fault, Findings, Seen};
use callboard_core::machine::{Span, Time};
use callboard_core::registry::Request;
use callboard_core::work::{Order, Run};
use std::collections::{BTreeMap, BTreeSet};

/// Looks at orders to stop, except while the store is away: that is another checker's business.
#[derive(Clone, Default)]
pub(crate) struct Evidence {
    away_until: Time,
    /// Which copies said stop, also to what the store had forgotten, and whether or not a restored store still knows.
    told: BTreeSet<(Text, u64)>,
    /// What agents took for gone whose executors did not tell of it: it is stopped, to make sure, once it left the registry.
    missed: BTreeSet<(Text, Run)>,
    /// When the clocks of agents jumped ahead, and by how much.
    jumps: BTreeMap<Text, Vec<(Time, Span)>>,
}

impl Evidence {
    /// Tells whether a process has run for as long as it may, by a clock that may go too fast by a tenth.
    fn is_due(&self, now: Time, host: &Text, since: Time, limit: Option<Span>) -> bool {
        let jumps = self.jumps.get(host).into_iter().flatten().filter(|(at, _)| *at >= since);
        let jumped: u64 = jumps.map(|(_, by)| by.0).sum();
        limit.is_some_and(|limit| now.since(since).0 * 11 + jumped * 10 >= limit.0 * 10)
    }
}

impl Check for Evidence {
    fn committed(&mut self, seen: &Seen<'_>, _found: &mut Findings) {
        let copies = seen.writes.iter().filter(|write| matches!(write.place, Place::Twin { .. }));
        let told = copies.filter_map(|write| write.task_after.as_deref()).filter(|task| !task.runs());
        self.told.extend(told.map(|task| (task.id.clone(), task.generation)));
    }

    fn inquired(&mut self, book: &Book, host: &Text, request: &Request) {
        if let Request::Deregister(run) = request
            && book.is_misled(host)
        {
            self.missed.insert((host.clone(), run.clone()));
        }
    }

    fn ordered(&mut self, book: &Book, host: &Text, order: &Order, found: &mut Findings) {
        let Order::Stop { run, .. } = order else { return };
        let lives = book.live.get(&(host.clone(), run.id.clone())).and_then(|list| {
            list.iter().find(|alive| alive.generation == run.generation && alive.attempt == run.attempt)
        });
        // Young tasks are given some time; the checks that made an agent restart it may be older than its health.
        let settled = lives.is_some_and(|alive| {
            let since = if book.is_forgotten(&run.id, alive) { alive.healthy_since } else { alive.since };
            let old = book.now.since(since).0 > 60_000;
            alive.healthy && old && !self.is_due(book.now, host, alive.ordered, alive.limit)
        });
        // To stop what is not there is no more than tidying.
        let is_missed = || self.missed.contains(&(host.clone(), run.clone()));
        let is_misled = book.is_misled(host) || book.is_deceived(host) || is_missed();
        let page = book.hosts.get(host);
        // A copy that says stop is an order to what the store had forgotten, and to what came after it.
        let is_told = page.and_then(|page| page.twins.get(&run.id)).is_some_and(|twin| !twin.runs());
        if is_told
            || self.told.contains(&(run.id.clone(), run.generation))
            || is_misled
            || !settled
            || book.now <= self.away_until
            || book.is_ended(&run.id, run.generation)
        {
            return;
        }
        let known_healthy = page
            .and_then(|page| page.statuses.get(&run.id))
            .is_some_and(|status| status.record.generation == run.generation && status.record.is_healthy());
        if known_healthy || !book.tasks.contains_key(&run.id) {
            found.blame(
                "S16",
                format!("{} on {host}, which is healthy, is stopped though nobody said so", run.id),
            );
        }
    }

    fn fault(&mut self, book: &Book, fault: &Fault) {
        if let Fault::Outage { until } = fault {
            self.away_until = self.away_until.max(*until);
        }
        if let Fault::ClockJumped { host, by } = fault {
            self.jumps.entry(host.clone()).or_default().push((book.now, *by));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_of_the_clock_excuses_what_it_amounts_to() {
        let host = Text::from("h1");
        let jumps = [(Time(10_000), Span::secs(100)), (Time(90_000), Span::secs(200))];
        let evidence = Evidence { jumps: [(host.clone(), jumps.into())].into(), ..Evidence::default() };
        let check = |secs: u64, since: u64, limit: Option<u64>, expect: bool| {
            let is_due = evidence.is_due(Time(secs * 1000), &host, Time(since * 1000), limit.map(Span::secs));
            assert_eq!(is_due, expect, "at {secs} s, since {since} s, of {limit:?} s");
        };
        check(110, 0, Some(400), true);
        check(110, 0, Some(500), false);
        check(110, 20, Some(290), true);
        check(110, 20, Some(400), false);
        check(110, 100, Some(20), false);
        check(110, 0, None, false);
    }
}
