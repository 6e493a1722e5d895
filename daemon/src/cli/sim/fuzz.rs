//! `callboard sim fuzz`: worlds drawn from seeds, one after the other, until one breaks a promise.

use super::shrink::{save, size, smallest, text, text_by};
use super::source::{Seeds, configuration, profile, store};
use super::takes::{Played, Take};
use super::tally::Tally;
use super::verdict::as_json;
use crate::cli::out::{self, Format};
use crate::problem::{Kind, Problem};
use anyhow::Result;
use callboard_core::config::Configuration;
use callboard_core::machine::Span;
use callboard_sim::scenario::{Profile, StoreKind, draw, draw_around};
use callboard_sim::search::{branches, cores, in_order, moments};
use callboard_sim::{Options, Outcome, Scenario, quoted};
use indicatif::ProgressBar;
use serde_json::json;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where scenarios that broke something are kept, to be run first from then on.
const REGRESSIONS: &str = "tests/scenarios/regressions";

/// Look for a seed that breaks a promise: each draws a world, what goes wrong in it, and how often
///
/// Ends at the first world that breaks a promise, with the command that does it again; then makes that world as small as it
/// can be, and writes it to a file. With --config your own services are attacked. Exit code 3 when a promise was broken.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  callboard sim fuzz --profile tiny --seeds 1000\n  \
    callboard sim fuzz --profile small --time 10m --keep-going\n  \
    callboard sim fuzz --config my.yml --store etcd --time 5m")]
pub(crate) struct FuzzArgs {
    /// How large the worlds are: tiny, small, medium, large or huge
    #[arg(long, value_name = "SIZE", default_value = "tiny", value_parser = profile)]
    profile: Profile,
    /// So many seeds, from --seed on, or those from A to before B; 1000 when no time is given
    #[arg(long, value_name = "NUMBER|A..B", value_parser = Seeds::parse)]
    seeds: Option<Seeds>,
    /// For so long, on this machine's clock
    #[arg(long, value_name = "TIME", value_parser = Span::parse)]
    time: Option<Span>,
    /// The first seed
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
    /// Draw worlds around the clusters, services and task definitions in this file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only worlds with this store: memory, embedded, consul or etcd
    #[arg(long, value_name = "STORE", value_parser = store)]
    store: Option<StoreKind>,
    /// Also go on from each interesting moment of a world with other randomness, so many times
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    branch: u64,
    /// Go on after a failure, and tell of all
    #[arg(long)]
    keep_going: bool,
    /// Do not make smaller what breaks a promise
    #[arg(long)]
    no_shrink: bool,
    /// The directory for small scenarios that break a promise; tests/scenarios/regressions where there is one
    #[arg(long, value_name = "DIRECTORY")]
    save: Option<PathBuf>,
}

/// What one seed came to.
struct Found {
    scenario: Arc<Scenario>,
    played: Played,
    /// Branches that broke a promise.
    branches: Vec<Outcome>,
}

/// Runs world after world.
pub(super) fn run(args: &FuzzArgs, format: Format) -> Result<()> {
    let around = args.config.as_deref().map(configuration).transpose()?;
    let endless = args.time.map_or(Seeds::Count(1_000), |_| Seeds::Between(args.seed, u64::MAX));
    let seeds = args.seeds.unwrap_or(endless).from(args.seed);
    let begun = Instant::now();
    let bar = bar(args, &seeds);
    let mut tally = Tally::new(args.profile, seeds.start);
    let mut failures = Vec::new();
    let work = |index: u64| play(args, around.as_ref(), seeds.start.saturating_add(index));
    let time = args.time.map(|time| Duration::from_millis(time.0));
    in_order(cores(), seeds.end - seeds.start, work, |found| {
        bar.inc(1);
        if let Some(found) = found {
            tally.add(&found.played.outcome);
            bar.set_message(tally.speed(begun.elapsed()));
            if !found.played.outcome.passed || !found.branches.is_empty() {
                tally.failed += 1;
                bar.suspend(|| tell(format, &found));
                failures.push(found);
            }
        }
        let enough = !failures.is_empty() && !args.keep_going;
        let late = time.is_some_and(|time| begun.elapsed() >= time);
        if enough || late { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.finish_and_clear();
    end(args, format, &tally, &failures, begun.elapsed())
}

fn bar(args: &FuzzArgs, seeds: &std::ops::Range<u64>) -> ProgressBar {
    let bar = super::takes::progress(seeds.end - seeds.start);
    if args.time.is_some() {
        bar.unset_length();
    }
    bar
}

/// Draws a world and runs it; `None` when it is not one of those that are asked for.
fn play(args: &FuzzArgs, around: Option<&Configuration>, seed: u64) -> Option<Found> {
    let drawn = match around {
        Some(desired) => draw_around(args.profile, desired, seed),
        None => draw(args.profile, seed),
    };
    let scenario = Arc::new(drawn);
    if args.store.is_some_and(|store| store != scenario.store.kind) {
        return None;
    }
    let mut played = Take { scenario: Arc::clone(&scenario), options: Options::default() }.play();
    let mut failed = Vec::new();
    if args.branch > 0 {
        for moment in moments(&scenario, seed) {
            let made = branches(&scenario, seed, moment.events, 1..args.branch + 1);
            failed.extend(made.into_iter().filter(|outcome| !outcome.passed));
        }
    }
    // Its name says nothing of the configuration that it was drawn around.
    if let Some(command) = around.and_then(|_| again(args, seed)) {
        failed.iter_mut().for_each(|outcome| outcome.again = format!("{command} --branch {}", args.branch));
        played.outcome.again = command;
    }
    Some(Found { scenario, played, branches: failed })
}

/// Gives the command that draws a world around the configuration again.
fn again(args: &FuzzArgs, seed: u64) -> Option<String> {
    let path = quoted(&args.config.as_ref()?.display().to_string());
    Some(format!("callboard sim fuzz --profile {} --config {path} --seed {seed} --seeds 1", args.profile))
}

/// Says what broke, as soon as it is known.
fn tell(format: Format, found: &Found) {
    if format == Format::Json {
        return;
    }
    if !found.played.outcome.passed {
        out::line(found.played.outcome.summary().to_string().trim_end());
    }
    found.branches.iter().for_each(|outcome| out::line(outcome.summary().to_string().trim_end()));
}

/// Makes smaller what broke, one world for each promise, and says how it all went.
fn end(args: &FuzzArgs, format: Format, tally: &Tally, failures: &[Found], took: Duration) -> Result<()> {
    let mut saved = Vec::new();
    let mut known = BTreeSet::new();
    for found in failures.iter().filter(|_| !args.no_shrink) {
        let first = found.played.outcome.violations.first();
        if first.is_none_or(|broken| !known.insert(broken.promise.clone())) {
            continue;
        }
        if let Some(small) = smallest(&found.scenario, found.scenario.seed) {
            let text = match again(args, found.scenario.seed) {
                Some(command) => text_by(&small, &command),
                None => text(&small, &found.scenario),
            };
            let path = save(&small, &text, folder(args))?;
            if format == Format::Table {
                out::line(&format!("  small: {}\n         {}", path.display(), size(&small)));
            }
            saved.push(path.display().to_string());
        }
    }
    match format {
        Format::Json => {
            let results: Vec<_> = failures.iter().map(|found| as_json(&found.played)).collect();
            out::json(&json!({ "sum": tally.as_json(took), "failures": results, "saved": saved }))?;
        }
        Format::Table => out::line(&tally.in_words(took)),
    }
    if tally.seeds == 0 && args.time.is_none() {
        let problem = "no world was played: none of these seeds draws what was asked for";
        return Err(Problem::new(Kind::Invalid, problem).hint("play more, as by --seeds 100").into());
    }
    if tally.failed == 0 {
        return Ok(());
    }
    Err(Problem::new(Kind::No, format!("{} of {} worlds broke a promise", tally.failed, tally.seeds)).into())
}

fn folder(args: &FuzzArgs) -> &Path {
    let kept = Path::new(REGRESSIONS);
    let usual = if kept.is_dir() { kept } else { Path::new(".") };
    args.save.as_deref().unwrap_or(usual)
}
