//! `sim shrink`: what is left is short, fails in the same way, and says where it comes from.

use crate::stage::{BAD_DAY, Desk, IN_VAIN};

fn desk() -> Desk {
    Desk::with(&[("day.yml", &format!("{BAD_DAY}{IN_VAIN}"))])
}

#[test]
fn what_is_left_is_short_and_breaks_the_same() {
    let desk = desk();
    let small = desk.sim(&["shrink", "day.yml"]).ends(0).out;
    desk.write("small.yml", &small);
    let mut lines = small.lines();
    assert_eq!(lines.next(), Some("# Breaks rollout at 5m: web-001: version 2 is under way; expected: done"));
    assert_eq!(lines.next(), Some("# Made by `callboard sim shrink day.yml --seed 1`."));
    assert_eq!(lines.next(), Some("name: rollout-bad-day"));
    for kept in ["never_healthy: true", "do: set_service", "rollout web-001 done", "count: 1,"] {
        assert!(small.contains(kept), "no {kept} in\n{small}");
    }
    for gone in ["crash_hosts", "drain", "generate"] {
        assert!(!small.contains(gone), "{gone} in\n{small}");
    }
    let said = desk.sim(&["run", "small.yml"]).ends(3).concludes("0 passed, 1 failed");
    said.tells("  rollout at 5m: web-001: version 2 is under way; expected: done\n");
    // Nothing more can go.
    let smaller = desk.sim(&["shrink", "small.yml"]).ends(0).out;
    let body = |text: &str| text.split_once("\nduration: ").map(|(_, body)| body.to_owned());
    assert_eq!(body(&smaller), body(&small));
}

#[test]
fn it_is_saved_under_the_name_of_the_promise() {
    let desk = desk();
    let said = desk.sim(&["shrink", "day.yml", "--seed", "5", "--save", "kept"]).ends(0);
    let mut lines = said.out.lines();
    assert_eq!(lines.next(), Some("kept/rollout-bad-day.yml"));
    assert!(
        lines
            .next()
            .is_some_and(|line| line.starts_with("  1 hosts, 1 services, 1 things that happen, 5m; "))
    );
    let saved = desk.read("kept/rollout-bad-day.yml");
    assert!(saved.contains("\nseed: 5\n"), "{saved}");
    desk.sim(&["run", "kept/rollout-bad-day.yml"]).ends(3).tells("seed 5").tells("  rollout at 5m: ");
    let json = desk.sim(&["shrink", "day.yml", "--seed", "5", "-o", "json"]).ends(0).json();
    assert_eq!(
        (&json["promise"], &json["hosts"], &json["happenings"]),
        (&"rollout".into(), &1.into(), &1.into())
    );
    assert_eq!(json["text"], saved);
}

#[test]
fn what_breaks_nothing_is_told() {
    let desk = Desk::with(&[("day.yml", BAD_DAY)]);
    let said = desk.sim(&["shrink", "day.yml", "--seed", "3"]).ends(3);
    assert_eq!(said.out, "");
    said.complains("bad-day breaks no promise with seed 3").complains("callboard sim fuzz");
}
