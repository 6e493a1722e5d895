//! Rehearses scenarios in the simulator.

use super::out::Format;
use anyhow::Result;
use std::path::PathBuf;

/// Rehearse failures in the simulator: thousands of hosts, in pretended time, with the scheduler that runs in production
#[derive(Debug, clap::Subcommand)]
pub(crate) enum SimCommand {
    /// Run scenarios and check what must never and what must always happen
    Run(RunArgs),
    /// Print the fingerprint of small worlds, one for each seed: the same on every machine
    #[command(hide = true)]
    Hash {
        /// How many
        #[arg(long, default_value_t = 3)]
        worlds: u64,
    },
}

/// What to run.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Scenario files
    files: Vec<PathBuf>,
    /// How many hosts, instead of what the scenario says
    #[arg(long, value_name = "NUMBER")]
    hosts: Option<u32>,
    /// The seed that everything random is drawn from
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// How long to run, in pretended time, instead of what the scenario says
    #[arg(long, value_name = "TIME", value_parser = callboard_core::machine::Span::parse)]
    until: Option<callboard_core::machine::Span>,
}

pub(crate) async fn sim(command: SimCommand, _format: Format) -> Result<()> {
    match command {
        SimCommand::Run(_) | SimCommand::Hash { .. } => anyhow::bail!("the simulator is not here yet"),
    }
}
