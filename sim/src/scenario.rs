//! A scenario: a fleet, what users want to run on it, what goes wrong when, and what is expected of the outcome.
//!
//! **Invariant:** plain data. The same scenario, seed and number of hosts are the same run.

mod configuration;
mod draw;
mod expectations;
mod fault;
mod fields;
mod form;
mod generate;
mod happenings;
mod hosts;
mod kinds;
mod manners;
mod pack;
mod parts;
mod phrases;
mod read;
mod rows;
mod schema;
mod set;
mod traces;
mod tree;
mod words;
mod write;

pub use draw::{Profile, draw, draw_around, drawn};
pub use expectations::{Delay, Expectation, RolloutEnd};
pub use fault::{
    Fault, FaultKind, HostFault, Lasts, On, Row, SchedulerFault, ServiceFault, Size, StoreFault, TABLE,
    WayFault,
};
pub(crate) use generate::{arriving, cluster};
pub use hosts::{HostClass, Hosts};
pub use manners::{StoreKind, StoreManners};
pub use pack::{pack, packed};
pub use read::{Load, ReadError, read, read_with};
pub use schema::schema;
pub use write::write;

use crate::build::Build;
use callboard_core::config::Configuration;
use callboard_core::machine::Span;
use callboard_core::model::{Batch, Kind, KindName, Name, Service, Version};

/// One scenario, as read from a file or drawn from a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Short; also the name of its file.
    pub name: String,
    /// What happens, in a sentence or two.
    pub description: String,
    /// What a reader learns from it, in a sentence or two.
    pub teaches: String,
    /// The file it came from, as it was named; shown in the command that reproduces a run.
    pub file: String,
    /// The fields that were set from outside, likewise.
    pub sets: Vec<String>,
    /// The seed, unless the user gives another.
    pub seed: u64,
    /// How much time passes.
    pub duration: Span,
    /// How long before the end the last fault is over, so that everything can converge; only then are the promises
    /// about the end checked.
    pub settle: Span,
    /// The machines.
    pub fleet: Vec<HostClass>,
    /// How many scheduler processes run.
    pub schedulers: u32,
    /// How long agents' and schedulers' sessions outlive their last word.
    pub ttl: Span,
    /// How long machines take from what they hear to what they do.
    pub reaction: Span,
    /// What users wrote before the beginning.
    pub desired: Configuration,
    /// How versions behave that are not simply sound.
    pub builds: Vec<Build>,
    /// How the store behaves all the time.
    pub store: StoreManners,
    /// How the registry of each machine behaves all the time; `None`: there are none.
    pub registry: Option<RegistryManners>,
    /// What happens once.
    pub timeline: Vec<Happening>,
    /// What happens again and again.
    pub trickle: Vec<Trickle>,
    /// What is expected.
    pub expect: Vec<Expectation>,
}

/// How the registries of the machines, and the way to them, behave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryManners {
    /// Requests that never arrive, in a million.
    pub lost_requests: u32,
    /// Answers that never arrive, in a million.
    pub lost_answers: u32,
    /// Requests that arrive late, after others, in a million.
    pub late: u32,
}

/// Something that happens at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// When, from the beginning.
    pub at: Span,
    /// What.
    pub action: Action,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A user changes fields of a service.
    SetService {
        /// The service.
        service: Name,
        /// The new values.
        set: ServiceChange,
    },
    /// A user writes a service with a task definition of its own, and adds it to a cluster.
    AddService {
        /// The service, and the task definition.
        service: Name,
        /// The cluster.
        cluster: Name,
        /// How many tasks it has.
        tasks: u32,
        /// What each reserves, MiB.
        memory: u64,
        /// What each reserves of a processor, 1024 a core.
        cpu_units: u64,
    },
    /// Machines are switched off, and come back with another size.
    ResizeHosts {
        /// Which.
        hosts: Hosts,
        /// Memory for tasks, MiB; `None`: as before.
        memory: Option<u64>,
        /// Processor share for tasks, 1024 a core; `None`: as before.
        cpu_units: Option<u64>,
        /// When they come back.
        reboot_after: Span,
    },
    /// A user asks where tasks would lie better, and has them moved.
    Rebalance {
        /// How many may move.
        moves: u32,
        /// What each must gain, percent.
        gain: u32,
    },
    /// Something goes wrong, or a user does something that has no more to it.
    Fault(Fault),
}

/// New values for fields of a service; `None` leaves one as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceChange {
    /// The version to roll to.
    pub task_version: Option<Version>,
    /// How many shall run.
    pub desired: Option<u32>,
    /// How many must stay healthy.
    pub min: Option<u32>,
    /// How many may be issued.
    pub max: Option<u32>,
    /// Whether its tasks may take the room of less important ones.
    pub preempt: Option<bool>,
    /// Stops the service, or starts it again.
    pub stopped: Option<bool>,
    /// Tries a failed rollout again.
    pub retry: Option<u32>,
    /// Makes it a service of this kind, without what other kinds alone have.
    pub kind: Option<KindName>,
    /// How many tasks of a batch service shall run to their end.
    pub completions: Option<u32>,
    /// How long a try of a batch service may take.
    pub time_limit: Option<Span>,
}

/// What goes wrong again and again, at random times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trickle {
    /// What.
    pub fault: FaultKind,
    /// Hits all machines with the same value of this label at once; `None`: one machine.
    pub each: Option<String>,
    /// How often in the whole fleet, on average.
    pub per_hour: u64,
    /// From when.
    pub from: Span,
    /// Until when.
    pub until: Span,
    /// How long each lasts, at least and at most.
    pub lasting: (Span, Span),
}

impl Scenario {
    /// Counts the machines.
    #[must_use]
    pub fn hosts(&self) -> usize {
        self.fleet.iter().map(|class| class.count as usize).sum()
    }

    /// Makes the fleet as large as asked for, keeping the proportions of its classes; each keeps one machine at least.
    #[must_use]
    pub fn scaled_to(mut self, hosts: usize) -> Scenario {
        let before = self.hosts().max(1);
        let mut given = 0;
        let classes = self.fleet.len();
        for (index, class) in self.fleet.iter_mut().enumerate() {
            let share = (class.count as usize * hosts / before).max(1);
            let count = if index + 1 == classes { hosts.saturating_sub(given).max(1) } else { share };
            given += count;
            class.count = u32::try_from(count).unwrap_or(u32::MAX);
        }
        self
    }

    /// Gives the manners of the store with all that will ever be the matter with it.
    pub(crate) fn worst_store(&self) -> StoreManners {
        let once = self.timeline.iter().filter_map(|happening| match &happening.action {
            Action::Fault(fault) => Some((fault.kind, fault.size)),
            Action::SetService { .. }
            | Action::AddService { .. }
            | Action::ResizeHosts { .. }
            | Action::Rebalance { .. } => None,
        });
        let again = self.trickle.iter().map(|trickle| (trickle.fault, trickle.fault.row().size.left_out()));
        let mut worst = self.store.clone();
        for (kind, size) in once.chain(again) {
            if let FaultKind::Way(fault) = kind {
                worst.worsen(fault, size);
            }
        }
        worst
    }

    /// Gives when the last fault is over, as far as the scenario plans them.
    #[must_use]
    pub fn calm_from(&self) -> Span {
        let once = self.timeline.iter().map(|happening| Span(happening.at.0 + happening.action.lasts().0));
        let again = self.trickle.iter().map(|trickle| Span(trickle.until.0 + trickle.lasting.1.0));
        once.chain(again).max().unwrap_or_default()
    }
}

impl ServiceChange {
    /// Writes a service's record with the new values; `None` when the record cannot be read.
    pub(crate) fn apply(&self, record: &str) -> Option<String> {
        let mut service: Service = serde_json::from_str(record).ok()?;
        let set = |field: &mut u32, value: Option<u32>| *field = value.unwrap_or(*field);
        set(&mut service.task_version, self.task_version);
        if let Some(kind) = self.kind.filter(|kind| *kind != service.kind.name()) {
            let batch = Batch { completions: 1, parallelism: 2, retries: 3, time_limit: None };
            let kind = match kind {
                KindName::Service => Kind::Service,
                KindName::System => Kind::System,
                KindName::Batch => Kind::Batch(batch),
            };
            make(&mut service, kind, [0; 3]);
        }
        if let Kind::Batch(batch) = &mut service.kind {
            set(&mut batch.completions, self.completions);
            batch.time_limit = self.time_limit.or(batch.time_limit);
        }
        if service.kind.is_counted() {
            set(&mut service.desired, self.desired);
            set(&mut service.min, self.min);
            set(&mut service.max, self.max);
        }
        set(&mut service.retry, self.retry);
        service.preempt = self.preempt.unwrap_or(service.preempt);
        service.stopped = self.stopped.unwrap_or(service.stopped);
        serde_json::to_string(&service).ok()
    }
}

/// Makes a service one of another kind, with these `desired`, `min` and `max`.
pub(crate) fn make(service: &mut Service, kind: Kind, counts: [u32; 3]) {
    service.kind = kind;
    [service.desired, service.min, service.max] = counts;
    (service.exclusive, service.max_parallel) = (false, None);
    service.preempt &= kind != Kind::System;
    service.placement.limit.clear();
    service.placement.spread.clear();
}

impl Action {
    /// Gives how long it lasts; zero for what is done at once or never undone.
    #[must_use]
    pub fn lasts(&self) -> Span {
        match self {
            Action::SetService { .. } | Action::AddService { .. } | Action::Rebalance { .. } => Span(0),
            Action::ResizeHosts { reboot_after, .. } => *reboot_after,
            Action::Fault(fault) => fault.lasting.unwrap_or_default(),
        }
    }

    /// Tells whether a user does it; anything else goes wrong by itself.
    pub(crate) fn is_by_user(&self) -> bool {
        match self {
            Action::SetService { .. } | Action::AddService { .. } | Action::Rebalance { .. } => true,
            Action::ResizeHosts { .. } => false,
            Action::Fault(fault) => fault.kind.is_by_user(),
        }
    }
}
