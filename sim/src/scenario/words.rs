//! What happens in a scenario, in words: for logs, reports and replays.

use super::generate::KINDS;
use super::{Action, Hosts, ServiceChange, Trickle};
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
            Hosts::Labelled(labels) => {
                let all: Vec<String> = labels.iter().map(|(name, value)| format!("{name} {value}")).collect();
                write!(f, "all hosts of {}", all.join(", "))
            }
            Hosts::Each(label) => write!(f, "all hosts of one {label}"),
            Hosts::Running { service, count: 1 } => write!(f, "one host that runs {service}"),
            Hosts::Running { service, count } => write!(f, "{count} hosts that run {service}"),
        }
    }
}

impl fmt::Display for Trickle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Trickle { fault, per_hour, from, until, lasting: (least, most), .. } = self;
        write!(f, "{per_hour} an hour from {from} until {until}: {}", fault.row().words)?;
        if *most > Span(0) { write!(f, ", for {least} to {most}") } else { Ok(()) }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::SetService { service, set } => write!(f, "a user sets {service}: {set}"),
            Action::AddService { service, tasks, .. } => {
                write!(f, "a user adds {service} with {tasks} tasks")
            }
            Action::ResizeHosts { hosts, memory, cpu_units, reboot_after } => {
                write!(f, "{hosts}: off for {reboot_after}, and back with another size")?;
                memory.map_or(Ok(()), |memory| write!(f, ", {memory} MiB"))?;
                cpu_units.map_or(Ok(()), |cpu_units| write!(f, ", {cpu_units} cpu units"))
            }
            Action::Rebalance { moves, gain } => {
                write!(f, "a user has up to {moves} tasks moved that gain {gain} % or more by it")
            }
            Action::Fault(fault) => fault.fmt(f),
        }
    }
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
        parts.extend(
            self.preempt.map(|may| if may { "may preempt".into() } else { "may not preempt".into() }),
        );
        let kind = KINDS.iter().find(|(_, kind)| self.kind == Some(*kind));
        parts.extend(kind.map(|(word, _)| format!("kind {word}")));
        parts.extend(self.completions.map(|completions| format!("completions {completions}")));
        parts.extend(self.time_limit.map(|limit| format!("time limit {limit}")));
        f.write_str(&parts.join(", "))
    }
}
