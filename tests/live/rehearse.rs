//! A change is rehearsed, then made, and both are held side by side; what was done is played again from the journal.

use crate::files::{Web, server};
use crate::rollout::Sampler;
use crate::show::Show;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::Instant;

const COUNTS: (u32, u32, u32) = (3, 2, 3);

fn forecast(show: &Show, web: &Web, code: i32, more: &[&str]) -> Value {
    let file = show.file("next.yml", web.yaml());
    let line = [&["rehearse", "-f", &file, "-o", "json"], more].concat();
    let said = show.callboard(&line).ends(code);
    serde_json::from_str(&said.out).expect("a forecast is JSON")
}

/// Gives tasks of a forecast, each once.
fn tasks(forecast: &Value, list: &str) -> BTreeSet<String> {
    let tasks = forecast[list].as_array().expect("a list").iter();
    tasks.map(|task| task["task"].as_str().expect("an id").to_owned()).collect()
}

/// Gives the tasks that the events say were placed, or told to stop.
fn happened(show: &Show, words: &str) -> BTreeSet<String> {
    let events = show.events();
    let ids = events.iter().filter(|event| event.contains(words)).filter_map(|event| event.split(' ').next());
    ids.map(str::to_owned).collect()
}

#[test]
fn what_is_forecast_is_what_happens() {
    let show = Show::start(&[]);
    show.apply(&server(1, COUNTS, "")).ends(0);
    let before = (happened(&show, " placed on "), happened(&show, " told to stop"));
    let next = server(2, COUNTS, "");
    let forecast = forecast(&show, &next, 0, &["--seeds", "50"]);
    let fare = &forecast["services"]["web"];
    assert_eq!((&fare["before"], &fare["end"]), (&3.into(), &3.into()), "{forecast}");
    let lowest = fare["lowest"].as_u64().expect("a number");
    assert!(lowest >= 2, "{forecast}");

    let (sampler, began) = (Sampler::start(&show), Instant::now());
    show.apply(&next).ends(0);
    let (took, answered) = (began.elapsed(), u64::try_from(sampler.lowest()).expect("a small number"));
    let new = |now: BTreeSet<String>, before: &BTreeSet<String>| &now - before;
    let started = new(happened(&show, " placed on "), &before.0);
    let stopped = new(happened(&show, " told to stop"), &before.1);
    let (starts, stops) = (tasks(&forecast, "started").len(), tasks(&forecast, "stopped").len());
    let rows = [
        ["".to_owned(), "forecast".into(), "real".into()],
        ["started".into(), starts.to_string(), started.len().to_string()],
        ["stopped".into(), stops.to_string(), stopped.len().to_string()],
        ["lowest".into(), lowest.to_string(), answered.to_string()],
        ["took, ms".into(), forecast["took"]["median_ms"].to_string(), took.as_millis().to_string()],
    ];
    for [what, before, after] in rows {
        writeln!(std::io::stdout(), "{what:<10} {before:<10} {after}").expect("the table can be shown");
    }
    assert_eq!(started, tasks(&forecast, "started"));
    assert_eq!(stopped, tasks(&forecast, "stopped"));
    assert!(answered >= lowest, "{answered} answered, {lowest} were forecast");
}

#[test]
fn a_bad_build_is_given_up_in_the_forecast_and_then_not_applied() {
    let show = Show::start(&[]);
    show.apply(&server(1, COUNTS, "")).ends(0);
    let bad = Web { deadline: "5s", ..server(2, COUNTS, "--fail-health") };
    let forecast = forecast(&show, &bad, 3, &["--assume", "web:2=never-healthy"]);
    assert_eq!(forecast["failed"][0]["about"], "web", "{forecast}");
    assert_eq!(
        (&forecast["broken"], &forecast["services"]["web"]["end"]),
        (&Value::Array(vec![]), &3.into())
    );

    let page = show.file("page.html", "");
    let lost =
        show.callboard(&["rehearse", "--lose", "host=h1", "--report", &page]).ends(3).complains("broken");
    let again = lost.out.lines().last().expect("a line").to_owned();
    assert_eq!(again, "again: callboard rehearse --lose host=h1 --seed 1 --seeds 1");
    show.callboard(&["rehearse", "--lose", "host=h1", "--seed", "1", "--seeds", "1"]).ends(3);
    let page = std::fs::read_to_string(page).expect("the page was written");
    assert!(page.contains("web had 0 healthy tasks") && page.contains("<svg"), "{page}");
    show.callboard(&["rehearse", "--lose", "rack=r3"]).ends(2).complains("no host is rack=r3");
    show.callboard(&["rehearse", "--drain", "h9"]).ends(1).complains("no host");
    show.callboard(&["rehearse"]).ends(2);
}

#[test]
fn the_same_state_gives_the_same_answer() {
    let show = Show::start(&[]);
    show.apply(&server(1, COUNTS, "")).ends(0);
    let file = show.file("next.yml", server(2, COUNTS, "").yaml());
    let state = show.file("state.json", "");
    let live =
        show.callboard(&["rehearse", "-f", &file, "--faults", "rough", "--save-state", &state, "-o", "json"]);
    let kept =
        show.callboard(&["rehearse", "-f", &file, "--faults", "rough", "--state", &state, "-o", "json"]);
    assert_eq!((live.code, &live.out), (kept.code, &kept.out));
}

#[test]
fn what_rehearses_well_is_applied() {
    let show = Show::start(&[]);
    show.apply(&server(1, COUNTS, "")).ends(0);
    let good = show.file("good.yml", server(2, COUNTS, "").yaml());
    show.callboard(&["apply", "--rehearse", "-f", &good]).ends(0).complains("applying it");
    show.wait_healthy("web", 3);
    // More than fits: nothing is written.
    let huge = Web { memory: 900_000, ..server(3, COUNTS, "") };
    let huge = show.file("huge.yml", huge.yaml());
    show.callboard(&["apply", "--rehearse", "-f", &huge]).ends(3).complains("nothing was applied");
    assert_eq!(show.service("web").expect("a service")["version"], 2);
}

#[test]
fn what_a_daemon_did_is_played_again() {
    let mut show = Show::start(&[]);
    show.apply(&server(1, COUNTS, "")).ends(0);
    // An end in the middle of everything.
    show.kill();
    let journal = show.data_dir().join("journal");
    let journal = journal.to_str().expect("paths of tests are UTF-8").to_owned();
    let played = show.callboard(&["sim", "replay", &journal]).ends(0);
    assert!(played.out.contains("segments played: every effect as it was"), "{}", played.out);
    assert!(played.out.contains("placed on h1"), "{}", played.out);
    assert!(played.out.contains("agent h1"), "{}", played.out);
}
