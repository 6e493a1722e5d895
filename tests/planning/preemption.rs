//! Tasks that make room for more important ones.

use callboard_core::keys::Key;
use callboard_core::machine::Span;
use callboard_core::store::Change;
use serde_json::json;
use stage::Stage;

#[test]
fn who_makes_room_is_counted_down_in_the_same_transaction() {
    let mut stage = Stage::new(30);
    stage.definition("app", 1, 9000);
    let main = json!({"name": "main", "type": "bash", "executor": {"start": ["sleep 1000"]}});
    let vital = json!({"name": "vital", "version": 1, "memory": 9000, "priority": 90, "containers": [main]});
    stage.write(&Key::Definition("vital".into(), 1), &vital);
    stage.service("web", 1, (30, 0, 30));
    stage.cluster("default", &["vital", "web"]);
    stage.run(Span::secs(30));
    let before = stage.store.revision();
    stage.of_kind("vital", 1, &json!({"task_name": "vital", "desired": 30, "max": 30, "preempt": true}));
    stage.run(Span::secs(30));
    assert_eq!((stage.running("vital").len(), stage.running("web").len()), (30, 0), "{:#?}", stage.notes);
    let (_, written) = stage.store.watch("state/", before).expect("it is remembered");
    let stops = |change: &Change| match change {
        Change::Put(entry) => entry.key.starts_with("state/tasks/_/") && entry.value.contains(r#""stop""#),
        Change::Delete { .. } => false,
    };
    let with_stops: Vec<_> = written.iter().filter(|txn| txn.changes.iter().any(stops)).collect();
    assert!(with_stops.len() > 1);
    for txn in with_stops {
        assert!(txn.changes.iter().any(|change| change.key() == "state/services/web"), "{txn:#?}");
    }
}
