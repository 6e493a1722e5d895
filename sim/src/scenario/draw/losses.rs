//! What is drawn of worlds in which much goes down at once, or what had worked takes down what starts it. It is drawn apart
//! from all else, so that a world without any of it is what it was.

use crate::build::Build;
use crate::rng::Chance;
use crate::scenario::{Action, Fault, Happening, HostFault, Hosts, Scenario};
use callboard_core::machine::Span;
use callboard_core::model::Kind;

/// Draws all of it.
pub(super) fn draw(chance: &mut Chance, scenario: &mut Scenario) {
    let latest = Span(scenario.duration.0.saturating_sub(scenario.settle.0 + 180_000));
    if chance.happens(150_000) {
        let at = chance.span(Span::secs(60), latest);
        let kind = if chance.coin() { HostFault::Crash } else { HostFault::Cut };
        let share = Hosts::Percent(if chance.coin() { 50 } else { 75 });
        let fault = Fault::hosts(kind, share, chance.span(Span::secs(45), Span::secs(180)));
        scenario.timeline.push(Happening { at, action: Action::Fault(fault) });
    }
    if chance.happens(120_000) {
        turn(chance, scenario, latest);
    }
}

/// Makes the version that a service runs poison from some time on.
fn turn(chance: &mut Chance, scenario: &mut Scenario, latest: Span) {
    let services = &scenario.desired.services;
    let has_build =
        |task: &str| scenario.builds.iter().any(|build| *build.task == *task && build.version == 1);
    let plain = |kind: Kind| !matches!(kind, Kind::Batch(_));
    let Some(service) = services.iter().find(|it| plain(it.kind) && !has_build(&it.task_name)) else {
        return;
    };
    let sound = Build::sound(service.task_name.clone(), service.task_version);
    let (from, after) = (chance.span(Span::secs(60), latest), Some(chance.span(Span(1), Span::secs(8))));
    scenario.builds.push(if chance.coin() {
        Build { from, kills_agent_after: after, ..sound }
    } else {
        Build { from, kills_host_after: after, ..sound }
    });
}
