//! Speaking for a host: the sign of life, the writes under it, and memory pressure.

use crate::stage::{Stage, settings, task};
use callboard_core::agent::{Input, Settings};
use callboard_core::model::{Alive, Desired, Health, MoveRequest, Name, Phase, Task, Usage};
use callboard_core::store::{Op, SessionId};
use callboard_core::work::Report;

#[test]
fn a_lost_session_is_opened_again_and_stops_nothing() {
    let mut stage = Stage::with_task("web-1");
    let before = stage.store.entries["hosts/h1/alive"].clone();
    stage.end_session();
    assert!(!stage.store.entries.contains_key("hosts/h1/alive"));
    stage.run(20);
    let after = &stage.store.entries["hosts/h1/alive"];
    assert!(after.revision > before.revision && after.session != before.session);
    assert_eq!((stage.stops(), stage.starts().len()), (0, 1));
    stage.exit("web-1", crate::stage::code(1));
    stage.run(10);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 1)));
}

#[test]
fn its_own_former_self_gives_way() {
    let mut stage = Stage::with_task("web-1");
    stage.restart();
    stage.run(2);
    assert!(stage.agent.is_present());
    stage.run(60);
    assert!(stage.agent.is_present());
}

#[test]
fn a_second_agent_of_the_name_waits() {
    let mut stage = Stage::with_task("web-1");
    let alive = stage.store.entries["hosts/h1/alive"].clone();
    let other = Settings { agent_id: "other".into(), ..settings() };
    stage.restart_as(other);
    let steps = stage.steps;
    stage.run(5);
    assert!(stage.steps - steps < 60, "{}", stage.steps - steps);
    assert!(!stage.agent.is_present());
    assert_eq!(stage.store.entries["hosts/h1/alive"], alive);
    let waits = stage.notes.iter().filter(|note| note.to_string().contains("another agent")).count();
    assert_eq!((waits, stage.stops()), (1, 0));
    // What is issued meanwhile is for the first one, which may run it already.
    stage.issue(&task("web-2", 30));
    stage.run(3);
    assert_eq!(stage.starts().len(), 1);
    stage.run(10);
    assert!(stage.agent.is_present(), "the first one's session has ended");
    assert_eq!(stage.said("web-2").map(|(phase, ..)| phase), Some(Phase::Running));
    let now: Alive = serde_json::from_str(&stage.store.entries["hosts/h1/alive"].value).unwrap();
    assert_eq!(now.agent_id, "other");
}

#[test]
fn an_agent_that_has_not_had_its_name_yet_starts_nothing() {
    let mut stage = Stage::with_task("web-1");
    // A store that takes no sessions loses the first one's sign of life, though that lives on another machine.
    stage.store.no_sessions = true;
    stage.end_session();
    stage.processes.clear();
    stage.restart_as(Settings { agent_id: "other".into(), ..settings() });
    stage.run(60);
    assert_eq!((stage.stops(), stage.starts().len()), (0, 1));
    stage.store.no_sessions = false;
    stage.run(60);
    assert!(stage.agent.is_present());
    assert_eq!(stage.said("web-1").map(|(phase, ..)| phase), Some(Phase::Running));
    assert_eq!(stage.starts().len(), 2);
}

#[test]
fn a_sign_of_life_that_another_agent_took_is_left_to_it() {
    let mut stage = Stage::with_task("web-1");
    lose_name(&mut stage);
    let value = stage.store.entries["hosts/h1/alive"].value.clone();
    let commits = stage.store.commits;
    stage.exit("web-1", crate::stage::code(1));
    stage.run(600);
    assert_eq!(stage.store.commits, commits);
    assert_eq!(stage.store.entries["hosts/h1/alive"].value, value);
    assert_eq!(stage.live().len(), 1);
    assert_eq!(stage.refused, None, "nobody else would look after what runs");
    let told = stage.notes.iter().filter(|note| note.to_string().contains("two must not share one")).count();
    assert_eq!(told, 1);
}

/// Lets another agent have the name.
fn lose_name(stage: &mut Stage) {
    let alive =
        Alive { host: "h1".into(), boot_id: "b".into(), agent_id: "other".into(), seen: Default::default() };
    let value = serde_json::to_string(&alive).expect("it serialises");
    let session = Some(SessionId("theirs".into()));
    for reply in stage.store.apply(vec![Op::Put { key: "hosts/h1/alive".into(), value, session }]) {
        stage.later(1, Input::Store(reply));
    }
}

#[test]
fn an_agent_whose_name_another_keeps_refuses() {
    let mut stage = Stage::new();
    lose_name(&mut stage);
    stage.issue(&task("web-1", 20));
    let begun = stage.now;
    stage.run(60);
    let (at, why) = stage.refused.clone().expect("it ends");
    let patience = settings().ttl.times(3).0;
    assert!((patience..patience + 2000).contains(&(at - begun)), "{} of {patience}", at - begun);
    assert!(why.contains("another agent (other) has had the name \"h1\" for 30s"), "{why}");
    assert_eq!(stage.starts(), []);
    assert!(stage.store.entries["hosts/h1/alive"].value.contains("other"));
}

#[test]
fn the_record_of_an_agent_that_died_has_time_to_go() {
    let mut stage = Stage::new();
    lose_name(&mut stage);
    stage.run(25);
    for reply in stage.store.apply(vec![Op::Delete { key: "hosts/h1/alive".into() }]) {
        stage.later(1, Input::Store(reply));
    }
    stage.run(60);
    assert!(stage.agent.is_present());
    assert_eq!(stage.refused, None);
}

#[test]
fn a_store_that_is_away_says_nothing_of_names() {
    let mut stage = Stage::new();
    lose_name(&mut stage);
    stage.run(20);
    stage.store.no_sessions = true;
    stage.store.sessions.clear();
    stage.run(60);
    assert_eq!(stage.refused, None);
    stage.store.no_sessions = false;
    stage.run(80);
    assert!(stage.refused.is_some());
}

#[test]
fn the_unknown_outcome_of_a_write_is_looked_up() {
    let mut stage = Stage::new();
    stage.run(5);
    stage.swallow = 2;
    stage.issue(&task("web-1", 20));
    stage.run(120);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 0)));
    assert_eq!(stage.swallow, 0);
    let commits = stage.store.commits;
    stage.run(100);
    assert_eq!(stage.store.commits, commits);
}

fn used(stage: &mut Stage, memory_used: u64, tasks: &[(&str, u64)]) {
    let tasks = tasks.iter().map(|(id, used)| (Name::from(*id), *used)).collect();
    stage.usage = Usage { memory_total: 1000, memory_used, tasks, ..Usage::default() };
}

fn asked(stage: &Stage) -> Vec<MoveRequest> {
    let moves = stage.store.entries.range("hosts/h1/moves/".to_string()..);
    let moves = moves.take_while(|(key, _)| key.starts_with("hosts/h1/moves/"));
    moves.map(|(_, entry)| serde_json::from_str(&entry.value).expect("the agent writes JSON")).collect()
}

#[test]
fn memory_pressure_asks_the_offender_to_move_and_takes_it_back() {
    let mut stage = Stage::new();
    stage.issue(&Task { memory: 600, ..task("web-1", 20) });
    stage.issue(&Task { memory: 100, ..task("web-2", 21) });
    stage.run(5);
    used(&mut stage, 950, &[("web-1", 590), ("web-2", 300)]);
    stage.run(30);
    let moves = asked(&stage);
    assert_eq!(moves.len(), 1);
    assert_eq!((&*moves[0].id, moves[0].generation), ("web-2", 21));
    assert_eq!(moves[0].reason, "uses 300 MiB and reserved 100, 950 of 1000 MiB of the host are used");
    stage.run(60);
    assert_eq!(asked(&stage), moves);
    stage.run(90);
    let both = asked(&stage);
    assert_eq!(
        (both.len(), &*both[0].id, &both[1]),
        (2, "web-1", &moves[0]),
        "the next, too, after two minutes"
    );
    used(&mut stage, 500, &[]);
    stage.run(30);
    assert!(asked(&stage).is_empty());
    assert_eq!(stage.stops(), 0);
}

#[test]
fn what_reserves_nothing_is_an_offender_by_all_it_uses() {
    let mut stage = Stage::new();
    stage.issue(&Task { memory: 0, ..task("hog-1", 20) });
    stage.issue(&Task { memory: 20, ..task("web-2", 21) });
    stage.run(5);
    used(&mut stage, 950, &[("hog-1", 800), ("web-2", 32)]);
    stage.run(30);
    let reason = "uses 800 MiB and reserved 0, 950 of 1000 MiB of the host are used";
    assert_eq!(asked(&stage).iter().map(|wish| &*wish.reason).collect::<Vec<_>>(), [reason]);
}

#[test]
fn while_one_goes_nobody_else_is_asked_and_the_oldest_request_makes_way_at_last() {
    let mut stage = Stage::new();
    let tasks = ["a", "b", "c", "d"];
    tasks.iter().zip(20..).for_each(|(id, number)| stage.issue(&task(id, number)));
    stage.run(5);
    used(&mut stage, 950, &[("a", 400), ("b", 300), ("c", 200), ("d", 50)]);
    let ids = |stage: &Stage| asked(stage).iter().map(|wish| wish.id.to_string()).collect::<Vec<_>>();
    stage.run(400);
    assert_eq!(ids(&stage), ["b", "c", "d"], "no more than three at a time");
    // One that is told to stop makes room, however long it takes.
    stage.deaf = true;
    stage.issue(&Task { desired: Desired::Stop, reason: "moved".into(), ..task("b", 21) });
    stage.run(300);
    assert_eq!(ids(&stage), ["b", "c", "d"]);
}

#[test]
fn who_waits_for_memory_is_short_of_it() {
    let waits = |memory_used, stalled| {
        let mut stage = Stage::with_task("web-1");
        used(&mut stage, memory_used, &[("web-1", 300)]);
        stage.usage.stalled = stalled;
        stage.run(30);
        let said =
            stage.store.entries.get("hosts/h1/usage").is_some_and(|entry| entry.value.contains("waits"));
        (asked(&stage).first().map(|wish| wish.reason.clone()), said)
    };
    for (memory_used, stalled) in [(740, 100), (760, 9)] {
        assert_eq!(waits(memory_used, stalled), (None, false));
    }
    let (reason, said) = waits(760, 10);
    let told = "760 of 1000 MiB of the host are used, and all wait for memory 10 % of the time";
    assert!(reason.as_ref().is_some_and(|reason| reason.ends_with(told)) && said, "{reason:?}");
}

#[test]
fn a_request_to_move_goes_with_its_task() {
    let mut stage = Stage::with_task("web-1");
    used(&mut stage, 950, &[("web-1", 300)]);
    stage.run(30);
    assert_eq!(asked(&stage).len(), 1);
    stage.issue(&Task { desired: Desired::Stop, reason: "moved".into(), ..task("web-1", 20) });
    stage.run(20);
    assert!(asked(&stage).is_empty());
}

#[test]
fn usage_is_said_when_it_matters() {
    let mut stage = Stage::with_task("web-1");
    stage.run(60);
    let commits = stage.store.commits;
    used(&mut stage, 160, &[]);
    stage.run(10);
    assert_eq!(stage.store.commits, commits + 1);
    used(&mut stage, 165, &[]);
    stage.run(20);
    assert_eq!(stage.store.commits, commits + 1);
    stage.run(120);
    assert_eq!(stage.store.commits, commits + 2);
    used(&mut stage, 165, &[("web-1", 3)]);
    stage.run(10);
    assert_eq!(stage.store.commits, commits + 3, "what a task uses is said as soon as it is known");
}

#[test]
fn the_use_of_processors_is_said_once_it_is_known_and_then_once_a_minute_where_it_differs() {
    let mut stage = Stage::with_task("web-1");
    stage.run(60);
    let commits = stage.store.commits;
    let mut check = |machine: u64, task: u64, secs: u64, expect: u64, why: &str| {
        stage.usage.cpu_used = Some(machine);
        stage.usage.tasks_cpu = [(Name::from("web-1"), task)].into();
        stage.run(secs);
        assert_eq!(stage.store.commits, commits + expect, "{why}");
    };
    check(20, 10, 10, 1, "nothing was said of it so far");
    check(122, 112, 180, 1, "a tenth of a core is nothing");
    check(123, 10, 10, 2, "the machine does more, and it is long since anything was said");
    for at in 0..4 {
        check(123, [2048, 10][at % 2], 10, 2, "it was said not long ago");
    }
    check(123, 2048, 30, 3, "a task does more");
    check(123, 1850, 120, 3, "of much, a tenth is nothing either");
    check(0, 0, 10, 4, "it has become idle");
    check(0, 0, 600, 4, "what rests writes nothing");
}

#[test]
fn what_a_store_would_not_take_is_said_when_it_takes_writes_again() {
    let mut stage = Stage::with_task("web-1");
    stage.store.is_full = true;
    stage.usage.unfit_for = [("docker".into(), "it is away".into())].into();
    stage.run(10);
    stage.store.is_full = false;
    stage.run(30);
    let usage = &stage.store.entries["hosts/h1/usage"].value;
    assert!(usage.contains("it is away"), "{usage}");
}

#[test]
fn results_about_another_run_are_ignored() {
    let mut stage = Stage::with_task("web-1");
    let run = stage.live()[0].clone();
    for stranger in [
        callboard_core::work::Run { attempt: 7, ..run.clone() },
        callboard_core::work::Run { generation: 19, ..run.clone() },
        callboard_core::work::Run { id: "web-9".into(), ..run.clone() },
    ] {
        for _ in 0..5 {
            let result = Err("no".to_string());
            stage.step(Input::Work(Report::Checked { run: stranger.clone(), check: 0, result }));
            stage.step(Input::Work(Report::Exited(stranger.clone(), crate::stage::code(1))));
        }
        stage.step(Input::Work(Report::Checked { run: run.clone(), check: 9, result: Err("no".into()) }));
    }
    stage.run(5);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 0)));
    assert_eq!(stage.live(), [run]);
}
