//! Which runs are meant: scenarios by file or name, or worlds of a profile, each with a seed or many.

use super::source::{Seeds, Sets, profile, scenario_with};
use super::takes::Take;
use crate::problem::{Kind, Problem};
use callboard_core::machine::Span;
use callboard_sim::scenario::{Profile, draw};
use callboard_sim::{Options, Scenario};
use std::path::PathBuf;
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
    #[arg(long, value_name = "NUMBER")]
    hosts: Option<usize>,
    /// The seed that everything random is drawn from, instead of the scenario's own
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// So many seeds, from --seed or the scenario's own on, or those from A to before B
    #[arg(long, value_name = "NUMBER|A..B", value_parser = Seeds::parse)]
    seeds: Option<Seeds>,
    /// End then, in pretended time, if that is before the scenario's end; nothing is said about the end in that case
    #[arg(long, value_name = "TIME", value_parser = Span::parse)]
    until: Option<Span>,
}

impl WhatArgs {
    /// Reads all that is named before the first is run: a run may take long, and a typing mistake shall not wait for it.
    pub(super) fn takes(&self) -> Result<Vec<Take>, Problem> {
        if let Some(profile) = self.profile {
            let seeds = self.seeds.unwrap_or(Seeds::Count(100)).from(self.seed.unwrap_or(0));
            return Ok(seeds.map(|seed| self.take(Arc::new(draw(profile, seed)), seed)).collect());
        }
        let scenarios: Vec<Scenario> =
            self.files.iter().map(|path| scenario_with(path, &self.sets)).collect::<Result<_, Problem>>()?;
        let takes: Vec<Take> = scenarios.into_iter().flat_map(|scenario| self.seeded(scenario)).collect();
        if takes.is_empty() {
            return Err(Problem::new(Kind::Invalid, "nothing to run").hint("name a scenario"));
        }
        Ok(takes)
    }

    fn seeded(&self, scenario: Scenario) -> Vec<Take> {
        let scenario = Arc::new(scenario);
        let seeds = self.seeds.unwrap_or(Seeds::Count(1)).from(self.seed.unwrap_or(scenario.seed));
        seeds.map(|seed| self.take(Arc::clone(&scenario), seed)).collect()
    }

    fn take(&self, scenario: Arc<Scenario>, seed: u64) -> Take {
        let options =
            Options { hosts: self.hosts, seed: Some(seed), until: self.until, ..Options::default() };
        Take { scenario, options }
    }
}
