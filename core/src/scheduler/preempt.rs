//! Who makes room for whom: a task that has no place may take that of less important ones of its cluster, where its
//! service says so. The victims are named first, then told to stop; their services wait for other places in their turn.
//!
//! **Invariant:** nobody makes room but for what is more important, fits then, and for as long as its own service keeps
//! `min`; what is less important than that does not come in between.

use super::place::Candidate;
use super::round::{Created, Round, available, is_of, small};
use crate::machine::Time;
use crate::model::{Claim, Kind, Name, Service, ServiceState, Task, TaskDefinition};
use crate::placement::{Bystander, Reasons, Toll, victims};
use crate::why::{Note, StopReason};
use crate::world::{Class, GroupKey, Presence, World};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

/// Tasks of one host that would make room for one more of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sacrifice {
    /// The host.
    pub host: Name,
    /// The tasks, with their priorities.
    pub victims: Vec<(Name, u8)>,
}

impl fmt::Display for Sacrifice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let victims: Vec<String> =
            self.victims.iter().map(|(id, priority)| format!("{id} (priority {priority})")).collect();
        write!(f, "{} on {}", victims.join(", "), self.host)
    }
}

/// Finds the tasks whose room one more task of a service could take, whether or not it may. Of all hosts the one is chosen
/// on which the fewest and least important must go.
#[must_use]
pub fn sacrifice(
    world: &World,
    now: Time,
    key: &GroupKey,
    service: &Service,
    definition: &TaskDefinition,
) -> Option<Sacrifice> {
    let candidate = Candidate::new(world, now, key, service, definition);
    let (view, promised) = (candidate.view(), promised_to(world, &key.1));
    let reasons = Reasons::new(&candidate.need, view);
    let mut spare: BTreeMap<Name, u32> = BTreeMap::new();
    let mut best: Option<(Toll, Name, Vec<Name>)> = None;
    for (row, at) in world.fleet.iter().filter(|(_, at)| at.is_open && !promised.contains(&&at.host)) {
        let bystanders = bystanders(world, &at.host, key, (service, definition.priority), &mut spare);
        let mut emptied = at.clone();
        bystanders.iter().for_each(|task| emptied.give_back(&task.claim));
        if bystanders.is_empty()
            || reasons.first_on(row, &emptied).is_some()
            || !candidate.of_host(&at.host).is_empty()
        {
            continue;
        }
        let most = best.as_ref().map(|(toll, ..)| toll);
        if let Some((toll, ids)) = victims(&candidate.need, at, &bystanders, &spare, most) {
            best = Some((toll, at.host.clone(), ids));
        }
    }
    let (_, host, ids) = best?;
    let with_priority = |id: Name| {
        let priority = world.tasks.get(&id).and_then(|view| priority(world, &view.task));
        (id, priority.unwrap_or(0))
    };
    Some(Sacrifice { host, victims: ids.into_iter().map(with_priority).collect() })
}

/// Finds the tasks of a host that are less important than one of a service, of the same cluster, and may be stopped. Nobody
/// makes room for a service that wants to be near.
fn bystanders(
    world: &World,
    host: &Name,
    key: &GroupKey,
    (service, least): (&Service, u8),
    spare: &mut BTreeMap<Name, u32>,
) -> Vec<Bystander> {
    let ids = world.hosts.get(host).into_iter().flat_map(|host| &host.tasks);
    let views = ids.filter_map(|id| world.tasks.get(id)).filter(|view| {
        let is_there =
            matches!(view.class, Class::Starting | Class::Unhealthy | Class::Healthy | Class::Mature);
        let is_other = view.task.cluster == key.0 && view.task.service != key.1;
        let is_wanted = service.placement.near.iter().any(|near| near.service == view.task.service);
        is_there && is_other && !is_wanted
    });
    let mut found = Vec::new();
    for view in views {
        let task = &view.task;
        let Some(priority) = priority(world, task).filter(|priority| *priority < least) else { continue };
        let Some((theirs, state)) = settled(world, &key.0, &task.service) else { continue };
        if !spare.contains_key(&task.service) {
            let floor = theirs.floor().min(theirs.target());
            let group = world.groups.get(&(key.0.clone(), task.service.clone()));
            let available = group.map_or(0, |group| available(group, &state));
            // Where none need be left, all may go.
            let most = if floor == 0 { u32::MAX } else { available.saturating_sub(floor) };
            spare.insert(task.service.clone(), most);
        }
        found.push(Bystander {
            id: task.id.clone(),
            service: task.service.clone(),
            priority,
            works: view.class.is_healthy(),
            claim: Claim::of(task),
        });
    }
    found
}

/// Gives how important a task is; `None` where its definition is gone.
fn priority(world: &World, task: &Task) -> Option<u8> {
    world.definition(&task.task_name, task.version).map(|definition| definition.priority)
}

/// Gives a service of a cluster, and what is remembered of it, where that is of what the service is now.
fn settled(world: &World, cluster: &Name, service: &Name) -> Option<(Arc<Service>, Arc<ServiceState>)> {
    let is_home = world.homes.get(service) == Some(cluster);
    if !is_home || world.is_frozen(&(cluster.clone(), service.clone())) {
        return None;
    }
    let (config, state) = (world.services.get(service)?, world.service_states.get(service)?);
    // One that belongs on each host has nowhere else to go.
    (config.kind != Kind::System && is_of(state, config, cluster)).then(|| (config.clone(), state.clone()))
}

/// Gives the hosts that are heard of, on which room is being made for a service.
fn promised_to<'a>(world: &'a World, service: &Name) -> Vec<&'a Name> {
    let promises = world.promised.iter().filter(|(host, id)| {
        let is_heard = world.hosts.get(host).is_some_and(|host| host.presence == Presence::Ready);
        let by = world.tasks.get(id).and_then(|view| view.task.makes_room_for.as_ref());
        is_heard && by == Some(service)
    });
    let mut hosts: Vec<&Name> = promises.map(|(host, _)| host).collect();
    hosts.dedup();
    hosts
}

impl Round<'_> {
    /// Has less important tasks make room for those that have no place, one host for each. A version that has failed takes
    /// nobody's room, nor does one that makes room itself by what it stops.
    pub(crate) fn make_room(&mut self, created: Created) {
        if created != Created::Unplaceable || !self.service.preempt || self.is_hopeful() {
            return;
        }
        if self.world.is_clearing(&self.key.0) {
            // What others of the cluster are about to give back may be all that is needed.
            return self.world.touch_group(&self.key);
        }
        let Some(definition) = self.definition() else { return };
        let mut has_ordered = false;
        while !self.full && self.lacks_room() > 0 {
            let found = sacrifice(self.world, self.now, &self.key, &self.service, &definition);
            let Some(found) = found else { break };
            if !self.batch.has_room_for_stops(found.victims.len()) {
                self.full = true;
                break;
            }
            self.order(&found, definition.priority);
            has_ordered = true;
        }
        if has_ordered {
            self.tell_blocked(created);
        }
    }

    /// Counts the tasks that could be created if there were room for them, without those for which it is being made.
    fn lacks_room(&self) -> u32 {
        let group = self.group();
        let staying = self.issued().saturating_sub(small(group.count_class(Class::Lost)));
        let wanted = self.missing().min(self.may_start()).min(self.service.max.saturating_sub(staying));
        wanted
            .saturating_sub(self.leaving())
            .saturating_sub(small(promised_to(self.world, &self.key.1).len()))
    }

    /// Names the victims, and orders them to stop.
    fn order(&mut self, found: &Sacrifice, priority: u8) {
        self.batch.notes.push(Note::MakingRoom {
            service: self.key.1.clone(),
            host: found.host.clone(),
            victims: found.victims.iter().map(|(id, _)| id.clone()).collect(),
            why: format!("its priority is {priority}, and it has no place; it takes that of {found}"),
        });
        self.batch.rely_on_host(self.world, &found.host);
        for (id, own) in &found.victims {
            let Some(task) = self.task(id) else { continue };
            let why = StopReason::Preempted { by: self.key.1.clone(), priorities: (priority, *own) };
            self.batch.stop_task(self.now, self.world, &task, why);
            self.count_down(&task.service);
        }
    }

    /// Writes down for the agents how many tasks of another service are left.
    fn count_down(&mut self, service: &Name) {
        let Some((config, before)) = settled(self.world, &self.key.0, service) else { return };
        let group = self.world.groups.get(&(self.key.0.clone(), service.clone()));
        let state = ServiceState {
            available: group.map_or(0, |group| available(group, &before)),
            min: config.floor().min(config.target()),
            ..(*before).clone()
        };
        if state != *before {
            self.batch.put_state(self.world, service, Some(state));
        }
    }

    /// Says where room is being made for tasks that wait.
    pub(super) fn why_promised(&self) -> String {
        let hosts: Vec<String> =
            promised_to(self.world, &self.key.1).into_iter().map(|host| host.to_string()).collect();
        if hosts.is_empty() {
            return String::new();
        }
        format!("; room is being made on {}", hosts.join(", "))
    }
}
