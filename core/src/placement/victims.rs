//! Which tasks of one host must stop so that a more important one has room there: the fewest, of these the least
//! important, of these those that hold the least.
//!
//! **Invariant:** what is found makes room, and no smaller set does.

use super::fleet::Row;
use super::need::Need;
use crate::model::{Claim, Name, Protocol};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// A task that may have to stop for a more important one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bystander {
    /// The task.
    pub id: Name,
    /// Its service.
    pub service: Name,
    /// How important it is.
    pub priority: u8,
    /// It does its work, so that only as many of its service may go as that can spare.
    pub works: bool,
    /// What it holds.
    pub claim: Claim,
}

/// What is compared of sets of tasks that make room, the least first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Toll {
    /// How many.
    pub tasks: usize,
    /// The priority of the most important of them.
    pub highest: u8,
    /// All their priorities together.
    pub sum: u32,
    /// Memory that they hold, MiB.
    pub memory: u64,
    /// Processor share that they hold.
    pub cpu_units: u64,
}

/// How many tasks may have to stop for one: as many orders as fit into the smallest transaction.
pub const VICTIMS_MAX: usize = 4;

/// Finds the tasks of a host that must stop so that one more has room there, by what it lacks now. `spare` says how many
/// tasks at work the services of bystanders can do without. Only what costs less than `most` is of interest.
#[must_use]
pub fn victims(
    need: &Need,
    at: &Row,
    bystanders: &[Bystander],
    spare: &BTreeMap<Name, u32>,
    most: Option<&Toll>,
) -> Option<(Toll, Vec<Name>)> {
    let lacks = Lacks::of(need, at);
    let mut useful: Vec<Useful<'_>> = bystanders.iter().filter_map(|task| lacks.eased_by(task)).collect();
    useful.sort_by(|a, b| a.figures().cmp(&b.figures()).then_with(|| a.task.id.cmp(&b.task.id)));
    let mut hunt = Hunt { need, useful: &useful, spare, best: None, most, chosen: Vec::new() };
    (1..=VICTIMS_MAX.min(useful.len())).find_map(|tasks| {
        if most.is_none_or(|most| tasks <= most.tasks) {
            hunt.look(at, 0, tasks, &lacks.missing);
        }
        hunt.best.take()
    })
}

/// What a host lacks, and by how much.
#[derive(Default)]
struct Lacks {
    kinds: Vec<Lack>,
    /// Of each kind, how much must be given back.
    missing: Vec<u64>,
    /// Some port or other of its range.
    port: bool,
}

enum Lack {
    Memory,
    Cpu,
    Disk,
    Resource(Name),
    Port(Protocol, u16),
}

impl Lacks {
    fn of(need: &Need, at: &Row) -> Lacks {
        let (has, held, (memory, cpu_units)) = (&at.facts.has, &at.held, at.taken());
        let mut lacks = Lacks { port: need.choose_ports(at, 0).is_none(), ..Lacks::default() };
        lacks.add(Lack::Memory, need.free.memory, memory, has.memory);
        lacks.add(Lack::Cpu, need.free.cpu_units, cpu_units, has.cpu_units);
        lacks.add(Lack::Disk, need.disk, held.disk, has.disk);
        for (name, needed) in &need.resources {
            let count = |of: &BTreeMap<Name, u64>| of.get(name).copied().unwrap_or(0);
            lacks.add(Lack::Resource(name.clone()), *needed, count(&held.resources), count(&has.resources));
        }
        for (protocol, port) in need.fixed_ports() {
            lacks.add(Lack::Port(protocol, port), 1, u64::from(!at.is_port_free(protocol, port)), 1);
        }
        lacks
    }

    fn add(&mut self, kind: Lack, needed: u64, taken: u64, has: u64) {
        let missing = needed.saturating_add(taken).saturating_sub(has);
        if needed > 0 && missing > 0 {
            self.kinds.push(kind);
            self.missing.push(missing);
        }
    }

    /// Says how much of what is lacking a task holds; `None` when it holds nothing of that.
    fn eased_by<'a>(&self, task: &'a Bystander) -> Option<Useful<'a>> {
        let claim = &task.claim;
        let eased: Vec<u64> = self
            .kinds
            .iter()
            .map(|kind| match kind {
                Lack::Memory => claim.memory,
                Lack::Cpu => claim.cpu_units,
                Lack::Disk => claim.disk,
                Lack::Resource(name) => claim.resources.get(name).copied().unwrap_or(0),
                Lack::Port(Protocol::Tcp, port) => u64::from(claim.ports.contains(port)),
                Lack::Port(Protocol::Udp, port) => u64::from(claim.udp_ports.contains(port)),
            })
            .collect();
        let has_port = self.port && !(claim.ports.is_empty() && claim.udp_ports.is_empty());
        let helps = has_port || eased.iter().any(|eased| *eased > 0);
        helps.then_some(Useful { task, eased })
    }
}

/// A task that holds something that is lacking.
struct Useful<'a> {
    task: &'a Bystander,
    eased: Vec<u64>,
}

impl Useful<'_> {
    /// Gives what tells it from others, its name aside; the least important first.
    fn figures(&self) -> impl Ord + '_ {
        let Bystander { priority, service, works, claim, .. } = self.task;
        let holds =
            (claim.memory, claim.cpu_units, claim.disk, &claim.resources, &claim.ports, &claim.udp_ports);
        (*priority, holds, service, *works)
    }
}

/// A look through the sets of one size.
struct Hunt<'a> {
    need: &'a Need,
    /// In the order of their figures.
    useful: &'a [Useful<'a>],
    spare: &'a BTreeMap<Name, u32>,
    best: Option<(Toll, Vec<Name>)>,
    most: Option<&'a Toll>,
    /// By place among the useful ones, ascending.
    chosen: Vec<usize>,
}

impl Hunt<'_> {
    /// Looks at all sets that have `left` more tasks than are chosen, from a place on, on a host that is without the chosen
    /// ones already.
    fn look(&mut self, at: &Row, from: usize, left: usize, missing: &[u64]) {
        if left == 0 {
            if self.need.shortage(at).is_none() {
                self.weigh();
            }
            return;
        }
        for place in from..=self.useful.len().saturating_sub(left) {
            if self.is_hopeless(place, left, missing) {
                return;
            }
            // Of those that are alike the first ones stand for all.
            let is_alike = place > from && self.useful[place].figures() == self.useful[place - 1].figures();
            if is_alike || !self.can_spare(place) {
                continue;
            }
            let Useful { task, eased } = &self.useful[place];
            let mut without = at.clone();
            without.give_back(&task.claim);
            let rest: Vec<u64> =
                missing.iter().zip(eased).map(|(missing, eased)| missing.saturating_sub(*eased)).collect();
            self.chosen.push(place);
            self.look(&without, place + 1, left - 1, &rest);
            self.chosen.pop();
        }
    }

    /// Tells whether no `left` tasks from a place on can do, or cost less than what was found.
    fn is_hopeless(&self, from: usize, left: usize, missing: &[u64]) -> bool {
        let rest = &self.useful[from..];
        let enough = missing.iter().enumerate().all(|(kind, missing)| {
            let mut most: Vec<u64> = rest.iter().map(|useful| useful.eased[kind]).collect();
            most.sort_unstable_by(|a, b| b.cmp(a));
            most.into_iter().take(left).fold(0, u64::saturating_add) >= *missing
        });
        let Some(best) = self.best.as_ref().map(|(toll, _)| toll).or(self.most).filter(|_| enough) else {
            return !enough;
        };
        let next = || rest.iter().take(left).map(|useful| useful.task.priority);
        let chosen = || self.chosen.iter().map(|place| self.useful[*place].task.priority);
        let highest = chosen().chain(next()).max().unwrap_or(0);
        let sum: u32 = chosen().chain(next()).map(u32::from).sum();
        let tasks = self.chosen.len() + left;
        (tasks, highest, sum) > (best.tasks, best.highest, best.sum)
    }

    /// Tells whether the service of a task can do without it beside the chosen ones.
    fn can_spare(&self, place: usize) -> bool {
        let task = self.useful[place].task;
        let of_same = |place: &&usize| {
            let other = self.useful[**place].task;
            other.works && other.service == task.service
        };
        let gone = self.chosen.iter().filter(of_same).count();
        let spare = self.spare.get(&task.service).copied().unwrap_or(0);
        !task.works || u32::try_from(gone).is_ok_and(|gone| gone < spare)
    }

    /// Keeps the chosen ones if they cost less than what was found before.
    fn weigh(&mut self) {
        let tasks = || self.chosen.iter().map(|place| self.useful[*place].task);
        let toll = Toll {
            tasks: self.chosen.len(),
            highest: tasks().map(|task| task.priority).max().unwrap_or(0),
            sum: tasks().map(|task| u32::from(task.priority)).sum(),
            memory: tasks().fold(0, |sum, task| sum.saturating_add(task.claim.memory)),
            cpu_units: tasks().fold(0, |sum, task| sum.saturating_add(task.claim.cpu_units)),
        };
        if self.most.is_some_and(|most| toll >= *most) {
            return;
        }
        let mut ids: Vec<Name> = tasks().map(|task| task.id.clone()).collect();
        ids.sort_unstable();
        let found = (toll, ids);
        if self.best.as_ref().is_none_or(|best| found < *best) {
            self.best = Some(found);
        }
    }
}
