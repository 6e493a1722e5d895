//! Rollouts of builds that waver, fail, or are overtaken.

use super::{versions, web};
use callboard_core::keys::Key;
use callboard_core::machine::Span;
use callboard_core::model::{Health, Name, Phase, Status};
use stage::{Act, Stage};

fn roll(stage: &mut Stage, version: u32) {
    stage.definition("app", version, 256);
    stage.service("web", version, (4, 2, 5));
}

#[test]
fn an_old_task_goes_when_a_new_one_has_been_healthy_for_long_enough() {
    let mut stage = web(4, (4, 2, 5));
    roll(&mut stage, 2);
    stage.run(Span::secs(8));
    assert_eq!(versions(&stage), [(1, 4), (2, 1)].into(), "{:#?}", stage.notes);
    stage.run(Span::secs(60));
    assert_eq!(versions(&stage), [(2, 4)].into(), "{:#?}", stage.notes);
}

#[test]
fn a_build_that_wavers_has_no_more_time_than_others() {
    let mut stage = web(4, (4, 2, 5));
    roll(&mut stage, 2);
    for _ in 0..20 {
        for act in [Act::Healthy, Act::Unhealthy] {
            stage.acts.insert(2, act);
            stage.run(Span::secs(3));
        }
    }
    assert!(stage.notes.iter().any(|note| note.contains("not healthy within")), "{:#?}", stage.notes);
}

#[test]
fn what_worked_is_not_forgotten_when_one_rollout_overtakes_another() {
    let mut stage = web(4, (4, 2, 5));
    stage.acts.extend([(2, Act::Unhealthy), (3, Act::Failed)]);
    roll(&mut stage, 2);
    stage.run(Span::secs(5));
    roll(&mut stage, 3);
    stage.run(Span::secs(600));
    assert_eq!(versions(&stage), [(1, 4)].into(), "{:#?}", stage.notes);
    assert!(stage.notes.iter().any(|note| note.starts_with("web: version 3 is not rolled out")));
}

#[test]
fn a_hopeless_build_is_not_tried_on_host_after_host() {
    let mut stage = Stage::new(10);
    stage.acts.insert(1, Act::Failed);
    roll(&mut stage, 1);
    stage.cluster("default", &["web"]);
    stage.run(Span::secs(1200));
    stage.notes.clear();
    stage.run(Span::secs(3600));
    let tries = stage.notes.iter().filter(|note| note.contains(" placed on ")).count();
    assert!((6..=24).contains(&tries), "{tries} in an hour");
}

#[test]
fn of_what_is_lost_none_is_replaced_that_is_too_many() {
    let mut stage = web(6, (7, 0, 8));
    ["h0000", "h0001"].iter().for_each(|host| stage.silence_if_alive(host));
    stage.run(Span::secs(30));
    stage.definition("app", 2, 256);
    stage.service("web", 2, (1, 0, 2));
    stage.run(Span::secs(600));
    assert_eq!(versions(&stage), [(2, 1)].into(), "{:#?}", stage.notes);
}

/// Tells what is said of a version whose starts are under way on two hosts, of which one is lost after the other.
fn lost_while_starting(left: bool) -> Vec<String> {
    let mut stage = web(8, (4, 2, 5));
    stage.acts.insert(2, Act::Ignore);
    roll(&mut stage, 2);
    for _ in 0..2 {
        stage.run(Span::secs(5));
        let mut new = stage.running("web").into_iter().filter(|task| task.version == 2);
        let task = new.find(|task| stage.status(task).is_none()).expect("it is being started");
        let status = Status {
            id: task.id.clone(),
            generation: task.generation,
            attempt: 0,
            failures: 0,
            blamed: 0,
            left,
            phase: Phase::Starting,
            health: Health::Unknown,
            reason: None,
        };
        stage.write(&Key::Status(task.host.clone(), task.id), &status);
        stage.silence(&task.host);
        stage.run(Span::secs(60));
    }
    stage.notes.iter().filter(|note| note.contains("quarantined")).cloned().collect()
}

#[test]
fn a_host_whose_agent_ended_in_order_was_not_taken_down() {
    assert_ne!(lost_while_starting(false), Vec::<String>::new());
    assert_eq!(lost_while_starting(true), Vec::<String>::new());
}

/// Loses most hosts while the only task of version 2 that may be on its way comes to nothing; gives those hosts.
fn losses(min: u32) -> (Stage, Vec<Name>) {
    let mut stage = web(20, (6, min, 7));
    stage.acts.insert(2, Act::Unhealthy);
    stage.definition("app", 2, 256);
    stage.service("web", 2, (6, min, 7));
    stage.run(Span::secs(8));
    assert_eq!(versions(&stage)[&2], 1, "{:#?}", stage.notes);
    let of_old = stage.running("web").into_iter().filter(|task| task.version == 1);
    let hosts: Vec<Name> = of_old.map(|task| task.host).take(4).collect();
    hosts.iter().for_each(|host| stage.silence_if_alive(host));
    (stage, hosts)
}

/// Tells what runs when these losses are known.
fn after_losses(min: u32) -> Vec<(u32, usize)> {
    let (mut stage, _) = losses(min);
    stage.run(Span::secs(60));
    let again = stage.notes.iter().filter(|note| note.contains("version 1 again, as ")).count();
    let (left, lost) = (versions(&stage)[&1], 4);
    assert_eq!(again + 6 - lost, left, "{:#?}", stage.notes);
    versions(&stage).into_iter().collect()
}

#[test]
fn what_is_lost_while_a_version_is_on_trial_comes_back_as_what_worked_up_to_min() {
    assert_eq!(after_losses(5), [(1, 5), (2, 1)]);
    assert_eq!(after_losses(3), [(1, 3), (2, 1)]);
    assert_eq!(after_losses(2), [(1, 2), (2, 1)], "no more than min asks for");
}

/// Counts how often version 1 was started again.
fn again(stage: &Stage) -> usize {
    stage.notes.iter().filter(|note| note.contains("version 1 again, as")).count()
}

#[test]
fn what_worked_last_is_not_brought_back_for_ever_when_it_works_no_more() {
    let (mut stage, _) = losses(5);
    stage.acts.insert(1, Act::Ignore);
    stage.run(Span::secs(240));
    assert!((2..=9).contains(&again(&stage)), "{} times: {:#?}", again(&stage), stage.notes);
}

#[test]
fn hosts_that_come_back_bring_what_was_brought_back_to_an_end_and_no_more() {
    let (mut stage, hosts) = losses(5);
    stage.run(Span::secs(45));
    hosts.iter().for_each(|host| stage.wake_up(host));
    stage.run(Span::secs(60));
    assert!(again(&stage) <= 4, "{:#?}", stage.notes);
    stage.acts.remove(&2);
    stage.run(Span::secs(600));
    assert_eq!(versions(&stage), [(2, 6)].into(), "{:#?}", stage.notes);
}

#[test]
fn what_cannot_be_brought_back_says_so_and_is_tried_again_when_there_is_room() {
    let (mut stage, _) = losses(5);
    let names: Vec<Name> = stage.scheduler.world().hosts.keys().cloned().collect();
    let taken: Vec<Name> = stage.running("web").into_iter().map(|task| task.host).collect();
    for name in &names {
        if taken.contains(name) {
            stage.register(name, |host| host.memory = 256);
        } else {
            stage.drain(name, true);
        }
    }
    stage.run(Span::secs(45));
    assert_eq!(again(&stage), 0, "{:#?}", stage.notes);
    assert!(
        stage.notes.iter().any(|note| note.contains("not placed: version 1 again: ")),
        "{:#?}",
        stage.notes
    );
    for name in names.iter().filter(|name| !taken.contains(name)) {
        stage.drain(name, false);
    }
    stage.run(Span::secs(10));
    assert!(again(&stage) > 0, "{:#?}", stage.notes);
}
