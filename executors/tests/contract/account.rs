//! Bash tasks as a user of their own: what they are, what they have, and that nothing of theirs counts before. Only root can
//! become somebody else.

use super::bench::{BashBench, Bench, GRACE, bash_spec, container, definition, spec_of, within};
use super::programs::program;
use callboard_core::machine::Span;
use callboard_core::model::Bash as Settled;
use callboard_core::work::Spec;
use callboard_executors::Executor;
use callboard_executors::bash::{Bash, Settings};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::Arc;

const NOBODY: u32 = 65_534;

fn as_nobody(settings: &mut Settings) {
    settings.policy.user = Some("nobody".to_string());
    (settings.policy.processes, settings.policy.open_files) = (20, 64);
}

fn both() -> impl Iterator<Item = BashBench> {
    let is_root = rustix::process::geteuid().is_root();
    let benches = [false, true].into_iter().filter(move |_| is_root);
    benches.filter_map(|grouped| BashBench::with(grouped, as_nobody))
}

async fn output(executor: &dyn Executor, spec: &Arc<Spec>) -> String {
    executor.start(spec).await.unwrap();
    within(20, "its end", executor.exited(&spec.run())).await;
    String::from_utf8(executor.tail(&spec.run(), 1 << 20, None).await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_task_is_its_user_and_has_no_more_than_it() {
    let table = [
        ("id -un; id -G; echo $USER $LOGNAME", "nobody\n65534\nnobody nobody"),
        (
            "grep -E '^(NoNewPrivs|CapEff|CapPrm)' /proc/self/status | cut -f 2",
            "0000000000000000\n0000000000000000\n1",
        ),
        ("ulimit -Sn; ulimit -Hn; ulimit -Hc", "64\n64\n0"),
        ("echo out >/dev/stdout; echo err >/dev/stderr; echo home >~/file; cat file", "out\nerr\nhome"),
        (
            "for of in ../spec.json ../output.log /etc/shadow; do cat $of 2>/dev/null || echo no; done",
            "no\nno\nno",
        ),
        ("ls .. 2>/dev/null || echo no; touch ../file 2>/dev/null || echo no", "no\nno"),
    ];
    for bench in both() {
        for (attempt, (start, expect)) in (0..).zip(table) {
            let spec = Arc::new(Spec { attempt, ..(*bash_spec(&[], &[start])).clone() });
            assert_eq!(output(&*bench.executor(), &spec).await.trim(), expect, "{start}");
        }
    }
}

#[tokio::test]
async fn everything_that_is_run_for_it_is_run_as_its_user() {
    for bench in both() {
        let executor = bench.executor();
        let words = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let start = words(&["id -un >started", "trap 'exit 0' TERM; sleep 1000 & wait"]);
        let bash = Settled { start, stop: words(&["id -un >stopped"]), ..Settled::default() };
        let spec = spec_of(definition("app", vec![container("main", &["id -un >setup"], bash)]));
        executor.start(&spec).await.unwrap();
        executor
            .script(&spec, "test $(id -un) = nobody && ulimit -Hn | grep -qx 64", Span::secs(5))
            .await
            .unwrap();
        let (said, _, ended) =
            program(&*executor, &spec.run(), &["sh", "-c", "id -un; cat /dev/stdin"], "in").await;
        assert_eq!((said.as_str(), ended), ("nobody\nin", Ok(0)));
        executor.stop(&spec.run(), Some(GRACE)).await.unwrap();
        for name in ["setup", "started", "stopped"] {
            let file = bench.place(&spec.run()).join("work").join(name);
            assert_eq!(std::fs::read_to_string(&file).unwrap(), "nobody\n", "{name}");
            assert_eq!(std::fs::metadata(&file).unwrap().uid(), NOBODY, "{name}");
        }
        executor.remove(&spec.run()).await.unwrap();
        assert!(!bench.place(&spec.run()).exists());
    }
}

/// A program that is told by its environment to load something would have run it as root.
#[tokio::test]
async fn the_environment_of_a_task_counts_for_its_user_only() {
    for bench in both() {
        let bash = Settled {
            start: vec!["true".to_string()],
            env: vec!["BASH_ENV=/proc/self/cwd/evil".to_string(), "LD_PRELOAD=/no/such.so".to_string()],
            ..Settled::default()
        };
        let setup = "echo 'id -un >>loaded' >evil";
        let spec = spec_of(definition("app", vec![container("main", &[setup], bash)]));
        let said = output(&*bench.executor(), &spec).await;
        assert!(!said.contains("callboard-shim") && !said.contains("root"), "{said}");
        let loaded = std::fs::read_to_string(bench.place(&spec.run()).join("work/loaded")).unwrap();
        assert_eq!(loaded, "nobody\n");
    }
}

#[tokio::test]
async fn a_task_has_so_many_processes_and_no_more() {
    let Some(bench) = both().nth(1) else { return };
    let bomb = "sh -c 'for i in $(seq 40); do sleep 100 >/dev/null 2>&1 & done; echo all' 2>&1 | tail -n 1";
    let said = output(&*bench.executor(), &bash_spec(&[], &[bomb])).await;
    // Without a controller for processes there is no limit.
    let has = std::path::Path::new("/sys/fs/cgroup/pids").exists();
    assert!(said.contains("fork") || !has, "{said}");
    assert_eq!(bench.processes(), Vec::<i32>::new(), "all ended with it");
}

#[tokio::test]
async fn who_cannot_be_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let open = |user: &str| {
        let mut settings = Settings::new(dir.path().join("data"), vec!["unused".to_string()]);
        settings.policy.user = Some(user.to_string());
        std::fs::create_dir_all(&settings.data_dir).unwrap();
        Bash::open(settings).err().map_or(String::new(), |failure| failure.0)
    };
    assert!(open("no-such-user").contains("there is no user no-such-user on this host"));
    assert!(open("0").contains("root by another name"));
    if rustix::process::geteuid().is_root() {
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        assert!(open("nobody").contains("user nobody cannot reach"), "{}", open("nobody"));
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        assert_eq!(open("nobody"), "");
        assert_eq!(open("root"), "");
    }
}
