//! Kinds of services, with real tasks.

use crate::show::{SOON, Said, Show, until};

fn state(show: &Show, name: &str) -> String {
    show.service(name).map(|view| view["state"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
}

#[test]
fn a_system_service_runs_on_each_host_and_leaves_last() {
    let show = Show::start(&["--label", "disk=ssd"]);
    let file = |version: u32, disk: &str| {
        format!(
            "clusters: [{{name: default, services: [ship]}}]
services:
- {{name: ship, kind: system, task_name: ship, task_version: {version}, min_healthy_time: 500ms,
   placement: {{require: [{{label: disk, equals: {disk}}}]}}}}
task_definitions:
- {{name: ship, version: {version}, kill_timeout: 2s,
   containers: [{{name: ship, type: bash, executor: {{start: [\"exec sleep 1000\"]}}}}]}}
"
        )
    };
    let apply = |text: &str| {
        let file = show.file("kinds.yml", text);
        show.callboard(&["apply", "-f", &file])
    };
    apply(&file(1, "ssd")).ends(0);
    show.callboard(&["services", "ship"]).ends(0).tells("1/1");
    show.callboard(&["scale", "ship", "2"]).ends(2).complains("has one task on each host that qualifies");
    apply(&file(2, "ssd")).ends(0);
    until("it is rolled", SOON, || (show.service("ship")?["versions"][0]["version"] == 2).then_some(()));
    show.callboard(&["drain", "h1"]).ends(0);
    until("it is gone", SOON, || (show.service("ship")?["issued"] == 0).then_some(()));
    show.callboard(&["undrain", "h1"]).ends(0);
    until("it is back", SOON, || (state(&show, "ship") == "healthy").then_some(()));
    apply(&file(2, "hdd")).ends(0);
    until("the host no longer qualifies", SOON, || (show.service("ship")?["issued"] == 0).then_some(()));
    show.callboard(&["explain", "ship"]).ends(0).tells("disk");
}

/// A batch service `sum` whose task does this.
fn batch(version: u32, fields: &str, start: &str) -> String {
    format!(
        "clusters: [{{name: default, services: [sum]}}]
services: [{{name: sum, kind: batch, task_name: sum, task_version: {version}, {fields}}}]
task_definitions:
- {{name: sum, version: {version}, kill_timeout: 1s,
   containers: [{{name: sum, type: bash, executor: {{start: ['{start}']}}}}]}}
"
    )
}

fn apply(show: &Show, text: &str) -> Said {
    let file = show.file("batch.yml", text);
    show.callboard(&["apply", "-f", &file])
}

#[test]
fn a_batch_is_counted_once_whoever_dies_meanwhile() {
    let mut show = Show::start(&[]);
    let ends = show.path().join("ends");
    let count = || std::fs::read_to_string(&ends).unwrap_or_default().lines().count();
    let work = format!("sleep 1; echo $TASK_ID >> {}", ends.display());
    let file = show.file("batch.yml", batch(1, "completions: 5, parallelism: 2", &work));
    show.callboard(&["apply", "--detach", "-f", &file]).ends(0);
    for wanted in [1, 3] {
        until("some more are done", SOON, || (count() >= wanted).then_some(()));
        show.kill();
        // What runs comes to its end meanwhile.
        std::thread::sleep(std::time::Duration::from_millis(1500));
        show.raise(&[]);
    }
    until("all are done", SOON, || (state(&show, "sum") == "completed").then_some(()));
    show.callboard(&["services", "sum"]).ends(0).tells("5/5 completed");
    assert_eq!(count(), 5);
    show.kill();
    show.raise(&[]);
    show.callboard(&["apply", "-f", &file]).ends(0);
    show.callboard(&["start", "sum"]).ends(0);
    until("it is done again", SOON, || (count() >= 10).then_some(()));
    until("that is known", SOON, || (state(&show, "sum") == "completed").then_some(()));
    assert_eq!(count(), 10, "what is finished begins anew only when it is asked for");
}

#[test]
fn a_batch_that_fails_says_why() {
    let show = Show::start(&[]);
    apply(&show, &batch(1, "retries: 1", "sleep 0.2; exit 3"))
        .ends(3)
        .complains("2 of its tries failed")
        .complains("exited with code 3");
    show.callboard(&["explain", "sum"]).ends(0).tells("failed: 0 of 1 tasks completed, 2 tries failed");
    apply(&show, &batch(2, "retries: 0, time_limit: 1s", "exec sleep 1000"))
        .ends(3)
        .complains("ran for longer than its time limit of 1s");
    apply(&show, &batch(3, "retries: 0", "true")).ends(0);
}

#[test]
fn what_is_more_important_takes_the_room_of_the_least_important() {
    let show = Show::start(&["--memory", "512"]);
    let sleeps = |name: &str, memory: u64, priority: u32| {
        format!(
            "- {{name: {name}, version: 1, provide_port: true, memory: {memory}, priority: {priority}, kill_timeout: 2s,
   containers: [{{name: {name}, type: bash, executor: {{start: [\"exec sleep 1000\"]}}}}]}}"
        )
    };
    let service = |name: &str, counts: &str, more: &str| {
        format!(
            "- {{name: {name}, task_name: {name}, task_version: 1, {counts}, min_healthy_time: 500ms{more}}}"
        )
    };
    let file = |services: &str, more: &str| {
        let lines = [
            service("web", "desired: 1, min: 1, max: 2", ""),
            service("nightly", "desired: 3, min: 1, max: 4", ""),
            more.to_string(),
        ];
        let tasks = [sleeps("web", 128, 60), sleeps("nightly", 96, 10), sleeps("db", 192, 80)];
        let text = format!(
            "clusters: [{{name: default, services: [{services}]}}]\nservices:\n{}\ntask_definitions:\n{}\n",
            lines.join("\n"),
            tasks.join("\n")
        );
        show.file("room.yml", text)
    };
    show.callboard(&["apply", "-f", &file("web, nightly", "")]).ends(0);
    let web = show.instances().into_iter().find(|one| one.id.contains("web")).expect("it runs");
    let db = service("db", "desired: 1, min: 0, max: 2", "");
    show.callboard(&["apply", "--timeout", "5s", "-f", &file("web, nightly, db", &db)]).ends(6);
    show.callboard(&["explain", "db"]).ends(0).tells("preempt: true").tells("nightly");
    assert_eq!(
        show.service("nightly").map(|it| it["issued"].clone()),
        Some(3.into()),
        "nobody asked for room"
    );
    let db = service("db", "desired: 1, min: 0, max: 2", ", preempt: true");
    // What nightly loses has no other place.
    show.callboard(&["apply", "-f", &file("web, nightly, db", &db)]).ends(3).complains("nightly");
    show.callboard(&["services", "db"]).ends(0).tells("1/1");
    let events = show.events();
    let told = "told to stop: makes room for db, whose priority is 80, its own 10";
    let victims = events.iter().filter(|event| event.contains(told)).count();
    assert_eq!(victims, 1, "the fewest that make room: {events:#?}");
    assert!(show.instances().contains(&web), "what is more important than others is left alone");
    show.callboard(&["explain", "nightly"]).ends(0).tells("memory");
    // It comes back when there is room again.
    show.callboard(&["stop", "db"]).ends(0);
    until("all three run again", SOON, || (show.service("nightly")?["healthy"] == 3).then_some(()));
}
