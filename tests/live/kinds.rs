//! Kinds of services, with real tasks.

use crate::show::{SOON, Show, until};

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
