//! How long a silent host is waited for.

use callboard_core::keys::Key;
use callboard_core::machine::Span;
use serde_json::json;
use stage::Stage;

#[test]
fn a_silent_host_is_given_up_when_the_time_is_over_that_users_give_it_by_then() {
    for (before, after) in [("10s", "60s"), ("60s", "10s")] {
        let mut stage = Stage::new(3);
        stage.definition("app", 1, 256);
        stage.service("web", 1, (1, 0, 1));
        let cluster = |grace: &str| json!({"name": "a", "services": ["web"], "host_grace": grace});
        stage.write(&Key::Cluster("a".into()), &cluster(before));
        stage.run(Span::secs(30));
        let home = stage.running("web")[0].host.clone();
        stage.silence(&home);
        stage.run(Span::secs(5));
        stage.write(&Key::Cluster("a".into()), &cluster(after));
        stage.run(Span::secs(20));
        assert_eq!(stage.running("web")[0].host == home, after == "60s", "{:#?}", stage.notes);
        stage.run(Span::secs(90));
        assert_ne!(stage.running("web")[0].host, home, "{:#?}", stage.notes);
    }
}

#[test]
fn what_a_lost_host_ran_is_placed_anew_in_few_transactions() {
    let mut stage = Stage::new(1);
    stage.definition("app", 1, 64);
    let services: Vec<String> = (0..12).map(|number| format!("service-{number}")).collect();
    services.iter().for_each(|service| stage.service(service, 1, (1, 0, 2)));
    stage.cluster("default", &services.iter().map(String::as_str).collect::<Vec<&str>>());
    stage.run(Span::secs(60));
    stage.host("h0001");
    stage.host("h0002");
    stage.run(Span::secs(60));
    stage.silence("h0000");
    let commits = stage.commits;
    stage.run(Span::secs(31));
    assert!(services.iter().all(|service| stage.running(service)[0].host != *"h0000"), "{:#?}", stage.notes);
    // Four steps a transaction, and what is remembered of the services.
    assert!(stage.commits - commits <= 8, "{} transactions for 12 tasks", stage.commits - commits);
}
