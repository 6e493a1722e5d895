//! Proposes moves that make tasks lie better, and has them carried out.

use super::apply::{read, tell};
use super::client::Client;
use super::out::{self, Format};
use crate::problem::{Kind, Problem};
use crate::views::Applied;
use anyhow::Result;
use callboard_core::rebalance::{GAIN_DEFAULT, MOVES_DEFAULT, Plan};
use std::path::PathBuf;

/// Propose moves of tasks toward the aim of their cluster's policy, or carry out what was proposed
///
/// Nothing moves by itself. Each new task is healthy before the old one goes, and no service goes below its `min` or above
/// its `max`. Services that are being rolled out or have no room for one task more are left alone.
#[derive(Debug, clap::Args)]
#[command(
    group(clap::ArgGroup::new("what").required(true).args(["plan", "apply"])),
    after_help = "Examples:\n  callboard rebalance --plan\n  callboard rebalance --plan --moves 10 -o json > plan.json\n  \
    callboard rebalance --apply plan.json"
)]
pub(crate) struct RebalanceArgs {
    /// Tell which tasks would move where, and what that gains; nothing is changed
    #[arg(long)]
    plan: bool,
    /// Carry out a plan that `--plan -o json` wrote; exit code 5 when the world has changed since; "-" is standard input
    #[arg(long, value_name = "FILE")]
    apply: Option<PathBuf>,
    /// How many tasks may move, from 1 to 12
    #[arg(long, default_value_t = MOVES_DEFAULT, value_parser = clap::value_parser!(u32).range(1..=12))]
    moves: u32,
    /// What each move must gain, in percent
    #[arg(long, default_value_t = GAIN_DEFAULT, value_parser = clap::value_parser!(u32).range(1..=100))]
    gain: u32,
}

pub(crate) async fn rebalance(client: &Client, args: &RebalanceArgs, format: Format) -> Result<()> {
    let Some(file) = &args.apply else {
        let path = format!("/v1/rebalance?moves={}&gain={}", args.moves, args.gain);
        return show(&client.get(&path).await?, format);
    };
    let (name, bytes) = read(file)?;
    let plan: Plan = serde_json::from_slice(&bytes).map_err(|error| {
        Problem::new(Kind::Invalid, format!("is no plan: {error}"))
            .at(name)
            .hint("write one with `callboard rebalance --plan -o json`")
    })?;
    let applied: Applied = client.post("/v1/rebalance", &serde_json::to_value(&plan)?).await?;
    tell(&applied, format)?;
    out::message(&format!("{} tasks move, one healthy before the other goes", plan.moves.len()));
    Ok(())
}

fn show(plan: &Plan, format: Format) -> Result<()> {
    if format == Format::Json {
        return out::json(plan);
    }
    for one in &plan.moves {
        out::line(&format!(
            "move {} from {} to {}, which gains {} %: {}",
            one.id, one.from, one.to, one.gain, one.why
        ));
    }
    if plan.moves.is_empty() {
        out::message("no move gains enough");
    }
    Ok(())
}
