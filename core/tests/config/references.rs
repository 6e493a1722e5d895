//! What a configuration may refer to and replace: inputs 16, 19 and 61 to 67 of the list of bad inputs.

use super::told;
use callboard_core::config::{self, Configuration, Delete, Sourced, Stored, merge, read};
use callboard_core::keys::task_id;
use callboard_core::model::{Cluster, HostConfig, Name, Service, TaskDefinition, Version};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Default)]
struct Store {
    clusters: BTreeMap<Name, Arc<Cluster>>,
    services: BTreeMap<Name, Arc<Service>>,
    definitions: BTreeMap<Name, BTreeMap<Version, Arc<TaskDefinition>>>,
    hosts: BTreeMap<Name, Arc<HostConfig>>,
}

impl Store {
    fn new(file: &str) -> Store {
        let mut store = Store::default();
        let Configuration { clusters, services, task_definitions, hosts } = parsed("stored.yml", file).value;
        store.clusters.extend(clusters.into_iter().map(|one| (one.name.clone(), Arc::new(one))));
        store.services.extend(services.into_iter().map(|one| (one.name.clone(), Arc::new(one))));
        store.hosts.extend(hosts.into_iter().map(|one| (one.name.clone(), Arc::new(one))));
        for one in task_definitions {
            store.definitions.entry(one.name.clone()).or_default().insert(one.version, Arc::new(one));
        }
        store
    }

    fn view(&self) -> Stored<'_> {
        Stored {
            clusters: &self.clusters,
            services: &self.services,
            definitions: &self.definitions,
            hosts: &self.hosts,
        }
    }
}

fn parsed(name: &str, file: &str) -> Sourced<Configuration> {
    if file.is_empty() {
        return Sourced::default();
    }
    read(name, expanded(file).as_bytes()).unwrap_or_else(|mistakes| panic!("{}", told(Err(mistakes))))
}

/// Writes out the short forms used below, one a line: `cluster a: x y`, `service a: definition version`,
/// `definition a: version image`, `host a`.
fn expanded(file: &str) -> String {
    let mut out = ["clusters:".to_string(), "services:".into(), "task_definitions:".into(), "hosts:".into()];
    for line in file.lines() {
        let (what, rest) = line.split_once(':').unwrap_or((line, ""));
        let (kind, name) = what.split_once(' ').unwrap_or((what, ""));
        let words: Vec<&str> = rest.split_whitespace().collect();
        match (kind, words.as_slice()) {
            ("cluster", services) => {
                out[0] += &format!("\n- {{name: {name}, services: [{}]}}", services.join(", "));
            }
            ("scheduler", [scheduler]) => out[0] += &format!("\n- {{name: {name}, scheduler: {scheduler}}}"),
            ("service", [definition, version]) => {
                out[1] += &format!(
                    "\n- {{name: {name}, task_name: {definition}, task_version: {version}, desired: 1, min: 0, max: 1}}"
                );
            }
            ("definition", [version, image]) => {
                out[2] += &format!(
                    "\n- {{name: {name}, version: {version}, \
                     containers: [{{name: c, type: docker, executor: {{image: {image}}}}}]}}"
                );
            }
            ("host", _) => out[3] += &format!("\n- {{name: {name}}}"),
            _ => panic!("cannot expand {line}"),
        }
    }
    out.join("\n")
}

/// Expects of a new configuration, beside a stored one, all its mistakes, or `fine`.
fn check(stored: &str, new: &str, expect: &str) {
    let store = Store::new(stored);
    let result = config::check(&store.view(), &parsed("web.yml", new));
    assert_eq!(told(result), expect, "stored:\n{stored}\nnew:\n{}", expanded(new));
}

#[test]
fn a_service_names_a_version_that_exists() {
    let stored = "definition web: 1 a\ndefinition web: 2 b";
    check(stored, "service web: web 2", "fine");
    check(stored, "service web: web 3\ndefinition web: 3 c", "fine");
    check(
        stored,
        "service web: wbe 1",
        "web.yml:3: services[0].task_name: found \"wbe\", no such task definition, expected web; did you mean \"web\"?",
    );
    check(
        stored,
        "service web: web 3",
        "web.yml:3: services[0].task_version: found 3, no such version of \"web\", expected 1 or 2; \
         define that version first, or name one that exists",
    );
    check(
        "",
        "service web: web 1",
        "web.yml:3: services[0].task_name: found \"web\", no such task definition, \
         expected one that is defined, but none is",
    );
}

#[test]
fn a_service_stays_made_of_what_it_is() {
    let stored = "definition web: 1 a\ndefinition api: 1 a\ndefinition api: 2 a\nservice web: web 1";
    check(stored, "service web: web 1", "fine");
    check(stored, "service site: api 2", "fine");
    check(
        stored,
        "service web: api 2",
        "web.yml:3: services[0].task_name: found \"api\", but service \"web\" is made of another task definition, \
         expected \"web\"; add a version to that one, or delete the service and wait until its tasks are gone: \
         callboard delete service web",
    );
}

#[test]
fn a_cluster_names_services_that_exist() {
    let stored = "definition web: 1 a\nservice web: web 1";
    check(stored, "cluster shop: web", "fine");
    check(stored, "cluster shop: web api\nservice api: web 1", "fine");
    check(
        stored,
        "cluster shop: web wep",
        "web.yml:2: clusters[0].services[1]: found \"wep\", no such service, expected web; did you mean \"web\"?",
    );
}

#[test]
fn a_service_is_in_one_cluster() {
    let stored = "definition web: 1 a\nservice web: web 1\ncluster shop: web";
    check(
        stored,
        "cluster store: web",
        "web.yml:2: clusters[0].services[0]: found \"web\", which is in cluster \"shop\" as well as in \"store\"; \
         a service belongs to one cluster, remove it from one of the two",
    );
    check(stored, "cluster store: web\ncluster shop:", "fine");
    check(&format!("{stored}\ncluster store: web"), "cluster other:", "fine");
    check(
        "definition web: 1 a",
        "service web: web 1\ncluster a: web\ncluster b: web",
        "web.yml:3: clusters[1].services[0]: found \"web\", which is in cluster \"a\" as well as in \"b\"; \
         a service belongs to one cluster, remove it from one of the two",
    );
}

#[test]
fn a_scheduler_may_be_anyone_but_nearly_ours() {
    check("", "scheduler shop: default", "fine");
    check("", "scheduler shop: my-own", "fine");
    check(
        "",
        "scheduler shop: defualt",
        "web.yml:2: clusters[0].scheduler: found \"defualt\", almost the name of Callboard's own scheduler, \
         expected default, or the name of another scheduler; did you mean \"default\"?",
    );
}

#[test]
fn a_version_never_changes() {
    let stored = "definition web: 1 a\ndefinition web: 4 a";
    check(stored, "definition web: 1 a", "fine");
    check(stored, "definition web: 5 b", "fine");
    check(
        stored,
        "definition web: 1 b",
        "web.yml:4: task_definitions[0].version: found 1, but version 1 of \"web\" is stored with other content; \
         versions never change, use version 5",
    );
}

#[test]
fn no_two_services_make_the_same_task_id() {
    let stored = "definition d: 1 a\nservice c: d 1\nservice b-c: d 1\ncluster a-b: c";
    check(
        stored,
        "cluster a: b-c",
        "web.yml:2: clusters[0].services[0]: found \"b-c\", whose tasks in cluster \"a\" would have the ids of service \
         \"c\" in cluster \"a-b\"; rename a service or a cluster",
    );
    check("definition d: 1 a", "service b: d 1\nservice b-1: d 1\ncluster a: b b-1", "fine");
}

proptest! {
    /// The rule for ids is exact: a configuration is refused when two of its services can make the same id, and only
    /// then.
    #[test]
    fn the_rule_for_ids_is_exact(pairs in prop::collection::btree_map("[ab1](-[ab1]){0,2}", "[ab1](-[ab1]){0,2}", 2..5)) {
        let pairs: Vec<(&String, &String)> = pairs.iter().map(|(service, cluster)| (cluster, service)).collect();
        let mut makers = BTreeMap::new();
        let mut clash = false;
        for pair in &pairs {
            for (version, instance) in (1..12).flat_map(|version| (0..12).map(move |instance| (version, instance))) {
                clash |= makers.insert(task_id(pair.0, pair.1, version, instance), pair).is_some();
            }
        }
        let mut clusters: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut file = String::from("definition \"d\": 1 a");
        for (cluster, service) in pairs {
            clusters.entry(cluster).or_default().push(service);
            file += &format!("\nservice \"{service}\": d 1");
        }
        for (cluster, services) in clusters {
            file += &format!("\ncluster \"{cluster}\": \"{}\"", services.join("\" \""));
        }
        let store = Store::default();
        let refused = config::check(&store.view(), &parsed("web.yml", &file)).is_err();
        prop_assert_eq!(refused, clash, "{}", file);
    }
}

#[test]
fn files_are_merged() {
    let told = |a: &str, b: &str| told(merge([parsed("a.yml", a), parsed("b.yml", b)]).map(drop));
    assert_eq!(told("host a", "host b"), "fine");
    assert_eq!(
        told("host a\nhost b", "host b"),
        "b.yml:5: hosts[0].name: found \"b\", already defined at a.yml:6; keep one of the two"
    );
    assert_eq!(
        told("definition a: 1 x\ndefinition a: 2 x", "definition a: 2 x"),
        "b.yml:4: task_definitions[0].version: found version 2 of \"a\", already defined at a.yml:5; keep one of the two"
    );
    let merged = merge([parsed("a.yml", "scheduler a: other\nhost a"), parsed("b.yml", "cluster b: z")]);
    let merged = merged.unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    assert_eq!(
        super::told(config::check(&Store::default().view(), &merged)),
        "b.yml:2: clusters[0].services[0]: found \"z\", no such service, expected one that is defined, but none is"
    );
}

#[test]
fn what_is_in_use_cannot_be_deleted() {
    let store = Store::new(
        "definition web: 1 a\ndefinition web: 2 a\nservice web: web 2\ncluster shop: web\nhost h1",
    );
    let check = |what: Delete, expect: &str| {
        let told = match config::check_delete(&store.view(), &what) {
            Ok(clusters) => {
                format!("fine, and write {}", serde_json::to_string(&clusters).expect("serializes"))
            }
            Err(mistake) => mistake.to_string(),
        };
        assert_eq!(told, expect, "{what:?}");
    };
    check(Delete::Definition("web".into(), 1), "fine, and write []");
    check(
        Delete::Definition("web".into(), 2),
        "version 2 of task definition \"web\" is run by web; move them to another version first",
    );
    check(
        Delete::Definition("web".into(), 3),
        "there is no version 3 of task definition \"web\", expected 1 or 2",
    );
    check(
        Delete::Definition("wep".into(), 1),
        "there is no task definition \"wep\", expected web; did you mean \"web\"?",
    );
    check(
        Delete::Service("web".into()),
        "fine, and write [{\"name\":\"shop\",\"scheduler\":\"default\",\"services\":[],\"policy\":\"spread\",\
         \"host_grace\":\"30s\"}]",
    );
    check(Delete::Service("api".into()), "there is no service \"api\", expected web");
    check(Delete::Cluster("shop".into()), "cluster \"shop\" still has services: web; delete them first");
    check(
        Delete::Cluster("shop2".into()),
        "there is no cluster \"shop2\", expected shop; did you mean \"shop\"?",
    );
    check(Delete::HostConfig("h1".into()), "fine, and write []");
    check(Delete::HostConfig("h2".into()), "there is no configuration of host \"h2\", expected h1");
}

#[test]
fn what_a_stopped_service_will_run_cannot_be_deleted() {
    let mut store = Store::new("definition web: 1 a\nservice web: web 1\ncluster shop: web");
    store.services.values_mut().for_each(|service| Arc::make_mut(service).stopped = true);
    let result = config::check_delete(&store.view(), &Delete::Definition("web".into(), 1));
    let why = result.expect_err("it is in use").to_string();
    assert!(why.starts_with("version 1 of task definition \"web\" is run by web"), "{why}");
}
