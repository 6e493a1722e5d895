//! Docker tasks on real daemons and a real engine: reached, killed, adopted, and what is told of those that fail.

use crate::show::{SOON, Show, ask, program, run, until};
use serde_json::Value;
use servers::{Consul, Ports, ask_docker, http, shared_docker};
use std::fs::File;
use std::path::Path;
use std::process::Child;

const HELLO: &str = "examples/hello-docker.yml";

/// An agent's part of the engine that tests share. Nothing of it is left when it is dropped.
pub(crate) struct Berth {
    host: String,
    agent: String,
}

impl Berth {
    fn of(data_dir: &Path) -> Berth {
        let agent = data_dir.canonicalize().expect("it is there").display().to_string();
        Berth { host: shared_docker(), agent }
    }

    fn containers(&self) -> Vec<Value> {
        let (_, listed) = ask_docker(&self.host, "GET", "/containers/json?all=1", "");
        let listed: Vec<Value> = serde_json::from_str(&listed).expect("the engine answers in JSON");
        listed.into_iter().filter(|one| one["Labels"]["callboard.agent"] == self.agent.as_str()).collect()
    }

    fn ids(&self, state: &str) -> Vec<String> {
        let wanted = self
            .containers()
            .into_iter()
            .filter(|one| one["State"].as_str().is_some_and(|of| of.contains(state)));
        let mut ids: Vec<String> = wanted.filter_map(|one| Some(one["Id"].as_str()?.to_owned())).collect();
        ids.sort();
        ids
    }
}

impl Drop for Berth {
    fn drop(&mut self) {
        for id in self.ids("") {
            drop(ask_docker(&self.host, "DELETE", &format!("/containers/{id}?force=1&v=1"), ""));
        }
    }
}

/// A `callboard dev` with an engine. The daemon is gone before its containers are.
pub(crate) struct Dockyard {
    pub(crate) show: Show,
    berth: Berth,
}

impl Dockyard {
    pub(crate) fn start(files: &[&str]) -> Dockyard {
        let show = Show::start(&[&["--docker-host", &shared_docker()], files].concat());
        let berth = Berth::of(&show.data_dir());
        Dockyard { show, berth }
    }
}

/// Tells whether each task answers on its port, by its own name.
fn all_answer(show: &Show, count: usize) -> Option<()> {
    let instances = show.instances();
    (instances.len() == count && instances.iter().all(super::instances::Instance::answers)).then_some(())
}

#[test]
fn a_docker_task_is_reached_killed_and_adopted() {
    let mut yard = Dockyard::start(&[HELLO]);
    yard.show.wait_healthy("hello-docker", 2);
    until("both answer", SOON, || all_answer(&yard.show, 2));
    let line = ["doctor", "--store", "memory:", "--docker-host"];
    let doctor = |host: &str| yard.show.callboard(&[&line[..], &[host]].concat());
    doctor(&yard.berth.host).tells("docker engine ");
    doctor("unix:///no/such").tells("no docker engine is here, at unix:///no/such");
    doctor("unix:///dev/null").tells("the docker engine at unix:///dev/null cannot be asked");
    doctor("ssh://elsewhere").tells("is no address of a docker engine on this machine");
    let greeting = std::fs::read_to_string(yard.show.log()).expect("it wrote a log");
    assert!(greeting.contains("docker: docker engine "), "{greeting}");
    // One that ends is started again.
    let first = yard.show.instances().remove(0);
    let mut victims = yard.berth.containers().into_iter();
    let victim = victims.find(|one| one["Labels"]["callboard.task"] == first.id.as_str()).expect("it runs");
    let path = format!("/containers/{}/kill", victim["Id"].as_str().unwrap_or_default());
    drop(ask_docker(&yard.berth.host, "POST", &path, ""));
    until("it is back", SOON, || (yard.show.instances()[0].attempt > first.attempt).then_some(()));
    yard.show.wait_healthy("hello-docker", 2);
    until("both answer", SOON, || all_answer(&yard.show, 2));
    // The daemon is killed; the next one takes over what runs.
    let before = yard.berth.ids("running");
    assert_eq!(before.len(), 2);
    yard.show.kill();
    yard.show.raise(&["--docker-host", &yard.berth.host]);
    yard.show.wait_healthy("hello-docker", 2);
    assert_eq!(yard.berth.ids("running"), before, "no container was started anew");
    let id = yard.show.instances()[0].id.clone();
    yard.show.callboard(&["logs", &id]).ends(0);
    yard.show.interrupt();
    assert_eq!(yard.berth.ids("running").len(), 0, "stopped");
}

#[test]
fn programs_run_inside_a_docker_task() {
    let yard = Dockyard::start(&[]);
    crate::exec::programs_run(&yard.show, |start| {
        format!(
            "type: docker, executor: {{image: 'busybox:1', flags: [--net=none], cmd: [sh, -c, '{start}']}}"
        )
    });
}

#[test]
fn what_ails_a_docker_task_is_told() {
    let yard = Dockyard::start(&[]);
    let version = std::cell::Cell::new(0);
    let check = |name: &str, executor: &str, more: &str, words: &[&str]| {
        // Another version is tried at once, whatever its forerunner did.
        version.set(version.get() + 1);
        let version = version.get();
        let file = format!(
            "clusters: [{{name: default, services: [ship]}}]
services: [{{name: ship, task_name: ship, task_version: {version}, desired: 1, min: 0, max: 1, healthy_deadline: 60s}}]
task_definitions:
- {{name: ship, version: {version}, kill_timeout: 1s, memory: 16, restart: {{attempts: 1, delay: 200ms}},
   containers: [{{name: main, type: docker, {more}executor: {{flags: [--net=none], {executor}}}}}]}}
"
        );
        let file = yard.show.file("ship.yml", file);
        yard.show.callboard(&["apply", "--detach", "-f", &file]).ends(0);
        for word in words {
            until(&format!("{name}: events tell {word:?}"), SOON, || {
                yard.show.events().iter().any(|event| event.contains(word)).then_some(())
            });
            until(&format!("{name}: explain tells {word:?}"), SOON, || {
                yard.show.callboard(&["explain", "ship"]).ends(0).out.contains(word).then_some(())
            });
        }
    };
    check(
        "missing",
        "image: '127.0.0.1:1/no/such:7'",
        "",
        &["image 127.0.0.1:1/no/such:7 is not on this host"],
    );
    check(
        "setup",
        "image: 'busybox:1', cmd: [sleep, '1000']",
        "setup: ['echo no table >&2; exit 9'], ",
        &["setup command 1 of container main ended with exit code 9", "no table"],
    );
    check("hungry", "image: 'busybox:1', cmd: [tail, -c, 500m, /dev/zero]", "", &["memory"]);
    check("crash", "image: 'busybox:1', cmd: [sh, -c, 'exit 3']", "", &["exited with code 3"]);
    check("path", "image: 'busybox:1', volumes: ['/no/such:/x']", "", &["there is no /no/such on this host"]);
    assert!(!std::path::Path::new("/no").exists());
}

#[test]
fn what_breaks_the_policy_of_a_host_is_refused_and_others_go_on() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let policy = dir.path().join("policy.yml");
    let text = "docker:
  images: [busybox]
  volumes: [{path: /usr, read_only: true}]
  networks: []
  capabilities: [SYS_TIME]
  users: ['1000']
";
    std::fs::write(&policy, text).expect("a file can be written");
    let yard = Dockyard::start(&["--policy", policy.to_str().expect("paths of tests are UTF-8")]);
    let version = std::cell::Cell::new(0);
    let apply = |service: &str, services: &str, executor: &str| {
        version.set(version.get() + 1);
        let version = version.get();
        let file = format!(
            "clusters: [{{name: default, services: [{services}]}}]
services: [{{name: {service}, task_name: {service}, task_version: {version}, desired: 1, min: 0, max: 1}}]
task_definitions:
- {{name: {service}, version: {version}, kill_timeout: 1s, restart: {{attempts: 1, delay: 200ms}},
   containers: [{{name: main, type: docker, executor: {{cmd: [sleep, '1000'], {executor}}}}}]}}
"
        );
        let file = yard.show.file("ship.yml", file);
        yard.show.callboard(&["apply", "--detach", "-f", &file]).ends(0);
    };
    let steady = "image: 'busybox:1', flags: [--user=1000, --net=none, --cap-add=CAP_SYS_TIME], volumes: ['/usr:/u:ro']";
    apply("steady", "steady", steady);
    yard.show.wait_healthy("steady", 1);
    let before = yard.berth.ids("running");
    let check = |executor: &str, told: &str, why: &str| {
        apply("ship", "steady, ship", executor);
        until(&format!("events tell {told:?}"), SOON, || {
            yard.show.events().iter().any(|event| event.contains(told)).then_some(())
        });
        until(&format!("explain tells {why:?}"), SOON, || {
            yard.show.callboard(&["explain", "ship"]).ends(0).out.contains(why).then_some(())
        });
    };
    // Of what the scheduler knows the policy of it sends nothing there.
    let known = "1 not placed: 1 host whose policy refuses it";
    let none = "--user=1000, --net=none";
    check(&format!("image: 'other:1', flags: [{none}]"), known, "image \"other:1\" may not run here");
    let busybox =
        |flags: &str, why: &str| check(&format!("image: 'busybox:1', flags: [{flags}]"), known, why);
    busybox("--user=1000, --net=host", "\"--net=host\" is not allowed");
    busybox("--user=1000, --net=own", "\"--net=own\" is not allowed");
    busybox(&format!("{none}, --cap-add=SYS_ADMIN"), "\"--cap-add=SYS_ADMIN\" is not allowed");
    busybox("--net=none", "names no user");
    busybox("--net=none, --user=root", "\"--user=root\" is not allowed");
    // Where a path leads only the host itself can tell.
    let volume = |of: &str, why: &str| {
        check(&format!("image: 'busybox:1', flags: [{none}], volumes: ['{of}']"), why, why);
    };
    volume("/usr:/u", "may only be read");
    volume("/etc:/e:ro", "/etc may not be mounted");
    assert_eq!(yard.berth.ids(""), before, "the other goes on, and nothing was made of those refused");
}

/// A daemon on a store, ended with the test.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

#[test]
fn a_docker_task_on_consul_is_reached_through_its_registered_service() {
    let (consul, ports) = (Consul::start(1, serde_json::json!({})), Ports::claim());
    let dir = tempfile::tempdir().expect("a directory can be made");
    let berth = Berth::of(dir.path());
    let api = format!("127.0.0.1:{}", ports.first);
    let log = File::create(dir.path().join("log")).expect("a log can be written");
    let store = format!("consul://127.0.0.1:{}", consul.port(0));
    let mut command = program();
    command.args([
        "combined",
        "--store",
        &store,
        "--executor",
        "docker",
        "--docker-host",
        &berth.host,
        "--host",
        "h1",
    ]);
    command.arg("--data-dir").arg(dir.path()).args(["--bind", &api]);
    command.args(["--ports", &format!("{}-{}", ports.first + 1, ports.last)]);
    command.stdout(log.try_clone().expect("a file can be opened twice")).stderr(log);
    let _daemon = Daemon(command.spawn().expect("the program can be started"));
    until("the daemon answers", SOON, || ask(ports.first, "/v1/health").filter(|(status, _)| *status == 200));
    let line = ["apply", "-f", HELLO];
    let mut apply = program();
    apply.env("CALLBOARD_ADDR", format!("http://{api}")).args(line);
    run(apply, &line).ends(0);
    let found = until("both are registered and pass", SOON, || {
        let (_, body) = http(consul.port(0), "GET", "/v1/health/service/hello-docker?passing", b"")?;
        let found: Vec<Value> = serde_json::from_str(&body).ok()?;
        (found.len() == 2).then_some(found)
    });
    for service in &found {
        let port =
            service["Service"]["Port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
        let (status, body) = ask(port, "/").expect("it answers");
        assert!(status == 200 && body.contains("hello from default-hello-docker-1-"), "{body}");
        assert_eq!(service["Service"]["Tags"][0], "urlprefix-/hello-docker");
    }
}
