//! Each expectation is seen to hold and seen to be broken; what is said wrongly is told with all that can be said.

use callboard_sim::scenario::write;
use callboard_sim::{Options, read, run};

/// Five tasks on three hosts; one host is lost for good after two minutes, and a bad version is rolled out.
const CRASH: &str = "name: it
duration: 10m
settle: 3m
fleet: [{count: 3, memory: 4096}]
generate: [{prefix: web-, tasks: 5, min: 2, max: 8, memory: 256, versions: 2}]
builds: [{task: web-001, version: 2, never_healthy: true}]
timeline:
- {at: 2m, do: crash_hosts, names: [host-0001]}
- {at: 4m, do: set_service, service: web-001, task_version: 2}
";

fn judged(expect: &str) -> Result<(), String> {
    let text = format!("{CRASH}expect: [{expect}]\n");
    let scenario = read("it.yml", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let again = read("it.yml", write(&scenario).as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(again, scenario);
    let outcome = run(&scenario, &Options::default());
    match outcome.violations.first() {
        None => Ok(()),
        Some(broken) => Err(format!("{}: {}", broken.promise, broken.what)),
    }
}

fn check(holds: &str, broken: &str) {
    assert_eq!(judged(holds), Ok(()), "{holds}");
    assert!(judged(broken).is_err(), "{broken} holds");
}

#[test]
fn each_can_hold_and_can_be_broken() {
    check("min_healthy web-001 >= 2", "min_healthy web-001 >= 5");
    check("min_healthy >= 1", "min_healthy >= 5");
    check("healthy by 1m", "healthy by 4s");
    check("healthy web-001 by 1m", "healthy web-001 by 130s");
    check("healthy web-001 >= 3 by 130s", "healthy web-001 >= 5 by 130s");
    check("recovered within 90s of 2m", "recovered within 5s of 2m");
    check("recovered within 3m", "recovered within 1s of 121s");
    check("moves <= 10", "moves <= 0");
    check("moves >= 1", "moves >= 1000");
    check("moves <= 10 per hour", "moves <= 0 per hour");
    check("restarts <= 100", "p99 placement < 1ms");
    check("out_of_memory <= 0", "p50 healthy < 1ms");
    check("p99 placement < 60s", "p99 placement < 2ms");
    check("p99 healthy < 90s", "p99 healthy < 5s");
    check("rollout web-001 failed", "rollout web-001 done");
    check("rollout web-001 failed by 9m", "rollout web-001 failed by 1m");
    check("version web-001 == 1", "version web-001 == 2");
    check("drained by 3m", "unplaced <= 0, version web-001 == 2");
    check("unplaced == 0", "moves >= 7, {moves_at_most: 0}");
}

#[test]
fn what_never_came_to_be_or_would_come_after_the_end_is_not_met() {
    check("min_healthy web-001 >= 2", "min_healthy web-001 >= 100");
    check("healthy by 20m", "healthy web-001 >= 6 by 20m");
    check("recovered within 3m of 8m", "healthy web-001 >= 6 by 11m");
    let waits = |expect: &str| {
        let text = format!(
            "name: it\nduration: 10m\nsettle: 2m\nfleet: [{{count: 3}}]\ntimeline:\n\
             - {{at: 2m, do: add_service, service: large, tasks: 1, memory: 999999}}\n\
             - {{at: 9m, do: crash_hosts, count: 3, reboot_after: 30m}}\n\
             generate: [{{prefix: web-, tasks: 3}}]\nexpect: [\"{expect}\"]\n"
        );
        let outcome = run(&read("it.yml", text.as_bytes()).unwrap(), &Options::default());
        outcome.violations.iter().map(|broken| broken.promise.clone()).collect::<Vec<String>>()
    };
    assert_eq!(waits("p99 placement < 5m"), ["delay_below"]);
    assert_eq!(waits("recovered within 2m"), ["recovered_within_after_the_end"]);
}

#[test]
fn what_goes_wrong_nowhere_is_told() {
    for hosts in ["labels: {rack: r9}", "prefix: zz", "each: rack"] {
        let text = format!(
            "name: it\nduration: 2m\nsettle: 30s\nfleet: [{{count: 3}}]\ngenerate: [{{prefix: web-, tasks: 3}}]\n\
             timeline: [{{at: 30s, do: crash_hosts, {hosts}, reboot_after: 20s}}]\n"
        );
        let outcome = run(&read("it.yml", text.as_bytes()).unwrap(), &Options::default());
        assert_eq!(outcome.violations[0].promise, "timeline", "{hosts}: {:?}", outcome.violations);
    }
}

fn mistake(expect: &str) -> String {
    let text = format!("{CRASH}expect: [\"{expect}\"]\n");
    read("it.yml", text.as_bytes()).expect_err(expect).to_string()
}

#[test]
fn mistakes_point_into_the_text() {
    let check =
        |expect: &str, told: &str| assert_eq!(mistake(expect), format!("it.yml:10: expect[0]: {told}"));
    check(
        "min_healthy web-001 > 3",
        "found \"min_healthy web-001 > 3\", \">\" stands where >= should, \
         expected min_healthy SERVICE >= COUNT | min_healthy >= COUNT",
    );
    check(
        "min_healthy web-01 >= 3",
        "found \"min_healthy web-01 >= 3\", \"web-01\" is no service of this scenario, \
         expected min_healthy SERVICE >= COUNT | min_healthy >= COUNT; did you mean \"web-001\"?",
    );
    check(
        "recovered within 60",
        "found \"recovered within 60\", \"60\" is no duration, \
         expected recovered within TIME | recovered within TIME of TIME; add a unit, as in 30s, 5m or 250ms",
    );
    check("drained by", "found \"drained by\", TIME is missing at the end, expected drained by TIME");
    assert!(
        mistake("move <= 3").ends_with("drained by TIME; did you mean \"moves\"?"),
        "{}",
        mistake("move <= 3")
    );
    assert!(mistake("p100 placement < 5s").contains("no expectation begins so"));
}
