//! Which cluster a service belongs to: the one that lists it. Where several do, the one that it is known to run for keeps
//! it until that one lets go, else the first by name: all who read the same store come to the same answer, in whichever
//! order they read it.

use super::World;
use crate::model::{Cluster, Name};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

impl World {
    /// Takes in a cluster, or that it is gone.
    pub(super) fn put_cluster(&mut self, name: &Name, cluster: Option<Arc<Cluster>>) {
        let services = |of: Option<&Arc<Cluster>>| of.map(|of| of.services.clone()).unwrap_or_default();
        let (before, after) = (services(self.clusters.get(name)), services(cluster.as_ref()));
        let grace = self.host_grace();
        match cluster {
            Some(cluster) => {
                self.fleet.serve(cluster.policy);
                self.clusters.insert(name.clone(), cluster)
            }
            None => self.clusters.remove(name),
        };
        if self.host_grace() != grace {
            self.watch_silent();
        }
        let concerned: BTreeSet<&Name> = before.iter().chain(&after).collect();
        let mut listing: BTreeMap<Name, Vec<Name>> = BTreeMap::new();
        for (cluster, of) in &self.clusters {
            for service in of.services.iter().filter(|service| concerned.contains(service)) {
                listing.entry(service.clone()).or_default().push(cluster.clone());
            }
        }
        for service in concerned {
            let by = listing.remove(service).unwrap_or_default();
            if by.len() > 1 {
                self.contested.insert(service.clone());
            } else {
                self.contested.remove(service);
            }
            self.settle_home(service, &by);
            by.iter().chain([name]).for_each(|cluster| self.touch(cluster, service));
        }
    }

    /// Decides anew where a service belongs that several clusters list: what is known of where it runs has changed.
    pub(super) fn settle_contested(&mut self, service: &Name) {
        if self.contested.contains(service) {
            let lists = |(_, of): &(&Name, &Arc<Cluster>)| of.services.contains(service);
            let by: Vec<Name> = self.clusters.iter().filter(lists).map(|(name, _)| name.clone()).collect();
            self.settle_home(service, &by);
            by.iter().for_each(|cluster| self.touch(cluster, service));
        }
    }

    /// Gives a service to one of the clusters that list it. One that is only remembered has it where no other does.
    fn settle_home(&mut self, service: &Name, by: &[Name]) {
        let runs_for = self.service_states.get(service).map(|state| &state.cluster);
        let stands = || by.iter().filter(|cluster| !self.is_remembered(cluster));
        let keeps = stands().find(|cluster| Some(*cluster) == runs_for);
        match keeps.or_else(|| stands().next()).or_else(|| by.first()).cloned() {
            Some(home) => self.homes.insert(service.clone(), home),
            None => self.homes.remove(service),
        };
    }
}
