//! Random hosts and services, as the fleet sees them and as the reference does.

use callboard_core::model::{
    Limit, Name, Neighbor, Placement, Policy, PortRange, PortSpec, Preference, Protocol, Rule, Spread,
    TaskDefinition, Test,
};
use callboard_core::placement::{Crowd, Departure, Facts, Fleet, Need, Room, Search, View};
use callboard_core::policy::Policy as HostPolicy;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// A host.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) name: Name,
    pub(crate) facts: Facts,
    pub(crate) is_open: bool,
    pub(crate) held: Room,
    pub(crate) tasks: u32,
}

/// A service and where its tasks are, by the number of the host.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) name: Name,
    pub(crate) definition: TaskDefinition,
    pub(crate) placement: Placement,
    pub(crate) policy: Policy,
    pub(crate) crowd: BTreeMap<usize, u32>,
    pub(crate) last: Option<usize>,
    /// Hosts closed to it.
    pub(crate) closed: BTreeSet<usize>,
}

/// A world.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) hosts: Vec<Host>,
    pub(crate) services: Vec<Service>,
    fleet: Fleet,
}

impl std::fmt::Debug for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scene").field("hosts", &self.hosts).field("services", &self.services).finish()
    }
}

/// Something that happens to a host.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Nothing,
    Close(usize),
    Open(usize),
    Empty(usize),
    Label(usize, String, Option<String>),
}

const LABELS: [&str; 4] = ["zone", "rack", "disk", "release"];

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a"),
        Just("b"),
        Just("c"),
        Just("1.2"),
        Just("1.10"),
        Just("v2.0-rc1"),
        Just("2.0"),
        Just("7"),
        Just("-3")
    ]
    .prop_map(String::from)
}

fn label() -> impl Strategy<Value = String> {
    prop::sample::select(&LABELS[..]).prop_map(String::from)
}

fn label_or_host() -> impl Strategy<Value = String> {
    prop_oneof![3 => label(), 1 => Just(String::from("host"))]
}

fn room() -> impl Strategy<Value = (u64, u64, u64, u64)> {
    (0..4u64, 0..4u64, 0..3u64, 0..3u64)
}

/// Policies that speak of one thing each, or of nothing.
fn policy() -> impl Strategy<Value = HostPolicy> {
    prop_oneof![
        4 => Just(serde_json::json!({})),
        1 => Just(serde_json::json!({"docker": {}, "bash": {}})),
        1 => Just(serde_json::json!({"docker": {"images": ["ours/", "i"]}})),
        1 => Just(serde_json::json!({"docker": {"users": ["1000"]}, "bash": {}})),
        1 => Just(serde_json::json!({"docker": {}, "bash": {"artifacts": ["https://ours/"]}})),
    ]
    .prop_map(|policy| serde_json::from_value(policy).expect("a policy"))
}

fn host(number: usize) -> impl Strategy<Value = Host> {
    let labels = prop::collection::btree_map(label(), value(), 0..4);
    let ports = (0..3u16, prop::collection::btree_set(100..104u16, 0..2));
    let says = (labels, policy());
    (room(), room(), says, ports, any::<[bool; 2]>(), 0..10u8, 0..5u32).prop_map(
        move |(has, held, (labels, policy), (width, reserved), [docker, stuck], shut, tasks)| {
            let name = Name::from(format!("h{number:02}"));
            let gpu = |count: u64| {
                if count == 0 { BTreeMap::new() } else { BTreeMap::from([(Name::from("gpu"), count)]) }
            };
            let facts = Facts {
                has: Room {
                    memory: 512 + has.0 * 256,
                    cpu_units: 1024 + has.1 * 512,
                    disk: has.2 * 100,
                    resources: gpu(has.3),
                    ports: reserved.clone(),
                    udp_ports: reserved,
                },
                range: Some(PortRange { first: 100, last: 100 + width }),
                executors: if docker { vec!["bash".into(), "docker".into()] } else { vec!["bash".into()] },
                unfit_for: if stuck && shut < 5 {
                    BTreeSet::from(["docker".into()])
                } else {
                    BTreeSet::new()
                },
                policy,
                labels,
            };
            let held = Room {
                memory: held.0 * 128,
                cpu_units: held.1 * 256,
                disk: held.2 * 30,
                resources: gpu(held.3.min(1)),
                ..Room::default()
            };
            Host { name, facts, is_open: shut > 0, held, tasks }
        },
    )
}

fn rule(label: impl Strategy<Value = String>) -> impl Strategy<Value = Rule> {
    let test = prop_oneof![
        value().prop_map(Test::Equals),
        value().prop_map(Test::NotEquals),
        vec(value(), 1..3).prop_map(Test::In),
        vec(value(), 1..3).prop_map(Test::NotIn),
        any::<bool>().prop_map(Test::Exists),
        prop_oneof![Just(">= 1.10"), Just("< 2.0"), Just("> 1, != 1.2")]
            .prop_map(|text| Test::Version(text.into())),
        prop_oneof![Just("> 0"), Just("<= 7, >= -3")].prop_map(|text| Test::Number(text.into())),
        prop_oneof![Just("[ab]"), Just("h0.*"), Just("a|c")].prop_map(|text| Test::Matches(text.into())),
        prop_oneof![Just("h01"), Just("h02")].prop_map(|host: &str| Test::Equals(host.into())),
    ];
    (label, test).prop_map(|(label, test)| Rule { label, test })
}

fn neighbor(services: usize) -> impl Strategy<Value = Neighbor> {
    (0..services, label_or_host(), option::of(1..100i32)).prop_map(|(service, same, weight)| Neighbor {
        service: format!("s{service}").into(),
        same,
        weight,
    })
}

fn placement(services: usize) -> impl Strategy<Value = Placement> {
    let require = vec(rule(prop_oneof![6 => label(), 1 => Just(String::from("host"))]), 0..2);
    let weight = prop_oneof![Just(-50), Just(10), Just(50)];
    let prefer = vec((rule(label_or_host()), weight), 0..3);
    let limit = vec((label_or_host(), 1..4u32).prop_map(|(same, tasks)| Limit { same, tasks }), 0..2);
    let targets = prop::collection::btree_map(value(), prop_oneof![Just(0u32), Just(20), Just(30)], 0..3);
    let spread = vec((label_or_host(), targets), 0..3);
    let beside = (vec(neighbor(services), 0..2), vec(neighbor(services), 0..2));
    (require, prefer, beside, limit, spread).prop_map(|(require, prefer, (near, apart), limit, spread)| {
        let mut seen = BTreeSet::new();
        let spread = spread.into_iter().filter(|(label, _)| seen.insert(label.clone()));
        Placement {
            require,
            prefer: prefer.into_iter().map(|(rule, weight)| Preference { rule, weight }).collect(),
            near,
            apart,
            limit,
            spread: spread
                .map(|(label, targets)| {
                    let targets = if label == "host" { BTreeMap::new() } else { targets };
                    Spread { label, targets }
                })
                .collect(),
        }
    })
}

fn executor() -> impl Strategy<Value = (&'static str, serde_json::Value)> {
    prop_oneof![
        3 => Just(("bash", serde_json::json!({"start": ["x"]}))),
        1 => Just(("bash", serde_json::json!({"start": ["x"], "artifact": "https://ours/x"}))),
        1 => Just(("bash", serde_json::json!({"start": ["x"], "artifact": "https://others/x"}))),
        1 => Just(("docker", serde_json::json!({"image": "i"}))),
        1 => Just(("docker", serde_json::json!({"image": "ours/i", "flags": ["--user=1000"]}))),
        1 => Just(("docker", serde_json::json!({"image": "others/i", "flags": ["--user=0"]}))),
    ]
}

fn definition() -> impl Strategy<Value = TaskDefinition> {
    let port = prop_oneof![4 => Just((false, 0u16)), 2 => Just((true, 0)), 1 => Just((false, 101))];
    let further = vec((option::of(100..103u16), any::<bool>()), 0..2);
    (room(), port, further, executor()).prop_map(
        |(needs, (provide_port, port), further, (kind, executor))| {
            let kind = serde_json::json!({"name": "c", "type": kind, "executor": executor});
            let definition = serde_json::json!({"name": "app", "version": 1, "containers": [kind]});
            let base: TaskDefinition = serde_json::from_value(definition).expect("a definition");
            let further = further.into_iter().enumerate().map(|(number, (port, udp))| PortSpec {
                name: format!("p{number}").into(),
                port,
                protocol: if udp { Protocol::Udp } else { Protocol::Tcp },
            });
            TaskDefinition {
                memory: needs.0 * 100,
                cpu_units: needs.1 * 200,
                disk: needs.2 * 40,
                resources: if needs.3 == 0 {
                    BTreeMap::new()
                } else {
                    BTreeMap::from([("gpu".into(), needs.3)])
                },
                provide_port,
                port,
                ports: further.collect(),
                ..base
            }
        },
    )
}

/// Draws a world of up to 40 hosts and three services.
pub(crate) fn scenes() -> impl Strategy<Value = Scene> {
    let policy =
        prop::sample::select(vec![Policy::Spread, Policy::Binpack, Policy::RoundRobin, Policy::EPvm]);
    let hosts = (0..40usize).prop_flat_map(|count| (0..count).map(host).collect::<Vec<_>>());
    let closed = prop::collection::btree_set(0..40usize, 0..3);
    let services = vec((definition(), placement(3), policy, closed), 3);
    (hosts, services).prop_map(|(hosts, services)| {
        let service =
            |(number, (definition, mut placement, policy, closed)): (usize, (_, Placement, _, _))| {
                let name: Name = format!("s{number}").into();
                placement.near.retain(|neighbor| neighbor.service != name);
                placement.apart.retain(|neighbor| neighbor.service != name);
                Service { name, definition, placement, policy, crowd: BTreeMap::new(), last: None, closed }
            };
        let services: Vec<Service> = services.into_iter().enumerate().map(service).collect();
        let fleet = fleet_of(hosts.iter(), &services);
        Scene { hosts, services, fleet }
    })
}

fn fleet_of<'a>(hosts: impl Iterator<Item = &'a Host>, services: &[Service]) -> Fleet {
    let mut fleet = Fleet::default();
    for (number, host) in hosts.enumerate() {
        if number == 3 {
            services.iter().for_each(|service| fleet.tell_apart_by(service.placement.labels()));
            services.iter().for_each(|service| fleet.serve(service.policy));
        }
        let row = fleet.enter(&host.name);
        fleet.describe(row, host.facts.clone());
        fleet.change(row, |row| {
            (row.is_open, row.held, row.tasks) = (host.is_open, host.held.clone(), host.tasks);
        });
    }
    services.iter().for_each(|service| fleet.tell_apart_by(service.placement.labels()));
    fleet
}

/// Draws what happens to the hosts of a world.
pub(crate) fn changes(hosts: usize) -> impl Strategy<Value = Vec<Change>> {
    let host = 0..hosts.max(1);
    let change =
        (host, 0..4u8, label(), option::of(value())).prop_map(|(host, kind, label, value)| match kind {
            0 => Change::Close(host),
            1 => Change::Open(host),
            2 => Change::Empty(host),
            _ => Change::Label(host, label, value),
        });
    vec(change, 0..4).prop_map(|mut changes| {
        changes.insert(0, Change::Nothing);
        changes
    })
}

impl Scene {
    /// The same hosts, met in another order.
    pub(crate) fn shuffled(&self, seed: u64) -> Scene {
        let mut order: Vec<usize> = (0..self.hosts.len()).collect();
        order.sort_by_key(|number| (*number as u64 + 1).wrapping_mul(seed | 1).rotate_left(17));
        let fleet = fleet_of(order.iter().map(|number| &self.hosts[*number]), &self.services);
        Scene { fleet, ..self.clone() }
    }

    fn row(&self, host: usize) -> u32 {
        self.fleet.find(&self.hosts[host].name).expect("every host has a row")
    }

    /// Places tasks of a service on a copy of the fleet; gives the hosts in the order in which they were picked.
    pub(crate) fn place(&self, service: usize, tasks: usize) -> Vec<usize> {
        let of = &self.services[service];
        let mut fleet = self.fleet.clone();
        let need = Need::of(&of.definition, &of.placement, of.policy);
        let crowd = |service: &Service| -> Crowd {
            service.crowd.iter().map(|(host, count)| (self.row(*host), *count)).collect()
        };
        let mut own = crowd(of);
        let others: Vec<Crowd> = need
            .neighbors()
            .map(|(name, _)| {
                crowd(self.services.iter().find(|service| service.name == *name).expect("it is there"))
            })
            .collect();
        let others: Vec<Cow<'_, Crowd>> = others.iter().map(Cow::Borrowed).collect();
        let closed: BTreeSet<u32> =
            of.closed.iter().filter(|host| **host < self.hosts.len()).map(|host| self.row(*host)).collect();
        let last = of.last.map(|host| self.row(host));
        macro_rules! view {
            () => {
                View { fleet: &fleet, own: &own, others: &others, closed: &closed, last }
            };
        }
        let mut search = Search::new(&need, view!());
        let mut picked = Vec::new();
        for _ in 0..tasks {
            let Some(row) = search.next(view!()) else { break };
            let ports = need.choose_ports(fleet.row(row), 0).expect("a pick has its ports");
            fleet.change(row, |row| {
                hold(&mut row.held, &of.definition, &ports);
                row.tasks += 1;
            });
            *own.entry(row).or_insert(0) += 1;
            let name = &fleet.row(row).host;
            picked.push(self.hosts.iter().position(|host| host.name == *name).expect("a host"));
        }
        picked
    }

    /// Chooses tasks of a service that go; gives their hosts in that order.
    pub(crate) fn depart(&self, service: usize, tasks: usize) -> Vec<usize> {
        let of = &self.services[service];
        let need = Need::of(&of.definition, &of.placement, of.policy);
        let rows = |crowd: &BTreeMap<usize, u32>| -> Crowd {
            crowd.iter().map(|(host, count)| (self.row(*host), *count)).collect()
        };
        let others: Vec<Crowd> = need
            .neighbors()
            .map(|(name, _)| self.services.iter().find(|service| service.name == *name).expect("it is there"))
            .map(|service| rows(&service.crowd))
            .collect();
        let others: Vec<Cow<'_, Crowd>> = others.iter().map(Cow::Borrowed).collect();
        let (own, closed) = (rows(&of.crowd), BTreeSet::new());
        let view = View { fleet: &self.fleet, own: &own, others: &others, closed: &closed, last: None };
        let mut departure = Departure::new(&need, view);
        let mut left = of.crowd.clone();
        let mut gone = Vec::new();
        for _ in 0..tasks {
            let there = left.keys().copied();
            let Some(host) = there.max_by_key(|host| departure.order(view, self.row(*host))) else { break };
            departure.count(view, self.row(host));
            left.entry(host).and_modify(|count| *count -= 1);
            left.retain(|_, count| *count > 0);
            gone.push(host);
        }
        gone
    }

    /// Keeps what was placed.
    pub(crate) fn settle(&mut self, service: usize, picked: &[usize]) {
        let of = self.services[service].clone();
        let need = Need::of(&of.definition, &of.placement, of.policy);
        for host in picked {
            let ports = need.choose_ports(self.fleet.row(self.row(*host)), 0).expect("a pick has its ports");
            let at = &mut self.hosts[*host];
            hold(&mut at.held, &of.definition, &ports);
            at.tasks += 1;
            let of = &mut self.services[service];
            *of.crowd.entry(*host).or_insert(0) += 1;
            of.last = Some(*host);
            self.refresh(*host);
        }
    }

    fn refresh(&mut self, host: usize) {
        let (row, at) = (self.row(host), &self.hosts[host]);
        self.fleet.describe(row, at.facts.clone());
        self.fleet.change(row, |row| {
            (row.is_open, row.held, row.tasks) = (at.is_open, at.held.clone(), at.tasks);
        });
    }

    /// Lets something happen to a host.
    pub(crate) fn change(&mut self, change: &Change) {
        let host = match change {
            Change::Nothing => return,
            Change::Close(host) | Change::Open(host) | Change::Empty(host) | Change::Label(host, ..) => *host,
        };
        let Some(at) = self.hosts.get_mut(host) else { return };
        match change {
            Change::Nothing => {}
            Change::Close(_) => at.is_open = false,
            Change::Open(_) => at.is_open = true,
            Change::Empty(_) => {
                (at.held, at.tasks) = (Room::default(), 0);
                self.services.iter_mut().for_each(|service| {
                    service.crowd.remove(&host);
                });
            }
            Change::Label(_, label, value) => {
                match value {
                    Some(value) => at.facts.labels.insert(label.clone(), value.clone()),
                    None => at.facts.labels.remove(label),
                };
            }
        }
        self.refresh(host);
    }
}

/// Adds what a task needs to what is held.
pub(crate) fn hold(held: &mut Room, definition: &TaskDefinition, ports: &[u16]) {
    held.memory += definition.memory;
    held.cpu_units += definition.cpu_units;
    held.disk += definition.disk;
    for (name, count) in &definition.resources {
        *held.resources.entry(name.clone()).or_insert(0) += count;
    }
    let has_own = definition.provide_port || definition.port != 0;
    let own = has_own.then_some(Protocol::Tcp);
    let protocols = own.into_iter().chain(definition.ports.iter().map(|spec| spec.protocol));
    for (protocol, port) in protocols.zip(ports) {
        match protocol {
            Protocol::Tcp => held.ports.insert(*port),
            Protocol::Udp => held.udp_ports.insert(*port),
        };
    }
}
