//! A host as the scheduler sees it: what it has, what is held of it, and whether its agent is alive.

use super::intake::LEDGER_BYTES_MAX;
use super::issued::Issued;
use super::{Timer, World};
use crate::keys::Key;
use crate::machine::{Span, Time};
use crate::model::{Alive, Claim, HostConfig, Ledger, MoveRequest, Name, Registration, Status, Task, Usage};
use crate::placement::{Facts, Obstacle, Room, Row};
use crate::why::Note;
use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// All that is known of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostView {
    /// What it has; `None` when only others speak of it.
    pub registration: Option<Arc<Registration>>,
    /// Its agent's sign of life.
    pub alive: Option<Arc<Alive>>,
    /// What it uses.
    pub usage: Option<Arc<Usage>>,
    /// What users say of it.
    pub config: Option<Arc<HostConfig>>,
    /// What all clusters hold of it.
    pub ledger: Option<Arc<Ledger>>,
    /// Tasks that its agent wants elsewhere.
    pub moves: BTreeMap<Name, Arc<MoveRequest>>,
    /// Tasks that run there although the store has no record of them, as its agent knew them.
    pub orphans: BTreeMap<Name, Arc<Task>>,
    /// What its agent says of its tasks.
    pub statuses: BTreeMap<Name, Arc<Status>>,
    /// Tasks issued to it.
    pub tasks: BTreeSet<Name>,
    /// Whether it is heard of.
    pub presence: Presence,
    /// It was heard of or expected, and given up since.
    pub given_up: bool,
    /// What all tasks issued to it need.
    pub(crate) issued: Issued,
    /// Copies of task records here without the record itself: fingerprints and values.
    pub(crate) strays: BTreeMap<Name, (u64, String)>,
    /// What its ledger weighs, nearly.
    ledger_bytes: usize,
}

/// Whether a host is heard of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Presence {
    /// Its agent is alive.
    Ready,
    /// Its agent is not heard of; nothing is placed there, and nothing given up yet.
    Suspect {
        /// Since when, as far as this scheduler knows.
        since: Time,
    },
    /// Given up: its tasks are replaced.
    #[default]
    Lost,
}

impl HostView {
    /// Counts a task that is issued to it, and what it needs.
    pub(crate) fn engage(&mut self, id: &Name, claim: &Claim) {
        self.tasks.insert(id.clone());
        self.issued.add(claim);
    }

    /// Counts a task no longer.
    pub(crate) fn release(&mut self, task: &Task) {
        self.tasks.remove(&task.id);
        self.issued.take(&Claim::of(task));
    }

    /// Brings up to date what is held of it: what its ledger says, and the ports of all that is issued to it, whoever issued
    /// it and whatever became of the ledger; of what is counted no less than that has. Only these ports may be held that
    /// were not, or the other way round. Tells whether one became free.
    fn count_held(&self, held: &mut Room, changed: &Claim) -> bool {
        let claims = || self.ledger.iter().flat_map(|ledger| ledger.clusters.values());
        let mut counted = Room::default();
        claims().for_each(|claim| counted.add_counted(claim));
        counted.disk = counted.disk.max(self.issued.disk());
        for (name, issued) in self.issued.resources() {
            let count = counted.resources.entry(name.clone()).or_insert(0);
            *count = issued.max(*count);
        }
        let mut freed = false;
        for port in &changed.ports {
            let is_held = self.issued.has_port(*port) || claims().any(|claim| claim.ports.contains(port));
            freed |= !hold(&mut held.ports, *port, is_held);
        }
        for port in &changed.udp_ports {
            let is_held =
                self.issued.has_udp_port(*port) || claims().any(|claim| claim.udp_ports.contains(port));
            freed |= !hold(&mut held.udp_ports, *port, is_held);
        }
        let (ports, udp_ports) = (core::mem::take(&mut held.ports), core::mem::take(&mut held.udp_ports));
        *held = Room { ports, udp_ports, ..counted };
        freed
    }

    /// Tells whether its memory is so nearly used up that nothing new shall come.
    #[must_use]
    pub fn is_pressed(&self) -> bool {
        self.usage.as_ref().is_some_and(|usage| {
            usage.memory_total > 0
                && usage.memory_used.saturating_mul(100) >= usage.memory_total.saturating_mul(PRESSED_PERCENT)
        })
    }

    /// Tells whether its agent is heard of.
    pub(crate) fn is_ready(&self) -> bool {
        self.presence == Presence::Ready
    }

    /// Finds what closes it to all tasks.
    pub(crate) fn closed(&self, now: Time) -> Option<Obstacle> {
        match self.presence {
            _ if self.registration.is_none() => return Some(Obstacle::Unregistered),
            Presence::Ready => {}
            Presence::Suspect { since } => return Some(Obstacle::Silent(now.since(since))),
            Presence::Lost => return Some(Obstacle::Lost),
        }
        if self.config.as_ref().is_some_and(|config| config.draining) {
            return Some(Obstacle::Draining);
        }
        let usage = self.usage.as_ref()?;
        if let Some(why) = &usage.unfit {
            return Some(Obstacle::Unfit(why.clone()));
        }
        self.is_pressed().then_some(Obstacle::Pressed { used: usage.memory_used, total: usage.memory_total })
    }

    /// Tells whether something may be placed there, at whatever time.
    fn is_open(&self) -> bool {
        self.closed(Time(0)).is_none()
    }

    /// Gives what placement looks at. A port that a task without a record has is kept from others.
    fn facts(&self) -> Facts {
        let reserved = self.config.iter().flat_map(|config| config.reserved_ports.iter().copied());
        let reserved: BTreeSet<u16> = reserved.collect();
        let (mut ports, mut udp_ports) = (reserved.clone(), reserved);
        for orphan in self.orphans.values() {
            let claim = Claim::of(orphan);
            ports.extend(claim.ports);
            udp_ports.extend(claim.udp_ports);
        }
        let Some(has) = &self.registration else {
            return Facts { has: Room { ports, udp_ports, ..Room::default() }, ..Facts::default() };
        };
        Facts {
            has: Room {
                memory: has.memory,
                cpu_units: has.cpu_units,
                disk: has.disk,
                resources: has.resources.clone(),
                ports,
                udp_ports,
            },
            range: Some(has.ports),
            executors: has.executors.clone(),
            policy: has.policy.clone(),
            unfit_for: self.usage.iter().flat_map(|usage| usage.unfit_for.keys().cloned()).collect(),
            labels: has.labels.clone(),
        }
    }
}

/// What a line of a ledger weighs at most without its ports, bytes, and what each of these weighs.
const CLAIM_BYTES: usize = 128;
const PORT_BYTES: usize = 6;

/// The share of a host's memory, in percent, above which nothing new is placed there.
pub const PRESSED_PERCENT: u64 = 90;

impl World {
    /// Gives the host, known or not.
    pub(crate) fn host_entry(&mut self, host: &Name) -> &mut HostView {
        match self.hosts.entry(host.clone()) {
            Entry::Occupied(at) => at.into_mut(),
            Entry::Vacant(at) => {
                self.unregistered.insert(host.clone());
                at.insert(HostView::default())
            }
        }
    }

    /// Takes in what a host says that it has, or that it is registered no more.
    pub(crate) fn put_registration(&mut self, name: &Name, registration: Option<Arc<Registration>>) {
        let is_there = registration.is_some();
        self.host_entry(name).registration = registration;
        if is_there {
            self.unregistered.remove(name);
        } else {
            self.unregistered.insert(name.clone());
        }
    }

    /// Keeps the fleet in step with what a host says of itself, and users of it.
    pub(crate) fn describe_host(&mut self, name: &Name) {
        let row = self.fleet.enter(name);
        let Some(host) = self.hosts.get(name) else { return };
        let is_new = self.fleet.describe(row, host.facts());
        self.refresh_host(name);
        if is_new {
            self.touch_systems();
            self.retry_blocked();
        }
    }

    /// Takes in what a host uses, and what it cannot do for now.
    pub(crate) fn put_usage(&mut self, name: &Name, usage: Option<Arc<Usage>>) {
        let unfit = |usage: &Arc<Usage>| usage.unfit_for.keys().cloned().collect::<Vec<String>>();
        let host = self.host_entry(name);
        let before = core::mem::replace(&mut host.usage, usage);
        let (before, after) = (before.as_ref().map(unfit), host.usage.as_ref().map(unfit));
        if before.unwrap_or_default() == after.unwrap_or_default() {
            self.refresh_host(name);
        } else {
            self.describe_host(name);
        }
    }

    /// Keeps the fleet in step with whether a host is open and how many tasks it has.
    pub(crate) fn refresh_host(&mut self, name: &Name) {
        let Some(host) = self.hosts.get(name) else { return };
        let (is_open, tasks) = (host.is_open(), u32::try_from(host.tasks.len()).unwrap_or(u32::MAX));
        let issued = host.issued.memory_and_cpu();
        let row = self.fleet.enter(name);
        let helps = self.fleet.change(row, |row| {
            (row.is_open, row.tasks, row.issued) = (is_open, tasks, issued);
        });
        if helps {
            self.retry_blocked();
        }
    }

    /// Takes in what all clusters hold of a host.
    pub(crate) fn put_ledger(&mut self, name: &Name, ledger: Option<Arc<Ledger>>) {
        let lines = ledger.iter().flat_map(|ledger| &ledger.clusters);
        let ledger_bytes =
            lines.map(|(cluster, claim)| cluster.len() + CLAIM_BYTES + claim.ports.len() * PORT_BYTES).sum();
        let host = self.host_entry(name);
        host.ledger_bytes = ledger_bytes;
        let before = core::mem::replace(&mut host.ledger, ledger);
        let changed = difference(before.as_deref(), host.ledger.as_deref());
        self.count_held(name, &changed);
    }

    /// Counts anew how many tasks a host has and what is held of it, of whose ports only these may have become free or
    /// taken.
    pub(crate) fn count_held(&mut self, name: &Name, changed: &Claim) {
        let Some(host) = self.hosts.get(name) else { return };
        let (is_open, tasks) = (host.is_open(), u32::try_from(host.tasks.len()).unwrap_or(u32::MAX));
        let issued = host.issued.memory_and_cpu();
        let row = self.fleet.enter(name);
        let mut freed_port = false;
        let helps = self.fleet.change(row, |row| {
            freed_port = host.count_held(&mut row.held, changed);
            (row.is_open, row.tasks, row.issued) = (is_open, tasks, issued);
        });
        if freed_port || helps {
            self.retry_blocked();
        }
        if freed_port {
            self.touch_orphans(name);
        }
    }

    /// Finds where what is counted bit by bit of a host is not what all of it sums up to.
    pub(crate) fn miscounted(&self, name: &Name) -> Option<String> {
        let (host, row) = (self.hosts.get(name)?, self.row(name)?);
        let (mut issued, mut held) = (Issued::default(), Room::default());
        let claims = host.ledger.iter().flat_map(|ledger| ledger.clusters.values());
        claims.for_each(|claim| held.add(claim));
        for view in host.tasks.iter().filter_map(|id| self.tasks.get(id)) {
            let claim = Claim::of(&view.task);
            issued.add(&claim);
            held.ports.extend(claim.ports);
            held.udp_ports.extend(claim.udp_ports);
        }
        let is_same = issued == host.issued
            && (&held.ports, &held.udp_ports) == (&row.held.ports, &row.held.udp_ports)
            && row.held.disk == held.disk.max(issued.disk());
        (!is_same).then(|| {
            format!("{name}: {issued:?} and {held:?} are counted as {:?} and {:?}", host.issued, row.held)
        })
    }

    /// Gives a host as placement sees it.
    #[must_use]
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.fleet.find(name).map(|row| self.fleet.row(row))
    }

    /// Says why nothing can be added to what is held of a host.
    pub(crate) fn ledger_fault(&self, name: &Name) -> Option<&'static str> {
        if self.is_untouchable(&Key::Ledger(name.clone())) {
            return Some("must not be rewritten here");
        }
        let full = self.hosts.get(name).is_some_and(|host| host.ledger_bytes > LEDGER_BYTES_MAX);
        full.then_some("is full")
    }

    /// Takes in or out a sign of life.
    pub(crate) fn put_alive(&mut self, now: Time, name: &Name, alive: Option<Arc<Alive>>) {
        let host = self.host_entry(name);
        let is_alive = alive.is_some();
        host.alive = alive;
        let presence = match (is_alive, host.presence) {
            (true, _) => Presence::Ready,
            (false, Presence::Ready) => Presence::Suspect { since: now },
            (false, same) => same,
        };
        self.set_presence(now, name, presence);
    }

    /// Makes a host that this scheduler has never heard of suspect rather than lost: it has only just begun to listen.
    pub(crate) fn expect_host(&mut self, now: Time, name: &Name) {
        let host = self.host_entry(name);
        if host.alive.is_none() && host.presence == Presence::Lost && !host.given_up {
            self.set_presence(now, name, Presence::Suspect { since: now });
        }
    }

    pub(crate) fn set_presence(&mut self, now: Time, name: &Name, presence: Presence) {
        let grace = self.host_grace();
        let host = self.host_entry(name);
        let before = host.presence;
        if before == presence {
            return;
        }
        host.presence = presence;
        host.given_up = presence == Presence::Lost;
        let note = match (before, presence) {
            (_, Presence::Ready) => Note::HostReady { host: name.clone() },
            (_, Presence::Suspect { since }) => {
                self.timers.insert((since + grace, Timer::Host(name.clone())));
                Note::HostSuspect { host: name.clone() }
            }
            (Presence::Suspect { since }, Presence::Lost) => {
                Note::HostLost { host: name.clone(), silent: now.since(since) }
            }
            (Presence::Ready | Presence::Lost, Presence::Lost) => {
                Note::HostLost { host: name.clone(), silent: Span(0) }
            }
        };
        // That a scheduler which has just begun has not heard of anybody yet is no news.
        let expected = before == Presence::Lost && matches!(presence, Presence::Suspect { .. });
        if !expected {
            self.notes.push(note);
        }
        self.refresh_host(name);
        self.reclassify_host(now, name);
        self.touch_systems();
        self.touch_orphans(name);
        if presence == Presence::Ready {
            self.touch_accusers(name);
        }
        match presence {
            Presence::Ready if self.hosts.values().filter(|host| host.is_ready()).nth(1).is_none() => {
                self.touch_lost();
            }
            // What was told to stop there may be taken not to run any more, and is of the same class all the same.
            Presence::Lost => self.touch_host(name),
            Presence::Ready | Presence::Suspect { .. } => {}
        }
    }

    /// Makes sure that silent hosts are looked at in time: they are given another time than before.
    pub(super) fn watch_silent(&mut self) {
        let grace = self.host_grace();
        for (name, host) in &self.hosts {
            if let Presence::Suspect { since } = host.presence {
                self.timers.insert((since + grace, Timer::Host(name.clone())));
            }
        }
    }

    /// Tells whether any host is heard of.
    pub(crate) fn hears_anybody(&self) -> bool {
        self.hosts.values().any(HostView::is_ready)
    }

    /// Looks again at what is left on lost hosts: nothing becomes of it while nobody is heard of.
    fn touch_lost(&mut self) {
        let lost = self.hosts.values().filter(|host| host.presence == Presence::Lost);
        let views = lost.flat_map(|host| &host.tasks).filter_map(|id| self.tasks.get(id));
        let groups: BTreeSet<(Name, Name)> =
            views.map(|view| (view.task.cluster.clone(), view.task.service.clone())).collect();
        groups.iter().for_each(|key| self.touch_group(key));
    }

    /// Tells whether a host shall be empty.
    pub(crate) fn is_draining(&self, host: &str) -> bool {
        let config = self.hosts.get(host).and_then(|host| host.config.as_ref());
        config.is_some_and(|config| config.draining)
    }

    /// Tells whether a host is lost and its registration was taken out: it is not expected back.
    pub(crate) fn is_removed(&self, host: &Name) -> bool {
        self.hosts.get(host).is_none_or(|host| host.registration.is_none() && host.presence == Presence::Lost)
    }

    /// Tells whether any host is lost and not expected back.
    pub(crate) fn has_removed_hosts(&self) -> bool {
        self.unregistered.iter().any(|host| self.is_removed(host))
    }

    /// Computes the classes of a host's tasks anew.
    pub(crate) fn reclassify_host(&mut self, now: Time, name: &Name) {
        let ids: Vec<Name> =
            self.hosts.get(name).map(|host| host.tasks.iter().cloned().collect()).unwrap_or_default();
        for id in &ids {
            self.reclassify(now, id);
            self.rewelcome(id);
        }
    }

    /// Adds what a task needs to its cluster's line of its host's ledger, or takes it away. What other records hold stays
    /// held: one that somebody else issued is in no ledger, and may have a port of another.
    #[must_use]
    pub(crate) fn ledger_with(&self, task: &Task, change: LedgerChange) -> Ledger {
        let mut ledger =
            self.hosts.get(&task.host).and_then(|host| host.ledger.as_deref()).cloned().unwrap_or_default();
        let line = ledger.clusters.entry(task.cluster.clone()).or_default();
        match change {
            LedgerChange::Add => line.add(&Claim::of(task)),
            LedgerChange::Remove => {
                let rest = self.held_beside(task);
                line.give_back(&Claim::of(task), &rest);
            }
        }
        if *line == Claim::default() {
            ledger.clusters.remove(&task.cluster);
        }
        ledger
    }

    /// Sums up what the other records of a task's cluster hold of its host.
    fn held_beside(&self, task: &Task) -> Claim {
        let mut held = Claim::default();
        let ids = self.hosts.get(&task.host).into_iter().flat_map(|host| &host.tasks);
        let others = ids.filter(|id| **id != task.id).filter_map(|id| self.tasks.get(id));
        for other in others.map(|view| &view.task).filter(|other| other.cluster == task.cluster) {
            held.add(&Claim::of(other));
        }
        held
    }
}

/// Holds a port, or no longer. Tells whether it did not become free.
fn hold(ports: &mut BTreeSet<u16>, port: u16, is_held: bool) -> bool {
    if is_held {
        ports.insert(port);
    }
    is_held || !ports.remove(&port)
}

/// Gives the ports that one of two ledgers has and the other has not.
fn difference(one: Option<&Ledger>, other: Option<&Ledger>) -> Claim {
    let ports = |of: fn(&Claim) -> &Vec<u16>| {
        let all = |ledger: Option<&Ledger>| {
            let claims = ledger.into_iter().flat_map(|it| it.clusters.values());
            let mut ports: Vec<u16> = claims.flat_map(of).copied().collect();
            ports.sort_unstable();
            ports
        };
        let (one, other) = (all(one), all(other));
        let only = |has: &[u16], not: &[u16]| -> Vec<u16> {
            has.iter().filter(|port| not.binary_search(port).is_err()).copied().collect()
        };
        [only(&one, &other), only(&other, &one)].concat()
    };
    Claim {
        ports: ports(|claim| &claim.ports),
        udp_ports: ports(|claim| &claim.udp_ports),
        ..Claim::default()
    }
}

/// A change of a cluster's line in a ledger.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LedgerChange {
    Add,
    Remove,
}
