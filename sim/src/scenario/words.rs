//! What happens in a scenario, in words: for logs, reports and replays.

use super::{Action, Hosts, ServiceChange, TrickleFault};
use callboard_core::machine::Span;
use std::fmt;

impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hosts::Count(1) => f.write_str("one host"),
            Hosts::Count(count) => write!(f, "{count} hosts"),
            Hosts::Percent(percent) => write!(f, "{percent} % of all hosts"),
            Hosts::Named(names) if names.len() > 4 => {
                write!(f, "{} and {} more", names[..3].join(", "), names.len() - 3)
            }
            Hosts::Named(names) => f.write_str(&names.join(", ")),
            Hosts::Prefix(prefix) => write!(f, "all hosts {prefix}…"),
            Hosts::Running { service, count: 1 } => write!(f, "one host that runs {service}"),
            Hosts::Running { service, count } => write!(f, "{count} hosts that run {service}"),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::SetService { service, set } => write!(f, "a user sets {service}: {set}"),
            Action::DeleteService { service } => write!(f, "a user deletes {service}"),
            Action::Drain { hosts, draining: true } => write!(f, "a user drains {hosts}"),
            Action::Drain { hosts, draining: false } => write!(f, "a user drains {hosts} no longer"),
            Action::CorruptService { service } => {
                write!(f, "the record of {service} is overwritten with rubbish")
            }
            Action::CrashHosts { hosts, reboot_after: Some(after) } => {
                write!(f, "power loss on {hosts}, back after {after}")
            }
            Action::CrashHosts { hosts, reboot_after: None } => write!(f, "power loss on {hosts}, for good"),
            Action::FreezeHosts { hosts, lasting } => write!(f, "{hosts}: standing still for {lasting}"),
            Action::Partition { hosts, lasting } => {
                write!(f, "{hosts}: cut off from the store for {lasting}")
            }
            Action::KillAgents { hosts, restart_after } => {
                write!(f, "{hosts}: agent killed, started again after {restart_after}")
            }
            Action::RegistryAway { hosts, lasting } => {
                write!(f, "{hosts}: the registry answers nothing for {lasting}")
            }
            Action::RegistryForgets { hosts } => write!(f, "{hosts}: the registry loses all it holds"),
            Action::KillSchedulers { count, restart_after } => {
                write!(f, "{} killed", schedulers(*count))?;
                restart_after.map_or(Ok(()), |after| write!(f, ", started again after {after}"))
            }
            Action::PauseSchedulers { count, lasting } => {
                write!(f, "{} standing still for {lasting}", schedulers(*count))
            }
            Action::StoreOutage { lasting } => write!(f, "the store answers nobody for {lasting}"),
            Action::StoreReadOnly { lasting } => write!(f, "the store takes no writes for {lasting}"),
            Action::ChangeLeader => f.write_str("the store loses its leader and elects another"),
            Action::NoQuorum { lasting } => write!(f, "the store is without a leader for {lasting}"),
            Action::NoSpace { lasting } => write!(f, "the store is full for {lasting}"),
            Action::StoreSlow { lasting, factor } => {
                write!(f, "the store is {factor} times slower for {lasting}")
            }
            Action::ExpireSessions => f.write_str("all sessions of the store end at once"),
            Action::CompactStore => f.write_str("the store forgets its history, every watch ends"),
            Action::RestoreStore { back } => write!(f, "the store is put back to what it was {back} ago"),
            Action::EmptyStore => f.write_str("the store loses everything"),
            Action::ReplaceStore => f.write_str("another, empty store takes the place of the first"),
            Action::Apply => f.write_str("users apply their whole configuration again"),
            Action::AnnotateRecords => f.write_str("a later version adds a field to every issued record"),
            Action::NewerRecords { service } => {
                write!(f, "a later version writes the records of {service} in a new shape")
            }
        }
    }
}

fn schedulers(count: u32) -> String {
    if count == 1 { "the leading scheduler is".into() } else { format!("{count} schedulers are") }
}

impl fmt::Display for ServiceChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = [
            ("version", self.task_version),
            ("desired", self.desired),
            ("min", self.min),
            ("max", self.max),
            ("retry", self.retry),
        ];
        let mut parts: Vec<String> =
            numbers.iter().filter_map(|(name, value)| value.map(|value| format!("{name} {value}"))).collect();
        parts.extend(
            self.stopped.map(|stopped| if stopped { "stopped".into() } else { "not stopped".into() }),
        );
        f.write_str(&parts.join(", "))
    }
}

impl Action {
    /// Tells whether a user does it; anything else goes wrong by itself.
    pub(crate) fn is_by_user(&self) -> bool {
        matches!(
            self,
            Action::SetService { .. } | Action::DeleteService { .. } | Action::Drain { .. } | Action::Apply
        )
    }
}

impl TrickleFault {
    /// Tells whether a user does it; anything else goes wrong by itself.
    pub(crate) fn is_by_user(self) -> bool {
        matches!(self, TrickleFault::Roll | TrickleFault::Scale | TrickleFault::Drain)
    }

    /// Says what happens, to whom, and for how long.
    pub(crate) fn words(self, host: &str, lasting: Span) -> String {
        match self {
            TrickleFault::Crash => format!("power loss on {host}, back after {lasting}"),
            TrickleFault::Partition => format!("{host}: cut off from the store for {lasting}"),
            TrickleFault::KillAgent => format!("{host}: agent killed, started again after {lasting}"),
            TrickleFault::Freeze => format!("{host}: standing still for {lasting}"),
            TrickleFault::KillScheduler => {
                format!("the leading scheduler is killed, started again after {lasting}")
            }
            TrickleFault::PauseScheduler => format!("the leading scheduler is standing still for {lasting}"),
            TrickleFault::StoreOutage => format!("the store answers nobody for {lasting}"),
            TrickleFault::StoreReadOnly => format!("the store takes no writes for {lasting}"),
            TrickleFault::RegistryAway => format!("{host}: the registry answers nothing for {lasting}"),
            TrickleFault::RegistryForgets => format!("{host}: the registry loses all it holds"),
            TrickleFault::ChangeLeader => "the store loses its leader and elects another".into(),
            TrickleFault::NoQuorum => format!("the store is without a leader for {lasting}"),
            TrickleFault::NoSpace => format!("the store is full for {lasting}"),
            TrickleFault::TaskExit => format!("{host}: a task ends by itself"),
            TrickleFault::Roll => "a user rolls a service to another version".into(),
            TrickleFault::Scale => "a user changes how many tasks a service has".into(),
            TrickleFault::Drain => format!("a user drains {host} for {lasting}"),
        }
    }
}
