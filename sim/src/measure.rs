//! What placement costs: fleets and services to measure it with, for the benchmarks and for people who would know what a
//! fleet of theirs would cost. Every placement is the real one: filter, score, pick, the record of the task with its
//! reasons.

use callboard_core::model::{
    Bash, Claim, Container, Executor, Limit, Name, Placement, Policy, PortRange, Preference, RestartPolicy,
    Rule, Spread, Task, TaskDefinition, Test,
};
use callboard_core::placement::{Crowd, Facts, Fleet, Identity, Need, Placer, Room, View};
use std::collections::{BTreeMap, BTreeSet};

/// A fleet, and what is to be placed on it.
#[derive(Clone, Debug)]
pub struct Load {
    /// How many hosts there are, in ten racks for each of three zones.
    pub hosts: u32,
    /// How many tasks are to be placed, over all services.
    pub tasks: u32,
    /// How many services they are of.
    pub services: u32,
    /// How hosts are chosen.
    pub policy: Policy,
    /// Services ask for labels, prefer some, keep few to a host, and lie over zones and racks.
    pub constrained: bool,
}

/// A fleet that waits for tasks.
#[derive(Clone, Debug)]
pub struct Prepared {
    fleet: Fleet,
    services: Vec<Service>,
}

#[derive(Clone, Debug)]
struct Service {
    name: Name,
    definition: TaskDefinition,
    placement: Placement,
    policy: Policy,
    tasks: u32,
    crowd: Crowd,
}

/// What came of it.
#[derive(Debug)]
pub struct Placed {
    /// The records.
    pub records: Vec<Task>,
    /// How many tasks have no place.
    pub unplaced: u32,
    /// The fleet that has them. Taking it down is no part of what placing costs.
    pub fleet: Fleet,
}

/// Racks in each zone.
const RACKS: u32 = 10;
const ZONES: u32 = 3;

impl Load {
    /// Makes the fleet and the services. Hosts have sizes of three kinds and room for all tasks.
    #[must_use]
    pub fn prepare(&self) -> Prepared {
        let services: Vec<Service> = (0..self.services).map(|number| self.service(number)).collect();
        let mut fleet = Fleet::default();
        fleet.serve(self.policy);
        services.iter().for_each(|service| fleet.tell_apart_by(service.placement.labels()));
        let memory: u64 =
            services.iter().map(|service| service.definition.memory * u64::from(service.tasks)).sum();
        let cpu_units: u64 =
            services.iter().map(|service| service.definition.cpu_units * u64::from(service.tasks)).sum();
        // Twice as much as all of it needs.
        let share = |of: u64| (2 * of / u64::from(self.hosts.max(1))).max(4096);
        for number in 0..self.hosts {
            let row = fleet.enter(&format!("host-{number:06}").into());
            let size = 2 + u64::from(number % 3);
            let has = Room {
                memory: share(memory) * size / 3,
                cpu_units: share(cpu_units) * size / 3,
                ..Room::default()
            };
            fleet.describe(row, facts(number, has));
            fleet.change(row, |row| row.is_open = true);
        }
        Prepared { fleet, services }
    }

    fn service(&self, number: u32) -> Service {
        let name: Name = format!("service-{number:05}").into();
        let more = u32::from(number < self.tasks % self.services.max(1));
        let definition = TaskDefinition {
            name: name.clone(),
            version: 1,
            provide_port: false,
            port: 0,
            ports: Vec::new(),
            tags: Vec::new(),
            memory: 64 * (1 + u64::from(number * 7 % 8)),
            memory_limit: None,
            cpu_units: 32 * (1 + u64::from(number * 5 % 8)),
            cpu_limit: 0,
            disk: 0,
            resources: BTreeMap::new(),
            priority: 50,
            kill_timeout: callboard_core::machine::Span::secs(10),
            restart: RestartPolicy::default(),
            containers: vec![Container {
                name: name.clone(),
                setup: Vec::new(),
                teardown: Vec::new(),
                essential: true,
                executor: Executor::Bash(Bash::default()),
            }],
            checks: Vec::new(),
        };
        let placement = if self.constrained { constraints(number) } else { Placement::default() };
        let tasks = self.tasks / self.services.max(1) + more;
        Service { name, definition, placement, policy: self.policy, tasks, crowd: Crowd::new() }
    }
}

fn facts(number: u32, has: Room) -> Facts {
    let labels = [
        ("zone", format!("z{}", number % ZONES)),
        ("rack", format!("r{}", number / ZONES % RACKS)),
        ("disk", if number.is_multiple_of(4) { "hdd" } else { "ssd" }.to_string()),
    ];
    Facts {
        has,
        range: Some(PortRange { first: 20_000, last: 29_999 }),
        executors: vec!["bash".into(), "docker".into()],
        unfit_for: BTreeSet::new(),
        policy: callboard_core::policy::Policy::default(),
        labels: labels.into_iter().map(|(label, value)| (label.to_string(), value)).collect(),
    }
}

/// What a demanding service asks for.
fn constraints(number: u32) -> Placement {
    let is = |label: &str, value: &str| Rule { label: label.into(), test: Test::Equals(value.into()) };
    let level = |label: &str| Spread { label: label.into(), targets: BTreeMap::new() };
    Placement {
        require: if number.is_multiple_of(2) { vec![is("disk", "ssd")] } else { Vec::new() },
        prefer: vec![Preference { rule: is("zone", &format!("z{}", number % ZONES)), weight: 10 }],
        limit: vec![Limit { same: "host".into(), tasks: 2 }],
        spread: vec![level("zone"), level("rack")],
        ..Placement::default()
    }
}

impl Prepared {
    /// Places all tasks, service by service.
    #[must_use]
    pub fn place(self) -> Placed {
        let tasks = self.services.iter().map(|service| service.tasks as usize).sum();
        let mut placed = Placed { records: Vec::with_capacity(tasks), unplaced: 0, fleet: self.fleet };
        let (closed, cluster) = (BTreeSet::new(), Name::from("default"));
        let mut generation = 0;
        for mut service in self.services {
            let need = Need::of(&service.definition, &service.placement, service.policy);
            macro_rules! view {
                () => {
                    View {
                        fleet: &placed.fleet,
                        own: &service.crowd,
                        others: &[],
                        closed: &closed,
                        last: None,
                    }
                };
            }
            let key = (cluster.clone(), service.name.clone());
            let mut placer = Placer::new(&need, &service.definition, key, 1, view!());
            for instance in 0..service.tasks {
                generation += 1;
                let id = format!("default-{}-1-{instance}", service.name).into();
                let Some((row, task)) = placer.next(view!(), Identity { id, instance, generation }) else {
                    placed.unplaced += service.tasks - instance;
                    break;
                };
                placed.fleet.take(row, &Claim::of(&task));
                *service.crowd.entry(row).or_insert(0) += 1;
                placed.records.push(task);
            }
        }
        placed
    }
}
