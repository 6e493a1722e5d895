//! What the registry says of the tasks on a host, and what it says of their health.

use crate::stage::{Stage, code, definition, settings, task};
use callboard_core::agent::{Input, Settings};
use callboard_core::machine::Span;
use callboard_core::model::{Desired, Health, Phase, Probe, Task, TaskDefinition};
use callboard_core::registry::Request;
use callboard_core::work::{Order, Report, Run};

fn with_registry() -> Stage {
    let mut stage = Stage::of(Settings { registry: true, ..settings() });
    stage.issue(&task("web-1", 20));
    stage.run(5);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 0)), "{:?}", stage.notes);
    stage
}

fn run(attempt: u32) -> Run {
    Run { id: "web-1".into(), generation: 20, attempt }
}

fn held(stage: &Stage) -> Vec<Run> {
    stage.registry.held.iter().cloned().collect()
}

fn order_to_stop(stage: &mut Stage) {
    stage.issue(&Task { desired: Desired::Stop, ..task("web-1", 20) });
}

/// When something was asked of the registry, and when it was ordered to stop.
fn parting(stage: &Stage) -> (u64, u64) {
    let out = stage.registry.requests.iter().find(|(_, asked)| matches!(asked, Request::Deregister(_)));
    let stop = stage.orders.iter().find(|(_, order)| matches!(order, Order::Stop { .. }));
    (out.expect("it is taken out").0, stop.expect("it is stopped").0)
}

fn notes(stage: &Stage, words: &str) -> usize {
    stage.notes.iter().filter(|note| note.to_string().contains(words)).count()
}

#[test]
fn what_runs_is_entered_and_taken_out_before_it_is_stopped() {
    let mut stage = with_registry();
    assert_eq!(held(&stage), [run(0)]);
    order_to_stop(&mut stage);
    stage.run(3);
    assert_eq!(stage.status("web-1").map(|status| status.phase), Some(Phase::Dead));
    assert!(held(&stage).is_empty());
    let (out, stop) = parting(&stage);
    assert!(out < stop && stop < out + 100, "{out} {stop}");
}

#[test]
fn without_a_registry_nothing_is_asked() {
    let mut stage = Stage::with_task("web-1");
    order_to_stop(&mut stage);
    stage.run(200);
    assert!(stage.registry.requests.is_empty());
}

#[test]
fn an_earlier_start_is_taken_out_and_the_next_one_entered() {
    let mut stage = with_registry();
    stage.exit("web-1", code(1));
    stage.run(20);
    assert_eq!(held(&stage), [run(1)]);
    assert_eq!(stage.live(), [run(1)]);
}

#[test]
fn a_registry_that_is_silent_holds_up_a_stop_for_a_moment_only() {
    let mut stage = with_registry();
    stage.registry.away = true;
    order_to_stop(&mut stage);
    stage.run(10);
    assert_eq!(stage.status("web-1").map(|status| status.phase), Some(Phase::Dead));
    let (out, stop) = parting(&stage);
    assert_eq!(stop - out, 2000);
    assert_eq!(notes(&stage, "stopped though the registry did not let go of it within 2s"), 1);
    stage.registry.away = false;
    stage.run(15);
    assert!(held(&stage).is_empty());
    assert_eq!(stage.stops(), 1);
}

#[test]
fn a_registry_that_refuses_stops_nothing_and_is_asked_ever_more_slowly() {
    let mut stage = Stage::of(Settings { registry: true, ..settings() });
    stage.registry.refuses = Some("no leader".into());
    stage.issue(&task("web-1", 20));
    stage.run(300);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 0)));
    assert_eq!((stage.starts().len(), stage.stops()), (1, 0));
    assert_eq!(notes(&stage, "not registered: no leader"), 1);
    assert_eq!(notes(&stage, "the registry cannot tell what it holds: no leader"), 1);
    let enters = |(_, asked): &&(u64, Request)| matches!(asked, Request::Register(_));
    let asked = stage.registry.requests.iter().filter(enters).count();
    assert!(asked > 10 && asked < 40, "{asked}");
    stage.registry.refuses = None;
    stage.run(20);
    assert_eq!(held(&stage), [run(0)]);
}

#[test]
fn a_registry_that_forgot_is_told_again() {
    let mut stage = with_registry();
    stage.registry.held.clear();
    stage.run(62);
    assert_eq!(held(&stage), [run(0)]);
}

#[test]
fn what_an_earlier_agent_left_behind_is_taken_out() {
    let mut stage = with_registry();
    let gone = Run { id: "web-7".into(), generation: 3, attempt: 1 };
    stage.registry.held.insert(gone);
    stage.processes.values_mut().for_each(|process| process.exit = Some(code(1)));
    stage.restart();
    stage.run(20);
    assert_eq!(held(&stage), [run(1)]);
}

#[test]
fn what_runs_on_stays_entered_while_agents_come_and_go() {
    let mut stage = with_registry();
    stage.step(Input::Shutdown { keep: true });
    assert!(stage.exited);
    stage.restart();
    stage.run(5);
    assert_eq!(held(&stage), [run(0)]);
    assert_eq!(stage.stops(), 0);
    let out = |(_, asked): &(u64, Request)| matches!(asked, Request::Deregister(_));
    assert!(!stage.registry.requests.iter().any(out));
}

#[test]
fn what_is_stopped_at_the_end_is_taken_out_first() {
    let mut stage = with_registry();
    stage.step(Input::Shutdown { keep: false });
    stage.run(20);
    assert!(stage.exited && held(&stage).is_empty() && stage.live().is_empty());
    let (out, stop) = parting(&stage);
    assert!(out < stop);
}

/// A registry whose verdicts count for an http check; a probe by the agent itself fails.
fn with_http() -> Stage {
    let mut stage = Stage::of(Settings { registry: true, ..settings() });
    let mut http = definition();
    http.checks[0].probe = Probe::Http {
        http: "http://127.0.0.1:1/".into(),
        header: std::collections::BTreeMap::new(),
        interval: Span::secs(2),
        timeout: Span::secs(1),
    };
    http.checks[0].failure_threshold = 3;
    http.checks[0].success_threshold = 3;
    stage.define(&TaskDefinition { version: 1, ..http });
    stage.issue(&task("web-1", 20));
    stage
}

#[test]
fn the_first_verdict_of_a_start_is_counted_and_later_ones_are_believed_at_once() {
    let mut stage = with_http();
    stage.registry.verdicts.insert(0, Ok(()));
    stage.run(4);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Unknown, 0)));
    stage.run(3);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 0)));
    stage.registry.verdicts.insert(0, Err("refused".into()));
    stage.run(3);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Unhealthy, 0)));
    assert_eq!(stage.status("web-1").unwrap().reason.as_deref(), Some("check up: refused"));
    assert!(!stage.orders.iter().any(|(_, order)| matches!(order, Order::Check { .. })));
}

#[test]
fn while_the_registry_has_no_verdict_the_agent_makes_the_check_and_counts() {
    let mut stage = with_http();
    stage.run(4);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Unknown, 0)));
    stage.run(3);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 0)));
}

#[test]
fn a_registry_that_is_silent_restarts_nothing() {
    let mut stage = with_http();
    stage.registry.verdicts.insert(0, Ok(()));
    stage.run(10);
    stage.registry.away = true;
    stage.run(2000);
    assert_eq!((stage.starts().len(), stage.stops()), (1, 0));
    stage.registry.away = false;
    stage.run(20);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 0)));
}

#[test]
fn what_the_agent_checks_itself_is_shown_as_it_is_believed() {
    let mut stage = with_registry();
    assert_eq!(stage.registry.told[&0], Ok(()));
    stage.ill.insert("web-1".into());
    stage.run(2);
    assert_eq!(stage.registry.told[&0], Ok(()), "one failure is not believed yet");
    stage.run(3);
    assert_eq!(stage.registry.told[&0], Err("check up: refused".into()));
}

#[test]
fn the_silence_of_a_task_is_shown() {
    let mut stage = Stage::of(Settings { registry: true, ..settings() });
    let mut silent = definition();
    silent.checks[0].probe = Probe::Ttl { ttl: Span::secs(4) };
    stage.define(&silent);
    stage.issue(&task("web-1", 20));
    stage.run(3);
    stage.step(Input::Work(Report::Checked { run: run(0), check: 0, result: Ok(()) }));
    stage.run(1);
    assert_eq!(stage.registry.told[&0], Ok(()));
    stage.run(10);
    assert_eq!(stage.registry.told[&0], Err("check up: no report for 4s".into()));
}
