//! Every scenario of `examples/scenarios`, run as a user would run it, and the same worlds hashed in two processes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn callboard(arguments: &[&str]) -> Output {
    let tests = std::env::current_exe().expect("a test knows where it is");
    let binary = tests.ancestors().nth(2).expect("tests lie below the build directory").join("callboard");
    assert!(binary.exists(), "{} is missing: run `cargo build --workspace --bins` first", binary.display());
    Command::new(binary)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the binary starts")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/scenarios")
}

/// Runs one scenario and holds it to its own expectations and to every promise.
fn run(name: &str) {
    let file = format!("examples/scenarios/{name}.yml");
    let mut arguments = vec!["sim", "run", &file];
    arguments.extend(smaller(name).iter().flat_map(|set| ["--set", set]));
    let output = callboard(&arguments);
    let told =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}");
    assert!(told.trim_end().ends_with("1 passed, 0 failed"), "{told}");
}

/// Gives what is set where all of a scenario would take minutes: its world, a hundred times smaller.
fn smaller(name: &str) -> &'static [&'static str] {
    match name {
        "metropolis" => {
            &["fleet.0.count=100", "generate.0.services=10", "trickle.0.per_hour=2", "trickle.1.per_hour=6"]
        }
        _ => &[],
    }
}

macro_rules! scenarios {
    ($($test:ident: $name:literal,)*) => {
        const NAMES: &[&str] = &[$($name),*];
        $(#[test] fn $test() { run($name); })*
    };
}

scenarios! {
    agent_restarts: "agent-restarts",
    arrivals: "arrivals",
    b01: "b01-bad-build-is-no-outage",
    b02: "b02-host-failure-is-noticed",
    b03: "b03-memory-pressure-moves-tasks",
    b04: "b04-drain-of-a-known-host",
    b05: "b05-bounds-hold-while-rolling",
    b06: "b06-changes-need-no-poll",
    b07: "b07-ports-are-given-once",
    b08: "b08-a-late-plan-is-refused",
    b09: "b09-bad-hosts-are-remembered",
    b10: "b10-no-checks-no-restarts",
    b11: "b11-every-instance-is-checked",
    b13: "b13-neighbours-are-not-touched",
    heavy_bad_build: "bad-build",
    batch_on_hosts_that_reboot: "batch-on-hosts-that-reboot",
    batch: "batch",
    broken_watches: "broken-watches",
    busy_users: "busy-users",
    changed_kinds: "changed-kinds",
    clocks: "clocks",
    crash_loop: "crash-loop",
    cut_off_scheduler: "cut-off-scheduler",
    dies_after_a_while: "dies-after-a-while",
    disk_full: "disk-full",
    drain_while_rolling: "drain-while-rolling",
    drain_without_room: "drain-without-room",
    engine_down: "engine-down",
    exclusive: "exclusive",
    failing_hosts: "failing-hosts",
    hosts_switched_off: "hosts-switched-off",
    placement_rules: "placement-rules",
    poison_removed: "poison-removed",
    policies: "policies",
    executor_trouble: "executor-trouble",
    flapping_host: "flapping-host",
    foreign_scheduler: "foreign-scheduler",
    frozen_hosts: "frozen-hosts",
    heavy_high_memory: "high-memory",
    host_churn: "host-churn",
    heavy_host_failure: "host-failure",
    host_policies: "host-policies",
    host_reboots: "host-reboots",
    ignores_term: "ignores-term",
    image_pulls_hang: "image-pulls-hang",
    junk_at_random: "junk-at-random",
    junk_records: "junk-records",
    heavy_large: "large",
    leader_change: "leader-change",
    losses_in_a_bad_rollout: "losses-in-a-bad-rollout",
    lossy_store: "lossy-store",
    lying_checks: "lying-checks",
    memory_limits: "memory-limits",
    memory_spikes: "memory-spikes",
    memory_stalls: "memory-stalls",
    metropolis: "metropolis",
    missing_image: "missing-image",
    mixed_versions: "mixed-versions",
    moved_service: "moved-service",
    network_split: "network-split",
    newer_records: "newer-records",
    offers_and_bids: "offers-and-bids",
    one_way_partition: "one-way-partition",
    poison_task: "poison-task",
    power_loss: "power-loss",
    preemption: "preemption",
    priority_under_pressure: "priority-under-pressure",
    pull_always_slow: "pull-always-slow",
    rack_loss: "rack-loss",
    rebalance: "rebalance",
    registry: "registry",
    renamed_host: "renamed-host",
    rolling_agent_upgrade: "rolling-agent-upgrade",
    rolling_update_on_a_full_cluster: "rolling-update-on-a-full-cluster",
    rollout_overtaken: "rollout-overtaken",
    rollout_when_all_are_sick: "rollout-when-all-are-sick",
    schedulers_down: "schedulers-down",
    slow_image: "slow-image",
    slow_start: "slow-start",
    slow_store: "slow-store",
    split_brain: "split-brain",
    store_compacted: "store-compacted",
    store_emptied: "store-emptied",
    store_full: "store-full",
    store_no_quorum: "store-no-quorum",
    store_outage: "store-outage",
    store_replaced: "store-replaced",
    store_restored: "store-restored",
    system_service_on_new_hosts: "system-service-on-new-hosts",
    system: "system",
    thundering_herd: "thundering-herd",
    heavy_trickle: "trickle",
    two_agents_one_name: "two-agents-one-name",
    users_mistakes: "users-mistakes",
    zone_loss: "zone-loss",
}

#[test]
fn every_scenario_is_run() {
    let files = std::fs::read_dir(folder()).expect("the scenarios are there");
    let paths = files.map(|file| file.expect("a scenario").path());
    let scenarios = paths.filter(|path| path.extension().is_some_and(|extension| extension == "yml"));
    let found: BTreeSet<String> =
        scenarios.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned()).collect();
    assert_eq!(found, NAMES.iter().map(|name| (*name).to_string()).collect());
}

#[test]
fn the_same_seed_is_the_same_run_in_another_process() {
    let output = callboard(&["sim", "verify", "--profile", "tiny", "--seeds", "200"]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.trim_end().ends_with("200 passed, 0 failed"), "{told}");
    let output = callboard(&["sim", "run", "--profile", "tiny", "--seeds", "200", "-o", "json"]);
    let runs: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    let different: BTreeSet<&str> = runs.iter().filter_map(|run| run["hash"].as_str()).collect();
    assert!(different.len() > 190, "only {} of 200 worlds differ", different.len());
}

#[test]
fn a_crash_point_can_be_tried_alone() {
    let file = "tests/scenarios/crash/host-lost-while-draining.yml";
    let output = callboard(&["sim", "crash-points", file, "--at", "40", "--lost"]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
    assert!(told.trim_end().ends_with("1 passed, 0 failed"), "{told}");
}

/// What once broke a promise, made as small as it can be.
#[test]
fn what_broke_once_breaks_no_more() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/regressions");
    let files = std::fs::read_dir(folder).expect("the regressions are there");
    let mut paths: Vec<String> =
        files.map(|file| file.expect("a file").path().to_string_lossy().into_owned()).collect();
    paths.sort();
    let mut arguments = vec!["sim", "run"];
    arguments.extend(paths.iter().map(String::as_str));
    let output = callboard(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn many_seeds_are_told_to_build_machines() {
    let file = std::env::temp_dir().join(format!("callboard-junit-{}.xml", std::process::id()));
    let path = file.to_string_lossy();
    let output = callboard(&["sim", "run", "tiny-1", "tiny-2", "--seeds", "2", "--junit", &path]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.trim_end().ends_with("4 passed, 0 failed"), "{told}");
    let xml = std::fs::read_to_string(&file).expect("a file with results");
    std::fs::remove_file(&file).expect("the file can be removed");
    assert!(xml.contains("tests=\"4\"") && xml.contains("tiny-2 seed 3"), "{xml}");
}

#[test]
fn what_is_well_cannot_be_made_smaller() {
    let output = callboard(&["sim", "shrink", "tiny-1"]);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let output = callboard(&["sim", "fuzz", "--seeds", "20", "-o", "json"]);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&told["sum"]["seeds"], &told["sum"]["failed"]), (&20.into(), &0.into()), "{told}");
    assert!(told["sum"]["reached"].as_object().is_some_and(|reached| reached.len() > 40), "{told}");
}
