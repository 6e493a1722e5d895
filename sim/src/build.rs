//! What a version of a task does once it is started: the part of the world that is not Callboard.

use callboard_core::machine::{Span, Time};
use callboard_core::mirror::{hash, mix};
use callboard_core::model::{Name, Version};
use callboard_core::work::Run;

/// How the tasks of one version of a task definition behave. Whatever has no build of its own behaves as
/// [`Build::sound`] does; where it has a time limit, it completes when half of that is over.
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
    /// Ends by itself with exit code 0 this long after its start: it is done.
    pub completes_after: Option<Span>,
    /// The share of its tries, in percent, that end with 1 then.
    pub fails_percent: u64,
    /// How long it takes to end when asked to, at least and at most.
    pub stop: (Span, Span),
    /// Does not end when asked to; only killing helps.
    pub ignores_term: bool,
    /// Resident memory at the start, in percent of what it reserves; of 64 MiB when it reserves none.
    pub memory_percent: u64,
    /// Memory that it takes more every minute, MiB.
    pub leak_mib_per_minute: u64,
    /// Memory that it takes beside that, as points of time since its start and MiB, in order of time; straight between
    /// them, and as at the last after it.
    pub memory_curve: Vec<(Span, u64)>,
    /// The curve begins again at its end.
    pub memory_repeats: bool,
    /// Kills its agent so long after its start, and itself: poison.
    pub kills_agent_after: Option<Span>,
    /// Takes its machine down so long after its start: worse poison.
    pub kills_host_after: Option<Span>,
    /// Is sound until then, from the beginning: only what is started later is as described.
    pub from: Span,
    /// Is killed when it takes more memory than it reserves, as docker does; a limit of its own holds for any build.
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
            completes_after: None,
            fails_percent: 0,
            stop: (Span(50), Span(1_000)),
            ignores_term: false,
            memory_percent: 60,
            leak_mib_per_minute: 0,
            memory_curve: Vec::new(),
            memory_repeats: false,
            kills_agent_after: None,
            kills_host_after: None,
            from: Span(0),
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

    /// Tells whether its tasks become healthy and stay so, everywhere and within any limit.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let fault = self.fails_to_start || self.healthy_after.is_none();
        let poison = self.kills_agent_after.is_some() || self.kills_host_after.is_some();
        let greedy = self.leak_mib_per_minute > 0 || !self.memory_curve.is_empty();
        let passing = self.healthy_for.is_some()
            || self.exits_after.is_some()
            || self.completes_after.is_some()
            || greedy
            || self.memory_percent > 100
            || poison;
        self.on_hosts_percent == 0 || !(fault || passing)
    }
}

impl Build {
    /// Tells whether its memory changes at all.
    pub(crate) fn is_greedy(&self) -> bool {
        self.leak_mib_per_minute > 0 || !self.memory_curve.is_empty()
    }

    /// Gives what it takes beside its memory at the start, so long after that, KiB.
    pub(crate) fn extra_kib(&self, age: Span) -> u64 {
        let leaked = self.leak_mib_per_minute * 1024 * age.0 / 60_000;
        let ((from, low), (to, high)) = self.segment(age);
        let (into, whole) = (self.phase(age).0.saturating_sub(from.0), to.0.saturating_sub(from.0));
        let (low, high) = (low * 1024, high * 1024);
        let curve = match into.checked_mul(high.abs_diff(low)).and_then(|rise| rise.checked_div(whole)) {
            Some(rise) if high >= low => low + rise,
            Some(fall) => low - fall.min(low),
            None => low,
        };
        leaked + curve
    }

    /// Gives how much more it takes a minute at this age, KiB, rounded up.
    pub(crate) fn growth(&self, age: Span) -> i64 {
        let ((from, low), (to, high)) = self.segment(age);
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let rise = (number(high) - number(low)).saturating_mul(1024 * 60_000);
        let curve = rise.checked_div(number(to.0.saturating_sub(from.0))).map_or(0, |growth| growth + 1);
        number(self.leak_mib_per_minute * 1024) + curve
    }

    /// Gives when its curve bends next after now.
    pub(crate) fn next_bend(&self, since: Time, now: Time) -> Option<Time> {
        let age = now.since(since);
        let phase = self.phase(age);
        let next = self.memory_curve.iter().map(|(at, _)| *at).find(|at| *at > phase);
        next.map(|at| now + Span(at.0 - phase.0))
    }

    /// Gives when it takes more than this, KiB, after its start, if it ever does.
    pub(crate) fn exceeds(&self, room: u64) -> Option<Span> {
        let mut age = Span(0);
        let turn = self.memory_curve.last().map_or(Span(0), |(at, _)| *at);
        let leak = i64::try_from(self.leak_mib_per_minute * 1024).unwrap_or(i64::MAX);
        for bend in self.memory_curve.iter().map(|(at, _)| *at).chain([Span(u64::MAX / 2)]) {
            // A curve that repeats tells all it has to tell in its first turn, but for what leaks.
            let (has, growth) = (self.extra_kib(age), if age < turn { self.growth(age) } else { leak });
            if has > room {
                return Some(age);
            }
            if let Some(growth) = u64::try_from(growth).ok().filter(|growth| *growth > 0) {
                let at = Span(age.0 + ((room - has).saturating_mul(60_000) / growth) + 1);
                if at < bend {
                    return Some(at);
                }
            }
            age = bend;
        }
        None
    }

    fn phase(&self, age: Span) -> Span {
        let whole = self.memory_curve.last().map_or(0, |(at, _)| at.0);
        if self.memory_repeats && whole > 0 { Span(age.0 % whole) } else { age }
    }

    /// Gives the points of the curve before and after an age.
    fn segment(&self, age: Span) -> ((Span, u64), (Span, u64)) {
        let phase = self.phase(age);
        let next = self.memory_curve.partition_point(|(at, _)| *at <= phase);
        let last = self.memory_curve.last().copied().unwrap_or_default();
        let before = next.checked_sub(1).map_or((Span(0), 0), |index| self.memory_curve[index]);
        (before, self.memory_curve.get(next).copied().unwrap_or((Span(0), last.1)))
    }

    /// Gives the exit code with which a try ends when it is done.
    pub(crate) fn exit_code(&self, run: &Run) -> i32 {
        let drawn = mix(mix(hash(&run.id), run.generation), u64::from(run.attempt)) % 100;
        i32::from(drawn < self.fails_percent)
    }

    /// Names what is the matter with it, for counts.
    pub(crate) fn faults(&self) -> impl Iterator<Item = &'static str> {
        let all = [
            (self.start.1 > Span::secs(5), "build: slow start"),
            (self.healthy_after.is_none(), "build: never healthy"),
            (self.healthy_for.is_some(), "build: healthy, then not"),
            (self.exits_after.is_some(), "build: ends by itself"),
            (self.ignores_term, "build: ignores TERM"),
            (self.leak_mib_per_minute > 0, "build: memory grows"),
            (!self.memory_curve.is_empty(), "build: memory follows a curve"),
            (self.kills_agent_after.is_some(), "build: kills its agent"),
            (self.kills_host_after.is_some(), "build: kills its machine"),
        ];
        all.into_iter().filter(|(is_so, _)| *is_so).map(|(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_follows_its_curve() {
        let points = [(0, 100), (60, 400), (120, 100)];
        let memory_curve = points.iter().map(|(at, mib)| (Span::secs(*at), *mib)).collect();
        let build = Build { memory_curve, memory_repeats: true, ..Build::sound("web".into(), 2) };
        let mib = |secs| build.extra_kib(Span::secs(secs)) / 1024;
        assert_eq!([0, 30, 60, 90, 119, 120, 150].map(mib), [100, 250, 400, 250, 105, 100, 250]);
        assert_eq!(build.next_bend(Time(1_000), Time(31_000)), Some(Time(61_000)));
        let exceeds = build.exceeds(250 * 1024).map(|at| at.0);
        assert!(exceeds.is_some_and(|at| (29_900..30_100).contains(&at)), "{exceeds:?}");
        assert_eq!(build.exceeds(500 * 1024), None);
    }

    #[test]
    fn a_build_can_be_bad_on_some_hosts_only() {
        let bad = Build { healthy_after: None, on_hosts_percent: 30, ..Build::sound("web".into(), 2) };
        assert!(!bad.is_sound());
        let hit = (0..1000).filter(|index| !bad.on(&format!("h{index}")).is_sound()).count();
        assert!((240..360).contains(&hit), "{hit}");
    }
}
