//! How an agent ends: with its tasks, or leaving them as they are.

use crate::stage::{Stage, task};
use callboard_core::agent::Input;
use callboard_core::machine::Machine;
use callboard_core::model::{Health, Phase};
use callboard_core::work::{Report, Run};

/// A task whose start was ordered, and of which nothing is heard.
fn starting() -> Stage {
    let mut stage = Stage::new();
    stage.run(5);
    stage.hung = true;
    stage.issue(&task("web-1", 20));
    stage.run(2);
    assert_eq!(stage.starts().len(), 1);
    stage
}

#[test]
fn what_is_being_started_as_an_agent_ends_in_order_is_not_to_blame() {
    let mut stage = starting();
    for attempt in 0..4 {
        stage.step(Input::Shutdown { keep: true });
        assert!(!stage.exited, "the store is to be told first");
        stage.run(1);
        assert!(stage.exited && !stage.store.entries.contains_key("hosts/h1/alive"));
        let said = stage.status("web-1").unwrap();
        assert_eq!((said.phase, said.left, said.blamed, said.attempt), (Phase::Starting, true, 0, attempt));
        stage.restart();
        stage.run(60);
        let said = stage.status("web-1").unwrap();
        assert_eq!((said.phase, said.left, said.blamed), (Phase::Starting, false, 0));
    }
}

#[test]
fn what_was_left_in_order_is_blamed_for_a_later_start_that_takes_the_agent_down() {
    let mut stage = starting();
    stage.step(Input::Shutdown { keep: true });
    stage.run(1);
    for blamed in [0, 1] {
        stage.restart();
        stage.run(60);
        let said = stage.status("web-1").unwrap();
        assert_eq!((said.phase, said.blamed), (Phase::Starting, blamed));
    }
}

/// The run of the only task.
fn run() -> Run {
    Run { id: "web-1".into(), generation: 20, attempt: 0 }
}

#[test]
fn what_has_just_been_started_as_an_agent_ends_is_said_to_run_and_not_to_blame() {
    let mut stage = starting();
    stage.step(Input::Work(Report::Started(run(), Ok(()))));
    stage.step(Input::Shutdown { keep: true });
    assert!(!stage.exited, "the store says that it is being started");
    stage.run(1);
    assert!(stage.exited);
    assert_eq!(stage.status("web-1").map(|said| (said.phase, said.left)), Some((Phase::Running, true)));
}

#[test]
fn what_becomes_of_a_start_while_an_agent_ends_is_for_the_next_to_decide() {
    let mut stage = starting();
    stage.step(Input::Shutdown { keep: true });
    stage.step(Input::Work(Report::Exited(run(), crate::stage::code(1))));
    stage.run(1);
    assert!(stage.exited);
    assert_eq!(stage.status("web-1").map(|said| (said.phase, said.left)), Some((Phase::Starting, true)));
}

#[test]
fn an_agent_that_cannot_say_what_it_leaves_ends_all_the_same() {
    let mut stage = starting();
    stage.store.down = true;
    stage.step(Input::Shutdown { keep: true });
    assert!(!stage.exited);
    stage.run(3);
    assert!(stage.exited);
    let mut stage = starting();
    stage.store.down = true;
    stage.step(Input::Shutdown { keep: true });
    assert!(!stage.exited, "asked once");
    stage.step(Input::Shutdown { keep: true });
    assert!(stage.exited, "asked twice");
}

#[test]
fn an_agent_that_leaves_its_tasks_ends_at_once() {
    let mut stage = Stage::with_task("web-1");
    stage.step(Input::Shutdown { keep: true });
    assert!(stage.exited);
    assert!(!stage.store.entries.contains_key("hosts/h1/alive"));
    assert_eq!((stage.live().len(), stage.stops()), (1, 0));
    assert!(stage.agent.wake_at().is_none());
    stage.restart();
    stage.run(10);
    assert_eq!((stage.live().len(), stage.starts().len()), (1, 1));
}

#[test]
fn an_agent_that_leaves_its_tasks_leaves_also_those_that_are_due_for_something() {
    let mut stage = Stage::with_task("web-1");
    // Checks, renewals and measurements are all overdue.
    stage.now += 60_000;
    stage.step(Input::Shutdown { keep: true });
    assert!(stage.exited);
    assert_eq!((stage.live().len(), stage.stops()), (1, 0));
}

#[test]
fn an_agent_that_takes_its_tasks_along_stops_them_first() {
    let mut stage = Stage::with_task("web-1");
    stage.serve(0, 5);
    stage.step(Input::Shutdown { keep: false });
    stage.run(10);
    assert!(stage.exited);
    assert!(stage.live().is_empty());
    let status = stage.status("web-1").unwrap();
    assert_eq!((status.phase, status.attempt), (Phase::Pending, 1));
    assert_eq!(status.reason.as_deref(), Some("agent was shut down"));
    stage.restart();
    stage.run(20);
    assert_eq!(stage.live().len(), 1);
    // The start that was told of may have been tried: another one has another number.
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 2)));
}

#[test]
fn an_agent_that_takes_its_tasks_along_waits_also_for_what_is_left_of_earlier_runs() {
    let mut stage = Stage::with_task("web-1");
    let earlier = stage.live()[0].clone();
    stage.exit("web-1", crate::stage::code(1));
    stage.run(10);
    // It was started after its end was reported, and the order to stop it is lost.
    stage.processes.get_mut(&earlier).unwrap().exit = None;
    stage.deaf = true;
    stage.step(Input::Work(Report::Started(earlier.clone(), Ok(()))));
    stage.run(1);
    stage.deaf = false;
    stage.step(Input::Shutdown { keep: false });
    stage.run(8);
    assert_eq!((stage.live(), stage.exited), (vec![earlier], false));
    stage.exit("web-1", crate::stage::code(1));
    stage.run(4);
    assert!(stage.exited);
}

#[test]
fn an_agent_whose_tasks_do_not_end_ends_all_the_same() {
    let mut stage = Stage::with_task("web-1");
    stage.deaf = true;
    stage.step(Input::Shutdown { keep: false });
    stage.run(60);
    assert!(stage.exited);
}
