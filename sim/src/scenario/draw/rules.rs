//! What is drawn of where tasks may lie: how clusters choose, what machines are and count, what services ask of their hosts
//! and of each other; users who have tasks moved to where they lie better; and how much tasks may take. It is drawn
//! apart from all else, so that a world without any of it is what it was.

use super::number;
use crate::rng::Chance;
use crate::scenario::{Action, Happening, Scenario};
use callboard_core::machine::Span;
use callboard_core::model::{
    Choice, HOST_LABEL, HostConfig, Kind, Limit, Name, Neighbor, Placement, Policy, PortSpec, Preference,
    Protocol, Rule, Service, Spread, Test,
};
use callboard_core::rebalance::MOVES_MAX;
use std::collections::BTreeMap;

/// The label in which machines differ, and its values.
const DISK: &str = "disk";
const KINDS: [&str; 2] = ["hdd", "ssd"];
/// Labels with versions and with numbers, and their values.
const KERNEL: &str = "kernel";
const KERNELS: [&str; 4] = ["5.4.0", "5.10", "v6.1-rc1", "6.1"];
const CORES: &str = "cores";
const COUNTS: [&str; 3] = ["8", "16", "128"];
/// What some machines count.
const CARD: &str = "gpu";
/// What a task reserves of a disk where that is scarce, MiB.
const EACH_DISK: u64 = 100;

/// Draws all of it.
pub(super) fn draw(chance: &mut Chance, scenario: &mut Scenario) {
    for cluster in &mut scenario.desired.clusters {
        if chance.happens(400_000) {
            cluster.policy = if chance.coin() { Policy::RoundRobin } else { Policy::EPvm };
        }
        if chance.happens(250_000) {
            cluster.placement = Choice::Bid;
        }
    }
    if chance.happens(400_000) {
        machines(chance, scenario);
        cards(chance, scenario);
        wishes(chance, scenario);
    }
    rebalances(chance, scenario);
    if chance.happens(400_000) {
        limits(chance, scenario);
    }
    if chance.coin() {
        hurry(chance, scenario);
    }
    if chance.happens(150_000) {
        further_ports(chance, scenario);
        reserved_ports(chance, scenario);
    }
}

/// Keeps some of the ports that would be given away first for something else.
fn reserved_ports(chance: &mut Chance, scenario: &mut Scenario) {
    for host in scenario.fleet.iter().flat_map(|class| class.registrations()) {
        let few = (host.ports.last - host.ports.first) / 4;
        let reserved_ports = (host.ports.first..host.ports.first + few).filter(|_| chance.coin()).collect();
        scenario.desired.hosts.push(HostConfig { name: host.host, draining: false, reserved_ports });
    }
}

/// Has the tasks of one service take further ports, some of UDP.
fn further_ports(chance: &mut Chance, scenario: &mut Scenario) {
    let Some(service) = one_of(chance, &scenario.desired.services).cloned() else { return };
    let protocols: Vec<Protocol> =
        [Protocol::Udp, Protocol::Tcp].into_iter().take(if chance.coin() { 1 } else { 2 }).collect();
    let named = |(at, protocol): (usize, &Protocol)| PortSpec {
        name: format!("further-{at}").into(),
        port: None,
        protocol: *protocol,
    };
    let own = scenario.desired.task_definitions.iter_mut().filter(|it| it.name == service.task_name);
    own.for_each(|definition| definition.ports = protocols.iter().enumerate().map(named).collect());
}

/// Gives tries a time limit, mostly one within which they end.
fn hurry(chance: &mut Chance, scenario: &mut Scenario) {
    for service in &mut scenario.desired.services {
        let Kind::Batch(batch) = &mut service.kind else { continue };
        let takes = scenario.builds.iter().find(|build| build.task == service.task_name);
        let takes = takes.and_then(|build| build.completes_after).unwrap_or(Span::secs(60));
        let least = if chance.happens(700_000) { takes.0 } else { takes.0 / 4 };
        batch.time_limit = Some(Span(chance.between(least, 4 * takes.0)));
    }
}

/// Has tasks take more than they reserve, or as much as there is; what goes beyond in memory is killed.
fn limits(chance: &mut Chance, scenario: &mut Scenario) {
    for definition in &mut scenario.desired.task_definitions {
        let least = definition.memory.max(64);
        definition.memory_limit = match chance.below(3) {
            0 => None,
            1 => Some(0),
            _ => Some(least + chance.below(3 * least)),
        };
        let limited = chance.coin();
        definition.cpu_limit = if limited { definition.cpu_units.max(64) + chance.below(2048) } else { 0 };
    }
}

/// Has machines differ, and lie in zones.
fn machines(chance: &mut Chance, scenario: &mut Scenario) {
    let Some(first) = scenario.fleet.first_mut() else { return };
    if first.racks > 1 && chance.coin() {
        first.zones = number(chance.between(2, u64::from(first.racks)));
    }
    if first.count < 2 {
        return;
    }
    let mut others = first.clone();
    others.count = number(chance.between(1, u64::from(first.count) - 1));
    first.count -= others.count;
    others.prefix = "other-".into();
    others.labels.insert(DISK.into(), KINDS[1].into());
    if chance.coin() {
        first.labels.insert(DISK.into(), KINDS[0].into());
    }
    scenario.fleet.push(others);
    for class in &mut scenario.fleet {
        for (label, values) in [(KERNEL, &KERNELS[..]), (CORES, &COUNTS[..])] {
            let value = one_of(chance, values).filter(|_| chance.happens(800_000));
            class.labels.extend(value.map(|value| (label.into(), (*value).into())));
        }
    }
}

/// Has machines count something that the tasks of one service need, mostly enough for all of them.
fn cards(chance: &mut Chance, scenario: &mut Scenario) {
    let service = one_of(chance, &scenario.desired.services).cloned();
    let Some(service) = service.filter(|_| chance.coin()) else { return };
    let most = u64::from(service.max.max(1));
    let hosts: u64 = scenario.fleet.iter().map(|class| u64::from(class.count)).sum();
    let each = most.div_ceil(hosts) + chance.below(3);
    // Of what runs short first, each host has as much as for so many.
    let needs_disk = chance.coin();
    for class in &mut scenario.fleet {
        class.resources.insert(CARD.into(), if needs_disk { most } else { each });
        class.disk = if needs_disk { each * EACH_DISK } else { 10_000 };
    }
    for definition in &mut scenario.desired.task_definitions {
        if definition.name == service.task_name {
            definition.resources.insert(CARD.into(), 1);
            definition.disk = if needs_disk { EACH_DISK } else { 0 };
        }
    }
}

/// Has services ask for places, of hosts and of those that come before them.
fn wishes(chance: &mut Chance, scenario: &mut Scenario) {
    let hosts: u32 = scenario.fleet.iter().map(|class| class.count).sum();
    let labels = labels(scenario);
    let names: Vec<Name> = scenario.desired.services.iter().map(|service| service.name.clone()).collect();
    for (index, service) in scenario.desired.services.iter_mut().enumerate() {
        let mut asks = |ppm| chance.happens(ppm);
        let kinds =
            [asks(250_000), asks(300_000), asks(250_000), asks(250_000), asks(250_000), asks(300_000)];
        let mut placement = Placement::default();
        let before = one_of(chance, &names[..index]);
        if kinds[0] {
            placement.require.push(rule(chance, &labels));
        }
        if kinds[1] {
            let weight = i32::try_from(chance.between(1, 100)).unwrap_or(1);
            let weight = if chance.coin() { weight } else { -weight };
            placement.prefer.push(Preference { rule: rule(chance, &labels), weight });
        }
        placement.near.extend(before.filter(|_| kinds[2]).map(|other| neighbor(chance, other, &labels)));
        placement.apart.extend(before.filter(|_| kinds[3]).map(|other| neighbor(chance, other, &labels)));
        if service.kind != Kind::System {
            placement.limit.extend(kinds[4].then(|| limit(chance, service, hosts, &labels)));
            placement.spread = if kinds[5] { spread(chance, &labels) } else { Vec::new() };
        }
        service.placement = placement;
    }
}

/// Gives the labels that machines have, with their values.
fn labels(scenario: &Scenario) -> BTreeMap<String, Vec<String>> {
    let mut labels: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for host in scenario.fleet.iter().flat_map(|class| class.registrations()) {
        let own = (HOST_LABEL.to_string(), host.host.to_string());
        for (label, value) in host.labels.into_iter().chain([own]) {
            let values = labels.entry(label).or_default();
            if !values.contains(&value) {
                values.push(value);
            }
        }
    }
    labels
}

fn rule(chance: &mut Chance, labels: &BTreeMap<String, Vec<String>>) -> Rule {
    let all: Vec<(&String, &Vec<String>)> = labels.iter().collect();
    let Some((label, values)) = one_of(chance, &all).copied() else {
        return Rule { label: DISK.into(), test: Test::Exists(false) };
    };
    let value = one_of(chance, values).cloned().unwrap_or_default();
    let some: Vec<String> = values.iter().filter(|_| chance.coin()).cloned().collect();
    let some = if some.is_empty() { vec![value.clone()] } else { some };
    let test = match chance.below(8) {
        0 => Test::Equals(value),
        1 => Test::NotEquals(value),
        2 => Test::In(some),
        3 => Test::NotIn(vec![value]),
        4 => Test::Exists(label != HOST_LABEL || chance.coin()),
        5 => Test::Matches(some.join("|")),
        _ if label == KERNEL => Test::Version(bounds(chance, &value)),
        _ if label == CORES => Test::Number(bounds(chance, &value)),
        _ => Test::Matches(format!("{}.*", value.chars().next().unwrap_or('.'))),
    };
    Rule { label: label.clone(), test }
}

/// Draws bounds within which the value lies, but for one kind.
fn bounds(chance: &mut Chance, value: &str) -> String {
    match chance.below(5) {
        0 => format!(">= {value}"),
        1 => format!("<= {value}"),
        2 => format!("= {value}"),
        3 => format!(">= {value}, < 1000"),
        _ => format!("!= {value}"),
    }
}

fn neighbor(chance: &mut Chance, service: &Name, labels: &BTreeMap<String, Vec<String>>) -> Neighbor {
    let is_preferred = chance.coin();
    let weight = is_preferred.then(|| i32::try_from(chance.between(1, 100)).unwrap_or(1));
    Neighbor { service: service.clone(), same: place(chance, labels), weight }
}

/// As many together as there must be, or some more.
fn limit(
    chance: &mut Chance,
    service: &Service,
    hosts: u32,
    labels: &BTreeMap<String, Vec<String>>,
) -> Limit {
    let same = place(chance, labels);
    let places = labels.get(&same).map_or(hosts, |values| number(values.len() as u64));
    let least = service.desired.div_ceil(places.max(1)).max(1);
    Limit { same, tasks: least + number(chance.below(3)) }
}

fn spread(chance: &mut Chance, labels: &BTreeMap<String, Vec<String>>) -> Vec<Spread> {
    let mut levels: Vec<Spread> = Vec::new();
    for label in ["zone", "rack", DISK, HOST_LABEL] {
        let Some(values) = labels.get(label).filter(|_| chance.coin()) else { continue };
        let target = values.first().filter(|_| label != HOST_LABEL && chance.coin());
        let targets = target.map(|value| (value.clone(), number(chance.between(0, 100))));
        levels.push(Spread { label: label.into(), targets: targets.into_iter().collect() });
    }
    levels
}

/// Draws the label by which hosts are one place.
fn place(chance: &mut Chance, labels: &BTreeMap<String, Vec<String>>) -> String {
    let all: Vec<&String> = labels.keys().collect();
    let label = one_of(chance, &all).filter(|_| chance.coin());
    label.map_or_else(|| HOST_LABEL.to_string(), ToString::to_string)
}

/// Users ask for better places, now and then for any that is better at all.
fn rebalances(chance: &mut Chance, scenario: &mut Scenario) {
    let latest = Span(scenario.duration.0.saturating_sub(scenario.settle.0));
    for _ in 0..2 {
        if chance.happens(200_000) {
            let moves = number(chance.between(1, u64::from(MOVES_MAX)));
            let gain = number(chance.between(1, 30));
            let at = chance.span(Span::secs(60), latest);
            scenario.timeline.push(Happening { at, action: Action::Rebalance { moves, gain } });
        }
    }
}

fn one_of<'a, T>(chance: &mut Chance, all: &'a [T]) -> Option<&'a T> {
    all.get(usize::try_from(chance.below(all.len() as u64)).unwrap_or(0))
}
