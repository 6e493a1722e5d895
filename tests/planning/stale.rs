//! A scheduler that has not heard yet what others wrote.

use callboard_core::keys::Key;
use callboard_core::machine::Span;
use callboard_core::model::HostConfig;
use callboard_core::store::{Guard, Op, Outcome, Txn};
use stage::Stage;

#[test]
fn nothing_is_placed_on_a_host_that_was_drained_a_moment_before() {
    let mut stage = Stage::new(1);
    stage.definition("app", 1, 256);
    stage.cluster("default", &["web"]);
    stage.run(Span::secs(30));
    let (key, reserved_ports) = (Key::HostConfig("h0000".into()).path(), Vec::new());
    let config = HostConfig { name: "h0000".into(), draining: true, reserved_ports };
    let value = serde_json::to_string(&config).expect("plain records serialise");
    let op = Op::Put { key: key.clone(), value, session: None };
    // Its watch says nothing of it yet.
    let (outcome, _) = stage.store.commit(&Txn { guards: vec![Guard::Absent { key }], ops: vec![op] });
    assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
    stage.service("web", 1, (1, 0, 1));
    stage.run(Span::secs(5));
    assert_eq!(stage.tasks(), [], "{:#?}", stage.notes);
}
