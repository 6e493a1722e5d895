//! What is drawn of users who change their minds: how patient clusters are, services and clusters that are deleted and
//! written again, moved, made of another kind, stopped and started, and tried again. It is drawn apart from all else, so
//! that a world without any of it is what it was.

use crate::rng::Chance;
use crate::scenario::{Action, Fault, FaultKind, Happening, On, Scenario, ServiceChange, ServiceFault};
use callboard_core::machine::Span;
use callboard_core::model::{Kind, Name};

/// Draws all of it.
pub(super) fn draw(chance: &mut Chance, scenario: &mut Scenario) {
    if chance.happens(200_000) {
        for cluster in &mut scenario.desired.clusters {
            cluster.host_grace = Span::secs(chance.between(10, 60));
        }
    }
    if !chance.happens(250_000) {
        return;
    }
    let latest = Span(scenario.duration.0.saturating_sub(scenario.settle.0 + 130_000));
    let services: Vec<(Name, Kind)> =
        scenario.desired.services.iter().map(|service| (service.name.clone(), service.kind)).collect();
    for (service, _) in services {
        change(chance, scenario, service, latest);
    }
}

/// Draws what users do to one service, mostly once.
fn change(chance: &mut Chance, scenario: &mut Scenario, service: Name, latest: Span) {
    let at = chance.span(Span::secs(60), latest);
    let lasting = chance.coin().then(|| chance.span(Span::secs(1), Span::secs(120)));
    let fault = |kind, lasting| {
        let fault = Fault::new(FaultKind::Service(kind), On::Service(service.clone()));
        Action::Fault(Fault { lasting, ..fault })
    };
    let set = |set| Action::SetService { service: service.clone(), set };
    let mut happens = |at: Span, action: Action| scenario.timeline.push(Happening { at, action });
    match chance.below(6) {
        0 => happens(at, fault(ServiceFault::Delete, lasting)),
        1 => happens(at, fault(ServiceFault::DeleteCluster, lasting)),
        2 => happens(at, fault(ServiceFault::Move, None)),
        3 => happens(at, fault(ServiceFault::Convert, None)),
        4 => {
            let stopped = |stopped| ServiceChange { stopped: Some(stopped), ..ServiceChange::default() };
            happens(at, set(stopped(true)));
            let again = lasting.map(|lasting| Span(at.0 + lasting.0));
            again.into_iter().for_each(|again| happens(again, set(stopped(false))));
        }
        _ => happens(at, set(ServiceChange { retry: Some(1), ..ServiceChange::default() })),
    }
}
