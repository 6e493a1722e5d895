//! How a real store bears a fleet: hollow agents, one server of etcd or Consul, and the figures that follow from it.
//!
//! ```text
//! cargo build --release --features callboard-daemon/etcd --bins
//! cargo bench --bench fleet -- etcd 1000 5000        the store, hosts, tasks
//! ```

use serde_json::{Value, json};
use servers::{Consul, Etcd, Member, http, until};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(600);
/// How long the fleet is at rest before it is counted, and for how long it is: Consul counts in steps of 10 s.
const REST: Duration = Duration::from_secs(20);

enum Store {
    Etcd(Etcd),
    Consul(Consul),
}

impl Store {
    fn start(name: &str) -> Store {
        let wide = json!({ "limits": { "http_max_conns_per_client": 10_000 }, "telemetry": { "disable_hostname": true } });
        match name {
            "etcd" => Store::Etcd(Etcd::start(1, &[])),
            "consul" => Store::Consul(Consul::start(1, wide)),
            _ => panic!("{name}: say etcd or consul"),
        }
    }

    fn server(&self) -> (&Member, u16) {
        match self {
            Store::Etcd(etcd) => (&etcd.members[0], etcd.port(0)),
            Store::Consul(consul) => (&consul.members[0], consul.port(0)),
        }
    }

    fn name(&self) -> String {
        let scheme = if matches!(self, Store::Etcd(_)) { "etcd" } else { "consul" };
        format!("{scheme}://127.0.0.1:{}", self.server().1)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> String {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        http(self.server().1, method, path, body.as_bytes()).map(|(_, text)| text).unwrap_or_default()
    }

    /// Counts keys under a prefix, without reading them.
    fn count(&self, prefix: &str) -> usize {
        match self {
            Store::Etcd(_) => {
                let end = format!("{}0", prefix.trim_end_matches('/'));
                let range = json!({ "key": base64(prefix), "range_end": base64(&end), "count_only": true });
                let answer: Value =
                    serde_json::from_str(&self.ask("POST", "/v3/kv/range", &range)).unwrap_or_default();
                answer["count"].as_str().and_then(|count| count.parse().ok()).unwrap_or(0)
            }
            Store::Consul(_) => {
                let keys = self.ask("GET", &format!("/v1/kv/{prefix}?keys"), &Value::Null);
                serde_json::from_str::<Vec<String>>(&keys).map_or(0, |keys| keys.len())
            }
        }
    }

    /// Gives who holds the lock of the cluster; nothing where nobody does.
    fn lock(&self) -> Option<String> {
        let key = "schedulers/default";
        match self {
            Store::Etcd(_) => {
                let answer = self.ask("POST", "/v3/kv/range", &json!({ "key": base64(key) }));
                let answer: Value = serde_json::from_str(&answer).ok()?;
                Some(answer["kvs"][0]["value"].as_str()?.to_owned())
            }
            Store::Consul(_) => Some(self.ask("GET", &format!("/v1/kv/{key}?raw"), &Value::Null))
                .filter(|value| !value.is_empty()),
        }
    }

    /// Counts the requests a second that the server answers while nothing happens.
    fn requests_at_rest(&self) -> u64 {
        std::thread::sleep(REST);
        match self {
            Store::Etcd(_) => {
                let messages = || -> u64 {
                    let text = self.ask("GET", "/metrics", &Value::Null);
                    let lines =
                        text.lines().filter(|line| line.starts_with("grpc_server_msg_received_total"));
                    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
                };
                let before = messages();
                std::thread::sleep(REST);
                (messages() - before) / REST.as_secs()
            }
            Store::Consul(_) => {
                let metrics = self.ask("GET", "/v1/agent/metrics", &Value::Null);
                let metrics: Value = serde_json::from_str(&metrics).unwrap_or_default();
                let samples = metrics["Samples"].as_array().cloned().unwrap_or_default();
                let is_http =
                    |sample: &&Value| sample["Name"].as_str().is_some_and(|name| name.contains("http."));
                samples.iter().filter(is_http).filter_map(|sample| sample["Count"].as_u64()).sum::<u64>() / 10
            }
        }
    }
}

/// Encodes as etcd's gateway wants it.
fn base64(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = char::from(LETTERS[bits >> (18 - 6 * place) & 63]);
            out.push(if place <= chunk.len() { letter } else { '=' });
        }
    }
    out
}

/// A process of Callboard, killed with its handle.
struct Daemon {
    child: Child,
    port: u16,
}

impl Daemon {
    fn start(store: &Store, dir: &Path, port: u16, line: &[&str]) -> Daemon {
        let own = std::env::current_exe().expect("a benchmark knows its own file");
        let binary: PathBuf =
            own.ancestors().nth(2).expect("it lies in target/release/deps").join("callboard");
        let log = File::create(dir.join(format!("{port}.log"))).expect("the log can be written");
        let mut command = Command::new(&binary);
        command.args(line).args(["--store", &store.name(), "--bind", &format!("127.0.0.1:{port}")]);
        command.args(["--log-level", "warn"]).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| {
            panic!(
                "{}: {error}; build it by `cargo build --release --features callboard-daemon/etcd --bins`",
                binary.display()
            )
        });
        Daemon { child, port }
    }

    fn get(&self, path: &str) -> Option<Value> {
        http(self.port, "GET", path, b"").and_then(|(_, body)| serde_json::from_str(&body).ok())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Resident memory of a process, MiB.
fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1024
}

fn say(what: &str, value: impl std::fmt::Display) {
    use std::io::Write;
    // Whoever read it may be gone.
    let _unread = writeln!(std::io::stdout(), "{what:<42} {value}");
}

fn seconds(since: Instant) -> String {
    format!("{:.1} s", since.elapsed().as_secs_f32())
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let word = |index: usize, default: &str| words.get(index).cloned().unwrap_or_else(|| default.into());
    let (hosts, tasks) = (word(1, "100"), word(2, "500"));
    let (hosts_count, tasks_count): (usize, usize) =
        (hosts.parse().expect("a number of hosts"), tasks.parse().expect("a number of tasks"));
    let store = Store::start(&word(0, "etcd"));
    let dir = tempfile::TempDir::new().expect("a directory can be made");
    let ports = servers::Ports::claim();
    let holder = Daemon::start(&store, dir.path(), ports.first, &["scheduler"]);
    let data = dir.path().join("hollow").display().to_string();
    let began = Instant::now();
    let line = ["agent", "--hollow", &hosts, "--host", "h", "--memory", "65536", "--data-dir", &data];
    let agents = Daemon::start(&store, dir.path(), ports.first + 1, &line);
    // A registration, a sign of life and a use each.
    until("all hosts are there", PATIENCE, || (store.count("hosts/") >= 3 * hosts_count).then_some(()));
    say(&format!("{}: {hosts} hollow agents there after", word(0, "etcd")), seconds(began));
    let config = json!({
        "clusters": [{ "name": "default", "services": ["web"] }],
        "services": [{ "name": "web", "task_name": "web", "task_version": 1, "desired": tasks_count, "min": 0,
                       "max": tasks_count }],
        "task_definitions": [{ "name": "web", "version": 1, "provide_port": true, "memory": 10, "cpu_units": 2,
            "containers": [{ "name": "web", "type": "docker", "executor": { "image": "web" } }] }],
    });
    let began = Instant::now();
    let applied = http(holder.port, "POST", "/v1/apply", config.to_string().as_bytes());
    assert!(applied.as_ref().is_some_and(|(status, _)| *status == 200), "{applied:?}");
    until("all tasks are issued", PATIENCE, || (store.count("state/tasks/_/") >= tasks_count).then_some(()));
    say(&format!("apply to {tasks} tasks issued"), seconds(began));
    until("all tasks are healthy", PATIENCE, || {
        std::thread::sleep(Duration::from_millis(950));
        (agents.get("/v1/services/web")?["healthy"] == tasks_count).then_some(())
    });
    say(&format!("apply to {tasks} tasks healthy"), seconds(began));
    let waiting = Daemon::start(&store, dir.path(), ports.first + 2, &["scheduler"]);
    say("requests a second at rest", store.requests_at_rest());
    let server = store.server().0.pid().expect("the server runs");
    say("memory of the store", format!("{} MiB", memory(server)));
    say("memory of the scheduler", format!("{} MiB", memory(holder.child.id())));
    say("memory of all hollow agents", format!("{} MiB", memory(agents.child.id())));
    let held = store.lock();
    let began = Instant::now();
    drop(holder);
    until("another scheduler has the lock", PATIENCE, || store.lock().filter(|_| store.lock() != held));
    say("kill -9 of the scheduler to the next one", seconds(began));
    drop(waiting);
}
