//! How many tasks a service shall have, where its record alone does not say: of a system service, one on each host that
//! qualifies by what it is.

use super::page::{HostPage, ServicePage};
use super::record::{ClusterRecord, ServiceRecord, TaskRecord, Text};
use super::rules::keeps_rules;
use super::{Book, policy};

impl Book {
    /// Gives how many tasks a service shall have now.
    pub(crate) fn target(&self, record: &ServiceRecord) -> u32 {
        if record.is_system() && !record.stopped {
            u32::try_from(self.qualified(record).count()).unwrap_or(u32::MAX)
        } else {
            record.target()
        }
    }

    /// Gives how many tasks of a service have no place: they are issued nowhere, or to a host that was silent for longer
    /// than its cluster waits for it.
    pub(crate) fn unplaced(&self, page: &ServicePage) -> u64 {
        let is_lost = |task: &TaskRecord| {
            let grace = self.clusters.get(&task.cluster).map(ClusterRecord::grace).unwrap_or_default();
            let host = self.hosts.get(&task.host);
            host.is_none_or(|host| !host.alive && self.now.since(host.alive_since) > grace)
        };
        let issued = page.issued.iter().filter(|id| !self.tasks.get(*id).is_some_and(|task| is_lost(task)));
        let target = page.record.as_ref().map_or(0, |record| self.target(record));
        u64::from(target).saturating_sub(issued.count() as u64)
    }

    /// Gives how many tasks of a new version may be on their way at once. A host that is not heard of still counts until it
    /// is given up.
    pub(crate) fn parallel(&self, record: &ServiceRecord) -> u32 {
        let known = self.hosts.iter().filter(|(host, page)| self.qualifies(host, page, record));
        let hosts = if record.is_system() { u32::try_from(known.count()).unwrap_or(u32::MAX) } else { 0 };
        let target = self.target(record).max(record.desired).max(hosts);
        record.max_parallel.unwrap_or(target / 10).max(1)
    }

    /// Walks through the hosts that are heard of and qualify for a task of a system service.
    pub(crate) fn qualified(&self, record: &ServiceRecord) -> impl Iterator<Item = (&Text, &HostPage)> {
        self.hosts.iter().filter(|(host, page)| page.alive && self.qualifies(host, page, record))
    }

    /// Tells whether a host qualifies for a task of a system service, whether or not it has room.
    pub(crate) fn qualifies(&self, host: &Text, page: &HostPage, record: &ServiceRecord) -> bool {
        let definition = self.definitions.get(&(record.task_name.clone(), record.task_version));
        let Some(has) = &page.registration else { return false };
        let able = definition.is_none_or(|definition| {
            policy::refused(&has.policy, definition).is_none()
                && definition.containers.iter().all(|container| has.executors.contains(&container.kind))
        });
        able && page.draining_since.is_none() && keeps_rules(&record.placement, host, has)
    }
}
