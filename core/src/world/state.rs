//! What is remembered of services beyond their tasks; among it which hosts are only blamed for being lost, which is to be
//! forgotten once they are back, whatever else happens to the service.

use super::World;
use super::group::take_one;
use crate::model::{Name, ServiceState};
use alloc::sync::Arc;
use alloc::vec::Vec;

impl World {
    /// Takes in what is remembered of a service now.
    pub(crate) fn put_service_state(&mut self, service: &Name, state: Option<Arc<ServiceState>>) {
        let waits = state.as_ref().is_some_and(|state| state.blamed.iter().any(|blame| blame.lost));
        if waits {
            self.accusing.insert(service.clone());
        } else {
            self.accusing.remove(service);
        }
        if let Some(state) = &state {
            *self.remembering.entry(state.cluster.clone()).or_default() += 1;
        }
        let before = match state {
            Some(state) => self.service_states.insert(service.clone(), state),
            None => self.service_states.remove(service),
        };
        if let Some(before) = before {
            take_one(&mut self.remembering, before.cluster.clone());
        }
        self.settle_contested(service);
    }

    /// Looks again at the services that blame a host for being lost: it is back.
    pub(crate) fn touch_accusers(&mut self, host: &Name) {
        let blames = |service: &&Name| {
            let state = self.service_states.get(*service);
            state.is_some_and(|state| state.blamed.iter().any(|blame| blame.lost && blame.host == *host))
        };
        let accusers: Vec<Name> = self.accusing.iter().filter(blames).cloned().collect();
        accusers.iter().for_each(|service| self.touch_service(service));
    }
}
