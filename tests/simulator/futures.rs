//! `sim branch` and `sim compare`: other futures of a run, and two settings side by side.

use crate::stage::{BAD_DAY, Desk, IN_VAIN};
use std::collections::BTreeSet;

fn desk() -> Desk {
    Desk::with(&[("day.yml", BAD_DAY), ("vain.yml", &format!("{BAD_DAY}{IN_VAIN}"))])
}

#[test]
fn branches_that_fail_are_told_and_found_again() {
    let desk = desk();
    let said = desk.sim(&["branch", "vain.yml", "--branches", "2"]).ends(3);
    let failed = said.after("again: ").len();
    let said = said.concludes(&format!("0 passed, {failed} failed"));
    let said = said.complains(&format!("{failed} of {failed} branches broke a promise"));
    assert!(failed >= 4 && failed.is_multiple_of(2), "{}", said.out);
    let again = said.after("again: ")[1];
    assert!(again.starts_with("callboard sim branch vain.yml --seed 1 --moment "), "{again}");
    assert!(again.ends_with(" --branch 2"), "{again}");
    let told: Vec<&str> = said.out.split("bad-day: FAILED\n").collect();
    let same = desk.shown(again).ends(3).concludes("0 passed, 1 failed");
    assert_eq!(
        same.out.strip_suffix("0 passed, 1 failed\n"),
        Some(&*format!("bad-day: FAILED\n{}", told[2]))
    );
}

#[test]
fn branches_that_pass_are_counted_and_differ() {
    let desk = desk();
    let runs = desk.sim(&["branch", "day.yml", "--branches", "3", "-o", "json"]).ends(0).json();
    let runs = runs.as_array().expect("a list");
    let said = desk.sim(&["branch", "day.yml", "--branches", "3"]).ends(0);
    said.concludes(&format!("{} passed, 0 failed", runs.len())).hides("FAILED");
    let moments: BTreeSet<u64> = runs.iter().filter_map(|run| run["moment"].as_u64()).collect();
    assert_eq!(runs.len(), moments.len() * 3, "three from each moment");
    let hashes: BTreeSet<&str> = runs.iter().filter_map(|run| run["hash"].as_str()).collect();
    assert_eq!(hashes.len(), runs.len(), "each goes its own way");
    // Branch 0 is the run itself.
    let run = desk.sim(&["run", "day.yml", "-o", "json"]).ends(0).json();
    let moment = moments.first().expect("a moment").to_string();
    let zero = ["branch", "day.yml", "--moment", &moment, "--branch", "0", "-o", "json"];
    assert_eq!(desk.sim(&zero).ends(0).json()[0]["hash"], run[0]["hash"]);
    desk.sim(&["branch", "day.yml", "--branch", "1"]).ends(2).complains("--moment");
}

#[test]
fn what_is_the_same_does_not_differ() {
    let said = desk().sim(&["compare", "day.yml", "day.yml"]).ends(0);
    assert!(said.out.contains("both decided the same, to the last"), "{}", said.out);
    let rows: Vec<&str> = said.out.lines().skip(1).take_while(|line| !line.is_empty()).collect();
    assert!(rows.len() > 10 && rows.iter().all(|row| row.ends_with(" same")), "{}", said.out);
}

/// A difference is no failure; it is marked where it is more than chance, and the first decision is named.
#[test]
fn what_matters_is_marked() {
    let desk = desk();
    let four = ["compare", "day.yml", "day.yml", "--b-set", "generate.0.tasks=4"];
    let said = desk.sim(&four).ends(0).tells("the first decision that differs:\n  A: ").tells("\n  B: ");
    assert_eq!(said.after("A: ").len(), 1, "{}", said.out);
    let many = [&four[..], &["--seeds", "10", "-o", "json"]].concat();
    let json = desk.sim(&many).ends(0).json();
    let measures = json["measures"].as_array().expect("a list");
    let row = |name: &str| measures.iter().find(|row| row["measure"] == name).expect("a measure");
    assert_eq!(
        (&row("placements")["less"], &row("placements")["differs"]),
        (&10.into(), &true.into()),
        "{json}"
    );
    assert_eq!((&row("passed")["differs"], &json["worse"]), (&false.into(), &0.into()), "{json}");
    assert_eq!(json["first_difference"], serde_json::Value::Null, "of many seeds none is shown");
}

#[test]
fn what_breaks_in_b_alone_is_a_failure() {
    let desk = desk();
    let said = desk.sim(&["compare", "day.yml", "vain.yml", "--seeds", "10"]).ends(3);
    let said = said.complains("B breaks something with 10 of 10 seeds with which A does not");
    let passed = said.the("passed ");
    assert!(
        passed.ends_with(" differs") && passed.split_whitespace().eq(["1", "0", "0", "10", "differs"]),
        "{passed}"
    );
    desk.sim(&["compare", "vain.yml", "day.yml", "--seeds", "10"]).ends(0).tells("differs");
    // Of two versions only their results are there.
    for (name, file) in [("a.json", "day.yml"), ("b.json", "vain.yml")] {
        let run = desk.sim(&["run", file, "--seeds", "10", "-o", "json"]);
        desk.write(name, &run.out);
    }
    let said = desk.sim(&["compare", "a.json", "b.json"]).ends(3).complains("with 10 of 10 seeds");
    assert!(said.the("passed ").ends_with(" differs"), "{}", said.out);
    desk.sim(&["compare", "a.json", "a.json"]).ends(0).hides("differs");
    desk.sim(&["compare", "a.json", "day.yml"]).ends(2).complains("name two scenarios or two results");
}
