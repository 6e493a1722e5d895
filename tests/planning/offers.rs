//! Offers that nobody needs, and bids that nobody can make.

use callboard_core::keys::Key;
use callboard_core::machine::Span;
use serde_json::json;
use stage::Stage;

/// Offers a host a task of a service of a cluster, in somebody's name who is gone, and tells whether it still does later.
fn check(cluster: &str, service: &str, expect: bool) {
    let mut stage = Stage::new(2);
    stage.definition("app", 1, 256);
    stage.service("web", 1, (1, 0, 1));
    stage.cluster("default", &["web"]);
    stage.run(Span::secs(30));
    let offer = json!({"service": service, "cluster": cluster, "number": 7, "version": 1});
    let key = Key::Offer("h0000".into(), service.into());
    stage.write(&key, &offer);
    stage.run(Span::secs(30));
    assert_eq!(stage.store.get(&key.path()).is_some(), expect, "{cluster} {service}: {:#?}", stage.notes);
}

#[test]
fn an_offer_that_nobody_needs_is_taken_back() {
    // Nothing of the service is missing; nobody lists it; there is no such cluster, or not any more.
    check("default", "web", false);
    check("default", "gone", false);
    check("gone", "gone", false);
    check("gone", "web", false);
}

#[test]
fn a_bid_that_nobody_can_make_is_reported_and_does_not_count() {
    for (memory, images) in [(1001, 0), (0, 201), (u32::MAX, u32::MAX)] {
        let mut stage = Stage::new(2);
        stage.definition("app", 1, 256);
        stage.service("web", 1, (1, 0, 1));
        let cluster = json!({"name": "default", "services": ["web"], "placement": "bid"});
        stage.write(&Key::Cluster("default".into()), &cluster);
        let bid = json!({"service": "web", "number": 1, "memory": memory, "images": images});
        let key = Key::Bid("h0001".into(), "web".into());
        stage.write(&key, &bid);
        stage.run(Span::secs(30));
        let problem = stage.scheduler.world().problems.get(&key.path()).cloned().unwrap_or_default();
        assert!(problem.contains("no host can bid"), "{problem}");
        assert!(stage.notes.iter().any(|note| note.contains("hosts/h0001/bids/web")), "{:#?}", stage.notes);
        let reasons: Vec<String> = stage.running("web").into_iter().map(|task| task.reason).collect();
        assert!(matches!(&reasons[..], [reason] if reason.starts_with("nobody bid in time")), "{reasons:?}");
    }
}
