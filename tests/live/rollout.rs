//! A new version: a good one replaces the old, a bad one is given up, and never do fewer than `min` tasks answer.

use crate::files::{Web, server};
use crate::show::{Show, ask};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Counts again and again how many ports of a show answer that all is well.
pub(crate) struct Sampler {
    ended: Arc<AtomicBool>,
    samples: JoinHandle<Vec<usize>>,
}

/// How often is counted.
const PACE: Duration = Duration::from_millis(100);
/// A count that took longer than this tells nothing: a task may have gone and its replacement come meanwhile. It is half
/// of the time for which a replacement must be healthy before another task goes.
const SLOW: Duration = Duration::from_millis(500);

impl Sampler {
    /// Begins.
    pub(crate) fn start(show: &Show) -> Sampler {
        let ended = Arc::new(AtomicBool::new(false));
        let (stop, ports) = (Arc::clone(&ended), show.ports.first + 1..=show.ports.last);
        let samples = std::thread::spawn(move || {
            let mut samples = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let started = Instant::now();
                let is_well = |port: &u16| ask(*port, "/").is_some_and(|(status, _)| status == 200);
                let count = ports.clone().filter(is_well).count();
                if started.elapsed() < SLOW {
                    samples.push(count);
                }
                std::thread::sleep(PACE);
            }
            samples
        });
        Sampler { ended, samples }
    }

    /// Ends it and gives the lowest count.
    pub(crate) fn lowest(self) -> usize {
        self.ended.store(true, Ordering::Relaxed);
        let samples = self.samples.join().expect("sampling does not fail");
        assert!(samples.len() >= 10, "too few counts to tell anything: {samples:?}");
        samples.into_iter().min().expect("there are some")
    }
}

fn versions(show: &Show) -> BTreeMap<u64, u64> {
    let view = show.service("web").expect("there is a service web");
    let counts = view["versions"].as_array().expect("a list");
    let number = |count: &serde_json::Value, field: &str| count[field].as_u64().expect("a number");
    counts.iter().map(|count| (number(count, "version"), number(count, "healthy"))).collect()
}

const COUNTS: (u32, u32, u32) = (3, 2, 3);

#[test]
fn a_bad_build_stops_by_itself_and_a_good_one_heals() {
    let show = Show::start(&[]);
    show.apply(&server(1, COUNTS, "")).ends(0);
    assert_eq!(versions(&show), [(1, 3)].into());

    let sampler = Sampler::start(&show);
    let bad = Web { deadline: "5s", ..server(2, COUNTS, "--fail-health") };
    show.apply(&bad)
        .ends(3)
        .complains("service web: version 2 was given up: ")
        .complains("version 1 goes on serving")
        .complains("callboard explain web");
    let lowest = sampler.lowest();
    assert!(lowest >= 2, "only {lowest} answered while a bad version was rolled out");

    show.callboard(&["status"]).ends(0).tells("services  1: 1 failed");
    show.callboard(&["services"]).ends(0).tells("failed");
    let view = show.service("web").unwrap();
    assert_eq!((&view["rollout"], &view["stable"]), (&"failed".into(), &1.into()), "{view}");
    let explained = show.callboard(&["explain", "web"]).ends(0).tells("version 2 was given up: ");
    explained.tells("callboard start web");
    let events = show.events();
    assert!(events.iter().any(|event| event.starts_with("web: version 2 is not rolled out")), "{events:#?}");

    let sampler = Sampler::start(&show);
    show.apply(&server(3, COUNTS, "--slow-start 500ms")).ends(0);
    let lowest = sampler.lowest();
    assert!(lowest >= 2, "only {lowest} answered while a good version was rolled out");
    assert_eq!(versions(&show), [(3, 3)].into());
    show.wait_healthy("web", 3);
    show.callboard(&["status"]).ends(0).tells("services  1: 1 healthy");
}

#[test]
fn a_version_that_does_not_start_is_given_up() {
    let show = Show::start(&[]);
    show.apply(&server(1, COUNTS, "")).ends(0);
    let before = show.instances();
    let sampler = Sampler::start(&show);
    let mut bad = Web { start: "exit 9".into(), ..server(2, COUNTS, "") };
    bad.restart = "{attempts: 1, delay: 100ms}";
    show.apply(&bad).ends(3).complains("version 2 was given up: ").complains("exited with code 9");
    let lowest = sampler.lowest();
    assert!(lowest >= 2, "only {lowest} answered while a bad version was rolled out");
    show.callboard(&["explain", "web"]).ends(0).tells("exited with code 9, 1 restarts did not help");
    let kept = before.iter().filter(|one| one.answers()).count();
    assert!(kept >= 2, "{kept} of the first version go on");
}

#[test]
fn a_task_that_does_not_want_to_end_is_ended() {
    let show = Show::start(&[]);
    show.apply(&server(1, (2, 1, 2), "--ignore-term")).ends(0);
    let before = show.instances();
    let sampler = Sampler::start(&show);
    show.apply(&server(2, (2, 1, 2), "")).ends(0);
    assert!(sampler.lowest() >= 1);
    assert_eq!(versions(&show), [(2, 2)].into());
    show.wait_healthy("web", 2);
    assert!(!before.iter().any(|one| one.answers()), "nothing of the first version is left");
}

#[test]
fn a_bad_build_costs_no_more_than_is_replaced_at_once() {
    // One at a time, as nothing else is said; `min` would allow for more.
    let show = Show::start(&[]);
    let counts = (4, 1, 4);
    show.apply(&server(1, counts, "")).ends(0);
    let sampler = Sampler::start(&show);
    let bad = Web { deadline: "4s", ..server(2, counts, "--fail-health") };
    show.apply(&bad).ends(3);
    let lowest = sampler.lowest();
    assert!(lowest >= 3, "only {lowest} answered, though one task at a time is replaced");
}
