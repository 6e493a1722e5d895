//! What is drawn of fleets that have not room for all that is wanted of them, where the important takes the place of what is
//! less so; and of hosts that are drained for good. It is drawn apart from all else, so that a world without any of it is
//! what it was.

use super::faults;
use crate::rng::Chance;
use crate::scenario::{Action, Fault, FaultKind, Happening, HostFault, Hosts, On, Scenario};
use callboard_core::machine::Span;
use callboard_core::model::{Kind, Service};

/// Draws all of it.
pub(super) fn draw(chance: &mut Chance, scenario: &mut Scenario) {
    want(chance, scenario);
    if chance.happens(100_000) && scenario.hosts() > 2 {
        let latest = Span(scenario.duration.0.saturating_sub(scenario.settle.0));
        let at = chance.span(Span::secs(60), latest);
        let drain = FaultKind::Host(HostFault::Drain);
        let action = Action::Fault(Fault::new(drain, On::Hosts(Hosts::Count(1))));
        scenario.timeline.push(Happening { at, action });
    }
}

/// Leaves some worlds with less memory than their services want.
fn want(chance: &mut Chance, scenario: &mut Scenario) {
    if !chance.happens(200_000) {
        return;
    }
    let desired = &mut scenario.desired;
    let memory = |service: &Service| {
        let mut of_service = desired.task_definitions.iter().filter(|it| it.name == service.task_name);
        of_service.next().map_or(0, |definition| definition.memory)
    };
    let plain = || desired.services.iter().filter(|service| service.kind == Kind::Service);
    let wanted: u64 = plain().map(|service| u64::from(service.desired) * memory(service)).sum();
    let largest = desired.task_definitions.iter().map(|definition| definition.memory).max().unwrap_or(0);
    if wanted == 0 || desired.services.len() < 2 || plain().count() < desired.services.len() {
        return;
    }
    let each = wanted * chance.between(50, 95) / 100 / (scenario.hosts().max(1) as u64);
    for class in &mut scenario.fleet {
        class.memory = each.max(largest);
    }
    let desired = &mut scenario.desired;
    for service in &mut desired.services {
        service.preempt = chance.happens(700_000);
        let priority = u8::try_from(chance.below(101)).unwrap_or(50);
        let own = desired.task_definitions.iter_mut().filter(|it| it.name == service.task_name);
        own.for_each(|definition| definition.priority = priority);
    }
    // What agents keep when a store has lost what is wanted takes the room of what is wanted then.
    scenario.timeline.retain(|happening| !faults::loses_records(&happening.action));
}
