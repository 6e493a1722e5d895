//! Crashes: of the agent between any two steps, of the shim, of the machine; and strangers that look like ours.

use super::bench::{BashBench, Behaves, Bench, EXIT, GRACE, bash_spec, kill, lives, until, within};
use super::cases::attempt_of;
use callboard_core::machine::Span;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

fn both() -> impl Iterator<Item = BashBench> {
    [BashBench::plain(), BashBench::grouped()].into_iter().flatten()
}

fn edit(bench: &BashBench, run: &callboard_core::work::Run, change: impl Fn(&mut serde_json::Value)) {
    let path = bench.place(run).join("shim.json");
    let mut json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut json);
    std::fs::write(&path, json.to_string()).unwrap();
}

/// A process that has nothing to do with us.
struct Stranger(Child);

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_same_shim_is_adopted() {
    for bench in both() {
        let spec = bench.spec(Behaves::Runs);
        bench.executor().start(&spec).await.unwrap();
        // While a shell makes room for what it runs, there may be one more for a moment.
        let settled = || {
            let seen = bench.processes();
            std::thread::sleep(std::time::Duration::from_millis(100));
            (seen.len() == 2 && bench.processes() == seen).then_some(seen)
        };
        until("both run", || settled().is_some()).await;
        let shim = bench.shim(&spec.run());
        let before = bench.processes();
        let next = bench.restarted();
        assert_eq!(next.inspect().await.unwrap()[0].exit, None);
        next.start(&spec).await.unwrap();
        assert_eq!(bench.shim(&spec.run()), shim);
        until("the same run", || settled().is_some_and(|now| now == before)).await;
        next.stop(&spec.run(), Some(GRACE)).await.unwrap();
        assert_eq!(bench.processes(), Vec::<i32>::new());
    }
}

#[tokio::test]
async fn a_killed_shim_takes_everything_with_it() {
    for bench in both() {
        let spec = bash_spec(&[], &["setsid sleep 1005 & setsid -f sleep 1006; touch ready; sleep 1007"]);
        let executor = bench.executor();
        executor.start(&spec).await.unwrap();
        let ready = bench.place(&spec.run()).join("work/ready");
        until("all run", || ready.exists() && bench.processes().len() >= 4).await;
        let exited = {
            let (executor, run) = (executor.clone(), spec.run());
            tokio::spawn(async move { executor.exited(&run).await })
        };
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        kill(bench.shim(&spec.run()));
        assert_eq!(within(10, "exited", exited).await.unwrap(), EXIT);
        assert_eq!(bench.processes(), Vec::<i32>::new());
        assert_eq!(executor.inspect().await.unwrap()[0].exit, Some(EXIT));
        assert_eq!(executor.stop(&spec.run(), Some(GRACE)).await, Ok(()));
    }
}

#[tokio::test]
async fn a_shim_killed_while_no_agent_looked_is_found_out() {
    for bench in both() {
        let spec = bench.spec(Behaves::IgnoresTerm);
        bench.executor().start(&spec).await.unwrap();
        let shim = bench.shim(&spec.run());
        kill(shim);
        until("the shim is gone", || !lives(shim)).await;
        let found = bench.restarted().inspect().await.unwrap();
        assert_eq!(found[0].exit, Some(EXIT));
        assert_eq!(bench.processes(), Vec::<i32>::new());
    }
}

#[tokio::test]
async fn a_shim_that_hangs_is_killed_by_the_stop() {
    let bench = BashBench::plain().unwrap();
    let spec = bench.spec(Behaves::Runs);
    bench.executor().start(&spec).await.unwrap();
    let shim = rustix::process::Pid::from_raw(bench.shim(&spec.run())).unwrap();
    rustix::process::kill_process(shim, rustix::process::Signal::STOP).unwrap();
    within(15, "a stop", bench.executor().stop(&spec.run(), Some(Span(10)))).await.unwrap();
    assert_eq!(bench.processes(), Vec::<i32>::new());
}

#[tokio::test]
async fn a_stranger_with_the_pid_of_a_shim_is_left_alone() {
    for bench in both() {
        let stranger = Stranger(Command::new("sleep").arg("1008").stdin(Stdio::null()).spawn().unwrap());
        let pid = i32::try_from(stranger.0.id()).unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let start: u64 =
            stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap().parse().unwrap();
        let spec = bench.spec(Behaves::Runs);
        let executor = bench.executor();
        executor.start(&spec).await.unwrap();
        let shim = bench.shim(&spec.run());
        // Now it waits, and only a signal makes it look for an order to stop.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        // Even with its right start time, and while the true shim holds the lock.
        edit(&bench, &spec.run(), |json| {
            json["pid"] = pid.into();
            json["start"] = start.into();
        });
        let run = spec.run();
        let hurried =
            tokio::time::timeout(std::time::Duration::from_secs(1), executor.stop(&run, Some(Span(1))));
        assert!(hurried.await.is_err(), "there is no proof, so there is no signal");
        assert!(lives(pid) && lives(shim));
        // And when the shim is gone.
        kill(shim);
        assert_eq!(within(10, "exited", executor.exited(&spec.run())).await, EXIT);
        assert_eq!(executor.stop(&spec.run(), Some(Span(1))).await, Ok(()));
        assert!(lives(pid));
        assert_eq!(bench.processes(), Vec::<i32>::new());
    }
}

#[tokio::test]
async fn nothing_of_an_earlier_boot_lives() {
    let bench = BashBench::plain().unwrap();
    let spec = bench.spec(Behaves::Runs);
    bench.executor().start(&spec).await.unwrap();
    // A shell may fork between the look and the kill.
    let gone = || {
        bench.processes().into_iter().for_each(kill);
        bench.processes().is_empty()
    };
    until("all is gone", gone).await;
    edit(&bench, &spec.run(), |json| json["boot"] = "another".into());
    let found = bench.restarted().inspect().await.unwrap();
    assert_eq!((&found[0].spec, &found[0].exit), (&spec, &Some(EXIT)));
}

#[tokio::test]
async fn a_start_that_was_cut_off_is_over() {
    let bench = BashBench::plain().unwrap();
    let (first, second) = (bench.spec(Behaves::Exits(0)), bench.spec(Behaves::Runs));
    bench.executor().start(&first).await.unwrap();
    bench.executor().exited(&first.run()).await;
    // Cut off before spec.json: there is nothing to know. Cut off behind it: it never came to be.
    let cut = |attempt: u32| Arc::new(callboard_core::work::Spec { attempt, ..(*second).clone() });
    let (empty, written) = (cut(1), cut(2));
    std::fs::create_dir_all(bench.place(&empty.run()).join("work")).unwrap();
    let place = bench.place(&written.run());
    std::fs::create_dir_all(place.join("work")).unwrap();
    let text = std::fs::read_to_string(bench.place(&first.run()).join("spec.json")).unwrap();
    let mut plan: serde_json::Value = serde_json::from_str(&text).unwrap();
    plan["spec"]["attempt"] = 2.into();
    std::fs::write(place.join("spec.json"), plan.to_string()).unwrap();
    let next = bench.restarted();
    let found = next.inspect().await.unwrap();
    let ends: Vec<_> = found.iter().map(|found| (found.spec.attempt, found.exit.is_some())).collect();
    assert_eq!(ends, [(0, true), (2, true)]);
    assert!(!bench.place(&empty.run()).exists());
    assert!(next.start(&written).await.is_err(), "it was told to have ended");
    assert_eq!(bench.processes(), Vec::<i32>::new());
}

#[tokio::test]
async fn an_agent_killed_while_starting_is_followed_by_one_that_adopts() {
    let bench = BashBench::plain().unwrap();
    let spec = bash_spec(&["until [ -e go ]; do sleep 0.05; done"], &["sleep 1009"]);
    let first = {
        let (executor, spec) = (bench.executor(), spec.clone());
        tokio::spawn(async move { executor.start(&spec).await })
    };
    let place = bench.place(&spec.run());
    until("the shim is there", || place.join("shim.json").exists()).await;
    first.abort();
    let _ = first.await;
    let next = bench.restarted();
    assert_eq!(next.inspect().await.unwrap()[0].exit, None);
    std::fs::write(place.join("work/go"), "").unwrap();
    within(10, "the start", next.start(&spec)).await.unwrap();
    next.stop(&spec.run(), Some(GRACE)).await.unwrap();
    assert_eq!(bench.processes(), Vec::<i32>::new());
}

#[tokio::test]
async fn a_run_that_loses_its_directory_goes_on_and_is_not_started_again() {
    for bench in both() {
        let spec = bash_spec(&[], &["touch ready; sleep 1005"]);
        let (executor, run) = (bench.executor(), spec.run());
        executor.start(&spec).await.unwrap();
        let ready = bench.place(&run).join("work/ready");
        until("it runs", || ready.exists()).await;
        let shim = bench.shim(&run);
        let waits = tokio::spawn({
            let (executor, run) = (executor.clone(), run.clone());
            async move { executor.exited(&run).await }
        });
        let tasks = bench.dir.path().join("tasks");
        until("the directory is gone", || std::fs::remove_dir_all(&tasks).is_ok() || !tasks.exists()).await;
        for executor in [executor.clone(), bench.restarted()] {
            let failure = executor.inspect().await.unwrap_err();
            assert!(failure.0.contains(&format!("is gone, but process {shim}")), "{failure}");
            let failure = executor.start(&attempt_of(&spec, 1)).await.unwrap_err();
            assert!(failure.0.contains("is gone, but process"), "{failure}");
        }
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        assert!(!waits.is_finished() && lives(shim), "it goes on, and counts as running");
        executor.stop(&run, Some(GRACE)).await.unwrap();
        assert_eq!(within(5, "its end", waits).await.unwrap(), EXIT);
        assert_eq!(bench.processes(), Vec::<i32>::new());
        assert_eq!(bench.restarted().inspect().await.unwrap(), vec![]);
    }
}
