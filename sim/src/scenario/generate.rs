//! Many services at once, for fleets too large to write down: `generate:` in a scenario.

use callboard_core::config::Configuration;
use callboard_core::machine::Span;
use callboard_core::model::{
    Bash, Batch, Check, Choice, Cluster, Container, Executor, Kind, KindName, Name, Placement, Policy, Probe,
    RestartPolicy, Service, TaskDefinition,
};
use std::collections::BTreeMap;

/// Services that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Generate {
    /// Names them: `<prefix>001` and so on, and their task definitions likewise.
    pub(crate) prefix: String,
    /// How many.
    pub(crate) services: u32,
    /// Of what kind. A system service has as many tasks as there are hosts, a batch service completes `tasks`, of which
    /// `max_parallel` run at once.
    pub(crate) kind: KindName,
    /// Tasks of each.
    pub(crate) tasks: u32,
    /// How many of these must stay healthy.
    pub(crate) min: u32,
    /// How many may be issued.
    pub(crate) max: u32,
    /// Versions of each task definition; the first is run.
    pub(crate) versions: u32,
    /// MiB.
    pub(crate) memory: u64,
    /// 1024 a core.
    pub(crate) cpu_units: u64,
    /// Time from one health check to the next.
    pub(crate) check_interval: Span,
    /// The cluster that they belong to.
    pub(crate) cluster: Name,
    /// How that chooses hosts.
    pub(crate) policy: Policy,
    /// How many tasks of a new version may be on their way at once.
    pub(crate) max_parallel: Option<u32>,
    /// Never two tasks of one service at a time.
    pub(crate) exclusive: bool,
    /// From 0 to 100.
    pub(crate) priority: u8,
    /// Its tasks may take the room of less important ones.
    pub(crate) preempt: bool,
}

/// Kinds of services by name.
pub(crate) const KINDS: [(&str, KindName); 3] =
    [("service", KindName::Service), ("system", KindName::System), ("batch", KindName::Batch)];

/// Policies by name.
pub(crate) const POLICIES: [(&str, Policy); 4] = [
    ("spread", Policy::Spread),
    ("binpack", Policy::Binpack),
    ("round_robin", Policy::RoundRobin),
    ("e_pvm", Policy::EPvm),
];

/// Makes a cluster without services.
pub(crate) fn cluster(name: Name) -> Cluster {
    let (scheduler, policy, host_grace) = ("default".into(), Policy::Spread, Span::secs(30));
    Cluster { name, scheduler, services: Vec::new(), policy, placement: Choice::Best, host_grace }
}

/// Gives the records of a service that appears in the course of a scenario, and of its task definition, in JSON.
pub(crate) fn arriving(name: &Name, tasks: u32, (memory, cpu_units): (u64, u64)) -> (String, String) {
    let (min, max) = (tasks * 9 / 10, tasks + (tasks / 10).max(1));
    let generate = Generate { tasks, min, max, memory, cpu_units, ..Generate::default() };
    let json = |text: serde_json::Result<String>| text.unwrap_or_default();
    let (service, definition) = (generate.service(name), generate.definition(name, 1));
    (json(serde_json::to_string(&service)), json(serde_json::to_string(&definition)))
}

impl Default for Generate {
    fn default() -> Generate {
        Generate {
            prefix: "service-".into(),
            services: 1,
            kind: KindName::Service,
            tasks: 1,
            min: 0,
            max: 2,
            versions: 2,
            memory: 512,
            cpu_units: 128,
            check_interval: Span::secs(10),
            cluster: "main".into(),
            policy: Policy::Spread,
            max_parallel: None,
            exclusive: false,
            priority: 50,
            preempt: false,
        }
    }
}

impl Generate {
    /// Adds the services to a configuration.
    pub(crate) fn add_to(&self, desired: &mut Configuration) {
        let names: Vec<Name> =
            (1..=self.services).map(|number| Name::from(format!("{}{number:03}", self.prefix))).collect();
        for name in &names {
            desired.services.push(self.service(name));
            desired
                .task_definitions
                .extend((1..=self.versions).map(|version| self.definition(name, version)));
        }
        match desired.clusters.iter_mut().find(|cluster| cluster.name == self.cluster) {
            Some(cluster) => cluster.services.extend(names),
            None => {
                let policy = self.policy;
                desired.clusters.push(Cluster { services: names, policy, ..cluster(self.cluster.clone()) });
            }
        }
    }

    fn service(&self, name: &Name) -> Service {
        let kind = match self.kind {
            KindName::Service => Kind::Service,
            KindName::System => Kind::System,
            KindName::Batch => Kind::Batch(Batch {
                completions: self.tasks,
                parallelism: self.max_parallel.unwrap_or(1),
                retries: 3 * self.tasks,
                time_limit: None,
            }),
        };
        let count = |count| if kind.is_counted() { count } else { 0 };
        Service {
            name: name.clone(),
            task_name: name.clone(),
            task_version: 1,
            kind,
            desired: count(self.tasks),
            min: count(self.min),
            max: count(self.max),
            max_parallel: self.max_parallel.filter(|_| self.kind != KindName::Batch),
            min_healthy_time: Span::secs(10),
            healthy_deadline: Span::secs(60),
            exclusive: self.exclusive,
            preempt: self.preempt && kind.is_counted(),
            placement: Placement::default(),
            stopped: false,
            retry: 0,
            moves: Vec::new(),
        }
    }

    fn definition(&self, name: &Name, version: u32) -> TaskDefinition {
        let probe =
            Probe::Tcp { tcp: "127.0.0.1".into(), interval: self.check_interval, timeout: Span::secs(1) };
        let bash = Bash { start: vec!["exec serve".into()], ..Bash::default() };
        TaskDefinition {
            name: name.clone(),
            version,
            provide_port: true,
            port: 0,
            ports: Vec::new(),
            tags: Vec::new(),
            memory: self.memory,
            memory_limit: None,
            cpu_units: self.cpu_units,
            cpu_limit: 0,
            disk: 0,
            resources: BTreeMap::new(),
            priority: self.priority,
            kill_timeout: Span::secs(10),
            restart: RestartPolicy::default(),
            containers: vec![Container {
                name: name.clone(),
                setup: Vec::new(),
                teardown: Vec::new(),
                essential: true,
                executor: Executor::Bash(bash),
            }],
            checks: vec![Check {
                name: None,
                probe,
                add_provided_port: true,
                success_threshold: 1,
                failure_threshold: 3,
            }],
        }
    }
}
