//! Ways to make a scenario smaller: each pass proposes some, the boldest first. What is proposed need not make sense; what
//! does not is dropped by whoever asked.
//!
//! **Invariant:** every proposal is smaller or simpler than what it was made from, so that trying them comes to an end.

use crate::build::Build;
use crate::check::Violation;
use crate::scenario::{Action, Expectation, Happening, HostClass, Hosts, Scenario, StoreKind, StoreManners};
use callboard_core::machine::Span;
use callboard_core::model::Name;
use std::collections::BTreeSet;

/// Proposes scenarios that are smaller than one that breaks a promise.
pub(super) type Pass = fn(&Scenario, &Violation) -> Vec<Scenario>;

/// All of them, in the order in which they are tried: what makes runs shorter comes first.
pub(super) const PASSES: &[Pass] = &[
    duration,
    fleet,
    trickles,
    timeline,
    appearing,
    services,
    clusters,
    tasks,
    builds,
    manners,
    expectations,
    numbers,
];

/// Ends soon after the promise was broken.
fn duration(scenario: &Scenario, broken: &Violation) -> Vec<Scenario> {
    let soon = Span((broken.at.0 / 1_000 + 2) * 1_000);
    let calm = Span((scenario.calm_from().0 + scenario.settle.0) / 1_000 * 1_000 + 1_000);
    let half = Span(scenario.duration.0 / 2_000 * 1_000);
    let minute = Span(scenario.duration.0.saturating_sub(1) / 60_000 * 60_000);
    let shorter = [soon, half, calm, minute].into_iter().filter(|it| it.0 > 0 && *it < scenario.duration);
    shorter.map(|duration| Scenario { duration, ..scenario.clone() }).collect()
}

/// Has fewer hosts.
fn fleet(scenario: &Scenario, _: &Violation) -> Vec<Scenario> {
    let with = |fleet: Vec<HostClass>| {
        let mut smaller = Scenario { fleet, ..scenario.clone() };
        forget_hosts(&mut smaller);
        smaller
    };
    let mut all: Vec<Scenario> =
        without_each(&scenario.fleet).into_iter().filter(|fleet| !fleet.is_empty()).map(with).collect();
    for (index, class) in scenario.fleet.iter().enumerate() {
        for count in less(class.count, 1) {
            let mut fleet = scenario.fleet.clone();
            fleet[index].count = count;
            all.push(with(fleet));
        }
    }
    all
}

/// Takes hosts out of the timeline that are no more.
fn forget_hosts(scenario: &mut Scenario) {
    let known: BTreeSet<Name> =
        scenario.fleet.iter().flat_map(|class| class.registrations().map(|it| it.host)).collect();
    scenario.timeline.retain_mut(|happening| match happening.action.hosts_mut() {
        Some(Hosts::Named(names)) => {
            names.retain(|name| known.contains(name));
            !names.is_empty()
        }
        Some(Hosts::Prefix(prefix)) => known.iter().any(|name| name.starts_with(prefix.as_str())),
        Some(
            Hosts::Count(_) | Hosts::Percent(_) | Hosts::Labelled(_) | Hosts::Each(_) | Hosts::Running { .. },
        )
        | None => true,
    });
    scenario.desired.hosts.retain(|host| known.contains(&host.name));
}

/// Has fewer things going wrong again and again, or for a shorter time.
fn trickles(scenario: &Scenario, _: &Violation) -> Vec<Scenario> {
    let fewer = without_each(&scenario.trickle);
    let mut all: Vec<Scenario> =
        fewer.into_iter().map(|trickle| Scenario { trickle, ..scenario.clone() }).collect();
    for index in 0..scenario.trickle.len() {
        let mut smaller = scenario.clone();
        let trickle = &mut smaller.trickle[index];
        trickle.until = Span(trickle.from.0.midpoint(trickle.until.0) / 1_000 * 1_000);
        all.extend((trickle.until > trickle.from).then_some(smaller));
    }
    all
}

/// Has fewer things happening, and hosts hit by them.
fn timeline(scenario: &Scenario, _: &Violation) -> Vec<Scenario> {
    let with = |timeline: Vec<Happening>| Scenario { timeline, ..scenario.clone() };
    let mut all: Vec<Scenario> = without_each(&scenario.timeline).into_iter().map(with).collect();
    for index in 0..scenario.timeline.len() {
        let fewer = match scenario.timeline[index].action.hosts() {
            Some(Hosts::Named(names)) => without_each(names).into_iter().map(Hosts::Named).collect(),
            Some(Hosts::Count(count)) => less(*count, 1).into_iter().map(Hosts::Count).collect(),
            Some(
                Hosts::Percent(_)
                | Hosts::Prefix(_)
                | Hosts::Labelled(_)
                | Hosts::Each(_)
                | Hosts::Running { .. },
            )
            | None => Vec::new(),
        };
        for hosts in fewer {
            let mut smaller = scenario.clone();
            if let Some(some) = smaller.timeline[index].action.hosts_mut() {
                *some = hosts;
                all.push(smaller);
            }
        }
    }
    all
}

/// Has fewer services, and nothing that speaks of those that are gone.
fn services(scenario: &Scenario, _: &Violation) -> Vec<Scenario> {
    let mut all = Vec::new();
    for services in without_each(&scenario.desired.services) {
        let mut smaller = scenario.clone();
        smaller.desired.services = services;
        forget_services(&mut smaller);
        all.push(smaller);
    }
    all
}

fn forget_services(scenario: &mut Scenario) {
    let appearing = scenario.timeline.iter().filter_map(|happening| {
        let Action::AddService { service, .. } = &happening.action else { return None };
        Some(service.clone())
    });
    let known: BTreeSet<Name> =
        scenario.desired.services.iter().map(|service| service.name.clone()).chain(appearing).collect();
    let tasks: BTreeSet<Name> =
        scenario.desired.services.iter().map(|service| service.task_name.clone()).collect();
    scenario
        .desired
        .clusters
        .iter_mut()
        .for_each(|cluster| cluster.services.retain(|name| known.contains(name)));
    scenario.desired.clusters.retain(|cluster| !cluster.services.is_empty());
    scenario.desired.task_definitions.retain(|definition| tasks.contains(&definition.name));
    scenario.builds.retain(|build| tasks.contains(&build.task));
    scenario.timeline.retain(|happening| happening.action.service().is_none_or(|name| known.contains(name)));
}

/// Has fewer clusters, with all their services.
fn clusters(scenario: &Scenario, _: &Violation) -> Vec<Scenario> {
    let mut all = Vec::new();
    for clusters in without_each(&scenario.desired.clusters) {
        let mut smaller = scenario.clone();
        let known: BTreeSet<Name> =
            clusters.iter().flat_map(|cluster| cluster.services.iter().cloned()).collect();
        smaller.desired.clusters = clusters;
        smaller.desired.services.retain(|service| known.contains(&service.name));
        forget_services(&mut smaller);
        all.push(smaller);
    }
    all
}

/// Has services of fewer tasks, and less to them.
fn tasks(scenario: &Scenario, _: &Violation) -> Vec<Scenario> {
    let mut all = Vec::new();
    for (index, service) in scenario.desired.services.iter().enumerate() {
        for desired in less(service.desired, expected(scenario, &service.name)) {
            let mut smaller = scenario.clone();
            let service = &mut smaller.desired.services[index];
            let gone = service.desired - desired;
            (service.desired, service.max) = (desired, service.max.saturating_sub(gone).max(desired));
            service.min = service.min.min(desired);
            all.push(smaller);
        }
    }
    let used: BTreeSet<(Name, u32)> = used_versions(scenario);
    let mut smaller = scenario.clone();
    smaller.desired.task_definitions.retain(|it| used.contains(&(it.name.clone(), it.version)));
    smaller.builds.retain(|build| used.contains(&(build.task.clone(), build.version)));
    all.push(smaller);
    all
}

/// Gives how many tasks a service must have at least, lest what is expected of it makes no sense.
fn expected(scenario: &Scenario, service: &Name) -> u32 {
    let counts = scenario.expect.iter().filter_map(|it| {
        if let Expectation::MinHealthy { service: of, at_least: Some(count), .. }
        | Expectation::HealthyBy { service: of, count: Some(count), .. } = it
        {
            of.as_ref().is_none_or(|of| of == service).then_some(*count)
        } else {
            None
        }
    });
    counts.max().unwrap_or(1).max(1)
}

/// Gives the versions that a service has or is rolled to.
fn used_versions(scenario: &Scenario) -> BTreeSet<(Name, u32)> {
    let services = &scenario.desired.services;
    let task = |name: &Name| services.iter().find(|it| it.name == *name).map(|it| it.task_name.clone());
    let rolled = scenario.timeline.iter().filter_map(|happening| {
        let Action::SetService { service, set } = &happening.action else { return None };
        Some((task(service)?, set.task_version?))
    });
    services.iter().map(|service| (service.task_name.clone(), service.task_version)).chain(rolled).collect()
}

/// Has fewer builds that are not simply sound, and those sound in more ways.
fn builds(scenario: &Scenario, _: &Violation) -> Vec<Scenario> {
    let with = |builds: Vec<Build>| Scenario { builds, ..scenario.clone() };
    let mut all: Vec<Scenario> = without_each(&scenario.builds).into_iter().map(with).collect();
    for (index, build) in scenario.builds.iter().enumerate() {
        for sounder in sounder(build) {
            let mut builds = scenario.builds.clone();
            builds[index] = sounder;
            all.push(with(builds));
        }
    }
    all
}

/// Gives a build without each of its faults.
fn sounder(build: &Build) -> Vec<Build> {
    let (now, sound) = (build, Build::sound(build.task.clone(), build.version));
    let mut all = vec![
        Build { fails_to_start: false, ..now.clone() },
        Build { healthy_after: sound.healthy_after, ..now.clone() },
        Build { healthy_for: None, ..now.clone() },
        Build { exits_after: None, ..now.clone() },
        Build { completes_after: None, ..now.clone() },
        Build { fails_percent: 0, ..now.clone() },
        Build { ignores_term: false, ..now.clone() },
        Build { kills_agent_after: None, ..now.clone() },
        Build { kills_host_after: None, ..now.clone() },
        Build { limited: false, ..now.clone() },
        Build { from: Span(0), ..now.clone() },
        Build { leak_mib_per_minute: 0, ..now.clone() },
        Build { memory_repeats: false, ..now.clone() },
        Build { memory_percent: sound.memory_percent, ..now.clone() },
        Build { on_hosts_percent: 100, ..now.clone() },
        Build { start: sound.start, ..now.clone() },
        Build { stop: sound.stop, ..now.clone() },
    ];
    let curves = without_each(&now.memory_curve).into_iter();
    all.extend(curves.map(|memory_curve| Build { memory_curve, ..now.clone() }));
    all
}

/// Has fewer services that appear on the way, with nothing that speaks of them, and these with less to them.
fn appearing(scenario: &Scenario, _: &Violation) -> Vec<Scenario> {
    let mut all = Vec::new();
    for (index, happening) in scenario.timeline.iter().enumerate() {
        let Action::AddService { service: name, tasks, .. } = &happening.action else { continue };
        let mut without = scenario.clone();
        without.timeline.retain(|it| it.action.service() != Some(name));
        all.push(without);
        let less = less(*tasks, 1).into_iter().map(|tasks| (Some(tasks), false));
        for (fewer, is_light) in less.chain([(None, true)]) {
            let mut smaller = scenario.clone();
            let Action::AddService { tasks, memory, cpu_units, .. } = &mut smaller.timeline[index].action
            else {
                continue;
            };
            *tasks = fewer.unwrap_or(*tasks);
            (*memory, *cpu_units) = if is_light { (0, 0) } else { (*memory, *cpu_units) };
            all.push(smaller);
        }
    }
    all
}

/// Has fewer schedulers, and a store and registries with better manners.
fn manners(scenario: &Scenario, _: &Violation) -> Vec<Scenario> {
    let (now, good) = (&scenario.store, StoreManners::of(scenario.store.kind));
    let one_better = [
        StoreManners { latency: good.latency, ..now.clone() },
        StoreManners { watch_delay: good.watch_delay, ..now.clone() },
        StoreManners { lost_requests: good.lost_requests, ..now.clone() },
        StoreManners { lost_answers: good.lost_answers, ..now.clone() },
        StoreManners { repeated: good.repeated, ..now.clone() },
        StoreManners { late: good.late, ..now.clone() },
        StoreManners { deaf_watches: good.deaf_watches, ..now.clone() },
        StoreManners { cut_watches: good.cut_watches, ..now.clone() },
        StoreManners { lost_events: good.lost_events, ..now.clone() },
        StoreManners { rewound_watches: good.rewound_watches, ..now.clone() },
        StoreManners { doubled_events: good.doubled_events, ..now.clone() },
        StoreManners { delayed_events: good.delayed_events, ..now.clone() },
        StoreManners { reordered_events: good.reordered_events, ..now.clone() },
        StoreManners { session_slack: good.session_slack, ..now.clone() },
    ];
    let stores = [StoreManners::of(StoreKind::Memory), good].into_iter().chain(one_better);
    let mut all: Vec<Scenario> = stores.map(|store| Scenario { store, ..scenario.clone() }).collect();
    all.push(Scenario { registry: None, ..scenario.clone() });
    all.extend(
        less(scenario.schedulers, 1)
            .into_iter()
            .map(|schedulers| Scenario { schedulers, ..scenario.clone() }),
    );
    all
}

/// Expects less.
fn expectations(scenario: &Scenario, _: &Violation) -> Vec<Scenario> {
    without_each(&scenario.expect).into_iter().map(|expect| Scenario { expect, ..scenario.clone() }).collect()
}

/// Has rounder numbers.
fn numbers(scenario: &Scenario, _: &Violation) -> Vec<Scenario> {
    let mut all = vec![
        Scenario { ttl: Span::secs(15), ..scenario.clone() },
        Scenario { reaction: Span(0), ..scenario.clone() },
    ];
    for (index, happening) in scenario.timeline.iter().enumerate() {
        for to in [60_000, 10_000, 1_000] {
            let mut smaller = scenario.clone();
            smaller.timeline[index].at = Span(happening.at.0 / to * to);
            all.push(smaller);
        }
        for to in [10_000, 1_000] {
            let mut smaller = scenario.clone();
            if let Some(lasting) = smaller.timeline[index].action.lasting_mut() {
                *lasting = Span(lasting.0 / to * to);
                all.extend((lasting.0 > 0).then_some(smaller));
            }
        }
    }
    for index in 0..scenario.desired.task_definitions.len() {
        let mut smaller = scenario.clone();
        let definition = &mut smaller.desired.task_definitions[index];
        (definition.memory, definition.cpu_units) = (0, 0);
        all.push(smaller);
    }
    all
}

/// Gives the list without each of its parts: without all, each half, each quarter, and so on down to each one.
fn without_each<T: Clone>(list: &[T]) -> Vec<Vec<T>> {
    let (mut all, mut size) = (Vec::new(), list.len());
    while size > 0 {
        for start in (0..list.len()).step_by(size) {
            let end = (start + size).min(list.len());
            all.push([&list[..start], &list[end..]].concat());
        }
        size /= 2;
    }
    all
}

/// Gives smaller numbers: the least, one halfway, and the next.
fn less(number: u32, least: u32) -> Vec<u32> {
    let mut all = vec![least, least.midpoint(number), number.saturating_sub(1)];
    all.retain(|smaller| (least..number).contains(smaller));
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_service_has_fewer_tasks_than_are_expected_of_it() {
        let text = "name: it\nduration: 9m\nfleet: [{count: 2}]\ngenerate: [{prefix: web-, tasks: 8, max: 9}]\n\
            expect: [min_healthy web-001 >= 5]\n";
        let scenario = crate::read("it.yml", text.as_bytes()).expect("it is right");
        assert_eq!(expected(&scenario, &"web-001".into()), 5);
        assert_eq!(expected(&scenario, &"api-001".into()), 1);
    }

    #[test]
    fn builds_become_sound_fault_by_fault() {
        let sound = Build::sound("web".into(), 2);
        let bad = Build { ignores_term: true, healthy_after: None, ..sound.clone() };
        let all = sounder(&bad);
        assert!(all.contains(&Build { ignores_term: false, ..bad.clone() }));
        assert!(all.contains(&Build { healthy_after: sound.healthy_after, ..bad }));
        assert!(sounder(&sound).iter().all(|it| *it == sound));
    }

    #[test]
    fn services_that_appear_go_with_all_that_speaks_of_them() {
        let text = "name: it\nduration: 9m\nfleet: [{count: 2}]\ngenerate: [{prefix: web-, tasks: 2}]\ntimeline:\n\
            - {at: 1m, do: add_service, service: late, tasks: 4, memory: 64}\n\
            - {at: 2m, do: apply}\n- {at: 3m, do: delete_service, service: late}\n";
        let scenario = crate::scenario::read("it.yml", text.as_bytes()).expect("it is right");
        let broken = Violation { promise: "L1".into(), at: Span(0), what: String::new(), seed: 1 };
        let lengths: Vec<usize> = appearing(&scenario, &broken).iter().map(|it| it.timeline.len()).collect();
        assert_eq!(lengths, [1, 3, 3, 3, 3], "gone; of 1, 2 and 3 tasks; with nothing reserved");
    }

    #[test]
    fn lists_lose_all_then_halves_then_each() {
        assert_eq!(without_each(&[1, 2, 3]), [vec![], vec![2, 3], vec![1, 3], vec![1, 2]]);
        assert_eq!(without_each::<u8>(&[]), Vec::<Vec<u8>>::new());
        assert_eq!((less(9, 1), less(2, 1), less(1, 1)), (vec![1, 5, 8], vec![1], vec![]));
    }
}
