//! Placement by looking at everything: slow, and plain enough to be believed. It shares no code with the fast one but the
//! objects of a configuration.

use super::scene::{Host, Scene, Service, hold};
use callboard_core::model::{Executor, Placement, Policy, Protocol, Rule, Test};
use callboard_core::policy::Policy as HostPolicy;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Places tasks of a service; gives the hosts in the order in which they were picked.
pub(crate) fn place(scene: &Scene, service: usize, tasks: usize) -> Vec<usize> {
    let mut scene = scene.clone();
    let mut picked = Vec::new();
    for _ in 0..tasks {
        let can = (0..scene.hosts.len()).filter(|host| may_run(&scene, service, *host));
        let Some(best) = can.min_by_key(|host| key(&scene, service, *host)) else { break };
        let ports = ports(&scene.services[service], &scene.hosts[best]).expect("it may run there");
        let of = &mut scene.services[service];
        hold(&mut scene.hosts[best].held, &of.definition, &ports);
        scene.hosts[best].tasks += 1;
        *of.crowd.entry(best).or_insert(0) += 1;
        of.last = Some(best);
        picked.push(best);
    }
    picked
}

/// Takes so many tasks of a service away; gives their hosts in that order. Each time it is the host that would be the last
/// choice were one task less there.
pub(crate) fn depart(scene: &Scene, service: usize, tasks: usize) -> Vec<usize> {
    let mut scene = scene.clone();
    scene.services[service].last = None;
    let mut gone = Vec::new();
    for _ in 0..tasks {
        let without = |host: usize| {
            let mut less = scene.clone();
            less.services[service].crowd.entry(host).and_modify(|count| *count -= 1);
            less.services[service].crowd.retain(|_, count| *count > 0);
            less
        };
        let there = scene.services[service].crowd.keys().copied();
        let Some(last) = there.max_by_key(|host| key(&without(*host), service, *host)) else { break };
        scene = without(last);
        gone.push(last);
    }
    gone
}

fn label<'a>(host: &'a Host, name: &str) -> Option<&'a str> {
    if name == "host" { Some(&host.name) } else { host.facts.labels.get(name).map(String::as_str) }
}

fn may_run(scene: &Scene, service: usize, host: usize) -> bool {
    let (of, at) = (&scene.services[service], &scene.hosts[host]);
    let placement = &of.placement;
    let kinds = of.definition.containers.iter().map(|container| container.executor.kind());
    let fits = |has: u64, held: u64, needs: u64| held + needs <= has || needs == 0 && held >= has;
    let (has, held, needs) = (&at.facts.has, &at.held, &of.definition);
    let gpu = |of: &std::collections::BTreeMap<_, u64>| of.get("gpu").copied().unwrap_or(0);
    at.is_open
        && !of.closed.contains(&host)
        && kinds.into_iter().all(|kind| {
            at.facts.executors.iter().any(|has| has == kind) && !at.facts.unfit_for.contains(kind)
        })
        && of.definition.containers.iter().all(|container| is_allowed(&container.executor, &at.facts.policy))
        && fits(has.memory, held.memory, needs.memory)
        && fits(has.cpu_units, held.cpu_units, needs.cpu_units)
        && fits(has.disk, held.disk, needs.disk)
        && fits(gpu(&has.resources), gpu(&held.resources), gpu(&needs.resources))
        && ports(of, at).is_some()
        && placement.require.iter().all(|rule| passes(rule, at))
        && neighbors_allow(scene, placement, at)
        && placement.limit.iter().all(|limit| {
            let same = |other: &usize| match limit.same.as_str() {
                "host" => *other == host,
                name => label(&scene.hosts[*other], name) == label(at, name),
            };
            of.crowd.iter().filter(|(other, _)| same(other)).map(|(_, count)| count).sum::<u32>()
                < limit.tasks
        })
}

/// Tells whether a policy lets an executor run. The values that are drawn, judged by hand.
fn is_allowed(executor: &Executor, policy: &HostPolicy) -> bool {
    match executor {
        Executor::Docker(docker) => policy.docker.as_ref().is_none_or(|policy| {
            let is_ours = docker.image != "others/i";
            let is_plain_user = docker.flags == ["--user=1000"];
            (policy.images.is_none() || is_ours) && (policy.users.is_none() || is_plain_user)
        }),
        Executor::Bash(bash) => policy.bash.as_ref().is_none_or(|policy| {
            policy.artifacts.is_none() || bash.artifact.as_deref() != Some("https://others/x")
        }),
    }
}

fn is_near(scene: &Scene, service: &str, same: &str, at: &Host) -> bool {
    let other = scene.services.iter().find(|other| &*other.name == service).expect("it is there");
    other
        .crowd
        .keys()
        .any(|host| label(at, same).is_some() && label(&scene.hosts[*host], same) == label(at, same))
}

fn neighbors_allow(scene: &Scene, placement: &Placement, at: &Host) -> bool {
    let near = placement.near.iter().filter(|near| near.weight.is_none());
    let apart = placement.apart.iter().filter(|apart| apart.weight.is_none());
    near.into_iter().all(|near| is_near(scene, &near.service, &near.same, at))
        && apart.into_iter().all(|apart| !is_near(scene, &apart.service, &apart.same, at))
}

fn ports(of: &Service, at: &Host) -> Option<Vec<u16>> {
    let own = match (of.definition.port, of.definition.provide_port) {
        (0, false) => None,
        (0, true) => Some((Protocol::Tcp, None)),
        (fixed, _) => Some((Protocol::Tcp, Some(fixed))),
    };
    let needs: Vec<(Protocol, Option<u16>)> =
        own.into_iter().chain(of.definition.ports.iter().map(|spec| (spec.protocol, spec.port))).collect();
    let taken = |protocol: Protocol| -> BTreeSet<u16> {
        let sets = match protocol {
            Protocol::Tcp => [&at.held.ports, &at.facts.has.ports],
            Protocol::Udp => [&at.held.udp_ports, &at.facts.has.udp_ports],
        };
        sets.into_iter().flatten().copied().collect()
    };
    let mut chosen: Vec<(Protocol, u16)> =
        needs.iter().filter_map(|(of, port)| Some((*of, (*port)?))).collect();
    if chosen.iter().any(|(protocol, port)| taken(*protocol).contains(port)) {
        return None;
    }
    let range = at.facts.range.expect("hosts have a range");
    let mut ports = Vec::new();
    for (protocol, fixed) in needs {
        let free = |port: &u16| !taken(protocol).contains(port) && !chosen.contains(&(protocol, *port));
        let port = match fixed {
            Some(port) => port,
            None => (range.first..=range.last).find(free)?,
        };
        chosen.push((protocol, port));
        ports.push(port);
    }
    Some(ports)
}

fn passes(rule: &Rule, at: &Host) -> bool {
    let value = label(at, &rule.label);
    match &rule.test {
        Test::Equals(wanted) => value == Some(wanted.as_str()),
        Test::NotEquals(unwanted) => value != Some(unwanted.as_str()),
        Test::In(wanted) => value.is_some_and(|value| wanted.contains(&value.to_string())),
        Test::NotIn(unwanted) => value.is_none_or(|value| !unwanted.contains(&value.to_string())),
        Test::Exists(exists) => value.is_some() == *exists,
        // The values that are drawn, judged by hand.
        Test::Version(bounds) => value.is_some_and(|value| {
            let passing: &[&str] = match bounds.as_str() {
                ">= 1.10" => &["1.10", "v2.0-rc1", "2.0", "7"],
                "< 2.0" => &["1.2", "1.10", "v2.0-rc1"],
                "> 1, != 1.2" => &["1.10", "v2.0-rc1", "2.0", "7"],
                other => panic!("no such bounds are drawn: {other}"),
            };
            passing.contains(&value)
        }),
        Test::Number(bounds) => match bounds.as_str() {
            "> 0" => value == Some("7"),
            "<= 7, >= -3" => matches!(value, Some("7" | "-3")),
            other => panic!("no such bounds are drawn: {other}"),
        },
        Test::Matches(pattern) => value.is_some_and(|value| match pattern.as_str() {
            "[ab]" => matches!(value, "a" | "b"),
            "h0.*" => value.starts_with("h0"),
            "a|c" => matches!(value, "a" | "c"),
            other => panic!("no such pattern is drawn: {other}"),
        }),
    }
}

/// What is compared of hosts, least first.
fn key(scene: &Scene, service: usize, host: usize) -> impl Ord + use<> {
    let (of, at) = (&scene.services[service], &scene.hosts[host]);
    let spread = &of.placement.spread;
    let levels: Vec<&str> =
        spread.iter().map(|level| level.label.as_str()).filter(|label| *label != "host").collect();
    let filled: Vec<u64> =
        (0..levels.len()).map(|depth| fill(scene, service, at, &levels[..=depth])).collect();
    let crowd = of.crowd.get(&host).copied().unwrap_or(0);
    let first = if spread.iter().any(|level| level.label == "host") { crowd } else { 0 };
    let share = |held: u64, of: u64| (held * 1000).checked_div(of).unwrap_or(0);
    let load =
        share(at.held.memory, at.facts.has.memory).max(share(at.held.cpu_units, at.facts.has.cpu_units));
    let tasks = u64::from(at.tasks);
    let name = at.name.to_string();
    let figures = match of.policy {
        Policy::Spread => (u64::from(crowd), load, tasks),
        Policy::Binpack => (u64::MAX - load, u64::MAX - tasks, 0),
        Policy::EPvm => (cost(of, at), load, tasks),
        Policy::RoundRobin => {
            let last = of.last.map(|last| scene.hosts[last].name.to_string());
            (u64::from(last.is_some_and(|last| name <= last)), 0, 0)
        }
    };
    let names = match of.policy {
        Policy::Binpack => (Some(Reverse(name)), None),
        Policy::Spread | Policy::EPvm | Policy::RoundRobin => (None, Some(name)),
    };
    (filled, first, -points(scene, &of.placement, at), figures, names)
}

fn points(scene: &Scene, placement: &Placement, at: &Host) -> i32 {
    let prefer = placement.prefer.iter().filter(|one| passes(&one.rule, at)).map(|one| one.weight);
    let weighed = |neighbors: &[callboard_core::model::Neighbor]| -> i32 {
        let near = neighbors.iter().filter(|other| is_near(scene, &other.service, &other.same, at));
        near.filter_map(|other| other.weight).sum()
    };
    prefer.sum::<i32>() + weighed(&placement.near) - weighed(&placement.apart)
}

/// How far the value of the last of these labels is filled, within those of the labels before it.
fn fill(scene: &Scene, service: usize, at: &Host, labels: &[&str]) -> u64 {
    let of = &scene.services[service];
    let values = |host: &Host| -> Vec<Option<String>> {
        labels.iter().map(|name| label(host, name).map(String::from)).collect()
    };
    let own = values(at);
    let count: u32 =
        of.crowd.iter().filter(|(host, _)| values(&scene.hosts[**host]) == own).map(|(_, count)| count).sum();
    let (last, before) = own.split_last().expect("there is a label");
    let Some(value) = last else { return u64::MAX };
    let level =
        of.placement.spread.iter().find(|level| level.label == labels[labels.len() - 1]).expect("a level");
    let share = if level.targets.is_empty() {
        100_000
    } else if let Some(percent) = level.targets.get(value) {
        u64::from(*percent) * 1000
    } else {
        let siblings: BTreeSet<String> = scene
            .hosts
            .iter()
            .map(values)
            .filter(|other| &other[..before.len()] == before)
            .filter_map(|other| other[before.len()].clone())
            .filter(|other| !level.targets.contains_key(other))
            .collect();
        (100 - u64::from(level.targets.values().sum::<u32>())) * 1000 / siblings.len() as u64
    };
    match share {
        0 => u64::MAX / 2 + u64::from(count),
        share => (u64::from(count) + 1) * (1_000_000_000_000 / share),
    }
}

/// What a task adds to the cost of a host: each share weighs (1 + the part of its eighth) × 2 to the eighths before it.
fn cost(of: &Service, at: &Host) -> u64 {
    let weigh = |held: u64, has: u64| {
        let share = held * 1_000_000 / has;
        (125_000 + share % 125_000) * 2u64.pow(u32::try_from(share / 125_000).expect("few eighths"))
    };
    let added = |held: u64, more: u64, has: u64| weigh(held + more, has) - weigh(held, has);
    added(at.held.memory, of.definition.memory, at.facts.has.memory)
        + added(at.held.cpu_units, of.definition.cpu_units, at.facts.has.cpu_units)
}
