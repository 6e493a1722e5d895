//! The table of all that can go wrong.

use super::FaultKind;
use super::{HostFault as Host, SchedulerFault as Scheduler, ServiceFault as Service};
use super::{StoreFault as Store, WayFault as Way};
use callboard_core::machine::Span;

/// One kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which.
    pub kind: FaultKind,
    /// The word for it in timelines, trickles and counts.
    pub name: &'static str,
    /// How long it lasts.
    pub lasts: Lasts,
    /// What else it needs.
    pub size: Size,
    /// What happens, in words.
    pub words: &'static str,
}

/// How long something lasts, and the field that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// It is done at once.
    AtOnce,
    /// So long.
    Must(&'static str),
    /// So long; left out, as long as this.
    May(&'static str, Span),
    /// So long; left out, for good.
    OrNever(&'static str),
}

/// How much of it there is, and the field that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// It is what it is.
    None,
    /// A number: the least, the most, and when it is left out.
    Number(&'static str, u64, u64, u64),
    /// A time, in milliseconds; and when it is left out.
    Time(&'static str, Span),
}

impl Lasts {
    /// Gives how long it lasts when nobody says so.
    #[must_use]
    pub fn left_out(self) -> Option<Span> {
        match self {
            Lasts::AtOnce | Lasts::OrNever(_) => None,
            Lasts::Must(_) => Some(Span(0)),
            Lasts::May(_, span) => Some(span),
        }
    }
}

impl Size {
    /// Gives how much it is when nobody says so.
    #[must_use]
    pub fn left_out(self) -> u64 {
        match self {
            Size::None => 0,
            Size::Number(_, _, _, number) => number,
            Size::Time(_, span) => span.0,
        }
    }
}

/// Finds the row of a kind.
pub(super) fn row(kind: FaultKind) -> &'static Row {
    TABLE.iter().find(|row| row.kind == kind).unwrap_or(&TABLE[0])
}

/// All that can go wrong.
pub const TABLE: &[Row] = &[
    host(Host::Crash, "crash_hosts", "power loss: all that runs is gone").or_never("reboot_after"),
    host(Host::Reboot, "reboot_hosts", "shut down in order and switched on again")
        .may("back_after", Span::secs(60)),
    host(Host::Freeze, "freeze_hosts", "standing still").must(),
    host(Host::Cut, "partition", "cut off from the store, while tasks run on").must(),
    host(Host::Flap, "flap_hosts", "cut off from the store and connected again, in turns")
        .must()
        .time("every", Span::secs(20)),
    host(Host::Mute, "partition_requests", "what the agent says does not reach the store").must(),
    host(Host::Deafen, "partition_answers", "the agent hears nothing from the store").must(),
    host(Host::KillAgent, "kill_agents", "the agent is killed, tasks run on")
        .may("restart_after", Span::secs(5)),
    host(Host::RestartAgent, "restart_agents", "the agent is ended in order, tasks run on")
        .may("restart_after", Span::secs(5)),
    host(Host::Drift, "drift_clocks", "the clock goes wrong").must().number("ppm", 1, 100_000, 50_000),
    host(Host::Jump, "jump_clocks", "the clock jumps ahead").time("by", Span::secs(60)),
    host(Host::FillDisk, "fill_disks", "the disk is full").must(),
    host(Host::StallMemory, "stall_memory", "what runs there waits for memory").must(),
    host(Host::ExecutorDown, "executor_down", "the executors fail or do not answer").must(),
    host(Host::EngineDown, "engine_down", "the docker engine fails or does not answer").must(),
    host(Host::ExecutorLies, "executor_lies", "the executors do not tell of all that runs").must(),
    host(Host::ChecksLie, "checks_lie", "health checks say the opposite of what is so").must(),
    host(Host::Twin, "twin_agents", "another machine starts an agent of the same name").must(),
    host(Host::StickStops, "stick_stops", "what is told to stop does not end").must(),
    host(Host::SlowPulls, "slow_pulls", "what is started is fetched slowly")
        .must()
        .time("by", Span::secs(60)),
    host(Host::MissImages, "miss_images", "what is to be started is not found").must(),
    host(Host::HangPulls, "hang_pulls", "what is to be started cannot be fetched to its end").must(),
    host(Host::RegistryAway, "registry_away", "the registry answers nothing").must(),
    host(Host::RegistryForgets, "registry_forgets", "the registry loses all it holds"),
    host(Host::EndTask, "end_tasks", "a task ends by itself"),
    host(Host::Drain, "drain", "drained by a user").or_never("lasting"),
    host(Host::Undrain, "undrain", "drained no longer"),
    scheduler(Scheduler::Kill, "kill_schedulers", "killed").or_never("restart_after"),
    scheduler(Scheduler::Pause, "pause_schedulers", "standing still, plans in hand").must(),
    scheduler(Scheduler::Cut, "cut_schedulers", "cut off from the store").must(),
    scheduler(Scheduler::Mute, "mute_schedulers", "what it says does not reach the store").must(),
    scheduler(Scheduler::Deafen, "deafen_schedulers", "hearing nothing from the store").must(),
    scheduler(Scheduler::Drift, "drift_schedulers", "the clock goes wrong")
        .must()
        .number("ppm", 1, 100_000, 50_000),
    service(Service::Delete, "delete_service", "deleted by a user").or_never("lasting"),
    service(Service::Corrupt, "corrupt_service", "the record is overwritten with rubbish"),
    service(Service::Renew, "newer_records", "a later version writes the records in a new shape")
        .or_never("lasting"),
    service(Service::Roll, "roll", "rolled by a user to another version"),
    service(Service::Scale, "scale", "a user changes how many tasks it has"),
    service(Service::Move, "move_service", "moved by a user to another cluster"),
    service(Service::Convert, "convert_service", "made a service of another kind by a user"),
    service(Service::DeleteCluster, "delete_cluster", "its cluster is deleted by a user").or_never("lasting"),
    store(Store::PowerLoss, "power_loss", "power loss everywhere, and everything comes back at once")
        .may("lasting", Span::secs(120)),
    store(Store::Outage, "store_outage", "the store answers nobody").must(),
    store(Store::ReadOnly, "store_read_only", "the store takes no writes").must(),
    store(Store::ChangeLeader, "leader_change", "the store loses its leader and elects another"),
    store(Store::NoQuorum, "no_quorum", "the store is without a leader").must(),
    store(Store::NoSpace, "no_space", "the store is full").must(),
    store(Store::Slow, "store_slow", "the store is slow").must().number("factor", 2, 10_000, 10),
    store(Store::ExpireSessions, "expire_sessions", "all sessions of the store end at once"),
    store(Store::Compact, "compact_store", "the store forgets its history, every watch ends"),
    store(Store::Restore, "restore_store", "the store is put back to what it was")
        .time("back", Span::secs(60)),
    store(Store::Empty, "empty_store", "the store loses everything"),
    store(Store::Replace, "replace_store", "another, empty store takes the place of the first"),
    store(Store::Apply, "apply", "users apply their whole configuration again"),
    store(Store::Annotate, "annotate_records", "a later version adds a field to every issued record"),
    store(Store::Junk, "write_junk", "somebody writes junk into the store").or_never("lasting"),
    store(Store::HalvePair, "halve_pair", "somebody takes one of the two records of a task away"),
    store(Store::Foreign, "foreign_scheduler", "another program issues what no scheduler may"),
    way(Way::LoseRequests, "lose_requests", "requests to the store get lost")
        .must()
        .number("ppm", 1, 1_000_000, 100_000),
    way(Way::LoseAnswers, "lose_answers", "answers of the store get lost")
        .must()
        .number("ppm", 1, 1_000_000, 100_000),
    way(Way::RepeatRequests, "repeat_requests", "requests reach the store twice")
        .must()
        .number("ppm", 1, 1_000_000, 100_000),
    way(Way::DelayAnswers, "delay_answers", "answers of the store come very late")
        .must()
        .number("ppm", 1, 1_000_000, 100_000),
    way(Way::DeafenWatches, "deafen_watches", "watches fall silent without a word")
        .must()
        .number("ppm", 1, 1_000_000, 100_000),
    way(Way::CutWatches, "cut_watches", "watches end").must().number("ppm", 1, 1_000_000, 100_000),
    way(Way::LoseEvents, "lose_events", "watches lose events").must().number("ppm", 1, 1_000_000, 100_000),
    way(Way::DoubleEvents, "double_events", "watches tell of events twice")
        .must()
        .number("ppm", 1, 1_000_000, 100_000),
    way(Way::DelayEvents, "delay_events", "watches tell of events very late")
        .must()
        .number("ppm", 1, 1_000_000, 100_000),
    way(Way::ReorderEvents, "reorder_events", "watches tell of events out of order")
        .must()
        .number("ppm", 1, 1_000_000, 100_000),
    way(Way::RewindWatches, "rewind_watches", "watches tell again of the past")
        .must()
        .number("ppm", 1, 1_000_000, 100_000),
];

/// The same by name.
pub(in crate::scenario) const NAMES: [(&str, FaultKind); TABLE.len()] = {
    let mut names = [(TABLE[0].name, TABLE[0].kind); TABLE.len()];
    let mut index = 0;
    while index < TABLE.len() {
        names[index] = (TABLE[index].name, TABLE[index].kind);
        index += 1;
    }
    names
};

const fn host(kind: Host, name: &'static str, words: &'static str) -> Row {
    Row { kind: FaultKind::Host(kind), name, words, lasts: Lasts::AtOnce, size: Size::None }
}

const fn scheduler(kind: Scheduler, name: &'static str, words: &'static str) -> Row {
    Row { kind: FaultKind::Scheduler(kind), name, words, lasts: Lasts::AtOnce, size: Size::None }
}

const fn service(kind: Service, name: &'static str, words: &'static str) -> Row {
    Row { kind: FaultKind::Service(kind), name, words, lasts: Lasts::AtOnce, size: Size::None }
}

const fn store(kind: Store, name: &'static str, words: &'static str) -> Row {
    Row { kind: FaultKind::Store(kind), name, words, lasts: Lasts::AtOnce, size: Size::None }
}

const fn way(kind: Way, name: &'static str, words: &'static str) -> Row {
    Row { kind: FaultKind::Way(kind), name, words, lasts: Lasts::AtOnce, size: Size::None }
}

impl Row {
    const fn must(self) -> Row {
        Row { lasts: Lasts::Must("lasting"), ..self }
    }

    const fn may(self, field: &'static str, left_out: Span) -> Row {
        Row { lasts: Lasts::May(field, left_out), ..self }
    }

    const fn or_never(self, field: &'static str) -> Row {
        Row { lasts: Lasts::OrNever(field), ..self }
    }

    const fn number(self, field: &'static str, least: u64, most: u64, left_out: u64) -> Row {
        Row { size: Size::Number(field, least, most, left_out), ..self }
    }

    const fn time(self, field: &'static str, left_out: Span) -> Row {
        Row { size: Size::Time(field, left_out), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_one_row_and_one_name() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.kind.row(), row);
            assert!(TABLE[..index].iter().all(|other| other.name != row.name), "{}", row.name);
        }
    }
}
