//! Small worlds drawn from seeds: whatever goes wrong in them, no promise is broken.

use callboard_sim::{Options, Profile, draw, run};

#[test]
fn no_promise_is_broken() {
    let broken: Vec<String> = (0..200)
        .map(|seed| run(&draw(Profile::Tiny, seed), &Options::default()))
        .filter(|outcome| !outcome.passed)
        .map(|outcome| outcome.summary().to_string())
        .collect();
    assert!(broken.is_empty(), "{} of 200\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn a_run_can_end_early() {
    let options = Options { until: Some(callboard_core::machine::Span::secs(30)), ..Options::default() };
    let outcome = run(&draw(Profile::Tiny, 1), &options);
    assert_eq!(outcome.simulated.0, 30_000);
    assert!(outcome.passed);
}
