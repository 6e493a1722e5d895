//! Which services are looked at again, and in which order: the more important first, so that room goes to them first.
//!
//! **Invariant:** what could not be placed is tried again when, and only when, something changed that may help; what is
//! left alone counts as that, and costs a look.

use super::{Class, Group, GroupKey, World};
use crate::model::{Name, Rollout};
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::ops::Bound;

/// When a group is looked at again: cluster, importance, service.
pub(crate) type Turn = (Name, Reverse<u8>, Name);

impl World {
    /// Gives the services of a cluster that are to be looked at again: the more important first, then by name.
    pub(crate) fn dirty_after(&self, cluster: &Name, last: Option<&Turn>) -> impl Iterator<Item = &Turn> {
        let from = match last {
            Some(last) => Bound::Excluded(last.clone()),
            None => Bound::Included((cluster.clone(), Reverse(u8::MAX), "".into())),
        };
        self.dirty.range((from, Bound::Unbounded)).take_while(move |turn| turn.0 == *cluster)
    }

    /// Tells whether a more important service of the cluster waits for room and is yet to be looked at.
    pub(crate) fn owes_more_important(&self, key: &GroupKey) -> bool {
        let own = self.turn(key);
        let mut before = self.dirty.range((own.0.clone(), Reverse(u8::MAX), "".into())..own.clone());
        before.any(|(cluster, importance, service)| {
            *importance < own.1 && self.blocked.contains_key(&(cluster.clone(), service.clone()))
        })
    }

    /// Tells whether a service of the cluster that is yet to be looked at has tasks of which nothing is left.
    pub(crate) fn is_clearing(&self, cluster: &Name) -> bool {
        let mut groups = self.dirty.range((cluster.clone(), Reverse(u8::MAX), "".into())..);
        groups.by_ref().take_while(|turn| turn.0 == *cluster).any(|(_, _, service)| {
            let group = self.groups.get(&(cluster.clone(), service.clone()));
            let left = |group: &Group| [Class::Over, Class::Completed].map(|class| group.count_class(class));
            group.is_some_and(|group| left(group) != [0, 0])
        })
    }

    fn turn(&self, (cluster, service): &GroupKey) -> Turn {
        (cluster.clone(), Reverse(self.priority_of(service)), service.clone())
    }

    /// Gives how important the tasks of a service are that shall run, which are of the version that worked last where the
    /// wanted one has failed; none are without their definition.
    pub(crate) fn priority_of(&self, service: &Name) -> u8 {
        let Some(service) = self.services.get(service) else { return 0 };
        let state = self.service_states.get(&service.name).filter(|it| it.version == service.task_version);
        let failed = state.filter(|state| matches!(state.rollout, Rollout::Failed { .. }));
        let version = failed.and_then(|state| state.stable).unwrap_or(service.task_version);
        self.definition(&service.task_name, version).map_or(0, |definition| definition.priority)
    }

    /// Gives the hosts on which room is being made for a service that is more important than this one, with that service.
    pub(crate) fn promised_to_others(&self, service: &Name) -> impl Iterator<Item = (&Name, &Name)> {
        let own = if self.promised.is_empty() { 0 } else { self.priority_of(service) };
        let promises = self.promised.iter().filter_map(|(host, id)| {
            let by = self.tasks.get(id)?.task.makes_room_for.as_ref()?;
            Some((host, by))
        });
        promises.filter(move |(_, by)| *by != service && self.priority_of(by) > own)
    }

    /// Looks at a group again at the next planning.
    pub(crate) fn touch(&mut self, cluster: &Name, service: &Name) {
        self.touch_group(&(cluster.clone(), service.clone()));
    }

    /// Looks at a group again at the next planning.
    pub(crate) fn touch_group(&mut self, key: &GroupKey) {
        self.dirty.insert(self.turn(key));
    }

    /// Looks at a service again in the cluster that lists it.
    pub(crate) fn touch_home(&mut self, service: &Name) {
        if let Some(cluster) = self.homes.get(service).cloned() {
            self.touch(&cluster, service);
        }
    }

    /// Looks at a service again, in the cluster that lists it, and in those that still have tasks of it or offer one.
    pub(crate) fn touch_service(&mut self, service: &Name) {
        self.touch_home(service);
        let clusters: Vec<Name> = self
            .clusters
            .keys()
            .filter(|cluster| self.groups.contains_key(&((*cluster).clone(), service.clone())))
            .chain(self.offering(service))
            .cloned()
            .collect();
        for cluster in clusters {
            self.touch(&cluster, service);
        }
    }

    /// Gives the clusters that offer a task of a service to hosts, one for each offer.
    fn offering(&self, service: &Name) -> impl Iterator<Item = &Name> {
        let auction = self.auctions.get(service);
        auction.into_iter().flat_map(|auction| auction.offers.values()).map(|offer| &offer.cluster)
    }

    /// Looks again at the services that have a task on each host that qualifies: it may be other hosts now.
    pub(crate) fn touch_systems(&mut self) {
        let systems = self.systems.iter();
        let homes = systems.filter_map(|service| Some((self.homes.get(service)?.clone(), service.clone())));
        let homes: Vec<GroupKey> = homes.collect();
        homes.iter().for_each(|key| self.touch_group(key));
    }

    /// Tries again what could not be placed: something changed that may help.
    pub(crate) fn retry_blocked(&mut self) {
        let blocked: Vec<GroupKey> = self.blocked.keys().cloned().collect();
        blocked.iter().for_each(|key| self.touch_group(key));
    }

    /// Tries again what could not be placed in a cluster and may take the room of others: one of these can spare more.
    pub(crate) fn retry_preemptors(&mut self, cluster: &Name) {
        let may = |(of, service): &&GroupKey| {
            of == cluster && self.services.get(service).is_some_and(|service| service.preempt)
        };
        let blocked: Vec<GroupKey> = self.blocked.keys().filter(may).cloned().collect();
        blocked.iter().for_each(|key| self.touch_group(key));
    }

    /// Tries again what could not be placed and belongs beside a service that has got another task.
    pub(crate) fn retry_neighbors(&mut self, service: &Name) {
        let belongs = |(_, blocked): &&GroupKey| {
            let placement = self.services.get(blocked).map(|service| &service.placement);
            placement.is_some_and(|placement| placement.near.iter().any(|near| near.service == *service))
        };
        let blocked: Vec<GroupKey> = self.blocked.keys().filter(belongs).cloned().collect();
        blocked.iter().for_each(|key| self.touch_group(key));
    }
}
