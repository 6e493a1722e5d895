//! A scenario: a fleet, what users want to run on it, what goes wrong when, and what is expected of the outcome.
//!
//! **Invariant:** plain data. The same scenario, seed and number of hosts are the same run.

mod draw;
mod expectations;
mod fields;
mod form;
mod generate;
mod happenings;
mod hosts;
mod kinds;
mod manners;
mod read;
mod tree;
mod write;
mod words;

pub use draw::{Profile, draw, draw_around, drawn};
pub use expectations::{Expectation, RolloutEnd};
pub use hosts::{HostClass, Hosts};
pub use manners::{StoreKind, StoreManners};
pub use read::{ReadError, read};
pub use write::write;

use crate::build::Build;
use callboard_core::config::Configuration;
use callboard_core::machine::Span;
use callboard_core::model::{Name, Service, Version};

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
    /// A user deletes a service.
    DeleteService {
        /// The service.
        service: Name,
    },
    /// A user drains hosts, or takes that back.
    Drain {
        /// Which.
        hosts: Hosts,
        /// True to drain.
        draining: bool,
    },
    /// Something writes rubbish over a service's record.
    CorruptService {
        /// The service.
        service: Name,
    },
    /// Machines fail: all that runs on them is gone.
    CrashHosts {
        /// Which.
        hosts: Hosts,
        /// When they come back; `None`: never.
        reboot_after: Option<Span>,
    },
    /// Machines stand still, with all that runs on them.
    FreezeHosts {
        /// Which.
        hosts: Hosts,
        /// For how long.
        lasting: Span,
    },
    /// Agents cannot reach the store, while their tasks run on.
    Partition {
        /// Which.
        hosts: Hosts,
        /// For how long.
        lasting: Span,
    },
    /// Agents are killed; their tasks run on.
    KillAgents {
        /// Which.
        hosts: Hosts,
        /// When they are started again.
        restart_after: Span,
    },
    /// The registries of machines answer nothing.
    RegistryAway {
        /// Which.
        hosts: Hosts,
        /// For how long.
        lasting: Span,
    },
    /// The registries of machines lose all they hold.
    RegistryForgets {
        /// Which.
        hosts: Hosts,
    },
    /// Schedulers are killed.
    KillSchedulers {
        /// How many, those that hold locks first.
        count: u32,
        /// When they are started again; `None`: never.
        restart_after: Option<Span>,
    },
    /// Schedulers stand still, plans in hand.
    PauseSchedulers {
        /// How many, those that hold locks first.
        count: u32,
        /// For how long.
        lasting: Span,
    },
    /// The store answers nobody.
    StoreOutage {
        /// For how long.
        lasting: Span,
    },
    /// The store takes no writes.
    StoreReadOnly {
        /// For how long.
        lasting: Span,
    },
    /// The store's leader is gone, and another is elected.
    ChangeLeader,
    /// The store has no leader and cannot elect one.
    NoQuorum {
        /// For how long.
        lasting: Span,
    },
    /// The store has no space left: it takes renewals and deletes, but no puts and no new sessions.
    NoSpace {
        /// For how long.
        lasting: Span,
    },
    /// The store is slow by this factor.
    StoreSlow {
        /// For how long.
        lasting: Span,
        /// By how much.
        factor: u64,
    },
    /// All sessions end at one moment.
    ExpireSessions,
    /// The store forgets its history, and every watch ends.
    CompactStore,
    /// The store is put back to what it was this long ago.
    RestoreStore {
        /// How long ago.
        back: Span,
    },
    /// The store loses everything.
    EmptyStore,
    /// Another store takes its place: empty, its revisions later.
    ReplaceStore,
    /// Users write all they want once more.
    Apply,
    /// A later version writes a field into every issued record that this one does not know.
    AnnotateRecords,
    /// A later version writes the records of a service in a shape that this one cannot know.
    NewerRecords {
        /// The service.
        service: Name,
    },
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
    /// Stops the service, or starts it again.
    pub stopped: Option<bool>,
    /// Tries a failed rollout again.
    pub retry: Option<u32>,
}

/// What goes wrong again and again, at random times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trickle {
    /// What.
    pub fault: TrickleFault,
    /// How often in the whole fleet, on average.
    pub per_hour: u64,
    /// From when.
    pub from: Span,
    /// Until when.
    pub until: Span,
    /// How long each lasts, at least and at most.
    pub lasting: (Span, Span),
}

/// What can go wrong again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrickleFault {
    /// A machine fails and comes back.
    Crash,
    /// An agent is cut off from the store.
    Partition,
    /// An agent is killed and started again.
    KillAgent,
    /// A machine stands still.
    Freeze,
    /// The scheduler that holds most locks is killed and started again.
    KillScheduler,
    /// The scheduler that holds most locks stands still.
    PauseScheduler,
    /// The store answers nobody.
    StoreOutage,
    /// The store takes no writes.
    StoreReadOnly,
    /// The registry of a machine answers nothing.
    RegistryAway,
    /// The registry of a machine loses all it holds.
    RegistryForgets,
    /// The store changes its leader.
    ChangeLeader,
    /// The store has no leader and cannot elect one.
    NoQuorum,
    /// The store has no space left.
    NoSpace,
    /// A task ends by itself.
    TaskExit,
    /// A user rolls a service to another version.
    Roll,
    /// A user changes how many tasks a service has.
    Scale,
    /// A user drains a host for a while.
    Drain,
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
        set(&mut service.desired, self.desired);
        set(&mut service.min, self.min);
        set(&mut service.max, self.max);
        set(&mut service.retry, self.retry);
        service.stopped = self.stopped.unwrap_or(service.stopped);
        serde_json::to_string(&service).ok()
    }
}

impl Action {
    /// Gives how long it lasts; zero for what is done at once or never undone.
    #[must_use]
    pub fn lasts(&self) -> Span {
        match self {
            Action::CrashHosts { reboot_after, .. } => reboot_after.unwrap_or_default(),
            Action::KillSchedulers { restart_after, .. } => restart_after.unwrap_or_default(),
            Action::KillAgents { restart_after, .. } => *restart_after,
            Action::FreezeHosts { lasting, .. }
            | Action::Partition { lasting, .. }
            | Action::RegistryAway { lasting, .. }
            | Action::PauseSchedulers { lasting, .. }
            | Action::StoreOutage { lasting }
            | Action::StoreReadOnly { lasting }
            | Action::NoQuorum { lasting }
            | Action::NoSpace { lasting }
            | Action::StoreSlow { lasting, .. } => *lasting,
            Action::SetService { .. }
            | Action::DeleteService { .. }
            | Action::Drain { .. }
            | Action::CorruptService { .. }
            | Action::RegistryForgets { .. }
            | Action::ExpireSessions
            | Action::ChangeLeader
            | Action::CompactStore
            | Action::RestoreStore { .. }
            | Action::EmptyStore
            | Action::ReplaceStore
            | Action::Apply
            | Action::AnnotateRecords
            | Action::NewerRecords { .. } => Span(0),
        }
    }
}
