//! The hosts as placement sees them: rows of figures, sorted into classes that no rule in use tells apart, each class in
//! the orders by which the policies in use go. Taking in a change costs what it touches.
//!
//! **Invariant:** a row stands in its class's orders exactly while its host is open.

use super::class::{Class, Served, Stand};
use super::order::{Free, Spot};
use crate::model::{Claim, HOST_LABEL, Name, Policy as Choosing, PortRange, Protocol};
use crate::policy::Policy;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What is counted of a host, or held of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// MiB.
    pub memory: u64,
    /// 1024 a core.
    pub cpu_units: u64,
    /// MiB.
    pub disk: u64,
    /// Whatever else hosts count, by name.
    pub resources: BTreeMap<Name, u64>,
    /// Ports of TCP.
    pub ports: BTreeSet<u16>,
    /// Ports of UDP.
    pub udp_ports: BTreeSet<u16>,
}

/// What a host says of itself, as far as placement is concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// What it has; the ports are those that nobody may have.
    pub has: Room,
    /// Ports from which provided ports are chosen.
    pub range: Option<PortRange>,
    /// Executors that work there.
    pub executors: Vec<String>,
    /// Those of them that cannot start anything for now.
    pub unfit_for: BTreeSet<String>,
    /// What tasks may do there.
    pub policy: Policy,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// A host as placement sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The host.
    pub host: Name,
    /// What it says of itself.
    pub facts: Arc<Facts>,
    /// Something may be placed there.
    pub is_open: bool,
    /// What is held of it, summed over clusters.
    pub held: Room,
    /// How many tasks are issued to it.
    pub tasks: u32,
    /// The memory and processor share of these, MiB and 1024 a core. What others than schedulers issued is in no ledger.
    pub issued: (u64, u64),
    /// Orders rows by host name.
    pub(super) rank: u64,
    pub(super) class: u32,
    spot: Option<Spot>,
}

/// What tells classes apart: the executors that can start something, the policy, and the labels in use.
type Traits = (Vec<String>, Policy, BTreeMap<String, String>);

/// All hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fleet {
    rows: Vec<Row>,
    by_name: BTreeMap<Name, u32>,
    pub(super) classes: Vec<Class>,
    class_ids: BTreeMap<Traits, u32>,
    /// Labels that some rule speaks of.
    labels: BTreeSet<String>,
    /// What is kept for searches.
    pub(super) served: Served,
}

/// The distance between neighbours in rank where there is room.
const RANK_GAP: u64 = 1 << 32;

impl Room {
    /// Adds what a claim holds.
    pub(crate) fn add(&mut self, claim: &Claim) {
        self.add_counted(claim);
        self.ports.extend(claim.ports.iter().copied());
        self.udp_ports.extend(claim.udp_ports.iter().copied());
    }

    /// Adds what a claim holds beside ports.
    pub(crate) fn add_counted(&mut self, claim: &Claim) {
        self.memory = self.memory.saturating_add(claim.memory);
        self.cpu_units = self.cpu_units.saturating_add(claim.cpu_units);
        self.disk = self.disk.saturating_add(claim.disk);
        for (name, count) in &claim.resources {
            let sum = self.resources.entry(name.clone()).or_insert(0);
            *sum = sum.saturating_add(*count);
        }
    }

    /// Takes what a claim holds away.
    fn give_back(&mut self, gone: &Claim) {
        self.memory = self.memory.saturating_sub(gone.memory);
        self.cpu_units = self.cpu_units.saturating_sub(gone.cpu_units);
        self.disk = self.disk.saturating_sub(gone.disk);
        for (name, count) in &gone.resources {
            if let Some(held) = self.resources.get_mut(name) {
                *held = held.saturating_sub(*count);
            }
        }
        self.ports.retain(|port| !gone.ports.contains(port));
        self.udp_ports.retain(|port| !gone.udp_ports.contains(port));
    }
}

impl Row {
    /// Gives the memory and processor share that are taken.
    pub(super) fn taken(&self) -> (u64, u64) {
        (self.held.memory.max(self.issued.0), self.held.cpu_units.max(self.issued.1))
    }

    /// Takes away what a task has here.
    pub(crate) fn give_back(&mut self, gone: &Claim) {
        self.held.give_back(gone);
        let (memory, cpu_units) = self.issued;
        self.issued = (memory.saturating_sub(gone.memory), cpu_units.saturating_sub(gone.cpu_units));
    }

    /// Gives the memory and processor share that nobody holds.
    #[must_use]
    pub fn free(&self) -> (u64, u64) {
        let (has, (memory, cpu_units)) = (&self.facts.has, self.taken());
        (has.memory.saturating_sub(memory), has.cpu_units.saturating_sub(cpu_units))
    }

    /// Tells whether nobody holds what a claim asks for.
    pub(crate) fn has_room_for(&self, claim: &Claim) -> bool {
        let (memory, cpu_units) = self.free();
        let count = |of: &BTreeMap<Name, u64>, name: &Name| of.get(name).copied().unwrap_or(0);
        let resources = claim.resources.iter().all(|(name, needed)| {
            let has = count(&self.facts.has.resources, name);
            *needed <= has.saturating_sub(count(&self.held.resources, name))
        });
        resources
            && claim.memory <= memory
            && claim.cpu_units <= cpu_units
            && claim.disk <= self.facts.has.disk.saturating_sub(self.held.disk)
            && claim.ports.iter().all(|port| !self.held.ports.contains(port))
            && claim.udp_ports.iter().all(|port| !self.held.udp_ports.contains(port))
    }

    /// Gives what is left when so much more memory and processor share is taken, if that fits: the sum of the squares of
    /// its shares that stay free, each in permille. It is small where little is left of both.
    pub(crate) fn left_by(&self, memory: u64, cpu_units: u64) -> Option<u64> {
        let (free, has) = (self.free(), &self.facts.has);
        let square = |free: u64, of: u64| free.saturating_mul(1000).checked_div(of).unwrap_or(0).pow(2);
        let memory = square(free.0.checked_sub(memory)?, has.memory);
        Some(memory + square(free.1.checked_sub(cpu_units)?, has.cpu_units))
    }

    /// Gives how full it is: the larger of its shares of memory and processor that are held, permille.
    #[must_use]
    pub fn load(&self) -> u32 {
        let has = &self.facts.has;
        let share = |held: u64, of: u64| held.saturating_mul(1000).checked_div(of).unwrap_or(0);
        let (memory, cpu_units) = self.taken();
        let fullest = share(memory, has.memory).max(share(cpu_units, has.cpu_units));
        u32::try_from(fullest).unwrap_or(u32::MAX)
    }

    /// Gives the value of a label; each host has its own name under `host`.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        if name == HOST_LABEL { Some(&self.host) } else { self.facts.labels.get(name).map(String::as_str) }
    }

    /// Tells whether a port is neither held nor kept from tasks.
    #[must_use]
    pub fn is_port_free(&self, protocol: Protocol, port: u16) -> bool {
        let of = |room: &Room| match protocol {
            Protocol::Tcp => room.ports.contains(&port),
            Protocol::Udp => room.udp_ports.contains(&port),
        };
        !of(&self.held) && !of(&self.facts.has)
    }

    /// Finds a free port of the host's range, beginning at a place that `salt` chooses, so that a port just given back
    /// is not given out again at once; not one of those that were `chosen` already.
    #[must_use]
    pub fn free_port(&self, protocol: Protocol, salt: u64, chosen: &[(Protocol, u16)]) -> Option<u16> {
        let range = self.facts.range?;
        let size = u64::from(range.last.checked_sub(range.first)?) + 1;
        let start = salt % size;
        (0..size)
            .filter_map(|step| u16::try_from(u64::from(range.first) + (start + step) % size).ok())
            .find(|port| self.is_port_free(protocol, *port) && !chosen.contains(&(protocol, *port)))
    }

    fn stand(&self) -> Option<Stand> {
        let (memory, cpu_units) = self.free();
        let has = (self.facts.has.memory, self.facts.has.cpu_units);
        self.spot.map(|spot| Stand { spot, free: Free { memory, cpu_units }, has })
    }

    fn compute_spot(&self, row: u32) -> Option<Spot> {
        let spot = || Spot { load: self.load(), tasks: self.tasks, rank: self.rank, row };
        self.is_open.then(spot)
    }
}

impl Fleet {
    /// Gives a row.
    #[must_use]
    pub fn row(&self, row: u32) -> &Row {
        &self.rows[index(row)]
    }

    /// Gives the row of a host.
    #[must_use]
    pub fn find(&self, host: &str) -> Option<u32> {
        self.by_name.get(host).copied()
    }

    /// Gives all rows, by host name.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Row)> {
        self.by_name.values().map(|row| (*row, self.row(*row)))
    }

    /// Counts hosts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Tells whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Gives the row of a host, which begins closed and without anything.
    pub fn enter(&mut self, host: &Name) -> u32 {
        if let Some(row) = self.find(host) {
            return row;
        }
        let row = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        let facts = Arc::new(Facts::default());
        let class = self.class_of(&facts);
        let rank = self.rank_for(host);
        let held = Room::default();
        self.classes[index(class)].members += 1;
        self.rows.push(Row {
            host: host.clone(),
            facts,
            is_open: false,
            held,
            tasks: 0,
            issued: (0, 0),
            rank,
            class,
            spot: None,
        });
        self.by_name.insert(host.clone(), row);
        row
    }

    /// Takes in what a host says of itself. Tells whether that is something new.
    pub fn describe(&mut self, row: u32, facts: Facts) -> bool {
        if *self.row(row).facts == facts {
            return false;
        }
        self.leave(row);
        let former = self.row(row).class;
        self.classes[index(former)].members -= 1;
        self.rows[index(row)].facts = Arc::new(facts);
        self.classify(row);
        self.join(row);
        true
    }

    /// Finds the class of a host.
    fn classify(&mut self, row: u32) {
        let facts = self.row(row).facts.clone();
        let id = self.class_of(&facts);
        self.rows[index(row)].class = id;
        self.classes[index(id)].members += 1;
    }

    /// Takes in that one more task holds so much of a host.
    pub fn take(&mut self, row: u32, claim: &Claim) {
        self.change(row, |row| {
            row.held.add(claim);
            row.tasks += 1;
        });
    }

    /// Changes whether a host is open, what is held of it, or how many tasks it has. Tells whether something may now fit
    /// there that did not before.
    pub fn change(&mut self, row: u32, change: impl FnOnce(&mut Row)) -> bool {
        let at = &mut self.rows[index(row)];
        let before = at.stand();
        change(at);
        at.spot = at.compute_spot(row);
        let after = at.stand();
        if before == after {
            return false;
        }
        self.classes[index(at.class)].refile(before, after, self.served);
        let has_more = |before: Stand, after: Stand| {
            after.free.memory > before.free.memory || after.free.cpu_units > before.free.cpu_units
        };
        after.is_some_and(|after| before.is_none_or(|before| has_more(before, after)))
    }

    /// Finds a host that does not stand where it should.
    pub(crate) fn misfiled(&self) -> Option<String> {
        let (row, at) = self.iter().find(|(row, at)| {
            let class = &self.classes[index(at.class)];
            let is_in_place = at.stand().map_or_else(
                || !class.names.contains((at.rank, *row)),
                |stand| class.contains(stand, self.served),
            );
            at.compute_spot(*row) != at.spot || !is_in_place
        })?;
        Some(format!("row {row}, {}, does not stand where it should", at.host))
    }

    /// Tells hosts apart by these labels too.
    pub fn tell_apart_by<'a>(&mut self, labels: impl Iterator<Item = &'a str>) {
        let before = self.labels.len();
        for label in labels {
            if !self.labels.contains(label) {
                self.labels.insert(label.into());
            }
        }
        if self.labels.len() == before {
            return;
        }
        self.classes.clear();
        self.class_ids.clear();
        let rows: Vec<u32> = self.by_name.values().copied().collect();
        for row in rows {
            self.classify(row);
            self.join(row);
        }
    }

    /// Keeps what a search by this policy goes by, so that it looks at few hosts. Without it such a search finds the same
    /// host, but looks at more.
    pub fn serve(&mut self, policy: Choosing) {
        let before = self.served;
        self.served = before.with(policy);
        if before != self.served {
            for at in &self.rows {
                let class = &mut self.classes[index(at.class)];
                class.refile(at.stand(), None, before);
                class.refile(None, at.stand(), self.served);
            }
        }
    }

    fn leave(&mut self, row: u32) {
        let at = &mut self.rows[index(row)];
        self.classes[index(at.class)].refile(at.stand(), None, self.served);
        at.spot = None;
    }

    fn join(&mut self, row: u32) {
        let at = &mut self.rows[index(row)];
        at.spot = at.compute_spot(row);
        self.classes[index(at.class)].refile(None, at.stand(), self.served);
    }

    fn class_of(&mut self, facts: &Facts) -> u32 {
        let in_use = facts.labels.iter().filter(|(label, _)| self.labels.contains(*label));
        let labels: BTreeMap<String, String> =
            in_use.map(|(label, value)| (label.clone(), value.clone())).collect();
        let able = facts.executors.iter().filter(|executor| !facts.unfit_for.contains(*executor));
        let key = (able.cloned().collect(), facts.policy.clone(), labels);
        if let Some(class) = self.class_ids.get(&key) {
            return *class;
        }
        let class = u32::try_from(self.classes.len()).unwrap_or(u32::MAX);
        let (executors, policy, labels) = key.clone();
        self.classes.push(Class { executors, policy, labels, ..Class::default() });
        self.class_ids.insert(key, class);
        class
    }

    /// Finds a rank between those of a host's neighbours by name.
    fn rank_for(&mut self, host: &Name) -> u64 {
        let rank = |row: &u32| self.rows[index(*row)].rank;
        let below = self.by_name.range(..host.clone()).next_back().map(|(_, row)| rank(row));
        let above = self.by_name.range(host.clone()..).next().map(|(_, row)| rank(row));
        let found = match (below, above) {
            (_, None) => below.map_or(Some(RANK_GAP), |below| below.checked_add(RANK_GAP)),
            (below, Some(above)) => {
                let below = below.unwrap_or(0);
                (above - below > 1).then(|| below + (above - below) / 2)
            }
        };
        found.unwrap_or_else(|| {
            self.rank_anew();
            self.rank_for(host)
        })
    }

    /// Puts all ranks at a distance again.
    fn rank_anew(&mut self) {
        let rows: Vec<u32> = self.by_name.values().copied().collect();
        for row in &rows {
            self.leave(*row);
        }
        for (place, row) in (1u64..).zip(rows) {
            self.rows[index(row)].rank = place * RANK_GAP;
            self.join(row);
        }
    }
}

pub(super) fn index(row: u32) -> usize {
    usize::try_from(row).unwrap_or(usize::MAX)
}
