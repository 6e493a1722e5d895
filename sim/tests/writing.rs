//! What is written of a scenario is read back as the same scenario.

use callboard_sim::{Profile, Scenario, draw, read, read_with, scenario::write};
use std::path::Path;

/// Writes a scenario and reads that, twice, and gives the text.
fn check(scenario: &Scenario) -> String {
    let text = write(scenario);
    let back = read(&scenario.file, text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(&back, scenario, "{text}");
    assert_eq!(write(&back), text);
    text
}

#[test]
fn drawn_worlds_are_read_back() {
    for seed in 0..50 {
        check(&draw(Profile::Tiny, seed));
    }
}

#[test]
fn shipped_scenarios_are_read_back() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/scenarios");
    for file in std::fs::read_dir(folder).expect("the folder") {
        let path = file.expect("a file").path();
        if path.extension().is_some_and(|extension| extension == "yml") {
            let bytes = std::fs::read(&path).expect("a file");
            let load =
                |file: &str| std::fs::read(path.with_file_name(file)).map_err(|error| error.to_string());
            check(&read_with("it.yml", &bytes, &[], &load).unwrap_or_else(|error| panic!("{error}")));
        }
    }
}

#[test]
fn what_is_written_can_be_read_by_people() {
    let text = "name: it
duration: 5m
fleet:
- count: 5
task_definitions:
- {name: web, version: 1, provide_port: true, checks: [{tcp: 127.0.0.1, add_provided_port: true, interval: 5s}],
   containers: [{name: web, type: bash, executor: {start: ['exec serve', 'on']}}]}
services: [{name: web, task_name: web, task_version: 1, desired: 2, min: 1, max: 3}]
clusters: [{name: shop, services: [web]}]
timeline: [{at: 90s, do: crash_hosts, percent: 10}]
expect: [{healthy_by: {at: 5m}}, {moves_at_most: 1}]
";
    let written = check(&read("", text.as_bytes()).unwrap_or_else(|error| panic!("{error}")));
    assert_eq!(
        written,
        "name: it
duration: 5m

fleet:
- {count: 5}

clusters:
- {name: shop, services: [web]}

services:
- {name: web, task_name: web, task_version: 1, desired: 2, min: 1, max: 3}

task_definitions:
- name: web
  version: 1
  provide_port: true
  containers:
  - {name: web, type: bash, executor: {start: [exec serve, \"on\"]}}
  checks:
  - {tcp: \"127.0.0.1\", interval: 5s, add_provided_port: true}

timeline:
- {at: 1m30s, do: crash_hosts, percent: 10}

expect: [healthy by 5m, moves <= 1]
"
    );
}
