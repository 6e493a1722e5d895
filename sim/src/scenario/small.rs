//! Small worlds drawn from a seed: a few hosts, a few services, and some of all that can go wrong. Which kinds of faults
//! can happen at all is drawn first, each with one chance in two, since bugs hide behind faults that other faults prevent.

use super::generate::Generate;
use super::{
    Action, Happening, HostClass, Hosts, RegistryManners, Scenario, StoreKind, StoreManners, Trickle,
    TrickleFault,
};
use crate::build::Build;
use crate::rng::{Chance, Stream};
use callboard_core::config::Configuration;
use callboard_core::machine::Span;
use callboard_core::model::{Name, Policy, PortRange};

/// Draws a small world from a seed: up to a dozen hosts and a few services, twenty minutes, faults for the first part and
/// calm for the rest.
#[must_use]
pub fn small_world(seed: u64) -> Scenario {
    let mut chance = Chance::new(seed, Stream::World);
    let count = small(chance.between(2, 9));
    let fleet = vec![HostClass {
        count,
        memory: chance.between(4, 16) * 1024,
        ports: PortRange { first: 20_000, last: 20_000 + u16::try_from(chance.between(9, 99)).unwrap_or(99) },
        ..HostClass::default()
    }];
    let mut desired = Configuration::default();
    let clusters = chance.between(1, 2);
    for cluster in 1..=clusters {
        generate(&mut chance, cluster, count).add_to(&mut desired);
    }
    let calm = Span::secs(600);
    let until = Span::secs(chance.between(240, 600));
    let mut scenario = Scenario {
        name: format!("small-world-{seed}"),
        description: "drawn from its seed".into(),
        file: String::new(),
        seed,
        duration: Span(until.0 + 60_000 + calm.0),
        settle: Span::secs(420),
        fleet,
        schedulers: small(chance.between(1, 2)),
        ttl: Span::secs(chance.between(10, 20)),
        builds: Vec::new(),
        desired,
        store: manners(&mut chance),
        registry: None,
        timeline: Vec::new(),
        trickle: Vec::new(),
        expect: Vec::new(),
    };
    scenario.builds = builds(&mut chance, &scenario.desired);
    scenario.trickle = trickles(&mut chance, until, scenario.store.kind);
    scenario.timeline = timeline(&mut chance, until, &scenario.desired);
    if chance.coin() {
        scenario.registry = Some(registry(&mut chance));
        scenario.trickle.extend(registry_trickles(&mut chance, until));
    }
    scenario
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn generate(chance: &mut Chance, cluster: u64, hosts: u32) -> Generate {
    let tasks = small(chance.between(1, 6));
    let min = if chance.coin() { tasks.saturating_sub(1) } else { small(chance.below(u64::from(tasks) + 1)) };
    let slack = if min == tasks { 1 } else { chance.below(3) };
    Generate {
        prefix: format!("s{cluster}-"),
        services: small(chance.between(1, 2)),
        tasks,
        min,
        max: tasks + small(slack),
        versions: 3,
        memory: chance.between(1, 8) * 64 * u64::from(hosts > 2),
        cpu_units: chance.below(256),
        check_interval: Span::secs(chance.between(2, 10)),
        cluster: Name::from(format!("c{cluster}")),
        policy: if chance.coin() { Policy::Spread } else { Policy::Binpack },
        max_parallel: chance.coin().then(|| small(chance.between(1, 3))),
    }
}

/// Each store with its own manners, behind a network that may be anything.
fn manners(chance: &mut Chance) -> StoreManners {
    let kinds = [StoreKind::Memory, StoreKind::Embedded, StoreKind::Consul, StoreKind::Etcd];
    let kind = kinds[usize::try_from(chance.below(4)).unwrap_or(0)];
    let like = StoreManners::of(kind);
    let slow = chance.coin();
    let often = |chance: &mut Chance, ppm: u64| if chance.coin() { small(chance.below(ppm)) } else { 0 };
    let slower = |chance: &mut Chance, range: (Span, Span), most: u64| {
        if slow { (range.0, range.1.max(Span(chance.between(50, most)))) } else { range }
    };
    let slack = if chance.coin() { chance.below(10_000) } else { 0 };
    let manners = StoreManners {
        latency: slower(chance, like.latency, 800),
        watch_delay: slower(chance, like.watch_delay, 1_500),
        lost_requests: often(chance, 20_000),
        lost_answers: often(chance, 20_000),
        repeated: often(chance, 20_000),
        late: often(chance, 5_000),
        deaf_watches: often(chance, 2_000),
        cut_watches: often(chance, 10_000),
        session_slack: Span(like.session_slack.0 + slack),
        ..like
    };
    match kind {
        StoreKind::Memory | StoreKind::Consul => manners,
        // Nothing is between it and its only machine's processes that could lose anything.
        StoreKind::Embedded => StoreManners {
            latency: like.latency,
            watch_delay: like.watch_delay,
            lost_requests: 0,
            lost_answers: 0,
            repeated: 0,
            late: 0,
            session_slack: like.session_slack,
            ..manners
        },
        StoreKind::Etcd => {
            let (lost_events, rewound_watches) = (often(chance, 1_000), often(chance, 5_000));
            StoreManners { lost_events, rewound_watches, ..manners }
        }
    }
}

/// The second version is bad in some way, the third is sound.
fn builds(chance: &mut Chance, desired: &Configuration) -> Vec<Build> {
    let mut builds = Vec::new();
    for definition in desired.task_definitions.iter().filter(|definition| definition.version == 2) {
        let mut build = Build::sound(definition.name.clone(), 2);
        match chance.below(8) {
            0 => build.healthy_after = None,
            1 => build.healthy_for = Some(chance.span(Span::secs(5), Span::secs(120))),
            2 => build.exits_after = Some(chance.span(Span(100), Span::secs(90))),
            3 => build.fails_to_start = true,
            4 => build.start = (Span::secs(5), Span::secs(40)),
            5 => build.ignores_term = true,
            6 => {
                build.healthy_after = None;
                build.on_hosts_percent = 50;
            }
            _ => build.leak_mib_per_minute = chance.between(10, 400),
        }
        builds.push(build);
    }
    builds
}

fn trickles(chance: &mut Chance, until: Span, kind: StoreKind) -> Vec<Trickle> {
    let (served, etcd) = (matches!(kind, StoreKind::Consul | StoreKind::Etcd), kind == StoreKind::Etcd);
    let kinds = [
        (TrickleFault::Crash, 20, 5, 180),
        (TrickleFault::Partition, 20, 1, 120),
        (TrickleFault::KillAgent, 40, 1, 60),
        (TrickleFault::Freeze, 20, 1, 90),
        (TrickleFault::KillScheduler, 20, 1, 60),
        (TrickleFault::PauseScheduler, 20, 1, 60),
        (TrickleFault::StoreOutage, 10, 1, 90),
        (TrickleFault::StoreReadOnly, 10, 1, 60),
        (TrickleFault::ChangeLeader, 20 * u64::from(served), 0, 0),
        (TrickleFault::NoQuorum, 10 * u64::from(served), 1, 90),
        (TrickleFault::NoSpace, 10 * u64::from(etcd), 1, 120),
        (TrickleFault::TaskExit, 60, 0, 0),
        (TrickleFault::Roll, 20, 0, 0),
        (TrickleFault::Scale, 20, 0, 0),
        (TrickleFault::Drain, 10, 30, 180),
    ];
    let mut trickles = Vec::new();
    for (fault, per_hour, shortest, longest) in kinds {
        let (on, rate) = (chance.coin(), chance.between(per_hour.min(1), per_hour));
        if on && rate > 0 {
            let lasting = (Span::secs(shortest), Span::secs(longest));
            trickles.push(Trickle { fault, per_hour: rate, from: Span::secs(30), until, lasting });
        }
    }
    trickles
}

fn registry(chance: &mut Chance) -> RegistryManners {
    let often = |chance: &mut Chance, ppm: u64| if chance.coin() { small(chance.below(ppm)) } else { 0 };
    RegistryManners {
        lost_requests: often(chance, 20_000),
        lost_answers: often(chance, 20_000),
        late: often(chance, 20_000),
    }
}

fn registry_trickles(chance: &mut Chance, until: Span) -> Vec<Trickle> {
    let kinds = [(TrickleFault::RegistryAway, 1, 120), (TrickleFault::RegistryForgets, 0, 0)];
    let mut trickles = Vec::new();
    for (fault, shortest, longest) in kinds {
        let (on, per_hour) = (chance.coin(), chance.between(1, 60));
        if on {
            let lasting = (Span::secs(shortest), Span::secs(longest));
            trickles.push(Trickle { fault, per_hour, from: Span::secs(30), until, lasting });
        }
    }
    trickles
}

fn timeline(chance: &mut Chance, until: Span, desired: &Configuration) -> Vec<Happening> {
    let mut timeline = Vec::new();
    let mut at = |chance: &mut Chance, action: Action| {
        if chance.happens(250_000) {
            timeline.push(Happening { at: chance.span(Span::secs(60), until), action });
        }
    };
    at(chance, Action::ExpireSessions);
    at(chance, Action::CompactStore);
    let reboot_after = Some(Span::secs(90));
    at(chance, Action::CrashHosts { hosts: Hosts::Percent(100), reboot_after });
    at(chance, Action::Partition { hosts: Hosts::Percent(100), lasting: Span::secs(100) });
    let back = Span::secs(30);
    at(chance, Action::RestoreStore { back });
    if let Some(service) = desired.services.first() {
        at(chance, Action::DeleteService { service: service.name.clone() });
    }
    at(chance, Action::AnnotateRecords);
    let lost = [Action::EmptyStore, Action::ReplaceStore];
    for action in lost {
        if !chance.happens(100_000) {
            continue;
        }
        let when = chance.span(Span::secs(60), until);
        timeline.push(Happening { at: when, action });
        // What is gone is soon noticed, or only after a while.
        let noticed = chance.span(Span::secs(1), Span::secs(120));
        timeline.push(Happening { at: Span(when.0 + noticed.0), action: Action::Apply });
    }
    timeline
}
