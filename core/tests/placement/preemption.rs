//! Who makes room, against a reference that tries every set of tasks of every host: they must agree on the host and on the
//! tasks, in random worlds that are nearly full.

use callboard_core::keys::Key;
use callboard_core::machine::Time;
use callboard_core::model::{
    Claim, Desired, Health, Ledger, Name, Phase, PortRange, Registration, Service, Status, Task,
    TaskDefinition,
};
use callboard_core::placement::VICTIMS_MAX;
use callboard_core::policy::Policy;
use callboard_core::scheduler::sacrifice;
use callboard_core::store::{Entry, Revision};
use callboard_core::world::World;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How many worlds are drawn.
const WORLDS: u32 = 5_000;

/// What a task needs.
#[derive(Clone, Debug)]
struct Needs {
    memory: u64,
    cpu_units: u64,
    gpu: u64,
    provide_port: bool,
    port: u16,
}

#[derive(Clone, Debug)]
struct Host {
    name: String,
    memory: u64,
    cpu_units: u64,
    gpu: u64,
    ports: u16,
    is_fast: bool,
    draining: bool,
}

#[derive(Clone, Debug)]
struct Other {
    name: String,
    priority: u8,
    needs: Needs,
    min: u32,
    /// Its tasks have proven themselves.
    stable: bool,
    in_cluster: bool,
    /// The host of each of its tasks, whether it shall stop, and what is said of it: healthy, not, or nothing.
    tasks: Vec<(usize, bool, u8)>,
}

#[derive(Clone, Debug)]
struct Scene {
    hosts: Vec<Host>,
    others: Vec<Other>,
    needs: Needs,
    priority: u8,
    fast_only: bool,
}

fn needs() -> impl Strategy<Value = Needs> {
    let port = prop_oneof![4 => Just((false, 0u16)), 2 => Just((true, 0)), 1 => Just((false, 101))];
    (0..4u64, 0..3u64, 0..3u64, port).prop_map(|(memory, cpu_units, gpu, (provide_port, port))| Needs {
        memory,
        cpu_units,
        gpu: gpu / 2,
        provide_port,
        port,
    })
}

fn host(number: usize) -> impl Strategy<Value = Host> {
    (2..9u64, 2..9u64, 0..2u64, 0..4u16, any::<bool>(), 0..6u8).prop_map(
        move |(memory, cpu_units, gpu, ports, is_fast, draining)| Host {
            name: format!("h{number}"),
            memory,
            cpu_units,
            gpu,
            ports,
            is_fast,
            draining: draining == 0,
        },
    )
}

fn other(number: usize, hosts: usize) -> impl Strategy<Value = Other> {
    let task = (0..hosts, (0..8u8).prop_map(|stops| stops == 0), 0..6u8);
    (0..5u8, needs(), 0..3u32, 0..6u8, 0..6u8, vec(task, 0..4)).prop_map(
        move |(priority, needs, min, stable, cluster, tasks)| Other {
            name: format!("s{number}"),
            priority,
            needs,
            min,
            stable: stable > 0,
            in_cluster: cluster > 0,
            tasks,
        },
    )
}

fn scenes() -> impl Strategy<Value = Scene> {
    (1..4usize).prop_flat_map(|count| {
        let hosts = (0..count).map(host).collect::<Vec<_>>();
        let others = (0..4).map(|number| other(number, count)).collect::<Vec<_>>();
        let more = |needs: Needs| Needs { memory: needs.memory * 2, cpu_units: needs.cpu_units * 2, ..needs };
        (hosts, others, needs().prop_map(more), 1..5u8, any::<bool>()).prop_map(
            |(hosts, others, needs, priority, fast_only)| Scene { hosts, others, needs, priority, fast_only },
        )
    })
}

/// The tasks as they are issued: those that find a port.
fn issued(scene: &Scene) -> Vec<(Task, &Other, u8)> {
    let mut taken: BTreeSet<(usize, u16)> = BTreeSet::new();
    let mut tasks = Vec::new();
    for other in &scene.others {
        for (instance, (host, stops, said)) in (0u32..).zip(&other.tasks) {
            let at = &scene.hosts[*host];
            let wanted: Vec<u16> = match (other.needs.port, other.needs.provide_port) {
                (0, false) => Vec::new(),
                (0, true) => (100..=100 + at.ports).collect(),
                (fixed, _) => vec![fixed],
            };
            let port = wanted.iter().find(|port| !taken.contains(&(*host, **port))).copied();
            if port.is_none() && !wanted.is_empty() {
                continue;
            }
            taken.extend(port.map(|port| (*host, port)));
            let cluster = if other.in_cluster { "main" } else { "other" };
            let record = json!({
                "id": format!("{cluster}-{}-1-{instance}", other.name), "cluster": cluster,
                "service": other.name, "task_name": other.name, "version": 1, "instance": instance,
                "generation": tasks.len() + 1, "host": at.name, "port": port, "memory": other.needs.memory,
                "cpu_units": other.needs.cpu_units, "resources": gpu(other.needs.gpu),
                "desired": if *stops { "stop" } else { "run" }, "reason": "drawn", "tenure": 1,
            });
            tasks.push((serde_json::from_value(record).expect("a task"), other, *said));
        }
    }
    tasks
}

fn gpu(count: u64) -> BTreeMap<Name, u64> {
    if count == 0 { BTreeMap::new() } else { BTreeMap::from([("gpu".into(), count)]) }
}

fn definition(name: &str, needs: &Needs, priority: u8) -> TaskDefinition {
    let container = json!({"name": "c", "type": "bash", "executor": {"start": ["x"]}});
    let record = json!({
        "name": name, "version": 1, "memory": needs.memory, "cpu_units": needs.cpu_units,
        "resources": gpu(needs.gpu), "provide_port": needs.provide_port, "port": needs.port,
        "priority": priority, "containers": [container],
    });
    serde_json::from_value(record).expect("a definition")
}

fn service(name: &str, min: u32, placement: serde_json::Value) -> Service {
    let record = json!({
        "name": name, "task_name": name, "task_version": 1, "desired": 6, "min": min, "max": 9,
        "placement": placement, "preempt": true,
    });
    serde_json::from_value(record).expect("a service")
}

type Record = (Key, serde_json::Value);

/// What the store holds of its hosts.
fn host_records(scene: &Scene) -> Vec<Record> {
    let mut entries: Vec<Record> = Vec::new();
    for host in &scene.hosts {
        let name = Name::from(host.name.as_str());
        let registration = Registration {
            host: name.clone(),
            address: "127.0.0.1".into(),
            memory: host.memory,
            cpu_units: host.cpu_units,
            disk: 0,
            resources: gpu(host.gpu),
            ports: PortRange { first: 100, last: 100 + host.ports },
            executors: vec!["bash".into()],
            policy: Policy::default(),
            labels: BTreeMap::from([("fast".into(), host.is_fast.to_string())]),
            agent_version: "test".into(),
            api: None,
        };
        entries.push((Key::Registration(name.clone()), value(&registration)));
        entries.push((Key::Alive(name.clone()), json!({"host": name, "boot_id": "b", "agent_id": "a"})));
        if host.draining {
            entries.push((Key::HostConfig(name.clone()), json!({"name": name, "draining": true})));
        }
        let mut ledger = Ledger::default();
        for (task, ..) in issued(scene).iter().filter(|(task, ..)| task.host == name) {
            add(ledger.clusters.entry(task.cluster.clone()).or_default(), &Claim::of(task));
        }
        entries.push((Key::Ledger(name), value(&ledger)));
    }
    entries
}

/// What the store holds of it.
fn world(scene: &Scene, asking: &Service, own: &TaskDefinition) -> World {
    let mut entries = host_records(scene);
    let mut listed: BTreeMap<&str, Vec<&str>> = BTreeMap::from([("main", vec!["asking"])]);
    for other in &scene.others {
        let (name, cluster) =
            (Name::from(other.name.as_str()), if other.in_cluster { "main" } else { "other" });
        listed.entry(cluster).or_default().push(&other.name);
        entries.push((Key::Service(name.clone()), value(&service(&name, other.min, json!({})))));
        let record = value(&definition(&name, &other.needs, other.priority));
        entries.push((Key::Definition(name.clone(), 1), record));
        let state = json!({
            "service": name, "cluster": cluster, "available": 0, "min": 0, "version": 1,
            "stable": other.stable.then_some(1), "rollout": {"state": "done"},
        });
        entries.push((Key::ServiceState(name), state));
    }
    for (task, _, said) in issued(scene) {
        let (host, id) = (task.host.clone(), task.id.clone());
        if said < 5 {
            let status = Status {
                id: id.clone(),
                generation: task.generation,
                attempt: 0,
                failures: 0,
                blamed: 0,
                left: false,
                phase: Phase::Running,
                health: if said == 0 { Health::Unhealthy } else { Health::Healthy },
                reason: None,
            };
            entries.push((Key::Status(host.clone(), id.clone()), value(&status)));
        }
        entries.push((Key::HostTask(host, id.clone()), value(&task)));
        entries.push((Key::Task(id), value(&task)));
    }
    entries.push((Key::Service("asking".into()), value(asking)));
    entries.push((Key::Definition("asking".into(), 1), value(own)));
    for (cluster, services) in listed {
        entries.push((Key::Cluster(cluster.into()), json!({"name": cluster, "services": services})));
    }
    let entry = |(key, value): &Record| Entry {
        key: key.path(),
        value: value.to_string(),
        revision: Revision(1),
        session: None,
    };
    let entries: Vec<Arc<Entry>> = entries.iter().map(entry).map(Arc::new).collect();
    World::of(&entries)
}

fn value<T: serde::Serialize>(record: &T) -> serde_json::Value {
    serde_json::to_value(record).expect("a record")
}

fn add(sum: &mut Claim, claim: &Claim) {
    sum.memory += claim.memory;
    sum.cpu_units += claim.cpu_units;
    for (name, count) in &claim.resources {
        *sum.resources.entry(name.clone()).or_insert(0) += count;
    }
    sum.ports.extend(&claim.ports);
    sum.ports.sort_unstable();
}

fn fits(needs: &Needs, host: &Host, tasks: &[&Task]) -> bool {
    let room = |needed: u64, held: u64, has: u64| needed == 0 || held + needed <= has;
    let taken: BTreeSet<u16> = tasks.iter().filter_map(|task| task.port).collect();
    let port = match (needs.port, needs.provide_port) {
        (0, false) => true,
        (0, true) => (100..=100 + host.ports).any(|port| !taken.contains(&port)),
        (fixed, _) => !taken.contains(&fixed),
    };
    let count = |task: &&Task| task.resources.values().sum::<u64>();
    port && room(needs.memory, tasks.iter().map(|task| task.memory).sum(), host.memory)
        && room(needs.cpu_units, tasks.iter().map(|task| task.cpu_units).sum(), host.cpu_units)
        && room(needs.gpu, tasks.iter().map(count).sum(), host.gpu)
}

/// Tells whether all of these may be told to stop.
fn may_go(scene: &Scene, all: &[(Task, &Other, u8)], chosen: &[&(Task, &Other, u8)]) -> bool {
    let at_work = |said: u8| (1..5).contains(&said);
    scene.others.iter().all(|other| {
        let of = |entry: &&(Task, &Other, u8)| entry.1.name == other.name && at_work(entry.2);
        let gone = chosen.iter().filter(|entry| of(entry)).count();
        let running = all.iter().filter(|entry| of(entry) && entry.0.desired == Desired::Run).count();
        let available = if other.stable { running } else { 0 };
        gone == 0 || other.min == 0 || available >= gone + other.min as usize
    }) && chosen.iter().all(|(task, other, _)| {
        task.desired == Desired::Run && other.in_cluster && other.priority < scene.priority
    })
}

/// Tries every set of tasks of every host.
fn reference(scene: &Scene) -> Option<(String, Vec<String>)> {
    let all = issued(scene);
    let mut best = None;
    for host in scene.hosts.iter().filter(|host| !host.draining && (host.is_fast || !scene.fast_only)) {
        let here: Vec<&(Task, &Other, u8)> =
            all.iter().filter(|(task, ..)| *task.host == *host.name).collect();
        for set in 0u32..1 << here.len() {
            let is_in = |place: &usize| set >> place & 1 == 1;
            let (chosen, rest): (Vec<usize>, Vec<usize>) = (0..here.len()).partition(is_in);
            let chosen: Vec<&(Task, &Other, u8)> = chosen.into_iter().map(|place| here[place]).collect();
            let rest: Vec<&Task> = rest.into_iter().map(|place| &here[place].0).collect();
            if chosen.len() > VICTIMS_MAX || !fits(&scene.needs, host, &rest) || !may_go(scene, &all, &chosen)
            {
                continue;
            }
            let priorities = || chosen.iter().map(|(_, other, _)| u32::from(other.priority));
            let mut ids: Vec<String> = chosen.iter().map(|(task, ..)| task.id.to_string()).collect();
            ids.sort();
            let held: (u64, u64) =
                chosen.iter().fold((0, 0), |sum, (task, ..)| (sum.0 + task.memory, sum.1 + task.cpu_units));
            let toll = (ids.len(), priorities().max(), priorities().sum::<u32>(), held);
            let key = (toll, host.name.clone(), ids);
            if best.as_ref().is_none_or(|best| key < *best) {
                best = Some(key);
            }
        }
    }
    best.map(|(_, host, ids)| (host, ids))
}

fn agree(scene: &Scene) -> Result<(), TestCaseError> {
    let require = if scene.fast_only { json!([{"label": "fast", "equals": "true"}]) } else { json!([]) };
    let asking = service("asking", 1, json!({"require": require}));
    let own = definition("asking", &scene.needs, scene.priority);
    let slow = reference(scene);
    // Where it has a place, nobody is asked.
    if slow.as_ref().is_some_and(|(_, ids)| ids.is_empty()) {
        return Ok(());
    }
    let key = ("main".into(), "asking".into());
    let found = sacrifice(&world(scene, &asking, &own), Time(0), &key, &asking, &own);
    let fast = found.map(|found| {
        (found.host.to_string(), found.victims.into_iter().map(|(id, _)| id.to_string()).collect())
    });
    prop_assert_eq!(fast, slow, "{:#?}", scene);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: WORLDS, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn those_that_make_room_are_the_fewest_and_least_important(scene in scenes()) {
        agree(&scene)?;
    }
}
