//! Services that want to be where another one is.

use callboard_core::machine::Span;
use serde_json::json;
use stage::Stage;

#[test]
fn what_waits_for_a_neighbor_is_placed_when_that_comes() {
    let mut stage = Stage::new(2);
    stage.definition("app", 1, 256);
    stage.service("web", 1, (0, 0, 1));
    let placement = json!({"near": [{"service": "web", "same": "host"}]});
    stage.of_kind("cache", 1, &json!({"desired": 1, "max": 1, "placement": placement}));
    stage.cluster("default", &["cache", "web"]);
    stage.run(Span::secs(30));
    assert_eq!(stage.running("cache"), []);
    stage.service("web", 1, (1, 0, 1));
    stage.run(Span::secs(5));
    let hosts = |service: &str| stage.running(service).into_iter().map(|task| task.host).collect::<Vec<_>>();
    assert_eq!((hosts("cache").len(), hosts("cache")), (1, hosts("web")), "{:#?}", stage.notes);
}
