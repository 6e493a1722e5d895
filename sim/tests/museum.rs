//! Each planted bug is caught by the checker that guards what it breaks, and by that one first; without the bug the same
//! scenario and seeds pass.

use callboard_sim::museum::{Exhibit, FoundBy, at_crash_points, exhibits, run_bug, run_sound};

/// How many seeds a bug may take to show itself.
const SEEDS: u64 = 20;

/// Gives the seed that showed the bug, or what was seen instead.
fn catch(exhibit: &Exhibit) -> Result<u64, String> {
    for seed in 1..=SEEDS {
        let sound = run_sound(exhibit, seed);
        if !sound.passed {
            return Err(format!("{:?} without the bug:\n{}", exhibit.bug, sound.summary()));
        }
        let outcome = run_bug(exhibit, seed);
        if exhibit.found_by == FoundBy::CrashPoint {
            if !outcome.passed {
                return Err(format!("{:?} shows without a crash:\n{}", exhibit.bug, outcome.summary()));
            }
            continue;
        }
        match outcome.violations.first() {
            Some(violation) if violation.promise == exhibit.promise => return Ok(seed),
            Some(_) => {
                return Err(format!("{:?}, not {}:\n{}", exhibit.bug, exhibit.promise, outcome.summary()));
            }
            None => {}
        }
    }
    if exhibit.found_by == FoundBy::CrashPoint && at_crash_points(exhibit, 1) > 0 {
        return Ok(SEEDS);
    }
    Err(format!(
        "{:?} was not caught in {SEEDS} seeds, nor at a crash point if it is one for these",
        exhibit.bug
    ))
}

#[test]
fn every_bug_is_caught_by_its_checker() {
    let missed: Vec<String> = exhibits().iter().filter_map(|exhibit| catch(exhibit).err()).collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
