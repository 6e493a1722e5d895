//! A store that is not what it was: put back to an earlier state, or another one.

use super::web;
use callboard_core::keys::Key;
use callboard_core::machine::Span;
use callboard_core::model::Task;
use serde_json::json;
use stage::Stage;

/// Has the store be another one, in which a host runs a task of no record besides what is known, as its agent says.
fn forget(stage: &mut Stage, cluster: &str) -> Task {
    let known = stage.running("web").remove(0);
    let (id, cluster) = (format!("{cluster}-web-1-7"), cluster.into());
    let orphan = Task { id: id.into(), cluster, instance: 7, generation: 1, port: None, ..known };
    stage.write(&Key::StoreId, &json!({"id": "another"}));
    stage.write(&Key::Orphan(orphan.host.clone(), orphan.id.clone()), &orphan);
    orphan
}

fn is_told_to_stop(stage: &Stage, orphan: &Task) -> bool {
    stage.store.get(&Key::HostTask(orphan.host.clone(), orphan.id.clone()).path()).is_some()
}

#[test]
fn what_is_too_many_is_told_to_stop_when_agents_have_said_what_runs() {
    let mut stage = web(2, (1, 0, 1));
    let orphan = forget(&mut stage, "default");
    stage.run(Span::secs(20));
    assert!(!is_told_to_stop(&stage, &orphan), "{:#?}", stage.notes);
    stage.run(Span::secs(20));
    assert!(is_told_to_stop(&stage, &orphan), "{:#?}", stage.notes);
}

#[test]
fn what_runs_where_its_service_is_not_any_more_is_told_to_stop_then_too() {
    let mut stage = web(2, (1, 0, 1));
    stage.cluster("former", &[]);
    stage.run(Span::secs(30));
    let orphan = forget(&mut stage, "former");
    stage.run(Span::secs(20));
    assert!(!is_told_to_stop(&stage, &orphan), "{:#?}", stage.notes);
    stage.run(Span::secs(20));
    assert!(is_told_to_stop(&stage, &orphan), "{:#?}", stage.notes);
}

#[test]
fn a_service_that_the_store_lost_is_not_deleted() {
    let mut stage = web(2, (2, 0, 3));
    let running = stage.running("web");
    stage.delete(&Key::Service("web".into()));
    let before = stage.store.clone();
    stage.service("web", 1, (2, 0, 3));
    (0..20).for_each(|turn| stage.label("h0000", "turn", &turn.to_string()));
    stage.run(Span::secs(30));
    stage.store = before;
    stage.run(Span::secs(300));
    assert_eq!(stage.running("web"), running, "{:#?}", stage.notes);
    assert!(stage.notes.iter().any(|note| note.contains("config/ is behind")), "{:#?}", stage.notes);
}

#[test]
fn a_service_is_looked_after_again_when_the_store_has_lost_its_newer_records() {
    let mut stage = web(4, (4, 3, 8));
    let before = stage.store.clone();
    stage.write_text("state/services/web", r#"{"schema":2,"service":"web"}"#.into());
    (0..20).for_each(|turn| stage.label("h0000", "turn", &turn.to_string()));
    stage.service("web", 1, (6, 3, 8));
    stage.run(Span::secs(30));
    assert_eq!(stage.running("web").len(), 4, "it is left alone");
    stage.store = before;
    stage.run(Span::secs(60));
    stage.service("web", 1, (6, 3, 8));
    stage.run(Span::secs(120));
    assert_eq!(stage.running("web").len(), 6, "{:#?}", stage.notes);
}
