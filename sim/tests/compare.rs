//! Two runs side by side: the same ones do not differ, others do.

use callboard_sim::compare::{Measures, compare, first_difference};
use callboard_sim::{Options, Profile, Scenario, draw, run};

fn pairs(first: &Scenario, second: &Scenario, seeds: u64) -> Vec<(Measures, Measures)> {
    let measures = |scenario: &Scenario, seed| {
        let options = Options { seed: Some(seed), ..Options::default() };
        run(scenario, &options).measures()
    };
    (0..seeds).map(|seed| (measures(first, seed), measures(second, seed))).collect()
}

#[test]
fn a_scenario_does_not_differ_from_itself() {
    let scenario = draw(Profile::Tiny, 3);
    let rows = compare(&pairs(&scenario, &scenario, 6));
    assert!(rows.len() > 5);
    for row in rows {
        assert!(!row.matters && row.more == 0 && row.less == 0, "{row:?}");
    }
    let options = Options::default();
    assert_eq!(first_difference((&scenario, &options), (&scenario, &options)), None);
}

#[test]
fn twice_the_time_is_seen() {
    let scenario = draw(Profile::Tiny, 3);
    let mut longer = scenario.clone();
    longer.duration.0 *= 2;
    let rows = compare(&pairs(&scenario, &longer, 6));
    let events = rows.iter().find(|row| row.name == "events").expect("events are counted");
    assert!(events.matters && events.more == 6 && events.less == 0, "{events:?}");
    assert!(events.second.least > events.first.most, "{events:?}");
}

#[test]
fn another_seed_decides_otherwise() {
    let scenario = draw(Profile::Tiny, 3);
    let other = Options { seed: Some(4), ..Options::default() };
    let (first, second) = first_difference((&scenario, &Options::default()), (&scenario, &other))
        .expect("another seed is another run");
    assert_ne!(first, second);
}
