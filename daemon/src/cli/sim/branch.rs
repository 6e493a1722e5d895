//! `callboard sim branch`: other futures of a run, from its interesting moments on.

use super::source::scenario;
use super::takes::progress;
use crate::cli::out::{self, Format};
use crate::problem::{Kind, Problem};
use anyhow::Result;
use callboard_sim::Outcome;
use callboard_sim::search::{branches, cores, in_order, moments};
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

/// Run a scenario up to its interesting moments, and go on from each with other randomness, again and again
///
/// Interesting is when a lock changes hands, an answer of the store is missing, a rollout begins, the store went back, or a
/// host is given up. Branch 0 is the run itself. Exit code 3 when a promise was broken.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  callboard sim branch tiny-7 --branches 20\n  \
    callboard sim branch tiny-7 --moment 3120 --branch 4")]
pub(crate) struct BranchArgs {
    /// A scenario file, or the name of a drawn world as in `tiny-7`
    file: PathBuf,
    /// The seed that everything random is drawn from, instead of the scenario's own
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// How many branches from each moment
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    branches: u64,
    /// Only from this moment, which is counted in events
    #[arg(long, value_name = "EVENTS")]
    moment: Option<u64>,
    /// Only this branch, and show how it goes
    #[arg(long, value_name = "NUMBER", requires = "moment")]
    branch: Option<u64>,
}

/// Makes all branches, or the one that is named.
pub(super) fn run(args: &BranchArgs, format: Format) -> Result<()> {
    let scenario = Arc::new(scenario(&args.file)?);
    let seed = args.seed.unwrap_or(scenario.seed);
    let range = args.branch.map_or(1..args.branches + 1, |branch| branch..branch + 1);
    let from = match args.moment {
        Some(events) => vec![events],
        None => moments(&scenario, seed).iter().map(|moment| moment.events).collect(),
    };
    let bar = progress(from.len() as u64);
    let (mut passed, mut failed, mut told) = (0_u64, 0_u64, Vec::new());
    let work = |index: u64| {
        let moment = from[usize::try_from(index).unwrap_or(0)];
        (moment, branches(&scenario, seed, moment, range.clone()))
    };
    in_order(cores(), from.len() as u64, work, |(moment, outcomes)| {
        bar.inc(1);
        for (branch, outcome) in range.clone().zip(outcomes) {
            *(if outcome.passed { &mut passed } else { &mut failed }) += 1;
            told.push(as_json(moment, branch, &outcome));
            if format == Format::Table && (args.branch.is_some() || !outcome.passed) {
                bar.suspend(|| out::line(outcome.summary().to_string().trim_end()));
            }
        }
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    match format {
        Format::Json => out::json(&told)?,
        Format::Table => out::line(&format!("{passed} passed, {failed} failed")),
    }
    if failed == 0 {
        return Ok(());
    }
    Err(Problem::new(Kind::No, format!("{failed} of {} branches broke a promise", passed + failed)).into())
}

fn as_json(moment: u64, branch: u64, outcome: &Outcome) -> Value {
    let broken: Vec<String> = outcome.violations.iter().map(ToString::to_string).collect();
    json!({
        "scenario": outcome.scenario,
        "seed": outcome.seed,
        "moment": moment,
        "branch": branch,
        "passed": outcome.passed,
        "violations": broken,
        "hash": format!("{:016x}", outcome.hash),
        "again": outcome.again,
    })
}
