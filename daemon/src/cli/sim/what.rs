//! Which runs are meant: scenarios by file or name, or worlds of a profile, each with a seed or many.

use super::source::{Seeds, Sets, profile, scenario_with};
use super::takes::Take;
use crate::problem::{Kind, Problem};
use callboard_core::machine::Span;
use callboard_sim::scenario::{Profile, draw};
use callboard_sim::{Options, Scenario};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which runs are meant.
#[derive(Debug, clap::Args)]
pub(super) struct WhatArgs {
    /// Scenario files, or names of shipped ones (`callboard sim list`); `tiny-7` is the tiny world that seed 7 draws
    #[arg(required_unless_present = "profile")]
    files: Vec<PathBuf>,
    /// Worlds of this size, one drawn from each seed: tiny, small, medium, large or huge
    #[arg(long, value_name = "SIZE", value_parser = profile, conflicts_with = "files")]
    profile: Option<Profile>,
    #[command(flatten)]
    sets: Sets,
    /// How many hosts, instead of what the scenario says
    #[arg(long, value_name = "NUMBER", value_parser = hosts)]
    hosts: Option<usize>,
    /// The seed that everything random is drawn from, instead of the scenario's own
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(..u64::MAX))]
    seed: Option<u64>,
    /// So many seeds, from --seed or the scenario's own on, or those from A to before B
    #[arg(long, value_name = "NUMBER|A..B", value_parser = Seeds::parse)]
    seeds: Option<Seeds>,
    /// End then, in pretended time, if that is before the scenario's end; nothing is said about the end in that case
    #[arg(long, value_name = "TIME", value_parser = Span::parse)]
    until: Option<Span>,
}

/// The most runs that are asked for at once: they are listed before the first is made.
const RUNS_MAX: u64 = 10_000_000;

/// Reads how many hosts there shall be: as many as a scenario may have.
pub(super) fn hosts(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=100_000).contains(number));
    number.ok_or_else(|| "expected a number from 1 to 100000".into())
}

impl WhatArgs {
    /// Reads all that is named before the first is run: a run may take long, and a typing mistake shall not wait for it.
    pub(super) fn takes(&self) -> Result<Vec<Take>, Problem> {
        if let Some(profile) = self.profile {
            let seeds = few(self.seeds.unwrap_or(Seeds::Count(100)).from(self.seed.unwrap_or(0)))?;
            return Ok(seeds.map(|seed| self.take(Arc::new(draw(profile, seed)), seed)).collect());
        }
        let scenarios: Vec<Scenario> =
            self.files.iter().map(|path| scenario_with(path, &self.sets)).collect::<Result<_, Problem>>()?;
        let mut takes = Vec::new();
        for scenario in scenarios {
            takes.extend(self.seeded(scenario)?);
        }
        if takes.is_empty() {
            return Err(Problem::new(Kind::Invalid, "nothing to run").hint("name a scenario"));
        }
        Ok(takes)
    }

    /// Refuses to write results where they cannot be written, or over one another or what is to be run: before a run that
    /// may take long.
    pub(super) fn spares(&self, written: &[&Path]) -> Result<(), Problem> {
        for (index, path) in written.iter().enumerate() {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let cannot =
                |why| Err(Problem::failed(format_args!("{} cannot be written: {why}", path.display())));
            let problem = if path.is_dir() {
                return cannot("it is a directory");
            } else if folder.is_some_and(|folder| !folder.is_dir()) {
                return cannot("its directory is not there");
            } else if self.files.iter().any(|file| is_same(file, path)) {
                "is what is to be run"
            } else if written[..index].iter().any(|other| is_same(other, path)) {
                "is named twice"
            } else {
                continue;
            };
            let hint = "name another file for the results";
            return Err(Problem::new(Kind::Invalid, problem).at(path.display().to_string()).hint(hint));
        }
        Ok(())
    }

    fn seeded(&self, scenario: Scenario) -> Result<Vec<Take>, Problem> {
        let scenario = Arc::new(scenario);
        let seeds = few(self.seeds.unwrap_or(Seeds::Count(1)).from(self.seed.unwrap_or(scenario.seed)))?;
        Ok(seeds.map(|seed| self.take(Arc::clone(&scenario), seed)).collect())
    }

    fn take(&self, scenario: Arc<Scenario>, seed: u64) -> Take {
        let options =
            Options { hosts: self.hosts, seed: Some(seed), until: self.until, ..Options::default() };
        Take { scenario, options }
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| path.canonicalize().ok();
    one == other || place(one).is_some_and(|one| place(other) == Some(one))
}

/// Refuses more runs than can be listed.
pub(super) fn few(seeds: Range<u64>) -> Result<Range<u64>, Problem> {
    let count = seeds.end.saturating_sub(seeds.start);
    if count <= RUNS_MAX {
        return Ok(seeds);
    }
    let problem = format!("{count} seeds are more than the {RUNS_MAX} that are played at once");
    Err(Problem::new(Kind::Invalid, problem).hint("name them in parts, as in 0..1000000"))
}
