//! Each fault does what it says, and is counted; and the rest of the world gets over it.

use callboard_core::machine::Span;
use callboard_sim::scenario::{FaultKind, Lasts, TABLE};
use callboard_sim::{Options, Outcome, Scenario, read, run};

const WORLD: &str = "name: it
duration: 20m
settle: 5m
fleet: [{count: 6, racks: 3, zones: 2, memory: 4096}]
generate: [{prefix: web-, tasks: 6, min: 2, max: 8, memory: 256, versions: 2, check_interval: 2s}]
";

fn scenario(more: &str) -> Scenario {
    read("it.yml", format!("{WORLD}{more}\n").as_bytes()).unwrap_or_else(|error| panic!("{more}\n{error}"))
}

/// Runs a world in which something goes wrong; no promise may be broken.
fn outcome(more: &str, until: u64) -> Outcome {
    let options = Options { until: Some(Span::secs(until)), ..Options::default() };
    let outcome = run(&scenario(more), &options);
    assert!(outcome.passed, "{more}\n{}", outcome.summary());
    outcome
}

fn count(outcome: &Outcome, name: &str) -> u64 {
    outcome.stats.faults.get(name).copied().unwrap_or_default()
}

/// Lets something happen at two minutes, and holds the end to what is expected.
fn check(fault: &str, expect: impl Fn(&Outcome) -> bool) {
    let outcome = outcome(&format!("timeline: [{{at: 2m, {fault}}}]"), 1_200);
    assert!(expect(&outcome), "{fault}\n{}{:?}", outcome.summary(), outcome.stats.faults);
}

/// Lets all tasks end a moment after something went wrong for four minutes, and tells how long they were missing.
fn short_for(fault: &str) -> u64 {
    let both =
        format!("timeline: [{{at: 2m, percent: 100, {fault}}}, {{at: 2m1s, do: end_tasks, percent: 100}}]");
    let outcome = outcome(&both, 1_200);
    outcome.stats.services.values().map(|service| service.longest_short.0 / 1_000).max().unwrap_or_default()
}

fn least(outcome: &Outcome) -> u32 {
    outcome.stats.services.values().filter_map(|service| service.least_healthy).min().unwrap_or_default()
}

#[test]
fn nothing_goes_wrong_by_itself() {
    check("do: apply", |it| it.stats.starts == 6 && it.stats.exits == 0 && least(it) == 6);
}

#[test]
fn machines_fail_and_come_back() {
    check("do: crash_hosts, count: 1, reboot_after: 3m", |it| {
        count(it, "crash_hosts") == 1 && it.stats.exits == 1 && it.stats.stops["host lost"] == 1
    });
    check("do: reboot_hosts, count: 1", |it| count(it, "reboot_hosts") == 1 && it.stats.exits == 1);
    check("do: freeze_hosts, count: 2, lasting: 20s", |it| least(it) == 4 && it.stats.starts == 6);
    check("do: power_loss, lasting: 1m", |it| it.stats.exits == 6 && least(it) == 0);
}

#[test]
fn racks_and_zones_fail_as_one() {
    check("do: crash_hosts, each: rack, reboot_after: 3m", |it| count(it, "crash_hosts") == 2);
    check("do: crash_hosts, labels: {zone: z1}, reboot_after: 1m", |it| count(it, "crash_hosts") == 4);
    check("do: partition, labels: {rack: r3, zone: z1}, lasting: 10s", |it| count(it, "partition") == 2);
    let drip = "trickle: [{fault: crash_hosts, each: rack, per_hour: 60, until: 5m, lasting: 30s}]";
    let crashes = count(&outcome(drip, 1_200), "crash_hosts");
    assert!(crashes > 0 && crashes.is_multiple_of(2), "{crashes}");
}

#[test]
fn ways_are_cut_in_one_direction_or_both() {
    let lost = |it: &Outcome| it.stats.stops.get("host lost").copied().unwrap_or_default();
    check("do: partition, count: 1, lasting: 3m", |it| lost(it) == 1);
    check("do: partition_requests, count: 1, lasting: 3m", |it| lost(it) == 1);
    check("do: partition_answers, count: 1, lasting: 3m", |it| least(it) == 6);
    check("do: flap_hosts, count: 1, every: 40s, lasting: 4m", |it| lost(it) > 0);
    for name in ["cut_schedulers", "mute_schedulers", "deafen_schedulers"] {
        check(&format!("do: {name}, lasting: 2m"), |it| count(it, name) == 1 && least(it) == 6);
    }
}

#[test]
fn agents_leave_their_tasks_running() {
    for name in ["kill_agents", "restart_agents"] {
        check(&format!("do: {name}, percent: 100, restart_after: 5s"), |it| {
            count(it, name) == 6 && it.stats.exits == 0 && it.stats.starts == 6
        });
    }
}

#[test]
fn wrong_clocks_change_when_things_happen_and_nothing_else() {
    let hash = |fault: &str| {
        let end = "{at: 3m, do: end_tasks, percent: 100}";
        let outcome = outcome(&format!("timeline: [{end}, {{at: 2m, {fault}}}]"), 1_200);
        assert_eq!((outcome.stats.exits, outcome.stats.starts), (6, 12), "{}", outcome.summary());
        outcome.hash
    };
    let right = hash("do: apply");
    for fault in [
        "do: drift_clocks, percent: 100, lasting: 5m",
        "do: jump_clocks, percent: 100, by: 1h",
        "do: drift_schedulers, lasting: 5m, ppm: 100000",
    ] {
        assert_ne!(hash(fault), right, "{fault}");
    }
}

#[test]
fn what_cannot_be_started_waits_and_what_runs_goes_on() {
    for (fault, at_least) in [
        ("do: fill_disks, lasting: 4m", 200),
        ("do: executor_down, lasting: 4m", 200),
        ("do: miss_images, lasting: 4m", 200),
        ("do: hang_pulls, lasting: 4m", 200),
        ("do: slow_pulls, lasting: 4m, by: 50s", 50),
    ] {
        let short = short_for(fault);
        assert!((at_least..600).contains(&short), "{fault}: {short} s");
        check(&format!("{fault}, percent: 100"), |it| it.stats.exits == 0 && it.stats.moves == 0);
    }
}

#[test]
fn who_waits_for_memory_moves() {
    check("do: stall_memory, count: 1, lasting: 4m", |it| {
        it.stats.moves > 0 && it.stats.exits == 0 && it.stats.out_of_memory == 0
    });
    check("do: stall_memory, count: 1, lasting: 8s", |it| it.stats.moves == 0);
}

#[test]
fn checks_that_lie_are_believed() {
    check("do: checks_lie, count: 1, lasting: 2m", |it| {
        it.stats.restarts > 0 && it.stats.exits == 0 && least(it) == 5
    });
}

#[test]
fn an_agent_of_a_name_that_is_taken_waits() {
    check("do: twin_agents, percent: 100, lasting: 3m", |it| {
        count(it, "twin_agents") == 6 && it.stats.starts == 6 && it.events < 30_000
    });
}

#[test]
fn what_sticks_is_there_until_it_lets_go() {
    let more = "timeline: [{at: 2m, do: stick_stops, percent: 100, lasting: 4m}, \
                {at: 2m10s, do: set_service, service: web-001, desired: 2}]";
    let during = outcome(more, 300).stats.services["web-001"].healthy;
    let after = outcome(more, 1_200).stats.services["web-001"].healthy;
    assert_eq!((during, after), (6, 2));
}

#[test]
fn the_way_to_the_store_is_worse_for_a_while() {
    for row in TABLE.iter().filter(|row| matches!(row.kind, FaultKind::Way(_))) {
        let name = row.name;
        let more = format!(
            "timeline: [{{at: 2m, do: {name}, lasting: 3m}}]
trickle: [{{fault: scale, per_hour: 600, until: 5m}}]"
        );
        let outcome = outcome(&more, 1_200);
        assert!(count(&outcome, name) > 1, "{name}: {:?}", outcome.stats.faults);
    }
}

#[test]
fn strangers_write_what_they_like() {
    let mut failed = String::new();
    for fault in ["write_junk", "halve_pair", "foreign_scheduler"] {
        for seed in 0..30 {
            let more = format!("seed: {seed}\ntimeline: [{{at: 2m, do: {fault}}}, {{at: 3m, do: {fault}}}]");
            let outcome = run(&scenario(&more), &Options::default());
            assert_eq!(count(&outcome, fault), 2);
            if !outcome.passed {
                failed.push_str(&outcome.summary().to_string());
            }
        }
    }
    assert!(failed.is_empty(), "{failed}");
}

#[test]
fn builds_misbehave() {
    let rolled = |build: &str| {
        let more = format!(
            "builds: [{{task: web-001, version: 2, {build}}}]
timeline: [{{at: 2m, do: set_service, service: web-001, task_version: 2}}]"
        );
        outcome(&more, 1_200)
    };
    let curve = rolled("memory_curve: [{time: 0s, mib: 0}, {time: 20s, mib: 5000}, {time: 40s, mib: 0}]");
    assert!(curve.stats.out_of_memory > 0, "{}", curve.summary());
    let spike = rolled("memory_curve: [{time: 0s, mib: 0}, {time: 20s, mib: 3000}, {time: 40s, mib: 0}]");
    assert_eq!(spike.stats.out_of_memory, 0, "{}", spike.summary());
    let limited = rolled("limited: true, memory_curve: [{time: 20s, mib: 0}, {time: 30s, mib: 300}]");
    assert!(limited.stats.exits > 0 && limited.stats.out_of_memory == 0, "{}", limited.summary());
    for (poison, name) in
        [("kills_agent_after", "build: kills its agent"), ("kills_host_after", "build: kills its machine")]
    {
        let poisoned = rolled(&format!("{poison}: 3s"));
        assert!(count(&poisoned, name) > 0 && least(&poisoned) >= 2, "{}", poisoned.summary());
    }
}

/// Those on the way to the store need somebody on his way.
#[test]
fn every_kind_can_be_written_down_and_played() {
    for row in TABLE.iter().filter(|row| !matches!(row.kind, FaultKind::Way(_))) {
        let on = match row.kind {
            FaultKind::Host(_) => ", percent: 100",
            FaultKind::Service(_) => ", service: web-001",
            FaultKind::Scheduler(_) | FaultKind::Store(_) | FaultKind::Way(_) => "",
        };
        let lasting = if matches!(row.lasts, Lasts::Must(_)) { ", lasting: 30s" } else { "" };
        let more = format!("registry: {{}}\ntimeline: [{{at: 2m, do: {}{on}{lasting}}}]", row.name);
        let outcome = run(&scenario(&more), &Options { until: Some(Span::secs(200)), ..Options::default() });
        assert!(count(&outcome, row.name) > 0, "{}", row.name);
    }
}
