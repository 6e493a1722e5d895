//! The scenarios that are shipped: they are in the program itself, so that they can be run by name anywhere.

use super::{ReadError, Scenario, read_with};

macro_rules! pack {
    ($($file:literal,)*) => {
        [$(($file, include_str!(concat!("../../../examples/scenarios/", $file)))),*]
    };
}

/// The files, by name.
const FILES: &[(&str, &str)] = &pack![
    "agent-restarts.yml",
    "arrivals.csv",
    "arrivals.yml",
    "b01-bad-build-is-no-outage.yml",
    "b02-host-failure-is-noticed.yml",
    "b03-memory-pressure-moves-tasks.yml",
    "b04-drain-of-a-known-host.yml",
    "b05-bounds-hold-while-rolling.yml",
    "b06-changes-need-no-poll.yml",
    "b07-ports-are-given-once.yml",
    "b08-a-late-plan-is-refused.yml",
    "b09-bad-hosts-are-remembered.yml",
    "b10-no-checks-no-restarts.yml",
    "b11-every-instance-is-checked.yml",
    "b13-neighbours-are-not-touched.yml",
    "bad-build.yml",
    "batch-on-hosts-that-reboot.yml",
    "batch.yml",
    "broken-watches.yml",
    "busy-users.yml",
    "changed-kinds.yml",
    "clocks.yml",
    "crash-loop.yml",
    "cut-off-scheduler.yml",
    "dies-after-a-while.yml",
    "disk-full.yml",
    "drain-while-rolling.yml",
    "drain-without-room.yml",
    "engine-down.yml",
    "exclusive.yml",
    "executor-trouble.yml",
    "failing-hosts.yml",
    "flapping-host.yml",
    "foreign-scheduler.yml",
    "frozen-hosts.yml",
    "high-memory.yml",
    "host-churn.csv",
    "host-churn.yml",
    "host-failure.yml",
    "host-policies.yml",
    "host-reboots.yml",
    "hosts-switched-off.yml",
    "ignores-term.yml",
    "image-pulls-hang.yml",
    "junk-at-random.yml",
    "junk-records.yml",
    "large.yml",
    "leader-change.yml",
    "losses-in-a-bad-rollout.yml",
    "lossy-store.yml",
    "lying-checks.yml",
    "memory-limits.yml",
    "memory-spikes.csv",
    "memory-spikes.yml",
    "memory-stalls.yml",
    "metropolis.yml",
    "missing-image.yml",
    "mixed-versions.yml",
    "moved-service.yml",
    "network-split.yml",
    "newer-records.yml",
    "offers-and-bids.yml",
    "one-way-partition.yml",
    "placement-rules.yml",
    "poison-removed.yml",
    "poison-task.yml",
    "policies.yml",
    "power-loss.yml",
    "preemption.yml",
    "priority-under-pressure.yml",
    "pull-always-slow.yml",
    "rack-loss.yml",
    "rebalance.yml",
    "registry.yml",
    "renamed-host.csv",
    "renamed-host.yml",
    "rolling-agent-upgrade.yml",
    "rolling-update-on-a-full-cluster.yml",
    "rollout-overtaken.yml",
    "rollout-when-all-are-sick.yml",
    "schedulers-down.yml",
    "slow-image.yml",
    "slow-start.yml",
    "slow-store.yml",
    "split-brain.yml",
    "store-compacted.yml",
    "store-emptied.yml",
    "store-full.yml",
    "store-no-quorum.yml",
    "store-outage.yml",
    "store-replaced.yml",
    "store-restored.yml",
    "system-service-on-new-hosts.csv",
    "system-service-on-new-hosts.yml",
    "system.yml",
    "thundering-herd.yml",
    "trickle.yml",
    "two-agents-one-name.yml",
    "users-mistakes.yml",
    "zone-loss.yml",
];

/// Lists the names of the scenarios that are shipped.
pub fn pack() -> impl Iterator<Item = &'static str> {
    FILES.iter().filter_map(|(file, _)| file.strip_suffix(".yml"))
}

/// Reads a scenario that is shipped, after some of its fields were set; `None`: there is none of that name.
///
/// # Errors
/// Tells of mistakes in what is set.
#[must_use]
pub fn packed(name: &str, sets: &[String]) -> Option<Result<Scenario, ReadError>> {
    let find = |file: &str| FILES.iter().find(|(name, _)| *name == file).map(|(_, text)| text.as_bytes());
    let bytes = find(&format!("{name}.yml"))?;
    let load = |file: &str| find(file).map(<[u8]>::to_vec).ok_or_else(|| "there is no such file".to_string());
    Some(read_with(name, bytes, sets, &load))
}
