//! What a user expects and does not get: each expectation broken by itself, and what is said of it.

use crate::stage::{BAD_DAY, Desk, Said};

/// Runs a bad day on which this is expected, with more fields set.
fn expecting(sets: &[&str], expectation: &str) -> (Desk, Said) {
    let desk = Desk::with(&[("day.yml", BAD_DAY)]);
    let expect = format!("expect=[{expectation}]");
    let mut line = vec!["run", "day.yml", "--set", &expect];
    line.extend(sets.iter().flat_map(|set| ["--set", set]));
    let said = desk.sim(&line);
    (desk, said)
}

/// Expects a run to fail over this and nothing else, with what was seen and when, and the command it shows to do it again.
#[track_caller]
fn breaks(sets: &[&str], expectation: &str, told: &str) {
    let (desk, said) = expecting(sets, expectation);
    let said = said.ends(3).concludes("0 passed, 1 failed").complains("1 of 1 runs failed");
    let lines: Vec<&str> = said.out.lines().rev().skip(1).take(2).collect();
    assert_eq!(lines[1].trim_start(), told, "{}", said.out);
    let (before, _) = said.out.split_once(lines[1]).expect("it is there");
    let is_broken = |line: &str| line.starts_with("  ") && line.split(' ').nth(3) == Some("at");
    assert_eq!(before.lines().find(|line| is_broken(line)), None, "nothing else is broken");
    let again = desk.shown(said.the("again: ")).ends(3);
    assert_eq!(again.out, said.out, "the command shown does the same again");
}

/// Expects a run to be as it is said.
#[track_caller]
fn holds(sets: &[&str], expectation: &str) {
    expecting(sets, expectation).1.ends(0).concludes("1 passed, 0 failed");
}

#[test]
fn too_few_are_healthy() {
    holds(&[], "min_healthy web-001 >= 3");
    breaks(
        &[],
        "min_healthy web-001 >= 4",
        "min_healthy at 2m: web-001 has 3 healthy tasks, expected at least 4",
    );
    breaks(&[], "min_healthy >= 4", "min_healthy at 2m: web-001 has 3 healthy tasks, expected at least 4");
    let during = |from: &str, until: &str| {
        format!("{{min_healthy: {{service: web-001, at_least: 5, from: {from}, until: {until}}}}}")
    };
    holds(&[], &during("1m", "119s"));
    let told = "min_healthy at 2m30s: web-001 has 3 healthy tasks, expected at least 5";
    breaks(&[], &during("150s", "3m"), told);
}

#[test]
fn not_all_are_healthy_in_time() {
    let told = "healthy_by at 2m10s: web-001 has 3 healthy tasks, expected 5 by now";
    breaks(&[], "healthy by 130s", told);
    breaks(&[], "healthy web-001 by 130s", told);
    let told = "healthy_by at 2m10s: web-001 has 3 healthy tasks, expected 4 by now";
    breaks(&[], "healthy web-001 >= 4 by 130s", told);
    holds(&[], "healthy web-001 >= 3 by 130s");
}

#[test]
fn nothing_is_well_again_in_time() {
    let told = "recovered_within at 2m20s: 1 services have too few healthy tasks 20s after 2m";
    breaks(&[], "recovered within 20s of 2m", told);
    holds(&[], "recovered within 1m of 2m");
    // Without a time the last fault is meant.
    let alone = ["timeline=[{at: 2m, do: crash_hosts, names: [host-0001]}]"];
    breaks(&alone, "recovered within 20s", told);
    holds(&alone, "recovered within 1m");
}

#[test]
fn too_many_or_too_few_are_moved() {
    breaks(&[], "moves <= 7", "moves_at_most at 10m: 8, expected at most 7");
    holds(&[], "moves <= 8");
    breaks(&[], "moves >= 9", "moves_at_least at 10m: 8 tasks were moved, expected at least 9");
    holds(&[], "moves >= 8");
    let told = "moves_per_hour at 5m10s: 3 tasks were moved within an hour, expected at most 2";
    breaks(&[], "moves <= 2 per hour", told);
    holds(&[], "moves <= 8 per hour");
}

#[test]
fn some_find_no_place() {
    let little = ["fleet.0.memory=300", "timeline=[]", "builds=[]"];
    breaks(&little, "unplaced == 0", "unplaced_at_most at 10m: 2, expected at most 0");
    holds(&little, "unplaced <= 2");
    holds(&[], "unplaced == 0");
    // What is issued to a host that is lost runs nowhere, and there is no room for it elsewhere.
    let lost =
        ["fleet.0.memory=600", "timeline=[{at: 2m, do: crash_hosts, names: [host-0001]}]", "builds=[]"];
    breaks(&lost, "unplaced == 0", "unplaced_at_most at 10m: 1, expected at most 0");
    holds(&lost, "unplaced <= 1");
}

#[test]
fn some_wait_too_long() {
    let told = "delay_below at 10m: 99 in a hundred tasks waited for placement up to 159ms, expected less than 159ms";
    breaks(&[], "p99 placement < 159ms", told);
    holds(&[], "p99 placement < 160ms");
    let told =
        "delay_below at 10m: 50 in a hundred tasks waited for healthy up to 2760ms, expected less than 2s";
    breaks(&[], "p50 healthy < 2s", told);
    holds(&[], "p50 healthy < 3s");
}

#[test]
fn a_rollout_ends_otherwise() {
    let last = "main-web-001-2-0 on host-0003: not healthy within 1m: check 0: connection refused";
    let why = format!("2 of its tasks failed, the last was {last}");
    let (_, said) = expecting(&[], "rollout web-001 done");
    let said = said.ends(3).tells(&format!("  rollout at 10m: web-001: version 2 is given up: {why}"));
    assert!(said.the("rollout at ").ends_with("; expected: done"), "{}", said.out);
    let told = "rollout at 4m30s: web-001: version 2 is under way; expected: given up";
    breaks(&[], "rollout web-001 failed by 270s", told);
    holds(&[], "rollout web-001 failed by 8m");
    let told = "rollout at 10m: web-001: version 2 is done; expected: given up";
    breaks(&["builds=[]"], "rollout web-001 failed", told);
    let told = "version_at_end at 10m: main-web-001-1-2 runs at the end, expected version 2 only";
    breaks(&[], "version web-001 == 2", told);
    holds(&["builds=[]"], "version web-001 == 2");
}

#[test]
fn tasks_start_again_or_are_killed() {
    breaks(&[], "restarts <= 1", "restarts_at_most at 10m: 2, expected at most 1");
    holds(&[], "restarts <= 2");
    let leaks = ["builds=[{task: web-001, version: 1, leak_mib_per_minute: 2000}]", "timeline=[]"];
    let (_, said) = expecting(&leaks, "out_of_memory <= 3");
    let said = said.ends(3);
    let killed = said
        .the("out_of_memory_at_most at 10m: ")
        .strip_suffix(", expected at most 3")
        .map(str::parse::<u64>);
    assert!(matches!(killed, Some(Ok(4..))), "{}", said.out);
    holds(&[], "out_of_memory <= 0");
}

#[test]
fn a_drained_host_is_not_empty() {
    let told = "drained_by at 6m5s: main-web-001-1-1 lives on host-0002, which is drained";
    breaks(&[], "drained by 365s", told);
    holds(&[], "drained by 9m");
}

/// All that is broken is told, not only the first.
#[test]
fn each_of_several_is_judged() {
    let (_, said) = expecting(&[], "moves <= 0, min_healthy >= 1, restarts <= 0");
    let said = said.ends(3).concludes("0 passed, 1 failed");
    assert_eq!(said.after("moves_at_most at ").len(), 1, "{}", said.out);
    assert_eq!(said.after("restarts_at_most at ").len(), 1, "{}", said.out);
    said.hides("min_healthy at ");
}

/// What only the end can show is not judged when the run does not get there; what came before is.
#[test]
fn the_end_is_not_judged_before_it_comes() {
    let desk = Desk::with(&[("day.yml", BAD_DAY)]);
    let early =
        |expect: &str| desk.sim(&["run", "day.yml", "--until", "5m", "--set", &format!("expect=[{expect}]")]);
    early("rollout web-001 done, moves >= 100, unplaced == 0").ends(0).concludes("1 passed, 0 failed");
    let said =
        early("moves >= 100, healthy by 4s").ends(3).tells("healthy_by at 4s: ").hides("moves_at_least");
    let again = said.the("again: ");
    assert!(again.contains(" --until 5m"), "{again}");
    assert_eq!(desk.shown(again).ends(3).out, said.out, "the command shown ends as early");
}
