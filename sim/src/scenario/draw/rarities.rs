//! What few worlds suffer: a slow store, watches that tell out of order, records that somebody overwrites or that a later
//! version writes, users who drain many machines and take it back, and tasks that may take long to end. It is drawn apart
//! from all else, so that a world without any of it is what it was.

use super::number;
use crate::rng::Chance;
use crate::scenario::{
    Action, Fault, FaultKind, Happening, HostFault, Hosts, On, Scenario, ServiceFault, StoreFault, StoreKind,
    WayFault,
};
use callboard_core::machine::Span;
use callboard_core::model::Name;
use std::collections::BTreeMap;

/// Draws how patient task definitions are: how long what is told to stop may take, and how many checks in a row must pass.
pub(super) fn patience(chance: &mut Chance, scenario: &mut Scenario) {
    if !chance.happens(200_000) {
        return;
    }
    let mut drawn = BTreeMap::new();
    for definition in &mut scenario.desired.task_definitions {
        let most = if chance.coin() { 3 } else { 60 };
        // All versions alike, so that a rollout is not hurried by a new one.
        let (timeout, passes) = *drawn
            .entry(definition.name.clone())
            .or_insert_with(|| (Span::secs(chance.between(1, most)), number(chance.between(1, 3))));
        definition.kill_timeout = timeout;
        definition.checks.iter_mut().for_each(|check| check.success_threshold = passes);
    }
}

/// Draws what happens.
pub(super) fn happenings(chance: &mut Chance, scenario: &mut Scenario) {
    let latest = Span(scenario.duration.0.saturating_sub(scenario.settle.0 + 180_000));
    let at = |chance: &mut Chance, ppm: u32| {
        let happens = chance.happens(ppm);
        happens.then(|| chance.span(Span::secs(60), latest))
    };
    if let Some(at) = at(chance, 80_000) {
        let (size, lasting) = (chance.between(2, 100), chance.span(Span::secs(5), Span::secs(120)));
        happens(scenario, at, Fault { size, lasting: Some(lasting), ..Fault::store(StoreFault::Slow) });
    }
    if let Some(at) = at(chance, 80_000)
        && scenario.store.kind != StoreKind::Embedded
    {
        let (size, lasting) = (chance.between(10_000, 300_000), chance.span(Span::secs(5), Span::secs(60)));
        let reorder = Fault::new(FaultKind::Way(WayFault::ReorderEvents), On::All);
        happens(scenario, at, Fault { size, lasting: Some(lasting), ..reorder });
    }
    if let Some(at) = at(chance, 40_000)
        && let Some(service) = one(chance, scenario)
    {
        happens(scenario, at, Fault::new(FaultKind::Service(ServiceFault::Corrupt), On::Service(service)));
        let noticed = chance.span(Span::secs(1), Span::secs(120));
        happens(scenario, Span(at.0 + noticed.0), Fault::store(StoreFault::Apply));
    }
    if let Some(at) = at(chance, 40_000)
        && let Some(service) = one(chance, scenario)
    {
        let renew = Fault::new(FaultKind::Service(ServiceFault::Renew), On::Service(service));
        let lasting = Some(chance.span(Span::secs(1), Span::secs(120)));
        happens(scenario, at, Fault { lasting, ..renew });
    }
    if let Some(at) = at(chance, 40_000) {
        let drain = Fault::new(FaultKind::Host(HostFault::Drain), On::Hosts(Hosts::Percent(60)));
        happens(scenario, at, drain);
        let regretted = chance.span(Span::secs(1), Span::secs(120));
        let undrain = Fault::new(FaultKind::Host(HostFault::Undrain), On::Hosts(Hosts::Percent(100)));
        happens(scenario, Span(at.0 + regretted.0), undrain);
    }
}

fn happens(scenario: &mut Scenario, at: Span, fault: Fault) {
    scenario.timeline.push(Happening { at, action: Action::Fault(fault) });
}

/// Draws a service.
fn one(chance: &mut Chance, scenario: &Scenario) -> Option<Name> {
    let services = &scenario.desired.services;
    let at = usize::try_from(chance.below(services.len().max(1) as u64)).unwrap_or(0);
    services.get(at).map(|service| service.name.clone())
}

#[cfg(test)]
mod tests {
    use crate::scenario::{Action, FaultKind, Profile, TABLE, draw};
    use std::collections::BTreeSet;

    #[test]
    fn all_that_can_go_wrong_is_drawn() {
        let mut drawn = BTreeSet::new();
        for scenario in (0..3_000).map(|seed| draw(Profile::Tiny, seed)) {
            drawn.extend(scenario.trickle.iter().map(|trickle| trickle.fault.name()));
            drawn.extend(scenario.timeline.iter().filter_map(|happening| {
                let Action::Fault(fault) = &happening.action else { return None };
                Some(fault.kind.name())
            }));
            drawn.extend(TABLE.iter().filter_map(|row| {
                let FaultKind::Way(fault) = row.kind else { return None };
                let mut worse = scenario.store.clone();
                worse.worsen(fault, 1);
                (worse == scenario.store).then_some(row.name)
            }));
        }
        let missing: Vec<&str> =
            TABLE.iter().map(|row| row.name).filter(|name| !drawn.contains(name)).collect();
        assert!(missing.is_empty(), "never drawn: {missing:?}");
    }
}
