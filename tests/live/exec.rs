//! Programs that a person runs inside a task, from the command line.

use super::files::command;
use super::show::{SOON, Show, until};
use std::io::Write;
use std::process::Stdio;

#[test]
fn a_program_runs_inside_a_task() {
    let show = Show::start(&[]);
    show.apply(&command(1, (1, 0, 1), "echo 7 >mine; exec sleep 1000")).ends(0);
    let task = "default-web-1-0";
    let shell = |script: &str| show.callboard(&["exec", task, "--", "sh", "-c", script]);
    until("the task has written", SOON, || (shell("cat mine").out == "7\n").then_some(()));
    let said = shell("echo out; echo aside >&2; exit 3").ends(3);
    assert_eq!((&*said.out, &*said.err), ("out\n", "aside\n"));
    shell("exit 0").ends(0);
    shell("kill -9 $$").ends(137);

    let mut cat = show.asking(&["exec", "-i", task, "--", "tr", "a-z", "A-Z"]);
    let mut cat = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, text) = (cat.stdin.take().unwrap(), "word\n".repeat(300_000));
    let feeder = std::thread::spawn(move || input.write_all(text.as_bytes()).unwrap());
    let said = cat.wait_with_output().unwrap();
    feeder.join().unwrap();
    assert_eq!((said.stdout.len(), said.status.code()), (1_500_000, Some(0)));
    assert!(said.stdout.starts_with(b"WORD\nWORD\n"));

    let exec = |line: &[&str]| show.callboard(&[&["exec"], line].concat());
    exec(&["default-web-1-9", "--", "true"]).ends(1).complains("there is no task \"default-web-1-9\"");
    exec(&[task, "--container", "no", "--", "true"]).ends(1).complains("no container \"no\" (it has: web)");
    exec(&[task, "--", ""]).ends(2).complains("names no program");
    exec(&[task]).ends(2);
    exec(&["../x", "--", "true"]).ends(2).complains("cannot be the name of a task id");
}
