//! `callboard sim replay`: a run event by event, and what was true at any moment of it.

use super::concern::Concern;
use super::journal;
use super::look;
use super::source::{Sets, scenario_with};
use crate::cli::out::{self, Format};
use crate::problem::{Kind, Problem};
use anyhow::Result;
use callboard_core::machine::{Span, Time};
use callboard_sim::replay::{LineKind, Replay, Step};
use callboard_sim::{Options, Outcome};
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::path::PathBuf;

/// Follow a run event by event, or stop it at a moment and look: what happened, what was decided, and why
///
/// Shown are decisions with their reasons, what went wrong and what users did. --events shows every event, --diff every
/// change of the store and of what really runs. With a name (--host, --service, --task) what concerns it is shown, with what
/// happened to the hosts it was on, and how it is when the replay stops, or was when it went. The same seed gives the same
/// run, so what was seen once can be looked at again. Exit code 3 when a promise was broken until then; who asks for one
/// thing by name, or how everything is, gets no verdict.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  callboard sim replay examples/scenarios/bad-build.yml\n  \
    callboard sim replay tiny-7 --from 2m --until 2m30s --events\n  \
    callboard sim replay rack-loss --task main-web-001-1-0 --until 5m\n  \
    callboard sim replay tiny-7 --until 2m --state\n  \
    callboard sim replay tiny-7 --from 2m --until 3m --diff --step\n  \
    callboard sim replay /var/lib/callboard/journal")]
pub(crate) struct ReplayArgs {
    /// A scenario file, the name of a world that is drawn, as tiny-7, or the journal of a daemon: a directory, or one file
    file: PathBuf,
    /// How many hosts, instead of what the scenario says
    #[arg(long, value_name = "NUMBER")]
    hosts: Option<usize>,
    /// The seed, instead of the scenario's own
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    #[command(flatten)]
    sets: Sets,
    /// Show from then on, in pretended time
    #[arg(long, value_name = "TIME", value_parser = Span::parse)]
    from: Option<Span>,
    /// Stop then
    #[arg(long, value_name = "TIME", value_parser = Span::parse)]
    until: Option<Span>,
    /// Show every event, not only decisions and what went wrong
    #[arg(long)]
    events: bool,
    /// Show every change of the store and of what really runs
    #[arg(long)]
    diff: bool,
    /// Wait for Enter after each, on a terminal
    #[arg(long)]
    step: bool,
    /// Only what concerns this host, and how it is at the end
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Only what concerns this service, and how it is at the end
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Only what concerns this task, and how it is at the end
    #[arg(long, value_name = "ID")]
    task: Option<String>,
    /// Show nothing that happened, only how everything is when it stops
    #[arg(long)]
    state: bool,
    /// Show when it stops, host by host, where one more task of this service could go, and why not elsewhere
    #[arg(long, value_name = "SERVICE")]
    explain: Option<String>,
}

/// Follows a run.
pub(super) fn replay(args: &ReplayArgs, format: Format) -> Result<()> {
    let segments = journal::segments(&args.file);
    if !segments.is_empty() {
        let shown = journal::Shown { from: args.from, until: args.until, all: args.events };
        return journal::replay(&segments, &shown, format);
    }
    let scenario = scenario_with(&args.file, &args.sets)?;
    let options = Options { hosts: args.hosts, seed: args.seed, until: args.until, ..Options::default() };
    let mut replay = Replay::new(&scenario, &options);
    let looks = args.state || args.explain.is_some();
    if looks && !args.events && !args.diff {
        replay.skip_to(Time(args.until.unwrap_or(scenario.duration).0));
    } else {
        follow(args, format, &mut replay)?;
    }
    look::look(&replay, &named(args), args.explain.as_deref(), looks, format)?;
    let is_named = args.host.is_some() || args.service.is_some() || args.task.is_some();
    if looks || is_named || is_whole(args) { Ok(()) } else { judge(&replay.outcome(), format) }
}

/// Says at the end of a whole run what it came to.
fn judge(outcome: &Outcome, format: Format) -> Result<()> {
    let broken: Vec<String> = outcome.violations.iter().map(ToString::to_string).collect();
    let failed = u64::from(!outcome.passed);
    match format {
        Format::Json => out::line(&json!({ "passed": outcome.passed, "violations": broken }).to_string()),
        Format::Table => {
            broken.iter().for_each(|broken| out::line(&format!("  {broken}")));
            out::line(&format!("{} passed, {failed} failed", 1 - failed));
        }
    }
    if outcome.passed {
        return Ok(());
    }
    Err(Problem::new(Kind::No, format!("{} with seed {} failed", outcome.scenario, outcome.seed)).into())
}

/// Tells whether the difference between two moments is asked for: the whole of it says more than thousands of steps.
fn is_whole(args: &ReplayArgs) -> bool {
    args.diff && args.from.is_some() && !args.events && !args.step
}

fn named(args: &ReplayArgs) -> look::Named<'_> {
    look::Named { host: args.host.as_deref(), service: args.service.as_deref(), task: args.task.as_deref() }
}

fn follow(args: &ReplayArgs, format: Format, replay: &mut Replay) -> Result<(), Problem> {
    if let Some(from) = args.from.filter(|from| from.0 > 0) {
        replay.skip_to(Time(from.0 - 1));
    }
    let named = named(args);
    let mut concern = Concern::new(&named, replay);
    let before = args.diff.then(|| replay.snapshot());
    let waits = args.step && std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let whole = is_whole(args);
    while let Some(step) = replay.step() {
        if whole {
            continue;
        }
        let Some(step) = chosen(args, &mut concern, step) else { continue };
        match format {
            Format::Json => out::line(&as_json(&step).to_string()),
            Format::Table => show(&step),
        }
        if waits && !goes_on() {
            break;
        }
    }
    if let Some(before) = before.filter(|_| whole) {
        let differences = before.differences(&replay.snapshot());
        match format {
            Format::Json => out::line(&json!({ "differences": differences }).to_string()),
            Format::Table => differences.iter().for_each(|said| out::line(said)),
        }
    }
    Ok(())
}

/// Keeps of a step what the user wants to see; `None` when that is nothing.
fn chosen(args: &ReplayArgs, concern: &mut Concern<'_>, mut step: Step) -> Option<Step> {
    let kinds = |kind: LineKind| match kind {
        LineKind::Happening | LineKind::Decision => true,
        LineKind::Order => args.events,
        LineKind::Store | LineKind::Truth => args.diff || args.events,
    };
    let whole = args.service.is_none() && args.task.is_none();
    let here = args.host.as_deref().is_none_or(|host| step.host.as_deref() == Some(host));
    concern.retain(&mut step, kinds);
    (!step.lines.is_empty() || args.events && whole && here).then_some(step)
}

fn show(step: &Step) {
    out::line(&format!("{:>9}  #{} {}", moment(step.at), step.number, step.event));
    for line in &step.lines {
        out::line(&format!("{:>9}    {}: {}", "", line.kind.word(), line.text));
    }
}

/// Writes a moment to the millisecond.
pub(super) fn moment(at: Time) -> String {
    let (minutes, seconds, ms) = (at.0 / 60_000, at.0 / 1_000 % 60, at.0 % 1_000);
    format!("{minutes}:{seconds:02}.{ms:03}")
}

fn as_json(step: &Step) -> Value {
    let lines: Vec<Value> = step
        .lines
        .iter()
        .map(|line| {
            json!({
                "kind": line.kind.word(),
                "text": line.text,
                "host": line.host,
                "service": line.service,
                "task": line.task,
            })
        })
        .collect();
    json!({
        "at_ms": step.at.0,
        "number": step.number,
        "event": step.event,
        "host": step.host,
        "lines": lines,
    })
}

/// Waits for Enter; false when the user wants no more.
fn goes_on() -> bool {
    out::message("-- Enter goes on, q ends --");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).is_ok_and(|read| read > 0) && line.trim() != "q"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        for (ms, text) in [(0, "0:00.000"), (61_007, "1:01.007"), (3_600_000, "60:00.000")] {
            assert_eq!(moment(Time(ms)), text);
        }
    }
}
