//! Programs that a person runs inside a task, by the command line and by the API.

use super::show::{SOON, Show, send, until};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

/// A service `ship` of one task, `default-ship-VERSION-0`, which is not soon started again when it ends.
fn ship(version: u32, container: &str) -> String {
    format!(
        "clusters: [{{name: default, services: [ship]}}]
services: [{{name: ship, task_name: ship, task_version: {version}, desired: 1, min: 0, max: 1,
   min_healthy_time: 500ms}}]
task_definitions:
- {{name: ship, version: {version}, kill_timeout: 1s, restart: {{delay: 100s}}, containers: [{{name: main, {container}}}]}}
"
    )
}

/// Runs programs inside a task of such a container, given what it is for a shell command, and some that cannot be run.
pub(crate) fn programs_run(show: &Show, container: fn(&str) -> String) {
    let exec = |line: &[&str]| show.callboard(&[&["exec"], line].concat());
    let file = show.file("ship.yml", ship(1, &container("echo 7 >mine; exec sleep 1000")));
    show.callboard(&["apply", "-f", &file]).ends(0);
    let task = "default-ship-1-0";
    let shell = |script: &str| exec(&[task, "--", "sh", "-c", script]);
    until("the task has written", SOON, || (shell("cat mine").out == "7\n").then_some(()));
    let said = shell("echo out; echo aside >&2; exit 3").ends(3);
    assert_eq!((&*said.out, &*said.err), ("out\n", "aside\n"));
    shell("exit 0").ends(0);
    shell("kill -9 $$").ends(137);
    // Engines say so by 126 or 127, and on standard output.
    let said = exec(&[task, "--", "no-such-program"]);
    let whole = format!("{}{}", said.out, said.err);
    assert!(matches!(said.code, Some(126 | 127)) && whole.contains("no-such-program"), "{said:?}");

    let mut upper = show.asking(&["exec", "-i", task, "--", "tr", "a-z", "A-Z"]);
    let mut upper =
        upper.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program can be started");
    let (mut input, text) = (upper.stdin.take().expect("it has an input"), "word\n".repeat(300_000));
    let feeder = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let said = upper.wait_with_output().expect("it ends");
    feeder.join().expect("it ends").expect("all is read");
    assert_eq!((said.stdout.len(), said.status.code()), (1_500_000, Some(0)));
    assert!(said.stdout.starts_with(b"WORD\nWORD\n"));

    exec(&["default-ship-1-9", "--", "true"]).ends(1).complains("there is no task \"default-ship-1-9\"");
    exec(&[task, "--container", "no", "--", "true"]).ends(1).complains("no container \"no\" (it has: main)");
    exec(&[task, "--", ""]).ends(2).complains("names no program");
    exec(&[task]).ends(2);
    exec(&["../x", "--", "true"]).ends(2).complains("cannot be the name of a task id");

    let file = show.file("ship.yml", ship(2, &container("exit 3")));
    show.callboard(&["apply", "--detach", "-f", &file]).ends(0);
    let next = "default-ship-2-0";
    until("it has ended", SOON, || {
        show.events().iter().any(|event| event.contains(&format!("{next}: exited"))).then_some(())
    });
    for _ in 0..10 {
        let said = exec(&[next, "--", "true"]).ends(1);
        said.complains("the task does not run").complains("callboard explain default-ship-2-0");
    }
    until("the other is gone", SOON, || {
        exec(&[task, "--", "true"]).err.contains("there is no task").then_some(())
    });
}

fn bash(start: &str) -> String {
    format!("type: bash, executor: {{start: ['{start}']}}")
}

#[test]
fn programs_run_inside_a_bash_task() {
    programs_run(&Show::start(&[]), bash);
}

#[test]
fn who_may_not_write_runs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let token = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (right, wrong) = (token("right", "0123456789abcdef"), token("wrong", "0123456789abcdeF"));
    let show = Show::start(&["--token-file", &right]);
    let file = show.file("ship.yml", ship(1, &bash("exec sleep 1000")));
    show.callboard(&["--token-file", &right, "apply", "-f", &file]).ends(0);
    let made = dir.path().join("made");
    let line = ["exec", "default-ship-1-0", "--", "touch", made.to_str().unwrap()];
    show.callboard(&line).ends(1).complains("the token is missing or wrong").complains("--token-file");
    show.callboard(&[&["--token-file", &wrong], &line[..]].concat()).ends(1).complains("missing or wrong");
    let path = format!("/v1/tasks/default-ship-1-0/exec?command=%5B%22touch%22,%22{}%22%5D", made.display());
    let (status, said) = send(show.ports.first, "POST", &path, b"").expect("the daemon answers");
    assert!(status == 401 && said.contains("Authorization"), "{status} {said}");
    assert!(!made.exists());
    show.callboard(&[&["--token-file", &right], &line[..]].concat()).ends(0);
    assert!(made.exists());
}
