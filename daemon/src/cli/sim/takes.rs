//! Many runs at once: all cores play, and the results come in the order in which the runs were asked for.

use callboard_core::machine::Span;
use callboard_sim::search::{cores, in_order};
use callboard_sim::{Options, Outcome, Scenario, run, run_watched};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A run that is asked for.
pub(super) struct Take {
    pub(super) scenario: Arc<Scenario>,
    pub(super) options: Options,
}

/// A run that was made.
pub(super) struct Played {
    pub(super) outcome: Outcome,
    /// How long it took, on the clock of this machine.
    pub(super) took: Duration,
}

/// From so many hosts on, a run is given a second core: in smaller worlds the two would mostly wait for each other.
const LARGE: usize = 2_000;

impl Take {
    /// Makes the run on one core.
    pub(super) fn play(&self) -> Played {
        let begun = Instant::now();
        let outcome = run(&self.scenario, &self.options);
        Played { outcome, took: begun.elapsed() }
    }

    /// Makes the run when it is the only one, on all cores, and shows how far it is.
    fn play_alone(&self) -> Played {
        let begun = Instant::now();
        let hosts = self.options.hosts.unwrap_or_else(|| self.scenario.hosts());
        let options = Options { second_core: cores().get() > 1 && hosts >= LARGE, ..self.options.clone() };
        let until = options.until.map_or(self.scenario.duration, |until| until.min(self.scenario.duration));
        let bar = of_time(until);
        let outcome = run_watched(&self.scenario, &options, |now| bar.set_position(now.0 / 1_000));
        bar.finish_and_clear();
        Played { outcome, took: begun.elapsed() }
    }
}

impl Played {
    /// Gives how much happened in a second of this machine's time.
    pub(super) fn events_per_second(&self) -> u64 {
        let millis = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX).max(1);
        self.outcome.events.saturating_mul(1_000) / millis
    }
}

/// Makes all runs, on all cores, and gives each to `take` in their order, until it has enough.
pub(super) fn play(takes: &[Take], mut take: impl FnMut(Played) -> ControlFlow<()>) {
    let bar = progress(takes.len() as u64);
    let made = |index: u64| {
        let take = usize::try_from(index).ok().and_then(|index| takes.get(index));
        take.map(|take| if takes.len() == 1 { take.play_alone() } else { take.play() })
    };
    in_order(cores(), takes.len() as u64, made, |played| {
        bar.inc(1);
        played.map_or(ControlFlow::Continue(()), |played| bar.suspend(|| take(played)))
    });
    bar.finish_and_clear();
}

/// Shows on standard error how far it is, where that is a terminal and there is more than one thing to wait for.
pub(super) fn progress(count: u64) -> ProgressBar {
    let target = if count > 1 { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(count), target);
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len}, {per_sec}, {eta} to go {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// Shows how far one run is, in pretended seconds.
fn of_time(until: Span) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(until.0 / 1_000), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} s of its time, {eta} to go");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// Shows how many of a number that nobody knows yet are done.
pub(super) fn progress_of_unknown(what: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{msg}: {pos}, {per_sec}, after {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(what.to_owned());
    bar
}
