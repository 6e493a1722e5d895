//! From an issued record to a healthy task, through its ends and restarts, to nothing.

use crate::stage::{Stage, code, definition, settings, task};
use callboard_core::agent::Settings;
use callboard_core::machine::Span;
use callboard_core::model::{Desired, Health, Phase, Probe, RestartPolicy, TaskDefinition};
use callboard_core::work::{Order, Run};
use std::collections::BTreeSet;
use std::sync::Arc;

#[test]
fn an_issued_task_is_started_checked_and_said_to_be_healthy() {
    let stage = Stage::with_task("web-1");
    assert_eq!(stage.live().len(), 1);
    assert!(stage.store.entries.contains_key("hosts/h1/registration"));
    assert!(stage.store.entries.contains_key("hosts/h1/usage"));
    let alive = &stage.store.entries["hosts/h1/alive"];
    assert_eq!(alive.session.as_ref().map(|id| id.0.clone()), stage.store.session());
}

#[test]
fn at_rest_nothing_is_written() {
    let mut stage = Stage::with_task("web-1");
    stage.run(120);
    let (commits, steps) = (stage.store.commits, stage.steps);
    stage.run(1200);
    assert_eq!(stage.store.commits, commits);
    // Measurements, checks and renewals, each with an answer, and little else.
    assert!(
        stage.steps - steps < 1200 / 5 * 2 + 1200 / 2 * 2 + 1200 / 3 * 2 + 300,
        "{}",
        stage.steps - steps
    );
}

#[test]
fn what_was_not_removed_is_removed_when_the_executors_are_looked_at_again() {
    let mut stage = Stage::with_task("web-1");
    stage.exit("web-1", code(1));
    stage.run(30);
    let runs: Vec<Run> = stage.processes.keys().cloned().collect();
    assert_eq!(runs.iter().map(|run| run.attempt).collect::<Vec<_>>(), [0, 1]);
    // Orders to remove were lost: of a task that is gone, and of an earlier placement.
    let gone = Run { id: "web-9".into(), generation: 1, attempt: 0 };
    let older = Run { generation: 1, ..runs[0].clone() };
    for run in [gone, older] {
        let mut process = stage.processes[&runs[0]].clone();
        let task = &mut Arc::make_mut(&mut process.spec).task;
        (task.id, task.generation) = (run.id.clone(), run.generation);
        stage.processes.insert(run, process);
    }
    stage.run(90);
    let left: Vec<&Run> = stage.processes.keys().collect();
    assert_eq!(left, runs.iter().collect::<Vec<_>>());
}

#[test]
fn a_task_that_ends_is_restarted_after_growing_delays_and_then_given_up() {
    let mut stage = Stage::with_task("web-1");
    for _ in 0..5 {
        stage.exit("web-1", code(1));
        stage.run(1);
        let status = stage.status("web-1").unwrap();
        assert!(status.phase <= Phase::Running);
        stage.run(80);
    }
    let starts = stage.starts();
    assert_eq!(starts.iter().map(|(_, attempt)| *attempt).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    stage.exit("web-1", code(1));
    stage.run(100);
    let status = stage.status("web-1").unwrap();
    assert_eq!((status.phase, status.attempt), (Phase::Failed, 5));
    assert_eq!(status.reason.as_deref(), Some("exited with code 1, 5 restarts did not help"));
    stage.run(600);
    assert_eq!(stage.starts().len(), 6);
}

#[test]
fn so_many_start_at_once_and_one_that_takes_long_holds_up_none_for_ever() {
    for (most, after_one_turn) in [(4, 8), (1, 2), (0, 2)] {
        let mut stage = Stage::of(Settings { starts: most, ..settings() });
        stage.run(5);
        // No start is answered.
        stage.executor_down = true;
        (0..10).for_each(|number| stage.issue(&task(&format!("web-{number}"), 20 + number)));
        stage.run(20);
        assert_eq!(stage.starts().len(), after_one_turn / 2, "{most}");
        let why = stage.status("web-9").unwrap().reason.unwrap();
        assert!(why.starts_with("waits for its turn"), "{why}");
        stage.run(20);
        assert_eq!(stage.starts().len(), after_one_turn, "{most}");
    }
    let mut stage = Stage::of(Settings { starts: 1, ..settings() });
    (0..10).for_each(|number| stage.issue(&task(&format!("web-{number}"), 20 + number)));
    stage.run(20);
    assert_eq!(stage.live().len(), 10, "each makes room for the next as soon as it is answered");
}

#[test]
fn delays_double() {
    let mut stage = Stage::new();
    stage.broken.insert("web-1".into());
    stage.issue(&task("web-1", 20));
    stage.run(100);
    let starts = stage.starts();
    let gaps: Vec<u64> = starts.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert_eq!(gaps.len(), 5);
    for (index, gap) in gaps.iter().enumerate() {
        let full = 1000 << index;
        assert!(*gap >= full * 3 / 4 && *gap <= full * 5 / 4 + 10, "{gaps:?}");
    }
    assert_eq!(stage.said("web-1"), Some((Phase::Failed, Health::Unhealthy, 5)));
    assert!(stage.status("web-1").unwrap().reason.unwrap().contains("no such image"));
}

#[test]
fn the_wait_for_a_restart_says_why() {
    let mut stage = Stage::with_task("web-1");
    stage.exit("web-1", code(7));
    stage.run(1);
    let reasons: Vec<String> = stage.notes.iter().map(ToString::to_string).collect();
    assert!(reasons.iter().any(|note| note.contains("exited with code 7, restarted in")), "{reasons:?}");
    assert!(reasons.iter().any(|note| note.contains("(1 of 5)")), "{reasons:?}");
}

#[test]
fn a_long_run_makes_earlier_failures_forgotten() {
    let mut stage = Stage::with_task("web-1");
    for _ in 0..12 {
        stage.exit("web-1", code(0));
        stage.run(400);
    }
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 12)));
    let starts = stage.starts();
    let last = starts.len() - 1;
    assert!(starts[last].0 - starts[last - 1].0 < 402_000);
}

#[test]
fn a_task_that_stays_unhealthy_is_restarted() {
    let mut stage = Stage::with_task("web-1");
    stage.ill.insert("web-1".into());
    stage.run(10);
    let status = stage.status("web-1").unwrap();
    assert_eq!((status.phase, status.health), (Phase::Running, Health::Unhealthy));
    assert_eq!(status.reason.as_deref(), Some("check up: refused"));
    stage.run(30);
    assert_eq!(stage.starts().len(), 2);
    stage.ill.clear();
    stage.run(10);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 1)));
    assert_eq!(stage.live().len(), 1);
}

#[test]
fn whoever_stood_still_asks_again_before_a_restart() {
    let mut stage = Stage::with_task("web-1");
    stage.ill.insert("web-1".into());
    stage.run(10);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Unhealthy, 0)));
    // While nothing is asked, it gets well.
    stage.ill.clear();
    stage.now += 3_600_000;
    stage.run(30);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 0)));
    assert_eq!((stage.starts().len(), stage.stops()), (1, 0));
}

#[test]
fn a_task_without_checks_is_healthy_while_it_runs() {
    let mut stage = Stage::new();
    stage.define(&TaskDefinition { checks: vec![], ..definition() });
    stage.issue(&task("web-1", 20));
    stage.run(2);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 0)));
}

#[test]
fn light_checks_of_tasks_that_work_are_made_together() {
    let mut stage = Stage::new();
    let (interval, timeout) = (Span::secs(10), Span::secs(1));
    let mut light = definition();
    light.checks[0].probe = Probe::Tcp { tcp: "127.0.0.1".into(), interval, timeout };
    stage.define(&light);
    for (id, generation) in [("web-1", 20), ("web-2", 21), ("web-3", 22)] {
        stage.issue(&task(id, generation));
        stage.run(3);
    }
    stage.run(20);
    stage.orders.clear();
    stage.run(30);
    let checks = stage.orders.iter().filter(|(_, order)| matches!(order, Order::Check { .. }));
    let at: Vec<u64> = checks.map(|(at, _)| *at).collect();
    let moments: BTreeSet<u64> = at.iter().copied().collect();
    assert_eq!((at.len(), moments.len()), (9, 3), "{at:?}");
}

#[test]
fn a_ttl_check_fails_in_silence() {
    let mut stage = Stage::new();
    let mut silent = definition();
    silent.checks[0].probe = Probe::Ttl { ttl: Span::secs(4) };
    stage.define(&silent);
    stage.issue(&task("web-1", 20));
    stage.run(3);
    let report = |stage: &Stage| callboard_core::work::Report::Checked {
        run: stage.live()[0].clone(),
        check: 0,
        result: Ok(()),
    };
    let now = report(&stage);
    stage.step(callboard_core::agent::Input::Work(now));
    stage.run(3);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 0)));
    stage.run(8);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Unhealthy, 0)));
}

#[test]
fn successes_count_only_in_a_row() {
    let mut stage = Stage::new();
    let mut strict = definition();
    (strict.checks[0].success_threshold, strict.checks[0].failure_threshold) = (2, 9);
    stage.define(&strict);
    stage.ill.insert("web-1".into());
    stage.issue(&task("web-1", 20));
    stage.run(3);
    // One check in each interval.
    for _ in 0..3 {
        stage.ill.clear();
        stage.run(2);
        stage.ill.insert("web-1".into());
        stage.run(2);
        assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Unknown, 0)));
    }
    stage.ill.clear();
    stage.run(4);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 0)));
}

#[test]
fn an_ordered_stop_ends_in_dead_and_then_in_nothing() {
    let mut stage = Stage::with_task("web-1");
    stage.issue(&callboard_core::model::Task { desired: Desired::Stop, ..task("web-1", 20) });
    stage.run(3);
    assert_eq!(stage.status("web-1").map(|status| status.phase), Some(Phase::Dead));
    assert_eq!(stage.processes.len(), 1, "its output is kept until its record is gone");
    stage.delete(&["state/tasks/h1/web-1"]);
    stage.run(3);
    assert_eq!(stage.status("web-1"), None);
    assert!(stage.processes.is_empty());
    assert_eq!(stage.agent.tasks().count(), 0);
}

#[test]
fn a_stop_of_what_was_never_started_is_dead_at_once() {
    let mut stage = Stage::new();
    stage.issue(&callboard_core::model::Task { desired: Desired::Stop, ..task("web-1", 20) });
    stage.run(2);
    assert_eq!(stage.status("web-1").map(|status| status.phase), Some(Phase::Dead));
    assert_eq!((stage.starts().len(), stage.stops()), (0, 0));
}

#[test]
fn a_stop_that_is_not_answered_is_repeated_and_said_to_be_stuck() {
    let mut stage = Stage::with_task("web-1");
    stage.deaf = true;
    stage.issue(&callboard_core::model::Task { desired: Desired::Stop, ..task("web-1", 20) });
    stage.run(60);
    let status = stage.status("web-1").unwrap();
    assert_eq!(status.phase, Phase::Stopping);
    assert!(status.reason.unwrap().starts_with("stuck: "));
    stage.deaf = false;
    stage.run(60);
    assert_eq!(stage.status("web-1").map(|status| status.phase), Some(Phase::Dead));
}

#[test]
fn a_newer_placement_waits_for_the_end_of_the_older_one() {
    let mut stage = Stage::with_task("web-1");
    stage.deaf = true;
    stage.issue(&task("web-1", 30));
    stage.run(20);
    assert_eq!(stage.live()[0].generation, 20);
    stage.deaf = false;
    stage.run(60);
    let live = stage.live();
    assert_eq!((live.len(), live[0].generation), (1, 30));
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 0)));
    assert_eq!(stage.status("web-1").map(|status| status.generation), Some(30));
}

#[test]
fn few_are_started_at_once_and_all_in_the_end() {
    let mut stage = Stage::new();
    for index in 0..40 {
        stage.issue(&task(&format!("web-{index}"), 20));
    }
    stage.run(20);
    assert_eq!(stage.live().len(), 40);
    // Each start takes a millisecond here.
    let starts = stage.starts();
    let at_once = starts.iter().map(|(at, _)| starts.iter().filter(|(other, _)| other == at).count());
    assert_eq!(at_once.max(), Some(4));
    assert!((0..40).all(|index| stage.said(&format!("web-{index}")).is_some()));
}

#[test]
fn a_missing_definition_is_waited_for() {
    let mut stage = Stage::new();
    let other = callboard_core::model::Task { version: 2, ..task("web-2", 20) };
    stage.define(&TaskDefinition { version: 20, ..definition() });
    stage.issue(&other);
    stage.run(5);
    let status = stage.status("web-2").unwrap();
    assert_eq!(status.phase, Phase::Pending);
    assert_eq!(status.reason.as_deref(), Some("there is no task definition web version 2"));
    stage.define(&TaskDefinition {
        version: 2,
        restart: RestartPolicy { attempts: 0, ..RestartPolicy::default() },
        ..definition()
    });
    stage.run(10);
    assert_eq!(stage.said("web-2"), Some((Phase::Running, Health::Healthy, 0)));
    stage.exit("web-2", code(1));
    stage.run(1);
    assert_eq!(stage.status("web-2").map(|status| status.phase), Some(Phase::Failed));
}

#[test]
fn a_check_that_hangs_until_the_next_one_is_due_restarts_its_task() {
    let mut stage = Stage::with_task("web-1");
    stage.run(20);
    // It is made every two seconds.
    stage.failing_takes = 2000;
    stage.ill.insert("web-1".to_string());
    stage.run(50);
    assert!(stage.stops() > 0, "{:?}", stage.notes);
    let told = |what: &str| stage.notes.iter().filter(|note| note.to_string().ends_with(what)).count();
    assert_eq!(told("web-1: healthy"), 1, "{:?}", stage.notes);
    assert!(told("not healthy: check up: refused") > 0, "{:?}", stage.notes);
}
