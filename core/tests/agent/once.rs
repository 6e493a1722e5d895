//! Tasks that run to their end once.

use super::stage::{Stage, code, task};
use callboard_core::machine::Span;
use callboard_core::model::{Desired, Health, Phase, Task, Try};
use callboard_core::work::Exit;

fn once(time_limit: Option<Span>) -> Task {
    Task { once: Some(Try { time_limit }), ..task("web-1", 20) }
}

#[test]
fn how_it_ends_is_how_it_counts() {
    let killed = Exit { code: None, signal: Some(9), out_of_memory: false };
    let hungry = Exit { code: None, signal: Some(9), out_of_memory: true };
    let table = [
        (code(0), Phase::Completed, None),
        (code(3), Phase::Failed, Some("exited with code 3")),
        (killed, Phase::Failed, Some("killed by signal 9")),
        (hungry, Phase::Failed, Some("killed for its memory")),
    ];
    for (exit, phase, reason) in table {
        let mut stage = Stage::new();
        stage.issue(&once(None));
        stage.run(10);
        stage.exit("web-1", exit);
        stage.run(600);
        let status = stage.status("web-1").expect("its end is told");
        assert_eq!((status.phase, status.attempt, status.reason.as_deref()), (phase, 0, reason));
        assert_eq!(stage.starts().len(), 1, "{phase:?}");
    }
}

#[test]
fn one_of_which_nobody_saw_the_end_is_started_again() {
    let mut stage = Stage::new();
    stage.issue(&once(None));
    stage.run(10);
    stage.exit("web-1", Exit { code: None, signal: None, out_of_memory: false });
    stage.run(60);
    assert_eq!(
        stage.said("web-1").map(|(phase, health, _)| (phase, health)),
        Some((Phase::Running, Health::Healthy))
    );
    assert_eq!(stage.starts().len(), 2);
}

#[test]
fn one_that_takes_too_long_is_stopped_and_has_failed() {
    let mut stage = Stage::new();
    stage.issue(&once(Some(Span::secs(30))));
    stage.run(25);
    assert_eq!(stage.said("web-1").map(|(phase, ..)| phase), Some(Phase::Running));
    stage.run(60);
    let status = stage.status("web-1").expect("its end is told");
    let why = "ran for longer than its time limit of 30s";
    assert_eq!((status.phase, status.reason.as_deref()), (Phase::Failed, Some(why)));
}

#[test]
fn its_time_goes_on_while_its_agent_is_started_again() {
    let mut stage = Stage::new();
    stage.issue(&once(Some(Span::secs(30))));
    stage.run(20);
    stage.restart();
    stage.run(5);
    assert_eq!(stage.said("web-1").map(|(phase, ..)| phase), Some(Phase::Running));
    stage.run(15);
    assert_eq!(stage.said("web-1").map(|(phase, ..)| phase), Some(Phase::Failed));
    assert_eq!(stage.starts().len(), 1);
}

#[test]
fn one_that_completes_before_an_order_to_stop_reaches_it_has_completed() {
    let mut stage = Stage::new();
    stage.issue(&once(None));
    stage.run(10);
    stage.deaf = true;
    stage.issue(&Task { desired: Desired::Stop, ..once(None) });
    stage.run(5);
    assert_eq!(stage.said("web-1").map(|(phase, ..)| phase), Some(Phase::Stopping));
    stage.exit("web-1", code(0));
    stage.run(5);
    assert_eq!(stage.said("web-1").map(|(phase, ..)| phase), Some(Phase::Completed));
}
