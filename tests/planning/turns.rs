//! Several clusters that one scheduler plans.

use callboard_core::keys::Key;
use callboard_core::machine::Span;
use callboard_core::model::Task;
use stage::Stage;

#[test]
fn a_cluster_with_much_to_do_keeps_no_other_waiting() {
    let mut stage = Stage::new(5);
    stage.quiet = true;
    stage.definition("app", 1, 64);
    stage.cluster("a", &["web"]);
    stage.cluster("b", &["api"]);
    stage.run(Span::secs(30));
    stage.service("web", 1, (400, 0, 400));
    stage.service("api", 1, (1, 0, 1));
    stage.run(Span::secs(10));
    let written =
        |task: &Task| stage.store.get(&Key::Task(task.id.clone()).path()).map(|entry| entry.revision);
    let last = |service: &str| stage.running(service).iter().map(written).max();
    assert_eq!((stage.running("api").len(), stage.running("web").len()), (1, 400), "{:#?}", stage.notes);
    assert!(last("api") < last("web"), "{:?} {:?}", last("api"), last("web"));
}
