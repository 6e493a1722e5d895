//! What build machines are told: JUnit XML, JSON, exit codes, and the hash that a seed has on every machine.

use crate::stage::{BAD_DAY, Desk, IN_VAIN};
use serde_json::Value;

fn desk() -> Desk {
    Desk::with(&[("day.yml", BAD_DAY), ("vain.yml", &format!("{BAD_DAY}{IN_VAIN}"))])
}

/// One fixed scenario and seed, and what its run is known by. Everything that was written and ordered is in the hash, so
/// two machines, builds or profiles that disagree about anything disagree here.
///
/// It changes whenever the machines decide otherwise, or the simulator draws otherwise. Where that is meant, take the new
/// one from `callboard sim run tiny-7` and `callboard sim run b04-drain-of-a-known-host`.
#[test]
fn a_seed_is_the_same_run_on_every_machine() {
    let known =
        [("tiny-7", "52695b214e61ae61", 7046), ("b04-drain-of-a-known-host", "8894d036326a1e21", 5041)];
    for (name, hash, events) in known {
        let run = desk().sim(&["run", name, "-o", "json"]).ends(0).json();
        assert_eq!((&run[0]["hash"], &run[0]["events"]), (&hash.into(), &events.into()), "{name}");
    }
}

#[test]
fn junit_says_which_failed_and_why() {
    let desk = desk();
    let said = desk.sim(&["run", "vain.yml", "day.yml", "--junit", "out.xml"]).ends(3);
    said.concludes("1 passed, 1 failed");
    let xml = desk.read("out.xml");
    let expected = [
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
        "<testsuites name=\"callboard sim\" tests=\"2\" skipped=\"0\" failures=\"1\" errors=\"0\">",
        "<testsuite name=\"scenarios\" tests=\"2\" skipped=\"0\" errors=\"0\" failures=\"1\">",
        "<testcase name=\"bad-day seed 1\" classname=\"bad-day\" time=\"",
        "<failure message=\"rollout at 10m: web-001: version 2 is given up: 2 of its tasks failed",
        "again: callboard sim run vain.yml --hosts 3 --seed 1\n</failure>",
        "<testcase name=\"bad-day seed 1\" classname=\"bad-day\" time=\"",
        "</testsuites>",
    ];
    let mut rest = &xml[..];
    for part in expected {
        let (_, after) = rest.split_once(part).unwrap_or_else(|| panic!("no {part} in\n{rest}"));
        rest = after;
    }
    assert!(xml.contains("type=\"rollout\""), "{xml}");
    assert_eq!(xml.matches("<failure ").count(), 1, "{xml}");
    // The one that passed has nothing in it.
    let passed = xml.rsplit("<testcase ").next().and_then(|case| case.split('>').next());
    assert!(passed.is_some_and(|case| case.ends_with('/')), "{xml}");
    let seconds = xml.split("time=\"").nth(1).and_then(|text| text.split('"').next()?.parse::<f64>().ok());
    assert!(seconds.is_some_and(|seconds| seconds > 0.0), "{xml}");
}

#[test]
fn json_says_the_same_as_words() {
    let desk = desk();
    let line = ["run", "vain.yml", "--seeds", "4..6"];
    let said = desk.sim(&line).ends(3).concludes("0 passed, 2 failed").complains("2 of 2 runs failed");
    let runs = desk.sim(&[&line[..], &["-o", "json"]].concat()).ends(3).json();
    let runs = runs.as_array().expect("a list").iter();
    let again: Vec<&str> = runs.clone().filter_map(|run| run["again"].as_str()).collect();
    assert_eq!(again, said.after("again: "));
    for (run, seed) in runs.zip(4..) {
        assert_eq!((&run["seed"], &run["passed"]), (&seed.into(), &Value::Bool(false)));
        assert_eq!((&run["scenario"], &run["file"]), (&"bad-day".into(), &"vain.yml".into()));
        let hash = run["hash"].as_str().expect("a hash");
        assert!(said.out.contains(&format!("seed {seed}, store memory, hash {hash}\n")), "{}", said.out);
        let broken = &run["violations"][0];
        assert_eq!((&broken["promise"], &broken["at_ms"]), (&"rollout".into(), &600_000.into()));
        assert!(
            said.out.contains(&format!("  rollout at 10m: {}\n", broken["what"].as_str().expect("words")))
        );
    }
}

/// A mistake in one file is told before anything is run.
#[test]
fn two_is_a_mistake_in_what_shall_be_run() {
    let desk = Desk::with(&[("day.yml", BAD_DAY), ("bad.yml", &BAD_DAY.replace("drain,", "drown,"))]);
    let said = desk.sim(&["run", "day.yml", "bad.yml"]).ends(2).complains("bad.yml:10: timeline[2]");
    assert_eq!(said.out, "", "nothing was run");
    desk.sim(&["run", "b04-drain-of-a-known-hots"]).ends(2).complains("did you mean");
    desk.sim(&["run", "day.yml", "--set", "fleet.0.cuont=4"]).ends(2).complains("cuont").complains("count");
    desk.sim(&["run"]).ends(2);
    // What cannot be written is a failure, not a broken promise.
    desk.sim(&["run", "day.yml", "--junit", "none/out.xml"])
        .ends(1)
        .complains("none/out.xml cannot be written");
}
