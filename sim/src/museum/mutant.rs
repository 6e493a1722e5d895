//! What sits between the machines and the world when a bug is planted.

use super::{Bug, agents, schedulers};
use crate::check::{Book, Text};
use callboard_core::machine::Time;
use callboard_core::store::{Entry, Guard, Listing, Request, Revision, Txn, WriteId};
use callboard_core::work::{Run, Spec};
use callboard_core::{agent, scheduler};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A planted bug and what it remembers.
#[derive(Clone, Debug)]
pub(crate) struct Mutant {
    pub(super) bug: Bug,
    /// What agents started.
    pub(super) started: BTreeMap<(Text, Run), Arc<Spec>>,
    /// Transactions that create tasks, by their number.
    pub(super) sent: BTreeMap<u64, Txn>,
    /// What shall be sent beside what the machine sends.
    pub(super) extra: Vec<Txn>,
    pub(super) next_write: u64,
    /// The first generation of each task, by key.
    pub(super) generations: BTreeMap<String, u64>,
    /// Locks that were taken once.
    pub(super) taken: BTreeSet<String>,
    /// The lock under which was written last.
    pub(super) held: Option<Guard>,
    /// The last word on a service's state.
    pub(super) state: Option<(String, String, Revision)>,
    /// The last good records, of services or of tasks.
    pub(super) good: BTreeMap<String, String>,
    pub(super) rested: Time,
    /// What an agent shall hear at once, by host.
    pub(super) whispers: BTreeMap<Text, Vec<agent::Input>>,
    /// How far agents know each prefix.
    pub(super) known: BTreeMap<(Text, String), Revision>,
    /// Hosts that were gone once, or opened a session.
    pub(super) gone: BTreeSet<Text>,
    /// What agents are still to ask.
    pub(super) late: BTreeMap<Text, Request>,
    /// What a scheduler sent last.
    pub(super) last: Option<Request>,
    /// What a scheduler shall ask beside what it asks.
    pub(super) asks: Vec<Request>,
    /// The last transaction that takes a lock.
    pub(super) lock: Option<WriteId>,
    /// What a scheduler read last of each prefix.
    pub(super) listings: BTreeMap<String, Listing>,
    /// What a scheduler read last of each key.
    pub(super) records: BTreeMap<String, Entry>,
    /// Services that are left as they are, with how many tasks.
    pub(super) left: BTreeMap<String, usize>,
}

impl Mutant {
    pub(crate) fn new(bug: Bug) -> Mutant {
        Mutant {
            bug,
            started: BTreeMap::new(),
            sent: BTreeMap::new(),
            extra: Vec::new(),
            next_write: 1 << 40,
            generations: BTreeMap::new(),
            taken: BTreeSet::new(),
            held: None,
            state: None,
            good: BTreeMap::new(),
            rested: Time(0),
            whispers: BTreeMap::new(),
            known: BTreeMap::new(),
            gone: BTreeSet::new(),
            late: BTreeMap::new(),
            last: None,
            asks: Vec::new(),
            lock: None,
            listings: BTreeMap::new(),
            records: BTreeMap::new(),
            left: BTreeMap::new(),
        }
    }

    /// Alters what an agent hears, the first of its host's name or another.
    pub(crate) fn agent_hears(
        &mut self,
        host: &Text,
        is_first: bool,
        book: &Book,
        mut input: agent::Input,
    ) -> (Vec<agent::Input>, Vec<agent::Effect>) {
        if self.bug == Bug::TakesNames && !is_first {
            agents::overlooks_namesake(host, &mut input);
        }
        let effects = agents::reacts(self, host, book, &mut input);
        let mut inputs = self.whispers.remove(host).unwrap_or_default();
        inputs.push(input);
        (inputs, effects)
    }

    /// Alters what an agent does.
    pub(crate) fn agent_does(&mut self, host: &Text, effects: Vec<agent::Effect>) -> Vec<agent::Effect> {
        effects.into_iter().flat_map(|effect| agents::does(self, host, effect)).collect()
    }

    /// Alters what a scheduler hears.
    pub(crate) fn scheduler_hears(
        &mut self,
        book: &Book,
        mut input: scheduler::Input,
    ) -> Vec<scheduler::Input> {
        schedulers::hears(self, book, &mut input);
        let recalled = schedulers::recalls(self, &input);
        std::iter::once(input).chain(recalled).collect()
    }

    /// Alters what a scheduler does.
    pub(crate) fn scheduler_does(
        &mut self,
        now: Time,
        effects: Vec<scheduler::Effect>,
    ) -> Vec<scheduler::Effect> {
        let mut out: Vec<scheduler::Effect> =
            effects.into_iter().filter_map(|effect| schedulers::does(self, effect)).collect();
        out.extend(schedulers::does_unasked(self, now));
        out
    }
}
