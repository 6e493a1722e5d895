//! Rehearses scenarios in the simulator.

use super::apply::read;
use super::out::{self, Format};
use crate::problem::{Kind, Problem};
use crate::write::body;
use anyhow::Result;
use callboard_core::machine::Span;
use callboard_sim::{Options, Outcome, Profile, Scenario, draw, drawn};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Rehearse failures in the simulator: thousands of hosts, in pretended time, with the scheduler that runs in production
#[derive(Debug, clap::Subcommand)]
pub(crate) enum SimCommand {
    Run(RunArgs),
    /// Print the fingerprint of tiny worlds, one for each seed: the same on every machine
    #[command(hide = true)]
    Hash {
        /// How many
        #[arg(long, default_value_t = 3)]
        worlds: u64,
    },
}

/// Run scenarios: what must never happen and what must happen in the end is checked at every step
///
/// A scenario names hosts, a configuration, how builds behave, what goes wrong and when, and what is expected. The same
/// seed and number of hosts give the same run, on every machine; when something is broken, the command that does it again
/// is shown. Exit code 3 when a promise was broken or something was not as expected.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  callboard sim run examples/scenarios/*.yml\n  \
    callboard sim run examples/scenarios/bad-build.yml --hosts 1000 --seed 7\n  \
    callboard sim run tiny-7")]
pub(crate) struct RunArgs {
    /// Scenario files; `tiny-7` is no file but the tiny world that seed 7 draws; likewise small, medium, large, huge
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// How many hosts, instead of what the scenario says
    #[arg(long, value_name = "NUMBER")]
    hosts: Option<usize>,
    /// The seed that everything random is drawn from, instead of the scenario's own
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// End then, in pretended time, if that is before the scenario's end; nothing is said about the end in that case
    #[arg(long, value_name = "TIME", value_parser = Span::parse)]
    until: Option<Span>,
}

pub(crate) fn sim(command: &SimCommand, format: Format) -> Result<()> {
    match command {
        SimCommand::Run(args) => run(args, format),
        SimCommand::Hash { worlds } => {
            for seed in 0..*worlds {
                let outcome = callboard_sim::run(&draw(Profile::Tiny, seed), &Options::default());
                out::line(&format!("{seed} {:016x}", outcome.hash));
            }
            Ok(())
        }
    }
}

fn run(args: &RunArgs, format: Format) -> Result<()> {
    // All files are read before the first is run: a run may take long, and a typing mistake shall not wait for it.
    let scenarios: Vec<Scenario> = args.files.iter().map(|path| scenario(path)).collect::<Result<_, _>>()?;
    let options = Options { hosts: args.hosts, seed: args.seed, until: args.until, record: false };
    let (mut failed, mut told) = (0, Vec::new());
    for scenario in &scenarios {
        let outcome = callboard_sim::run(scenario, &options);
        failed += usize::from(!outcome.passed);
        if format == Format::Json {
            told.push(as_json(&outcome));
        } else {
            out::line(outcome.summary().to_string().trim_end());
        }
    }
    if format == Format::Json {
        out::json(&told)?;
    } else {
        out::line(&format!("{} passed, {failed} failed", scenarios.len() - failed));
    }
    if failed == 0 {
        return Ok(());
    }
    Err(Problem::new(Kind::No, format!("{failed} of {} scenarios failed", scenarios.len())).into())
}

/// Reads a scenario, or draws the world that is named.
fn scenario(path: &Path) -> Result<Scenario, Problem> {
    if let Some(scenario) = path.to_str().filter(|_| !path.exists()).and_then(drawn) {
        return Ok(scenario);
    }
    let (name, bytes) = read(path)?;
    callboard_sim::read(&name, &bytes)
        .map_err(|error| Problem::all(Kind::Invalid, error.mistakes.iter().map(body).collect()))
}

fn as_json(outcome: &Outcome) -> Value {
    let violations: Vec<Value> = outcome
        .violations
        .iter()
        .map(|broken| json!({ "promise": broken.promise, "at_ms": broken.at.0, "what": broken.what }))
        .collect();
    let stats = &outcome.stats;
    json!({
        "scenario": outcome.scenario,
        "file": outcome.file,
        "seed": outcome.seed,
        "hosts": outcome.hosts,
        "store": outcome.store.to_string(),
        "passed": outcome.passed,
        "violations": violations,
        "hash": format!("{:016x}", outcome.hash),
        "events": outcome.events,
        "simulated_ms": outcome.simulated.0,
        "recovery_ms": outcome.recovery.map(|span| span.0),
        "placements": stats.placements,
        "moves": stats.moves,
        "starts": stats.starts,
        "restarts": stats.restarts,
        "exits": stats.exits,
        "out_of_memory": stats.out_of_memory,
        "peak_unplaced": stats.peak_unplaced,
        "again": outcome.command(),
    })
}
