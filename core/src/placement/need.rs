//! What one more task of a service needs: room, ports, executors, and what its service says of hosts and of neighbours.

use super::fleet::Row;
use super::obstacle::Obstacle;
use super::order::Free;
use super::rule::Reading;
use crate::model::{
    Container, HOST_LABEL, Limit, Name, Neighbor, Placement, Policy, Protocol, Spread, TaskDefinition,
};
use crate::policy;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// How many tasks of a service there are on each host that has any, by row.
pub type Crowd = BTreeMap<u32, u32>;

/// What one more task of a service needs.
#[derive(Clone, Debug)]
pub struct Need {
    /// How the best host is chosen.
    pub policy: Policy,
    pub(super) free: Free,
    pub(super) disk: u64,
    pub(super) resources: Vec<(Name, u64)>,
    /// The task's own port first.
    pub(super) ports: Vec<PortNeed>,
    pub(super) executors: Vec<&'static str>,
    /// Containers that a host's policy may refuse.
    pub(super) suspects: Vec<Container>,
    pub(super) require: Vec<Reading>,
    pub(super) prefer: Vec<(Reading, i64)>,
    pub(super) neighbors: Vec<Nearby>,
    pub(super) limits: Vec<Limit>,
    pub(super) spread: Vec<Spread>,
}

impl Need {
    /// Tells whether the service limits how many of its tasks have the same value of a label.
    pub(crate) fn limits_labels(&self) -> bool {
        self.limits.iter().any(|limit| limit.same != HOST_LABEL)
    }
}

/// Another service that matters.
#[derive(Clone, Debug)]
pub(super) struct Nearby {
    pub(super) neighbor: Neighbor,
    pub(super) is_apart: bool,
}

impl Nearby {
    /// Says what is wrong with a place in which the other service is, or is not.
    pub(super) fn obstacle(&self, is_there: bool) -> Option<Obstacle> {
        let (service, same) = (self.neighbor.service.clone(), self.neighbor.same.clone());
        match (self.is_apart, is_there) {
            (true, true) => Some(Obstacle::NotApart { service, same }),
            (false, false) => Some(Obstacle::NotNear { service, same }),
            (true, false) | (false, true) => None,
        }
    }
}

/// What a rule speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// Hosts by their own name.
    Hosts,
    /// Labels, which many hosts share.
    Labels,
}

impl Of {
    pub(super) fn label(label: &str) -> Of {
        if label == HOST_LABEL { Of::Hosts } else { Of::Labels }
    }

    fn rule(reading: &Reading) -> Of {
        Of::label(&reading.rule.label)
    }
}

/// A port that a task needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PortNeed {
    /// This one; none for any of the host's range.
    pub(super) fixed: Option<u16>,
    pub(super) protocol: Protocol,
}

fn ports(definition: &TaskDefinition) -> Vec<PortNeed> {
    let own = match definition.port {
        0 if definition.provide_port => Some(None),
        0 => None,
        fixed => Some(Some(fixed)),
    };
    let own = own.map(|fixed| PortNeed { fixed, protocol: Protocol::Tcp });
    let further = definition.ports.iter().map(|spec| PortNeed { fixed: spec.port, protocol: spec.protocol });
    own.into_iter().chain(further).collect()
}

impl Need {
    /// Gives what a task of a definition needs under a service's rules. A rule that cannot be read, which no
    /// configuration that was checked has, forbids all hosts.
    #[must_use]
    pub fn of(definition: &TaskDefinition, placement: &Placement, policy: Policy) -> Need {
        let mut executors: Vec<&'static str> =
            definition.containers.iter().map(|container| container.executor.kind()).collect();
        executors.sort_unstable();
        executors.dedup();
        let near = placement.near.iter().map(|neighbor| (neighbor, false));
        let neighbors = near.chain(placement.apart.iter().map(|neighbor| (neighbor, true)));
        let nearby =
            |(neighbor, is_apart): (&Neighbor, bool)| Nearby { neighbor: neighbor.clone(), is_apart };
        let prefer = placement.prefer.iter();
        Need {
            policy,
            free: Free { memory: definition.memory, cpu_units: definition.cpu_units },
            disk: definition.disk,
            resources: definition.resources.iter().map(|(name, count)| (name.clone(), *count)).collect(),
            ports: ports(definition),
            executors,
            suspects: definition
                .containers
                .iter()
                .filter(|it| policy::Policy::may_refuse(it))
                .cloned()
                .collect(),
            require: placement.require.iter().map(Reading::of_stored).collect(),
            prefer: prefer.map(|one| (Reading::of_stored(&one.rule), i64::from(one.weight))).collect(),
            neighbors: neighbors.map(nearby).collect(),
            limits: placement.limit.clone(),
            spread: placement.spread.clone(),
        }
    }

    /// Tells whether it needs any port.
    pub(super) fn has_ports(&self) -> bool {
        !self.ports.is_empty()
    }

    /// Tells whether anything is preferred of hosts.
    pub(super) fn prefers(&self) -> bool {
        !self.prefer.is_empty() || !self.neighbors.is_empty()
    }

    /// Gives the other services that matter, and whether it keeps away from each, in the order in which their crowds are
    /// to be given to a search.
    pub fn neighbors(&self) -> impl Iterator<Item = (&Name, bool)> {
        self.neighbors.iter().map(|nearby| (&nearby.neighbor.service, nearby.is_apart))
    }

    /// Finds the first lack of room on a host. Cheap: it is asked of every host that a search looks at.
    pub(super) fn shortage(&self, row: &Row) -> Option<Obstacle> {
        self.memory(row)
            .or_else(|| self.cpu_units(row))
            .or_else(|| self.disk(row))
            .or_else(|| self.resources.iter().find_map(|need| lack(row, need)))
            .or_else(|| self.port(row))
    }

    /// Finds all lacks of room on a host.
    pub(super) fn shortages(&self, row: &Row) -> Vec<Obstacle> {
        let plain = [self.memory(row), self.cpu_units(row), self.disk(row), self.port(row)];
        let counted = self.resources.iter().filter_map(|need| lack(row, need));
        plain.into_iter().flatten().chain(counted).collect()
    }

    fn memory(&self, row: &Row) -> Option<Obstacle> {
        let (free, needed) = (row.free().0, self.free.memory);
        (needed > free).then_some(Obstacle::Memory { needed, free })
    }

    fn cpu_units(&self, row: &Row) -> Option<Obstacle> {
        let (free, needed) = (row.free().1, self.free.cpu_units);
        (needed > free).then_some(Obstacle::Cpu { needed, free })
    }

    fn disk(&self, row: &Row) -> Option<Obstacle> {
        let (free, needed) = (row.facts.has.disk.saturating_sub(row.held.disk), self.disk);
        (needed > free).then_some(Obstacle::Disk { needed, free })
    }

    fn port(&self, row: &Row) -> Option<Obstacle> {
        if self.ports.is_empty() {
            return None;
        }
        let taken = self
            .ports
            .iter()
            .find(|need| need.fixed.is_some_and(|port| !row.is_port_free(need.protocol, port)));
        if let Some(port) = taken.and_then(|need| need.fixed) {
            return Some(Obstacle::Port(port));
        }
        self.choose_ports(row, 0).is_none().then_some(Obstacle::NoPort)
    }

    /// Gives the ports that no other can stand in for.
    pub(super) fn fixed_ports(&self) -> impl Iterator<Item = (Protocol, u16)> {
        self.ports.iter().filter_map(|need| Some((need.protocol, need.fixed?)))
    }

    /// Chooses the ports of a task on a host, in the order of its definition, its own port first. Provided ports are looked
    /// for from a place in the host's range on that `salt` chooses.
    #[must_use]
    pub fn choose_ports(&self, row: &Row, salt: u64) -> Option<Vec<u16>> {
        let mut chosen: Vec<(Protocol, u16)> = self.fixed_ports().collect();
        let mut ports = Vec::new();
        for need in &self.ports {
            let port = match need.fixed {
                Some(port) => port,
                None => row.free_port(need.protocol, salt, &chosen)?,
            };
            chosen.push((need.protocol, port));
            ports.push(port);
        }
        Some(ports)
    }

    /// Finds what a host is not, whatever room it has: what stands between it and a service that is on every other.
    pub(crate) fn unqualified(&self, row: &Row) -> Option<Obstacle> {
        let broken = |reading: &Reading| broken(reading, row.label(&reading.rule.label));
        let kept = self.executor(&row.facts.executors).or_else(|| self.policy(&row.facts.policy));
        kept.or_else(|| self.require.iter().find_map(broken))
    }

    /// Finds the executor that cannot start anything on a host for now, by why each that cannot cannot.
    pub(crate) fn unfit_for(&self, unfit: &BTreeMap<String, String>) -> Option<Obstacle> {
        let found = self.executors.iter().find_map(|executor| Some((*executor, unfit.get(*executor)?)));
        found.map(|(executor, why)| Obstacle::UnfitFor { executor, why: why.clone() })
    }

    /// Finds what the policy of a host does not allow.
    pub(super) fn policy(&self, policy: &policy::Policy) -> Option<Obstacle> {
        self.suspects.iter().find_map(|container| policy.refusal_of(container)).map(Obstacle::Policy)
    }

    /// Finds the executor that a host lacks.
    pub(super) fn executor(&self, executors: &[String]) -> Option<Obstacle> {
        let missing = self.executors.iter().find(|kind| !executors.iter().any(|offered| offered == *kind));
        missing.map(|kind| Obstacle::NoExecutor(kind))
    }

    /// Finds the first rule that a host breaks, among those that speak of the host by name, or of its labels.
    pub(super) fn rule<'a>(&self, of: Of, label: impl Fn(&str) -> Option<&'a str>) -> Option<Obstacle> {
        let rules = self.require.iter().filter(|reading| Of::rule(reading) == of);
        rules.into_iter().find_map(|reading| broken(reading, label(&reading.rule.label)))
    }

    /// Finds all rules that a host breaks.
    pub(super) fn rules<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> Vec<Obstacle> {
        self.require.iter().filter_map(|reading| broken(reading, label(&reading.rule.label))).collect()
    }

    /// Adds up what speaks for a host, by its name or by its labels.
    pub(super) fn points<'a>(&self, of: Of, label: impl Fn(&str) -> Option<&'a str>) -> i64 {
        let counted = self.prefer.iter().filter(|(reading, _)| Of::rule(reading) == of);
        counted
            .map(|(reading, weight)| if reading.passes(label(&reading.rule.label)) { *weight } else { 0 })
            .sum()
    }

    /// Gives the other services that matter with whether hosts count by name or by a label.
    pub(super) fn nearby(&self, of: Of) -> impl Iterator<Item = (usize, &Nearby)> {
        let all = self.neighbors.iter().enumerate();
        all.filter(move |(_, nearby)| Of::label(&nearby.neighbor.same) == of)
    }

    /// Tells whether it must be on a host with tasks of another service.
    pub(super) fn is_beside_others(&self) -> bool {
        let must = |nearby: &Nearby| !nearby.is_apart && nearby.neighbor.weight.is_none();
        self.neighbors.iter().any(|nearby| must(nearby) && nearby.neighbor.same == HOST_LABEL)
    }

    /// Gives how many tasks of the service a host may have.
    pub(super) fn host_limit(&self) -> Option<u32> {
        let of_host = self.limits.iter().filter(|limit| limit.same == HOST_LABEL);
        of_host.map(|limit| limit.tasks).min()
    }
}

/// Says what of a rule a value breaks.
pub(super) fn broken(reading: &Reading, value: Option<&str>) -> Option<Obstacle> {
    let rule = || Obstacle::Rule { rule: reading.rule.clone(), is: value.map(ToString::to_string) };
    (!reading.passes(value)).then(rule)
}

fn lack(row: &Row, (name, needed): &(Name, u64)) -> Option<Obstacle> {
    let count = |of: &BTreeMap<Name, u64>| of.get(name).copied().unwrap_or(0);
    let free = count(&row.facts.has.resources).saturating_sub(count(&row.held.resources));
    let lack = || Obstacle::Resource { name: name.clone(), needed: *needed, free };
    (*needed > free).then(lack)
}
