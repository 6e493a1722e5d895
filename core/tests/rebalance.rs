//! Which moves are proposed, on small fleets: how the tasks of one service lie, and what would lie better.

use callboard_core::keys::Key;
use callboard_core::rebalance::{Budget, rebalance};
use callboard_core::store::{Entry, Revision};
use callboard_core::world::World;
use serde_json::{Value, json};
use std::sync::Arc;

/// Hosts of 10 units of memory each, `lie` tasks of one on each of them.
fn world(policy: &str, lie: &[u64], max: usize) -> World {
    let tasks = usize::try_from(lie.iter().sum::<u64>()).expect("few");
    let mut records: Vec<(Key, Value)> = vec![
        (Key::Cluster("main".into()), json!({"name": "main", "services": ["web"], "policy": policy})),
        (
            Key::Service("web".into()),
            json!({"name": "web", "task_name": "web", "task_version": 1, "desired": tasks, "min": 0, "max": max}),
        ),
        (
            Key::Definition("web".into(), 1),
            json!({"name": "web", "version": 1, "memory": 1,
                "containers": [{"name": "c", "type": "bash", "executor": {"start": ["x"]}}]}),
        ),
        (
            Key::ServiceState("web".into()),
            json!({"service": "web", "cluster": "main", "available": tasks, "min": 0, "version": 1, "stable": 1,
                "rollout": {"state": "done"}}),
        ),
    ];
    let mut instance = 0;
    for (number, count) in lie.iter().enumerate() {
        let host = format!("h{number}");
        let name = || host.as_str().into();
        records.push((
            Key::Registration(name()),
            json!({"host": host, "address": "a", "memory": 10, "cpu_units": 1000, "executors": ["bash"],
                "ports": {"first": 1, "last": 9}, "agent_version": "test"}),
        ));
        records.push((Key::Alive(name()), json!({"host": host, "boot_id": "b", "agent_id": "a"})));
        records.push((Key::Ledger(name()), json!({"clusters": {"main": {"memory": count}}})));
        for _ in 0..*count {
            let id = format!("main-web-1-{instance}");
            let task = json!({"id": id, "cluster": "main", "service": "web", "task_name": "web", "version": 1,
                "instance": instance, "generation": instance + 1, "host": host, "memory": 1, "desired": "run",
                "reason": "", "tenure": 1});
            let status = json!({"id": id, "generation": instance + 1, "attempt": 0, "phase": "running",
                "health": "healthy"});
            records.push((Key::Status(name(), id.as_str().into()), status));
            records.push((Key::HostTask(name(), id.as_str().into()), task.clone()));
            records.push((Key::Task(id.as_str().into()), task));
            instance += 1;
        }
    }
    let entry = |(key, value): &(Key, Value)| Entry {
        key: key.path(),
        value: value.to_string(),
        revision: Revision(1),
        session: None,
    };
    let entries: Vec<Arc<Entry>> = records.iter().map(entry).map(Arc::new).collect();
    World::of(&entries)
}

fn check(policy: &str, lie: &[u64], (moves, gain): (u32, u32), expect: &[&str]) {
    let world = world(policy, lie, 90);
    let plan = rebalance(&world, Budget { moves, gain });
    let told: Vec<String> =
        plan.moves.iter().map(|one| format!("{} to {}, {} %", one.from, one.to, one.gain)).collect();
    assert_eq!(told, expect, "{policy} {lie:?}");
    let keys: std::collections::BTreeSet<String> =
        plan.moves.iter().flat_map(|one| one.rests_on()).map(|key| key.path()).collect();
    assert!(plan.rests_on.keys().eq(keys.iter()), "{:?}", plan.rests_on);
    assert!(plan.rests_on.values().all(|revision| *revision == Some(Revision(1))));
}

#[test]
fn a_spread_becomes_even_and_no_more_than_that() {
    check("spread", &[4, 0], (9, 1), &["h0 to h1, 75 %", "h0 to h1, 33 %"]);
    check("spread", &[3, 3, 0], (9, 1), &["h1 to h2, 66 %", "h0 to h2, 33 %"]);
    check("spread", &[2, 2, 1], (9, 1), &[]);
    check("spread", &[1, 0], (9, 1), &[]);
}

#[test]
fn no_more_than_the_budget_and_nothing_that_gains_too_little() {
    check("spread", &[4, 0], (1, 1), &["h0 to h1, 75 %"]);
    check("spread", &[4, 0], (9, 40), &["h0 to h1, 75 %"]);
    check("spread", &[4, 0], (9, 80), &[]);
}

#[test]
fn what_is_packed_empties_hosts() {
    check("binpack", &[5, 1], (9, 20), &["h1 to h0, 100 %"]);
    check("binpack", &[5, 2, 1], (9, 40), &["h2 to h0, 100 %", "h1 to h0, 50 %", "h1 to h0, 50 %"]);
    check("binpack", &[9, 2], (9, 20), &[]);
    check("binpack", &[5, 3], (2, 20), &[]);
    check("binpack", &[5], (9, 20), &[]);
}

#[test]
fn turns_have_no_aim_that_could_be_missed() {
    check("round_robin", &[4, 0], (9, 1), &[]);
}

#[test]
fn nothing_moves_where_there_may_not_be_one_more() {
    let plan = rebalance(&world("spread", &[4, 0], 4), Budget { moves: 9, gain: 1 });
    assert_eq!(plan.moves, []);
}
