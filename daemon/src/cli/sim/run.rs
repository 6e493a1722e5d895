//! `callboard sim run`: scenarios, each with one seed or with many.

use super::page::Page;
use super::source::{Sets, scenario_with};
use super::takes::{Seeds, Take, play};
use super::verdict::Verdicts;
use crate::cli::out::Format;
use crate::problem::Problem;
use anyhow::Result;
use callboard_core::machine::Span;
use callboard_sim::{Options, Scenario};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

/// Run scenarios: what must never happen and what must happen in the end is checked at every step
///
/// A scenario names hosts, a configuration, how builds behave, what goes wrong and when, and what is expected. The same
/// seed and number of hosts give the same run, on every machine; when something is broken, the command that does it again
/// is shown. Exit code 3 when a promise was broken or something was not as expected.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  callboard sim run examples/scenarios/*.yml\n  \
    callboard sim run examples/scenarios/bad-build.yml --hosts 1000 --seed 7\n  \
    callboard sim run examples/scenarios/bad-build.yml --seeds 100 --junit result.xml\n  \
    callboard sim run bad-build --set store=etcd --set duration=30m\n  \
    callboard sim run tiny-7")]
pub(crate) struct RunArgs {
    /// Scenario files, or names of scenarios that are shipped, see `callboard sim list`; `tiny-7` is no file but the tiny world that seed 7 draws; likewise small, medium, large, huge
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    sets: Sets,
    /// How many hosts, instead of what the scenario says
    #[arg(long, value_name = "NUMBER")]
    hosts: Option<usize>,
    /// The seed that everything random is drawn from, instead of the scenario's own
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Run each scenario with this many seeds, from --seed or the scenario's own on, or with those from A to before B
    #[arg(long, value_name = "NUMBER|A..B", value_parser = Seeds::parse)]
    seeds: Option<Seeds>,
    /// End then, in pretended time, if that is before the scenario's end; nothing is said about the end in that case
    #[arg(long, value_name = "TIME", value_parser = Span::parse)]
    until: Option<Span>,
    /// Also write the results as JUnit XML, a test case a run
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Also write a page about the runs, HTML that needs no network: what happened, what it cost, and why
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Runs all that is named and says how it went.
pub(super) fn run(args: &RunArgs, format: Format) -> Result<()> {
    // All files are read before the first is run: a run may take long, and a typing mistake shall not wait for it.
    let scenarios: Vec<Scenario> =
        args.files.iter().map(|path| scenario_with(path, &args.sets)).collect::<Result<_, Problem>>()?;
    let takes: Vec<Take> = scenarios.into_iter().flat_map(|scenario| takes(args, scenario)).collect();
    let mut verdicts = Verdicts::new(format, takes.len() == 1);
    let (mut page, mut taken) = (Page::default(), takes.iter());
    play(&takes, |played| {
        verdicts.take(&played);
        if let Some(take) = taken.next().filter(|_| args.report.is_some()) {
            page.keep(&take.scenario, &played.outcome);
        }
        ControlFlow::Continue(())
    });
    if let Some(path) = &args.junit {
        verdicts.write_junit(path)?;
    }
    if let Some(path) = &args.report {
        page.write(path)?;
    }
    verdicts.end()
}

fn takes(args: &RunArgs, scenario: Scenario) -> Vec<Take> {
    let scenario = Arc::new(scenario);
    let seeds = args.seeds.unwrap_or(Seeds::Count(1)).from(args.seed.unwrap_or(scenario.seed));
    let options = |seed| Options {
        hosts: args.hosts,
        seed: Some(seed),
        until: args.until,
        record: args.report.is_some(),
        ..Options::default()
    };
    seeds.map(|seed| Take { scenario: Arc::clone(&scenario), options: options(seed) }).collect()
}
