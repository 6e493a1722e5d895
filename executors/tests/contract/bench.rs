//! Machines to try executors on. Each gives tasks of a wanted behaviour, and leaves nothing behind, whatever happens.

use callboard_core::machine::Span;
use callboard_core::model::{
    Bash as Settled, Check, Container, Desired, Executor as Kind, Name, Protocol, RestartPolicy, Task,
    TaskDefinition, TaskPort,
};
use callboard_core::work::{Exit, Run, Spec};
use callboard_executors::Executor;
use callboard_executors::bash::{Bash, Policy, Settings};
use callboard_executors::fake::{Behaviour, Fake};
use rustix::process::{Pid, Signal};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What a task does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Behaves {
    Runs,
    /// Keeps a processor busy.
    Spins,
    Exits(i32),
    /// Only killing ends it.
    IgnoresTerm,
    FailsToStart,
    StartsSlowly,
    Writes(&'static str),
}

/// A machine with an executor; another executor for a new machine comes with another bench.
pub(crate) trait Bench: Send + Sync {
    fn executor(&self) -> Arc<dyn Executor>;
    /// Another executor over the same machine, as after the agent was killed.
    fn restarted(&self) -> Arc<dyn Executor>;
    fn spec(&self, behaves: Behaves) -> Arc<Spec>;
}

pub(crate) const EXIT: Exit = Exit { code: None, signal: None, out_of_memory: false };
pub(crate) const GRACE: Span = Span::secs(5);

pub(crate) fn container(name: &str, setup: &[&str], bash: Settled) -> Container {
    let setup = setup.iter().map(ToString::to_string).collect();
    Container { name: Name::from(name), setup, teardown: vec![], essential: true, executor: Kind::Bash(bash) }
}

pub(crate) fn definition(name: &str, containers: Vec<Container>) -> TaskDefinition {
    TaskDefinition {
        name: Name::from(name),
        version: 7,
        provide_port: true,
        port: 0,
        ports: Vec::new(),
        tags: Vec::new(),
        memory: 0,
        memory_limit: None,
        cpu_units: 0,
        cpu_limit: 0,
        disk: 0,
        resources: std::collections::BTreeMap::new(),
        priority: 50,
        kill_timeout: Span::secs(5),
        restart: RestartPolicy::default(),
        containers,
        checks: Vec::<Check>::new(),
    }
}

pub(crate) fn spec_of(definition: TaskDefinition) -> Arc<Spec> {
    let task = Task {
        id: Name::from("shop-web-7-3"),
        cluster: Name::from("shop"),
        service: Name::from("web"),
        task_name: definition.name.clone(),
        version: definition.version,
        instance: 3,
        generation: 42,
        host: Name::from("h1"),
        port: Some(31234),
        memory: definition.memory,
        cpu_units: definition.cpu_units,
        ports: [(Name::from("dns-udp"), TaskPort { port: 31235, protocol: Protocol::Udp })].into(),
        disk: 0,
        resources: std::collections::BTreeMap::new(),
        once: None,
        desired: Desired::Run,
        makes_room_for: None,
        reason: "a test".to_string(),
        tenure: 1,
    };
    Arc::new(Spec { task, definition: Arc::new(definition), attempt: 0 })
}

/// A task of one container.
pub(crate) fn bash_spec(setup: &[&str], start: &[&str]) -> Arc<Spec> {
    let start = start.iter().map(ToString::to_string).collect();
    spec_of(definition("app", vec![container("main", setup, Settled { start, ..Settled::default() })]))
}

pub(crate) struct FakeBench(Fake);

impl FakeBench {
    pub(crate) fn new() -> Option<FakeBench> {
        Some(FakeBench(Fake::default()))
    }
}

impl Bench for FakeBench {
    fn executor(&self) -> Arc<dyn Executor> {
        Arc::new(self.0.clone())
    }

    fn restarted(&self) -> Arc<dyn Executor> {
        Arc::new(Fake::over(self.0.host()))
    }

    fn spec(&self, behaves: Behaves) -> Arc<Spec> {
        let mut behaviour = Behaviour { memory: 1, cpu: Some(1), ..Behaviour::default() };
        match behaves {
            Behaves::Runs => {}
            Behaves::Spins => behaviour.cpu = Some(1024),
            Behaves::Exits(code) => {
                behaviour.exit_after = Some((Span(20), Exit { code: Some(code), ..EXIT }));
            }
            Behaves::IgnoresTerm => behaviour.ignores_term = true,
            Behaves::FailsToStart => behaviour.start_error = Some("exit code 3".to_string()),
            Behaves::StartsSlowly => behaviour.start_delay = Span::secs(60),
            Behaves::Writes(text) => behaviour.output = text.to_string(),
        }
        self.0.behave("app", behaviour);
        bash_spec(&[], &["unused"])
    }
}

/// A directory of its own, and everything in it ended when it is dropped.
pub(crate) struct BashBench {
    pub(crate) dir: tempfile::TempDir,
    control_groups: bool,
    executor: Mutex<Arc<Bash>>,
}

impl BashBench {
    /// Without control groups, as an agent without privileges.
    pub(crate) fn plain() -> Option<BashBench> {
        BashBench::with(false, |_| {})
    }

    /// With control groups, where this machine lets us have them.
    pub(crate) fn grouped() -> Option<BashBench> {
        BashBench::with(true, |_| {})
    }

    pub(crate) fn with(control_groups: bool, change: impl Fn(&mut Settings)) -> Option<BashBench> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::Builder::new().prefix("callboard-executor").tempdir().unwrap();
        let executor = open(dir.path(), control_groups, change);
        let has = executor.has_control_groups();
        let bench = BashBench { dir, control_groups, executor: Mutex::new(Arc::new(executor)) };
        (has == control_groups).then_some(bench)
    }

    pub(crate) fn place(&self, run: &Run) -> PathBuf {
        let tasks = self.dir.path().canonicalize().unwrap().join("tasks");
        tasks.join(&*run.id).join(format!("{}-{}", run.generation, run.attempt))
    }

    /// Gives the pid in a run's `shim.json`.
    pub(crate) fn shim(&self, run: &Run) -> i32 {
        let text = std::fs::read(self.place(run).join("shim.json")).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
        i32::try_from(json["pid"].as_i64().unwrap()).unwrap()
    }

    /// Lists live processes of this bench, shims included.
    pub(crate) fn processes(&self) -> Vec<i32> {
        processes_of(self.dir.path())
    }
}

fn open(dir: &Path, control_groups: bool, change: impl Fn(&mut Settings)) -> Bash {
    let shim = env!("CARGO_BIN_EXE_callboard-shim").to_string();
    let mut settings = Settings::new(dir.to_path_buf(), vec![shim]);
    settings.control_groups = control_groups;
    settings.artifacts = Policy { allow_http: true, allow_loopback: true, ..Policy::default() };
    change(&mut settings);
    Bash::open(settings).unwrap()
}

impl Bench for BashBench {
    fn executor(&self) -> Arc<dyn Executor> {
        self.executor.lock().unwrap().clone()
    }

    fn restarted(&self) -> Arc<dyn Executor> {
        let executor = Arc::new(open(self.dir.path(), self.control_groups, |_| {}));
        *self.executor.lock().unwrap() = executor.clone();
        executor
    }

    fn spec(&self, behaves: Behaves) -> Arc<Spec> {
        let writes;
        match behaves {
            Behaves::Runs => bash_spec(&[], &["sleep 1000"]),
            // Most of it is done by children that are gone.
            Behaves::Spins => bash_spec(&[], &["while :; do (for n in $(seq 1000); do :; done); done"]),
            Behaves::Exits(code) => {
                writes = format!("exit {code}");
                bash_spec(&[], &["sleep 0.05", &writes])
            }
            Behaves::IgnoresTerm => {
                bash_spec(&[], &["trap '' TERM; touch trapped; while true; do sleep 1; done"])
            }
            Behaves::FailsToStart => bash_spec(&["exit 3"], &["sleep 1000"]),
            Behaves::StartsSlowly => bash_spec(&["sleep 1000"], &["sleep 1000"]),
            Behaves::Writes(text) => {
                writes = format!("printf '%s' '{text}'; sleep 1000");
                bash_spec(&[], &[&writes])
            }
        }
    }
}

impl Drop for BashBench {
    fn drop(&mut self) {
        let tasks = self.dir.path().canonicalize().unwrap().join("tasks");
        let start = Instant::now();
        while !self.processes().is_empty() {
            self.processes().into_iter().for_each(kill);
            assert!(start.elapsed() < Duration::from_secs(20), "something is left in {}", tasks.display());
            std::thread::sleep(Duration::from_millis(5));
        }
        let hash = Sha256::digest(tasks.as_os_str().as_encoded_bytes());
        let hash: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let version1 = ["freezer", "memory", "cpu", "pids"].map(|name| {
            let group = own.lines().find_map(|line| line.split_once(&format!(":{name}:/")));
            format!("/sys/fs/cgroup/{name}/{}", group.map_or("", |(_, group)| group))
        });
        let unified = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(String::from);
        for mount in unified.iter().chain(&version1) {
            let group = Path::new(mount).join("callboard").join(&hash);
            // What has just ended still counts for a moment.
            for _ in 0..100 {
                for below in std::fs::read_dir(&group).into_iter().flatten().flatten() {
                    let _ = std::fs::remove_dir(below.path());
                }
                if std::fs::remove_dir(&group).is_ok() || !group.exists() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

/// Lists live processes with a directory in their environment or their arguments.
pub(crate) fn processes_of(dir: &Path) -> Vec<i32> {
    let own = i32::try_from(std::process::id()).unwrap();
    let needle = dir.file_name().unwrap().as_encoded_bytes().to_vec();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let file = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let text = [file("environ"), file("cmdline")].concat();
        if pid != own && text.windows(needle.len()).any(|window| window == needle) && lives(pid) {
            found.push(pid);
        }
    }
    found
}

pub(crate) fn lives(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rfind(')').is_some_and(|at| !stat[at..].starts_with(") Z") && !stat[at..].starts_with(") X"))
}

pub(crate) fn kill(pid: i32) {
    let _ = rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
}

/// Waits for something that must come true within 20 s.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let condition = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(20, what, condition).await;
}

pub(crate) async fn within<T>(seconds: u64, what: &str, future: impl Future<Output = T>) -> T {
    let result = tokio::time::timeout(Duration::from_secs(seconds), future).await;
    result.unwrap_or_else(|_| panic!("not within {seconds} s: {what}"))
}
