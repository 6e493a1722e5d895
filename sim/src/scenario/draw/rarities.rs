//! What few worlds suffer: a slow store, watches that tell out of order, records that somebody overwrites or that a later
//! version writes, and users who drain many machines and take it back. It is drawn apart from all else, so that a world
//! without any of it is what it was.

use crate::rng::Chance;
use crate::scenario::{
    Action, Fault, FaultKind, Happening, HostFault, Hosts, On, Scenario, ServiceFault, StoreFault, StoreKind,
    WayFault,
};
use callboard_core::machine::Span;
use callboard_core::model::Name;

/// Draws all of it.
pub(super) fn draw(chance: &mut Chance, scenario: &mut Scenario) {
    let latest = Span(scenario.duration.0.saturating_sub(scenario.settle.0 + 180_000));
    let mut at = |chance: &mut Chance, ppm: u32| {
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
        happens(scenario, at, Fault::new(FaultKind::Service(ServiceFault::Renew), On::Service(service)));
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
