//! What goes wrong around a daemon: it is killed while it works, it stands still, somebody else takes its ports, what
//! looks after a task is killed.

use crate::files::{Web, server};
use crate::instances::{holds, working_in};
use crate::processes::Process;
use crate::rollout::Sampler;
use crate::show::{Ports, SOON, Show, ask, program, until};
use rustix::process::Signal;
use std::time::{Duration, Instant};

#[test]
fn a_daemon_killed_in_a_rollout_carries_on() {
    let mut show = Show::start(&[]);
    show.apply(&server(1, (3, 2, 3), "")).ends(0);
    let sampler = Sampler::start(&show);
    show.apply_with(&server(2, (3, 2, 3), ""), &["--detach"]).ends(0);
    // Killed at four points of the rollout, wherever these are.
    for moment in [300, 900, 1500, 2100] {
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(moment) {
            std::thread::sleep(Duration::from_millis(10));
        }
        show.kill();
        show.raise(&[]);
    }
    show.wait_healthy("web", 3);
    let lowest = sampler.lowest();
    assert!(lowest >= 2, "only {lowest} answered");
    assert!(show.instances().iter().all(|one| one.id.starts_with("default-web-2-") && one.answers()));
    for old in 0..3 {
        let place = show.data_dir().join(format!("tasks/default-web-1-{old}"));
        assert_eq!(working_in(&place), [], "nothing of version 1 is left");
    }
}

#[test]
fn a_daemon_that_stood_still_goes_on() {
    let show = Show::start(&[]);
    show.apply(&server(1, (2, 1, 3), "")).ends(0);
    let before = show.instances();
    let daemon = Process::read(show.daemon.as_ref().unwrap().id()).unwrap();
    daemon.signal(Signal::STOP);
    // Longer than its lock and its signs of life last.
    holds("tasks go on", Duration::from_secs(9), || before.iter().all(|one| one.answers()));
    daemon.signal(Signal::CONT);
    // Its host counts as silent until it has given a sign of life again.
    until("all is as before", SOON, || (show.instances() == before).then_some(()));
    // It still decides.
    show.callboard(&["scale", "web", "3"]).ends(0);
    show.wait_healthy("web", 3);
    assert_eq!(show.instances()[..2], before);
}

#[test]
fn a_task_whose_shim_is_killed_runs_once() {
    let show = Show::start(&[]);
    show.apply(&server(1, (1, 0, 1), "")).ends(0);
    let before = show.instances().remove(0);
    let place = show.data_dir().join("tasks");
    let looks_after = |process: &Process| process.names(&place);
    let shim = Process::all().into_iter().find(looks_after).expect("something looks after the task");
    shim.signal(Signal::KILL);
    let fresh = until("the task runs anew", SOON, || {
        let one = show.instances().into_iter().find(|one| one.state == "healthy" && one.answers())?;
        (one.attempt > before.attempt && one.process.is_some()).then_some(one)
    });
    assert!(!before.process.unwrap().lives(), "the process without its shim is gone");
    let at_work: Vec<Process> =
        working_in(&place).into_iter().filter(|process| !looks_after(process)).collect();
    assert_eq!(at_work, [fresh.process.unwrap()]);
}

#[test]
fn a_daemon_whose_log_cannot_be_written_goes_on() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let ports = Ports::claim();
    let full = std::fs::File::options().write(true).open("/dev/full").expect("it is there");
    let mut command = program();
    command.args(["scheduler", "--store", &format!("embedded:{}", dir.path().join("store").display())]);
    command.args(["--bind", &format!("127.0.0.1:{}", ports.first)]).stderr(full);
    let mut daemon = command.spawn().expect("the program can be started");
    until("it answers, or ends", SOON, || {
        let ended = daemon.try_wait().expect("it is our child").is_some();
        (ended || ask(ports.first, "/v1/health").is_some()).then_some(())
    });
    std::thread::sleep(Duration::from_millis(500));
    let ended = daemon.try_wait().expect("it is our child");
    // It may have ended by itself.
    let _ended = daemon.kill();
    daemon.wait().expect("it ends");
    assert_eq!(ended, None);
}

#[test]
fn a_bad_file_starts_nothing() {
    let show = Show::start(&[]);
    let dir = show.path().join("other");
    let file = show.file("bad.yml", Web { desired: 9, ..server(1, (2, 1, 3), "") }.yaml());
    show.callboard(&["dev", "--data-dir", dir.to_str().unwrap(), "--bind", "127.0.0.1:0", &file])
        .ends(2)
        .complains("found 3, less than desired");
    assert!(!dir.exists(), "nothing was made");
}
