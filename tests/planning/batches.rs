//! Services that run to their end.

use callboard_core::machine::Span;
use callboard_core::model::Rollout;
use serde_json::json;
use stage::{Act, Stage};

/// A batch service `sum` on so many hosts, with these fields.
fn sum(hosts: u32, fields: &serde_json::Value) -> Stage {
    let mut stage = Stage::new(hosts);
    (1..=2).for_each(|version| stage.definition("app", version, 256));
    stage.of_kind("sum", 1, fields);
    stage.cluster("default", &["sum"]);
    stage.run(Span::secs(5));
    stage
}

/// Gives how many were counted, and how far the service is.
fn counted(stage: &Stage) -> (u32, Rollout) {
    let state = &stage.scheduler.world().service_states["sum"];
    (state.completed.unwrap_or_default(), state.rollout.clone())
}

/// Lets what runs now end so.
fn end_all(stage: &mut Stage, act: Act) {
    for task in stage.running("sum") {
        stage.act_at.insert(task.generation, act);
    }
    stage.run(Span::secs(5));
}

#[test]
fn as_many_complete_as_shall_a_few_at_a_time() {
    let mut stage = sum(3, &json!({"kind": "batch", "completions": 5, "parallelism": 2}));
    for (running, before) in [(2, 0), (2, 2), (1, 4)] {
        assert_eq!((stage.running("sum").len(), counted(&stage)), (running, (before, Rollout::Running)));
        end_all(&mut stage, Act::Completed);
    }
    assert_eq!((stage.tasks().len(), counted(&stage)), (0, (5, Rollout::Done)));
    assert_eq!(stage.most["sum"], 2);
    stage.run(Span::secs(3600));
    assert_eq!((stage.tasks().len(), counted(&stage)), (0, (5, Rollout::Done)));
    assert!(stage.notes.iter().any(|note| note == "sum: finished, 5 tasks completed"));
    // Another version, and a user who asks for it, begin it anew.
    stage.of_kind("sum", 2, &json!({"kind": "batch"}));
    stage.run(Span::secs(5));
    assert_eq!((stage.running("sum").len(), counted(&stage)), (1, (0, Rollout::Running)));
    end_all(&mut stage, Act::Completed);
    stage.of_kind("sum", 2, &json!({"kind": "batch", "retry": 1}));
    stage.run(Span::secs(5));
    assert_eq!((stage.running("sum").len(), counted(&stage)), (1, (0, Rollout::Running)));
}

#[test]
fn too_many_failed_tries_fail_it_and_another_go_keeps_what_is_done() {
    let fields = json!({"kind": "batch", "completions": 2, "retries": 1});
    let mut stage = sum(4, &fields);
    end_all(&mut stage, Act::Completed);
    end_all(&mut stage, Act::Failed);
    assert_eq!((stage.running("sum").len(), counted(&stage)), (1, (1, Rollout::Running)));
    end_all(&mut stage, Act::Failed);
    let (completed, rollout) = counted(&stage);
    assert!(
        matches!(&rollout, Rollout::Failed { reason } if reason.contains("exited with code 1")),
        "{rollout:?}"
    );
    assert_eq!((stage.tasks().len(), completed), (0, 1));
    let mut again = fields;
    again["retry"] = 1.into();
    stage.of_kind("sum", 1, &again);
    stage.run(Span::secs(5));
    assert_eq!((stage.running("sum").len(), counted(&stage)), (1, (1, Rollout::Running)));
    end_all(&mut stage, Act::Completed);
    assert_eq!(counted(&stage), (2, Rollout::Done));
}

#[test]
fn what_is_interrupted_runs_again_and_is_no_failed_try() {
    let mut stage = sum(2, &json!({"kind": "batch", "retries": 0}));
    let first = stage.running("sum").remove(0);
    stage.silence(&first.host);
    stage.run(Span::secs(60));
    let second = stage.running("sum").remove(0);
    assert_ne!(second.host, first.host);
    stage.wake_up(&first.host);
    stage.run(Span::secs(10));
    stage.drain(&second.host, true);
    stage.run(Span::secs(10));
    assert_eq!(stage.running("sum").remove(0).host, first.host);
    end_all(&mut stage, Act::Completed);
    assert_eq!(counted(&stage), (1, Rollout::Done));
}

#[test]
fn what_was_told_to_stop_on_a_host_that_is_lost_then_is_not_waited_for() {
    let mut stage = sum(2, &json!({"kind": "batch"}));
    let first = stage.running("sum").remove(0);
    stage.act_at.insert(first.generation, Act::Stuck);
    stage.drain(&first.host, true);
    stage.run(Span::secs(10));
    assert_eq!(stage.running("sum"), []);
    stage.silence(&first.host);
    stage.run(Span::secs(10));
    assert_eq!(stage.running("sum"), []);
    stage.run(Span::secs(60));
    assert_ne!(stage.running("sum").remove(0).host, first.host);
}

#[test]
fn what_had_just_completed_counts_where_the_service_moves() {
    let mut stage = sum(2, &json!({"kind": "batch", "completions": 3, "parallelism": 2}));
    for task in stage.running("sum") {
        stage.act_at.insert(task.generation, Act::Completed);
    }
    stage.cluster("default", &[]);
    stage.cluster("other", &["sum"]);
    stage.run(Span::secs(10));
    assert_eq!(
        (stage.running("sum").len(), counted(&stage)),
        (1, (2, Rollout::Running)),
        "{:#?}",
        stage.notes
    );
    stage.cluster("other", &[]);
    stage.run(Span::secs(10));
    assert!(stage.tasks().is_empty(), "{:#?}", stage.notes);
    stage.cluster("default", &["sum"]);
    stage.run(Span::secs(10));
    assert_eq!((stage.running("sum").len(), counted(&stage)), (2, (0, Rollout::Running)), "it was deleted");
}
