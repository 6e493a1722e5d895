//! What an apply would do: the change to the configuration is computed as for an apply, and then tried by the simulator
//! on a copy of what is stored. Nothing is written.

use crate::change;
use crate::problem::Problem;
use crate::rehearse::{Counts, Live, Steps, key_and_value};
use crate::views::{self, Blocked, Board, Planned, ServiceView};
use callboard_backends::Store;
use callboard_core::config::{Configuration, Sourced};
use callboard_core::machine::Span;
use callboard_core::model::Name;
use callboard_sim::{Proposal, Rehearsal, rehearse};

/// How far into the future is looked at most, in pretended time.
const HORIZON: Span = Span::secs(2 * 3600);

/// Rehearses an apply.
pub(crate) async fn plan(store: &dyn Store, wanted: &Sourced<Configuration>) -> Result<Planned, Problem> {
    let live = Live::fetch(store, "").await?;
    let desired = live.desired();
    let writes = desired.writes(wanted)?;
    let applied = change::summary(&desired.stored, &writes);
    if applied.changes.iter().all(|change| change.change == "unchanged") {
        let outcome = Some("nothing would change".into());
        let blocked = given_up(&live, &applied.services);
        return Ok(Planned { applied, outcome, blocked, ..Planned::default() });
    }
    let change = writes.into_iter().map(key_and_value).collect();
    let proposal = Proposal { change, until: HORIZON, ..Proposal::default() };
    let rehearsed = tokio::task::spawn_blocking(move || rehearse(&live.entries, &proposal, 0));
    let rehearsal = rehearsed.await.map_err(|error| {
        Problem::failed(format!("the rehearsal broke down: {error}"))
            .hint("this is a defect; `callboard apply --dry-run` tells at least what would change in the configuration")
    })?;
    let steps = Steps::of(&rehearsal);
    Ok(Planned {
        steps: steps.lines(),
        outcome: Some(outcome(&rehearsal, &steps, &applied.services)),
        blocked: blocked(&rehearsal),
        applied,
    })
}

/// Tells of the services that are given up as they are, which to apply the same again does not try again.
fn given_up(live: &Live, services: &[String]) -> Vec<String> {
    let mut board = Board::default();
    board.take(&live.entries);
    let known = services.iter().filter_map(|name| board.services.get(name.as_str()));
    let views = known.map(|service| views::service(&board, service, &Blocked::new()));
    let line = |view: ServiceView| {
        let ServiceView { name, version, failure, .. } = view;
        let why = failure?;
        Some(format!(
            "{name}: version {version} was given up: {why}; `callboard start {name}` tries it again"
        ))
    };
    views.filter_map(line).collect()
}

fn outcome(rehearsal: &Rehearsal, steps: &Steps, services: &[String]) -> String {
    let Counts { moved, started, stopped } = steps.counts();
    let done = match moved {
        0 => format!("{started} tasks would be started and {stopped} stopped"),
        _ => format!("{moved} tasks would be moved, {started} started and {stopped} stopped"),
    };
    let settled = Span::secs(rehearsal.settled_after.0.div_ceil(1000));
    let mut lines = vec![format!("{done}, all within {settled}")];
    // A change of hosts names no service and may concern any.
    let concerned = |name: &&Name| services.is_empty() || services.iter().any(|service| **service == ***name);
    for name in rehearsal.healthy.keys().filter(concerned) {
        let healthy = rehearsal.healthy.get(name).copied().unwrap_or(0);
        let least = rehearsal.least_healthy.get(name).copied().unwrap_or(0);
        lines.push(format!("{name}: {healthy} healthy in the end, never fewer than {least} on the way"));
    }
    lines.join("\n")
}

fn blocked(rehearsal: &Rehearsal) -> Vec<String> {
    let blocked = rehearsal.blocked.iter();
    let mut lines: Vec<String> = blocked
        .map(|(service, missing, why)| match why.as_str() {
            "" => format!(
                "{service}: {missing} would not be placed by Callboard's own scheduler; where its cluster names another \
                 one, nobody here can tell what that one does"
            ),
            why => format!("{service}: {missing} would not be placed: {why}"),
        })
        .collect();
    let failed = rehearsal.failed.iter();
    lines.extend(failed.map(|(service, why)| format!("{service}: the rollout would be given up: {why}")));
    if rehearsal.unsettled {
        lines.push(format!("tasks would still be started and stopped after {HORIZON}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use callboard_sim::Moved;

    #[test]
    fn a_rehearsal_in_words() {
        let rehearsal = Rehearsal {
            started: vec![("c-web-2-0".into(), "h1".into())],
            stopped: vec![("c-web-1-0".into(), "h2".into(), "replaced by version 2".into())],
            blocked: vec![("api".into(), 2, "there is no host".into())],
            healthy: [("web".into(), 4)].into(),
            least_healthy: [("web".into(), 3)].into(),
            settled_after: Span::secs(40),
            ..Rehearsal::default()
        };
        let words = |rehearsal: &Rehearsal| outcome(rehearsal, &Steps::of(rehearsal), &["web".into()]);
        assert_eq!(
            words(&rehearsal),
            "1 tasks would be started and 1 stopped, all within 40s\n\
             web: 4 healthy in the end, never fewer than 3 on the way"
        );
        let drained = Rehearsal { moved: vec![Moved { stopped: 0, started: 0 }], ..rehearsal.clone() };
        assert!(
            words(&drained).starts_with("1 tasks would be moved, 0 started and 0 stopped, all within 40s")
        );
        assert_eq!(blocked(&rehearsal), ["api: 2 would not be placed: there is no host"]);
    }
}
