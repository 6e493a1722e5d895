//! A run can be stopped at any moment and looked at, and goes on as if nobody had.

use callboard_core::machine::{Span, Time};
use callboard_sim::replay::{LineKind, Replay, Step};
use callboard_sim::{Options, Profile, Scenario, draw, run};

fn until(scenario: &Scenario, time: u64) -> Options {
    Options { until: Some(Span(time.min(scenario.duration.0))), ..Options::default() }
}

#[test]
fn what_is_seen_at_a_moment_is_what_a_run_that_ends_then_holds() {
    for seed in 0..10 {
        let scenario = draw(Profile::Tiny, seed);
        let time = scenario.duration.0 / 10 * (1 + seed % 9);
        let outcome = run(&scenario, &until(&scenario, time));
        let mut replay = Replay::new(&scenario, &Options::default());
        replay.skip_to(Time(time));
        assert_eq!((replay.hash(), replay.now()), (outcome.hash, Time(time)), "seed {seed}");
        for (name, stats) in &outcome.stats.services {
            let healthy = replay.service(name).map(|service| service.healthy);
            assert_eq!(healthy.unwrap_or(stats.healthy), stats.healthy, "seed {seed}, {name}");
        }
    }
}

#[test]
fn steps_and_leaps_come_to_the_same() {
    for seed in 0..5 {
        let scenario = draw(Profile::Tiny, seed);
        let options = until(&scenario, 180_000);
        let mut steps = Replay::new(&scenario, &options);
        let told: Vec<Step> = std::iter::from_fn(|| steps.step()).collect();
        let mut leap = Replay::new(&scenario, &options);
        leap.skip_to(Time(180_000));
        assert_eq!(steps.hash(), leap.hash(), "seed {seed}");
        assert_eq!(steps.snapshot(), leap.snapshot(), "seed {seed}");
        assert!(told.is_sorted_by_key(|step| (step.at, step.number)), "seed {seed}");
        let decided = told.iter().flat_map(|step| &step.lines).any(|line| line.kind == LineKind::Decision);
        assert!(decided, "seed {seed}: nobody decided anything");
    }
}

#[test]
fn differences_lead_from_one_moment_to_another() {
    let scenario = draw(Profile::Tiny, 1);
    let mut replay = Replay::new(&scenario, &Options::default());
    let nothing = replay.snapshot();
    replay.skip_to(Time(60_000));
    let later = replay.snapshot();
    assert_eq!(later.differences(&later), Vec::<String>::new());
    let said = nothing.differences(&later);
    assert!(
        said.iter().any(|line| line.starts_with("state/tasks/_/") && line.contains("is new")),
        "{said:?}"
    );
    assert!(said.iter().any(|line| line.ends_with("is new, healthy")), "{said:?}");
}
