//! What can happen in a simulated world, one value an event.

use crate::host::Answer;
use callboard_backends::memory::WatcherId;
use callboard_core::machine::{Span, Time};
use callboard_core::registry;
use callboard_core::store::{Reply, Request};

/// Names one life of one process: whatever is addressed to an earlier life is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process {
    pub(crate) role: Role,
    pub(crate) index: u32,
    pub(crate) life: u32,
}

/// What a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Agent,
    Scheduler,
}

impl Process {
    /// Gives its place in a list of hosts or schedulers.
    pub(crate) fn at(self) -> usize {
        self.index as usize
    }
}

/// Something that happens.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A machine asked to be woken now.
    Wake(Process),
    /// A machine carries out what it decided a while ago.
    Decided { by: Process, number: u64 },
    /// A request reaches the store. The copy of a repeated one is not answered.
    Arrive { from: Process, request: Request, answered: bool },
    /// An answer reaches a machine.
    Hear { to: Process, reply: Reply },
    /// A machine's client of the store gives up waiting for an answer.
    Unanswered { to: Process, reply: Reply },
    /// A watch hears of a transaction.
    Watched { to: Process, watcher: WatcherId, reply: Reply },
    /// Answers of its executor reach an agent, one after the other.
    Answer { to: Process, answers: Vec<Answer> },
    /// A question reaches a host's registry late.
    Inquire { from: Process, request: registry::Request },
    /// An answer of the registry reaches an agent.
    Told { to: Process, reply: registry::Reply },
    /// Something happens to a process on a host.
    Life { host: u32, pid: u32, moment: Moment },
    /// A host has used up its memory, unless the forecast is outdated.
    MemoryFull { host: u32, forecast: u32 },
    /// Watches on which nothing happened give a sign of life.
    SignsOfLife,
    /// A machine has not been heard of by its peers for so long that they tell the store.
    Unheard(u32),
    /// Sessions may have lapsed.
    Expire,
    /// Users write what they want.
    Apply,
    /// Something from the timeline.
    Script(u32),
    /// Something from a trickle.
    Drip(u32),
    /// A machine's agent is cut off from the store and connected again, in turns of a length, until a time.
    Flap { host: u32, every: Span, until: Time },
    /// Something that lasted is over.
    Undo(Undo),
    /// A user tries again to write.
    UserRetry,
    /// A checkpoint of the store is taken, to go back to.
    Checkpoint,
    /// Something that is expected is due.
    Expect(u32),
}

/// What can happen to a process on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Its start is complete.
    Born,
    /// It becomes healthy.
    Healthy,
    /// It stops being healthy.
    Unhealthy,
    /// It ends by itself.
    Exit,
    /// It is done, and ends by itself.
    Complete,
    /// It kills its agent, and ends.
    KillAgent,
    /// It takes its machine down.
    KillMachine,
    /// It ends because it was asked to.
    Stopped,
    /// It is killed because it takes more memory than it may.
    OverLimit,
    /// It is killed because it did not end.
    Killed,
}

/// What ends a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undo {
    /// A machine comes back.
    Boot(u32),
    /// An agent is started again.
    StartAgent(u32),
    /// A machine goes on.
    Thaw(u32),
    /// A machine that was shut down in order is switched off, and on again after a while.
    PowerOff(u32, Span),
    /// A process and the store reach each other again.
    Heal(Role, u32),
    /// A clock goes right again.
    Steady(Role, u32),
    /// Junk is mended.
    Mend,
    /// What a later version wrote is written in the shape of this one.
    Downgrade,
    /// The way to the store is no worse than it always is.
    Clear,
    /// A scheduler is started again.
    StartScheduler(u32),
    /// A host is drained no longer.
    Undrain(u32),
    /// What users deleted for a while is written again.
    PutBack,
    /// A machine is switched off for good, and nobody misses it.
    Retire(u32),
}
