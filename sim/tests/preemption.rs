//! Who makes room for a task that has no place: on one machine that is full, for one that comes later.

use callboard_sim::{Options, read, run};

/// What is drawn up differently: what the late one needs, how important it is, whether it asks, and the `min` of the least
/// important.
#[derive(Clone, Copy)]
struct Late {
    memory: u32,
    priority: u32,
    asks: bool,
    min: u32,
}

const LATE: Late = Late { memory: 1024, priority: 30, asks: true, min: 0 };

/// Gives how many tasks of `low` (priority 20), `lower` (10) and the late one are healthy in the end.
fn check(late: Late, expect: [u32; 3]) {
    let Late { memory, priority, asks, min } = late;
    let task = |name: &str, memory: u32, priority: u32| {
        format!(
            "- {{name: {name}, version: 1, memory: {memory}, priority: {priority}, \
             containers: [{{name: c, type: bash, executor: {{start: [serve]}}}}]}}\n"
        )
    };
    let service = |name: &str, desired: u32, min: u32, more: &str| {
        format!(
            "- {{name: {name}, task_name: {name}, task_version: 1, desired: {desired}, min: {min}, \
             max: {}{more}}}\n",
            desired + 1
        )
    };
    let text = format!(
        "name: it\nduration: 8m\nsettle: 3m\nfleet: [{{count: 1, memory: 4096}}]\n\
         clusters: [{{name: default, services: [low, lower, late]}}]\nservices:\n{}{}{}task_definitions:\n{}{}{}\
         timeline: [{{at: 2m, do: set_service, service: late, stopped: false}}]\n",
        service("low", 2, 0, ""),
        service("lower", 2, min, ""),
        service("late", 1, 0, &format!(", stopped: true, preempt: {asks}")),
        task("low", 1024, 20),
        task("lower", 1024, 10),
        task("late", memory, priority),
    );
    let scenario = read("it.yml", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let outcome = run(&scenario, &Options::default());
    let healthy = |name: &str| outcome.stats.services.get(name).map_or(0, |service| service.healthy);
    assert!(outcome.passed, "{}", outcome.summary());
    assert_eq!(["low", "lower", "late"].map(healthy), expect, "{}", outcome.summary());
}

#[test]
fn the_least_important_makes_room() {
    check(LATE, [2, 1, 1]);
    check(Late { priority: 20, ..LATE }, [2, 1, 1]);
}

#[test]
fn as_many_as_it_needs_make_room() {
    check(Late { memory: 2048, ..LATE }, [2, 0, 1]);
    check(Late { memory: 3072, ..LATE }, [1, 0, 1]);
}

#[test]
fn what_min_keeps_stays() {
    check(Late { min: 1, ..LATE }, [2, 1, 1]);
    check(Late { min: 2, ..LATE }, [1, 2, 1]);
    check(Late { min: 2, priority: 20, ..LATE }, [2, 2, 0]);
}

#[test]
fn nobody_makes_room_in_vain() {
    check(Late { memory: 4097, ..LATE }, [2, 2, 0]);
    check(Late { memory: 4096, min: 1, ..LATE }, [2, 2, 0]);
}

#[test]
fn equals_and_who_does_not_ask_wait() {
    check(Late { priority: 10, ..LATE }, [2, 2, 0]);
    check(Late { asks: false, ..LATE }, [2, 2, 0]);
}
