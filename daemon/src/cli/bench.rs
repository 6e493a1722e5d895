//! What a fleet of one's own would cost to place, in figures.

use super::out::{self, Format};
use anyhow::Result;
use callboard_core::model::Policy;
use callboard_sim::measure::Load;
use clap::{Args, Subcommand};
use serde_json::json;
use std::time::Instant;

/// Measure what decisions cost on this machine
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    Placement(PlacementArgs),
}

/// Place tasks on an empty fleet as the scheduler does: filter, score, pick, and the record of each task with its reason
///
/// Hosts have sizes of three kinds, three zones of ten racks, and room for twice what is placed.
#[derive(Clone, Debug, Args)]
pub(crate) struct PlacementArgs {
    /// How many hosts
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    hosts: u32,
    /// How many tasks, over all services
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    tasks: u32,
    /// How many services they are of
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    services: u32,
    /// How hosts are chosen
    #[arg(long, value_enum, default_value = "spread")]
    policy: PolicyName,
    /// Have services ask for labels, prefer some, keep to two tasks a host and lie over zones and racks
    #[arg(long)]
    constrained: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
enum PolicyName {
    Spread,
    Binpack,
    RoundRobin,
    #[value(name = "e_pvm")]
    EPvm,
}

/// Measures.
pub(crate) fn bench(command: &BenchCommand, format: Format) -> Result<()> {
    let BenchCommand::Placement(args) = command;
    let policy = match args.policy {
        PolicyName::Spread => Policy::Spread,
        PolicyName::Binpack => Policy::Binpack,
        PolicyName::RoundRobin => Policy::RoundRobin,
        PolicyName::EPvm => Policy::EPvm,
    };
    let PlacementArgs { hosts, tasks, services, constrained, .. } = *args;
    let prepared = Load { hosts, tasks, services, policy, constrained }.prepare();
    let before = resident();
    let start = Instant::now();
    let placed = prepared.place();
    let seconds = start.elapsed().as_secs_f64();
    let bytes = resident().saturating_sub(before);
    let count = u64::try_from(placed.records.len())?;
    let per_second = if seconds > 0.0 { f64::from(u32::try_from(count)?) / seconds } else { 0.0 };
    let per_task = bytes.checked_div(count);
    if format == Format::Json {
        return out::json(&json!({
            "hosts": hosts, "tasks": tasks, "services": services, "constrained": constrained,
            "placed": count, "unplaced": placed.unplaced, "seconds": seconds,
            "placements_per_second": per_second.round(), "bytes_per_task": per_task,
        }));
    }
    let mut table =
        out::table(&["hosts", "tasks", "services", "seconds", "placements/s", "bytes a task", "unplaced"]);
    table.add_row([
        hosts.to_string(),
        tasks.to_string(),
        services.to_string(),
        format!("{seconds:.3}"),
        format!("{per_second:.0}"),
        per_task.map_or_else(|| "-".into(), |bytes| bytes.to_string()),
        placed.unplaced.to_string(),
    ]);
    out::show(&table, "nothing was placed");
    Ok(())
}

/// Gives the memory that this process has in use, bytes; 0 where the kernel does not say.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
