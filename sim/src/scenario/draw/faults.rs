//! What is drawn of all that can go wrong: the manners of the store, bad builds, faults that come again and again, and those
//! that come once.

use super::number;
use crate::build::Build;
use crate::rng::Chance;
use crate::scenario::{
    Action, Happening, Hosts, RegistryManners, Scenario, StoreKind, StoreManners, Trickle, TrickleFault,
};
use callboard_core::config::Configuration;
use callboard_core::machine::Span;
use callboard_core::model::TaskDefinition;

/// Each store with its own manners, behind a network that may be anything.
pub(super) fn manners(chance: &mut Chance) -> StoreManners {
    let kinds = [StoreKind::Memory, StoreKind::Embedded, StoreKind::Consul, StoreKind::Etcd];
    let kind = kinds[usize::try_from(chance.below(4)).unwrap_or(0)];
    let like = StoreManners::of(kind);
    let slow = chance.coin();
    let often = |chance: &mut Chance, ppm: u64| if chance.coin() { number(chance.below(ppm)) } else { 0 };
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

/// Of the versions that no service begins with, the first of each task definition is bad in some way, the rest are sound.
pub(super) fn builds(chance: &mut Chance, desired: &Configuration) -> Vec<Build> {
    let mut builds: Vec<Build> = Vec::new();
    let is_run = |it: &TaskDefinition| {
        let mut services = desired.services.iter();
        services.any(|service| service.task_name == it.name && service.task_version == it.version)
    };
    for definition in desired.task_definitions.iter().filter(|definition| !is_run(definition)) {
        if builds.iter().any(|build| build.task == definition.name) {
            continue;
        }
        let mut build = Build::sound(definition.name.clone(), definition.version);
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

/// Each kind of fault is off with one chance in two. In a large fleet more goes wrong than in a small one, not all of it in
/// proportion.
pub(super) fn trickles(chance: &mut Chance, scenario: &Scenario, until: Span) -> Vec<Trickle> {
    let kind = scenario.store.kind;
    let crowd = (scenario.hosts() as u64 / 10).max(1);
    let (served, etcd) = (matches!(kind, StoreKind::Consul | StoreKind::Etcd), kind == StoreKind::Etcd);
    let kinds = [
        (TrickleFault::Crash, 20 * crowd, 5, 180),
        (TrickleFault::Partition, 20 * crowd, 1, 120),
        (TrickleFault::KillAgent, 40 * crowd, 1, 60),
        (TrickleFault::Freeze, 20 * crowd, 1, 90),
        (TrickleFault::KillScheduler, 20, 1, 60),
        (TrickleFault::PauseScheduler, 20, 1, 60),
        (TrickleFault::StoreOutage, 10, 1, 90),
        (TrickleFault::StoreReadOnly, 10, 1, 60),
        (TrickleFault::ChangeLeader, 20 * u64::from(served), 0, 0),
        (TrickleFault::NoQuorum, 10 * u64::from(served), 1, 90),
        (TrickleFault::NoSpace, 10 * u64::from(etcd), 1, 120),
        (TrickleFault::TaskExit, 60 * crowd, 0, 0),
        (TrickleFault::Roll, 20 * crowd.min(10), 0, 0),
        (TrickleFault::Scale, 20 * crowd.min(10), 0, 0),
        (TrickleFault::Drain, 10 * crowd, 30, 180),
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

pub(super) fn registry(chance: &mut Chance) -> RegistryManners {
    let often = |chance: &mut Chance, ppm: u64| if chance.coin() { number(chance.below(ppm)) } else { 0 };
    RegistryManners {
        lost_requests: often(chance, 20_000),
        lost_answers: often(chance, 20_000),
        late: often(chance, 20_000),
    }
}

pub(super) fn registry_trickles(chance: &mut Chance, until: Span) -> Vec<Trickle> {
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

pub(super) fn timeline(chance: &mut Chance, until: Span, desired: &Configuration) -> Vec<Happening> {
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
