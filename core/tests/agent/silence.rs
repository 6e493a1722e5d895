//! What becomes of tasks while one of several executors cannot tell what it runs.

use crate::stage::{Stage, code, definition, settings, task};
use callboard_core::agent::{Input, Settings};
use callboard_core::machine::Span;
use callboard_core::model::{
    Container, Desired, Docker, Executor, Health, Phase, Registration, Task, TaskDefinition, Try,
};
use callboard_core::work::{Report, Run};

/// What an agent with two executors is told at its start.
fn of_both() -> Settings {
    let executors = vec!["bash".into(), "docker".into()];
    let registration = Registration { executors, ..settings().registration };
    Settings { registration, ..settings() }
}

/// A machine with two executors and a task in each.
fn shared() -> Stage {
    shared_by(of_both())
}

fn shared_by(settings: Settings) -> Stage {
    let mut stage = Stage::of(settings);
    stage.define(&docked());
    stage.issue(&task("web-1", 20));
    stage.issue(&ship("ship-1", 21));
    stage.run(10);
    assert_eq!((does_its_work(&stage, "web-1"), does_its_work(&stage, "ship-1")), (true, true));
    stage
}

/// The same, whose agent is started again while docker is silent.
fn silenced() -> Stage {
    let mut stage = shared();
    stage.silent.insert("docker".into());
    stage.restart();
    stage
}

fn docked() -> TaskDefinition {
    let docker = Executor::Docker(Docker { image: "ship".into(), ..Docker::default() });
    let container = Container { executor: docker, ..definition().containers.remove(0) };
    TaskDefinition { name: "ship".into(), containers: vec![container], ..definition() }
}

fn ship(id: &str, generation: u64) -> Task {
    Task { task_name: "ship".into(), ..task(id, generation) }
}

fn does_its_work(stage: &Stage, id: &str) -> bool {
    stage.said(id).is_some_and(|(phase, health, _)| (phase, health) == (Phase::Running, Health::Healthy))
}

#[test]
fn a_new_host_is_offered_only_with_what_its_executors_say() {
    let mut stage = Stage::of(settings());
    stage.executor_down = true;
    stage.run(5);
    let has = |stage: &Stage, key: &str| stage.store.entries.contains_key(&format!("hosts/h1/{key}"));
    assert_eq!(["alive", "registration", "usage"].map(|key| has(&stage, key)), [true, false, false]);
    stage.run(60);
    let usage = &stage.store.entries["hosts/h1/usage"].value;
    assert!(has(&stage, "registration") && usage.contains("executors cannot tell what runs"), "{usage}");
    stage.executor_down = false;
    stage.run(60);
    assert!(!stage.store.entries["hosts/h1/usage"].value.contains("unfit"));
}

#[test]
fn what_of_its_tasks_ended_meanwhile_leaves_the_registry_once_it_tells() {
    let settings = Settings { registry: true, ..of_both() };
    let mut stage = shared_by(settings.clone());
    let ended = Run { id: "ship-1".into(), generation: 21, attempt: 0 };
    stage.silent.insert("docker".into());
    stage.restart_as(settings);
    stage.exit("ship-1", code(1));
    stage.run(20);
    assert!(stage.registry.held.contains(&ended), "nobody knows that it has ended");
    stage.silent.clear();
    let begun = stage.now;
    while !does_its_work(&stage, "ship-1") || stage.said("ship-1").is_some_and(|said| said.2 == 0) {
        stage.run(1);
    }
    stage.run(2);
    assert!(stage.now - begun < 30_000, "this is not yet the usual listing");
    assert!(!stage.registry.held.contains(&ended), "{:?}", stage.registry.held);
}

#[test]
fn those_of_the_others_are_looked_after_and_its_own_left_alone() {
    let mut stage = silenced();
    stage.issue(&task("web-2", 22));
    stage.issue(&ship("ship-2", 23));
    stage.run(30);
    stage.exit("web-1", code(1));
    stage.run(300);
    assert!(does_its_work(&stage, "web-2") && does_its_work(&stage, "ship-1"), "{:?}", stage.notes);
    assert_eq!((stage.said("web-1").map(|said| said.2), stage.said("ship-2")), (Some(1), None));
    assert_eq!((stage.starts().len(), stage.stops()), (4, 0), "{:?}", stage.orders);
    let usage = &stage.store.entries["hosts/h1/usage"].value;
    assert!(usage.contains(r#""unfit_for":{"docker":"it cannot tell what runs: it is away"}"#), "{usage}");
    stage.silent.clear();
    stage.run(60);
    assert!(does_its_work(&stage, "ship-1") && does_its_work(&stage, "ship-2"), "{:?}", stage.notes);
    assert_eq!((stage.starts().len(), stage.stops(), stage.live().len()), (5, 0, 4));
    assert!(!stage.store.entries["hosts/h1/usage"].value.contains("unfit"));
}

#[test]
fn what_waited_to_be_started_again_is_started_without_it() {
    for is_found in [true, false] {
        let mut stage = shared();
        stage.broken.insert("web-1".into());
        stage.exit("web-1", code(1));
        stage.run(20);
        assert_eq!(stage.said("web-1").map(|said| said.0), Some(Phase::Pending));
        stage.broken.clear();
        stage.processes.retain(|run, _| is_found || &*run.id != "web-1");
        stage.silent.insert("docker".into());
        stage.restart();
        stage.run(60);
        assert!(does_its_work(&stage, "web-1"), "{is_found}: {:?}", stage.said("web-1"));
        assert_eq!((stage.live().len(), does_its_work(&stage, "ship-1")), (2, true));
    }
}

#[test]
fn what_it_learns_of_when_docker_is_silent_by_then_is_started_without_it() {
    let mut stage = shared();
    stage.processes.retain(|run, _| &*run.id != "web-1");
    stage.store.down = true;
    stage.restart();
    stage.run(20);
    stage.silent.insert("docker".into());
    stage.store.down = false;
    stage.run(60);
    assert!(does_its_work(&stage, "web-1"), "{:?}", stage.said("web-1"));
    assert_eq!((stage.live().len(), does_its_work(&stage, "ship-1")), (2, true));
}

#[test]
fn of_a_task_in_both_it_takes_both_to_tell() {
    let mut stage = shared();
    let parts = [("web", "a"), ("ship", "b")].map(|(name, part)| {
        let part_of = |definition: &TaskDefinition| definition.containers[0].clone();
        let container = if name == "web" { part_of(&definition()) } else { part_of(&docked()) };
        Container { name: part.into(), ..container }
    });
    stage.define(&TaskDefinition { name: "both".into(), containers: parts.into(), ..definition() });
    stage.issue(&Task { task_name: "both".into(), ..task("both-1", 22) });
    stage.run(10);
    assert!(does_its_work(&stage, "both-1"), "{:?}", stage.notes);
    stage.silent = ["docker".into()].into();
    stage.restart();
    stage.run(30);
    // Docker tells only of its own part of it, which has not ended.
    stage.silent = ["bash".into()].into();
    stage.run(120);
    assert_eq!((stage.stops(), does_its_work(&stage, "both-1")), (0, true), "{:?}", stage.notes);
    stage.silent.clear();
    stage.run(120);
    assert_eq!((stage.stops(), stage.starts().len(), stage.live().len()), (0, 3, 3));
    assert!(does_its_work(&stage, "both-1"), "{:?}", stage.notes);
}

#[test]
fn one_that_tells_again_is_heard_though_another_is_silent_by_then() {
    let mut stage = silenced();
    stage.issue(&ship("ship-2", 23));
    stage.run(30);
    assert_eq!(stage.said("ship-2"), None);
    stage.silent = ["bash".into()].into();
    stage.exit("ship-1", code(1));
    stage.run(120);
    assert!(does_its_work(&stage, "ship-2"), "{:?}", stage.notes);
    assert_eq!(stage.said("ship-1"), Some((Phase::Running, Health::Healthy, 1)));
    assert_eq!((stage.starts().len(), stage.stops(), does_its_work(&stage, "web-1")), (4, 0, true));
    stage.silent.clear();
    stage.run(60);
    assert_eq!((stage.starts().len(), stage.stops(), stage.live().len()), (4, 0, 3));
}

#[test]
fn what_was_said_of_the_others_tasks_is_taken_back_without_it() {
    let mut stage = shared();
    let words = ["hosts/h1/orphans/web-1", "status/h1/web-1"];
    let said = |stage: &Stage| words.map(|key| stage.store.entries.contains_key(key));
    stage.delete(&["state/tasks/h1/web-1"]);
    stage.run(60);
    stage.silent.insert("docker".into());
    stage.restart();
    stage.run(60);
    assert_eq!(said(&stage), [true, true], "{:?}", stage.notes);
    stage.issue(&Task { desired: Desired::Stop, tenure: 2, ..task("web-1", 20) });
    stage.run(60);
    assert_eq!((said(&stage), stage.live().len()), ([false, true], 1));
    stage.delete(&["state/tasks/h1/web-1", "state/tasks/h1/ship-1"]);
    stage.run(60);
    assert_eq!((said(&stage), does_its_work(&stage, "ship-1")), ([false, false], true));
}

#[test]
fn what_ended_with_it_is_forgotten_though_the_task_is_another_executors_by_now() {
    let mut stage = shared();
    stage.issue(&Task { desired: Desired::Stop, ..ship("ship-1", 21) });
    stage.run(20);
    stage.silent.insert("docker".into());
    stage.restart();
    stage.issue(&task("ship-1", 30));
    stage.run(60);
    assert!(does_its_work(&stage, "ship-1"), "{:?}", stage.notes);
    let left = |stage: &Stage| stage.processes.keys().filter(|run| run.generation == 21).count();
    assert_eq!(left(&stage), 1);
    stage.silent.clear();
    stage.run(60);
    assert_eq!((left(&stage), does_its_work(&stage, "ship-1")), (0, true));
}

#[test]
fn what_it_starts_late_is_its_to_stop_though_the_task_is_another_executors_by_now() {
    let mut stage = shared();
    let is_earlier = |run: &Run| run.generation == 21;
    let (run, process) = stage.processes.iter().find(|(run, _)| is_earlier(run)).expect("it runs");
    let (run, process) = (run.clone(), process.clone());
    stage.issue(&task("ship-1", 30));
    stage.run(20);
    assert!(does_its_work(&stage, "ship-1") && !stage.live().iter().any(is_earlier));
    stage.processes.insert(run.clone(), process);
    stage.later(1, Input::Work(Report::Started(run, Ok(()))));
    stage.run(5);
    assert!(does_its_work(&stage, "ship-1") && !stage.live().iter().any(is_earlier));
}

#[test]
fn what_its_tasks_came_to_meanwhile_is_told_when_it_is_known() {
    let mut stage = silenced();
    let once = Some(Try { time_limit: Some(Span::secs(3600)) });
    stage.silent.clear();
    stage.issue(&Task { once, ..ship("ship-2", 24) });
    stage.run(10);
    stage.silent.insert("docker".into());
    stage.restart();
    for (run, process) in &mut stage.processes {
        process.exit = (&*run.id == "ship-2").then(|| code(0));
    }
    stage.run(60);
    assert_eq!(stage.said("ship-2").map(|said| said.0), Some(Phase::Running));
    stage.silent.clear();
    stage.run(60);
    assert_eq!(stage.said("ship-2").map(|said| said.0), Some(Phase::Completed), "{:?}", stage.notes);
    assert_eq!(stage.starts().len(), 3);
}

#[test]
fn what_was_said_of_its_tasks_is_taken_back_when_nothing_of_them_is_left() {
    let mut stage = silenced();
    stage.delete(&["state/tasks/h1/ship-1"]);
    stage.issue(&Task { desired: Desired::Stop, tenure: 2, ..task("web-1", 20) });
    stage.run(120);
    assert_eq!(stage.said("web-1").map(|said| said.0), Some(Phase::Dead));
    assert!(does_its_work(&stage, "ship-1"));
    // It ended, and its executor has forgotten it.
    stage.processes.retain(|run, _| &*run.id != "ship-1");
    stage.silent.clear();
    stage.run(60);
    assert_eq!(stage.said("ship-1"), None);
}

#[test]
fn an_id_that_was_its_own_is_not_another_executors_yet() {
    let mut stage = silenced();
    stage.issue(&task("ship-1", 30));
    stage.run(120);
    assert_eq!(stage.starts().len(), 2);
    stage.silent.clear();
    stage.run(60);
    assert_eq!((stage.starts().len(), stage.live().len()), (3, 2), "{:?}", stage.live());
    assert!(does_its_work(&stage, "ship-1"));
}
