//! What few worlds begin with: a service of which nothing works yet, since its first version never does. Nobody can tell
//! then whether that is the version's fault.

use crate::build::Build;
use crate::rng::Chance;
use crate::scenario::Scenario;
use callboard_core::machine::Span;
use callboard_core::model::{Kind, Service};

/// How many worlds of a million have one.
const WORLDS: u32 = 60_000;

/// Breaks the version that one of the services begins with. What runs to its end is no such service.
pub(super) fn draw(chance: &mut Chance, scenario: &mut Scenario) {
    if !chance.happens(WORLDS) {
        return;
    }
    let lasts = |service: &&Service| !matches!(service.kind, Kind::Batch(_));
    let services: Vec<&Service> = scenario.desired.services.iter().filter(lasts).collect();
    let at = usize::try_from(chance.below(services.len() as u64)).unwrap_or(0);
    let Some(service) = services.get(at) else { return };
    let mut build = Build::sound(service.task_name.clone(), service.task_version);
    match chance.below(4) {
        0 => build.healthy_after = None,
        1 => build.fails_to_start = true,
        2 => build.exits_after = Some(chance.span(Span(100), Span::secs(20))),
        _ => build.healthy_for = Some(chance.span(Span::secs(5), Span::secs(60))),
    }
    scenario.builds.push(build);
}
