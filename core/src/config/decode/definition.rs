//! Reads a task definition.

use super::{Field, Places, distinct, executor, probe};
use crate::config::item::Item;
use crate::config::reader::Fields;
use crate::machine::Span;
use crate::model::{Container, Executor, Name, PortSpec, Protocol, RestartPolicy, TaskDefinition};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The most containers a task may have.
pub const CONTAINERS_MAX: usize = 64;

const VERSION_MAX: u32 = i32::MAX.unsigned_abs();
/// MiB: 16 TiB.
const MEMORY_MAX: u64 = 1 << 24;
/// MiB: docker refuses less.
const MEMORY_MIN_DOCKER: u64 = 6;
/// MiB: 1 PiB.
const DISK_MAX: u64 = 1 << 30;
/// More than any host counts.
const COUNT_MAX: u64 = 1 << 20;
/// How many further ports a task may have.
const PORTS_MAX: usize = 32;
/// 1024 cores.
const CPU_MAX: u64 = 1 << 20;
/// Docker refuses less.
const CPU_MIN: u64 = 2;
/// A hundredth of a core, the least that kernels limit to.
const CPU_LIMIT_MIN: u64 = 11;
const PRIORITY_DEFAULT: u8 = 50;
const KILL_TIMEOUT_DEFAULT: Span = Span::secs(10);
const HOUR: Span = Span::secs(3600);
const DAY: Span = Span::secs(24 * 3600);

pub(super) fn read(fields: &mut Fields<'_>, places: &mut Places) -> Option<TaskDefinition> {
    let item = fields.required("name");
    places.push((Field::Name, item.place().clone()));
    let name = item.name();
    let item = fields.required("version");
    places.push((Field::Version, item.place().clone()));
    let version = item.number(1..=VERSION_MAX);
    let (provide_port, port) = own_port(fields);
    let ports = further_ports(fields, port);
    let tags = distinct(fields, "tags", tag);
    let containers = containers(fields, provide_port || port > 0);
    let (memory, memory_limit) = memory(fields, &containers);
    let (cpu_units, cpu_limit) = cpu(fields);
    let disk = fields.number_or("disk", 0..=DISK_MAX, 0);
    let resources = resources(fields);
    let priority = fields.number_or("priority", 0..=100, PRIORITY_DEFAULT);
    let kill_timeout = fields.span_or("kill_timeout", Span(1)..=HOUR, KILL_TIMEOUT_DEFAULT);
    let restart = fields.optional("restart").and_then(|item| item.object(restart)).unwrap_or_default();
    let checks = fields.list("checks", |item| probe::read(&item, provide_port || port > 0));
    let (name, version) = (name?, version?);
    Some(TaskDefinition {
        name,
        version,
        provide_port,
        port,
        tags,
        ports,
        memory,
        memory_limit,
        cpu_units,
        cpu_limit,
        disk,
        resources,
        priority,
        kill_timeout,
        restart,
        containers,
        checks,
    })
}

/// Reads `provide_port` and `port`, which exclude each other.
fn own_port(fields: &mut Fields<'_>) -> (bool, u16) {
    let provide = fields.flag("provide_port");
    let Some(item) = fields.optional("port") else { return (provide, 0) };
    let first = u16::from(!provide);
    match item.number(0..=u16::MAX) {
        Some(0) if !provide => {
            let next = "remove it, or set provide_port to true to be given a port";
            item.wrong("", format!("a whole number from {first} to {}", u16::MAX), next);
        }
        Some(1..) if provide => {
            item.wrong("together with provide_port", "one of the two", "remove port or provide_port");
        }
        Some(port) => return (provide, port),
        None => {}
    }
    // A mistake was noted; the rest is read as if the port were right.
    (true, 0)
}

/// Reads `ports`, each of which has a name and, unless it is to be chosen, a number of its own.
fn further_ports(fields: &mut Fields<'_>, own: u16) -> Vec<PortSpec> {
    let Some(item) = fields.optional("ports") else { return Vec::new() };
    let what = format!("a list of at most {PORTS_MAX} ports");
    let mut names: BTreeMap<Name, usize> = BTreeMap::new();
    let mut numbers: BTreeMap<(Protocol, u16), usize> = BTreeMap::new();
    if own > 0 {
        numbers.insert((Protocol::Tcp, own), item.place().line);
    }
    let port = |item: Item<'_>| {
        let spec = item.object(|fields| {
            let name = fields.required("name");
            let port = fields.optional("port");
            let protocol = fields.choice_or("protocol", &PROTOCOLS, Protocol::Tcp);
            let number = port.as_ref().map(|item| item.number(1..=u16::MAX));
            let spec = PortSpec { name: name.name()?, port: number.flatten(), protocol };
            if let Some(line) = names.insert(spec.name.clone(), name.place().line) {
                name.wrong(format!("already listed on line {line}"), "", "give each port its own name");
            }
            if let (Some(item), Some(number)) = (port, spec.port)
                && let Some(line) = numbers.insert((protocol, number), item.place().line)
            {
                item.wrong(format!("already listed on line {line}"), "", "keep one of the two");
            }
            Some(spec)
        });
        spec.flatten()
    };
    item.items_of(0..=PORTS_MAX, &what).into_iter().filter_map(port).collect()
}

const PROTOCOLS: [(&str, Protocol); 2] = [("tcp", Protocol::Tcp), ("udp", Protocol::Udp)];

/// Reads `resources`, counts by name.
fn resources(fields: &mut Fields<'_>) -> BTreeMap<Name, u64> {
    let Some(item) = fields.optional("resources") else { return BTreeMap::new() };
    let read = |(name, item): (&str, Item<'_>)| {
        if !crate::config::is_name(name) {
            item.wrong("whose name cannot be one", crate::config::name::RULE, "");
            return None;
        }
        Some((name.into(), item.number(1..=COUNT_MAX)?))
    };
    item.entries().into_iter().filter_map(read).collect()
}

fn tag(item: &Item<'_>) -> Option<String> {
    const WHAT: &str = "a tag of 1 to 255 characters";
    let text = item.text(WHAT)?;
    if text.is_empty() || text.len() > 255 {
        item.wrong("", WHAT, "");
        return None;
    }
    Some(text.into())
}

/// Reads `memory`, which is reserved, and `memory_limit`, which is no less. Without a limit what is reserved is one.
fn memory(fields: &mut Fields<'_>, containers: &[Container]) -> (u64, Option<u64>) {
    let reserved = fields.optional("memory");
    let memory = reserved.as_ref().and_then(|item| item.number(0..=MEMORY_MAX)).unwrap_or_default();
    let limited = fields.optional("memory_limit");
    let limit = limited.as_ref().and_then(|item| item.number(0..=MEMORY_MAX));
    let docker = containers.iter().any(|container| matches!(container.executor, Executor::Docker(_)));
    let allowed =
        |least: u64| format!("0 for no limit, or a whole number of MiB from {least} to {MEMORY_MAX}");
    let Some(item) = limited.or(reserved) else { return (memory, limit) };
    let wall = limit.unwrap_or(memory);
    let least = if docker { MEMORY_MIN_DOCKER } else { 1 };
    if limit.is_some() && (1..memory).contains(&wall) {
        item.wrong("less than memory, which is reserved", allowed(memory.max(least)), "");
    } else if (1..least).contains(&wall) {
        item.wrong("less than docker can run with", allowed(least), "");
    }
    (memory, limit)
}

/// Reads `cpu_units`, which are reserved, and `cpu_limit`, which is no less.
fn cpu(fields: &mut Fields<'_>) -> (u64, u64) {
    let mut share = |name, least, zero: &str, reserved: u64| {
        let Some(item) = fields.optional(name) else { return 0 };
        let units = item.number(0..=CPU_MAX).unwrap_or_default();
        let allowed = |least: u64| format!("0 {zero}, or a whole number from {least} to {CPU_MAX}");
        if (1..reserved).contains(&units) {
            item.wrong("less than cpu_units, which are reserved", allowed(reserved.max(least)), "");
        } else if (1..least).contains(&units) {
            item.wrong("", allowed(least), "");
        }
        units
    };
    let reserved = share("cpu_units", CPU_MIN, "to reserve none", 0);
    (reserved, share("cpu_limit", CPU_LIMIT_MIN, "for no limit", reserved))
}

fn restart(fields: &mut Fields<'_>) -> RestartPolicy {
    let default = RestartPolicy::default();
    let attempts = fields.number_or("attempts", 0..=1000, default.attempts);
    let delay = fields.span_or("delay", Span(1)..=HOUR, default.delay);
    let largest = fields.optional("max_delay");
    let max_delay = largest.as_ref().and_then(|item| item.span(Span(1)..=DAY));
    if let (Some(item), Some(max_delay)) = (largest, max_delay)
        && max_delay < delay
    {
        item.wrong("less than delay", format!("a duration from {delay} to {DAY}"), "");
    }
    RestartPolicy {
        attempts,
        delay,
        max_delay: max_delay.unwrap_or(default.max_delay.max(delay)),
        reset_after: fields.span_or("reset_after", Span(1)..=DAY, default.reset_after),
        unhealthy_after: fields.span_or("unhealthy_after", Span(1)..=DAY, default.unhealthy_after),
    }
}

/// Reads the containers: at least one, each with a name of its own, at most one of which takes the task's port; of each
/// type at least one whose end is the task's.
fn containers(fields: &mut Fields<'_>, has_port: bool) -> Vec<Container> {
    const WHAT: &str = "a list of 1 to 64 containers";
    let list = fields.required("containers");
    let items = list.items_of(1..=CONTAINERS_MAX, WHAT);
    let count = items.len();
    let mut names = BTreeMap::new();
    let mut ports = BTreeMap::new();
    let mut port_taken = None;
    let mut containers = Vec::new();
    for item in items {
        let Some(container) = item.object(|fields| container(fields, &mut names, &mut ports)).flatten()
        else {
            continue;
        };
        if has_port && takes_port(&container) {
            if let Some(other) = port_taken {
                let problem =
                    format!("with a container_port, but container \"{other}\" takes the task's port");
                item.wrong(problem, "one container_port", "remove one of the two");
            }
            port_taken = Some(container.name.clone());
        }
        containers.push(container);
    }
    if let Some(kind) = without_end(&containers).filter(|_| containers.len() == count) {
        let problem = format!("no container of type {kind} that is essential");
        let next = "leave out essential: false of one whose end is to end the task";
        list.wrong(problem, "one of each type at least", next);
    }
    containers
}

/// Names a type of which no container is essential: its executor would not know when the task ends.
fn without_end(containers: &[Container]) -> Option<&'static str> {
    let is_essential = |kind| containers.iter().any(|other| other.essential && other.executor.kind() == kind);
    containers.iter().map(|container| container.executor.kind()).find(|kind| !is_essential(*kind))
}

fn takes_port(container: &Container) -> bool {
    match &container.executor {
        Executor::Docker(docker) => docker.container_port.is_some(),
        Executor::Bash(_) => false,
    }
}

fn container(
    fields: &mut Fields<'_>,
    names: &mut BTreeMap<Name, usize>,
    ports: &mut BTreeMap<String, usize>,
) -> Option<Container> {
    let item = fields.required("name");
    let name = item.name();
    if let Some(name) = &name
        && let Some(line) = names.insert(name.clone(), item.place().line)
    {
        item.wrong(format!("the name of the container on line {line}"), "", "give it another name");
    }
    let setup = fields.list("setup", |item| executor::command(&item));
    let teardown = fields.list("teardown", |item| executor::command(&item));
    let essential = fields.optional("essential").is_none_or(|item| item.flag().unwrap_or(true));
    let executor = executor::read(fields, ports);
    Some(Container { name: name?, setup, teardown, essential, executor: executor? })
}
