//! Services that have one task on each host that qualifies: what ships logs, measures, or serves the others there. A host
//! qualifies by what it is: it has registered, is not given up, has the executors, and passes what the service requires.
//! Whether it has room is another question: where it has none the task is missing, and why is told. A drained host keeps
//! its task until nothing else is left there, since the others may need it to the end.
//!
//! A new version goes from host to host: one task stops, and the next one only after the new one has proven itself.
//! Counts follow from the hosts, so that everything else deals with it like with any service.
//!
//! What runs on a host without a record, since the store forgot it, stands in nobody's way elsewhere but there: it counts
//! as doing its work until it is told to stop, in its turn, and only then the host gets another.
//!
//! **Invariant:** a task is created only where no record, no copy of one and no agent speaks of another of the service; and
//! an update leaves at most `max_parallel` of the hosts that can have one without.

use super::place::{Candidate, counted};
use super::round::{Created, Round, small};
use crate::model::{Kind, Name, Rollout, Task, Version};
use crate::placement::{Need, Obstacle};
use crate::why::{Note, StopReason};
use crate::world::{Avoided, Class, Group, Presence};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Which hosts shall have a task, and which of the others may keep theirs.
pub(crate) struct Survey {
    /// Those that qualify.
    shall: BTreeSet<u32>,
    /// Those that shall lose theirs, and why.
    must_not: BTreeMap<u32, StopReason>,
}

/// A task that is to run, on a host that is heard of or was a moment ago.
struct Holder {
    id: Name,
    version: Version,
    class: Class,
    /// It does its work, and may stand in for one that is stopped.
    works: bool,
    is_welcome: bool,
}

/// Where a task is missing.
#[derive(Default)]
struct Gaps {
    /// One may be created there.
    free: Vec<u32>,
    /// Something stands in the way for as long as the host stays as it is.
    hindered: Vec<Obstacle>,
    /// On so many of the others it fails as they are, whatever the version.
    failing: usize,
    /// It failed there of late.
    avoided: Vec<Obstacle>,
    /// One runs there that the store forgot, and that nobody has told to stop.
    forgotten: Vec<Name>,
}

/// How many more may be stopped although they do their work.
struct Spare {
    at_work: u32,
    floor: u32,
    may_start: u32,
}

impl Spare {
    fn has_one(&self) -> bool {
        self.may_start > 0 && self.at_work > self.floor
    }

    fn take(&mut self, works: bool) {
        self.at_work -= u32::from(works);
        self.may_start -= 1;
    }
}

impl Round<'_> {
    /// Looks at all hosts, and counts those that qualify as what is desired.
    pub(crate) fn survey(&mut self) -> Survey {
        let definition = self.definition();
        let policy = self.world.clusters.get(&self.key.0).map(|cluster| cluster.policy).unwrap_or_default();
        let need = definition.map(|definition| Need::of(&definition, &self.service.placement, policy));
        let mut survey = Survey { shall: BTreeSet::new(), must_not: BTreeMap::new() };
        for (row, at) in self.world.fleet.iter() {
            let Some(host) = self.world.hosts.get(&at.host) else { continue };
            let lacks = need.as_ref().and_then(|need| need.unqualified(at));
            let is_gone = host.registration.is_none() || host.presence == Presence::Lost;
            let is_draining = self.world.is_draining(&at.host);
            let why = match lacks {
                _ if self.service.stopped => StopReason::ScaleDown,
                _ if is_gone || (is_draining && self.serves_others(&at.host)) => continue,
                _ if is_draining => StopReason::Drain,
                Some(lacks) => StopReason::Unqualified { why: lacks.to_string() },
                None => {
                    survey.shall.insert(row);
                    continue;
                }
            };
            survey.must_not.insert(row, why);
        }
        let hosts = small(survey.shall.len());
        self.state.hosts = hosts;
        let service = Arc::make_mut(&mut self.service);
        (service.desired, service.max) = (hosts, hosts);
        service.min = hosts.saturating_sub(service.parallel());
        survey
    }

    /// Tells whether tasks of other kinds are on a host.
    fn serves_others(&self, host: &Name) -> bool {
        let tasks = self.world.hosts.get(host).into_iter().flat_map(|host| &host.tasks);
        let mut services = tasks.filter_map(|id| self.world.tasks.get(id)).map(|view| &view.task.service);
        services.any(|service| !self.world.systems.contains(service))
    }

    /// Gives each host that qualifies its task, takes it from the others, and brings a new version to one after the other.
    pub(crate) fn cover(&mut self, survey: &Survey) {
        if self.world.recalling.is_some() || self.definition().is_none() {
            let outcome =
                if self.world.recalling.is_some() { Created::Recalling } else { Created::Unplaceable };
            return self.tell_blocked(outcome);
        }
        self.leave_lost();
        let mut holders = self.holders();
        self.vacate(survey, &mut holders);
        self.trust_again(&holders);
        let gaps = self.gaps(survey, &holders);
        let can_have = survey.shall.len() - gaps.hindered.len();
        // A host that fails whatever comes keeps no update from the others.
        let floor = small(can_have - gaps.failing).saturating_sub(self.service.parallel());
        let recorded = small(holders.values().filter(|holder| holder.works).count());
        self.fill(&gaps.free);
        let at_work = recorded + small(gaps.forgotten.len());
        let mut spare = Spare { at_work, floor, may_start: self.may_start() };
        let forgotten = self.replace_forgotten(&gaps.forgotten, &mut spare);
        self.replace(&holders, &mut spare);
        // Between updates only what breaks by itself takes tasks away, and what shall go need not wait for that.
        let is_rolling = self.state.rollout == Rollout::Running;
        let min = if is_rolling { floor } else { floor.min(at_work) };
        Arc::make_mut(&mut self.service).min = min.saturating_sub(forgotten);
        // Where there is one that is the host's, no other goes on beside it.
        let vacant = survey.shall.iter().filter(|row| !holders.contains_key(row)).copied();
        self.take_back(Some(vacant.collect()));
        // A few on which it fails do not outweigh those on which it does its work.
        let failing = gaps.avoided.len();
        let few = small(failing) <= self.service.parallel() && failing < holders.len();
        let missing = if few { failing } else { 0 };
        if holders.len() + missing == can_have && small(holders.len()) == self.issued() {
            self.finish_cover(&holders);
        }
        self.tell_uncovered(&gaps);
    }

    /// Finds the task of each host. Of several on one host, the best is it, and the others are told to stop.
    fn holders(&mut self) -> BTreeMap<u32, Holder> {
        let mut holders: BTreeMap<u32, Holder> = BTreeMap::new();
        let mut surplus: Vec<Name> = Vec::new();
        let group = self.group();
        for ((version, class), ids) in &group.classes {
            if !class.is_issued() || *class == Class::Lost {
                continue;
            }
            for id in ids {
                let Some(view) = self.world.tasks.get(id) else { continue };
                let Some(row) = self.world.fleet.find(&view.task.host) else { continue };
                let holder = Holder {
                    id: id.clone(),
                    version: *version,
                    class: *class,
                    works: self.is_available(*version, *class),
                    is_welcome: !group.unwelcome.contains(id),
                };
                let rank = |holder: &Holder| (holder.version == self.version(), holder.class);
                match holders.get(&row) {
                    Some(other) if rank(other) >= rank(&holder) => surplus.push(holder.id),
                    Some(_) | None => surplus.extend(holders.insert(row, holder).map(|other| other.id)),
                }
            }
        }
        surplus.iter().for_each(|id| {
            self.stop(id, StopReason::ScaleDown);
        });
        holders
    }

    /// Has the tasks stopped that are on hosts which do not qualify, as far as these are heard of.
    fn vacate(&mut self, survey: &Survey, holders: &mut BTreeMap<u32, Holder>) {
        for task in self.world.orphans_of(&self.key) {
            let why = self.world.fleet.find(&task.host).and_then(|row| survey.must_not.get(&row));
            let Some(why) = why.filter(|_| self.is_forgotten(&task) && self.has_room()) else { continue };
            self.batch.stop_copy(self.world, &task, why.clone());
        }
        for (row, why) in &survey.must_not {
            let heard_of = holders.get(row).filter(|holder| holder.class != Class::Suspect);
            if heard_of.is_some_and(|holder| self.stop(&holder.id.clone(), why.clone())) {
                holders.remove(row);
            }
        }
        holders.retain(|row, _| survey.shall.contains(row));
    }

    /// Finds where a task is missing, and what stands in the way.
    fn gaps(&self, survey: &Survey, holders: &BTreeMap<u32, Holder>) -> Gaps {
        let mut gaps = Gaps::default();
        let Some(definition) = self.definition() else { return gaps };
        let next = Candidate::new(self.world, self.now, &self.key, &self.service, &definition);
        // Where the one before has not come to its end, time will help; nor where it was before it was moved here.
        let elsewhere = self.world.clusters.keys().filter(|cluster| **cluster != self.key.0);
        let elsewhere: Vec<&Group> =
            elsewhere.filter_map(|it| self.world.groups.get(&(it.clone(), self.key.1.clone()))).collect();
        let is_left = |row: &u32| elsewhere.iter().any(|group| group.crowd.contains_key(row));
        let is_free =
            |row: &&u32| !holders.contains_key(row) && !self.group().crowd.contains_key(row) && !is_left(row);
        let host = |row: &u32| &self.world.fleet.row(*row).host;
        let (closed, open): (Vec<u32>, Vec<u32>) = survey
            .shall
            .iter()
            .filter(is_free)
            .partition(|row| self.world.runs_unrecorded_on(host(row), &self.key));
        let orphans = if closed.is_empty() { Vec::new() } else { self.world.orphans_of(&self.key) };
        let forgotten: BTreeSet<&Name> =
            orphans.iter().filter(|task| self.is_forgotten(task)).map(|task| &task.host).collect();
        gaps.forgotten = closed.iter().map(host).filter(|host| forgotten.contains(host)).cloned().collect();
        for (row, obstacle) in next.first_obstacles(open) {
            let is_hindered = !matches!(obstacle, None | Some(Obstacle::Avoided { .. }));
            gaps.failing += usize::from(!is_hindered && self.is_of_the_host(host(&row), self.version()));
            match obstacle {
                None => gaps.free.push(row),
                Some(obstacle @ Obstacle::Avoided { .. }) => gaps.avoided.push(obstacle),
                Some(obstacle) => gaps.hindered.push(obstacle),
            }
        }
        gaps
    }

    /// Tells whether that the service fails on a host, for which there is no other, says more of the host than of the
    /// version: another one has failed there, too, and some do their work elsewhere, or it fails there again while it does.
    pub(super) fn is_of_the_host(&self, host: &Name, version: Version) -> bool {
        let avoided = self.world.avoided.get(&(self.key.1.clone(), host.clone()));
        let (works, any_works) =
            (self.group().count(version, Class::Mature), self.group().count_class(Class::Mature));
        let is_known = |avoided: &Avoided| avoided.lasting && any_works > 0 || avoided.times > 1 && works > 0;
        self.service.kind == Kind::System && avoided.is_some_and(is_known)
    }

    /// Forgets which versions failed on a host where one has proven itself.
    fn trust_again(&mut self, holders: &BTreeMap<u32, Holder>) {
        let proven = |host: &Name| {
            let holder = self.world.fleet.find(host).and_then(|row| holders.get(&row));
            holder.is_some_and(|holder| holder.class == Class::Mature)
        };
        let from = (self.key.1.clone(), Name::from(""));
        let of_service = self.world.avoided.range(from..).map(|(pair, _)| pair);
        let of_service = of_service.take_while(|(of, _)| *of == self.key.1);
        let trusted: Vec<(Name, Name)> = of_service.filter(|(_, host)| proven(host)).cloned().collect();
        for pair in trusted {
            if let Some(avoided) = self.world.avoided.get_mut(&pair) {
                // How often it failed there still counts: it may end again.
                (avoided.version, avoided.lasting) = (0, false);
            }
        }
    }

    /// Creates a task on each free host, as far as the rollout allows.
    fn fill(&mut self, free: &[u32]) {
        let Some(definition) = self.definition() else { return };
        for row in free.iter().copied() {
            if self.may_start() == 0 || !self.has_room() {
                return;
            }
            let next = Candidate::new(self.world, self.now, &self.key, &self.service, &definition);
            if let Some(task) = next.place_on(row, self.batch.tenure.0) {
                self.issue(task);
            }
        }
    }

    /// Tells whether a task runs on a host that is heard of, no record is under its id, and it was not told to stop.
    fn is_forgotten(&self, task: &Task) -> bool {
        let is_heard = self.world.hosts.get(&task.host).is_some_and(|host| host.presence == Presence::Ready);
        let has_record = self.world.tasks.contains_key(&task.id);
        // What its agent said of it before may be read later than that it is over.
        let is_over = self.world.status(task).is_some_and(|status| status.phase.is_over());
        is_heard && !is_over && !has_record && self.world.stray(&task.host, &task.id).is_none()
    }

    /// Has tasks stopped that the store forgot, host by host. Gives how many hosts keep theirs for now.
    fn replace_forgotten(&mut self, hosts: &[Name], spare: &mut Spare) -> u32 {
        let orphans = if hosts.is_empty() { Vec::new() } else { self.world.orphans_of(&self.key) };
        let mut kept = small(hosts.len());
        for host in hosts {
            let there: Vec<&Arc<Task>> =
                orphans.iter().filter(|task| task.host == *host && self.is_forgotten(task)).collect();
            self.full = self.full || !self.batch.has_room(there.len());
            if self.full || !spare.has_one() {
                return kept;
            }
            there.iter().for_each(|task| self.batch.stop_copy(self.world, task, StopReason::Orphaned));
            spare.take(true);
            kept -= 1;
        }
        kept
    }

    /// Has tasks stopped that are of another version, or that their agents want away: those that do no work at once, the
    /// others as far as they can be spared.
    fn replace(&mut self, holders: &BTreeMap<u32, Holder>, spare: &mut Spare) {
        let version = self.version();
        for holder in holders.values().filter(|holder| holder.version != version || !holder.is_welcome) {
            let why = self.why_retire(&holder.id);
            match holder.class {
                Class::Starting | Class::Unhealthy => {
                    self.stop(&holder.id, why);
                }
                Class::Healthy | Class::Mature if spare.has_one() => {
                    if self.stop(&holder.id, why) {
                        spare.take(holder.works);
                    }
                }
                Class::Healthy
                | Class::Mature
                | Class::Failed
                | Class::Suspect
                | Class::Lost
                | Class::Stopping
                | Class::Over
                | Class::Completed => {}
            }
        }
    }

    /// Notices that all hosts which can have a task have one of the version, which has proven itself.
    fn finish_cover(&mut self, holders: &BTreeMap<u32, Holder>) {
        let version = self.service.task_version;
        let is_open = self.state.rollout == Rollout::Running || self.is_hopeful();
        let proven = |holder: &Holder| holder.version == version && holder.class == Class::Mature;
        let is_done = !holders.is_empty() && holders.values().all(proven);
        if is_open && is_done && self.quarantine(version).is_none() {
            self.state.rollout = Rollout::Done;
            self.state.stable = Some(version);
            self.batch.notes.push(Note::RolloutDone { service: self.key.1.clone(), version });
        }
    }

    /// Says why tasks are missing, where time and the tasks on their way will not help.
    fn tell_uncovered(&mut self, gaps: &Gaps) {
        if self.quarantine(self.version()).is_some() || self.is_hopeful() {
            return self.tell_blocked(Created::Enough);
        }
        let missing = gaps.hindered.len() + gaps.avoided.len();
        let kinds = gaps.hindered.iter().chain(&gaps.avoided).map(Obstacle::kind);
        let why = (missing > 0).then(|| counted(kinds));
        self.say_blocked(small(missing), why);
    }
}
