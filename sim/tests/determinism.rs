//! The same seed is the same run, in one process and in two.

use callboard_core::machine::Span;
use callboard_sim::{Options, Profile, Scenario, draw, run};
use std::process::Command;

/// Where the second process is told to write its hashes to.
const TO: &str = "CALLBOARD_SIM_HASHES";
const WORLDS: u64 = 200;

fn hashes() -> String {
    (0..WORLDS)
        .map(|seed| format!("{:016x}\n", run(&draw(Profile::Tiny, seed), &Options::default()).hash))
        .collect()
}

#[test]
fn two_processes_do_the_same() {
    if let Ok(path) = std::env::var(TO) {
        std::fs::write(path, hashes()).unwrap();
        return;
    }
    let path = std::env::temp_dir().join(format!("callboard-sim-{}", std::process::id()));
    let mut other = Command::new(std::env::current_exe().unwrap());
    let status = other.args(["--exact", "two_processes_do_the_same"]).env(TO, &path).status().unwrap();
    assert!(status.success());
    let theirs = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(theirs, hashes());
}

#[test]
fn seeds_differ() {
    let hash = |seed| run(&draw(Profile::Tiny, seed), &Options::default()).hash;
    assert_ne!(hash(1), hash(2));
}

#[test]
fn a_second_core_changes_nothing() {
    for seed in 0..40 {
        let world = Scenario { reaction: Span(1 + seed % 50), ..draw(Profile::Tiny, seed) };
        let alone = run(&world, &Options::default());
        let helped = run(&world, &Options { second_core: true, ..Options::default() });
        assert_eq!(alone, helped, "tiny-{seed}");
        assert!(alone.passed, "tiny-{seed}: {:?}", alone.violations);
    }
}
