//! A long time of everything at once, on real processes and containers: tasks are killed, agents, the engine too; some take
//! memory without end, some heed no signal, disks are full. In the end all that is wanted runs, once, and of what is wanted
//! no longer nothing is left. It is played twice: by `dev`, which has a store of its own, and on Consul, where all tasks are
//! registered. `tests/run --soak` runs it; it is no part of what must pass for a change.

mod deeds;
mod ground;
#[path = "../live/processes.rs"]
mod processes;
#[path = "../live/show.rs"]
mod show;

use deeds::Chance;
use ground::{runs, seen_twice};
use processes::Process;
use rustix::process::Signal;
use serde_json::Value;
use servers::{Consul, Docker, ask_docker, http, provide_image, until};
use show::{SOON, Show};
use std::io::Write;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long all may take to come back after the last deed: restarts are delayed, and an engine is slow to begin.
const RECOVERY: Duration = Duration::from_secs(240);

/// A service: its name, how many tasks, whether in docker, what they run, and whether they stay.
struct Part {
    name: &'static str,
    tasks: u32,
    docker: bool,
    script: &'static str,
    stays: bool,
}

/// What the daemon lets its tasks do: this test may run as root.
const POLICY: &str = "docker: {}\nbash: {user: root}\n";
const SLEEPS: &str = "exec sleep 1000000";
const DEAF: &str = "trap '' TERM; while true; do sleep 1; done";
const HUNGRY: &str = "x=; while sleep 0.5; do x=$x$(head -c 1000000 /dev/zero | tr '\\0' x); done";
const LITTERS: &str = "setsid sleep 1000000 & setsid sleep 1000000 & exec sleep 1000000";

const PARTS: [Part; 7] = [
    Part { name: "steady", tasks: 20, docker: false, script: SLEEPS, stays: true },
    Part { name: "deaf", tasks: 8, docker: false, script: DEAF, stays: true },
    Part { name: "hungry", tasks: 4, docker: false, script: HUNGRY, stays: false },
    Part { name: "litter", tasks: 4, docker: false, script: LITTERS, stays: true },
    Part { name: "ship", tasks: 16, docker: true, script: SLEEPS, stays: true },
    Part { name: "rock", tasks: 6, docker: true, script: DEAF, stays: true },
    Part { name: "whale", tasks: 2, docker: true, script: HUNGRY, stays: false },
];

impl Part {
    fn service(&self, version: u32) -> String {
        let Part { name, tasks, .. } = self;
        let (min, max) = (tasks / 2, tasks + 2);
        format!(
            "- {{name: {name}, task_name: {name}, task_version: {version}, desired: {tasks}, min: {min}, max: {max},
   max_parallel: 4, min_healthy_time: 1s, healthy_deadline: 5m}}\n"
        )
    }

    fn definition(&self, version: u32) -> String {
        let (name, script) = (self.name, Value::from(self.script));
        let executor = match self.docker {
            true => format!(
                "docker, executor: {{image: 'busybox:1', flags: [--net=none], cmd: [/bin/sh, -c, {script}]}}"
            ),
            false => format!("bash, executor: {{start: [{script}]}}"),
        };
        format!(
            "- {{name: {name}, version: {version}, kill_timeout: 1s, memory: 8, memory_limit: 24,
   restart: {{attempts: 1000, delay: 200ms, max_delay: 2s}}, containers: [{{name: main, type: {executor}}}]}}\n"
        )
    }
}

/// All that takes part.
pub(crate) struct Soak {
    // The daemon goes before the engine and the store.
    pub(crate) show: Show,
    _policies: TempDir,
    /// The store, where the daemon does not have its own; its tasks are registered there.
    pub(crate) consul: Option<Consul>,
    pub(crate) engine: Docker,
    pub(crate) chance: Chance,
    begun: Instant,
    versions: [u32; PARTS.len()],
}

impl Soak {
    fn begin(seed: u64, on_consul: bool) -> Soak {
        let engine = Docker::start();
        provide_image(&engine.host());
        let consul = on_consul.then(|| Consul::start(1, serde_json::json!({})));
        let policies = tempfile::tempdir().expect("a directory can be made");
        let policy = policies.path().join("policy.yml");
        std::fs::write(&policy, POLICY).expect("a file can be written");
        let policy = policy.to_str().expect("paths of tests are UTF-8");
        let store = consul.as_ref().map(|consul| format!("consul://127.0.0.1:{}", consul.port(0)));
        let show = match &store {
            None => Show::start(&["--docker-host", &engine.host()]),
            Some(store) => {
                let role = ["combined", "--store", store, "--policy", policy];
                Show::playing(&role, &["--docker-host", &engine.host()])
            }
        };
        let soak = Soak {
            show,
            _policies: policies,
            consul,
            engine,
            chance: Chance::new(seed),
            begun: Instant::now(),
            versions: [1; PARTS.len()],
        };
        soak.say(&format!("seed {seed}, in {}", soak.show.path().display()));
        soak
    }

    /// Tells whoever watches.
    pub(crate) fn say(&self, words: &str) {
        let _unheard = writeln!(std::io::stderr(), "{:>6.1} s  {words}", self.begun.elapsed().as_secs_f64());
    }

    /// Applies what is wanted, at the versions that are wanted.
    pub(crate) fn apply(&self) {
        let all = || PARTS.iter().zip(self.versions);
        let names: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
        let services: String = all().map(|(part, version)| part.service(version)).collect();
        let definitions: String = all().map(|(part, version)| part.definition(version)).collect();
        let file = format!(
            "clusters: [{{name: default, services: [{}]}}]\nservices:\n{services}task_definitions:\n{definitions}",
            names.join(", ")
        );
        let file = self.show.file("soak.yml", file);
        // A disk may just have been full.
        until("the configuration is applied", SOON, || {
            let said = self.show.callboard(&["apply", "--detach", "-f", &file]);
            (said.code == Some(0)).then_some(())
        });
    }

    /// Wants another version of one of the services.
    pub(crate) fn roll(&mut self) -> &'static str {
        let at = self.chance.below(PARTS.len());
        self.versions[at] += 1;
        self.apply();
        PARTS[at].name
    }

    fn tasks(&self) -> Option<Vec<Value>> {
        let (status, body) = self.show.get("/v1/tasks")?;
        (status == 200).then(|| serde_json::from_str(&body).expect("the API answers in JSON"))
    }

    /// Waits until all that is wanted runs, of the versions that are wanted.
    fn wait_whole(&self) {
        let begun = Instant::now();
        for (part, version) in PARTS.iter().zip(self.versions) {
            let name = part.name;
            until(&format!("{name} is whole, at version {version}"), RECOVERY, || {
                let (_, body) = self.show.get(&format!("/v1/services/{name}"))?;
                let view: Value = serde_json::from_str(&body).ok()?;
                let count = |field: &str| view[field].as_u64().and_then(|count| u32::try_from(count).ok());
                let whole = count("issued") == Some(part.tasks) && count("stopping") == Some(0);
                let works = !part.stays || count("healthy") == Some(part.tasks);
                let rolled =
                    self.tasks()?.iter().all(|task| task["service"] != name || task["version"] == version);
                (whole && works && rolled).then_some(())
            });
        }
        self.say(&format!("all is whole after {:.1} s", begun.elapsed().as_secs_f64()));
    }

    /// Expects that no task runs twice.
    fn check_once(&self) {
        let twice = seen_twice(&self.show.data_dir());
        assert!(twice.is_empty(), "more than one run of a task lives: {twice:?}");
        if self.engine.member.runs() {
            let mut tasks: Vec<String> =
                self.containers("running").iter().map(|one| label(one, "task")).collect();
            let count = tasks.len();
            tasks.sort();
            tasks.dedup();
            assert_eq!(tasks.len(), count, "more than one container of a task runs");
        }
    }

    /// Lists containers in a state, or all.
    pub(crate) fn containers(&self, state: &str) -> Vec<Value> {
        let (_, listed) = ask_docker(&self.engine.host(), "GET", "/containers/json?all=1", "");
        let listed: Vec<Value> = serde_json::from_str(&listed).expect("the engine answers in JSON");
        listed.into_iter().filter(|one| state.is_empty() || one["State"] == state).collect()
    }

    /// Expects that what runs is what the API tells, each once, and nothing else.
    fn check_told(&self) {
        until("what runs is what is told", RECOVERY, || {
            let told = |docker: bool| {
                let of = |task: &Value| {
                    let part = PARTS.iter().find(|part| task["service"] == part.name);
                    part.is_some_and(|part| part.docker == docker && part.stays)
                };
                let name = |task: &Value| {
                    let (id, generation, attempt) = (&task["id"], &task["generation"], &task["attempt"]);
                    format!("{}/{generation}-{attempt}", id.as_str().unwrap_or_default())
                };
                let tasks = self.tasks()?;
                let mut names: Vec<String> = tasks.iter().filter(|task| of(task)).map(name).collect();
                names.sort();
                Some(names)
            };
            let stays = |name: &str| {
                PARTS.iter().any(|part| part.stays && name.contains(&format!("-{}-", part.name)))
            };
            let mut shipped: Vec<String> = self
                .containers("running")
                .iter()
                .map(|one| {
                    format!("{}/{}-{}", label(one, "task"), label(one, "generation"), label(one, "attempt"))
                })
                .filter(|name| stays(name))
                .collect();
            shipped.sort();
            let live = runs(&self.show.data_dir());
            let live: Vec<String> = live.into_keys().filter(|name| stays(name)).collect();
            (told(false)? == live && told(true)? == shipped).then_some(())
        });
        self.say("what runs is what is told, each task once");
    }

    /// Wants nothing any more, and expects that nothing is left.
    fn clear(&mut self) {
        self.show.callboard(&["delete", "cluster", "default"]).ends(5).complains("still has services");
        for part in &PARTS {
            self.show.callboard(&["delete", "service", part.name]).ends(0);
        }
        until("all tasks are gone", RECOVERY, || self.tasks()?.is_empty().then_some(()));
        let data_dir = self.show.data_dir();
        until("no process is left", RECOVERY, || runs(&data_dir).is_empty().then_some(()));
        until("no container is left", RECOVERY, || self.containers("").is_empty().then_some(()));
        until("no directory is left", RECOVERY, || ground::directories(&data_dir).is_empty().then_some(()));
        until("no control group is left", RECOVERY, || ground::groups(&data_dir).is_empty().then_some(()));
        self.say("no process, container, directory or control group is left");
        let mut daemon = self.show.daemon.take().expect("a daemon runs");
        Process::read(daemon.id()).expect("the daemon lives").signal(Signal::INT);
        let ended =
            until("the daemon ends when asked to", SOON, || daemon.try_wait().expect("it is our child"));
        assert!(ended.success(), "{ended}");
        if let Some(consul) = &self.consul {
            let left = |what: &str| http(consul.port(0), "GET", &format!("/v1/agent/{what}"), b"");
            for what in ["services", "checks"] {
                let (_, body) = left(what).expect("Consul answers");
                assert_eq!(body.trim(), "{}", "these {what} are left in Consul");
            }
            self.say("no service and no check is left in Consul");
        }
        let journal = data_dir.join("journal");
        let said = show::run(
            {
                let mut replay = show::program();
                replay.args(["sim", "replay"]).arg(&journal);
                replay
            },
            &["sim", "replay"],
        );
        let told = said.ends(0).out;
        self.say(&format!("the journal, played again: {}", told.lines().last().unwrap_or_default()));
    }
}

/// Gives one of Callboard's labels of a container.
pub(crate) fn label(container: &Value, name: &str) -> String {
    container["Labels"][format!("callboard.{name}")].as_str().unwrap_or_default().to_owned()
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a whole number"))
}

#[test]
fn docker_and_bash_tasks_outlast_what_befalls_them() {
    outlast(false);
}

#[test]
fn docker_and_bash_tasks_on_consul_outlast_what_befalls_them() {
    outlast(true);
}

fn outlast(on_consul: bool) {
    let minutes = setting("CALLBOARD_SOAK_MINUTES", 15);
    let mut soak = Soak::begin(setting("CALLBOARD_SOAK_SEED", 1), on_consul);
    soak.apply();
    soak.wait_whole();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(minutes * 60) {
        soak.deed();
        soak.check_once();
        let pause = soak.chance.below(5_000);
        std::thread::sleep(Duration::from_millis(u64::try_from(pause).expect("a few seconds")));
    }
    soak.wait_whole();
    soak.check_told();
    soak.clear();
}
