//! What is drawn of a world before anything goes wrong: its machines, and its services where the user brings none. Values
//! are often at their limits: one task, none to spare, machines exactly full, more at once than there are.

use super::{Size, number};
use crate::rng::Chance;
use crate::scenario::HostClass;
use crate::scenario::generate::Generate;
use callboard_core::config::Configuration;
use callboard_core::machine::Span;
use callboard_core::model::{Kind, KindName, Name, Policy, PortRange, Service, TaskDefinition};

/// Draws services, each with two sound versions and one that may be bad.
pub(super) fn services(chance: &mut Chance, hosts: u32, size: &Size) -> Configuration {
    let mut desired = Configuration::default();
    let clusters = chance.between(1, 2);
    let count = chance.between(size.services.0, size.services.1);
    let most = (size.tasks / count).max(1);
    for index in 0..count {
        service(chance, index, clusters, (hosts, most)).add_to(&mut desired);
    }
    desired
}

fn service(chance: &mut Chance, index: u64, clusters: u64, (hosts, most): (u32, u64)) -> Generate {
    let kind = match chance.below(1_000_000) {
        ..120_000 => KindName::System,
        120_000..240_000 => KindName::Batch,
        240_000.. => KindName::Service,
    };
    let alone = chance.happens(150_000);
    let tasks = number(if alone { 1 } else { chance.between((most / 2).max(1), most) });
    let min =
        if chance.coin() { tasks.saturating_sub(1) } else { number(chance.below(u64::from(tasks) + 1)) };
    let exclusive = alone && min == 0 && chance.coin() && kind == KindName::Service;
    let slack = if exclusive {
        0
    } else if min == tasks {
        1
    } else {
        chance.below(3)
    };
    let memory = chance.between(1, 8) * 64;
    Generate {
        prefix: format!("s{}-", index + 1),
        services: 1,
        kind,
        tasks,
        min,
        max: tasks + number(slack),
        versions: 3,
        memory: if hosts > 2 { memory } else { 0 },
        cpu_units: chance.below(256),
        check_interval: Span::secs(chance.between(2, 10)),
        cluster: Name::from(format!("c{}", index % clusters + 1)),
        policy: if chance.coin() { Policy::Spread } else { Policy::Binpack },
        max_parallel: chance.coin().then(|| number(chance.between(1, u64::from(tasks) + 2))),
        exclusive,
        priority: if chance.coin() { 50 } else { u8::try_from(chance.below(101)).unwrap_or(50) },
        preempt: chance.coin(),
    }
}

/// Draws machines on which the services have room, mostly with a third of the machines gone too. Some have no memory beyond
/// that, so that machines which are packed are full. Tight ones have just enough for what is wanted, as long as all are
/// there.
pub(super) fn class(chance: &mut Chance, hosts: u32, desired: &Configuration, is_tight: bool) -> HostClass {
    let share = |of: fn(&TaskDefinition) -> u64| {
        let whole: u64 = tasks(desired).map(|(service, task)| most(service, hosts) * of(task)).sum();
        let largest = desired.task_definitions.iter().map(of).max().unwrap_or(0);
        whole.div_ceil(u64::from(hosts)) + 2 * largest
    };
    let (memory, cpu) = (share(|task| task.memory), share(|task| task.cpu_units));
    let is_counted = desired.services.iter().all(|service| service.kind == Kind::Service);
    let least = {
        let whole: u64 = tasks(desired).map(|(service, task)| u64::from(service.desired) * task.memory).sum();
        let largest = desired.task_definitions.iter().map(|task| task.memory).max().unwrap_or(0);
        whole.div_ceil(u64::from(hosts)) + largest
    };
    let each: u64 = tasks(desired).map(|(service, _)| most(service, hosts)).sum();
    let ports = (each.div_ceil(u64::from(hosts)) * 2 + 8).min(30_000);
    let last = 20_000 + u16::try_from(chance.between(ports, ports + 90)).unwrap_or(u16::MAX / 2);
    let gib = chance.between(4, 16);
    HostClass {
        count: hosts,
        memory: if is_tight && least > 0 && is_counted {
            least
        } else if gib == 4 && memory > 0 {
            memory
        } else {
            (memory * 3 / 2).max(gib * 1024)
        },
        cpu_units: (cpu * 3 / 2).max(8_192),
        ports: PortRange { first: 20_000, last },
        racks: if chance.coin() { hosts.min(number(chance.between(2, 20))) } else { 0 },
        ..HostClass::default()
    }
}

/// Gives how many tasks of a service there may be on so many machines.
fn most(service: &Service, hosts: u32) -> u64 {
    u64::from(match service.kind {
        Kind::Service => service.max,
        Kind::System => hosts,
        Kind::Batch(batch) => batch.parallelism,
    })
}

/// Gives how many machines a configuration needs at least: tasks with a port of their own need one each.
pub(super) fn least_hosts(desired: &Configuration) -> u32 {
    let fixed = tasks(desired).filter(|(_, task)| task.port != 0);
    fixed.map(|(service, _)| service.max.saturating_add(1)).max().unwrap_or(1)
}

fn tasks(desired: &Configuration) -> impl Iterator<Item = (&Service, &TaskDefinition)> {
    desired.services.iter().filter_map(|service| {
        let is_run =
            |task: &&TaskDefinition| task.name == service.task_name && task.version == service.task_version;
        Some((service, desired.task_definitions.iter().find(is_run)?))
    })
}
