//! What a run did, as one page for people who were not there: the verdict first, then what happened, in words and drawn.
//!
//! **Invariant:** the same runs give the same bytes, on every machine; the page needs no network and no script.

mod axis;
mod decisions;
mod facts;
mod fleet;
mod foreword;
mod numbers;
mod overview;
mod services;
mod story;
mod svg;

use crate::promise::{PROMISES, Promise, Shown};
use crate::recording::Recording;
use crate::run::Outcome;
use crate::scenario::Scenario;
use axis::Axis;
use callboard_core::machine::Time;
pub use foreword::{Foreword, Table};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use numbers::figure;

/// A run and what was run. The page shows what happened over time where the outcome has a recording.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// What was run.
    pub scenario: &'a Scenario,
    /// How it went.
    pub outcome: &'a Outcome,
}

const STYLE: &str = include_str!("report/style.css");

/// Writes a page about some runs. Those that failed come first.
#[must_use]
pub fn report(runs: &[Told<'_>]) -> String {
    let order = failed_first(runs);
    let failed = runs.iter().filter(|told| !told.outcome.passed).count();
    let title = match order.as_slice() {
        [only] => format!("{}: {}", only.outcome.scenario, word(only.outcome.passed)),
        _ => format!("{} rehearsals: {} passed, {failed} failed", runs.len(), runs.len() - failed),
    };
    let top = html! { @if order.len() > 1 { (index(&order, &title)) } };
    page(&title, &top, &order)
}

/// Writes a page that gives an answer, and then some of the runs that it rests on, in their order.
#[must_use]
pub fn answer(foreword: &Foreword, runs: &[Told<'_>]) -> String {
    let order: Vec<&Told<'_>> = runs.iter().collect();
    page(&foreword.title, &foreword.show(), &order)
}

fn failed_first<'a, 'b>(runs: &'a [Told<'b>]) -> Vec<&'a Told<'b>> {
    let mut order: Vec<&Told<'_>> = runs.iter().collect();
    order.sort_by_key(|told| told.outcome.passed);
    order
}

fn page(title: &str, top: &Markup, order: &[&Told<'_>]) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (top)
                @for (number, told) in order.iter().enumerate().filter(|(_, told)| is_shown(told)) {
                    (section(number, told))
                }
                footer { "Written by callboard. The same inputs and seed give this very page again." }
            }
        }
    };
    page.into_string()
}

fn word(passed: bool) -> &'static str {
    if passed { "passed" } else { "failed" }
}

fn badge(passed: bool) -> Markup {
    html! {
        span class=(if passed { "badge good" } else { "badge bad" }) {
            (if passed { "✓ passed" } else { "✗ failed" })
        }
    }
}

/// Tells whether a run has a part of its own: it failed, or what it looked like over time was kept.
fn is_shown(told: &Told<'_>) -> bool {
    !told.outcome.passed || told.outcome.recording.is_some()
}

/// Lists all runs, where there are several.
fn index(order: &[&Told<'_>], title: &str) -> Markup {
    html! {
        header {
            h1 { (title) }
            table {
                thead { tr {
                    th { "scenario" } th { "seed" } th { "verdict" } th { "broken" }
                    th.n { "hosts" } th.n { "placements" } th.n { "moves" } th.n { "recovery" }
                } }
                tbody {
                    @for (number, told) in order.iter().enumerate() {
                        @let outcome = told.outcome;
                        tr {
                            td {
                                @if is_shown(told) { a href=(format!("#run-{number}")) { (outcome.scenario) } }
                                @else { (outcome.scenario) }
                            }
                            td { (outcome.seed) }
                            td { (badge(outcome.passed)) }
                            td { (broken(outcome).join(", ")) }
                            td.n { (figure(outcome.hosts as u64)) }
                            td.n { (figure(outcome.stats.placements)) }
                            td.n { (figure(outcome.stats.moves)) }
                            td.n { (outcome.recovery.map_or("–".into(), |span| span.to_string())) }
                        }
                    }
                }
            }
        }
    }
}

/// Names the promises that were broken, each once.
fn broken(outcome: &Outcome) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for violation in &outcome.violations {
        if !names.contains(&violation.promise) {
            names.push(violation.promise.clone());
        }
    }
    names
}

fn section(number: usize, told: &Told<'_>) -> Markup {
    let outcome = told.outcome;
    let recording = outcome.recording.as_ref();
    html! {
        article id=(format!("run-{number}")) {
            h1 { (outcome.scenario) " " (badge(outcome.passed)) }
            @if !told.scenario.description.is_empty() { p.lead { (told.scenario.description) } }
            @if !outcome.violations.is_empty() { (violations(outcome)) }
            (story::story(told))
            p.again { "To see it again: " code { (&outcome.again) } }
            (facts::figures(told))
            @if let Some(recording) = recording { (over_time(told, recording)) }
            (facts::expectations(outcome))
            (facts::stops(outcome))
            (promises(outcome))
        }
    }
}

fn over_time(told: &Told<'_>, recording: &Recording) -> Markup {
    let axis = Axis::new(told.outcome.simulated, recording.width);
    html! {
        (overview::overview(&axis, recording))
        (story::recoveries(recording))
        (services::services(&axis, told.outcome, recording))
        (fleet::fleet(&axis, recording))
        (decisions::waits(recording))
        (decisions::moves(recording))
        (decisions::decisions(recording))
    }
}

fn violations(outcome: &Outcome) -> Markup {
    html! {
        section class="broken" {
            h2 { "What was broken" }
            table {
                thead { tr { th { "when" } th { "promise" } th { "says" } th { "seen" } } }
                tbody {
                    @for violation in &outcome.violations {
                        tr {
                            td.t { (story::at(Time(violation.at.0))) }
                            td.k { b { (violation.promise) } }
                            td { (said(&violation.promise).unwrap_or("expected by the scenario")) }
                            td { (violation.what) }
                        }
                    }
                }
            }
        }
    }
}

/// Says what a promise says; `min` is what a rehearsal adds to them.
fn said(number: &str) -> Option<&'static str> {
    if number == "min" {
        return Some("no service has fewer healthy tasks than its `min`");
    }
    PROMISES.iter().find(|promise| promise.number == number).map(|promise| promise.what)
}

fn promises(outcome: &Outcome) -> Markup {
    let names = broken(outcome);
    let is_checked = |promise: &&Promise| matches!(promise.shown, Shown::Checked(_));
    let checked: Vec<&Promise> = PROMISES.iter().filter(is_checked).collect();
    html! {
        section {
            h2 { "Promises that were watched over" }
            p.note {
                "Checked after every event, on what really was so and not on what the scheduler believed."
            }
            ul class="promises" {
                @for promise in checked {
                    @let kept = !names.iter().any(|name| name == promise.number);
                    li class=(if kept { "kept" } else { "bad" }) {
                        (if kept { "✓ " } else { "✗ " }) b { (promise.number) } " " (promise.what)
                    }
                }
            }
        }
    }
}
