//! Each service over time: how many tasks were healthy, and how many it wants.

use super::axis::{Axis, LEFT, TICKS, WIDTH};
use super::numbers::{count, figure};
use super::svg::{Svg, Tenths, units};
use crate::recording::{Point, Recording, ServiceRecording};
use crate::run::Outcome;
use maud::{Markup, PreEscaped, html};
use std::cmp::Reverse;
use std::fmt::Write;

/// How many services are drawn.
const DRAWN: usize = 8;
/// How many are listed.
const LISTED: usize = 200;
const HEIGHT: u64 = 84;
const TOP: u64 = 6;

/// Draws those services that fared worst, and lists all.
pub(super) fn services(axis: &Axis, outcome: &Outcome, recording: &Recording) -> Markup {
    let mut order: Vec<(&str, &ServiceRecording)> =
        recording.services.iter().map(|(name, service)| (&**name, service)).collect();
    let share = |healthy: u32, wanted: u32| u64::from(healthy) * 1_000 / u64::from(wanted.max(1));
    let depth = |service: &ServiceRecording| match (service.full_at, service.points.last()) {
        (None, Some(last)) if last.wanted > 0 => share(last.healthy, last.wanted),
        (_, _) => service.deepest().map_or(1_000, |dip| share(dip.low, dip.wanted)),
    };
    order.sort_by_key(|(name, service)| (depth(service), Reverse(service.dips.len()), *name));
    let drawn = order.len().min(DRAWN);
    html! {
        section {
            h2 { "Services" }
            p.note {
                span class="key k-healthy" {} "healthy "
                span class="key k-short" {} "missing: wanted, and not healthy "
                span class="key k-wanted" {} "wanted "
                span class="key k-min" {} "min: never fewer by our own doing "
                span class="key k-fault" {} "something is wrong "
                @if drawn < order.len() {
                    "· the " (drawn) " that fared worst of " (figure(order.len() as u64))
                }
            }
            @for (name, service) in order.iter().take(DRAWN) {
                figure {
                    figcaption { b { (name) } " " (caption(service)) }
                    (PreEscaped(chart(axis, name, service, recording)))
                }
            }
            @if order.len() > DRAWN {
                details {
                    summary { "All services" }
                    (table(outcome, &order))
                }
            }
        }
    }
}

fn caption(service: &ServiceRecording) -> String {
    let Some(full) = service.full_at else { return "never had all its tasks".into() };
    let dips = service.dips.len() as u64 + service.more_dips;
    match service.deepest() {
        None => format!("complete after {full_in}, and always since", full_in = super::story::at(full)),
        Some(dip) => {
            let until = dip.until.map_or("the end".into(), super::story::at);
            let (low, wanted, from) = (dip.low, dip.wanted, super::story::at(dip.from));
            let times = if dips == 1 { "once".into() } else { count(dips, "time", "times") };
            format!("short {times}; the deepest: {low} of {wanted} healthy, from {from} until {until}")
        }
    }
}

fn table(outcome: &Outcome, order: &[(&str, &ServiceRecording)]) -> Markup {
    let left_out = order.len().saturating_sub(LISTED);
    html! {
        table {
            thead { tr {
                th { "service" } th.n { "healthy at the end" } th.n { "fewest" } th.n { "wanted then" }
                th.n { "times short" } th.n { "longest" }
            } }
            tbody {
                @for (name, service) in order.iter().take(LISTED) {
                    @let end = service.points.last().copied().unwrap_or_default();
                    @let stats = outcome.stats.services.get(*name);
                    tr {
                        td { (name) }
                        td.n { (end.healthy) " of " (end.wanted) }
                        td.n { (service.deepest().map_or(end.healthy, |dip| dip.low)) }
                        td.n { (service.deepest().map_or(end.wanted, |dip| dip.wanted)) }
                        td.n { (service.dips.len() as u64 + service.more_dips) }
                        td.n { (stats.map(|stats| stats.longest_short).unwrap_or_default()) }
                    }
                }
            }
        }
        @if left_out > 0 { p.note { "and " (figure(left_out as u64)) " more that fared no worse" } }
    }
}

fn chart(axis: &Axis, name: &str, service: &ServiceRecording, recording: &Recording) -> String {
    let label = format!("{name}: healthy tasks over time");
    let mut svg = Svg::new(WIDTH, TOP + HEIGHT + TICKS, &label);
    bands(&mut svg, axis, recording, TOP, HEIGHT);
    axis.ticks(&mut svg, TOP, TOP + HEIGHT);
    curves(&mut svg, axis, service, u64::from(recording.columns), TOP, HEIGHT);
    svg.finish()
}

/// Shades the times in which something was wrong.
pub(super) fn bands(svg: &mut Svg, axis: &Axis, recording: &Recording, top: u64, height: u64) {
    for happened in &recording.happenings {
        let (from, until) = (axis.x(happened.at), axis.x(happened.at + happened.lasting));
        let class = if happened.by_user { "user" } else { "fault" };
        let width = Tenths(until.0.saturating_sub(from.0).max(12));
        let title = format!("{}: {}", super::story::at(happened.at), happened.what);
        svg.rect(class, (from, units(top), width, units(height)), &title);
    }
}

/// Draws how many tasks were healthy and wanted.
pub(super) fn curves(
    svg: &mut Svg,
    axis: &Axis,
    service: &ServiceRecording,
    columns: u64,
    top: u64,
    height: u64,
) {
    let most = service.points.iter().map(|point| point.wanted.max(point.healthy)).max().unwrap_or(0).max(1);
    let base = base(service, most);
    let y = |value: u32| {
        let above = u64::from(value.saturating_sub(base));
        Tenths(top * 10 + height * 10 - above * (height - 4) * 10 / u64::from(most - base))
    };
    let floor = units(top + height);
    let steps: Vec<Point> = (0..columns).map(|column| service.at(column)).collect();
    svg.path("healthy", &area(axis, &steps, |point| (floor, y(point.low))), "");
    let short = |point: &Point| (y(point.low.min(point.wanted)), y(point.wanted));
    svg.path("short", &area(axis, &steps, short), "");
    svg.path("wanted", &stairs(axis, &steps, |point| y(point.wanted)), "");
    if steps.iter().any(|point| point.min > 0 && point.min < point.wanted) {
        svg.path("min", &stairs(axis, &steps, |point| y(point.min)), "");
    }
    svg.text("tick end", (units(LEFT - 6), Tenths(y(most).0 + 35)), &figure(u64::from(most)));
    svg.text("tick end", (units(LEFT - 6), floor), &figure(u64::from(base)));
    dips(svg, axis, service, top, height);
}

/// Gives the number that the floor of a drawing stands for: where little goes missing of much, one must look closely.
fn base(service: &ServiceRecording, most: u32) -> u32 {
    let lows = service.dips.iter().map(|dip| dip.low.min(dip.min));
    let mins = service.points.iter().filter(|point| point.min > 0).map(|point| point.min);
    let least = lows.chain(mins).min().unwrap_or(0);
    if least > most / 2 { least - (most - least).min(least) / 4 - 1 } else { 0 }
}

/// Lays words over the times in which a service was short.
fn dips(svg: &mut Svg, axis: &Axis, service: &ServiceRecording, top: u64, height: u64) {
    for dip in &service.dips {
        let (from, until) = (axis.x(dip.from), dip.until.map_or(axis.end(), |until| axis.x(until)));
        let width = Tenths(until.0.saturating_sub(from.0).max(10));
        let until = dip.until.map_or("the end".into(), super::story::at);
        let (low, wanted) = (dip.low, dip.wanted);
        let title = format!("{} – {until}: {low} of {wanted} healthy at least", super::story::at(dip.from));
        svg.rect("over", (from, units(top), width, units(height)), &title);
    }
}

/// Draws boxes from one height to another, column by column, joining what is alike.
fn area(axis: &Axis, steps: &[Point], edges: impl Fn(&Point) -> (Tenths, Tenths)) -> String {
    let mut path = String::new();
    let mut index = 0;
    while let Some(step) = steps.get(index) {
        let (low, high) = edges(step);
        let same = steps[index..].iter().take_while(|other| edges(other) == (low, high)).count();
        if low != high {
            let (from, until) = (axis.column(index as u64), axis.column((index + same) as u64));
            let _ = write!(path, "M{from} {low}V{high}H{until}V{low}Z");
        }
        index += same;
    }
    path
}

/// Draws a line that goes up and down at once.
fn stairs(axis: &Axis, steps: &[Point], height: impl Fn(&Point) -> Tenths) -> String {
    let mut path = String::new();
    let mut before = None;
    for (index, step) in steps.iter().enumerate() {
        let (x, y) = (axis.column(index as u64), height(step));
        match before {
            None => {
                let _ = write!(path, "M{x} {y}");
            }
            Some(before) if before != y => {
                let _ = write!(path, "H{x}V{y}");
            }
            Some(_) => {}
        }
        before = Some(y);
    }
    let _ = write!(path, "H{}", axis.end());
    path
}
