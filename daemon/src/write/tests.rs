//! Writes the desired state to a store in memory.

use super::*;
use callboard_backends::{Memory, MemoryStore};

const HELLO: &str = r#"
clusters:
  - name: default
    services: [web]
services:
  - { name: web, task_name: web, task_version: 1, desired: 2, min: 1, max: 3 }
task_definitions:
  - name: web
    version: 1
    containers:
      - { name: web, type: bash, executor: { start: ["sleep 1000"] } }
"#;

fn read(text: &str) -> Result<Sourced<Configuration>, Problem> {
    read_files([("web.yml", text.as_bytes())])
}

async fn stored() -> MemoryStore {
    let store = MemoryStore::new(Memory::default());
    apply(&store, &read(HELLO).unwrap(), false, None).await.unwrap();
    store
}

fn told(applied: &Applied) -> Vec<String> {
    applied.changes.iter().map(|change| format!("{} {}", change.object, change.change)).collect()
}

#[test]
fn mistakes_say_where_and_what_next() {
    let problem = read(&HELLO.replace("desired: 2", "desird: 2")).unwrap_err();
    assert_eq!(problem.kind, Kind::Invalid);
    let text = problem.to_string();
    assert!(text.contains("web.yml:6") && text.contains("desired"), "{text}");
}

#[tokio::test]
async fn applying_twice_changes_nothing() {
    let store = stored().await;
    let again = apply(&store, &read(HELLO).unwrap(), false, None).await.unwrap();
    assert_eq!(
        told(&again),
        ["task_definitions/web/1 unchanged", "services/web unchanged", "clusters/default unchanged"]
    );
    assert_eq!(again.services, ["web"]);
}

#[tokio::test]
async fn a_dry_run_writes_nothing() {
    let store = MemoryStore::new(Memory::default());
    let applied = apply(&store, &read(HELLO).unwrap(), true, None).await.unwrap();
    assert_eq!(told(&applied).len(), 3);
    assert_eq!(store.list("").await.unwrap().entries, []);
}

#[tokio::test]
async fn references_are_checked_against_what_is_stored() {
    let store = stored().await;
    let service =
        "services:\n  - { name: api, task_name: web, task_version: 2, desired: 1, min: 0, max: 2 }\n";
    let problem = apply(&store, &read(service).unwrap(), false, None).await.unwrap_err();
    assert_eq!(problem.kind, Kind::Invalid);
    apply(&store, &read(&service.replace("version: 2", "version: 1")).unwrap(), false, None).await.unwrap();
}

#[tokio::test]
async fn services_are_edited_and_deleted() {
    let store = stored().await;
    let edited = edit_service(&store, "web", |service| crate::api::rescale(service, 3)).await.unwrap();
    assert_eq!(edited.changes[0].fields, ["desired: 2 → 3"]);
    for (desired, hint) in [(4, "raise max"), (0, "callboard stop web")] {
        let problem =
            edit_service(&store, "web", |service| crate::api::rescale(service, desired)).await.unwrap_err();
        assert_eq!(problem.kind, Kind::Invalid);
        assert!(problem.to_string().contains(hint), "{problem}");
    }
    let unknown = edit_service(&store, "wbe", |_| Ok(())).await.unwrap_err();
    assert_eq!(unknown.kind, Kind::NotFound);

    let in_use = delete(&store, &Delete::Definition("web".into(), 1)).await.unwrap_err();
    assert_eq!(in_use.kind, Kind::Conflict);
    let deleted = delete(&store, &Delete::Service("web".into())).await.unwrap();
    assert_eq!(told(&deleted), ["clusters/default changed", "services/web deleted"]);
    let gone = delete(&store, &Delete::Service("web".into())).await.unwrap_err();
    assert_eq!(gone.kind, Kind::NotFound);
}

#[tokio::test]
async fn only_known_hosts_are_drained() {
    let store = stored().await;
    assert_eq!(drain(&store, "h1", true).await.unwrap_err().kind, Kind::NotFound);
    let hosts = "hosts:\n  - { name: h1, reserved_ports: [22] }\n";
    apply(&store, &read(hosts).unwrap(), false, None).await.unwrap();
    let drained = drain(&store, "h1", true).await.unwrap();
    assert_eq!(drained.changes[0].fields, ["draining: default → true"]);
    let again = apply(&store, &read(hosts).unwrap(), false, None).await.unwrap();
    assert_eq!(told(&again), ["hosts/h1 unchanged"]);
}
