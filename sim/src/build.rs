//! What a version of a task does once it is started: the part of the world that is not Callboard.

use callboard_core::machine::Span;
use callboard_core::mirror::{hash, mix};
use callboard_core::model::{Name, Version};

/// How the tasks of one version of a task definition behave. Whatever has no build of its own behaves as
/// [`Build::sound`] does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// The task definition.
    pub task: Name,
    /// Its version.
    pub version: Version,
    /// How long set-up and start take, at least and at most.
    pub start: (Span, Span),
    /// The start itself fails.
    pub fails_to_start: bool,
    /// How long after its start it becomes healthy; `None`: never.
    pub healthy_after: Option<Span>,
    /// For how long it stays healthy; `None`: for good.
    pub healthy_for: Option<Span>,
    /// Ends by itself this long after its start.
    pub exits_after: Option<Span>,
    /// How long it takes to end when asked to, at least and at most.
    pub stop: (Span, Span),
    /// Does not end when asked to; only killing helps.
    pub ignores_term: bool,
    /// Resident memory at the start, in percent of what it reserves; of 64 MiB when it reserves none.
    pub memory_percent: u64,
    /// Memory that it takes more every minute, MiB.
    pub leak_mib_per_minute: u64,
    /// Is killed when it takes more memory than it reserves, as docker does.
    pub limited: bool,
    /// The share of hosts, in percent, on which it misbehaves as described; elsewhere it is sound.
    pub on_hosts_percent: u64,
}

impl Build {
    /// Makes a build without a fault: starts within two seconds, is healthy a second later, ends when asked to.
    #[must_use]
    pub fn sound(task: Name, version: Version) -> Build {
        Build {
            task,
            version,
            start: (Span(200), Span(2_000)),
            fails_to_start: false,
            healthy_after: Some(Span(1_000)),
            healthy_for: None,
            exits_after: None,
            stop: (Span(50), Span(1_000)),
            ignores_term: false,
            memory_percent: 60,
            leak_mib_per_minute: 0,
            limited: false,
            on_hosts_percent: 100,
        }
    }

    /// Gives how it behaves on this host.
    #[must_use]
    pub fn on(&self, host: &str) -> Build {
        let drawn = mix(hash(host), hash(&self.task)) % 100;
        if drawn < self.on_hosts_percent {
            return self.clone();
        }
        Build { start: self.start, stop: self.stop, ..Build::sound(self.task.clone(), self.version) }
    }

    /// Tells whether its tasks become healthy and stay so, everywhere.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let fault = self.fails_to_start || self.healthy_after.is_none();
        let passing =
            self.healthy_for.is_some() || self.exits_after.is_some() || self.leak_mib_per_minute > 0;
        self.on_hosts_percent == 0 || !(fault || passing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_can_be_bad_on_some_hosts_only() {
        let bad = Build { healthy_after: None, on_hosts_percent: 30, ..Build::sound("web".into(), 2) };
        assert!(!bad.is_sound());
        let hit = (0..1000).filter(|index| !bad.on(&format!("h{index}")).is_sound()).count();
        assert!((240..360).contains(&hit), "{hit}");
    }
}
