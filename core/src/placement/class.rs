//! Hosts that no rule in use tells apart, in the orders in which searches look at them.

use super::costs::{Costs, Standing};
use super::order::{Free, Order, Spot};
use crate::model::Policy as Choosing;
use crate::policy::Policy;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Hosts that no rule in use tells apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Class {
    /// Those that can start something.
    pub(super) executors: Vec<String>,
    pub(super) policy: Policy,
    /// The labels in use; those that the hosts lack are not there.
    pub(super) labels: BTreeMap<String, String>,
    /// Open hosts in the order of load, where loads are served.
    pub(super) order: Order<Spot>,
    /// Open hosts by rank and row. Where names are not served they pass for hosts that have room for anything.
    pub(super) names: Order<(u64, u32)>,
    /// Open hosts by what they are and how full, where costs are served.
    pub(super) costs: Costs,
    /// How many hosts are of it.
    pub(super) members: u32,
}

/// What is kept for searches, as each policy goes by something else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Served {
    /// Hosts by how full they are.
    pub(super) loads: bool,
    /// What is free on hosts in the order of their names.
    pub(super) names: bool,
    /// Hosts by what they are and how full.
    pub(super) costs: bool,
}

impl Served {
    /// Adds what a search by this policy goes by.
    pub(super) fn with(self, policy: Choosing) -> Served {
        match policy {
            Choosing::EPvm => Served { costs: true, ..self },
            Choosing::RoundRobin => Served { names: true, ..self },
            Choosing::Spread | Choosing::Binpack => Served { loads: true, ..self },
        }
    }
}

/// Where a host stands while it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stand {
    pub(super) spot: Spot,
    pub(super) free: Free,
    /// MiB of memory, and 1024 a core.
    pub(super) has: (u64, u64),
}

impl Stand {
    fn name(&self) -> (u64, u32) {
        (self.spot.rank, self.spot.row)
    }

    fn standing(&self) -> Standing {
        Standing::of(self.has, self.free, self.spot)
    }
}

impl Class {
    /// Takes in that a host stands elsewhere now.
    pub(super) fn refile(&mut self, from: Option<Stand>, to: Option<Stand>, served: Served) {
        let in_names = served.names || from.is_some() != to.is_some();
        if let Some(from) = from {
            if served.loads {
                self.order.remove(from.spot);
            }
            if in_names {
                self.names.remove(from.name());
            }
            if served.costs {
                self.costs.remove(from.standing());
            }
        }
        if let Some(to) = to {
            if served.loads {
                self.order.insert(to.spot, to.free);
            }
            if in_names {
                self.names.insert(to.name(), if served.names { to.free } else { Free::ANY });
            }
            if served.costs {
                self.costs.insert(to.standing());
            }
        }
    }

    /// Tells whether a host stands there.
    pub(super) fn contains(&self, stand: Stand, served: Served) -> bool {
        (!served.loads || self.order.contains(stand.spot))
            && self.names.contains(stand.name())
            && (!served.costs || self.costs.contains(stand.standing()))
    }
}
