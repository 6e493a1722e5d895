//! A recording shows what happened, and changes nothing.

use callboard_sim::recording::Recording;
use callboard_sim::{Options, Outcome, Profile, Scenario, draw, read, run};

fn recorded(scenario: &Scenario) -> (Outcome, Recording) {
    let mut outcome = run(scenario, &Options { record: true, ..Options::default() });
    let recording = outcome.recording.take().expect("it was asked for");
    (outcome, recording)
}

#[test]
fn a_recording_changes_nothing() {
    for seed in 0..25 {
        let scenario = draw(Profile::Tiny, seed);
        let (with, _) = recorded(&scenario);
        assert_eq!(with, run(&scenario, &Options::default()), "seed {seed}");
    }
}

#[test]
fn a_recording_is_bounded_and_covers_the_run() {
    for seed in 0..20 {
        let scenario = draw(Profile::Tiny, seed);
        let (_, recording) = recorded(&scenario);
        let covered = recording.width.0 * u64::from(recording.columns);
        assert!(recording.columns <= 240 && covered >= scenario.duration.0, "seed {seed}");
        assert!(
            recording.fleet.iter().all(|row| row.cells.len() == recording.columns as usize),
            "seed {seed}"
        );
        let points = recording.services.values().map(|service| service.points.len());
        assert!(points.max().unwrap_or(0) <= 240, "seed {seed}");
    }
}

#[test]
fn what_followed_on_a_fault_is_told() {
    let text = r#"
name: power
duration: 10m
settle: 3m
fleet:
- {prefix: h, count: 6, memory: 4096, cpu_units: 4096}
clusters: [{name: main, services: [web]}]
services: [{name: web, task_name: web, task_version: 1, desired: 6, min: 4, max: 8}]
task_definitions:
- name: web
  version: 1
  memory: 256
  containers: [{name: web, type: bash, executor: {start: ["exec ./serve"]}}]
timeline:
- {at: 4m, do: crash_hosts, names: [h0001, h0002], reboot_after: 2m}
"#;
    let scenario = read("power.yml", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let (outcome, recording) = recorded(&scenario);
    assert!(outcome.passed, "{}", outcome.summary());
    let [happened] = recording.happenings.as_slice() else { panic!("{:?}", recording.happenings) };
    assert_eq!((happened.at.0, happened.hosts, happened.by_user), (240_000, 2, false));
    let [aftermath] = recording.aftermaths().try_into().expect("one for each");
    let [fall] = aftermath.falls.as_slice() else { panic!("{aftermath:?}") };
    assert_eq!((&*fall.service, u64::from(fall.dip.low) + happened.tasks_lost), ("web", 6));
    let recovery = aftermath.recovery.expect("web fell");
    assert!((30_000..120_000).contains(&recovery.0) && !aftermath.lasting, "{recovery}");
    assert_eq!(recording.moves.len(), 2);
    let dark = recording.fleet[0].cells.iter().filter(|cell| cell.down == 1).count() as u64;
    let down = dark * recording.width.0;
    assert!(down.abs_diff(120_000) <= 2 * recording.width.0, "down for {down}ms");
}
