//! What a start waits for is said of its task while it is under way, now and then, and no longer.

use crate::stage::{Stage, code, task};
use callboard_core::agent::Input;
use callboard_core::model::{Health, Phase};
use callboard_core::work::{Report, Run};

/// A stage on which a task is being started, and the start has not come to its end.
fn starting() -> (Stage, Run) {
    let mut stage = Stage::new();
    stage.run(1);
    stage.executor_down = true;
    stage.issue(&task("web-1", 20));
    stage.run(1);
    assert_eq!(stage.said("web-1"), Some((Phase::Starting, Health::Unknown, 0)));
    (stage, Run { id: "web-1".into(), generation: 20, attempt: 0 })
}

fn tell(stage: &mut Stage, run: &Run, what: &str) {
    stage.step(Input::Work(Report::Starting(run.clone(), what.into())));
}

fn reason(stage: &Stage) -> Option<String> {
    stage.status("web-1").expect("something is said of it").reason
}

#[test]
fn it_is_said_now_and_then_and_taken_back_when_it_runs() {
    let (mut stage, run) = starting();
    assert_eq!(reason(&stage), None);
    let (commits, mut said) = (stage.store.commits, Vec::new());
    for second in 0..40 {
        for part in 0..4 {
            tell(&mut stage, &run, &format!("pulling web:1, {} of 160 MiB", second * 4 + part));
        }
        stage.run(1);
        said.extend(reason(&stage));
    }
    said.dedup();
    assert!((7..=8).contains(&said.len()), "{said:?}");
    // Measurements are written, too, every now and then.
    assert!(stage.store.commits - commits <= 8 + 3, "{}", stage.store.commits - commits);
    stage.run(6);
    assert_eq!(reason(&stage).as_deref(), Some("pulling web:1, 159 of 160 MiB"), "the last of it, too");
    stage.executor_down = false;
    stage.run(60);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Healthy, 0)));
    assert_eq!(reason(&stage), None);
}

#[test]
fn what_does_not_change_is_said_once() {
    let (mut stage, run) = starting();
    tell(&mut stage, &run, "pulling web:1");
    stage.run(7);
    assert_eq!(reason(&stage).as_deref(), Some("pulling web:1"));
    let commits = stage.store.commits;
    for _ in 0..20 {
        tell(&mut stage, &run, "pulling web:1");
        stage.run(1);
    }
    assert_eq!(stage.store.commits, commits);
    // What comes after a long silence is said at once.
    tell(&mut stage, &run, "setup command 1 runs");
    stage.run(1);
    assert_eq!(reason(&stage).as_deref(), Some("setup command 1 runs"));
}

#[test]
fn a_start_that_takes_no_time_is_told_of_nothing_but_itself() {
    let (mut stage, run) = starting();
    let commits = stage.store.commits;
    tell(&mut stage, &run, "pulling web:1");
    stage.run(3);
    assert_eq!((reason(&stage), stage.store.commits), (None, commits));
}

#[test]
fn it_is_not_said_of_another_start_or_of_what_runs() {
    let (mut stage, run) = starting();
    for other in [Run { attempt: 1, ..run.clone() }, Run { generation: 19, ..run.clone() }] {
        tell(&mut stage, &other, "pulling web:1");
    }
    stage.run(10);
    assert_eq!(reason(&stage), None);
    let mut stage = Stage::with_task("web-1");
    tell(&mut stage, &run, "pulling web:1");
    stage.run(10);
    assert_eq!(reason(&stage), None);
}

#[test]
fn why_it_failed_before_is_told_again_when_it_runs() {
    let mut stage = Stage::with_task("web-1");
    stage.ill.insert("web-1".into());
    stage.exit("web-1", code(3));
    stage.executor_down = true;
    stage.run(3);
    let why = reason(&stage).unwrap();
    assert!(why.starts_with("exited with code 3"), "{why}");
    let run = Run { id: "web-1".into(), generation: 20, attempt: 1 };
    tell(&mut stage, &run, "pulling web:1");
    stage.run(6);
    assert_eq!(stage.said("web-1"), Some((Phase::Starting, Health::Unknown, 1)));
    assert_eq!(reason(&stage).as_deref(), Some("pulling web:1"));
    stage.step(Input::Work(Report::Started(run, Ok(()))));
    stage.run(1);
    assert_eq!(stage.said("web-1"), Some((Phase::Running, Health::Unknown, 1)));
    assert_eq!(reason(&stage), Some(why));
}
