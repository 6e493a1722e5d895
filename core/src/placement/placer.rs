//! The records of tasks, each on the best host for it.

use super::need::Need;
use super::search::{Search, View};
use crate::mirror::{hash, mix};
use crate::model::{Desired, Generation, Name, Task, TaskDefinition, TaskPort};
use alloc::collections::BTreeMap;

/// Places tasks of one service, one after the other.
#[derive(Debug)]
pub struct Placer<'a> {
    need: &'a Need,
    definition: &'a TaskDefinition,
    search: Search<'a>,
    cluster: Name,
    service: Name,
    tenure: u64,
}

/// Which task is placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its id.
    pub id: Name,
    /// Which of the service's tasks of its version.
    pub instance: u32,
    /// Which placement of all.
    pub generation: Generation,
}

impl<'a> Placer<'a> {
    /// Begins to place tasks of a definition, which need what `need` says.
    #[must_use]
    pub fn new(
        need: &'a Need,
        definition: &'a TaskDefinition,
        (cluster, service): (Name, Name),
        tenure: u64,
        view: View<'_>,
    ) -> Placer<'a> {
        Placer { need, definition, search: Search::new(need, view), cluster, service, tenure }
    }

    /// Makes the record of one more task, and gives the row of its host. What it holds is yet to be counted in the fleet
    /// and in the crowd.
    pub fn next(&mut self, view: View<'_>, identity: Identity) -> Option<(u32, Task)> {
        let row = self.search.next(view)?;
        Some((row, self.record(view, row, identity)?))
    }

    /// Makes the record of a task on a host, which must have room for it.
    #[must_use]
    pub fn record(&self, view: View<'_>, row: u32, identity: Identity) -> Option<Task> {
        let (host, definition) = (view.fleet.row(row), self.definition);
        let Identity { id, instance, generation } = identity;
        let mut port = None;
        let mut ports = BTreeMap::new();
        if self.need.has_ports() {
            // Another placement gets other ports: these may be taken by a stranger.
            let mut chosen = self.need.choose_ports(host, mix(hash(&id), generation))?.into_iter();
            let has_own = definition.provide_port || definition.port != 0;
            port = if has_own { chosen.next() } else { None };
            let further = definition.ports.iter().zip(chosen);
            ports = further
                .map(|(spec, port)| (spec.name.clone(), TaskPort { port, protocol: spec.protocol }))
                .collect();
        }
        Some(Task {
            id,
            cluster: self.cluster.clone(),
            service: self.service.clone(),
            task_name: definition.name.clone(),
            version: definition.version,
            instance,
            generation,
            host: host.host.clone(),
            port,
            ports,
            memory: definition.memory,
            cpu_units: definition.cpu_units,
            disk: definition.disk,
            resources: definition.resources.clone(),
            once: None,
            desired: Desired::Run,
            makes_room_for: None,
            reason: self.search.why(view, row),
            tenure: self.tenure,
        })
    }
}
