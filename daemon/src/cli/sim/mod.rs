//! Rehearses in the simulator: what can be said after `callboard sim`, a file a command.

mod branch;
mod compare;
mod concern;
mod crash_points;
mod fuzz;
mod journal;
mod look;
mod museum;
mod pack;
mod page;
mod replay;
mod run;
mod shrink;
mod source;
mod takes;
mod tally;
mod verdict;
mod verify;
mod what;

use super::out::Format;
use anyhow::Result;

/// Rehearse failures in the simulator: thousands of hosts, in pretended time, with the scheduler that runs in production
#[derive(Debug, clap::Subcommand)]
pub(crate) enum SimCommand {
    Run(run::RunArgs),
    Fuzz(fuzz::FuzzArgs),
    Shrink(shrink::ShrinkArgs),
    Verify(verify::VerifyArgs),
    CrashPoints(crash_points::CrashArgs),
    Branch(branch::BranchArgs),
    Museum(museum::MuseumArgs),
    /// List the scenarios that are shipped, each with what it teaches; they can be run by name
    List,
    Show(pack::ShowArgs),
    /// Print the JSON Schema of scenario files, for editors
    Schema,
    Replay(replay::ReplayArgs),
    Compare(compare::CompareArgs),
    /// Print the fingerprint of tiny worlds, one for each seed: the same on every machine
    #[command(hide = true)]
    Fingerprint(verify::FingerprintArgs),
}

/// Carries out a command of the simulator.
pub(crate) fn sim(command: &SimCommand, format: Format) -> Result<()> {
    match command {
        SimCommand::Run(args) => run::run(args, format),
        SimCommand::Fuzz(args) => fuzz::run(args, format),
        SimCommand::Shrink(args) => shrink::run(args, format),
        SimCommand::Verify(args) => verify::verify(args, format),
        SimCommand::CrashPoints(args) => crash_points::run(args, format),
        SimCommand::Branch(args) => branch::run(args, format),
        SimCommand::Museum(args) => museum::run(args, format),
        SimCommand::List => pack::list(format),
        SimCommand::Show(args) => pack::show(args, format),
        SimCommand::Schema => {
            pack::print_schema();
            Ok(())
        }
        SimCommand::Replay(args) => replay::replay(args, format),
        SimCommand::Fingerprint(args) => verify::fingerprint(args),
        SimCommand::Compare(args) => compare::compare(args, format),
    }
}
