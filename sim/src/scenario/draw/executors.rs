//! What is drawn of how machines run tasks: in docker beside bash, with an engine that may fail; what they allow, and how
//! many starts they make at once. It is drawn apart from all else, so that a world without any of it is what it was.

use super::number;
use crate::rng::Chance;
use crate::scenario::{FaultKind, HostFault, Scenario, Trickle};
use callboard_core::machine::Span;
use callboard_core::model::{Docker, Executor, Name};
use callboard_core::policy;
use std::collections::BTreeMap;

/// Where images come from, as policies name it and as they are named.
const SHOPS: [(&str, &str); 2] = [("docker.io/", ""), ("shop.example/", "shop.example/")];

/// Where artifacts may come from on strict machines.
const SOURCE: &str = "https://files.example/";

/// Draws all of it.
pub(super) fn draw(chance: &mut Chance, scenario: &mut Scenario) {
    if !chance.happens(400_000) {
        return;
    }
    ship(chance, scenario);
    if chance.coin() {
        allow(chance, scenario);
    }
    for class in &mut scenario.fleet {
        if chance.coin() {
            class.parallel_starts = number(chance.between(1, 6));
        }
    }
    let until = scenario.trickle.iter().map(|trickle| trickle.until).max();
    if let Some(until) = until.filter(|_| chance.coin()) {
        let per_hour = chance.between(1, 10) * (scenario.hosts() as u64 / 10).max(1);
        let (fault, from) = (FaultKind::Host(HostFault::EngineDown), Span::secs(30));
        let lasting = (Span::secs(5), Span::secs(180));
        scenario.trickle.push(Trickle { fault, each: None, per_hour, from, until, lasting });
    }
    if chance.coin() {
        reach(chance, scenario);
    }
}

/// Has tasks fetch artifacts and mount volumes, and strict machines allow some of both.
fn reach(chance: &mut Chance, scenario: &mut Scenario) {
    let mut drawn: BTreeMap<Name, (Option<String>, Option<String>)> = BTreeMap::new();
    for definition in &mut scenario.desired.task_definitions {
        let name = &definition.name;
        let (artifact, volume) = drawn.entry(name.clone()).or_insert_with(|| {
            let source = if chance.coin() { SOURCE } else { "https://elsewhere.example/" };
            let place = if chance.happens(850_000) { "/srv" } else { "/home" };
            let mode = if chance.coin() { ":ro" } else { "" };
            let artifact = chance.coin().then(|| format!("{source}{name}"));
            (artifact, chance.coin().then(|| format!("{place}/{name}:/data{mode}")))
        });
        for container in &mut definition.containers {
            match &mut container.executor {
                Executor::Bash(bash) => {
                    bash.checksum = artifact.as_ref().map(|_| format!("sha256:{}", "0".repeat(64)));
                    bash.artifact.clone_from(artifact);
                }
                Executor::Docker(docker) => docker.volumes.extend(volume.clone()),
            }
        }
    }
    for class in &mut scenario.fleet {
        if let Some(docker) = &mut class.policy.docker {
            let read_only = chance.happens(200_000);
            docker.volumes.push(policy::Volume { path: "/srv".into(), read_only });
        }
        if let Some(bash) = class.policy.bash.as_mut().filter(|_| chance.coin()) {
            bash.artifacts = Some(vec![SOURCE.into()]);
        }
    }
}

/// Puts some tasks into docker. All versions of one have their images from the same place.
fn ship(chance: &mut Chance, scenario: &mut Scenario) {
    let mut drawn: BTreeMap<Name, (&str, bool)> = BTreeMap::new();
    for definition in &mut scenario.desired.task_definitions {
        let (shop, on_host) = *drawn.entry(definition.name.clone()).or_insert_with(|| {
            let (_, shop) = SHOPS[usize::from(chance.coin())];
            (shop, chance.happens(200_000))
        });
        let image = format!("{shop}{}:{}", definition.name, definition.version);
        let flags: Vec<String> = on_host.then(|| "--net=host".to_string()).into_iter().collect();
        for container in definition.containers.iter_mut().filter(|_| chance.coin()) {
            let docker = Docker { image: image.clone(), flags: flags.clone(), ..Docker::default() };
            container.executor = Executor::Docker(docker);
        }
    }
}

/// Has some machines allow less than others.
fn allow(chance: &mut Chance, scenario: &mut Scenario) {
    if let [only] = &mut scenario.fleet[..]
        && only.count > 1
    {
        let mut others = only.clone();
        others.count = number(chance.between(1, u64::from(only.count) - 1));
        only.count -= others.count;
        others.prefix = "strict-".into();
        scenario.fleet.push(others);
    }
    if let Some(strict) = scenario.fleet.last_mut() {
        let (listed, _) = SHOPS[usize::from(chance.coin())];
        let images = chance.coin().then(|| vec![listed.to_string()]);
        let docker = policy::Docker { images, host_network: chance.coin(), ..policy::Docker::default() };
        strict.policy = policy::Policy { docker: Some(docker), bash: Some(policy::Bash::default()) };
    }
}
