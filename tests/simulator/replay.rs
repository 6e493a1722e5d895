//! `sim replay`: which events are shown of a run, and how it is where it stops.

use crate::stage::{BAD_DAY, Desk, Said};
use serde_json::Value;

fn desk() -> Desk {
    Desk::with(&[("day.yml", BAD_DAY)])
}

/// Replays the bad day.
fn replay(more: &[&str]) -> Said {
    desk().sim(&[&["replay", "day.yml"], more].concat())
}

/// Replays it for a program: an event a line, and the verdict in the end.
fn events(more: &[&str]) -> Vec<Value> {
    let said = replay(&[more, &["-o", "json"]].concat()).ends(0);
    let mut lines: Vec<Value> =
        said.out.lines().map(|line| serde_json::from_str(line).expect("JSON a line")).collect();
    assert_eq!(lines.pop(), Some(serde_json::json!({ "passed": true, "violations": [] })));
    lines
}

fn at(event: &Value) -> u64 {
    event["at_ms"].as_u64().expect("a time")
}

/// Gives the texts of all lines of one kind.
fn texts<'a>(events: &'a [Value], kind: &str) -> Vec<&'a str> {
    let lines = events.iter().flat_map(|event| event["lines"].as_array().expect("a list"));
    lines.filter(|line| line["kind"] == kind).filter_map(|line| line["text"].as_str()).collect()
}

#[test]
fn decisions_and_what_went_wrong_are_shown() {
    let said = replay(&[]).ends(0);
    let said = said.tells(" 2:00.000  #").tells("happening: host-0001: power loss: all that runs is gone\n");
    let said = said.tells(" 2:43.071  #").tells("decision: scheduler: host-0001: lost, silent for 30s\n");
    let said = said.tells("happening: a user sets web-001: version 2\n").hides("store: ").hides("order: ");
    assert!(said.out.starts_with(" 0:00."), "{}", said.out);
    assert!(said.out.ends_with("\n1 passed, 0 failed\n"), "{}", said.out);
    let shown = events(&[]);
    assert_eq!(texts(&shown, "decision").len(), said.after("decision: ").len());
    assert!(shown.iter().all(|event| event["lines"].as_array().is_some_and(|lines| !lines.is_empty())));
}

#[test]
fn every_event_is_shown_when_asked_for() {
    let all = events(&["--events", "--until", "3m"]);
    let numbers = all.iter().map(|event| event["number"].as_u64());
    assert!(numbers.eq((1..=all.len() as u64).map(Some)), "none is left out");
    assert!(all.is_sorted_by_key(at) && at(all.last().expect("events")) <= 180_000);
    let few = events(&["--until", "3m"]);
    assert!(all.len() > few.len() * 10, "{} of {}", few.len(), all.len());
    assert_eq!(texts(&all, "decision"), texts(&few, "decision"));
    assert!(texts(&all, "order").contains(&"host-0002 is told to start main-web-001-1-6"));
}

#[test]
fn it_begins_and_ends_when_it_is_told() {
    let whole = events(&["--events"]);
    let part = events(&["--events", "--from", "2m", "--until", "150s"]);
    let expected: Vec<(u64, &Value)> = whole
        .iter()
        .filter(|event| (120_000..=150_000).contains(&at(event)))
        .map(|event| (at(event), &event["event"]))
        .collect();
    let shown: Vec<(u64, &Value)> = part.iter().map(|event| (at(event), &event["event"])).collect();
    assert!(shown.len() > 50);
    assert_eq!(shown, expected, "both ends belong to it, and nothing happens otherwise");
}

#[test]
fn a_host_is_shown_with_how_it_is() {
    let said = replay(&["--host", "host-0001", "--from", "1m", "--until", "3m"]).ends(0);
    let said = said.tells("happening: host-0001 is hit\n").tells("decision: scheduler: host-0001: lost");
    let said = said.hides("host-0002").tells("\nhost     host-0001\nis       off\nagent    does not run\n");
    assert!(
        said.out.lines().any(|line| line.starts_with("main-web-001-1-0 ") && line.ends_with("nothing lives"))
    );
    let before = replay(&["--host", "host-0001", "--from", "1m", "--until", "119s"]).ends(0);
    before.tells("\nis       on\n").tells("alive    its sign of life is in the store\n").hides("happening");
}

#[test]
fn a_service_is_shown_with_how_it_is() {
    let said = replay(&["--service", "web-001", "--from", "3m50s", "--until", "5m"]).ends(0);
    let said = said.tells("happening: a user sets web-001: version 2\n");
    let said = said.tells("decision: scheduler: web-001: rolling out version 2\n").hides("power loss");
    let row: Vec<&str> = said.the("web-001  2").split_whitespace().collect();
    assert_eq!(row[..2], ["5", "5"], "wanted and healthy in {}", said.out);
    assert!(row.ends_with(&["version", "2", "under", "way"]), "{}", said.out);
    assert!(said.the("main-web-001-2-0  web-001").ends_with("host-0003, not healthy"), "{}", said.out);
}

/// Of a task all is shown that concerns it: what became of its host, and what was decided of it there.
#[test]
fn a_task_is_shown_with_what_became_of_its_host() {
    let said = replay(&["--task", "main-web-001-1-0", "--until", "3m"]).ends(0);
    let expected = [
        "decision: scheduler: main-web-001-1-0 placed on host-0001: ",
        "decision: host-0001: main-web-001-1-0: running",
        "happening: host-0001: power loss: all that runs is gone",
        "decision: scheduler: host-0001: lost, silent for 30s",
        "decision: scheduler: main-web-001-1-0 on host-0001 told to stop: its host is lost",
    ];
    let places = expected.map(|words| said.out.find(words));
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?} in {}", said.out);
    let said = said.hides("main-web-001-1-1");
    assert!(said.the("main-web-001-1-0  web-001").ends_with("nothing lives"), "{}", said.out);
}

/// What is gone when it stops is shown as it was last known, with when it went and why.
#[test]
fn what_is_gone_is_shown_as_it_last_was() {
    let said = replay(&["--task", "main-web-001-2-0"]).ends(0);
    let said = said.tells("decision: scheduler: main-web-001-2-0 is gone from host-0003\n");
    let row: Vec<&str> = said.the("main-web-001-2-0  web-001").split_whitespace().collect();
    assert_eq!((row[0], row[2], row[3]), ("2", "host-0003", "stop"), "{}", said.out);
    let gone = said.the("main-web-001-2-0 is gone since ");
    let (at, how) = gone.split_once(": ").expect("a time, and why");
    let told = said.out.lines().rfind(|line| line.contains("  #")).expect("something happened");
    let gone = told.split_whitespace().next().expect("a time");
    assert_eq!(
        at[..at.len() - 1],
        gone[..gone.len() - 1],
        "a moment before the scheduler hears of it: {}",
        said.out
    );
    assert!(how.starts_with("its record was removed, which said last: "), "{how}");

    // Also when it was gone before what is shown begins, and for a program.
    let json = replay(&["--task", "main-web-001-2-0", "--from", "9m", "-o", "json"]).ends(0);
    let last: Value = serde_json::from_str(json.out.lines().last().expect("a line")).expect("JSON");
    assert_eq!(last["host"], "host-0003");
    assert!(last["gone"]["at_ms"].as_u64().is_some_and(|at| (240_000..600_000).contains(&at)), "{last}");

    let delete = "timeline=[{at: 2m, do: delete_service, service: web-001}]";
    let said = replay(&["--service", "web-001", "--set", delete]).ends(0);
    let said = said.tells("told to stop: deleted\n").tells("\nweb-001 is gone since 2:00.");
    assert_eq!(said.the("web-001  1").split_whitespace().next(), Some("5"), "wanted last: {}", said.out);
    said.tells(": it was deleted\n").complains("no tasks");
    let empty = "timeline=[{at: 2m, do: empty_store}]";
    let said = replay(&["--service", "web-001", "--set", empty, "--until", "2m"]).ends(0);
    said.tells("\nweb-001 is gone since 2:00.000: the store lost it\n");
    // What is there again is not gone.
    let back = "timeline=[{at: 2m, do: delete_service, service: web-001, lasting: 1m}]";
    replay(&["--service", "web-001", "--set", back]).ends(0).hides("is gone since");
}

/// Between two moments the whole difference is shown, in order of keys; without a beginning, change by change.
#[test]
fn differences_are_shown() {
    let said = replay(&["--diff", "--from", "2m", "--until", "3m"]).ends(0);
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines[0], "hosts/host-0001/alive is gone");
    assert!(
        lines.iter().any(|line| line.starts_with("state/tasks/_/main-web-001-1-5 is new: {")),
        "{lines:#?}"
    );
    let told = "state/tasks/_/main-web-001-1-0: desired \"run\" → \"stop\"";
    assert!(lines.iter().any(|line| line.starts_with(told)), "{lines:#?}");
    assert!(!said.out.contains("decision"), "{}", said.out);
    let json = replay(&["--diff", "--from", "2m", "--until", "3m", "-o", "json"]).ends(0).json();
    assert_eq!(json["differences"].as_array().map(Vec::len), Some(lines.len()));
    assert_eq!(
        replay(&["--diff", "--from", "1m", "--until", "1m"]).ends(0).out,
        "",
        "no time, no difference"
    );

    let said = replay(&["--diff", "--until", "4s"]).ends(0);
    let said =
        said.tells("store: hosts/host-0001/alive is new: {").tells("decision: scheduler: host-0001: ready\n");
    said.tells("truth: ").hides("order: ");
}

#[test]
fn without_a_terminal_no_step_waits() {
    let steps = replay(&["--step", "--until", "3m"]).ends(0);
    assert_eq!(steps.out, replay(&["--until", "3m"]).out);
    assert_eq!(steps.err, "", "nobody is asked for Enter");
}

#[test]
fn how_it_is_can_be_shown_alone() {
    let said = replay(&["--until", "3m", "--state"]).ends(0).hides("decision: ");
    let said = said.tells("at 3:00.000: 3 hosts, 1 off, 0 not heard of\n");
    assert_eq!(said.the("cluster main: "), "scheduler 0 holds the lock");
    let said = replay(&["--until", "5m", "--explain", "web-001"]).ends(0).hides("decision: ");
    assert_eq!(said.the("host-0001 ").split_whitespace().collect::<Vec<_>>(), ["no", "lost"], "{}", said.out);
    assert!(said.the("host-0002 ").trim().starts_with("yes   spread: "), "{}", said.out);
    said.tells("one more would go to host-0002");
}

/// The same run with other hosts, another seed, and another field, and no other way to get there.
#[test]
fn what_is_replayed_is_what_is_run() {
    let more = ["--seed", "9", "--hosts", "4", "--set", "generate.0.tasks=6"];
    let run = desk().sim(&[&["run", "day.yml", "-o", "json"], &more[..]].concat()).ends(0).json();
    let shown = events(&more);
    let placed = texts(&shown, "decision").iter().filter(|text| text.contains(" placed on ")).count();
    assert_eq!(run[0]["placements"], placed);
    assert!(texts(&shown, "decision").contains(&"scheduler: host-0004: ready"), "{shown:?}");
    let other = events(&["--hosts", "4", "--set", "generate.0.tasks=6"]);
    assert_ne!(shown, other, "another seed is another run");
}

#[test]
fn who_is_not_there_is_told() {
    let missing = |flag: &str, name: &str| replay(&[flag, name, "--until", "1m"]).ends(2);
    let said = missing("--host", "host-01").complains("there was no host \"host-01\" until 1:00.000");
    said.complains("hint: the nearest names are host-0001, host-0002, host-0003");
    let said = missing("--service", "web-01").complains("there was no service \"web-01\" until 1:00.000");
    said.complains("hint: the nearest names are web-001");
    let id = "main-web-001-2-3";
    let said = missing("--task", id).complains("there was no task \"main-web-001-2-3\" until 1:00.000");
    said.complains("hint: the nearest names are main-web-001-1-3, main-web-001-1-0, main-web-001-1-1");
    let said = replay(&["--explain", "nobody", "--until", "1m"]).ends(1);
    said.complains("no scheduler looks after \"nobody\"");
    desk().sim(&["replay", "."]).ends(2);
}
