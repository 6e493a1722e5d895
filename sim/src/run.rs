//! One run of a scenario, from its beginning to its verdict.

use crate::check::{Text, Violation};
use crate::desk::said_by;
use crate::expect::Judgement;
use crate::museum::Mutant;
use crate::recording::{Recorder, Recording};
use crate::rng::{Chance, Stream};
use crate::scenario::{Happening, Scenario, StoreKind};
use crate::stage::Stage;
use crate::stats::Stats;
use callboard_core::machine::{Span, Time};
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

/// What the user may choose beside the scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How many machines; `None`: as the scenario says.
    pub hosts: Option<usize>,
    /// The seed; `None`: the scenario's own.
    pub seed: Option<u64>,
    /// Ends the run then, if that is before the scenario's end; nothing is said about the end in that case.
    pub until: Option<Span>,
    /// Keeps what the run looked like over time.
    pub record: bool,
    /// Keeps a journal of every machine, plays it now and then, and goes on from what it says the machine's state is. That
    /// changes nothing but the time it takes.
    pub journals: bool,
    /// Lets machines decide on a second core, where they take a while to do so. That changes nothing but the time it takes.
    pub second_core: bool,
}

/// How a run went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The scenario's name.
    pub scenario: String,
    /// The file it came from; empty when it came from none.
    pub file: String,
    /// The fields of it that were set from outside.
    pub sets: Vec<String>,
    /// The seed.
    pub seed: u64,
    /// How many machines.
    pub hosts: usize,
    /// Which store was played.
    pub store: StoreKind,
    /// No promise was broken, and all was as expected.
    pub passed: bool,
    /// What was not, in the order in which it was found; at most five of each promise.
    pub violations: Vec<Violation>,
    /// Over everything that was committed and ordered: the same on every machine.
    pub hash: u64,
    /// How many things happened.
    pub events: u64,
    /// How much time passed in the scenario.
    pub simulated: Span,
    /// Figures.
    pub stats: Stats,
    /// How long the slowest recovery that was asked for took.
    pub recovery: Option<Span>,
    /// How long 99 in a hundred tasks waited at most for a place, and to be healthy, from when they were wanted.
    pub waited: [Option<Span>; 2],
    /// The command that does the same again.
    pub again: String,
    /// What went wrong by chance, one by one, as a timeline could say it.
    pub struck: Vec<Happening>,
    /// What operators would have seen: the last lines.
    pub log: Vec<(Time, String)>,
    /// What was expected, and what became of it.
    pub expected: Vec<Judgement>,
    /// What it looked like over time, when that was asked for.
    pub recording: Option<Recording>,
}

/// Runs a scenario.
#[must_use]
pub fn run(scenario: &Scenario, options: &Options) -> Outcome {
    run_with(scenario, options, None)
}

/// Runs a scenario and tells `watch` now and then how much time has passed in it.
#[must_use]
pub fn run_watched(scenario: &Scenario, options: &Options, mut watch: impl FnMut(Time)) -> Outcome {
    let (stage, seed, end) = begin(scenario, options, None);
    play_out(stage, seed, end, &mut watch)
}

/// Runs a scenario, perhaps with a planted bug.
pub(crate) fn run_with(scenario: &Scenario, options: &Options, mutant: Option<Mutant>) -> Outcome {
    let (stage, seed, end) = begin(scenario, options, mutant);
    finish(stage, seed, end)
}

/// Sets the stage, and gives it with the seed and when the run is over.
fn begin(scenario: &Scenario, options: &Options, mutant: Option<Mutant>) -> (Stage, u64, Time) {
    let seed = options.seed.unwrap_or(scenario.seed);
    let scenario = Arc::new(match options.hosts {
        Some(hosts) if hosts != scenario.hosts() => scenario.clone().scaled_to(hosts),
        Some(_) | None => scenario.clone(),
    });
    let end = options.until.map_or(scenario.duration, |until| until.min(scenario.duration));
    let mut stage = Stage::new(scenario, seed, mutant);
    stage.witness.recorder = options.record.then(|| Box::new(Recorder::new(end)));
    stage.tapes = options.journals.then(|| Chance::new(seed, Stream::Tapes));
    if options.second_core && stage.scenario.reaction != Span(0) {
        stage.desk.share();
    }
    (stage, seed, Time(end.0))
}

/// Gives when a run is over.
pub(crate) fn end_of(scenario: &Scenario) -> Time {
    Time(scenario.duration.0)
}

/// Lets a run go on to its end, and gives its verdict.
pub(crate) fn finish(stage: Stage, seed: u64, end: Time) -> Outcome {
    play_out(stage, seed, end, &mut |_| {})
}

/// How many things happen between two words on how far it is.
const TOLD_EACH: u64 = 10_000;

fn play_out(mut stage: Stage, seed: u64, end: Time, watch: &mut dyn FnMut(Time)) -> Outcome {
    let scenario = Arc::clone(&stage.scenario);
    // A machine that finds one of its own rules broken stops at once, and with it the run: that is a verdict, too.
    let played = panic::catch_unwind(AssertUnwindSafe(|| {
        while stage.step_until(end) {
            if stage.queue.popped().is_multiple_of(TOLD_EACH) {
                watch(stage.now());
            }
        }
        stage.run_until(end);
        if end == end_of(&scenario) {
            stage.end();
        }
    }));
    if let Err(said) = played {
        stage.court.blame("assert", said_by(said.as_ref()));
    }
    let complete = end == end_of(&scenario);
    outcome(stage, seed, end, complete)
}

/// Gives the verdict of a run that has come to its end.
pub(crate) fn outcome(mut stage: Stage, seed: u64, end: Time, complete: bool) -> Outcome {
    let scenario = Arc::clone(&stage.scenario);
    let hosts = stage.hosts.len();
    let events = stage.events();
    let (recovery, waited) = (stage.expecting.slowest_recovery(), stage.expecting.waited(end));
    stage.stats.end(end, &stage.court.book);
    let expected = stage.expecting.judgements(&stage.court.book, &stage.stats, complete);
    let recorder = stage.witness.recorder.take();
    let recording = recorder.map(|recorder| recorder.end(end, &stage.hosts, &stage.court.book));
    let Stage { court, stats, tidings, struck, .. } = stage;
    let violations = court.verdict();
    let until = if complete { String::new() } else { format!(" --until {}", Span(end.0)) };
    Outcome {
        scenario: scenario.name.clone(),
        file: scenario.file.clone(),
        sets: scenario.sets.clone(),
        seed,
        hosts,
        store: scenario.store.kind,
        passed: violations.is_empty(),
        violations,
        hash: tidings.hash(),
        events,
        simulated: Span(end.0),
        stats,
        recovery,
        waited,
        again: again(&scenario, &format!("run {{}} --hosts {} --seed {seed}{until}", scenario.hosts())),
        struck,
        log: tidings.into_log(),
        expected,
        recording,
    }
}

/// Gives the command of the simulator that says such a thing of a scenario.
pub(crate) fn again(scenario: &Scenario, said: &str) -> String {
    let file = if scenario.file.is_empty() { &scenario.name } else { &scenario.file };
    let sets = scenario.sets.iter().map(|set| format!(" --set {}", quoted(set)));
    format!("callboard sim {}{}", said.replacen("{}", &quoted(file), 1), sets.collect::<String>())
}

/// Quotes a word for a shell where it needs that.
#[must_use]
pub fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=,".contains(letter);
    if word.chars().all(is_plain) { word.into() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

impl Outcome {
    /// Gives what a person wants to read of it.
    #[must_use]
    pub fn summary(&self) -> Summary<'_> {
        Summary(self)
    }
}

/// Shows an outcome to a person, in a few lines.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'a>(&'a Outcome);

/// How many services are shown one by one.
const SERVICES_SHOWN: usize = 8;

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary(outcome) = self;
        let stats = &outcome.stats;
        let verdict = if outcome.passed { "passed" } else { "FAILED" };
        writeln!(f, "{}: {verdict}", outcome.scenario)?;
        writeln!(
            f,
            "  {} hosts, {} simulated, {} events, seed {}, store {}, hash {:016x}",
            outcome.hosts, outcome.simulated, outcome.events, outcome.seed, outcome.store, outcome.hash
        )?;
        writeln!(
            f,
            "  {} placements, {} moves, {} starts, {} restarts, {} exits, {} killed for memory, {} unplaced at most",
            stats.placements,
            stats.moves,
            stats.starts,
            stats.restarts,
            stats.exits,
            stats.out_of_memory,
            stats.peak_unplaced
        )?;
        if stats.over_limit > 0 {
            writeln!(f, "  {} killed at the limit of their own memory", stats.over_limit)?;
        }
        if !stats.stops.is_empty() {
            let stops: Vec<String> =
                stats.stops.iter().map(|(why, count)| format!("{count} {why}")).collect();
            writeln!(f, "  stops: {}", stops.join(", "))?;
        }
        self.faults(f)?;
        if let Some(recovery) = outcome.recovery {
            writeln!(f, "  recovered within {recovery}")?;
        }
        if let [Some(placed), Some(healthy)] = outcome.waited {
            writeln!(f, "  99 in 100 tasks had a place within {placed} and were healthy within {healthy}")?;
        }
        self.services(f)?;
        for violation in &outcome.violations {
            writeln!(f, "  {violation}")?;
        }
        if !outcome.passed {
            writeln!(f, "  again: {}", outcome.again)?;
        }
        Ok(())
    }
}

impl Summary<'_> {
    fn faults(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = self.0.stats.faults.iter();
        let some: Vec<String> = faults.map(|(name, count)| format!("{count} {name}")).collect();
        if some.is_empty() { Ok(()) } else { writeln!(f, "  faults: {}", some.join(", ")) }
    }

    /// Shows those services that fared worst.
    fn services(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services = &self.0.stats.services;
        let mut order: Vec<(&Text, &crate::stats::ServiceStats)> = services.iter().collect();
        order.sort_by_key(|(name, stats)| (std::cmp::Reverse(stats.longest_short), (*name).clone()));
        for (name, stats) in order.iter().take(SERVICES_SHOWN) {
            if stats.completed {
                writeln!(f, "  {name}: completed")?;
                continue;
            }
            let least = stats
                .least_healthy
                .map_or_else(|| "never complete".into(), |least| format!("{least} at least"));
            let (healthy, short) = (stats.healthy, stats.longest_short);
            writeln!(f, "  {name}: {healthy} healthy, {least}, short for {short} at most")?;
        }
        match services.len().saturating_sub(SERVICES_SHOWN) {
            0 => Ok(()),
            more => writeln!(f, "  and {more} services more"),
        }
    }
}
