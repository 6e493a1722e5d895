//! What was decided, what had to move, and what waited.

use super::numbers::{count, figure, names};
use super::story::at;
use crate::recording::{Decision, Kind, Recording};
use callboard_core::machine::Time;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// How many moves are listed.
const MOVES: usize = 200;

/// Lists what waited for a place.
pub(super) fn waits(recording: &Recording) -> Markup {
    html! {
        section {
            h2 { "What waited, and why" }
            @if recording.waits.is_empty() {
                p.note { "Nothing: every task that was wanted found a place at once." }
            } @else {
                table {
                    thead { tr {
                        th { "service" } th.n { "tasks" } th { "from" } th { "until" } th { "why" }
                    } }
                    tbody {
                        @for wait in &recording.waits {
                            tr {
                                td { (wait.service) }
                                td.n { (wait.most) }
                                td.t { (at(wait.from)) }
                                td.t { (wait.until.map_or("the end".into(), at)) }
                                td { (wait.why) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Lists what had to go elsewhere.
pub(super) fn moves(recording: &Recording) -> Markup {
    if recording.moves.is_empty() {
        return html! {};
    }
    let all = recording.moves.len() as u64 + recording.more_moves;
    let mut whys: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for moved in &recording.moves {
        let why = moved.why.split(':').next().unwrap_or_default();
        *whys.entry((why, &moved.service)).or_default() += 1;
    }
    let mut whys: Vec<((&str, &str), u64)> = whys.into_iter().collect();
    whys.sort_by_key(|(key, count)| (std::cmp::Reverse(*count), *key));
    html! {
        section {
            h2 { "What had to move" }
            table {
                thead { tr { th { "why" } th { "service" } th.n { "tasks" } } }
                tbody {
                    @for ((why, service), tasks) in whys.iter().take(30) {
                        tr { td { (why) } td { (service) } td.n { (figure(*tasks)) } }
                    }
                }
            }
            @if whys.len() > 30 { p.note { "and " (whys.len() - 30) " more" } }
            details {
                summary { "Each move (" (figure(all)) ")" }
                table {
                    thead { tr { th { "when" } th { "task" } th { "away from" } th { "why" } } }
                    tbody {
                        @for moved in recording.moves.iter().take(MOVES) {
                            tr {
                                td.t { (at(moved.at)) } td { (moved.id) } td { (moved.host) } td { (moved.why) }
                            }
                        }
                    }
                }
                @if all > MOVES as u64 { p.note { "and " (figure(all - MOVES as u64)) " more" } }
            }
        }
    }
}

/// Lists what was decided.
pub(super) fn decisions(recording: &Recording) -> Markup {
    html! {
        section {
            h2 { "Decisions" }
            details {
                summary {
                    (count(recording.decisions.len() as u64, "line", "lines"))
                    ", what is alike within " (recording.width) " in one"
                }
                table {
                    thead { tr { th { "when" } th { "what" } } }
                    tbody {
                        @for decision in &recording.decisions {
                            tr class=(class(decision.kind)) {
                                td.t { (at(Time(decision.at.0))) } td { (words(decision)) }
                            }
                        }
                    }
                }
                @if recording.more_decisions > 0 {
                    p.note { "and " (figure(recording.more_decisions)) " more" }
                }
            }
        }
    }
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Lost | Kind::Braked | Kind::Blocked | Kind::BadRecord => "bad",
        Kind::Suspect | Kind::MoveRequested | Kind::Store => "busy",
        Kind::Rollout | Kind::Placed | Kind::Stopped | Kind::Ready | Kind::Lock => "",
    }
}

/// Says what was decided, of several alike how many and whom.
pub(super) fn words(decision: &Decision) -> String {
    let number = u64::from(decision.count);
    if number == 1 {
        return decision.first.clone();
    }
    let named = names(&decision.named, number.max(decision.named.len() as u64));
    match decision.kind {
        Kind::Suspect => format!("{} hosts: no sign of life: {named}", figure(number)),
        Kind::Lost => format!("{} hosts are lost: {named}", figure(number)),
        Kind::Ready => format!("{} hosts are ready: {named}", figure(number)),
        Kind::Rollout
        | Kind::Placed
        | Kind::Stopped
        | Kind::Blocked
        | Kind::Braked
        | Kind::Lock
        | Kind::MoveRequested
        | Kind::Store
        | Kind::BadRecord => format!("{} (and {} more alike)", decision.first, figure(number - 1)),
    }
}
