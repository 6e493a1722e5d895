//! Worlds drawn from a seed: a fleet, services, and some of all that can go wrong. Which kinds of faults can happen at
//! all is drawn first, each with one chance in two, since bugs hide behind faults that other faults prevent.
//!
//! **Invariant:** a profile and a seed are a world, and its name says both: `tiny-7`.

mod executors;
mod faults;
mod firsts;
mod fleet;
mod losses;
mod rarities;
mod rules;
mod scarcity;
mod users;

use super::Scenario;
use crate::rng::{Chance, Stream};
use callboard_core::config::Configuration;
use callboard_core::machine::Span;
use std::fmt;

/// How large a world is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// 2 to 4 hosts, up to 12 tasks, 20 minutes: bugs need no more, and seeds cost next to nothing.
    Tiny,
    /// 5 to 12 hosts, up to 60 tasks, an hour.
    Small,
    /// 100 hosts, 1,000 tasks, an hour.
    Medium,
    /// 1,000 hosts, 10,000 tasks, half an hour.
    Large,
    /// 5,000 hosts, 50,000 tasks, a quarter of an hour.
    Huge,
}

/// What a profile leaves to the seed, each at least and at most.
struct Size {
    hosts: (u64, u64),
    services: (u64, u64),
    /// Of all services together, at most.
    tasks: u64,
    duration: Span,
    /// How long something may go wrong.
    faults: (Span, Span),
    settle: Span,
}

impl Profile {
    /// All of them, the smallest first.
    pub const ALL: [Profile; 5] =
        [Profile::Tiny, Profile::Small, Profile::Medium, Profile::Large, Profile::Huge];

    /// Gives the name, as in the names of worlds.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Profile::Tiny => "tiny",
            Profile::Small => "small",
            Profile::Medium => "medium",
            Profile::Large => "large",
            Profile::Huge => "huge",
        }
    }

    fn size(self) -> Size {
        let minutes = |minutes: u64| Span::secs(minutes * 60);
        let size = |hosts, services, tasks, duration, faults: (u64, u64)| Size {
            hosts,
            services,
            tasks,
            duration: minutes(duration),
            faults: (minutes(faults.0), minutes(faults.1)),
            settle: minutes(7),
        };
        match self {
            Profile::Tiny => size((2, 4), (1, 3), 12, 20, (3, 8)),
            Profile::Small => size((5, 12), (1, 6), 60, 60, (10, 45)),
            Profile::Medium => size((100, 100), (10, 40), 1_000, 60, (20, 45)),
            Profile::Large => size((1_000, 1_000), (50, 200), 10_000, 30, (8, 15)),
            Profile::Huge => size((5_000, 5_000), (100, 400), 50_000, 15, (3, 5)),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Draws the world that is so named, as in `tiny-7`; `None` when no world has such a name.
#[must_use]
pub fn drawn(name: &str) -> Option<Scenario> {
    let (profile, seed) = name.split_once('-')?;
    let profile = Profile::ALL.into_iter().find(|known| known.name() == profile)?;
    Some(draw(profile, seed.parse().ok()?))
}

/// Draws a world: fleet, services, builds, store and faults.
#[must_use]
pub fn draw(profile: Profile, seed: u64) -> Scenario {
    let mut chance = Chance::new(seed, Stream::World);
    let size = profile.size();
    let hosts = number(chance.between(size.hosts.0, size.hosts.1));
    let desired = fleet::services(&mut chance, hosts, &size);
    let mut scenario = world(chance, profile, (hosts, &desired), seed);
    rules::draw(&mut Chance::new(seed, Stream::Rules), &mut scenario);
    executors::draw(&mut Chance::new(seed, Stream::Executors), &mut scenario);
    scarcity::draw(&mut Chance::new(seed, Stream::Scarcity), &mut scenario);
    users::draw(&mut Chance::new(seed, Stream::Users), &mut scenario);
    losses::draw(&mut Chance::new(seed, Stream::Losses), &mut scenario);
    firsts::draw(&mut Chance::new(seed, Stream::Firsts), &mut scenario);
    let mut rare = Chance::new(seed, Stream::Rarities);
    rarities::happenings(&mut rare, &mut scenario);
    rarities::patience(&mut rare, &mut scenario);
    scenario
}

/// Draws faults, and a fleet that is large enough, around a configuration. Versions that no service of it runs may be bad
/// builds, to which the services are rolled and back; all else is the configuration's own.
#[must_use]
pub fn draw_around(profile: Profile, desired: &Configuration, seed: u64) -> Scenario {
    let mut chance = Chance::new(seed, Stream::World);
    let size = profile.size();
    let hosts = number(chance.between(size.hosts.0, size.hosts.1)).max(fleet::least_hosts(desired));
    let mut scenario = world(chance, profile, (hosts, desired), seed);
    rarities::happenings(&mut Chance::new(seed, Stream::Rarities), &mut scenario);
    scenario
}

fn world(
    mut chance: Chance,
    profile: Profile,
    (hosts, desired): (u32, &Configuration),
    seed: u64,
) -> Scenario {
    let size = profile.size();
    let until = chance.span(size.faults.0, size.faults.1);
    let is_tight = chance.coin();
    let mut scenario = Scenario {
        name: format!("{profile}-{seed}"),
        description: "drawn from its seed".into(),
        teaches: String::new(),
        sets: Vec::new(),
        file: String::new(),
        seed,
        duration: size.duration,
        settle: size.settle,
        fleet: vec![fleet::class(&mut chance, hosts, desired, is_tight)],
        schedulers: number(chance.between(1, 2)),
        ttl: Span::secs(chance.between(10, 20)),
        reaction: reaction(seed),
        desired: desired.clone(),
        builds: Vec::new(),
        store: faults::manners(&mut chance),
        registry: None,
        timeline: Vec::new(),
        trickle: Vec::new(),
        expect: Vec::new(),
    };
    scenario.builds = faults::builds(&mut chance, desired);
    scenario.trickle = faults::trickles(&mut chance, &scenario, until);
    scenario.timeline = faults::timeline(&mut chance, until, desired);
    if is_tight {
        // What agents keep when a store has lost what is wanted takes the room of what is wanted then.
        scenario.timeline.retain(|happening| !faults::loses_records(&happening.action));
    }
    if chance.coin() {
        scenario.registry = Some(faults::registry(&mut chance));
        scenario.trickle.extend(faults::registry_trickles(&mut chance, until));
    }
    faults::poison(&mut chance, &mut scenario.builds);
    scenario.trickle.extend(faults::deceits(&mut chance, until));
    scenario
}

/// Draws how long machines take to do something; most take no time. It is drawn apart from all else.
fn reaction(seed: u64) -> Span {
    let mut chance = Chance::new(seed, Stream::Reaction);
    let takes_time = chance.happens(300_000);
    if takes_time { chance.span(Span(1), Span(300)) } else { Span(0) }
}

fn number(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
