//! Tasks run, come back when they end, and outlive the daemon.

use crate::files::{command, server};
use crate::instances::{Instance, holds, working_in};
use crate::show::{SOON, Show, until};
use std::collections::BTreeSet;
use std::time::Duration;

const HELLO: &str = "examples/hello-world.yml";

/// Nothing but what says that it runs, where, and in which process.
fn identities(instances: &[Instance]) -> Vec<(String, u64, u64, u16, Option<u32>)> {
    let identity = |one: &Instance| {
        let pid = one.process.as_ref().map(|process| process.pid);
        (one.id.clone(), one.generation, one.attempt, one.port, pid)
    };
    instances.iter().map(identity).collect()
}

#[test]
fn hello_world() {
    let mut show = Show::start(&[HELLO]);
    show.wait_healthy("helloworld", 4);
    let instances = show.instances();
    assert_eq!(instances.len(), 4);
    let ports: BTreeSet<u16> = instances.iter().map(|one| one.port).collect();
    assert_eq!(ports.len(), 4, "{instances:?}");
    assert!(ports.iter().all(|port| (show.ports.first + 1..=show.ports.last).contains(port)), "{ports:?}");
    for one in &instances {
        assert!(one.answers(), "{one:?}");
    }
    show.callboard(&["status"]).ends(0).tells("services  1: 1 healthy").tells("tasks     4: 4 healthy");
    show.callboard(&["services"]).ends(0).tells("4/4");
    show.interrupt();
    assert_eq!(working_in(&show.data_dir()), [], "Ctrl-C stops what it started");
    assert!(!instances.iter().any(Instance::answers));
}

#[test]
fn keep_leaves_tasks_to_the_next_start() {
    let mut show = Show::start(&["--keep", HELLO]);
    show.wait_healthy("helloworld", 4);
    let before = show.instances();
    show.interrupt();
    assert!(before.iter().all(Instance::answers), "they go on without a daemon");
    show.raise(&[HELLO]);
    show.wait_healthy("helloworld", 4);
    assert_eq!(identities(&show.instances()), identities(&before));
    show.interrupt();
    assert_eq!(working_in(&show.data_dir()), [], "adopted tasks are stopped like its own");
}

#[test]
fn a_killed_task_comes_back() {
    let show = Show::start(&[]);
    show.apply(&server(1, (2, 1, 3), "")).ends(0);
    let before = show.instances();
    let killed = before[0].process.clone().unwrap();
    killed.signal(rustix::process::Signal::KILL);
    let fresh = until("another process does its work", SOON, || {
        let one = show.instances().into_iter().find(|one| one.id == before[0].id)?;
        (one.attempt > before[0].attempt && one.state == "healthy" && one.answers()).then_some(one)
    });
    assert_eq!((fresh.generation, fresh.attempt), (before[0].generation, 1), "restarted in place");
    assert!(fresh.process.as_ref().is_some_and(|process| *process != killed));
    let events = show.events();
    let told = format!("{}: killed by signal 9, restarted in", fresh.id);
    assert!(events.iter().any(|event| event.starts_with(&told)), "{events:#?}");
    let other = &show.instances()[1];
    assert_eq!(other, &before[1], "the other one is left alone");
}

/// Reads the delay out of `exited with code 7, restarted in 412ms (2 of 3)`.
fn delay(event: &str) -> Option<u64> {
    let text = event.split_once("restarted in ")?.1.split(' ').next()?;
    match text.strip_suffix("ms") {
        Some(millis) => millis.parse().ok(),
        None => Some(text.strip_suffix('s')?.parse::<u64>().ok()? * 1000),
    }
}

#[test]
fn a_task_that_keeps_ending_is_given_up_with_a_reason() {
    let show = Show::start(&[]);
    let mut web = command(1, (1, 0, 1), "exit 7");
    web.restart = "{attempts: 3, delay: 400ms}";
    show.apply(&web).ends(3).complains("version 1 was given up").complains("exited with code 7");
    let events = show.events();
    let told = "default-web-1-0: exited with code 7, restarted in ";
    let delays: Vec<u64> =
        events.iter().filter(|event| event.starts_with(told)).filter_map(|event| delay(event)).collect();
    assert!(delays.len() >= 3, "{events:#?}");
    for (at, delay) in delays.iter().enumerate() {
        // Doubled from start to start, give or take a quarter.
        let full = 400 << (at % 3);
        assert!((full - full / 4..=full + full / 4).contains(delay), "{delays:?}");
    }
    let given_up = "default-web-1-0: given up: exited with code 7, 3 restarts did not help";
    assert!(events.iter().any(|event| event == given_up), "{events:#?}");
    show.callboard(&["explain", "web"])
        .ends(0)
        .tells("failed: 0 of 1 tasks healthy")
        .tells("version 1 was given up")
        .tells("exited with code 7, 3 restarts did not help");
    // It is tried again now and then, and meanwhile nobody need guess.
    holds("the reason stays", Duration::from_secs(4), || {
        let failure = show.service("web").map(|view| view["failure"].to_string());
        failure.is_some_and(|failure| failure.contains("3 restarts did not help"))
    });
}

#[test]
fn tasks_outlive_a_killed_daemon() {
    let mut show = Show::start(&[HELLO]);
    show.wait_healthy("helloworld", 4);
    let before = show.instances();
    assert!(before.iter().all(|one| one.process.is_some()));
    show.kill();
    holds("tasks answer without a daemon", Duration::from_secs(2), || before.iter().all(Instance::answers));
    show.raise(&[HELLO]);
    show.wait_healthy("helloworld", 4);
    assert_eq!(identities(&show.instances()), identities(&before));
    holds("the same processes go on", Duration::from_secs(3), || {
        identities(&show.instances()) == identities(&before)
    });
    assert!(before.iter().all(Instance::answers));
    let events = show.events();
    let moved = events.iter().find(|event| event.contains(" placed on ") || event.contains("restarted in"));
    assert_eq!(moved, None, "{events:#?}");
}

#[test]
fn a_directory_has_one_daemon() {
    let show = Show::start(&[]);
    let dir = show.data_dir();
    let dir = dir.to_str().unwrap();
    show.callboard(&["dev", "--data-dir", dir, "--bind", "127.0.0.1:0"])
        .ends(1)
        .complains(&format!("the data directory {dir} is in use by process "))
        .complains("--data-dir");
    assert_eq!(show.get("/v1/health").map(|(status, _)| status), Some(200), "the first one goes on");
}
