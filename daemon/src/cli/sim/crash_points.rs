//! `callboard sim crash-points`: a process dies right after each single thing that it does.

use super::source::scenario;
use super::takes::progress_of_unknown;
use crate::cli::out::{self, Format};
use crate::problem::{Kind, Problem};
use anyhow::Result;
use callboard_sim::search::{CrashPoint, cores, crash_at, crash_points};
use callboard_sim::{Outcome, Scenario};
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

/// Kill a scheduler or an agent right after every single thing that it does, one in each run, and check every promise
///
/// What a process does is every request to the store and every order that starts, stops or removes a task. It is started
/// again five seconds later. Of what it does at once, the first is also tried as lost with the process. Exit code 3 when a
/// promise was broken.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  callboard sim crash-points tests/scenarios/crash/*.yml\n  \
    callboard sim crash-points my.yml --at 117 --lost")]
pub(crate) struct CrashArgs {
    /// Scenario files, or names of drawn worlds as in `tiny-7`
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The seed that everything random is drawn from, instead of the scenario's own
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Only this one, and show how that run goes
    #[arg(long, value_name = "NUMBER")]
    at: Option<u64>,
    /// With --at: what was done last is lost with the process
    #[arg(long, requires = "at")]
    lost: bool,
}

/// Tries all crash points, or the one that is named.
pub(super) fn run(args: &CrashArgs, format: Format) -> Result<()> {
    let scenarios: Vec<Scenario> =
        args.files.iter().map(|path| scenario(path)).collect::<Result<_, Problem>>()?;
    let (mut passed, mut failed, mut told) = (0_u64, 0_u64, Vec::new());
    for scenario in scenarios.into_iter().map(Arc::new) {
        let seed = args.seed.unwrap_or(scenario.seed);
        let mut take = |point: CrashPoint, outcome: &Outcome| {
            *(if outcome.passed { &mut passed } else { &mut failed }) += 1;
            told.push(as_json(point, outcome));
            if format == Format::Table && (args.at.is_some() || !outcome.passed) {
                out::line(outcome.summary().to_string().trim_end());
            }
        };
        if let Some(deed) = args.at {
            let point = CrashPoint { deed, lost: args.lost };
            take(point, &crash_at(&scenario, seed, point));
        } else {
            let bar = progress_of_unknown(&scenario.name);
            crash_points(&scenario, seed, cores(), |point, outcome| {
                bar.inc(1);
                bar.suspend(|| take(point, &outcome));
                ControlFlow::Continue(())
            });
            bar.finish_and_clear();
        }
    }
    match format {
        Format::Json => out::json(&told)?,
        Format::Table => out::line(&format!("{passed} passed, {failed} failed")),
    }
    if failed == 0 {
        return Ok(());
    }
    let all = passed + failed;
    Err(Problem::new(Kind::No, format!("{failed} of {all} crash points broke a promise")).into())
}

fn as_json(point: CrashPoint, outcome: &Outcome) -> Value {
    let broken: Vec<String> = outcome.violations.iter().map(ToString::to_string).collect();
    json!({
        "scenario": outcome.scenario,
        "seed": outcome.seed,
        "deed": point.deed,
        "lost": point.lost,
        "passed": outcome.passed,
        "violations": broken,
        "hash": format!("{:016x}", outcome.hash),
        "again": outcome.again,
    })
}
