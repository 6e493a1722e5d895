//! S28: what the registry of a host says lives there, lives there, and the other way round; and nothing is told to stop
//! while the registry still sends others to it, unless the registry had its chance.

use super::record::Text;
use super::{Alive, Book, Check, End, Fault, Findings};
use callboard_core::machine::{Span, Time};
use callboard_core::registry::Request;
use callboard_core::work::{Order, Run};
use std::collections::{BTreeMap, BTreeSet};

/// Follows what each registry holds and what it was asked.
#[derive(Clone, Default)]
pub(crate) struct Registrations {
    held: BTreeMap<Text, BTreeSet<Run>>,
    /// What each registry was asked to take out, until it was; and what was, until it is asked to enter it again.
    leaving: BTreeMap<Text, BTreeSet<Run>>,
    out: BTreeSet<(Text, Run)>,
    /// When each run was first asked to be taken out.
    parting: BTreeMap<(Text, Run), Time>,
    /// When each run ended.
    ended: BTreeMap<(Text, Run), Time>,
    /// When the clock of each host last jumped ahead, past what its registry was still being given.
    jumped: BTreeMap<Text, Time>,
}

/// How long the registry may take to let go of a run before it is stopped all the same.
const CHANCE: Span = Span(1_900);
/// How long a registry may be behind, at the end, of what lives: a listing and a few tries.
const BEHIND: Span = Span::secs(120);

impl Check for Registrations {
    fn inquired(&mut self, book: &Book, host: &Text, request: &Request) {
        match request {
            Request::Register(spec) => {
                self.out.remove(&(host.clone(), spec.run()));
            }
            Request::Deregister(run) => {
                self.parting.entry((host.clone(), run.clone())).or_insert(book.now);
                self.leaving.entry(host.clone()).or_default().insert(run.clone());
            }
            Request::List | Request::Ask { .. } | Request::Tell { .. } => {}
        }
    }

    fn registry(&mut self, host: &Text, held: &BTreeSet<Run>) {
        self.held.insert(host.clone(), held.clone());
        let leaving = self.leaving.get_mut(host).into_iter();
        let left = leaving.flat_map(|runs| runs.extract_if(.., |run| !held.contains(run)));
        self.out.extend(left.map(|run| (host.clone(), run)));
    }

    fn ordered(&mut self, book: &Book, host: &Text, order: &Order, found: &mut Findings) {
        let Order::Stop { run, .. } = order else { return };
        let is_held = self.held.get(host).is_some_and(|held| held.contains(run));
        let at = (host.clone(), run.clone());
        let asked = self.parting.get(&at);
        let had_its_chance = asked.is_some_and(|asked| {
            book.now.since(*asked) >= CHANCE || self.jumped.get(host).is_some_and(|jumped| jumped >= asked)
        });
        // An old question may have reached it after it had let go.
        let had_let_go = self.out.contains(&at);
        // To stop what is not there is no more than tidying.
        if is_held && !had_its_chance && !had_let_go && lives(book, host, run) {
            found.blame("S28", format!("{run:?} is told to stop on {host} while it is registered"));
        }
    }

    fn gone(&mut self, book: &Book, host: &Text, id: &Text, alive: &Alive, _: bool, _: &mut Findings) {
        let run = Run { id: id.clone(), generation: alive.generation, attempt: alive.attempt };
        self.ended.insert((host.clone(), run), book.now);
    }

    fn fault(&mut self, book: &Book, fault: &Fault) {
        if let Fault::ClockJumped { host, .. } = fault {
            self.jumped.insert(host.clone(), book.now);
        }
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        if end.calm < end.settle {
            return;
        }
        let book = end.book;
        for (host, held) in self.held.iter().filter(|(host, _)| end.fit_hosts.binary_search(host).is_ok()) {
            for run in held {
                let at = (host.clone(), run.clone());
                let mut said = [self.parting.get(&at), self.ended.get(&at)].into_iter().flatten();
                if !lives(book, host, run) && said.all(|at| book.now.since(*at) > BEHIND) {
                    found.blame("S28", format!("{run:?} is registered on {host}, where it does not live"));
                }
            }
        }
        for ((host, id), list) in &book.live {
            let Some(held) = self.held.get(host).filter(|_| end.fit_hosts.binary_search(host).is_ok()) else {
                continue;
            };
            for alive in list.iter().filter(|alive| book.now.since(alive.since) > BEHIND) {
                let run = Run { id: id.clone(), generation: alive.generation, attempt: alive.attempt };
                let parts = self.parting.contains_key(&(host.clone(), run.clone()));
                if !held.contains(&run) && !parts {
                    found.blame("S28", format!("{run:?} lives on {host} and is not registered"));
                }
            }
        }
    }
}

fn lives(book: &Book, host: &Text, run: &Run) -> bool {
    let mut there = book.live.get(&(host.clone(), run.id.clone())).into_iter().flatten();
    there.any(|alive| (alive.generation, alive.attempt) == (run.generation, run.attempt))
}
