//! Writes the desired state to a store in memory.

use super::*;
use callboard_backends::{Memory, MemoryStore, StoreError, Watch};
use callboard_core::machine::Span;
use callboard_core::store::{Listing, Op, Revision, SessionId};

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

async fn put_state(store: &MemoryStore, value: &str) {
    let key = Key::ServiceState("web".into()).path();
    let before = store.list(&key).await.unwrap().entries;
    let guard = match before.first() {
        Some(entry) => Guard::At { key: key.clone(), revision: entry.revision },
        None => Guard::Absent { key: key.clone() },
    };
    let put = Op::Put { key, value: value.into(), session: None };
    let outcome = store.commit(Txn { guards: vec![guard], ops: vec![put] }).await;
    assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
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
    // A rollout has failed, or is not over: what worked before is needed still.
    let state = r#"{"service":"web","cluster":"default","available":1,"min":1,"stable":3,"version":1,
        "rollout":{"state":"failed","reason":"it does not work"}}"#;
    let before = "task_definitions:
  - { name: web, version: 7, containers: [{ name: a, type: bash, executor: { start: [a] } }] }
";
    apply(&store, &read(before).unwrap(), false, None).await.unwrap();
    put_state(&store, &state.replace(r#""stable":3"#, r#""stable":7"#)).await;
    let needed = delete(&store, &Delete::Definition("web".into(), 7)).await.unwrap_err();
    assert_eq!(needed.kind, Kind::Conflict);
    assert!(needed.to_string().contains("is what web goes back to"), "{needed}");
    put_state(&store, state).await;
    delete(&store, &Delete::Definition("web".into(), 7)).await.unwrap();
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

#[tokio::test]
async fn moves_that_are_over_go_when_their_service_is_changed() {
    let store = stored().await;
    let put = async |key: &Key, value: String| {
        let key = key.path();
        let before = store.list(&key).await.unwrap().entries;
        let guard = match before.first() {
            Some(entry) => Guard::At { key: key.clone(), revision: entry.revision },
            None => Guard::Absent { key: key.clone() },
        };
        let txn = Txn { guards: vec![guard], ops: vec![Op::Put { key, value, session: None }] };
        assert!(matches!(store.commit(txn).await, Outcome::Committed(_)));
    };
    let issue = async |generation: u64| {
        let task = serde_json::json!({"id": "default-web-1-0", "cluster": "default", "service": "web",
            "task_name": "web", "version": 1, "instance": 0, "generation": generation, "host": "h1", "memory": 0,
            "desired": "run", "reason": "", "tenure": 1});
        put(&Key::Task("default-web-1-0".into()), task.to_string()).await;
    };
    let mut asked = Desired::fetch(&store).await.unwrap().service("web").unwrap();
    let ids = ["default-web-1-0", "default-web-1-1"];
    asked.moves = ids.map(|id| Placed { id: id.into(), generation: 7 }).to_vec();
    put(&Key::Service("web".into()), record::write(&asked)).await;
    issue(7).await;
    let moves = async || -> Vec<String> {
        let service = Desired::fetch(&store).await.unwrap().service("web").unwrap();
        service.moves.iter().map(|placed| placed.id.to_string()).collect()
    };
    // What is not over stays, beside what is; an apply that changes nothing else leaves both.
    apply(&store, &read(HELLO).unwrap(), false, None).await.unwrap();
    assert_eq!(moves().await, ["default-web-1-0", "default-web-1-1"]);
    edit_service(&store, "web", |service| crate::api::rescale(service, 3)).await.unwrap();
    assert_eq!(moves().await, ["default-web-1-0"]);
    // It has moved: another placement has its id.
    issue(8).await;
    apply(&store, &read(HELLO).unwrap(), false, None).await.unwrap();
    assert_eq!(moves().await, [""; 0]);
}

/// A store to which a colleague writes just before the first commit, whose outcome then is this.
struct Meddled {
    store: MemoryStore,
    colleague: Mutex<Option<(String, Outcome)>>,
}

#[async_trait::async_trait]
impl Store for Meddled {
    async fn open_session(&self, name: &str, ttl: Span) -> Result<SessionId, StoreError> {
        self.store.open_session(name, ttl).await
    }
    async fn renew_session(&self, session: &SessionId) -> Result<bool, StoreError> {
        self.store.renew_session(session).await
    }
    async fn close_session(&self, session: &SessionId) -> Result<(), StoreError> {
        self.store.close_session(session).await
    }
    async fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        self.store.list(prefix).await
    }
    async fn watch(&self, prefix: &str, after: Revision) -> Result<Box<dyn Watch>, StoreError> {
        self.store.watch(prefix, after).await
    }
    async fn commit(&self, txn: Txn) -> Outcome {
        let colleague = self.colleague.lock().unwrap().take();
        let Some((text, outcome)) = colleague else { return self.store.commit(txn).await };
        apply(&self.store, &read(&text).unwrap(), false, None).await.unwrap();
        outcome
    }
}

#[tokio::test]
async fn what_a_colleague_changed_meanwhile_is_not_overwritten_unseen() {
    let other = HELLO.replace("max: 3", "max: 5");
    let ours = read(&HELLO.replace("desired: 2", "desired: 3")).unwrap();
    let check = async |outcome: Outcome, is_rehearsed: bool, expect: Option<&str>| {
        let store = stored().await;
        let on = fingerprint(Desired::fetch(&store).await.unwrap().stored.values());
        let store = Meddled { store, colleague: Mutex::new(Some((other.clone(), outcome))) };
        let told = apply(&store, &ours, false, is_rehearsed.then_some(&*on)).await;
        let told = told.err().map(|problem| (problem.kind, problem.body.error));
        assert_eq!(told, expect.map(|why| (Kind::Conflict, why.to_owned())));
    };
    let (conflict, unknown) =
        (Outcome::Refused(Refusal::Conflict(Vec::new())), Outcome::Unknown("cut off".into()));
    check(conflict.clone(), false, None).await;
    check(conflict, true, Some("the configuration was changed since it was rehearsed")).await;
    let why = "somebody else changed the same while it was written";
    check(unknown.clone(), false, Some(why)).await;
    check(unknown, true, Some(why)).await;
}
