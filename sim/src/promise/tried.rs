//! What puts a promise to the test: where nothing of that came about in a run, its being kept shows little.
//!
//! **Invariant:** nothing here decides whether a run passed.

use crate::stats::Stats;

/// What is so in every run.
const ALWAYS: &[&str] = &["life: issued"];
/// What takes the store away.
const STORE_AWAY: &[&str] = &["store_outage", "store_read_only", "no_space", "no_quorum", "leader_change"];

/// The promises that a checker watches over, each with what puts it to the test: one of these faults, or one of these
/// points of [`crate::POINTS`].
const TESTS: &[(&str, &[&str])] = &[
    ("S1", &["answer: lock lost", "lock: lost"]),
    ("S2", &["lock: lost", "kill_schedulers"]),
    ("S3", ALWAYS),
    ("S4", ALWAYS),
    ("S5", ALWAYS),
    ("S6", &["answer: unknown"]),
    ("S7", &["answer: lock lost", "answer: conflict", "kill_schedulers"]),
    ("S8", ALWAYS),
    ("S9", &["blocked: memory", "scale", "stop: memory pressure"]),
    ("S10", ALWAYS),
    ("S11", &["blocked: draining", "blocked: not heard of", "blocked: lost"]),
    ("S12", &["blocked: max", "rollout: started"]),
    ("S13", &["life: issued again under its id"]),
    ("S14", &["stop: rollout", "stop: drain", "stop: memory pressure"]),
    ("S15", &["life: issued to be exclusive"]),
    ("S16", &["answer: watch ended", "answer: listing failed", "store: went back", "store: another one"]),
    ("S17", &["life: rewritten"]),
    ("S18", &["rollout: started"]),
    ("S19", &["corrupt_service", "write_junk"]),
    ("S20", &["kill_agents", "restart_agents"]),
    ("S21", &["kill_agents", "partition", "executor_lies", "empty_store"]),
    ("S22", &["kill_agents", "restart_agents", "crash_hosts"]),
    ("S23", &["host: loss braked"]),
    ("S24", &["build: kills its agent", "build: kills its machine"]),
    ("S25", &["task: restarted", "life: begins anew"]),
    ("S26", &["life: running to stopping"]),
    ("S27", &["life: running to dead", "life: running to failed", "life: begins anew"]),
    ("S28", &["registry_away", "registry_forgets"]),
    ("S29", &["fill_disks", "stall_memory", "executor_down", "engine_down"]),
    ("S31", ALWAYS),
    ("S33", &["corrupt_service", "write_junk", "halve_pair", "foreign_scheduler"]),
    ("S34", &["health: becomes unhealthy", "life: begins anew"]),
    ("S35", &["drain"]),
    ("S36", &["newer_records", "annotate_records"]),
    ("S37", &["stop: deleted"]),
    ("S39", ALWAYS),
    (
        "S40",
        &["blocked: memory", "blocked: max", "blocked: draining", "blocked: not heard of", "blocked: lost"],
    ),
    ("S41", &["stop: preempted"]),
    ("S43", ALWAYS),
    ("S44", ALWAYS),
    ("S45", ALWAYS),
    ("S46", ALWAYS),
    ("S47", &["rollout: failed"]),
    ("S48", &["stop: rollout"]),
    ("S49", &["stop: not healthy", "stop: failed"]),
    ("L1", ALWAYS),
    ("L2", ALWAYS),
    ("L3", &["lock: lost", "kill_schedulers", "pause_schedulers"]),
    ("L4", &["stop: host lost"]),
    ("L5", &["rollout: done", "rollout: failed"]),
    ("L6", &["drain"]),
    ("L7", &["stick_stops", "build: ignores TERM"]),
    ("L8", &["blocked: memory", "blocked: draining", "blocked: not heard of", "blocked: lost"]),
    ("L9", &["answer: watch ended", "deafen_watches", "lose_events"]),
    ("L10", &["stop: host lost"]),
    ("L11", &["stop: deleted"]),
    ("L12", &["life: first word pending", "life: first word starting"]),
    ("L13", &["task: restarted", "life: begins anew"]),
    ("L15", STORE_AWAY),
    ("L16", STORE_AWAY),
    ("L17", STORE_AWAY),
    ("L18", &["build: kills its agent", "build: kills its machine"]),
    ("L19", &["answer: unknown"]),
    ("L20", ALWAYS),
    ("L21", &["stop: preempted"]),
    ("L22", &["store_outage"]),
    ("L23", &["kill_agents", "restart_agents"]),
];

/// Names the promises that a run put to the test.
pub fn tried(stats: &Stats) -> impl Iterator<Item = &'static str> {
    let came = |what: &&str| stats.sometimes.count(what) > 0 || stats.faults.contains_key(what);
    TESTS.iter().filter(move |(_, tests)| tests.iter().any(came)).map(|(promise, _)| *promise)
}

#[cfg(test)]
mod tests {
    use super::TESTS;
    use crate::POINTS;
    use crate::promise::{PROMISES, Shown};
    use crate::scenario::TABLE;

    #[test]
    fn each_promise_that_is_checked_has_its_tests() {
        let checked = PROMISES.iter().filter(|promise| matches!(promise.shown, Shown::Checked(_)));
        let checked: Vec<&str> = checked.map(|promise| promise.number).collect();
        let tested: Vec<&str> = TESTS.iter().map(|(promise, _)| *promise).collect();
        assert_eq!(checked, tested);
    }

    #[test]
    fn each_test_is_something_that_can_come_about() {
        for what in TESTS.iter().flat_map(|(_, tests)| *tests) {
            let is_fault = TABLE.iter().any(|row| row.name == *what) || what.starts_with("build: ");
            assert!(POINTS.contains(what) || is_fault, "{what}");
        }
    }
}
