//! What is drawn of all that can go wrong: the manners of the store, bad builds, faults that come again and again, and those
//! that come once.

use super::number;
use crate::build::Build;
use crate::rng::Chance;
use crate::scenario::{
    Action, Fault, FaultKind, Happening, HostFault, Hosts, On, RegistryManners, Scenario, SchedulerFault,
    ServiceFault, StoreFault, StoreKind, StoreManners, Trickle, WayFault,
};
use callboard_core::config::Configuration;
use callboard_core::machine::Span;
use callboard_core::model::{Kind, TaskDefinition};

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
        doubled_events: often(chance, 10_000),
        delayed_events: often(chance, 1_000),
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

/// The tasks of batch services end by themselves, now and then with an error.
fn completing(chance: &mut Chance, desired: &Configuration) -> Vec<Build> {
    let mut builds = Vec::new();
    for service in desired.services.iter().filter(|service| matches!(service.kind, Kind::Batch(_))) {
        let after = chance.span(Span(500), Span::secs(90));
        let fails_percent = if chance.coin() { 0 } else { chance.between(10, 60) };
        for definition in desired.task_definitions.iter().filter(|it| it.name == service.task_name) {
            let sound = Build::sound(definition.name.clone(), definition.version);
            builds.push(Build { completes_after: Some(after), fails_percent, ..sound });
        }
    }
    builds
}

/// Of the versions that no service begins with, the first of each task definition is bad in some way, the rest are sound.
pub(super) fn builds(chance: &mut Chance, desired: &Configuration) -> Vec<Build> {
    let mut builds = completing(chance, desired);
    let is_run = |it: &TaskDefinition| {
        let mut services = desired.services.iter();
        services.any(|service| service.task_name == it.name && service.task_version == it.version)
    };
    for definition in desired.task_definitions.iter().filter(|definition| !is_run(definition)) {
        if builds.iter().any(|build| build.task == definition.name) {
            continue;
        }
        let mut build = Build::sound(definition.name.clone(), definition.version);
        match chance.below(9) {
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
            7 => build.leak_mib_per_minute = chance.between(10, 400),
            _ => {
                let high = chance.between(100, 4_000);
                build.memory_curve = vec![
                    (Span(0), 0),
                    (chance.span(Span::secs(10), Span::secs(60)), high),
                    (Span::secs(90), 0),
                ];
                build.memory_repeats = chance.coin();
            }
        }
        builds.push(build);
    }
    builds
}

/// What trickles in few of the drawn worlds: what misleads an agent about its own machine, or wears that down.
const DECEITS: &[(FaultKind, u64, (u64, u64))] = &[
    (FaultKind::Host(HostFault::Jump), 20, (0, 0)),
    (FaultKind::Host(HostFault::StallMemory), 10, (10, 180)),
    (FaultKind::Host(HostFault::ExecutorLies), 15, (5, 120)),
    (FaultKind::Host(HostFault::ChecksLie), 15, (5, 120)),
    (FaultKind::Host(HostFault::Twin), 10, (5, 60)),
];

/// Draws what misleads agents: in most worlds nothing does, in others each of it with one chance in two.
pub(super) fn deceits(chance: &mut Chance, until: Span) -> Vec<Trickle> {
    if !chance.happens(300_000) {
        return Vec::new();
    }
    let mut trickles = Vec::new();
    for &(fault, per_hour, (shortest, longest)) in DECEITS {
        let (on, per_hour) = (chance.coin(), chance.between(1, per_hour));
        let lasting = (Span::secs(shortest), Span::secs(longest));
        if on {
            trickles.push(Trickle { fault, each: None, per_hour, from: Span::secs(30), until, lasting });
        }
    }
    trickles
}

/// Makes one of the bad builds poison in some worlds: what it does it does soon, while it is being started.
pub(super) fn poison(chance: &mut Chance, builds: &mut [Build]) {
    if chance.happens(250_000)
        && let Some(build) = builds.first_mut()
    {
        let most = if chance.coin() { Span(300) } else { Span::secs(8) };
        let after = Some(chance.span(Span(1), most));
        *build = Build::sound(build.task.clone(), build.version);
        if chance.coin() {
            build.kills_agent_after = after;
        } else {
            build.kills_host_after = after;
        }
    }
}

/// What trickles in drawn worlds: how often an hour at most, and for how many seconds at least and at most. Where machines
/// are hit, it is so often for each ten of them.
const DRIPS: &[(FaultKind, u64, (u64, u64))] = &[
    (FaultKind::Host(HostFault::Crash), 20, (5, 180)),
    (FaultKind::Host(HostFault::Reboot), 10, (20, 120)),
    (FaultKind::Host(HostFault::Freeze), 20, (1, 90)),
    (FaultKind::Host(HostFault::Cut), 20, (1, 120)),
    (FaultKind::Host(HostFault::Flap), 5, (60, 180)),
    (FaultKind::Host(HostFault::Mute), 10, (1, 120)),
    (FaultKind::Host(HostFault::Deafen), 10, (1, 120)),
    (FaultKind::Host(HostFault::KillAgent), 40, (1, 60)),
    (FaultKind::Host(HostFault::RestartAgent), 20, (1, 30)),
    (FaultKind::Host(HostFault::Drift), 20, (30, 180)),
    (FaultKind::Host(HostFault::FillDisk), 10, (10, 180)),
    (FaultKind::Host(HostFault::ExecutorDown), 10, (5, 120)),
    (FaultKind::Host(HostFault::StickStops), 10, (5, 120)),
    (FaultKind::Host(HostFault::SlowPulls), 10, (30, 180)),
    (FaultKind::Host(HostFault::MissImages), 10, (10, 120)),
    (FaultKind::Host(HostFault::HangPulls), 10, (10, 120)),
    (FaultKind::Host(HostFault::EndTask), 60, (0, 0)),
    (FaultKind::Host(HostFault::Drain), 10, (30, 180)),
    (FaultKind::Scheduler(SchedulerFault::Kill), 20, (1, 60)),
    (FaultKind::Scheduler(SchedulerFault::Pause), 20, (1, 60)),
    (FaultKind::Scheduler(SchedulerFault::Cut), 10, (1, 60)),
    (FaultKind::Scheduler(SchedulerFault::Mute), 10, (1, 60)),
    (FaultKind::Scheduler(SchedulerFault::Deafen), 10, (1, 60)),
    (FaultKind::Scheduler(SchedulerFault::Drift), 10, (30, 180)),
    (FaultKind::Service(ServiceFault::Roll), 20, (0, 0)),
    (FaultKind::Service(ServiceFault::Scale), 20, (0, 0)),
    (FaultKind::Store(StoreFault::Outage), 10, (1, 90)),
    (FaultKind::Store(StoreFault::ReadOnly), 10, (1, 60)),
    (FaultKind::Store(StoreFault::ChangeLeader), 20, (0, 0)),
    (FaultKind::Store(StoreFault::NoQuorum), 10, (1, 90)),
    (FaultKind::Store(StoreFault::NoSpace), 10, (1, 120)),
    (FaultKind::Way(WayFault::LoseRequests), 5, (5, 60)),
    (FaultKind::Way(WayFault::LoseAnswers), 5, (5, 60)),
    (FaultKind::Way(WayFault::CutWatches), 5, (5, 60)),
];

/// Each kind of fault is off with one chance in two. How long it lasts is often just about as long as sessions live.
pub(super) fn trickles(chance: &mut Chance, scenario: &Scenario, until: Span) -> Vec<Trickle> {
    let kind = scenario.store.kind;
    let tens = (scenario.hosts() as u64 / 10).max(1);
    let racked = scenario.fleet.iter().any(|class| class.racks > 0);
    let mut trickles = Vec::new();
    for &(fault, per_hour, (shortest, longest)) in DRIPS {
        let crowd = match fault {
            FaultKind::Host(_) => tens,
            FaultKind::Service(_) => tens.min(10),
            FaultKind::Scheduler(_) | FaultKind::Store(_) | FaultKind::Way(_) => 1,
        };
        let (on, per_hour) = (chance.coin() && is_of(fault, kind), chance.between(1, per_hour * crowd));
        let about = scenario.ttl.0 / 1_000;
        let (shortest, longest) = match chance.below(4) {
            0 if shortest < about && about < longest => (about - 1, about + 1),
            _ => (shortest, longest),
        };
        let is_whole = racked && chance.happens(100_000) && matches!(fault, FaultKind::Host(_));
        if on {
            let lasting = (Span::secs(shortest), Span::secs(longest));
            let each = is_whole.then(|| "rack".to_string());
            trickles.push(Trickle { fault, each, per_hour, from: Span::secs(30), until, lasting });
        }
    }
    trickles
}

/// Tells whether a fault can happen to such a store, and to the way to it.
fn is_of(fault: FaultKind, store: StoreKind) -> bool {
    let is_served = matches!(store, StoreKind::Consul | StoreKind::Etcd);
    match fault {
        FaultKind::Store(StoreFault::ChangeLeader | StoreFault::NoQuorum) => is_served,
        FaultKind::Store(StoreFault::NoSpace) => store == StoreKind::Etcd,
        FaultKind::Way(_) => store != StoreKind::Embedded,
        FaultKind::Store(_) | FaultKind::Host(_) | FaultKind::Scheduler(_) | FaultKind::Service(_) => true,
    }
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
    let kinds = [(HostFault::RegistryAway, 1, 120), (HostFault::RegistryForgets, 0, 0)];
    let mut trickles = Vec::new();
    for (fault, shortest, longest) in kinds {
        let (on, per_hour) = (chance.coin(), chance.between(1, 60));
        if on {
            let lasting = (Span::secs(shortest), Span::secs(longest));
            trickles.push(Trickle {
                fault: FaultKind::Host(fault),
                each: None,
                per_hour,
                from: Span::secs(30),
                until,
                lasting,
            });
        }
    }
    trickles
}

/// What happens once, if it does.
pub(super) fn timeline(chance: &mut Chance, until: Span, desired: &Configuration) -> Vec<Happening> {
    let mut timeline = Vec::new();
    let mut at = |chance: &mut Chance, fault: Fault| {
        if chance.happens(200_000) {
            let action = Action::Fault(fault);
            timeline.push(Happening { at: chance.span(Span::secs(60), until), action });
        }
    };
    at(chance, Fault::store(StoreFault::ExpireSessions));
    at(chance, Fault::store(StoreFault::Compact));
    let all = || Hosts::Percent(100);
    at(chance, Fault::hosts(HostFault::Crash, all(), Span::secs(90)));
    at(chance, Fault::hosts(HostFault::Cut, all(), Span::secs(100)));
    at(chance, Fault { lasting: Some(Span::secs(60)), ..Fault::store(StoreFault::PowerLoss) });
    at(chance, Fault { size: 30_000, ..Fault::store(StoreFault::Restore) });
    if let Some(service) = desired.services.first() {
        let delete = FaultKind::Service(ServiceFault::Delete);
        at(chance, Fault::new(delete, On::Service(service.name.clone())));
    }
    at(chance, Fault::store(StoreFault::Annotate));
    let by_hand = [StoreFault::Junk, StoreFault::HalvePair, StoreFault::Foreign];
    let drawn = by_hand[usize::try_from(chance.below(3)).unwrap_or(0)];
    let lasting = (drawn == StoreFault::Junk).then(|| chance.span(Span::secs(1), Span::secs(120)));
    at(chance, Fault { lasting, ..Fault::store(drawn) });
    for lost in [StoreFault::Empty, StoreFault::Replace] {
        if !chance.happens(100_000) {
            continue;
        }
        let when = chance.span(Span::secs(60), until);
        timeline.push(Happening { at: when, action: Action::Fault(Fault::store(lost)) });
        // What is gone is soon noticed, or only after a while.
        let noticed = chance.span(Span::secs(1), Span::secs(120));
        let again = Action::Fault(Fault::store(StoreFault::Apply));
        timeline.push(Happening { at: Span(when.0 + noticed.0), action: again });
    }
    timeline
}

/// Tells whether the store forgets something by it.
pub(super) fn loses_records(action: &Action) -> bool {
    let lost = [StoreFault::Empty, StoreFault::Replace, StoreFault::Restore].map(FaultKind::Store);
    matches!(action, Action::Fault(fault) if lost.contains(&fault.kind))
}
