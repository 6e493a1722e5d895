//! What an agent costs a host: its memory and processor time at rest, without tasks and with a hundred, on a real store. It
//! fails when the agent takes more than is promised.
//!
//! ```text
//! cargo build --release --features callboard-daemon/etcd --bins
//! cargo bench --bench agent -- consul 100 docker     the store, tasks, bash or docker
//! ```

use serde_json::{Value, json};
use servers::{BUSYBOX, Consul, Docker, Etcd, Ports, http, provide_image, until};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(300);
/// How long it is left alone before it is looked at, and for how long it is.
const REST: Duration = Duration::from_secs(30);
/// What an agent with a hundred tasks may take, MiB.
const MEMORY_MAX: f64 = 30.0;
/// Of a second, as the kernel counts processor time.
const TICKS: f64 = 100.0;

/// A process of Callboard, killed with its handle.
struct Daemon(Child);

impl Daemon {
    fn start(dir: &Path, store: &str, port: u16, line: &[&str]) -> Daemon {
        let own = std::env::current_exe().expect("a benchmark knows its own file");
        let binary: PathBuf =
            own.ancestors().nth(2).expect("it lies in target/release/deps").join("callboard");
        let log = File::create(dir.join(format!("{port}.log"))).expect("the log can be written");
        let mut command = Command::new(&binary);
        command.args(line).args(["--store", store, "--bind", &format!("127.0.0.1:{port}")]);
        command.args(["--log-level", "warn"]).stderr(log);
        let child = command.spawn();
        Daemon(
            child.unwrap_or_else(|error| panic!("{}: {error}; build the binaries first", binary.display())),
        )
    }

    /// Tells what it takes at rest.
    fn tell(&self, with: &str) -> f64 {
        std::thread::sleep(REST);
        let before = ticks(self.0.id());
        std::thread::sleep(REST);
        let share = (ticks(self.0.id()) - before) / TICKS / REST.as_secs_f64() * 100.0;
        let memory = kib(self.0.id(), "status", "VmRSS:") / 1024.0;
        say(&format!("memory of an agent with {with}"), format!("{memory:.1} MiB"));
        say(&format!("processor of an agent with {with}, at rest"), format!("{share:.2} % of a core"));
        memory
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Reads a field of a process in KiB.
fn kib(pid: u32, file: &str, field: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0.0)
}

/// Gives the processor time that a process has had.
fn ticks(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|field| field.parse::<f64>().ok()).sum()
}

/// Lists the processes whose command line names a directory, but for one.
fn naming(dir: &str, but: u32) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let names = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        *pid != but && String::from_utf8_lossy(&line).contains(dir)
    };
    pids.filter(names).collect()
}

fn say(what: &str, value: impl std::fmt::Display) {
    use std::io::Write;
    // Whoever read it may be gone.
    let _unread = writeln!(std::io::stdout(), "{what:<52} {value}");
}

/// Makes what each task runs.
fn executor(kind: &str) -> Value {
    match kind {
        "bash" => json!({ "start": ["exec sleep 1000000"] }),
        "docker" => json!({ "image": BUSYBOX, "pull": "never", "flags": ["--net=none"],
                            "cmd": ["/bin/sh", "-c", "exec sleep 1000000"] }),
        _ => panic!("{kind}: say bash or docker"),
    }
}

fn apply(port: u16, tasks: usize, kind: &str) {
    let config = json!({
        "clusters": [{ "name": "default", "services": ["sleep"] }],
        "services": [{ "name": "sleep", "task_name": "sleep", "task_version": 1, "desired": tasks, "min": 0,
                       "max": tasks + 1, "max_parallel": tasks + 1, "min_healthy_time": "0s" }],
        "task_definitions": [{ "name": "sleep", "version": 1, "kill_timeout": "1s",
            "containers": [{ "name": "main", "type": kind, "executor": executor(kind) }] }],
    });
    let applied = http(port, "POST", "/v1/apply", config.to_string().as_bytes());
    assert!(applied.as_ref().is_some_and(|(status, _)| *status == 200), "{applied:?}");
    until(&format!("{tasks} tasks are healthy"), PATIENCE, || {
        let (_, body) = http(port, "GET", "/v1/services/sleep", b"")?;
        let view: Value = serde_json::from_str(&body).ok()?;
        (view["healthy"] == tasks && view["stopping"] == 0).then_some(())
    });
}

/// A store that ends with its handle, and its name.
fn store(kind: &str) -> (Box<dyn std::any::Any>, String) {
    match kind {
        "consul" => {
            let consul = Consul::start(1, json!({ "limits": { "http_max_conns_per_client": 10_000 } }));
            let name = format!("consul://127.0.0.1:{}", consul.port(0));
            (Box::new(consul), name)
        }
        "etcd" => {
            let etcd = Etcd::start(1, &[]);
            let name = format!("etcd://127.0.0.1:{}", etcd.port(0));
            (Box::new(etcd), name)
        }
        _ => panic!("{kind}: say etcd or consul"),
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let tasks: usize = words.get(1).map_or(100, |word| word.parse().expect("a number of tasks"));
    let kind = words.get(2).map_or("bash", String::as_str);
    let engine = (kind == "docker").then(Docker::start);
    engine.iter().for_each(|engine| provide_image(&engine.host()));
    let (_store, store) = store(words.first().map_or("consul", String::as_str));
    let (dir, ports) = (tempfile::TempDir::new().expect("a directory can be made"), Ports::claim());
    let data = dir.path().join("agent").display().to_string();
    let _scheduler = Daemon::start(dir.path(), &store, ports.first, &["scheduler"]);
    let policy = dir.path().join("policy.yml").display().to_string();
    std::fs::write(&policy, "docker: {}\nbash: {user: root}\n").expect("a policy can be written");
    let engine_host = engine.as_ref().map_or_else(|| format!("unix://{data}/none"), Docker::host);
    let line = ["agent", "--host", "h", "--policy", &policy, "--memory", "65536", "--data-dir", &data];
    let line = [&line[..], &["--docker-host", &engine_host]].concat();
    let agent = Daemon::start(dir.path(), &store, ports.first + 1, &line);
    let answers = |port| http(port, "GET", "/v1/health", b"").filter(|(status, _)| *status == 200);
    until("both answer", PATIENCE, || answers(ports.first).and_then(|_| answers(ports.first + 1)));
    agent.tell("no tasks");
    apply(ports.first, tasks, kind);
    let memory = agent.tell(&format!("{tasks} {kind} tasks"));
    let shims = naming(&data, agent.0.id());
    let own: f64 = shims.iter().map(|pid| kib(*pid, "smaps_rollup", "Pss:") / 1024.0).sum();
    if !shims.is_empty() {
        let shims = shims.len();
        say(&format!("memory of what looks after them, {shims} processes"), format!("{own:.1} MiB"));
    }
    apply(ports.first, 0, kind);
    assert!(
        memory <= MEMORY_MAX,
        "an agent with {tasks} {kind} tasks takes {memory:.1} MiB, of {MEMORY_MAX} at most"
    );
}
