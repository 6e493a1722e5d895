//! Hosts on which a service fails, and hosts that fail at once.

use super::web;
use callboard_core::machine::Span;
use callboard_core::world::Presence;
use serde_json::json;
use stage::{Act, Stage};
use std::collections::BTreeSet;

const BAD: [&str; 2] = ["h0000", "h0001"];

/// Lets time pass, in which nothing becomes healthy on the bad hosts, and what was there fails; tells how many tasks came
/// there.
fn pass(stage: &mut Stage, rounds: u32) -> usize {
    let is_bad = |host: &str| BAD.contains(&host);
    let first = stage.running("web");
    let fail = |generation: &u64| first.iter().any(|task| task.generation == *generation);
    stage.acts.insert(1, Act::Ignore);
    let mut seen = BTreeSet::new();
    for _ in 0..rounds {
        for task in stage.running("web") {
            if !is_bad(&task.host) {
                stage.act_at.insert(task.generation, Act::Healthy);
            } else if fail(&task.generation) {
                stage.act_at.insert(task.generation, Act::Failed);
            } else {
                seen.insert(task.generation);
            }
        }
        stage.run(Span::secs(5));
    }
    seen.len()
}

#[test]
fn a_task_does_not_go_from_one_bad_host_to_the_next_while_others_have_room() {
    let mut stage = web(5, (4, 2, 6));
    let slow = json!({"desired": 4, "min": 2, "max": 6, "healthy_deadline": "5m"});
    stage.of_kind("web", 1, &slow);
    // Both fail, and may be tried again when another is lost, which leaves them the emptiest.
    pass(&mut stage, 120);
    stage.silence("h0004");
    let tries = pass(&mut stage, 600);
    assert_eq!(tries, 0, "{:#?}", stage.notes);
    let bad = stage.running("web").iter().filter(|task| BAD.contains(&&*task.host)).count();
    assert_eq!((bad, stage.healthy("web")), (0, 4));
}

#[test]
fn where_there_is_no_other_a_bad_host_is_tried_again() {
    let mut stage = web(2, (2, 0, 3));
    let tries = pass(&mut stage, 360);
    assert!((4..=40).contains(&tries), "{tries} in half an hour");
}

#[test]
fn drained_hosts_that_are_switched_off_do_not_slow_down_the_giving_up_of_others() {
    let check = |drained: bool, expect: bool| {
        let mut stage = web(12, (12, 0, 14));
        let off: Vec<String> = (0..6).map(|number| format!("h{number:04}")).collect();
        if drained {
            off.iter().for_each(|host| stage.drain(host, true));
            stage.run(Span::secs(600));
        }
        off.iter().for_each(|host| stage.silence_if_alive(host));
        stage.silence_if_alive("h0006");
        stage.run(Span::secs(33));
        let lost = stage.scheduler.world().hosts["h0006"].presence == Presence::Lost;
        let braked = stage.notes.iter().any(|note| note.contains("silent at once"));
        assert_eq!((lost, braked), (expect, !expect), "{drained}: {:#?}", stage.notes);
    };
    check(true, true);
    check(false, false);
}
