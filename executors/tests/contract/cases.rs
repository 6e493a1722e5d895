//! The contract: what any executor must do. To try another one on it, give it a bench and a line at the end.

use super::bench::{BashBench, Behaves, Bench, EXIT, FakeBench, GRACE, within};
#[cfg(feature = "docker")]
use super::docker_bench::DockerBench;
use super::programs::program;
use callboard_core::machine::Span;
use callboard_core::model::{Try, Usage};
use callboard_core::work::{Exit, Run, Spec};
use callboard_executors::Failure;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

async fn starts_and_runs_until_stopped(bench: &dyn Bench) {
    let (executor, spec) = (bench.executor(), bench.spec(Behaves::Runs));
    executor.start(&spec).await.unwrap();
    let exited = {
        let (executor, run) = (executor.clone(), spec.run());
        tokio::spawn(async move { executor.exited(&run).await })
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!exited.is_finished());
    let found = executor.inspect().await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].spec, &found[0].exit), (&spec, &None));
    within(5, "a graceful stop", executor.stop(&spec.run(), Some(GRACE))).await.unwrap();
    let exit = within(5, "exited", exited).await.unwrap();
    assert_eq!(exit, Exit { signal: Some(15), ..EXIT });
    assert_eq!(executor.inspect().await.unwrap()[0].exit, Some(exit));
}

/// Of a task that says `first`, and `second` three seconds later.
pub(crate) async fn tells_what_was_written_since(bench: &dyn Bench, spec: Arc<Spec>) {
    let executor = bench.executor();
    executor.start(&spec).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let between = SystemTime::now();
    within(20, "all is written", async {
        while executor.tail(&spec.run(), 100, None).await.unwrap() != b"first\nsecond\n" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(executor.tail(&spec.run(), 100, Some(between)).await.unwrap(), b"second\n");
    executor.stop(&spec.run(), Some(Span(100))).await.unwrap();
}

async fn reports_exit_codes(bench: &dyn Bench) {
    for (attempt, code) in [(0, 0), (1, 3)] {
        let (executor, spec) = (bench.executor(), attempt_of(&bench.spec(Behaves::Exits(code)), attempt));
        executor.start(&spec).await.unwrap();
        let exit = within(10, "exited", executor.exited(&spec.run())).await;
        assert_eq!(exit, Exit { code: Some(code), ..EXIT });
        assert_eq!(executor.exited(&spec.run()).await, exit, "asked again");
    }
}

async fn kills_after_the_grace(bench: &dyn Bench) {
    let (executor, spec) = (bench.executor(), bench.spec(Behaves::IgnoresTerm));
    executor.start(&spec).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let start = Instant::now();
    within(10, "a stop by force", executor.stop(&spec.run(), Some(Span(400)))).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(400), "killed after {:?}", start.elapsed());
    assert_eq!(executor.exited(&spec.run()).await, Exit { signal: Some(9), ..EXIT });
}

/// Whoever tells it to stop may not know what it is made of.
async fn kills_after_its_own_grace(bench: &dyn Bench) {
    let (executor, spec) = (bench.executor(), bench.spec(Behaves::IgnoresTerm));
    let mut definition = (*spec.definition).clone();
    definition.kill_timeout = Span(700);
    let spec = Arc::new(Spec { definition: Arc::new(definition), ..(*spec).clone() });
    executor.start(&spec).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let start = Instant::now();
    within(5, "a stop by force", executor.stop(&spec.run(), None)).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(700), "killed after {:?}", start.elapsed());
    assert_eq!(executor.exited(&spec.run()).await, Exit { signal: Some(9), ..EXIT });
}

async fn stops_twice_at_once_and_again(bench: &dyn Bench) {
    let (executor, spec) = (bench.executor(), bench.spec(Behaves::Runs));
    executor.start(&spec).await.unwrap();
    let run = spec.run();
    let (one, two) = tokio::join!(executor.stop(&run, Some(GRACE)), executor.stop(&run, Some(GRACE)));
    assert_eq!((one, two), (Ok(()), Ok(())));
    assert_eq!(executor.stop(&run, Some(GRACE)).await, Ok(()));
}

async fn knows_nothing_of_strangers(bench: &dyn Bench) {
    let executor = bench.executor();
    let run = Run { id: "never-was-1-1".into(), generation: 1, attempt: 0 };
    assert_eq!(executor.inspect().await.unwrap(), vec![]);
    assert_eq!(executor.exited(&run).await, EXIT);
    assert_eq!(executor.stop(&run, Some(GRACE)).await, Ok(()));
    assert_eq!(executor.remove(&run).await, Ok(()));
    assert_eq!(executor.inspect().await.unwrap(), vec![]);
    assert!(executor.tail(&run, 10, None).await.is_err());
}

async fn starts_twice_as_one(bench: &dyn Bench) {
    let (executor, spec) = (bench.executor(), bench.spec(Behaves::Runs));
    let (one, two) = tokio::join!(executor.start(&spec), executor.start(&spec));
    assert_eq!((one, two), (Ok(()), Ok(())));
    assert_eq!(bench.restarted().start(&spec).await, Ok(()));
    assert_eq!(executor.inspect().await.unwrap().len(), 1);
    executor.stop(&spec.run(), Some(GRACE)).await.unwrap();
    assert!(executor.inspect().await.unwrap()[0].exit.is_some());
    let _ = executor.start(&spec).await;
    assert!(executor.inspect().await.unwrap()[0].exit.is_some(), "it must not come back");
}

async fn a_stop_that_comes_first_holds(bench: &dyn Bench) {
    let (executor, spec) = (bench.executor(), bench.spec(Behaves::Runs));
    executor.stop(&spec.run(), Some(GRACE)).await.unwrap();
    let failure = executor.start(&spec).await.unwrap_err();
    assert!(failure.0.contains("stopped"), "{failure}");
    assert!(executor.inspect().await.unwrap().iter().all(|found| found.exit.is_some()));
    let next = attempt_of(&spec, 1);
    executor.start(&next).await.unwrap();
    executor.stop(&next.run(), Some(GRACE)).await.unwrap();
}

async fn says_why_a_start_failed(bench: &dyn Bench) {
    let (executor, spec) = (bench.executor(), bench.spec(Behaves::FailsToStart));
    let failure = executor.start(&spec).await.unwrap_err();
    assert!(failure.0.contains("exit code 3"), "{failure}");
    assert_eq!(executor.start(&spec).await, Err(failure), "asked again");
    assert_eq!(executor.exited(&spec.run()).await, EXIT);
    assert_eq!(executor.inspect().await.unwrap()[0].exit, Some(EXIT));
}

async fn stops_while_starting(bench: &dyn Bench) {
    let (executor, spec) = (bench.executor(), bench.spec(Behaves::StartsSlowly));
    let starting = {
        let (executor, spec) = (executor.clone(), spec.clone());
        tokio::spawn(async move { executor.start(&spec).await })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!starting.is_finished());
    within(5, "a stop", executor.stop(&spec.run(), Some(GRACE))).await.unwrap();
    let failure = within(5, "the start", starting).await.unwrap().unwrap_err();
    assert!(failure.0.contains("stopped"), "{failure}");
    assert!(executor.inspect().await.unwrap()[0].exit.is_some());
}

async fn is_adopted_by_the_next_agent(bench: &dyn Bench) {
    let spec = bench.spec(Behaves::Runs);
    bench.executor().start(&spec).await.unwrap();
    let next = bench.restarted();
    let found = next.inspect().await.unwrap();
    assert_eq!((&found[0].spec, &found[0].exit), (&spec, &None));
    let run = spec.run();
    let (exit, stopped) = tokio::join!(next.exited(&run), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        next.stop(&run, Some(GRACE)).await
    });
    assert_eq!((exit.signal, stopped), (Some(15), Ok(())));
}

async fn tells_the_next_agent_how_long_a_limited_task_has_run(bench: &dyn Bench) {
    for (attempt, limit) in [(0, None), (1, Some(Span::secs(60)))] {
        let mut spec = Spec::clone(&attempt_of(&bench.spec(Behaves::Runs), attempt));
        spec.task.once = Some(Try { time_limit: limit });
        let spec = Arc::new(spec);
        bench.executor().start(&spec).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1200)).await;
        let found = bench.restarted().inspect().await.unwrap();
        let age = found.iter().find(|found| found.spec.run() == spec.run()).unwrap().age;
        let is_told = age.is_some_and(|age| age >= Span(1000) && age < Span::secs(30));
        assert_eq!(is_told, limit.is_some(), "{age:?}");
        bench.executor().stop(&spec.run(), Some(GRACE)).await.unwrap();
    }
}

async fn ends_while_no_agent_looks(bench: &dyn Bench) {
    let spec = bench.spec(Behaves::Exits(4));
    let executor = bench.executor();
    executor.start(&spec).await.unwrap();
    drop(executor);
    tokio::time::sleep(Duration::from_millis(700)).await;
    let found = bench.restarted().inspect().await.unwrap();
    assert_eq!(found[0].exit, Some(Exit { code: Some(4), ..EXIT }));
}

async fn forgets_only_what_has_ended(bench: &dyn Bench) {
    let (executor, spec) = (bench.executor(), bench.spec(Behaves::Runs));
    executor.start(&spec).await.unwrap();
    assert!(executor.remove(&spec.run()).await.unwrap_err().0.contains("stop it first"));
    executor.stop(&spec.run(), Some(GRACE)).await.unwrap();
    executor.remove(&spec.run()).await.unwrap();
    assert_eq!(executor.inspect().await.unwrap(), vec![]);
    executor.remove(&spec.run()).await.unwrap();
}

async fn keeps_the_output(bench: &dyn Bench) {
    let (executor, spec) = (bench.executor(), bench.spec(Behaves::Writes("first second")));
    executor.start(&spec).await.unwrap();
    within(10, "output", async {
        while executor.tail(&spec.run(), 6, None).await.unwrap() != b"second" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(executor.tail(&spec.run(), 1000, None).await.unwrap(), b"first second");
    let hour = Duration::from_secs(3600);
    for (since, expect) in [(SystemTime::now() - hour, "first second"), (SystemTime::now() + hour, "")] {
        assert_eq!(executor.tail(&spec.run(), 1000, Some(since)).await.unwrap(), expect.as_bytes());
    }
}

async fn measures_memory(bench: &dyn Bench) {
    let (executor, spec) = (bench.executor(), bench.spec(Behaves::Runs));
    assert!(executor.usage().await.tasks.is_empty());
    executor.start(&spec).await.unwrap();
    within(10, "a task with memory", async {
        while executor.usage().await.tasks.get("shop-web-7-3").is_none_or(|memory| *memory == 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let usage = executor.usage().await;
    assert!(usage.memory_total > 0 && usage.memory_used <= usage.memory_total, "{usage:?}");
    executor.stop(&spec.run(), Some(GRACE)).await.unwrap();
    assert!(executor.usage().await.tasks.is_empty());
}

async fn measures_processors(bench: &dyn Bench) {
    /// A tenth of a core, which also a machine with much else to do gives to whoever wants it.
    const LITTLE: u64 = 102;
    let executor = bench.executor();
    for (attempt, behaves) in [(0, Behaves::Spins), (1, Behaves::Runs)] {
        let spec = attempt_of(&bench.spec(behaves), attempt);
        let spins = matches!(behaves, Behaves::Spins);
        executor.start(&spec).await.unwrap();
        within(30, "a task that spins, and one that does not", async {
            loop {
                let Usage { cpu_used, tasks_cpu, .. } = executor.usage().await;
                let used = tasks_cpu.get("shop-web-7-3").copied();
                assert!(used.is_none_or(|used| used < 8 * 1024), "one loop takes one core: {used:?}");
                if used.is_some_and(|used| (used > LITTLE) == spins) && cpu_used.is_some() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
        .await;
        executor.stop(&spec.run(), Some(GRACE)).await.unwrap();
        assert!(executor.usage().await.tasks_cpu.is_empty());
    }
}

async fn runs_programs_inside_what_lives(bench: &dyn Bench) {
    let (executor, spec) = (bench.executor(), bench.spec(Behaves::Runs));
    let run = spec.run();
    let idle = Err(Failure("the task does not run".to_string()));
    assert_eq!(program(&*executor, &run, &["cat"], "").await.2, idle);
    executor.start(&spec).await.unwrap();
    let (out, err, ended) = within(10, "a program", program(&*executor, &run, &["cat"], "said")).await;
    assert_eq!((&*out, &*err, ended), ("said", "", Ok(0)));
    let other = attempt_of(&spec, 1).run();
    assert_eq!(program(&*executor, &other, &["cat"], "").await.2, idle);
    executor.stop(&run, Some(GRACE)).await.unwrap();
    assert_eq!(program(&*executor, &run, &["cat"], "").await.2, idle);
}

pub(crate) fn attempt_of(spec: &Spec, attempt: u32) -> Arc<Spec> {
    Arc::new(Spec { attempt, ..spec.clone() })
}

macro_rules! contract {
    ($name:ident: $bench:expr; $($case:ident)*) => {
        mod $name {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    use super::*;
                    let Some(bench) = $bench else { return };
                    super::$case(&bench).await;
                }
            )*
        }
    };
}

macro_rules! contracts {
    ($($name:ident: $bench:expr;)*) => {
        $(contract! {
            $name: $bench;
            starts_and_runs_until_stopped
            reports_exit_codes
            kills_after_the_grace
            kills_after_its_own_grace
            stops_twice_at_once_and_again
            knows_nothing_of_strangers
            starts_twice_as_one
            a_stop_that_comes_first_holds
            says_why_a_start_failed
            stops_while_starting
            is_adopted_by_the_next_agent
            tells_the_next_agent_how_long_a_limited_task_has_run
            ends_while_no_agent_looks
            forgets_only_what_has_ended
            keeps_the_output
            measures_memory
            measures_processors
            runs_programs_inside_what_lives
        })*
    };
}

contracts! {
    fake: FakeBench::new();
    bash_plain: BashBench::plain();
    bash_grouped: BashBench::grouped();
}

#[cfg(feature = "docker")]
contracts! {
    docker: DockerBench::new();
}
