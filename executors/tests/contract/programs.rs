//! Programs that a person runs inside a task.

use super::bench::{BashBench, Behaves, Bench, GRACE, until, within};
#[cfg(feature = "docker")]
use super::docker_bench::DockerBench;
use callboard_core::work::Run;
use callboard_executors::{Exec, Executor, Failure, Said};
use tokio::sync::mpsc;

/// What a program wrote to standard output and standard error, and how it ended.
type Ended = (String, String, Result<i32, Failure>);

/// Runs a program to its end.
pub(crate) async fn program(executor: &dyn Executor, run: &Run, words: &[&str], input: &str) -> Ended {
    let (feeder, reads) = mpsc::channel(1);
    let (output, mut says) = mpsc::channel(1);
    let words = words.iter().map(ToString::to_string).collect();
    let exec = Exec { container: None, words, input: reads, output };
    let feed = async {
        if !input.is_empty() {
            feeder.send(input.as_bytes().to_vec()).await.unwrap();
        }
        drop(feeder);
    };
    let listen = async {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        while let Some(said) = says.recv().await {
            match said {
                Said::Out(bytes) => out.extend(bytes),
                Said::Err(bytes) => err.extend(bytes),
            }
        }
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    };
    let ((), (out, err), ended) = tokio::join!(feed, listen, executor.exec(run, exec));
    (out, err, ended)
}

async fn speak_and_end(bench: &dyn Bench) {
    let (executor, spec) = (bench.executor(), bench.spec(Behaves::Runs));
    executor.start(&spec).await.unwrap();
    let run = spec.run();
    let sh = |script: &'static str| ["sh", "-c", script, "$0 it's\n"];
    let both = sh("cat; echo aside >&2; exit 3");
    assert_eq!(
        within(10, "a program", program(&*executor, &run, &both, "said\n")).await,
        ("said\n".to_string(), "aside\n".to_string(), Ok(3))
    );
    let (words, ..) = within(10, "words", program(&*executor, &run, &sh("printf '%s' \"$0\""), "")).await;
    assert_eq!(words, "$0 it's\n", "no shell reads them");
    let (port, ..) =
        within(10, "the environment", program(&*executor, &run, &sh("echo $CALLBOARD_PORT"), "")).await;
    assert_eq!(port, "31234\n");
    let (.., killed) = within(10, "a signal", program(&*executor, &run, &sh("kill -9 $$"), "")).await;
    assert_eq!(killed, Ok(137));
    let big =
        within(20, "much", program(&*executor, &run, &sh("head -c 3000000 /dev/zero | tr '\\0' x"), ""))
            .await;
    assert_eq!((big.0.len(), big.2), (3_000_000, Ok(0)));
    executor.stop(&run, Some(GRACE)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_speak_and_end_in_bash() {
    for bench in [BashBench::plain(), BashBench::grouped()].into_iter().flatten() {
        speak_and_end(&bench).await;
    }
}

#[cfg(feature = "docker")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_speak_and_end_in_docker() {
    speak_and_end(&DockerBench::new().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_one_that_nobody_listens_to() {
    for bench in [BashBench::plain(), BashBench::grouped()].into_iter().flatten() {
        let (executor, spec) = (bench.executor(), bench.spec(Behaves::Runs));
        executor.start(&spec).await.unwrap();
        let sleeps = |pid: &&i32| {
            std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"sleep\x00102"))
        };
        let left = || bench.processes().iter().filter(sleeps).count();
        let (feeder, reads) = mpsc::channel(1);
        let (output, mut says) = mpsc::channel(1);
        let words = ["sh", "-c", "echo here; sleep 1020 & sleep 1021"].map(ToString::to_string).into();
        let exec = Exec { container: None, words, input: reads, output };
        let running = {
            let (executor, run) = (executor.clone(), spec.run());
            tokio::spawn(async move { executor.exec(&run, exec).await })
        };
        assert_eq!(says.recv().await, Some(Said::Out(b"here\n".to_vec())));
        until("both sleep", || left() == 2).await;
        drop((says, feeder));
        within(10, "its end", running).await.unwrap().unwrap();
        until("its group is gone", || left() == 0).await;
        executor.stop(&spec.run(), Some(GRACE)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_is_none_is_refused() {
    let Some(bench) = BashBench::plain() else { return };
    let (executor, spec) = (bench.executor(), bench.spec(Behaves::Runs));
    executor.start(&spec).await.unwrap();
    let ((_, reads), (output, _says)) = (mpsc::channel(1), mpsc::channel(1));
    let exec = Exec { container: Some("no".into()), words: vec!["true".into()], input: reads, output };
    let refused = executor.exec(&spec.run(), exec).await.unwrap_err();
    assert_eq!(refused.to_string(), "the task has no container \"no\" (it has: main)");
    executor.stop(&spec.run(), Some(GRACE)).await.unwrap();
}
