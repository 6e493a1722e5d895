//! How many hosts a search looks at: few, however many there are, so that cost grows like the log of the hosts and not like
//! the hosts. Counted, never timed. And where there are too many hosts for one block of an order, the pick is the best, too.

use callboard_core::model::{Name, Placement, Policy, Spread, TaskDefinition};
use callboard_core::placement::{Crowd, Facts, Fleet, Need, Reasons, Room, Search, View};
use std::collections::{BTreeMap, BTreeSet};

/// How many racks hosts are in, one after the other.
const RACKS: u64 = 30;

/// A fleet of hosts of three sizes, with room for twice what is placed.
fn fleet(hosts: u64, placement: &Placement, policy: Policy) -> Fleet {
    let mut fleet = Fleet::default();
    fleet.serve(policy);
    fleet.tell_apart_by(placement.labels());
    for number in 0..hosts {
        let row = fleet.enter(&Name::from(format!("h{number:05}")));
        let size = 2 + number % 3;
        let has = Room { memory: 2048 * size, cpu_units: 1024 * size, ..Room::default() };
        let labels = [("rack".into(), format!("r{}", number % RACKS))].into();
        fleet.describe(row, Facts { has, labels, executors: vec!["bash".into()], ..Facts::default() });
        fleet.change(row, |row| row.is_open = true);
    }
    fleet
}

/// Asks for as many tasks in each rack.
fn over_racks() -> Placement {
    let spread = vec![Spread { label: "rack".into(), targets: BTreeMap::new() }];
    Placement { spread, ..Placement::default() }
}

/// Gives the memory and the processor share of a task.
fn room(number: u64) -> (u64, u64) {
    (128 * (1 + number * 7 % 8), 64 * (1 + number * 5 % 8))
}

/// Takes in that a task was placed.
fn take(fleet: &mut Fleet, row: u32, number: u64) {
    fleet.change(row, |row| {
        row.held.memory += room(number).0;
        row.held.cpu_units += room(number).1;
        row.tasks += 1;
    });
}

/// One of many services, no two alike that follow each other.
fn need(number: u64, placement: &Placement, policy: Policy) -> Need {
    let kind = serde_json::json!({"name": "c", "type": "bash", "executor": {"start": ["x"]}});
    let definition = serde_json::json!({
        "name": "app", "version": 1, "containers": [kind],
        "memory": room(number).0, "cpu_units": room(number).1,
    });
    let definition: TaskDefinition = serde_json::from_value(definition).expect("a definition");
    Need::of(&definition, placement, policy)
}

/// Places services of so many tasks, each with a search of its own; gives how many hosts were looked at for a task, on
/// average, and for the whole of the service that cost most.
fn looks(hosts: u64, services: u64, tasks: usize, placement: &Placement, policy: Policy) -> (usize, usize) {
    let mut fleet = fleet(hosts, placement, policy);
    let closed = BTreeSet::new();
    let (mut all, mut most, mut last) = (0, 0, None);
    for number in 0..services {
        let need = need(number, placement, policy);
        let mut own = Crowd::new();
        macro_rules! view {
            () => {
                View { fleet: &fleet, own: &own, others: &[], closed: &closed, last }
            };
        }
        let mut search = Search::new(&need, view!());
        for _ in 0..tasks {
            let row = search.next(view!()).expect("there is room");
            last = Some(row);
            take(&mut fleet, row, number);
            *own.entry(row).or_insert(0) += 1;
        }
        all += search.looked_at();
        most = most.max(search.looked_at());
    }
    (all / (usize::try_from(services).expect("few") * tasks), most)
}

/// Checks that no more than so many are looked at.
fn check(
    (hosts, services, tasks): (u64, u64, usize),
    placement: &Placement,
    policy: Policy,
    expect: (usize, usize),
) {
    let found = looks(hosts, services, tasks, placement, policy);
    assert!(found.0 <= expect.0 && found.1 <= expect.1, "{policy:?} looked at {found:?}, not at {expect:?}");
}

#[test]
fn by_cost_few_hosts_are_looked_at() {
    check((10_000, 500, 100), &Placement::default(), Policy::EPvm, (10, 2_000));
}

#[test]
fn by_cost_few_hosts_are_looked_at_for_one_task() {
    check((10_000, 40_000, 1), &Placement::default(), Policy::EPvm, (300, 2_500));
}

#[test]
fn by_name_full_hosts_are_passed_by() {
    check((10_000, 500, 100), &Placement::default(), Policy::RoundRobin, (10, 2_000));
}

#[test]
fn by_name_hosts_that_had_their_turn_are_passed_by() {
    check((10_000, 500, 100), &over_racks(), Policy::RoundRobin, (3, 300));
}

/// Checks that each pick is the best of all, among hosts that are full to different parts.
fn agree(placement: &Placement, policy: Policy) {
    let mut fleet = fleet(1_500, placement, policy);
    for number in 0..1_500u32 {
        fleet.change(number, |row| {
            let part = |of: u64, by: u32| of * u64::from(number * by % 101) / 100;
            row.held.memory = part(row.facts.has.memory, 37);
            row.held.cpu_units = part(row.facts.has.cpu_units, 53);
            row.tasks = number % 5;
        });
    }
    let (closed, mut last) = (BTreeSet::new(), None);
    for number in 0..40 {
        let need = need(number, placement, policy);
        let mut own = Crowd::new();
        macro_rules! view {
            () => {
                View { fleet: &fleet, own: &own, others: &[], closed: &closed, last }
            };
        }
        let mut search = Search::new(&need, view!());
        for _ in 0..10 {
            let picked = search.next(view!());
            let reasons = Reasons::new(&need, view!());
            let can = fleet.iter().map(|(row, _)| row).filter(|row| reasons.first(*row).is_none());
            assert_eq!(picked, can.min_by_key(|row| reasons.order(*row)), "service {number} by {policy:?}");
            let Some(row) = picked else { break };
            take(&mut fleet, row, number);
            *own.entry(row).or_insert(0) += 1;
            last = picked;
        }
    }
}

#[test]
fn the_pick_is_the_best_of_many_blocks() {
    for policy in [Policy::Spread, Policy::Binpack, Policy::RoundRobin, Policy::EPvm] {
        agree(&Placement::default(), policy);
        agree(&over_racks(), policy);
    }
}
