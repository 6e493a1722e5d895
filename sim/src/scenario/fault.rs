//! What can go wrong, and what users do at random: each kind is a row of one table, from which timelines, trickles, drawn
//! worlds, files, words and counts all come.
//!
//! **Invariant:** whom a kind can hit is in its type.

mod table;

use super::Hosts;
pub(super) use table::NAMES;
pub use table::{Lasts, Row, Size, TABLE};

use callboard_core::machine::Span;
use callboard_core::model::Name;
use std::fmt;

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// Whom it hits.
    pub on: On,
    /// For how long; `None`: it is done at once, or never undone.
    pub lasting: Option<Span>,
    /// How much, for kinds that have a size: see [`Row::size`].
    pub size: u64,
}

/// Whom something hits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    /// Machines.
    Hosts(Hosts),
    /// So many schedulers, those that hold locks first.
    Schedulers(u32),
    /// A service.
    Service(Name),
    /// The store, or everybody.
    All,
}

/// What can go wrong, by whom it hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// A machine.
    Host(HostFault),
    /// A scheduler.
    Scheduler(SchedulerFault),
    /// A service, or its records.
    Service(ServiceFault),
    /// The store.
    Store(StoreFault),
    /// The way to the store and back.
    Way(WayFault),
}

/// What can happen to a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostFault {
    /// It fails: all that runs on it is gone.
    Crash,
    /// It is shut down, in order, and switched on again.
    Reboot,
    /// It stands still, with all that runs on it.
    Freeze,
    /// Its agent cannot reach the store, and is not reached.
    Cut,
    /// Its agent is cut off and connected again, in turns.
    Flap,
    /// What its agent says does not arrive; it hears all the same.
    Mute,
    /// What its agent says arrives; it hears nothing.
    Deafen,
    /// Its agent is killed; its tasks run on.
    KillAgent,
    /// Its agent is ended in order, and leaves its tasks running.
    RestartAgent,
    /// Its clock goes wrong.
    Drift,
    /// Its clock jumps ahead.
    Jump,
    /// Its disk is full.
    FillDisk,
    /// What runs on it waits for memory, though some is free.
    StallMemory,
    /// Its executors fail, or do not answer.
    ExecutorDown,
    /// Its docker engine fails, or does not answer; what else runs tasks there works.
    EngineDown,
    /// Its executors do not tell of all that runs.
    ExecutorLies,
    /// Its health checks say the opposite of what is so.
    ChecksLie,
    /// Another machine starts an agent of its name.
    Twin,
    /// What is told to stop does not end, not even when it is killed.
    StickStops,
    /// What is to be started is fetched slowly.
    SlowPulls,
    /// What is to be started is not found.
    MissImages,
    /// What is to be started is being fetched, and the end of that is not in sight.
    HangPulls,
    /// Its registry answers nothing.
    RegistryAway,
    /// Its registry loses all it holds.
    RegistryForgets,
    /// A task on it ends by itself.
    EndTask,
    /// A user drains it.
    Drain,
    /// A user takes that back.
    Undrain,
}

/// What can happen to a scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SchedulerFault {
    /// It is killed.
    Kill,
    /// It stands still, plans in hand.
    Pause,
    /// It cannot reach the store, and is not reached.
    Cut,
    /// What it says does not arrive; it hears all the same.
    Mute,
    /// What it says arrives; it hears nothing.
    Deafen,
    /// Its clock goes wrong.
    Drift,
}

/// What can happen to a service or its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceFault {
    /// A user deletes it.
    Delete,
    /// Something writes rubbish over its record.
    Corrupt,
    /// A later version writes its records in a shape that this one cannot know.
    Renew,
    /// A user rolls it to another version.
    Roll,
    /// A user changes how many tasks it has.
    Scale,
    /// A user moves it to another cluster.
    Move,
    /// A user makes it a service of another kind.
    Convert,
    /// A user deletes the cluster that lists it.
    DeleteCluster,
}

/// What can happen to the store, and to everybody at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StoreFault {
    /// All machines and schedulers fail, and the store with them; all come back at one moment.
    PowerLoss,
    /// It answers nobody.
    Outage,
    /// It takes no writes.
    ReadOnly,
    /// Its leader is gone, and another is elected.
    ChangeLeader,
    /// It has no leader and cannot elect one.
    NoQuorum,
    /// It takes renewals and deletes, but no puts and no new sessions.
    NoSpace,
    /// It is slow.
    Slow,
    /// All sessions end at one moment.
    ExpireSessions,
    /// It forgets its history, and every watch ends.
    Compact,
    /// It is put back to what it was.
    Restore,
    /// It loses everything.
    Empty,
    /// Another store takes its place: empty, its revisions later.
    Replace,
    /// Users write all they want once more.
    Apply,
    /// A later version writes a field into every issued record that this one does not know.
    Annotate,
    /// Somebody writes junk somewhere.
    Junk,
    /// Somebody takes one of the two records of a task away.
    HalvePair,
    /// Another program that takes itself for a scheduler issues what no scheduler may.
    Foreign,
}

/// What can happen on the way to the store and back, for a while, so many times in a million.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WayFault {
    /// Requests do not arrive.
    LoseRequests,
    /// Answers do not arrive.
    LoseAnswers,
    /// Requests arrive twice.
    RepeatRequests,
    /// Answers come very late.
    DelayAnswers,
    /// Watches fall silent without a word.
    DeafenWatches,
    /// Watches end.
    CutWatches,
    /// Watches lose events and go on.
    LoseEvents,
    /// Watches tell of an event twice.
    DoubleEvents,
    /// Watches tell of an event very late, and of all after it.
    DelayEvents,
    /// Watches tell of an event after a later one.
    ReorderEvents,
    /// Watches tell again of the past.
    RewindWatches,
}

impl FaultKind {
    /// Gives all there is to know of it.
    #[must_use]
    pub fn row(self) -> &'static Row {
        table::row(self)
    }

    /// Gives its name, as in scenarios and counts.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Tells whether a user does it; anything else goes wrong by itself.
    #[must_use]
    pub fn is_by_user(self) -> bool {
        match self {
            FaultKind::Host(kind) => matches!(kind, HostFault::Drain | HostFault::Undrain),
            FaultKind::Service(kind) => !matches!(kind, ServiceFault::Corrupt | ServiceFault::Renew),
            FaultKind::Store(kind) => matches!(kind, StoreFault::Apply),
            FaultKind::Scheduler(_) | FaultKind::Way(_) => false,
        }
    }

    /// Says what happens, to whom, and for how long.
    pub(crate) fn words(self, whom: &dyn fmt::Display, lasting: Option<Span>) -> String {
        let words = self.row().words;
        let until = lasting.map(|lasting| format!(", for {lasting}")).unwrap_or_default();
        match self {
            FaultKind::Host(_) | FaultKind::Scheduler(_) | FaultKind::Service(_) => {
                format!("{whom}: {words}{until}")
            }
            FaultKind::Store(_) | FaultKind::Way(_) => format!("{words}{until}"),
        }
    }
}

impl Fault {
    /// Makes one that hits so, and is otherwise as it is when a scenario leaves out all it can.
    #[must_use]
    pub fn new(kind: FaultKind, on: On) -> Fault {
        let row = kind.row();
        Fault { kind, on, lasting: row.lasts.left_out(), size: row.size.left_out() }
    }

    /// Makes one that hits machines for a while.
    #[must_use]
    pub fn hosts(kind: HostFault, hosts: Hosts, lasting: Span) -> Fault {
        Fault { lasting: Some(lasting), ..Fault::new(FaultKind::Host(kind), On::Hosts(hosts)) }
    }

    /// Makes one that hits the store.
    #[must_use]
    pub fn store(kind: StoreFault) -> Fault {
        Fault::new(FaultKind::Store(kind), On::All)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = |whom: &dyn fmt::Display| self.kind.words(whom, self.lasting);
        f.write_str(&match &self.on {
            On::Hosts(hosts) => words(hosts),
            On::Schedulers(1) => words(&"the leading scheduler"),
            On::Schedulers(count) => words(&format!("{count} schedulers")),
            On::Service(service) => words(service),
            On::All => words(&"the store"),
        })
    }
}
