//! An agent's directory that has become read-only, as on a disk that failed: what runs goes on and can be stopped, nothing new
//! is started, and when it is mended nothing is lost.

use super::bench::{BashBench, Behaves, Bench, GRACE, lives, within};
use super::cases::attempt_of;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory below which nothing can be written, for as long as this is kept.
struct ReadOnly(PathBuf);

impl ReadOnly {
    fn over(dir: &Path) -> ReadOnly {
        let dir = dir.canonicalize().unwrap();
        mount(&["--bind".as_ref(), dir.as_os_str(), dir.as_os_str()]);
        mount(&["-o".as_ref(), "remount,bind,ro".as_ref(), dir.as_os_str()]);
        assert!(std::fs::write(dir.join("any"), "").is_err());
        ReadOnly(dir)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn mount(words: &[&std::ffi::OsStr]) {
    let done = Command::new("mount").args(words).status().unwrap();
    assert!(done.success(), "mounting needs root: {words:?}");
}

#[tokio::test]
async fn on_a_read_only_disk_what_runs_goes_on_and_can_be_stopped() {
    for bench in [BashBench::plain(), BashBench::grouped()].into_iter().flatten() {
        let (stays, ends) = (bench.spec(Behaves::Runs), attempt_of(&bench.spec(Behaves::Runs), 1));
        for spec in [&stays, &ends] {
            bench.executor().start(spec).await.unwrap();
        }
        let read_only = ReadOnly::over(bench.dir.path());
        // The agent is started again on it, too.
        let executor = bench.restarted();
        let why = executor.usage().await.unfit.unwrap_or_default();
        assert!(why.contains("Read-only file system"), "{why}");
        let failure = executor.start(&attempt_of(&stays, 2)).await.unwrap_err();
        assert!(failure.0.contains("Read-only file system"), "{failure}");
        let live = executor.inspect().await.unwrap();
        assert!(live.iter().all(|found| found.exit.is_none()) && live.len() == 2, "{live:?}");
        let shim = bench.shim(&ends.run());
        // That it ended cannot be written down, so it may be told of when that is so again.
        let _ = within(20, "the stop", executor.stop(&ends.run(), Some(GRACE))).await;
        assert!(!lives(shim) && lives(bench.shim(&stays.run())));
        drop(read_only);
        let executor = bench.restarted();
        assert_eq!(executor.usage().await.unfit, None);
        let ended = |attempt: u32, found: &[callboard_core::work::Found]| {
            found.iter().find(|found| found.spec.attempt == attempt).map(|found| found.exit.is_some())
        };
        let found = executor.inspect().await.unwrap();
        assert_eq!([ended(0, &found), ended(1, &found)], [Some(false), Some(true)]);
        executor.stop(&stays.run(), Some(GRACE)).await.unwrap();
        for spec in [&stays, &ends] {
            executor.remove(&spec.run()).await.unwrap();
        }
        assert_eq!(bench.processes(), Vec::<i32>::new());
    }
}

#[cfg(feature = "docker")]
#[tokio::test]
async fn on_a_read_only_disk_containers_go_on_and_can_be_stopped() {
    let bench = super::docker_bench::DockerBench::new().unwrap();
    let (stays, ends) = (bench.spec(Behaves::Runs), attempt_of(&bench.spec(Behaves::Runs), 1));
    for spec in [&stays, &ends] {
        bench.executor().start(spec).await.unwrap();
    }
    let read_only = ReadOnly::over(bench.dir.path());
    let executor = bench.executor();
    within(20, "the stop", executor.stop(&ends.run(), Some(GRACE))).await.unwrap();
    let found = executor.inspect().await.unwrap();
    let ended: Vec<_> = found.iter().map(|found| (found.spec.attempt, found.exit.is_some())).collect();
    assert_eq!(ended, [(0, false), (1, true)]);
    drop(read_only);
    let executor = bench.restarted();
    executor.stop(&stays.run(), Some(GRACE)).await.unwrap();
    for spec in [&stays, &ends] {
        executor.remove(&spec.run()).await.unwrap();
    }
    assert_eq!(bench.containers().len(), 0);
}
