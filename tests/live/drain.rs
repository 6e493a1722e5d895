//! A host is let go of, as far as `min` allows, and used again.

use crate::files::server;
use crate::instances::holds;
use crate::show::{SOON, Show, until};
use std::time::Duration;

fn state(show: &Show) -> String {
    show.list(&["hosts", "h1"])["state"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_drained_host_is_empty_until_it_is_used_again() {
    let show = Show::start(&[]);
    show.apply(&server(1, (2, 0, 3), "")).ends(0);
    let before = show.instances();
    show.callboard(&["drain", "h1"]).ends(0).tells("hosts/h1");
    until("the host is drained", SOON, || (state(&show) == "drained").then_some(()));
    assert_eq!(show.instances(), []);
    assert!(
        !before
            .iter()
            .any(|one| one.answers() || one.process.as_ref().is_some_and(|process| process.lives()))
    );
    show.callboard(&["explain", "web"]).ends(0).tells("2 not placed: 1 host draining").tells("undrain");
    // What is drained gets nothing, whoever asks.
    show.callboard(&["scale", "web", "3"]).ends(3).complains("cannot be placed: 1 host draining");
    show.callboard(&["undrain", "h1"]).ends(0);
    show.wait_healthy("web", 3);
    assert_eq!(state(&show), "ready");
    assert!(show.instances().iter().all(|one| one.answers()));
}

#[test]
fn a_drain_keeps_min_and_says_what_it_waits_for() {
    let show = Show::start(&[]);
    show.apply(&server(1, (3, 2, 4), "")).ends(0);
    show.callboard(&["drain", "h1"]).ends(0);
    let answering = || show.instances().iter().filter(|one| one.answers()).count();
    until("it lets go of what min allows", SOON, || {
        assert!(answering() >= 2);
        (show.instances().len() == 2).then_some(())
    });
    holds("two tasks go on", Duration::from_secs(4), || answering() == 2);
    assert_eq!(state(&show), "draining");
    show.callboard(&["explain", "web"]).ends(0).tells("not placed: 1 host draining").tells("draining");
    show.callboard(&["undrain", "h1"]).ends(0);
    show.wait_healthy("web", 3);
}
