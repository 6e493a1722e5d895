//! `sim verify`: two processes make each run, and what is not the same is told.

use crate::stage::{BAD_DAY, Desk, Said};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn what_is_the_same_is_counted() {
    let desk = Desk::with(&[("day.yml", BAD_DAY)]);
    desk.sim(&["verify", "day.yml", "--seeds", "5"])
        .ends(0)
        .concludes("5 passed, 0 failed")
        .hides("DIFFERENT");
    let json = desk.sim(&["verify", "day.yml", "--seeds", "2", "-o", "json"]).ends(0).json();
    assert_eq!((&json["same"], &json["different"]), (&2.into(), &serde_json::json!([])));
    desk.sim(&["verify", "none.yml"]).ends(2).complains("none.yml");
}

/// Verifies a scenario whose file becomes another one and back all the time, until its two processes read two of them.
fn verified_while_it_changes(desk: &Desk, line: &[&str]) -> Said {
    let short = BAD_DAY.replace("duration: 10m", "duration: 9m");
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0_u32.. {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                desk.write("next.yml", if turn.is_multiple_of(2) { &short } else { BAD_DAY });
                fs::rename(desk.path("next.yml"), desk.path("day.yml")).expect("a file can be renamed");
            }
        });
        let tries = (0..200).map(|_| desk.sim(line));
        let told =
            tries.into_iter().find(|said| said.out.contains("duration") || said.out.contains("DIFFERENT"));
        ended.store(true, Ordering::Relaxed);
        told.expect("of 200 pairs of processes none read two files")
    })
}

#[test]
fn what_differs_is_told_with_its_seed() {
    let desk = Desk::with(&[("day.yml", BAD_DAY)]);
    let said = verified_while_it_changes(&desk, &["verify", "day.yml", "--seed", "6", "--seeds", "2"]);
    let said = said.ends(3).concludes("0 passed, 2 failed").complains("2 of 2 runs were not the same twice");
    let lines: Vec<&str> = said.out.lines().collect();
    for (pair, seed) in lines[..6].chunks(3).zip([6, 7]) {
        assert_eq!(pair[0], "DIFFERENT", "{}", said.out);
        let beginning = format!("  bad-day seed {seed}: hash ");
        assert!(pair[1].starts_with(&beginning) && pair[2].starts_with(&beginning), "{}", said.out);
        assert_ne!(pair[1], pair[2]);
        assert!(pair[1].contains(" events, report ") && pair[1].ends_with(", broken: []"), "{}", said.out);
    }
}
