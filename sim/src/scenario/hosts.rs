//! The machines of a scenario, and how faults choose among them.

use callboard_core::agent::STARTS_DEFAULT;
use callboard_core::model::{Name, PortRange, Registration};
use callboard_core::policy::Policy;
use std::collections::BTreeMap;

/// Machines that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostClass {
    /// Names its machines: `<prefix>0001` and so on.
    pub prefix: String,
    /// Names the first of its machines one by one.
    pub names: Vec<Name>,
    /// How many.
    pub count: u32,
    /// Memory for tasks, MiB; the machine has a sixteenth more for itself.
    pub memory: u64,
    /// 1024 a core.
    pub cpu_units: u64,
    /// Disk for tasks, MiB.
    pub disk: u64,
    /// Whatever else they count, by name.
    pub resources: BTreeMap<Name, u64>,
    /// Ports to give away.
    pub ports: PortRange,
    /// Executors that work there.
    pub executors: Vec<String>,
    /// What tasks may do there.
    pub policy: Policy,
    /// How many starts an agent there makes at once.
    pub parallel_starts: u32,
    /// Facts.
    pub labels: BTreeMap<String, String>,
    /// Spreads them over so many racks, with labels `rack: r1` and so on; 0: nobody knows.
    pub racks: u32,
    /// Spreads the racks, or the machines, over so many zones, with labels `zone: z1` and so on; 0: nobody knows.
    pub zones: u32,
}

impl Default for HostClass {
    fn default() -> HostClass {
        HostClass {
            prefix: "host-".into(),
            names: Vec::new(),
            count: 3,
            memory: 16_384,
            cpu_units: 8_192,
            disk: 0,
            resources: BTreeMap::new(),
            ports: PortRange { first: 20_000, last: 20_999 },
            executors: vec!["docker".into(), "bash".into()],
            policy: Policy::default(),
            parallel_starts: STARTS_DEFAULT,
            labels: BTreeMap::new(),
            racks: 0,
            zones: 0,
        }
    }
}

impl HostClass {
    /// Describes each of its machines: those with names of their own, and the others, counted from 1.
    pub(crate) fn registrations(&self) -> impl Iterator<Item = Registration> + '_ {
        (1..=self.count).zip(self.host_names()).map(|(number, host): (u32, Name)| Registration {
            address: format!("{host}.invalid"),
            host,
            memory: self.memory,
            cpu_units: self.cpu_units,
            disk: self.disk,
            resources: self.resources.clone(),
            ports: self.ports,
            executors: self.executors_offered(),
            policy: self.policy.clone(),
            labels: self.labels_of(number),
            agent_version: "sim".into(),
            api: None,
        })
    }

    /// Names its machines.
    pub(super) fn host_names(&self) -> impl Iterator<Item = Name> + '_ {
        let counted = (1..).map(|number| format!("{}{number:04}", self.prefix).into());
        self.names.iter().cloned().chain(counted).take(self.count as usize)
    }

    /// Adds a machine with a name of its own to machines that all have such names.
    pub(super) fn add(&mut self, name: Name) {
        self.names.push(name);
        self.count += 1;
    }

    /// Tells whether it is of machines with names of their own, of this size and without labels.
    pub(super) fn is_of(&self, memory: u64, cpu_units: u64) -> bool {
        let named = self.names.len() == self.count as usize;
        named && self.memory == memory && self.cpu_units == cpu_units && self.labels.is_empty()
    }
}

impl HostClass {
    /// Gives the executors; those that a policy does not name are not there.
    fn executors_offered(&self) -> Vec<String> {
        let named = |kind: &String| match kind.as_str() {
            "docker" => self.policy.docker.is_some(),
            "bash" => self.policy.bash.is_some(),
            _ => true,
        };
        let is_set = self.policy != Policy::default();
        self.executors.iter().filter(|kind| !is_set || named(kind)).cloned().collect()
    }

    fn labels_of(&self, number: u32) -> BTreeMap<String, String> {
        let mut labels = self.labels.clone();
        let rack = if self.racks == 0 { number - 1 } else { (number - 1) % self.racks };
        if self.racks > 0 {
            labels.insert("rack".into(), format!("r{}", rack + 1));
        }
        if self.zones > 0 {
            labels.insert("zone".into(), format!("z{}", rack % self.zones + 1));
        }
        labels
    }
}

/// Which machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// So many, drawn from the seed.
    Count(u32),
    /// Such a share of the fleet, drawn from the seed.
    Percent(u32),
    /// These.
    Named(Vec<Name>),
    /// All whose names begin so.
    Prefix(String),
    /// All with these labels.
    Labelled(BTreeMap<String, String>),
    /// All with one value of this label, drawn from the seed.
    Each(String),
    /// So many of those that run tasks of a service.
    Running {
        /// The service.
        service: Name,
        /// How many.
        count: u32,
    },
}
