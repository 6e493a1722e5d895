//! Services that move between clusters, and clusters that are deleted.

use callboard_core::keys::Key;
use callboard_core::machine::Span;
use serde_json::json;
use stage::Stage;

fn clusters(services: [&[&str]; 2]) -> Stage {
    let mut stage = Stage::new(2);
    stage.definition("app", 1, 256);
    stage.service("web", 1, (2, 0, 3));
    stage.cluster("a", services[0]);
    stage.cluster("b", services[1]);
    stage.run(Span::secs(30));
    stage
}

fn homes(stage: &Stage) -> Vec<String> {
    stage.running("web").iter().map(|task| task.cluster.to_string()).collect()
}

#[test]
fn what_moves_runs_in_its_new_cluster_when_it_is_gone_from_the_old() {
    for (outcome_first, deletes) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut stage = clusters([&["web"], &[]]);
        stage.outcome_first = outcome_first;
        stage.cluster("b", &["web"]);
        stage.run(Span::secs(10));
        assert_eq!(homes(&stage), ["a", "a"], "it stays with the first, until that one lets go");
        if deletes {
            stage.delete(&Key::Cluster("a".into()));
        } else {
            stage.cluster("a", &[]);
        }
        stage.run(Span::secs(30));
        assert_eq!(homes(&stage), ["b", "b"], "{:#?}", stage.notes);
    }
}

#[test]
fn what_is_remembered_of_a_service_goes_with_its_cluster() {
    let mut stage = clusters([&[], &[]]);
    let state = json!({"service": "web", "cluster": "gone", "available": 0, "min": 0, "version": 1,
        "rollout": {"state": "done"}});
    stage.write(&Key::ServiceState("web".into()), &state);
    stage.run(Span::secs(30));
    assert!(stage.store.get("state/services/web").is_none(), "{:#?}", stage.notes);
}

#[test]
fn what_several_clusters_list_belongs_to_the_one_it_runs_for_whoever_reads_that_in_which_order() {
    let mut stage = clusters([&["web"], &["web"]]);
    assert_eq!(homes(&stage), ["a", "a"], "it is the first by name: {:#?}", stage.notes);
    stage.cluster("a", &[]);
    stage.run(Span::secs(30));
    assert_eq!(homes(&stage), ["b", "b"], "{:#?}", stage.notes);
    stage.cluster("a", &["web"]);
    stage.run(Span::secs(30));
    assert_eq!(homes(&stage), ["b", "b"], "{:#?}", stage.notes);
    stage.replace_scheduler();
    stage.run(Span::secs(60));
    assert_eq!(homes(&stage), ["b", "b"], "{:#?}", stage.notes);
}

#[test]
fn what_worked_before_a_service_moved_is_known_where_it_moves() {
    let mut stage = clusters([&["web"], &[]]);
    stage.run(Span::secs(120));
    let stable = |stage: &Stage| {
        let state = &stage.scheduler.world().service_states["web"];
        (state.cluster.to_string(), state.stable)
    };
    assert_eq!(stable(&stage), ("a".into(), Some(1)));
    stage.cluster("a", &[]);
    stage.cluster("b", &["web"]);
    stage.run(Span::secs(5));
    assert_eq!(stable(&stage), ("b".into(), Some(1)));
}
