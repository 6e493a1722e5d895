//! `callboard sim shrink`: the smallest scenario that still breaks the same promise, as a file that a person can read.

use super::source::scenario;
use crate::cli::out::{self, Format};
use crate::problem::{Kind, Problem};
use anyhow::{Context, Result};
use callboard_sim::search::{Shrunk, cores, shrink};
use callboard_sim::{Scenario, scenario};
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Make a scenario that breaks a promise as small as it can be while it still breaks that promise
///
/// What went wrong by chance is first written out one by one; then faults, hosts, services, tasks, time and bad manners are
/// taken away, and numbers made rounder, until nothing can go. The scenario goes to standard output. Exit code 3 when the
/// scenario breaks nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  callboard sim shrink tiny-7 > smallest.yml\n  \
    callboard sim shrink my.yml --seed 12 --save tests/scenarios/regressions")]
pub(crate) struct ShrinkArgs {
    /// A scenario file, or the name of a drawn world as in `tiny-7`
    file: PathBuf,
    /// The seed that breaks a promise, instead of the scenario's own
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// How many hosts to begin with, instead of what the scenario says
    #[arg(long, value_name = "NUMBER")]
    hosts: Option<usize>,
    /// Write it to a file in this directory instead, which is named after the promise and the scenario
    #[arg(long, value_name = "DIRECTORY")]
    save: Option<PathBuf>,
}

/// Makes a scenario smaller and writes it down.
pub(super) fn run(args: &ShrinkArgs, format: Format) -> Result<()> {
    let mut begun = scenario(&args.file)?;
    if let Some(hosts) = args.hosts {
        begun = begun.scaled_to(hosts);
    }
    let seed = args.seed.unwrap_or(begun.seed);
    let Some(small) = smallest(&begun, seed) else {
        let problem = Problem::new(Kind::No, format!("{} breaks no promise with seed {seed}", begun.name));
        return Err(problem.hint("`callboard sim fuzz` looks for a seed that does").into());
    };
    let text = text(&small, &begun);
    let saved = args.save.as_deref().map(|folder| save(&small, &text, folder)).transpose()?;
    match (format, &saved) {
        (Format::Json, _) => out::json(&as_json(&small, &text, saved.as_deref()))?,
        (Format::Table, Some(path)) => out::line(&format!("{}\n  {}", path.display(), size(&small))),
        (Format::Table, None) => out::bytes(text.as_bytes()),
    }
    Ok(())
}

/// Makes a scenario as small as it can be, and shows how it gets on; `None` when it breaks nothing.
pub(super) fn smallest(begun: &Scenario, seed: u64) -> Option<Shrunk> {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let shrunk = shrink(begun, seed, cores(), |smaller, tries| {
        let (hosts, happenings) = (smaller.hosts(), smaller.timeline.len() + smaller.trickle.len());
        bar.set_message(format!("{tries} tried: {hosts} hosts, {happenings} things that happen"));
        bar.tick();
    });
    bar.finish_and_clear();
    let mut shrunk = shrunk?;
    shrunk.scenario.name = format!("{}-{}", shrunk.broken.promise.to_lowercase(), begun.name);
    shrunk.scenario.description = format!("{} was broken: {}", shrunk.broken.promise, shrunk.broken.what);
    (shrunk.scenario.file, shrunk.scenario.sets) = (String::new(), Vec::new());
    Some(shrunk)
}

/// Writes it as a file that says where it comes from.
pub(super) fn text(small: &Shrunk, begun: &Scenario) -> String {
    let from = if begun.file.is_empty() { &begun.name } else { &begun.file };
    text_by(small, &format!("callboard sim shrink {from} --seed {}", small.scenario.seed))
}

/// Writes it as a file that says by which command it was made.
pub(super) fn text_by(small: &Shrunk, command: &str) -> String {
    let broken = &small.broken;
    format!(
        "# Breaks {} at {}: {}\n# Made by `{command}`.\n{}",
        broken.promise,
        broken.at,
        broken.what.lines().next().unwrap_or_default(),
        scenario::write(&small.scenario)
    )
}

/// Writes it to a directory, and tells where.
pub(super) fn save(small: &Shrunk, text: &str, folder: &Path) -> Result<PathBuf> {
    let path = folder.join(format!("{}.yml", small.scenario.name));
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, text));
    written.with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(path)
}

/// Says how small it is.
pub(super) fn size(small: &Shrunk) -> String {
    let it = &small.scenario;
    format!(
        "{} hosts, {} services, {} things that happen, {}; {} tried",
        it.hosts(),
        it.desired.services.len(),
        it.timeline.len() + it.trickle.len(),
        it.duration,
        small.tries
    )
}

fn as_json(small: &Shrunk, text: &str, saved: Option<&Path>) -> serde_json::Value {
    json!({
        "scenario": small.scenario.name,
        "seed": small.scenario.seed,
        "promise": small.broken.promise,
        "what": small.broken.what,
        "hosts": small.scenario.hosts(),
        "services": small.scenario.desired.services.len(),
        "happenings": small.scenario.timeline.len() + small.scenario.trickle.len(),
        "tries": small.tries,
        "file": saved.map(|path| path.display().to_string()),
        "text": text,
    })
}
