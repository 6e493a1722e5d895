//! An agent that is killed before each single thing that an executor changes in the world, from the first step of a start to
//! the last of a removal, and one that comes after it: it finds what runs, ends it, and leaves nothing.

use super::bench::{BashBench, Bench, GRACE, container, definition, spec_of, within};
use super::docker_bench::{DockerBench, docker_container, wanted};
use callboard_core::model::{Bash as Settled, Container, Docker as Wanted};
use callboard_core::work::Spec;
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// More steps than there are.
const STEPS_MAX: u64 = 200;
const RUNS: &str = "trap 'exit 0' TERM; sleep 1000 & wait";

/// Lets an agent live until a step; tells whether it was killed there, and not done before.
fn is_killed_at(mut doom: Value, spec: &Spec, step: u64) -> bool {
    doom["spec"] = serde_json::to_value(spec).unwrap();
    doom["step"] = step.into();
    let mut agent = Command::new(env!("CARGO_BIN_EXE_callboard-doomed"));
    let mut agent = agent.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    agent.stdin.take().unwrap().write_all(doom.to_string().as_bytes()).unwrap();
    let output = agent.wait_with_output().unwrap();
    let is_killed = output.status.signal() == Some(9);
    assert!(is_killed || output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    is_killed
}

/// Has the next agent look at what is left, and end it.
async fn is_cleared(bench: &dyn Bench, spec: &Arc<Spec>, step: u64) {
    let executor = bench.restarted();
    let found = executor.inspect().await.unwrap();
    assert!(found.len() <= 1, "killed at step {step}: {found:?}");
    match found.first().map(|found| found.exit.is_some()) {
        // It may be asked for again, and is then the same, or has had its end.
        None | Some(false) => {
            let again = executor.start(spec).await;
            let found = executor.inspect().await.unwrap();
            assert!(again.is_err() || found.len() == 1, "killed at step {step}: {again:?}, {found:?}");
            executor.stop(&spec.run(), Some(GRACE)).await.unwrap();
            within(20, "its end", executor.exited(&spec.run())).await;
        }
        Some(true) => {}
    }
    executor.remove(&spec.run()).await.unwrap();
    assert_eq!(executor.inspect().await.unwrap(), [], "killed at step {step}");
}

/// A task with all that a container may have.
fn whole(container: Container) -> Arc<Spec> {
    let steps = |words: &str| vec![words.to_string(), words.to_string()];
    let helper = Container { name: "helper".into(), essential: false, ..container.clone() };
    let main = Container { setup: steps("true"), teardown: steps("true"), ..container };
    spec_of(definition("app", vec![main, helper]))
}

#[tokio::test]
async fn an_agent_may_be_killed_at_any_step_of_bash() {
    for grouped in [false, true] {
        let bash = Settled { start: vec![RUNS.to_string()], ..Settled::default() };
        let spec = whole(container("main", &[], bash));
        let mut killed = 0;
        for step in 1..STEPS_MAX {
            let Some(bench) = (if grouped { BashBench::grouped() } else { BashBench::plain() }) else {
                return;
            };
            let doom = json!({"kind": "bash", "dir": bench.dir.path(), "control_groups": grouped, "engine": "",
                "shim": env!("CARGO_BIN_EXE_callboard-shim")});
            if !is_killed_at(doom, &spec, step) {
                break;
            }
            killed += 1;
            is_cleared(&bench, &spec, step).await;
            assert_eq!(bench.processes(), Vec::<i32>::new(), "killed at step {step}");
            let tasks = bench.dir.path().join("tasks").join(&*spec.task.id);
            assert!(!tasks.exists(), "killed at step {step}: {} is left", tasks.display());
        }
        assert!((10..STEPS_MAX - 1).contains(&killed), "{killed}");
    }
}

#[tokio::test]
async fn an_agent_may_be_killed_at_any_step_of_docker() {
    let wanted = Wanted { flags: vec!["--net=none".to_string()], ..wanted(RUNS) };
    let spec = whole(docker_container("main", &[], wanted));
    let mut killed = 0;
    for step in 1..STEPS_MAX {
        let bench = DockerBench::new().unwrap();
        let doom = json!({"kind": "docker", "dir": bench.dir.path(), "control_groups": false, "engine": bench.host,
            "shim": ""});
        if !is_killed_at(doom, &spec, step) {
            break;
        }
        killed += 1;
        is_cleared(&bench, &spec, step).await;
        assert_eq!(bench.containers(), Vec::<Value>::new(), "killed at step {step}");
        let stopped = std::fs::read_dir(bench.dir.path().join("docker/stopped")).unwrap().count();
        assert_eq!(stopped, 0, "killed at step {step}");
    }
    assert!((20..STEPS_MAX - 1).contains(&killed), "{killed}");
}
