//! Everything that may happen does happen, within a number of drawn worlds: a path that is never taken is never checked.

use callboard_sim::{Options, Profile, Sometimes, draw, run};

/// How many worlds are drawn.
const WORLDS: u64 = 2_000;
/// How often each point must be reached in them.
const AT_LEAST: u64 = 1;

#[test]
fn each_point_is_reached_now_and_then() {
    let reached = |half: u64| {
        let mut all = Sometimes::default();
        for seed in (half..WORLDS).step_by(2) {
            all.merge(&run(&draw(Profile::Tiny, seed), &Options::default()).stats.sometimes);
        }
        all
    };
    let all = std::thread::scope(|scope| {
        let other = scope.spawn(|| reached(1));
        let mut all = reached(0);
        other.join().iter().for_each(|other| all.merge(other));
        all
    });
    let missing = all.missing(AT_LEAST);
    let seen: Vec<String> = all.iter().map(|(point, count)| format!("{count:>9} {point}")).collect();
    assert!(missing.is_empty(), "not reached {AT_LEAST} times: {missing:?}\n{}", seen.join("\n"));
}
