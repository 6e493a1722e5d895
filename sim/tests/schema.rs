//! The published schema, the reader and the writer agree: on every file, and on every field.

use callboard_sim::scenario::{schema, write};
use callboard_sim::{Profile, draw, read, read_with};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/scenarios")
}

fn published() -> Value {
    serde_json::from_str(&schema()).expect("the schema is JSON")
}

/// Reads YAML as an editor does.
fn yaml(text: &str) -> Value {
    fn value(node: &callboard_core::config::Node) -> Value {
        use callboard_core::config::{Style, Value as Yaml};
        match &node.value {
            Yaml::Null => Value::Null,
            Yaml::Scalar { text, style: Style::Quoted } => json!(text),
            Yaml::Scalar { text, style: Style::Plain } => match text.as_str() {
                "true" => json!(true),
                "false" => json!(false),
                text => text.parse::<i64>().map_or(json!(text), |number| json!(number)),
            },
            Yaml::Seq(nodes) => nodes.iter().map(value).collect(),
            Yaml::Map(entries) => entries.iter().map(|(key, node)| (key.text.clone(), value(node))).collect(),
        }
    }
    value(&callboard_core::config::parse("it.yml", text.as_bytes()).expect("YAML"))
}

/// Holds a scenario against the schema.
fn check(validator: &jsonschema::Validator, name: &str, text: &str) {
    let wrong: Vec<String> = validator
        .iter_errors(&yaml(text))
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{name}: {wrong:#?}\n{text}");
}

#[test]
fn the_published_file_is_the_schema() {
    let file = folder().join("schema.json");
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == schema(),
        "{} is not what `callboard sim schema` prints: write that there",
        file.display()
    );
}

#[test]
fn examples_and_drawn_worlds_are_as_the_schema_says() {
    let validator = jsonschema::validator_for(&published()).expect("the schema is one");
    for file in std::fs::read_dir(folder()).expect("the folder") {
        let path = file.expect("a file").path();
        if path.extension().is_some_and(|extension| extension == "yml") {
            let text = std::fs::read_to_string(&path).expect("text");
            check(&validator, &path.display().to_string(), &text);
            let load = |file: &str| std::fs::read(folder().join(file)).map_err(|error| error.to_string());
            let scenario = read_with("it.yml", text.as_bytes(), &[], &load).expect("a scenario");
            check(&validator, &path.display().to_string(), &write(&scenario));
        }
    }
    for seed in 0..30 {
        check(&validator, "a drawn world", &write(&draw(Profile::Tiny, seed)));
        check(&validator, "a drawn world", &write(&draw(Profile::Small, seed)));
    }
}

#[test]
fn what_is_wrong_is_not_as_the_schema_says() {
    let validator = jsonschema::validator_for(&published()).expect("the schema is one");
    let good = "name: it\nduration: 5m\nfleet: [{count: 3}]\n";
    check(&validator, "good", good);
    for wrong in [
        "store: konsul",
        "seed: many",
        "trickle: [{fault: crash}]",
        "timeline: [{at: 1m, do: crash_hosts, percent: 10, count: 2}]",
        "timeline: [{at: 1m, do: partition, percent: 10}]",
        "timeline: [{at: 1, do: apply}]",
        "expects: []",
        "builds: [{task: web, version: 0}]",
    ] {
        assert!(!validator.is_valid(&yaml(&format!("{good}{wrong}"))), "{wrong}");
    }
}

/// Finds the objects that a place in the schema allows.
fn objects(place: &Value) -> Vec<&Value> {
    let inner = ["anyOf", "oneOf"].into_iter().filter_map(|name| place[name].as_array()).flatten();
    let is_object = place["properties"].is_object();
    is_object.then_some(place).into_iter().chain(inner.flat_map(objects)).collect()
}

/// Finds what the lists hold that a place in the schema allows.
fn lists(place: &Value) -> impl Iterator<Item = &Value> {
    let inner = place["anyOf"].as_array().into_iter().flatten();
    [place].into_iter().chain(inner).map(|place| &place["items"]).filter(|items| items.is_object())
}

/// Asks the reader which fields it knows, by one that it does not.
fn known_fields(text: &str, path: &str) -> BTreeSet<String> {
    let error = read("it.yml", text.as_bytes()).expect_err(text);
    let told = error.mistakes.iter().find(|it| it.path == path && it.problem == "unknown field");
    let allowed = &told.unwrap_or_else(|| panic!("{path} in\n{text}\n{error}")).allowed;
    allowed.replace(" or ", ", ").split(", ").map(String::from).collect()
}

fn fields(object: &Value) -> BTreeSet<String> {
    object["properties"].as_object().expect("an object").keys().cloned().collect()
}

#[test]
fn the_reader_and_the_schema_know_the_same_fields() {
    let schema = published();
    let at = |path: &str| -> Value {
        let place = path.split('.').fold(&schema, |place, part| match part {
            "[]" => lists(place).next().unwrap_or(place),
            field => &place["properties"][field],
        });
        place.clone()
    };
    let start = "name: it\nduration: 5m\n";
    let check = |path: &str, text: &str, told: &str| {
        let text = format!("{start}{text}\n");
        let known = known_fields(&text, told);
        let place = if path.is_empty() { schema.clone() } else { at(path) };
        assert!(
            objects(&place).iter().any(|object| fields(object) == known),
            "{path}: the reader knows {known:?}"
        );
    };
    check("", "odd: 1", "odd");
    check("fleet.[]", "fleet: [{odd: 1}]", "fleet[0].odd");
    check("fleet.[].ports", "fleet: [{ports: {odd: 1}}]", "fleet[0].ports.odd");
    check("generate.[]", "generate: [{odd: 1}]", "generate[0].odd");
    check("builds.[]", "builds: [{odd: 1}]", "builds[0].odd");
    check("store", "store: {odd: 1}", "store.odd");
    check("registry", "registry: {odd: 1}", "registry.odd");
    check("trickle.[]", "trickle: [{odd: 1}]", "trickle[0].odd");
    check("clusters.[]", "clusters: [{odd: 1}]", "clusters[0].odd");
    check("services.[]", "services: [{odd: 1}]", "services[0].odd");
    check("task_definitions.[]", "task_definitions: [{odd: 1}]", "task_definitions[0].odd");
    check("hosts.[]", "hosts: [{odd: 1}]", "hosts[0].odd");
    let definition = |field: &str| format!("task_definitions: [{{{field}}}]");
    let inside = |field: &str| format!("task_definitions[0].{field}.odd");
    check("task_definitions.[].restart", &definition("restart: {odd: 1}"), &inside("restart"));
    check("task_definitions.[].checks.[]", &definition("checks: [{odd: 1}]"), &inside("checks[0]"));
    check(
        "task_definitions.[].containers.[]",
        &definition("containers: [{odd: 1}]"),
        &inside("containers[0]"),
    );
    for kind in ["docker", "bash"] {
        let container = format!("containers: [{{type: {kind}, executor: {{odd: 1}}}}]");
        let path = "task_definitions.[].containers.[].executor";
        check(path, &definition(&container), &inside("containers[0].executor"));
    }
    for entry in objects(&schema["properties"]["timeline"]["items"]) {
        let verb = entry["properties"]["do"]["const"].as_str().expect("a verb");
        let text = format!("timeline: [{{at: 1s, do: {verb}, odd: 1}}]");
        check("timeline.[]", &text, "timeline[0].odd");
    }
}
