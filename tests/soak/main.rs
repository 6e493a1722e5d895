//! A long time of everything at once, on real processes and containers: tasks are killed, agents, the engine too; some take
//! memory without end, some heed no signal, disks are full. In the end all that is wanted runs, once, and of what is wanted
//! no longer nothing is left. It is played twice: by `dev`, which has a store of its own, and on Consul, where all tasks are
//! registered, and where the checkers of the simulator judge what a witness saw of the store and of what ran. `tests/run
//! --soak` runs it; it is no part of what must pass for a change.

mod deeds;
mod ground;
mod parts;
#[path = "../live/processes.rs"]
mod processes;
#[path = "../live/show.rs"]
mod show;
mod witness;

use deeds::Chance;
use ground::{label, run_of, runs, seen_twice};
use parts::{PARTS, Part};
use processes::Process;
use rustix::process::Signal;
use serde_json::{Value, json};
use servers::{Consul, Docker, ask_docker, http, provide_image, until};
use show::{SOON, Show};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use witness::Witness;

/// How long all may take to come back after the last deed: restarts are delayed, and an engine is slow to begin.
const RECOVERY: Duration = Duration::from_secs(240);

/// What the daemon lets its tasks do: this test may run as root.
const POLICY: &str = "docker: {}\nbash: {user: root}\n";

/// All that takes part.
pub(crate) struct Soak {
    // The daemon goes before the engine and the store.
    pub(crate) show: Show,
    _policies: TempDir,
    /// The store, where the daemon does not have its own; its tasks are registered there.
    pub(crate) consul: Option<Consul>,
    pub(crate) engine: Docker,
    /// Watches, where the store can be watched by others.
    pub(crate) witness: Option<Witness>,
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
        let watch = |consul: &Consul| Witness::start(consul.port(0), &show.data_dir(), &engine.host());
        let witness = consul.as_ref().map(watch);
        let soak = Soak {
            show,
            _policies: policies,
            consul,
            engine,
            witness,
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
        let file = json!({
            "clusters": [{"name": "default", "services": PARTS.map(|part| part.name)}],
            "services": all().map(|(part, version)| part.service(version)).collect::<Vec<_>>(),
            "task_definitions": all().map(|(part, version)| part.definition(version)).collect::<Vec<_>>(),
        });
        let file = self.show.file("soak.yml", file.to_string());
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
                // The daemon was killed more than once while one was being started: users know better than to blame that.
                if view["failure"].as_str().is_some_and(|why| why.contains("quarantined")) {
                    self.say(&format!("{name} is tried again, {}", view["failure"]));
                    self.insist(&["start", "--detach", name]);
                }
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
            let running = self.containers("running");
            let tell =
                |one: &Value| [label(one, "task"), label(one, "container"), label(one, "role")].join(" ");
            let mut told: Vec<String> = running.iter().map(tell).collect();
            told.sort();
            let count = told.len();
            told.dedup();
            assert_eq!(told.len(), count, "more than one of a container runs: {running:#?}");
            let mut of_task: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for one in &running {
                of_task.entry(label(one, "task")).or_default().insert(run_of(one));
            }
            of_task.retain(|_, runs| runs.len() > 1);
            assert!(of_task.is_empty(), "containers of more than one run of a task run: {of_task:?}");
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
        let is_matter = |container: &Value| {
            let part = Part::of(&label(container, "task")).filter(|part| part.stays);
            let name = label(container, "container");
            label(container, "role") == "main"
                && part.is_some_and(|part| part.essential("docker").contains(&name))
        };
        until("what runs is what is told", RECOVERY, || {
            let (mut afoot, mut afloat) = (Vec::new(), Vec::new());
            for task in self.tasks()? {
                let (id, generation, attempt) = (task["id"].as_str()?, &task["generation"], &task["attempt"]);
                let run = format!("{id}/{generation}-{attempt}");
                let Some(part) = Part::of(id).filter(|part| part.stays) else { continue };
                afloat.extend(part.essential("docker").iter().map(|name| format!("{run} {name}")));
                afoot.extend(part.is_of("bash").then_some(run));
            }
            afoot.sort();
            afloat.sort();
            let running = self.containers("running");
            let mut ships: Vec<String> = running
                .iter()
                .filter(|one| is_matter(one))
                .map(|one| format!("{} {}", run_of(one), label(one, "container")))
                .collect();
            ships.sort();
            let stays = |run: &String| Part::of(run).is_some_and(|part| part.stays);
            let live: Vec<String> = runs(&self.show.data_dir()).into_keys().filter(stays).collect();
            (afoot == live && afloat == ships).then_some(())
        });
        self.say("what runs is what is told, each task once");
    }

    /// Expects that the checkers of the simulator find nothing wrong in what was seen.
    fn hear_witness(&self) {
        if let Some(witness) = &self.witness {
            witness.verdict(&self.versions);
            let (changes, runs) = witness.counts();
            self.say(&format!("the checkers find nothing wrong in {changes} changes and {runs} runs"));
        }
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
        self.hear_witness();
        if let Some(consul) = &self.consul {
            // Sooner than the agent looks by itself what is entered there.
            let forgets = Duration::from_secs(20);
            until("no task is left in Consul", forgets, || {
                let (_, body) = http(consul.port(0), "GET", "/v1/agent/services", b"")?;
                (!body.contains("callboard:h1:default-")).then_some(())
            });
        }
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
    soak.hear_witness();
    soak.clear();
}
