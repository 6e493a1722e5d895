//! How good the picks are together, where the best that is possible is known: vector packing, hosts with cards, and zones
//! that are uneven or full. Prints its figures; `--no-capture` of nextest shows them.

use callboard_core::model::{Name, Placement, Policy, Spread, TaskDefinition};
use callboard_core::placement::{Crowd, Facts, Fleet, Need, Room, Search, View};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

const MEMORY: u64 = 65_536;
const CPU_UNITS: u64 = 16_384;

/// Draws numbers that are the same everywhere.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn shuffle<T>(&mut self, all: &mut [T]) {
        for at in (1..all.len()).rev() {
            let other = usize::try_from(self.below(at as u64 + 1)).expect("it is an index");
            all.swap(at, other);
        }
    }

    /// Cuts an amount into parts of at least a twentieth.
    fn cut(&mut self, amount: u64, parts: u64) -> Vec<u64> {
        let least = amount / 20;
        let mut cuts: Vec<u64> = (1..parts).map(|_| self.below(amount - parts * least)).collect();
        cuts.sort_unstable();
        cuts.push(amount - parts * least);
        let mut before = 0;
        cuts.into_iter().map(|cut| least + cut - std::mem::replace(&mut before, cut)).collect()
    }
}

/// Prints a figure, whether or not what tests print is shown.
fn tell(figure: &str) {
    writeln!(std::io::stdout(), "{figure}").expect("the figure is printed");
}

/// What a task asks for: memory, processor share, cards.
type Ask = (u64, u64, u64);

fn fleet(hosts: impl Iterator<Item = (String, Room, BTreeMap<String, String>)>) -> Fleet {
    let mut fleet = Fleet::default();
    fleet.tell_apart_by(["zone"].into_iter());
    for (name, has, labels) in hosts {
        let row = fleet.enter(&Name::from(name));
        fleet.describe(
            row,
            Facts { has, range: None, executors: vec!["bash".into()], labels, ..Facts::default() },
        );
        fleet.change(row, |row| row.is_open = true);
    }
    fleet
}

fn definition((memory, cpu_units, cards): Ask) -> TaskDefinition {
    let resources = if cards == 0 { serde_json::json!({}) } else { serde_json::json!({"gpu": cards}) };
    serde_json::from_value(serde_json::json!({
        "name": "app", "version": 1, "memory": memory, "cpu_units": cpu_units, "resources": resources,
        "containers": [{"name": "c", "type": "bash", "executor": {"start": ["x"]}}],
    }))
    .expect("a definition")
}

/// Places one task, which is of a service that has the others of `own`; gives the row of its host.
fn place(fleet: &mut Fleet, ask: Ask, placement: &Placement, policy: Policy, own: &mut Crowd) -> Option<u32> {
    let definition = definition(ask);
    let need = Need::of(&definition, placement, policy);
    let closed = BTreeSet::new();
    let view = View { fleet, own, others: &[], closed: &closed, last: None };
    let row = Search::new(&need, view).next(view)?;
    fleet.change(row, |row| {
        row.held.memory += ask.0;
        row.held.cpu_units += ask.1;
        *row.held.resources.entry("gpu".into()).or_insert(0) += ask.2;
        row.tasks += 1;
    });
    *own.entry(row).or_insert(0) += 1;
    Some(row)
}

fn plain(count: usize, cards: u64) -> Fleet {
    let resources = BTreeMap::from([("gpu".into(), cards)]);
    let has =
        || Room { memory: MEMORY, cpu_units: CPU_UNITS, resources: resources.clone(), ..Room::default() };
    fleet((0..count).map(|number| (format!("h{number:03}"), has(), BTreeMap::new())))
}

/// Each of these hosts can be filled to the last byte and share: that many are the optimum.
#[test]
fn packing_uses_few_hosts_more_than_the_best_possible() {
    const FULL: usize = 60;
    const WORLDS: u64 = 20;
    let used = |sorted: bool| -> usize {
        let of = |seed: u64| {
            let mut draw = Draw(seed * 7919 + 1);
            let mut asks: Vec<Ask> = Vec::new();
            for _ in 0..FULL {
                let parts = 3 + draw.below(6);
                let (memory, cpu_units) = (draw.cut(MEMORY, parts), draw.cut(CPU_UNITS, parts));
                asks.extend(memory.into_iter().zip(cpu_units).map(|(memory, cpu)| (memory, cpu, 0)));
            }
            draw.shuffle(&mut asks);
            if sorted {
                asks.sort_by_key(|(memory, cpu, _)| {
                    u64::MAX - (memory * 1000 / MEMORY).max(cpu * 1000 / CPU_UNITS)
                });
            }
            let mut fleet = plain(2 * FULL, 0);
            let rows: BTreeSet<u32> = asks
                .iter()
                .map(|ask| {
                    place(&mut fleet, *ask, &Placement::default(), Policy::Binpack, &mut Crowd::new())
                        .expect("there is room for twice as many")
                })
                .collect();
            rows.len()
        };
        (0..WORLDS).map(of).sum()
    };
    let optimum = FULL * usize::try_from(WORLDS).expect("few");
    for (name, sorted, at_most) in [("as they come", false, 120), ("the largest first", true, 115)] {
        let percent = used(sorted) * 100 / optimum;
        tell(&format!("packing, {name}: {percent} % of the hosts of the optimum"));
        assert!((100..=at_most).contains(&percent), "{name}: {percent} %");
    }
}

/// Tasks with cards come until as many were asked for as there are; how many of them are in use then.
#[test]
fn packing_leaves_few_cards_without_use() {
    for (policy, at_least) in [(Policy::Binpack, 93), (Policy::Spread, 65)] {
        let (mut asked, mut got, mut all) = (0, 0, 0);
        for seed in 0..20 {
            let mut draw = Draw(seed * 104_729 + 1);
            let mut fleet = plain(50, 8);
            let mut sum = 0;
            while sum < 50 * 8 {
                let cards = [1, 1, 1, 2, 2, 4, 8][usize::try_from(draw.below(7)).expect("an index")];
                let ask = (cards * (MEMORY / 10), cards * (CPU_UNITS / 10), cards);
                sum += cards;
                asked += cards;
                let placed = place(&mut fleet, ask, &Placement::default(), policy, &mut Crowd::new());
                got += placed.map_or(0, |_| cards);
            }
            all += 50 * 8;
        }
        let percent = got * 100 / all;
        tell(&format!("cards in use, {policy:?}: {percent} % of {all}, when {asked} were asked for"));
        assert!(percent >= at_least, "{policy:?}: {percent} %");
    }
}

/// The best possible is known: as even as the room of each zone allows, so that no zone has two more than one with room.
#[test]
fn zones_get_as_even_a_share_as_their_room_allows() {
    for seed in 0..200 {
        let mut draw = Draw(seed * 15_485_863 + 1);
        let room: Vec<u64> = (0..2 + draw.below(5)).map(|_| 1 + draw.below(30)).collect();
        let hosts = room.iter().enumerate().flat_map(|(zone, room)| {
            // The room of a zone is cut into hosts of up to seven tasks.
            (0..room.div_ceil(7)).map(move |number| {
                let tasks = (room - number * 7).min(7);
                let has = Room { memory: tasks * 100, ..Room::default() };
                let labels = BTreeMap::from([("zone".to_string(), format!("z{zone}"))]);
                (format!("z{zone}-{number}"), has, labels)
            })
        });
        let mut fleet = fleet(hosts);
        let tasks = draw.below(room.iter().sum::<u64>() + 1);
        let placement = Placement {
            spread: vec![Spread { label: "zone".into(), targets: BTreeMap::new() }],
            ..Placement::default()
        };
        let (mut own, mut counts) = (Crowd::new(), vec![0u64; room.len()]);
        for _ in 0..tasks {
            let row =
                place(&mut fleet, (100, 0, 0), &placement, Policy::Spread, &mut own).expect("there is room");
            let zone: usize = fleet.row(row).facts.labels["zone"][1..].parse().expect("a number");
            counts[zone] += 1;
        }
        let with_room =
            counts.iter().zip(&room).filter(|(count, room)| count < room).map(|(count, _)| *count);
        let (least, most) = (with_room.min().unwrap_or(u64::MAX), *counts.iter().max().expect("a zone"));
        assert!(most <= least.saturating_add(1), "room {room:?}, tasks {counts:?}");
        assert_eq!(counts.iter().sum::<u64>(), tasks);
    }
}
