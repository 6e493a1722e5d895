//! Rehearses in the simulator: what can be said after `callboard sim`, a file a command.

mod look;
mod pack;
mod page;
mod replay;
mod run;
mod source;
mod takes;
mod verdict;

use super::out::{self, Format};
use anyhow::Result;
use callboard_sim::{Options, Profile, draw};

/// Rehearse failures in the simulator: thousands of hosts, in pretended time, with the scheduler that runs in production
#[derive(Debug, clap::Subcommand)]
pub(crate) enum SimCommand {
    Run(run::RunArgs),
    /// List the scenarios that are shipped, each with what it teaches; they can be run by name
    List,
    Show(pack::ShowArgs),
    /// Print the JSON Schema of scenario files, for editors
    Schema,
    Replay(replay::ReplayArgs),
    /// Print the fingerprint of tiny worlds, one for each seed: the same on every machine
    #[command(hide = true)]
    Hash {
        /// How many
        #[arg(long, default_value_t = 3)]
        worlds: u64,
    },
}

/// Carries out a command of the simulator.
pub(crate) fn sim(command: &SimCommand, format: Format) -> Result<()> {
    match command {
        SimCommand::Run(args) => run::run(args, format),
        SimCommand::List => pack::list(format),
        SimCommand::Show(args) => pack::show(args, format),
        SimCommand::Schema => {
            pack::print_schema();
            Ok(())
        }
        SimCommand::Replay(args) => replay::replay(args, format),
        SimCommand::Hash { worlds } => {
            for seed in 0..*worlds {
                let outcome = callboard_sim::run(&draw(Profile::Tiny, seed), &Options::default());
                out::line(&format!("{seed} {:016x}", outcome.hash));
            }
            Ok(())
        }
    }
}
