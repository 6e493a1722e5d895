//! Who gets a task where hosts bid, who where nobody does, and what becomes of offers.

use callboard_sim::{Options, read, run};

/// Gives how often each policy, or a bid, placed a task of `web` in a world in which something happens.
fn check(placement: &str, happening: &str, expect: &[(&str, u64)]) {
    let text = format!(
        "name: it\nduration: 10m\nsettle: 3m\nschedulers: 1\nttl: 60s\nfleet: [{{count: 3, memory: 4096}}]\n\
         clusters: [{{name: a, services: [web], placement: {placement}}}]\n\
         services: [{{name: web, task_name: web, task_version: 1, desired: 3, min: 0, max: 4}}]\n\
         task_definitions:\n- {{name: web, version: 1, memory: 512,\n   \
         containers: [{{name: c, type: bash, executor: {{start: [serve]}}}}]}}\n\
         timeline: [{happening}]\n"
    );
    let scenario = read("it.yml", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let outcome = run(&scenario, &Options::default());
    assert!(outcome.passed, "{}", outcome.summary());
    assert_eq!(outcome.stats.services["web"].healthy, 3, "{}", outcome.summary());
    let reached = |point: &str| outcome.stats.sometimes.count(point);
    let reached: Vec<(&str, u64)> = expect.iter().map(|(point, _)| (*point, reached(point))).collect();
    assert_eq!(reached, expect, "{}", outcome.summary());
}

#[test]
fn each_task_goes_to_a_bidder_and_to_nobody_else() {
    check("bid", "", &[("placed: bid", 3), ("placed: spread", 0)]);
    check("best", "", &[("placed: bid", 0), ("placed: spread", 3)]);
}

#[test]
fn where_nobody_bids_the_best_has_it() {
    // For a while nothing that hosts say arrives, and they count as heard of for longer.
    let mute = "{at: 20s, do: set_service, service: web, stopped: true}, \
                 {at: 60s, do: partition_requests, percent: 100, lasting: 20s}, \
                 {at: 62s, do: set_service, service: web, stopped: false}";
    check("bid", mute, &[("placed: bid", 3), ("placed: spread", 3)]);
}

#[test]
fn offers_outlive_a_scheduler_and_end_all_the_same() {
    for at in ["3100ms", "3200ms", "3300ms", "3500ms"] {
        let killed = format!("{{at: {at}, do: kill_schedulers, restart_after: 5s}}");
        check("bid", &killed, &[("placed: spread", 0)]);
    }
}
