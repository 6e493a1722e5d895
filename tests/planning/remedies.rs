//! What a task that fits nowhere is told would place it.

use callboard_core::keys::Key;
use callboard_core::machine::Span;
use callboard_core::scheduler::explain;
use serde_json::{Value, json};
use stage::Stage;

/// Asks for five tasks, more than fit on a host with an ssd and one without; gives what would place the next.
fn told(draining: &str, definition: &Value, placement: &Value) -> Vec<String> {
    let mut stage = Stage::new(0);
    for (host, disk) in [("h1", "ssd"), ("h2", "hdd")] {
        stage.host(host);
        stage.label(host, "disk", disk);
    }
    let mut app = json!({
        "name": "app", "version": 1,
        "containers": [{"name": "main", "type": "bash", "executor": {"start": ["sleep 1000"]}}],
    });
    let more = definition.as_object().expect("an object").clone();
    app.as_object_mut().expect("an object").extend(more);
    stage.write(&Key::Definition("app".into(), 1), &app);
    let service = json!({
        "name": "web", "task_name": "app", "task_version": 1, "desired": 5, "min": 0, "max": 6,
        "placement": placement,
    });
    stage.write(&Key::Service("web".into()), &service);
    if !draining.is_empty() {
        stage.drain(draining, true);
    }
    stage.cluster("default", &["web"]);
    stage.run(Span::secs(30));
    let (world, key) = (stage.scheduler.world(), ("default".into(), "web".into()));
    let definition = world.definition("app", 1).expect("it was written");
    let service = world.services.get("web").expect("it was written");
    let told = explain(world, stage.now, &key, service, definition);
    told.remedies.iter().map(ToString::to_string).collect()
}

fn check(draining: &str, definition: &Value, placement: &Value, expect: &[&str]) {
    assert_eq!(told(draining, definition, placement), expect, "{definition} {placement}");
}

#[test]
fn too_much_is_asked_for() {
    let (plain, large) = (json!({}), json!({"memory": 10_000}));
    let less = "fits on h1 when it asks for at most 6384 MiB of memory";
    check("", &json!({"memory": 100}), &plain, &[]);
    check("", &large, &plain, &[less, "fits with 3 more hosts like h1"]);
    let rule = "fits on h2 if it has disk=ssd, or without that rule";
    let more = "fits with 4 more hosts like h1 with disk=ssd";
    check("", &large, &json!({"require": [{"label": "disk", "equals": "ssd"}]}), &[less, rule, more]);
    // Three are missing, and two fit on one host.
    let (less, drained) =
        ("fits on h1 when it asks for at most 384 MiB of memory", "fits on h2 once it is drained no longer");
    check("h2", &json!({"memory": 8000}), &plain, &[less, drained, "fits with 2 more hosts like h2"]);
    let less = "fits on h1 when it asks for at most 16384 MiB of memory";
    let most =
        "fits on no host however empty: it needs 20000 MiB of memory, and the most that one has is 16384";
    check("", &json!({"memory": 20_000}), &plain, &[less, most]);
    let none = "fits on no host however empty: it needs 1 gpu, and the most that one has is 0";
    check("", &json!({"resources": {"gpu": 1}}), &plain, &[none]);
}

#[test]
fn something_else_is_in_the_way() {
    let only =
        json!({"limit": [{"same": "host", "tasks": 1}], "require": [{"label": "host", "equals": "h1"}]});
    let drained = "fits on h1 once it is drained no longer";
    let rule = "fits on h2 if it has host=h1, or without that rule";
    check("h1", &json!({"memory": 10_000}), &only, &[drained, rule]);
    let port = "fits on h1, and on 1 other alike, once port 8080 is free there";
    check("", &json!({"port": 8080}), &json!({}), &[port, "fits with 3 more hosts like h1"]);
}

#[test]
fn another_host_has_nothing_that_it_must_be_near() {
    let near = json!({"near": [{"service": "db", "same": "disk"}]});
    let there = "fits on h1, and on 1 other alike, once a task of db is in its disk";
    check("", &json!({"memory": 100}), &near, &[there]);
}
