//! What goes wrong, and what must come of it: nothing that runs is stopped because of it, nothing runs twice, never do
//! fewer than `min` answer, and in the end everything is as it shall be.

use crate::fleet::{Fleet, HOSTS, MIN, SCHEDULERS, Web};
use crate::kind::Kind;
use crate::processes::Process;
use callboard_sim::Seen;
use rustix::process::Signal;
use servers::{Faults, SOON, until};
use std::io::{BufRead, BufReader};
use std::time::Duration;

pub(crate) const WEB: Web = Web { scheduler: "default", version: 1, desired: 4, arguments: "" };
/// How long nothing may happen when nothing is to happen.
const WHILE: Duration = Duration::from_secs(6);

/// A fleet on which `web` runs.
#[track_caller]
fn playing(kind: Kind, servers: u16) -> (Fleet, Vec<(Process, Seen)>) {
    let mut fleet = Fleet::start(kind, servers);
    fleet.apply("s1", WEB, &[], 0);
    let running = fleet.converges(WEB.desired);
    fleet.witness().least();
    (fleet, running)
}

/// Scales through one process of the fleet, and expects that what ran before still does.
#[track_caller]
fn scales(fleet: &mut Fleet, asked: &str, to: u32, before: &[(Process, Seen)]) -> Vec<(Process, Seen)> {
    fleet.insist(asked, &["scale", "web", &to.to_string(), "--detach"]);
    let after = fleet.converges(to);
    let lost: Vec<_> = before.iter().filter(|one| !after.contains(one)).collect();
    assert!(lost.len() <= before.len().saturating_sub(after.len()), "gone for no reason: {lost:#?}");
    after
}

/// Gives the other scheduler.
fn other(name: &str) -> &'static str {
    SCHEDULERS.into_iter().find(|other| *other != name).expect("there are two")
}

pub(crate) fn a_service_lives_its_life(kind: Kind) {
    let (mut fleet, before) = playing(kind, 1);
    let six = scales(&mut fleet, "s2", 6, &before);
    scales(&mut fleet, "s1", 4, &six);
    let bad = Web { version: 2, arguments: "--fail-health", ..WEB };
    let said = fleet.apply("s2", bad, &[], 3);
    assert!(said.contains("version 2 was given up"), "{said}");
    let good = Web { version: 3, arguments: "--slow-start 300ms", ..WEB };
    fleet.apply("s1", good, &[], 0);
    fleet.converges(4);
    fleet.callboard("h2", &["drain", "h1"], 0);
    until("the host is empty", SOON, || {
        fleet.running().iter().all(|(_, seen)| seen.host != "h1").then_some(())
    });
    fleet.converges(4);
    fleet.callboard("h2", &["undrain", "h1"], 0);
    let least = fleet.witness().least();
    assert!(least >= MIN, "only {least} answered");
    fleet.verdict(&[("web", 2)]);
}

pub(crate) fn tasks_are_read_and_entered_from_other_hosts(kind: Kind) {
    let (mut fleet, running) = playing(kind, 1);
    for (_, seen) in &running {
        for asked in ["h1", "h2", "s1"] {
            let place = fleet.callboard(asked, &["exec", &seen.id, "--", "pwd"], 0);
            assert!(place.contains(&format!("/{}/tasks/{}/", seen.host, seen.id)), "{place}");
            fleet.callboard(asked, &["exec", &seen.id, "--", "sh", "-c", "exit 7"], 7);
            let said = fleet.callboard(asked, &["logs", &seen.id, "--since", "10m", "--tail", "1"], 0);
            assert!(said.contains("listening"), "{said}");
        }
    }
    let (_, seen) = running.into_iter().next().expect("four run");
    let elsewhere = HOSTS.into_iter().find(|host| *host != &*seen.host).expect("there are three");
    let mut follower =
        fleet.asking(elsewhere, &["logs", "-f", &seen.id]).spawn().expect("the program can be started");
    let mut lines = BufReader::new(follower.stdout.take().expect("it is read")).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("listening")), "what it wrote before is told first");
    fleet.callboard("s1", &["drain", &seen.host], 0);
    assert!(lines.any(|line| line.contains("asked to end")), "what it writes later is told, too");
    assert_eq!(lines.count(), 0, "and then nothing any more");
    follower.wait().expect("it ends with the task");
    fleet.callboard("s1", &["undrain", &seen.host], 0);
    fleet.converges(WEB.desired);
    fleet.verdict(&[]);
}

pub(crate) fn a_killed_scheduler_is_replaced(kind: Kind) {
    let (mut fleet, before) = playing(kind, 1);
    let first = fleet.holder();
    fleet.kill(first);
    let second = fleet.taken_over_from(first);
    fleet.untouched(&before, WHILE);
    let five = scales(&mut fleet, second, 5, &before);
    // One that is told to end gives the lock back, and nobody waits for its session.
    fleet.raise(first);
    fleet.terminate(second);
    until("the lock is taken over at once", Duration::from_secs(5), || {
        (fleet.holder() == first).then_some(())
    });
    scales(&mut fleet, first, 6, &five);
    assert!(fleet.witness().least() >= before.len());
    fleet.verdict(&[]);
}

pub(crate) fn a_killed_agent_comes_back(kind: Kind) {
    let (mut fleet, before) = playing(kind, 1);
    fleet.kill("h1");
    fleet.untouched(&before, kind.outlast());
    fleet.raise("h1");
    fleet.untouched(&before, WHILE);
    assert_eq!(fleet.converges(4), before);
    scales(&mut fleet, "s1", 6, &before);
    assert!(fleet.witness().least() >= before.len());
    fleet.verdict(&[]);
}

pub(crate) fn a_second_agent_of_one_name_refuses(kind: Kind) {
    let (mut fleet, before) = playing(kind, 1);
    let (code, said) = fleet.second("h1");
    assert_eq!(code, Some(5), "{said}");
    for words in ["has had the name \"h1\" for", "two must not share one", "--host"] {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
    assert_eq!(fleet.converges(4), before, "the first goes on, and the second started nothing");
    scales(&mut fleet, "s1", 5, &before);
    assert!(fleet.witness().least() >= before.len());
    fleet.verdict(&[]);
}

pub(crate) fn a_lock_holder_that_stood_still_is_deposed(kind: Kind) {
    let (mut fleet, before) = playing(kind, 1);
    let first = fleet.holder();
    fleet.signal(first, Signal::STOP);
    let second = fleet.taken_over_from(first);
    let five = scales(&mut fleet, second, 5, &before);
    fleet.signal(first, Signal::CONT);
    fleet.untouched(&five, WHILE);
    assert_eq!(fleet.holder(), second);
    // Both know what is: whoever is asked.
    scales(&mut fleet, first, 6, &five);
    assert!(fleet.witness().least() >= before.len());
    fleet.verdict(&[]);
}

pub(crate) fn an_agent_is_cut_off(kind: Kind) {
    let (mut fleet, before) = playing(kind, 1);
    fleet.set("h2", &Faults { silent: true, ..Faults::default() });
    fleet.untouched(&before, kind.outlast());
    fleet.set("h2", &Faults { refused: true, ..Faults::default() });
    fleet.untouched(&before, WHILE);
    fleet.set("h2", &Faults::default());
    assert_eq!(fleet.converges(4), before);
    scales(&mut fleet, "s1", 6, &before);
    assert!(fleet.witness().least() >= before.len());
    fleet.verdict(&[]);
}

pub(crate) fn a_lock_holder_is_cut_off_and_writes_late(kind: Kind) {
    let (mut fleet, before) = playing(kind, 1);
    let first = fleet.holder();
    let second = other(first);
    // It hears once more, of what it shall do; what it says is kept back.
    fleet.set(first, &Faults { held: true, ..Faults::default() });
    fleet.callboard(second, &["scale", "web", "6", "--detach"], 0);
    until("something is kept back", SOON, || (fleet.kept(first) > 0).then_some(()));
    assert_eq!(fleet.taken_over_from(first), second);
    let six = fleet.converges(6);
    assert!(before.iter().all(|one| six.contains(one)));
    assert!(fleet.kept(first) > 0);
    fleet.set(first, &Faults::default());
    fleet.untouched(&six, WHILE);
    assert_eq!(fleet.holder(), second);
    assert!(fleet.witness().least() >= before.len());
    fleet.verdict(&[]);
}

pub(crate) fn the_leader_of_the_store_is_killed(kind: Kind) {
    let (mut fleet, before) = playing(kind, 3);
    let leader = fleet.servers.leader().expect("one leads");
    fleet.servers.members()[leader].kill();
    let five = scales(&mut fleet, "s1", 5, &before);
    fleet.untouched(&five, WHILE);
    fleet.servers.members()[leader].restart();
    let six = scales(&mut fleet, "s2", 6, &five);
    fleet.untouched(&six, WHILE);
    assert!(fleet.witness().least() >= before.len());
    fleet.verdict(&[]);
}

pub(crate) fn the_store_is_down(kind: Kind) {
    let (mut fleet, before) = playing(kind, 1);
    let is_long = std::env::var("CALLBOARD_TEST_LONG").is_ok_and(|long| long == "1");
    // Longer than every session.
    let span = if is_long { Duration::from_secs(120) } else { kind.outlast() };
    fleet.witness().outage(span + WHILE);
    fleet.servers.members()[0].kill();
    fleet.untouched(&before, span);
    fleet.servers.members()[0].restart();
    fleet.untouched(&before, WHILE);
    assert_eq!(fleet.converges(4), before);
    scales(&mut fleet, "s1", 6, &before);
    assert!(fleet.witness().least() >= before.len());
    fleet.verdict(&[]);
}

pub(crate) fn the_store_is_put_back(kind: Kind) {
    let (mut fleet, before) = playing(kind, 1);
    let file = fleet.servers.save();
    scales(&mut fleet, "s1", 6, &before);
    fleet.servers.restore(&file);
    // The store wants four tasks again, and knows them. Those that it forgot go by order, if at all.
    fleet.untouched_of(&before, kind.outlast() + WHILE);
    assert_eq!(fleet.view("/v1/services/web").expect("it is known")["desired"], WEB.desired);
    assert!(fleet.witness().least() >= before.len());
    fleet.verdict(&[]);
}

pub(crate) fn the_store_is_emptied(kind: Kind) {
    let (mut fleet, before) = playing(kind, 1);
    fleet.servers.empty();
    fleet.untouched(&before, kind.outlast());
    // Once it is said again what is wanted, what runs is it.
    fleet.apply("s1", WEB, &[], 0);
    assert_eq!(fleet.converges(4), before);
    fleet.untouched(&before, WHILE);
    scales(&mut fleet, "s2", 5, &before);
    assert!(fleet.witness().least() >= before.len());
    fleet.verdict(&[]);
}

pub(crate) fn a_bad_network_is_borne(kind: Kind) {
    let (mut fleet, before) = playing(kind, 1);
    let slow =
        Faults { delay: Duration::from_millis(10), jitter: Duration::from_millis(60), ..Faults::default() };
    let bad = match kind {
        Kind::Consul => [
            Faults { status: Some(500), of_thousand: Some(100), ..slow.clone() },
            Faults { status: Some(429), of_thousand: Some(100), ..slow.clone() },
            Faults { unanswered: true, of_thousand: Some(50), only: "PUT /v1/txn", ..slow },
        ],
        Kind::Etcd => [
            Faults { cut_after: Some(100_000), ..slow.clone() },
            Faults { bandwidth: Some(100_000), ..slow.clone() },
            Faults { unanswered: true, of_thousand: Some(5), ..slow },
        ],
    };
    for (name, faults) in HOSTS.into_iter().chain(SCHEDULERS).zip(bad.iter().cycle()) {
        fleet.set(name, faults);
    }
    let file = fleet.file("web-2.yml", &Web { version: 2, desired: 5, ..WEB }.yaml());
    fleet.insist("s1", &["apply", "-f", &file, "--detach"]);
    fleet.converges(5);
    for name in HOSTS.into_iter().chain(SCHEDULERS) {
        fleet.set(name, &Faults::default());
    }
    let five = fleet.converges(5);
    fleet.untouched(&five, WHILE);
    assert!(!five.iter().any(|one| before.contains(one)), "the new version runs");
    let least = fleet.witness().least();
    assert!(least >= MIN, "only {least} answered");
    fleet.verdict(&[]);
}

pub(crate) fn the_history_is_compacted(kind: Kind) {
    let (mut fleet, before) = playing(kind, 1);
    let first = fleet.holder();
    let cut = HOSTS.into_iter().chain([other(first)]);
    for name in cut.clone() {
        fleet.set(name, &Faults { refused: true, ..Faults::default() });
    }
    fleet.callboard(first, &["scale", "web", "6", "--detach"], 0);
    std::thread::sleep(Duration::from_secs(2));
    let crate::kind::Servers::Etcd(etcd) = &fleet.servers else { panic!("only etcd forgets its history") };
    etcd.compact();
    for name in cut {
        fleet.set(name, &Faults::default());
    }
    let six = fleet.converges(6);
    assert!(before.iter().all(|one| six.contains(one)));
    fleet.untouched(&six, WHILE);
    assert!(fleet.witness().least() >= before.len());
    fleet.verdict(&[]);
}
