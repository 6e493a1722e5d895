//! Key figures, stops by reason, and what was expected beside what was measured.

use super::Told;
use super::numbers::{count, figure};
use crate::run::Outcome;
use maud::{Markup, html};

/// Shows the key figures.
pub(super) fn figures(told: &Told<'_>) -> Markup {
    let (outcome, stats) = (told.outcome, &told.outcome.stats);
    let recoveries = outcome.recording.as_ref().map(|recording| recording.aftermaths());
    let recovery = recoveries.and_then(|all| all.iter().filter_map(|one| one.recovery).max());
    let figures = [
        (figure(outcome.hosts as u64), "hosts"),
        (figure(stats.services.len() as u64), "services"),
        (outcome.simulated.to_string(), "simulated"),
        (figure(stats.placements), "placements"),
        (figure(stats.moves), "moves"),
        (figure(stats.restarts), "restarts in place"),
        (figure(stats.out_of_memory), "killed for memory"),
        (figure(stats.peak_unplaced.max(stats.unplaced())), "without a place at most"),
        (recovery.or(outcome.recovery).map_or("–".into(), |span| span.to_string()), "slowest recovery"),
        (figure(outcome.events), "events"),
    ];
    html! {
        section {
            dl class="figures" {
                @for (value, name) in &figures { div { dd { (value) } dt { (name) } } }
            }
            p.note {
                "seed " (outcome.seed) " · store " (outcome.store) " · hash "
                code { (format!("{:016x}", outcome.hash)) } ": the same on every machine"
            }
        }
    }
}

/// Shows why tasks were stopped.
pub(super) fn stops(outcome: &Outcome) -> Markup {
    let stops = &outcome.stats.stops;
    if stops.is_empty() {
        return html! {};
    }
    let most = stops.values().max().copied().unwrap_or(1).max(1);
    html! {
        section {
            h2 { "Why tasks were told to stop" }
            table class="bars" {
                tbody {
                    @for (why, number) in stops {
                        tr {
                            td { (why) }
                            td.n { (figure(*number)) }
                            td.bar { div style=(format!("width:{}%", (number * 100 / most).max(1))) {} }
                        }
                    }
                }
            }
        }
    }
}

/// Shows what was expected and what was measured.
pub(super) fn expectations(outcome: &Outcome) -> Markup {
    if outcome.expected.is_empty() {
        return html! {};
    }
    let met = outcome.expected.iter().filter(|judged| judged.met == Some(true)).count();
    html! {
        section {
            h2 { "What was expected" }
            p.note { (met) " of " (count(outcome.expected.len() as u64, "expectation", "expectations")) " met" }
            table {
                thead { tr { th {} th { "expected" } th { "measured" } } }
                tbody {
                    @for judged in &outcome.expected {
                        tr class=(if judged.met == Some(false) { "bad" } else { "" }) {
                            td { (mark(judged.met)) } td { (judged.what) } td { (judged.measured) }
                        }
                    }
                }
            }
        }
    }
}

fn mark(met: Option<bool>) -> &'static str {
    match met {
        Some(true) => "✓",
        Some(false) => "✗",
        None => "–",
    }
}
