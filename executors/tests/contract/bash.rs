//! What only the bash executor can be asked: environment, setup, output, descendants, several containers, bad disks.

use super::bench::{
    BashBench, Behaves, Bench, EXIT, GRACE, bash_spec, container, definition, lives, spec_of, until, within,
};
use super::cases::tells_what_was_written_since;
use callboard_core::machine::Span;
use callboard_core::model::Bash as Settled;
use callboard_core::work::{Exit, Spec};
use callboard_executors::Executor;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn both() -> impl Iterator<Item = BashBench> {
    [BashBench::plain(), BashBench::grouped()].into_iter().flatten()
}

async fn run(executor: &dyn Executor, spec: &Arc<Spec>) -> (Exit, String) {
    executor.start(spec).await.unwrap();
    let exit = within(20, "its end", executor.exited(&spec.run())).await;
    let output = executor.tail(&spec.run(), 1 << 20, None).await.unwrap();
    (exit, String::from_utf8(output).unwrap())
}

async fn read_pid(path: &Path) -> i32 {
    until("a pid is written", || std::fs::read_to_string(path).is_ok_and(|text| text.ends_with('\n'))).await;
    std::fs::read_to_string(path).unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn the_environment_is_made_from_nothing() {
    for bench in both() {
        // This very test is run by cargo, which sets this one.
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        let bash = Settled {
            start: vec!["env | sort".to_string(), "pwd".to_string()],
            env: vec!["GREETING=hello world=x".to_string(), "LANG=C".to_string()],
            ..Settled::default()
        };
        let spec = spec_of(definition("app", vec![container("main", &[], bash)]));
        let (exit, output) = run(&*bench.executor(), &spec).await;
        assert_eq!(exit.code, Some(0), "{output}");
        let work = bench.place(&spec.run()).join("work");
        let lines: Vec<&str> = output.lines().filter(|line| !line.starts_with("CALLBOARD_RUN=")).collect();
        let expected = format!(
            "CALLBOARD_CLUSTER=shop\nCALLBOARD_GENERATION=42\nCALLBOARD_HOST=h1\nCALLBOARD_INSTANCE=3\n\
             CALLBOARD_PORT=31234\nCALLBOARD_SERVICE=web\nCALLBOARD_TASK_ID=shop-web-7-3\nCALLBOARD_VERSION=7\n\
             GREETING=hello world=x\nHOME={work}\nLANG=C\nOLDPWD\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:\
             /usr/bin:/sbin:/bin\nPORT=31234\nPORT_DNS_UDP=31235\nPWD={work}\n_=/usr/bin/env\n{work}",
            work = work.display()
        );
        let made: Vec<&str> = lines.into_iter().filter(|line| !line.starts_with("SHLVL=")).collect();
        let expected: Vec<&str> = expected.lines().filter(|line| *line != "OLDPWD").collect();
        assert_eq!(made, expected);
    }
}

#[tokio::test]
async fn the_shim_gets_nothing_of_the_agent_either() {
    let bench = BashBench::plain().unwrap();
    let spec = bench.spec(Behaves::Runs);
    bench.executor().start(&spec).await.unwrap();
    let environ = std::fs::read(format!("/proc/{}/environ", bench.shim(&spec.run()))).unwrap();
    assert_eq!(environ, b"");
    bench.executor().stop(&spec.run(), Some(GRACE)).await.unwrap();
}

#[tokio::test]
async fn setup_runs_in_order_and_before_the_start() {
    for bench in both() {
        let spec = bash_spec(&["echo one; cd /", "echo two; pwd"], &["echo three"]);
        let (_, output) = run(&*bench.executor(), &spec).await;
        let work = bench.place(&spec.run()).join("work");
        assert_eq!(output, format!("one\ntwo\n{}\nthree\n", work.display()));
    }
}

#[tokio::test]
async fn a_setup_that_fails_ends_the_start_and_tells_its_output() {
    let bench = BashBench::plain().unwrap();
    let spec = bash_spec(&["true", "echo no such thing >&2; exit 9", "touch later"], &["touch later"]);
    let failure = bench.executor().start(&spec).await.unwrap_err();
    assert_eq!(
        failure.0,
        "setup command 2 of container main ended with exit code 9 (its output ended: \"no such thing\")"
    );
    assert!(!bench.place(&spec.run()).join("work/later").exists());
}

#[tokio::test]
async fn start_commands_end_at_the_first_that_fails() {
    let bench = BashBench::plain().unwrap();
    let (exit, output) = run(&*bench.executor(), &bash_spec(&[], &["echo a", "false", "echo b"])).await;
    assert_eq!((exit.code, output.as_str()), (Some(1), "a\n"));
}

#[tokio::test]
async fn no_step_runs_on_after_a_stop() {
    for bench in both() {
        let (executor, spec) =
            (bench.executor(), bash_spec(&["trap '' TERM; sleep 5", "touch later"], &["touch later"]));
        let starting = {
            let (executor, spec) = (executor.clone(), spec.clone());
            tokio::spawn(async move { executor.start(&spec).await })
        };
        let place = bench.place(&spec.run());
        until("the shim is there", || place.join("shim.json").exists()).await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        executor.stop(&spec.run(), Some(Span(200))).await.unwrap();
        assert_eq!(bench.processes(), Vec::<i32>::new());
        assert!(starting.await.unwrap().is_err());
        assert!(!place.join("work/later").exists());
    }
}

#[tokio::test]
async fn stop_commands_come_before_signals() {
    for bench in both() {
        let bash = Settled {
            start: vec![
                "trap 'echo signalled; exit 1' TERM".to_string(),
                "touch ready; until [ -e end ]; do sleep 0.05; done; echo ended".to_string(),
            ],
            stop: vec![
                "echo stopping $CALLBOARD_TASK_ID".to_string(),
                "touch end; sleep 0.5".to_string(),
                "echo no more".to_string(),
            ],
            ..Settled::default()
        };
        let spec = spec_of(definition("app", vec![container("main", &[], bash)]));
        let executor = bench.executor();
        executor.start(&spec).await.unwrap();
        let ready = bench.place(&spec.run()).join("work/ready");
        until("it is ready", || ready.exists()).await;
        executor.stop(&spec.run(), Some(GRACE)).await.unwrap();
        let output = String::from_utf8(executor.tail(&spec.run(), 1000, None).await.unwrap()).unwrap();
        assert_eq!(output, "stopping shop-web-7-3\nended\n");
        // What it ended with when it was told to says nothing of what it had done.
        assert_eq!(executor.exited(&spec.run()).await, EXIT);
    }
}

#[tokio::test]
async fn a_stop_command_that_hangs_is_ended_with_all_else() {
    let bench = BashBench::plain().unwrap();
    let bash =
        Settled { start: vec!["sleep 1000".into()], stop: vec!["sleep 1000".into()], ..Settled::default() };
    let spec = spec_of(definition("app", vec![container("main", &[], bash)]));
    bench.executor().start(&spec).await.unwrap();
    within(5, "a stop", bench.executor().stop(&spec.run(), Some(Span(300)))).await.unwrap();
    assert_eq!(bench.processes(), Vec::<i32>::new());
}

#[tokio::test]
async fn all_descendants_end_however_they_hide() {
    for bench in both() {
        let hide = "setsid sh -c 'trap \"\" TERM HUP; (setsid sleep 1001 & echo $! >deep) & \
                    echo $$ >session; while true; do sleep 1; done' &";
        let spec = bash_spec(&[], &[hide, "(trap '' TERM; env -i sleep 1002 & echo $! >bare) &", "wait"]);
        let executor = bench.executor();
        executor.start(&spec).await.unwrap();
        let work = bench.place(&spec.run()).join("work");
        let pids = [
            read_pid(&work.join("deep")).await,
            read_pid(&work.join("session")).await,
            read_pid(&work.join("bare")).await,
        ];
        assert!(pids.iter().all(|pid| lives(*pid)));
        executor.stop(&spec.run(), Some(Span(200))).await.unwrap();
        assert_eq!(pids.map(lives), [false; 3]);
    }
}

#[tokio::test]
async fn what_forks_without_end_ends_with_a_stop() {
    let Some(bench) = BashBench::grouped() else { return };
    // Much later it would end by itself.
    let forks = "for n in $(seq 16); do setsid sh ./run 9000 & done; touch going; exec sleep 1017";
    let spec =
        bash_spec(&["echo 'trap \"\" TERM; [ $1 = 0 ] || setsid sh ./run $(($1 - 1)) &' >run"], &[forks]);
    let executor = bench.executor();
    executor.start(&spec).await.unwrap();
    let going = bench.place(&spec.run()).join("work/going");
    until("it forks", || going.exists() && bench.processes().len() > 8).await;
    within(10, "a stop", executor.stop(&spec.run(), Some(Span(200)))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(bench.processes(), Vec::<i32>::new());
}

#[tokio::test]
async fn what_goes_to_the_background_ends_with_the_task() {
    for bench in both() {
        let spec = bash_spec(&[], &["(setsid sleep 1003 & echo $! >daemon)", "exit 5"]);
        let executor = bench.executor();
        let (exit, _) = run(&*executor, &spec).await;
        assert_eq!(exit, Exit { code: Some(5), ..EXIT });
        assert!(!lives(read_pid(&bench.place(&spec.run()).join("work/daemon")).await));
    }
}

#[tokio::test]
async fn the_output_is_bounded_and_its_end_is_kept() {
    let bench = BashBench::with(false, |settings| settings.log_bytes_max = 10_000).unwrap();
    let executor = bench.executor();
    let (exit, output) = run(&*executor, &bash_spec(&[], &["seq 1 100000"])).await;
    assert_eq!(exit.code, Some(0));
    assert!(output.ends_with("99999\n100000\n"), "{}", output.len());
    assert!((10_000..=20_000).contains(&output.len()), "{}", output.len());
}

#[tokio::test]
async fn containers_end_together() {
    for bench in both() {
        let run_for = |text: &str| Settled { start: vec![text.to_string()], ..Settled::default() };
        let containers = vec![
            container("long", &["echo a"], run_for("echo b; exec sleep 1004")),
            container("short", &["echo a"], run_for("sleep 0.2; exit 6")),
        ];
        let (exit, output) = run(&*bench.executor(), &spec_of(definition("app", containers))).await;
        assert_eq!((exit.code, output.as_str()), (Some(6), "a\na\nb\n"));
    }
}

#[tokio::test]
async fn a_task_without_memory_left_is_told_apart() {
    let Some(bench) = BashBench::grouped() else { return };
    let hungry = "exec tail -c 500m /dev/zero";
    let mut definition = definition(
        "app",
        vec![container("main", &[], Settled { start: vec![hungry.to_string()], ..Settled::default() })],
    );
    definition.memory = 16;
    let spec = spec_of(definition);
    let (exit, _) = run(&*bench.executor(), &spec).await;
    let limited = exit.out_of_memory;
    // Without a controller for memory there is no limit.
    assert!(limited || exit.code == Some(0), "{exit:?}");
    assert!(!limited || exit.signal == Some(9), "{exit:?}");
}

#[tokio::test]
async fn a_task_may_take_more_memory_than_it_reserves() {
    for (limit, may_end) in [(128, false), (0, false), (16, true)] {
        let Some(bench) = BashBench::grouped() else { return };
        let start = vec!["x=$(head -c 20000000 /dev/zero | tr '\\0' x)".to_string()];
        let bash = Settled { start, ..Settled::default() };
        let mut definition = definition("app", vec![container("main", &[], bash)]);
        (definition.memory, definition.memory_limit) = (16, Some(limit));
        let (exit, _) = run(&*bench.executor(), &spec_of(definition)).await;
        // Without a controller for memory there is no limit.
        let fits = exit.code == Some(0) && !exit.out_of_memory;
        assert!(fits || (may_end && exit.out_of_memory), "{limit}: {exit:?}");
    }
}

#[tokio::test]
async fn a_task_is_slowed_to_its_limit() {
    let mut used_at = Vec::new();
    for limit in [0, 102] {
        let Some(bench) = BashBench::grouped() else { return };
        let start = vec!["timeout 2 sh -c 'while :; do :; done' || times".to_string()];
        let bash = Settled { start, ..Settled::default() };
        let mut definition = definition("app", vec![container("main", &[], bash)]);
        (definition.cpu_units, definition.cpu_limit) = (102, limit);
        let (exit, output) = run(&*bench.executor(), &spec_of(definition)).await;
        assert_eq!(exit.code, Some(0), "{output}");
        // The second line is of what it started, minutes and seconds at work and in the kernel.
        let used = output.lines().nth(1).into_iter().flat_map(str::split_whitespace).map(|used| {
            let (_, seconds) = used.trim_end_matches('s').split_once('m').unwrap();
            seconds.parse::<f64>().unwrap()
        });
        used_at.push(used.sum::<f64>());
    }
    // A tenth of a core for 2 s, where the kernel can; without a limit what is free, though as much is reserved.
    let read = |file| std::fs::read_to_string(Path::new("/sys/fs/cgroup").join(file)).unwrap_or_default();
    let controllers = read("cgroup.controllers");
    let slows =
        !read("cpu/cpu.cfs_quota_us").is_empty() || controllers.split_whitespace().any(|it| it == "cpu");
    let (free, slowed) = (used_at[0], used_at[1]);
    assert_eq!(slowed < 0.5 && slowed < free / 2.0, slows, "{free} s without a limit, {slowed} s with one");
}

#[tokio::test]
async fn a_bad_environment_is_refused() {
    let bench = BashBench::plain().unwrap();
    for line in ["NOTHING", "", "=x", "A B=1", "1A=x", "A=\0"] {
        let bash = Settled { env: vec![line.to_string()], ..Settled::default() };
        let spec = spec_of(definition("app", vec![container("main", &[], bash)]));
        let failure = bench.executor().start(&spec).await.unwrap_err();
        assert_eq!(failure.0, format!("container main: env: {line:?} is not of the form NAME=value"));
        assert_eq!(bench.executor().inspect().await.unwrap(), vec![]);
    }
}

#[tokio::test]
async fn a_task_id_leads_nowhere_else() {
    let bench = BashBench::plain().unwrap();
    for id in ["../../etc", "a/b", "..", ""] {
        let mut spec = (*bench.spec(Behaves::Runs)).clone();
        spec.task.id = id.into();
        assert!(bench.executor().start(&Arc::new(spec.clone())).await.is_err());
        assert!(bench.executor().remove(&spec.run()).await.is_err());
    }
}

#[tokio::test]
async fn a_bad_disk_is_an_error_and_the_host_unfit() {
    let bench = BashBench::plain().unwrap();
    let executor = bench.executor();
    let runs = bench.spec(Behaves::Runs);
    executor.start(&runs).await.unwrap();
    assert_eq!(executor.usage().await.unfit, None);
    // A file in its place, for root can write to any directory.
    let tasks = bench.dir.path().join("tasks");
    let away = bench.dir.path().join("away");
    std::fs::rename(&tasks, &away).unwrap();
    std::fs::write(&tasks, "").unwrap();
    let failure = executor.start(&super::cases::attempt_of(&runs, 1)).await.unwrap_err();
    assert!(failure.0.contains("cannot make the directory"), "{failure}");
    assert!(executor.inspect().await.is_err(), "it cannot tell");
    assert!(executor.usage().await.unfit.is_some());
    std::fs::remove_file(&tasks).unwrap();
    std::fs::rename(&away, &tasks).unwrap();
    assert_eq!(executor.inspect().await.unwrap()[0].exit, None);
    executor.stop(&runs.run(), Some(GRACE)).await.unwrap();
}

#[tokio::test]
async fn a_missing_shim_is_told() {
    let bench =
        BashBench::with(false, |settings| settings.shim = vec!["/nowhere/callboard".to_string()]).unwrap();
    let spec = bench.spec(Behaves::Runs);
    let failure = bench.executor().start(&spec).await.unwrap_err();
    assert!(failure.0.contains("/nowhere/callboard"), "{failure}");
    assert_eq!(bench.executor().inspect().await.unwrap()[0].exit, Some(EXIT));
}

#[tokio::test]
async fn what_was_written_since_is_told_apart() {
    let bench = BashBench::plain().unwrap();
    tells_what_was_written_since(&bench, bash_spec(&[], &["echo first; sleep 3; echo second; sleep 1000"]))
        .await;
}
