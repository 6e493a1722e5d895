//! The examples of the format's description load unchanged, comments aside, and what is read can be written and read
//! again.

use super::{BASH, DEFINITION, DOCKER, HOST, SERVICE, changed, check};
use callboard_core::config::{Configuration, read, with_port};
use callboard_core::model::{Cluster, Service, TaskDefinition};

const EXAMPLE_CLUSTER: &str = r#"{
  "name": "default",
  "scheduler": "default",
  "services": ["helloworld"]
}"#;

const EXAMPLE_SERVICE: &str = r#"{
  "name": "helloworld",
  "task_name": "helloworld",
  "task_version": 2,
  "desired": 4,
  "min": 3,
  "max": 4
}"#;

const EXAMPLE_DEFINITION: &str = r#"{
  "name": "helloworld",
  "version": 2,
  "provide_port": true,
  "port": 0,
  "tags": ["urlprefix-/helloworld"],
  "memory": 0,
  "cpu_units": 0,

  "containers": [
    {
      "name": "helloworld",
      "type": "docker",
      "setup": ["echo setup"],
      "executor": {
        "container_port": 80,
        "image": "tutum/hello-world",
        "name": "helloworld"
      }
    }
  ],

  "checks": [
    {
      "name": null,
      "http": "http://127.0.0.1",
      "tcp": null,
      "script": null,
      "add_provided_port": true,
      "interval": "10s",
      "timeout": null,
      "ttl": null
    }
  ]
}"#;

const EXAMPLE_DOCKER: &str = r#"{
  "image": "ubuntu",
  "cmd": ["consul-scheduler"],
  "entry": "",

  "container_port": 3000,
  "ports": ["5000:5000"],
  "env": [],
  "work_dir": "/",
  "volumes": [],
  "flags": ["--net=host"]
}"#;

const EXAMPLE_BASH: &str = r#"{
  "start": ["echo start"],
  "stop": ["echo stop"],
  "env": ["TEST=true"],
  "artifact": "http://download.com",
  "download_dir": "/usr/local/bin"
}"#;

fn with_executor(kind: &str, executor: &str) -> String {
    format!(
        "{{\"task_definitions\": [{{\"name\": \"a\", \"version\": 1, \"containers\": \
         [{{\"name\": \"a\", \"type\": \"{kind}\", \"executor\": {executor}}}]}}]}}"
    )
}

fn parsed(file: &str) -> Configuration {
    read("web.yml", file.as_bytes()).unwrap_or_else(|mistakes| panic!("{mistakes:?}")).value
}

#[test]
fn the_examples_load() {
    let lists = format!(
        "{{\"clusters\": [{EXAMPLE_CLUSTER}], \"services\": [{EXAMPLE_SERVICE}], \
         \"task_definitions\": [{EXAMPLE_DEFINITION}]}}"
    );
    check(&lists, "fine");
    check(&with_executor("docker", EXAMPLE_DOCKER), "fine");
}

/// The one example that asks for what a host must not give away: an unchecked download into a directory of its own.
#[test]
fn the_example_of_bash_is_a_host_takeover() {
    check(
        &with_executor("bash", EXAMPLE_BASH),
        "web.yml:1: task_definitions[0].containers[0].executor.checksum: missing, expected the artifact's checksum: \
         sha256: and 64 hexadecimal digits\n\
         web.yml:6: task_definitions[0].containers[0].executor.download_dir: found \"/usr/local/bin\", expected a path \
         relative to the task's own directory, without ..",
    );
}

/// What is left out has the same meaning here and where a record of the store is read.
#[test]
fn defaults_are_those_of_the_store() {
    let file = format!(
        "{{\"clusters\": [{EXAMPLE_CLUSTER}], \"services\": [{EXAMPLE_SERVICE}], \
         \"task_definitions\": [{EXAMPLE_DEFINITION}]}}"
    );
    let Configuration { clusters, services, task_definitions, .. } = parsed(&file);
    let cluster: Cluster = serde_json::from_str(EXAMPLE_CLUSTER).expect("a cluster");
    assert_eq!(clusters, [cluster]);
    let service: Service = serde_json::from_str(EXAMPLE_SERVICE).expect("a service");
    assert_eq!(services, [service]);
    let timeout = EXAMPLE_DEFINITION.replace("\"timeout\": null", "\"timeout\": \"5s\"");
    let definition: TaskDefinition = serde_json::from_str(&timeout).expect("a task definition");
    assert_eq!(task_definitions, [definition]);
}

#[test]
fn what_is_read_can_be_written_and_read() {
    let artifact = format!("artifact: https://a/b\n      checksum: sha256:{}", "0".repeat(64));
    let files = [
        format!("{{\"clusters\": [{EXAMPLE_CLUSTER}], \"services\": [{EXAMPLE_SERVICE}]}}"),
        format!("{{\"task_definitions\": [{EXAMPLE_DEFINITION}]}}"),
        with_executor("docker", EXAMPLE_DOCKER),
        changed(HOST, "reserved_ports: [22, 80]"),
        changed(SERVICE, "max_parallel: 2"),
        changed(SERVICE, "stopped: true"),
        changed(SERVICE, "retry: 3"),
        changed(DEFINITION, "restart: {attempts: 1, delay: 250ms, max_delay: 2m30s}"),
        changed(DEFINITION, "port: 80"),
        changed(DEFINITION, "checks: [{tcp: \"a:1\"}, {script: x}, {ttl: 5s, name: b}]"),
        changed(DEFINITION, "checks: [{http: \"http://a\", header: {X: [\"1\", b]}, interval: 1s}]"),
        changed(DOCKER, "env: [\"A=no\"]"),
        changed(DOCKER, "name: \"1.0\""),
        changed(DOCKER, "pull: always"),
        changed(DOCKER, "pull: never"),
        changed(BASH, "setup: [a, 'b ''c''', \"d\\te\\n\"]").replace("\n      setup", "\n    setup"),
        changed(BASH, &artifact),
    ];
    for file in files {
        let first = parsed(&file);
        let written = serde_json::to_string(&first).expect("serializes");
        assert_eq!(parsed(&written), first, "{file}\n{written}");
    }
}

/// A record that says nothing new is byte by byte what an earlier version wrote.
#[test]
fn when_an_image_is_pulled_is_written_only_where_it_is_not_the_default() {
    let written = |change: &str| {
        serde_json::to_string(&parsed(&changed(DOCKER, change)).task_definitions).expect("serializes")
    };
    let [plain, missing, always] = ["entry: run", "pull: missing", "pull: always"].map(written);
    assert_eq!((&missing, plain.contains("pull")), (&plain, false));
    assert_eq!(always.replace(r#""pull":"always","#, ""), plain);
}

#[test]
fn a_port_is_put_behind_the_host() {
    for (address, expect) in [
        ("http://127.0.0.1", "http://127.0.0.1:8080"),
        ("http://127.0.0.1/", "http://127.0.0.1:8080/"),
        ("https://[::1]/health?a=/b", "https://[::1]:8080/health?a=/b"),
        ("http://a?b", "http://a:8080?b"),
        ("127.0.0.1", "127.0.0.1:8080"),
    ] {
        assert_eq!(with_port(address, 8080), expect);
    }
}
