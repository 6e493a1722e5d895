//! Three agents and two schedulers on a store, each behind proxies of its own.
//!
//! **Invariant:** nothing is ended or signalled but what was started here.

use crate::kind::{Kind, Servers};
use crate::processes::{Process, clear_away};
use crate::table;
use crate::witness::Witness;
use callboard_sim::Seen;
use rustix::process::Signal;
use serde_json::Value;
use servers::{Faults, Ports, Proxy, SOON, http, until};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The hosts of each fleet.
pub(crate) const HOSTS: [&str; 3] = ["h1", "h2", "h3"];
/// What each host lets its tasks do: these tests may run as root.
const POLICY: &str = "bash: {user: root}\n";
/// The schedulers of each fleet.
pub(crate) const SCHEDULERS: [&str; 2] = ["s1", "s2"];
/// How long everything may take to be as it shall be once nothing is wrong any more.
const CALM: Duration = Duration::from_secs(90);

/// Finds the program under test, next to the tests.
fn binary() -> PathBuf {
    let own = std::env::current_exe().expect("a test knows its own file");
    let path = own.ancestors().nth(2).expect("tests lie in target/PROFILE/deps").join("callboard");
    assert!(
        path.is_file(),
        "{} is missing; build it as tests/run does, by `cargo build --workspace --all-features --bins`",
        path.display()
    );
    path
}

/// The program, as these tests call it: nothing in the environment changes what it does.
fn command() -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if ["CALLBOARD_", "RUST_LOG", "CONSUL_", "ETCDCTL_"].iter().any(|ours| name.starts_with(ours)) {
            command.env_remove(&*name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// One process of the fleet.
struct Daemon {
    name: &'static str,
    arguments: Vec<String>,
    ports: Ports,
    proxies: Vec<Proxy>,
    child: Option<Child>,
}

/// The fleet.
pub(crate) struct Fleet {
    pub(crate) servers: Servers,
    pub(crate) witness: Option<Witness>,
    daemons: Vec<Daemon>,
    dir: TempDir,
}

/// What `web` is to be, and who looks after it. It is the demo server, with arguments.
#[derive(Clone, Copy)]
pub(crate) struct Web {
    pub(crate) scheduler: &'static str,
    pub(crate) version: u32,
    pub(crate) desired: u32,
    pub(crate) arguments: &'static str,
}

/// Never fewer by our own doing.
pub(crate) const MIN: usize = 3;

impl Web {
    /// Writes the file.
    pub(crate) fn yaml(self) -> String {
        let Web { scheduler, version, desired, arguments } = self;
        format!(
            "clusters:
- {{name: default, scheduler: {scheduler}, services: [web]}}
services:
- {{name: web, task_name: web, task_version: {version}, desired: {desired}, min: {MIN}, max: 8,
   min_healthy_time: 1s, healthy_deadline: 20s}}
task_definitions:
- name: web
  version: {version}
  provide_port: true
  memory: 64
  cpu_units: 10
  kill_timeout: 2s
  restart: {{delay: 200ms}}
  containers:
  - name: web
    type: bash
    executor:
      start: ['exec callboard demo-server {arguments}']
  checks: [{{name: answers, http: \"http://127.0.0.1\", add_provided_port: true, interval: 1s, timeout: 1s}}]
"
        )
    }
}

impl Fleet {
    /// Starts everything on so many servers, and waits until the hosts are known.
    pub(crate) fn start(kind: Kind, servers: u16) -> Fleet {
        let servers = Servers::start(kind, servers);
        let dir = tempfile::Builder::new().prefix("callboard-").tempdir().expect("a directory can be made");
        let witness = Some(Witness::start(kind, servers.ports(), dir.path()));
        let mut fleet = Fleet { servers, witness, daemons: Vec::new(), dir };
        for (seed, name) in (1..).zip(HOSTS.into_iter().chain(SCHEDULERS)) {
            let daemon = fleet.daemon(name, name, seed);
            fleet.daemons.push(daemon);
            fleet.raise(name);
        }
        until("all hosts are ready", SOON, || {
            let hosts = fleet.view("/v1/hosts")?;
            let ready = hosts.as_array()?.iter().filter(|host| host["state"] == "ready").count();
            (ready == HOSTS.len()).then_some(())
        });
        fleet
    }

    /// Makes a process of the fleet that goes by a name and keeps its things in a directory.
    fn daemon(&self, name: &'static str, home: &str, seed: u64) -> Daemon {
        let ports = Ports::claim();
        let proxies = self.servers.proxies(seed);
        let ttl = self.servers.kind().ttl();
        let mut arguments: Vec<String> = Vec::new();
        let mut say = |words: &[&str]| arguments.extend(words.iter().map(ToString::to_string));
        let store = self.servers.name(proxies.iter().map(Proxy::port));
        let bind = format!("127.0.0.1:{}", ports.first);
        if name.starts_with('h') {
            let data = self.dir.path().join(home);
            let range = format!("{}-{}", ports.first + 1, ports.last);
            let policy = self.dir.path().join("policy.yml");
            std::fs::write(&policy, POLICY).expect("a file can be written");
            let policy = policy.to_str().expect("paths of tests are UTF-8");
            say(&["agent", "--host", name, "--policy", policy, "--host-ttl", ttl, "--ports", &range]);
            say(&["--data-dir", data.to_str().expect("paths of tests are UTF-8")]);
        } else {
            say(&["scheduler", "--lock-ttl", ttl]);
        }
        say(&["--store", &store, "--bind", &bind]);
        Daemon { name, arguments, ports, proxies, child: None }
    }

    fn of(&mut self, name: &str) -> &mut Daemon {
        self.daemons.iter_mut().find(|daemon| daemon.name == name).expect("it is one of the fleet")
    }

    /// Starts a process of the fleet, again or for the first time, and waits until it answers.
    #[track_caller]
    pub(crate) fn raise(&mut self, name: &str) {
        let log = self.dir.path().join(format!("{name}.log"));
        let log = File::options().append(true).create(true).open(log).expect("the log can be written");
        let daemon = self.of(name);
        let mut command = command();
        command.args(&daemon.arguments).env("RUST_LOG", "info");
        command.stdout(log.try_clone().expect("a file can be opened twice")).stderr(log);
        let mut child = command.spawn().expect("the program can be started");
        let port = daemon.ports.first;
        until("the daemon answers", SOON, || {
            assert!(child.try_wait().expect("it is our child").is_none(), "{name} ended");
            http(port, "GET", "/v1/health", b"").filter(|(status, _)| *status == 200)
        });
        daemon.child = Some(child);
    }

    /// Runs a second agent of a name, as on another machine, to its end.
    #[track_caller]
    pub(crate) fn second(&self, name: &'static str) -> (Option<i32>, String) {
        let second = self.daemon(name, &format!("{name}-second"), 99);
        let mut command = command();
        command.args(&second.arguments);
        let output = assert_cmd::Command::from_std(command).timeout(CALM).output();
        let output = output.expect("the program can be started");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Kills a process of the fleet, as `kill -9` does.
    pub(crate) fn kill(&mut self, name: &str) {
        if let Some(mut child) = self.of(name).child.take() {
            child.kill().expect("our own process can be killed");
            child.wait().expect("it ends");
        }
    }

    /// Ends a process of the fleet as a service manager does, and waits for it.
    pub(crate) fn terminate(&mut self, name: &str) {
        self.signal(name, Signal::TERM);
        let mut child = self.of(name).child.take().expect("it runs");
        let ended = until("it ends when asked to", SOON, || child.try_wait().expect("it is our child"));
        assert!(ended.success(), "{name}: {ended}");
    }

    /// Sends a signal to a process of the fleet.
    pub(crate) fn signal(&mut self, name: &str, signal: Signal) {
        let child = self.of(name).child.as_ref().expect("it runs");
        Process::read(child.id()).expect("it lives").signal(signal);
    }

    /// Lets these things go wrong between a process of the fleet and the store.
    pub(crate) fn set(&mut self, name: &str, faults: &Faults) {
        self.of(name).proxies.iter().for_each(|proxy| proxy.set(faults.clone()));
    }

    /// Tells how much is kept back on the way from a process of the fleet.
    pub(crate) fn kept(&mut self, name: &str) -> usize {
        self.of(name).proxies.iter().map(Proxy::kept).sum()
    }

    /// The witness, who is there until the verdict.
    pub(crate) fn witness(&self) -> &Witness {
        self.witness.as_ref().expect("the verdict is not spoken yet")
    }

    /// Gives the scheduler that holds the lock.
    #[track_caller]
    pub(crate) fn holder(&self) -> &'static str {
        until("somebody holds the lock", CALM, || self.holds())
    }

    fn holds(&self) -> Option<&'static str> {
        let pid = self.witness().holder()?;
        let is_it = |daemon: &&Daemon| daemon.child.as_ref().map(Child::id) == Some(pid);
        self.daemons.iter().find(is_it).map(|daemon| daemon.name)
    }

    /// Waits until another scheduler than this one holds the lock.
    #[track_caller]
    pub(crate) fn taken_over_from(&self, name: &str) -> &'static str {
        until("another one holds the lock", CALM, || self.holds().filter(|holder| *holder != name))
    }

    /// Asks the API of a scheduler that runs and is not cut off, whichever that is.
    pub(crate) fn view(&self, path: &str) -> Option<Value> {
        let asked = self.daemons.iter().rev().filter(|daemon| SCHEDULERS.contains(&daemon.name));
        asked.filter(|daemon| daemon.child.is_some()).find_map(|daemon| {
            let (status, body) = http(daemon.ports.first, "GET", path, b"")?;
            (status == 200).then(|| serde_json::from_str(&body).ok())?
        })
    }

    /// Makes a command that asks one process of the fleet, without running it.
    pub(crate) fn asking(&mut self, asked: &str, line: &[&str]) -> Command {
        let port = self.of(asked).ports.first;
        let mut command = command();
        command.env("CALLBOARD_ADDR", format!("http://127.0.0.1:{port}")).args(line).stdout(Stdio::piped());
        command
    }

    /// Runs a command line against one process of the fleet; gives the exit code and all that was said.
    fn ask(&mut self, asked: &str, line: &[&str]) -> (Option<i32>, String) {
        let mut command = assert_cmd::Command::from_std(self.asking(asked, line));
        let output = command.timeout(Duration::from_secs(180)).output().expect("the program can be started");
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        (output.status.code(), said.concat())
    }

    /// Runs a command line against one process of the fleet and expects an exit code; gives all that was said.
    #[track_caller]
    pub(crate) fn callboard(&mut self, asked: &str, line: &[&str], expected: i32) -> String {
        let (code, said) = self.ask(asked, line);
        assert_eq!(code, Some(expected), "callboard {}\n{said}", line.join(" "));
        said
    }

    /// Runs a command line as users do while the store is in trouble: again, as long as it says that it may help.
    #[track_caller]
    pub(crate) fn insist(&mut self, asked: &str, line: &[&str]) {
        until(&format!("{} is done", line.join(" ")), SOON, || {
            let (code, said) = self.ask(asked, line);
            assert!(code == Some(0) || said.contains("try again"), "callboard {}\n{said}", line.join(" "));
            (code == Some(0)).then_some(())
        });
    }

    /// Writes a file and gives its path.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.dir.path().join(name);
        fs::write(&path, content).expect("a file can be written");
        path.to_str().expect("paths of tests are UTF-8").to_owned()
    }

    /// Applies `web` through one process of the fleet.
    #[track_caller]
    pub(crate) fn apply(&mut self, asked: &str, web: Web, options: &[&str], code: i32) -> String {
        let file = self.file(&format!("web-{}.yml", web.version), &web.yaml());
        self.callboard(asked, &[&["apply", "-f", &file], options].concat(), code)
    }

    /// Gives what runs now, with the process that does it.
    pub(crate) fn running(&self) -> Vec<(Process, Seen)> {
        table::tasks(self.dir.path())
    }

    /// Waits until so many tasks of `web` run, answer, and are all there is, in the store as on the hosts.
    #[track_caller]
    pub(crate) fn converges(&self, count: u32) -> Vec<(Process, Seen)> {
        let mut last = String::new();
        let started = Instant::now();
        while started.elapsed() < CALM {
            let view = self.view("/v1/services/web").unwrap_or_default();
            let running = self.running();
            let counts = [&view["healthy"], &view["issued"], &(running.len().into())];
            let is_whole = counts.iter().all(|seen| **seen == count) && view["stopping"] == 0;
            if is_whole && view["state"] == "healthy" && running.iter().all(|(_, seen)| table::answers(seen))
            {
                return running;
            }
            last = format!("{view}\n{running:#?}");
            std::thread::sleep(Duration::from_millis(200));
        }
        panic!("not {count} tasks after {CALM:?}:\n{last}");
    }

    /// Expects that the very same processes go on for a while, answer, and are all there is.
    #[track_caller]
    pub(crate) fn untouched(&self, before: &[(Process, Seen)], span: Duration) {
        self.guard(before, span, true);
    }

    /// Expects that these processes go on for a while and answer, whatever else runs.
    #[track_caller]
    pub(crate) fn untouched_of(&self, before: &[(Process, Seen)], span: Duration) {
        self.guard(before, span, false);
    }

    #[track_caller]
    fn guard(&self, before: &[(Process, Seen)], span: Duration, alone: bool) {
        let started = Instant::now();
        loop {
            let now = self.running();
            let at = started.elapsed();
            let lost: Vec<_> =
                before.iter().filter(|one| !now.contains(one) || !table::answers(&one.1)).collect();
            assert!(
                lost.is_empty(),
                "after {at:?} these do not run or answer: {lost:#?}\nthere are {now:#?}"
            );
            assert!(!alone || now.len() == before.len(), "after {at:?} there are {now:#?}");
            if at >= span {
                return;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Ends the story: nothing was wrong at any time, and everything is as it shall be.
    #[track_caller]
    pub(crate) fn verdict(mut self, unsound: &[(&str, u32)]) {
        self.witness.take().expect("there is one verdict").verdict(&HOSTS, unsound);
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tell();
        }
        for child in self.daemons.iter_mut().rev().filter_map(|daemon| daemon.child.as_mut()) {
            // It may have ended by itself.
            let _ended = child.kill();
            let _reaped = child.wait();
        }
        clear_away(self.dir.path());
    }
}

impl Fleet {
    /// Shows the end of what everybody said.
    fn tell(&self) {
        for daemon in &self.daemons {
            let said = said(&self.dir.path().join(format!("{}.log", daemon.name)));
            let _unshown = write!(std::io::stderr(), "--- {} said\n{said}", daemon.name);
        }
    }
}

fn said(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&text[text.len().saturating_sub(6000)..]).into_owned()
}
