//! `sim fuzz`: worlds around a user's own services, how long it goes on, and what it leaves of one that breaks a promise.

use crate::stage::{BAD_DAY, Desk, SLOW, shipped};
use std::time::{Duration, Instant};

/// Whatever is drawn around it, a sound configuration passes; how many worlds there were is told.
#[test]
fn shipped_services_are_attacked_and_hold() {
    let desk = Desk::with(&[]);
    let docker = shipped("examples/hello-docker.yml");
    let said =
        desk.sim(&["fuzz", "--config", &docker, "--seeds", "15"]).ends(0).concludes("15 passed, 0 failed");
    assert_eq!(said.the("tiny worlds from seed 0 on: ").split(',').next(), Some("15 seeds"), "{}", said.out);
    assert!(said.out.contains("failure rate below 3/15 a seed with 95 % confidence"), "{}", said.out);
    assert_eq!(std::fs::read_dir(desk.path(".")).expect("a directory").count(), 0, "nothing is written");
    // Other services make other worlds of the same seeds.
    let count = |said: &str| said.split("simulated, ").nth(1).map(str::to_owned);
    let plain = desk.sim(&["fuzz", "--seeds", "15"]).ends(0);
    assert_ne!(count(&said.out), count(&plain.out));
    // Of the seeds only those count that have the store that is asked for.
    let stores = |store: &str| -> u64 {
        let line = ["fuzz", "--config", &docker, "--seeds", "5..15", "--store", store, "-o", "json"];
        let sum = desk.sim(&line).ends(0).json()["sum"].clone();
        let seeds = sum["seeds"].as_u64().expect("a number");
        assert_eq!(sum["stores"].as_object().map(|stores| stores.len() as u64), Some(seeds.min(1)), "{sum}");
        seeds
    };
    assert_eq!(["memory", "embedded", "consul", "etcd"].map(stores).iter().sum::<u64>(), 10);
}

/// Its tasks may end in five seconds, not in the ten that are usual. In the world of seed 2 a machine lost its power, and its
/// agent, back again, made sure that nothing was left of them before it knew how long they may take.
#[test]
fn another_kill_timeout_is_no_broken_promise() {
    let hello = shipped("examples/hello-world.yml");
    let said = Desk::with(&[]).sim(&["fuzz", "--config", &hello, "--seeds", "2..5"]).ends(0);
    said.concludes("3 passed, 0 failed").tells(" power_loss");
}

/// What breaks a promise ends it all: the promise, one command that does the very same again, and a small scenario that
/// breaks the same promise.
#[test]
fn the_first_failure_ends_it_and_is_made_small() {
    let desk = Desk::with(&[("slow.yml", SLOW)]);
    let said = desk.sim(&["fuzz", "--config", "slow.yml", "--save", "small"]).ends(3);
    let said = said.concludes("0 passed, 1 failed").complains("1 of 1 worlds broke a promise");
    let said =
        said.tells("tiny-0: FAILED").tells("  L1 at 20m: web has 0 healthy tasks at the end, shall have 2\n");
    let again = said.the("again: ").to_owned();
    assert_eq!(again, "callboard sim fuzz --profile tiny --config slow.yml --seed 0 --seeds 1");
    assert_eq!(said.the("small: "), "small/l1-tiny-0.yml");
    assert_eq!(said.after("1 hosts, 1 services, 0 things that happen, ").len(), 1, "{}", said.out);

    let same = desk.shown(&format!("{again} --no-shrink")).ends(3).concludes("0 passed, 1 failed");
    let story = |text: &str| {
        let from = text.find("tiny-0: FAILED").expect("the failure");
        text[from..].split("  again: ").next().map(str::to_owned)
    };
    assert_eq!(story(&same.out), story(&said.out), "the same world, with the same hash");
    assert!(same.after("small: ").is_empty(), "{}", same.out);

    let small = desk.read("small/l1-tiny-0.yml");
    let head: Vec<&str> = small.lines().take(3).collect();
    let expected = [
        "# Breaks L1 at 7m: web has 0 healthy tasks at the end, shall have 1",
        &format!("# Made by `{again}`."),
        "name: l1-tiny-0",
    ];
    assert_eq!(head, expected);
    let said = desk.sim(&["run", "small/l1-tiny-0.yml"]).ends(3).concludes("0 passed, 1 failed");
    said.tells("  L1 at 7m: web has 0 healthy tasks at the end, shall have 1\n");
}

/// All failures are told, in the order of their seeds, and one small scenario is kept for each promise, not for each world.
#[test]
fn it_goes_on_after_a_failure_when_told_to() {
    let desk = Desk::with(&[("slow.yml", SLOW)]);
    let line = ["fuzz", "--config", "slow.yml", "--seed", "9", "--seeds", "3", "--keep-going"];
    let said = desk.sim(&[&line[..], &["--save", "."]].concat()).ends(3).concludes("1 passed, 2 failed");
    let said = said.complains("2 of 3 worlds broke a promise");
    let names: Vec<&str> = said.out.lines().filter_map(|line| line.strip_suffix(": FAILED")).collect();
    assert_eq!(names, ["tiny-9", "tiny-11"], "{}", said.out);
    assert_eq!(said.after("L1 at 20m: ").len(), 2, "{}", said.out);
    let again = said.after("again: ");
    assert_eq!(again.len(), 2, "{}", said.out);
    assert_eq!(said.the("small: "), "./l1-tiny-9.yml");
    assert!(desk.path("l1-tiny-9.yml").is_file());

    let json = desk.sim(&[&line[..], &["--no-shrink", "-o", "json"]].concat()).ends(3).json();
    assert_eq!((&json["sum"]["seeds"], &json["sum"]["failed"]), (&3.into(), &2.into()));
    let told: Vec<&str> =
        json["failures"].as_array().expect("a list").iter().filter_map(|run| run["again"].as_str()).collect();
    assert_eq!(told, again, "programs are told the same commands");
    assert_eq!(json["failures"][0]["violations"][0]["promise"], "L1");
    assert_eq!(json["saved"].as_array().map(Vec::len), Some(0));
}

/// It ends when its time is over, not when a thousand worlds are done, and what it says of them adds up.
#[test]
fn it_goes_on_for_as_long_as_it_is_told() {
    let (desk, began) = (Desk::with(&[]), Instant::now());
    let said = desk.sim(&["fuzz", "--time", "5s", "--profile", "tiny", "--seed", "100"]).ends(0);
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(5) && took < Duration::from_secs(15), "{took:?}");
    let told = said.the("tiny worlds from seed 100 on: ");
    let seeds: u64 = told.split(' ').next().and_then(|count| count.parse().ok()).expect("a number");
    assert!(seeds > 0, "{told}");
    said.concludes(&format!("{seeds} passed, 0 failed"));
}

/// Other futures of a world are tried, too; one that fails is told with a command that finds it again.
#[test]
fn branches_of_worlds_are_tried() {
    let desk = Desk::with(&[("slow.yml", SLOW)]);
    desk.sim(&["fuzz", "--seeds", "1", "--branch", "1"]).ends(0).concludes("1 passed, 0 failed");
    // This world passes by itself, and not all of its branches do.
    let line = ["fuzz", "--config", "slow.yml", "--seeds", "1..2", "--no-shrink"];
    desk.sim(&line).ends(0).concludes("1 passed, 0 failed");
    let said = desk.sim(&[&line[..], &["--branch", "1"]].concat()).ends(3).concludes("0 passed, 1 failed");
    let again = said.after("again: ")[0].to_owned();
    assert_eq!(again, "callboard sim fuzz --profile tiny --config slow.yml --seed 1 --seeds 1 --branch 1");
    let hashes = |text: &str| -> Vec<String> {
        text.lines().filter_map(|line| line.split_once(", hash ")).map(|(_, hash)| hash.to_owned()).collect()
    };
    let same = desk.shown(&again).ends(3);
    assert!(!hashes(&said.out).is_empty());
    assert_eq!(hashes(&same.out), hashes(&said.out));
}

#[test]
fn what_cannot_be_attacked_is_told() {
    let desk = Desk::with(&[("empty.yml", "clusters: [{name: shop}]\n"), ("day.yml", BAD_DAY)]);
    desk.sim(&["fuzz", "--config", "none.yml"]).ends(2).complains("none.yml: cannot be read");
    desk.sim(&["fuzz", "--config", "empty.yml"]).ends(2).complains("empty.yml: has no services");
    desk.sim(&["fuzz", "--config", "day.yml"]).ends(2).complains("day.yml:1: name: unknown field");
    desk.sim(&["fuzz", "--seeds", "9..3"]).ends(2).complains("as in 500..600");
    desk.sim(&["fuzz", "--store", "redis"]).ends(2).complains("expected memory, embedded, consul or etcd");
}
