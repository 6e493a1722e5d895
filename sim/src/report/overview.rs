//! Everything on one time axis: all tasks together, what went wrong, who was away, what was decided.

use super::axis::{Axis, LEFT, TICKS, WIDTH};
use super::services::{bands, curves};
use super::story::at;
use super::svg::{Svg, Tenths, units};
use crate::recording::{Happened, Recording};
use callboard_core::machine::Time;
use maud::{Markup, PreEscaped, html};

const TASKS: u64 = 110;
const LANE: u64 = 15;
/// How many lanes what went wrong may take.
const LANES: usize = 8;
const AWAY: u64 = 34;
const DECIDED: u64 = 64;
const GAP: u64 = 12;

/// Draws everything on one axis.
pub(super) fn overview(axis: &Axis, recording: &Recording) -> Markup {
    let lanes = lanes(axis, &recording.happenings);
    let rows = lanes.iter().map(|placed| placed.lane + 1).max().unwrap_or(0) as u64;
    let is_away = recording.fleet.iter().any(|row| row.cells.iter().any(|cell| cell.down + cell.apart > 0));
    let top = 4;
    let faults = top + TASKS + GAP;
    let away = faults + if rows == 0 { 0 } else { rows * LANE + GAP };
    let decided = away + if is_away { AWAY + GAP } else { 0 };
    let bottom = decided + DECIDED;
    let mut svg = Svg::new(WIDTH, bottom + TICKS, "The whole run on one time axis");
    bands(&mut svg, axis, recording, top, bottom - top);
    axis.ticks(&mut svg, top, bottom);
    lane_name(&mut svg, top + 44, "all tasks");
    curves(&mut svg, axis, &recording.total, u64::from(recording.columns), top, TASKS);
    if rows > 0 {
        lane_name(&mut svg, faults + 11, "happened");
        happenings(&mut svg, axis, &lanes, faults);
    }
    if is_away {
        lane_name(&mut svg, away + AWAY / 2 + 4, "hosts away");
        hosts_away(&mut svg, axis, recording, away);
    }
    lane_name(&mut svg, decided + DECIDED / 2 + 4, "decided");
    decisions(&mut svg, axis, recording, decided);
    html! {
        section {
            h2 { "The run" }
            p.note {
                span class="key k-healthy" {} "healthy "
                span class="key k-short" {} "missing "
                span class="key k-fault" {} "something is wrong "
                span class="key k-user" {} "a user did something "
                span class="key k-placed" {} "placed "
                span class="key k-stopped" {} "stopped as wanted "
                span class="key k-moved" {} "moved elsewhere "
                "· decisions are drawn on a square-root scale · point at anything to read it"
            }
            figure { (PreEscaped(svg.finish())) }
        }
    }
}

fn lane_name(svg: &mut Svg, y: u64, name: &str) {
    svg.text("lane end", (units(LEFT - 6), units(y)), name);
}

/// Where a happening is drawn, and its words.
struct Placed<'a> {
    lane: usize,
    happened: &'a Happened,
    /// Where its words are; `None`: there is no room for them.
    said: Option<Side>,
}

#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

/// Gives each happening a lane, so that those which overlap lie below each other, as far as there are lanes.
fn lanes<'a>(axis: &Axis, happenings: &'a [Happened]) -> Vec<Placed<'a>> {
    let mut free: Vec<Tenths> = Vec::new();
    let words = happenings.len() <= LANES * 3;
    let mut placed = Vec::new();
    for happened in happenings {
        let (from, until) = bar(axis, happened);
        let long = happened.what.chars().count() as u64 * 58 + 40;
        // Near the right edge words stand before the bar.
        let side = if until.0 + long > axis.end().0 { Side::Left } else { Side::Right };
        let (begins, ends) = match (words, side) {
            (true, Side::Left) => (from.0.saturating_sub(long), until.0 + 20),
            (true, Side::Right) => (from.0, until.0 + long + 20),
            (false, _) => (from.0, until.0 + 20),
        };
        let lane = free.iter().position(|end| end.0 <= begins).or((free.len() < LANES).then_some(free.len()));
        let said = lane.filter(|_| words).map(|_| side);
        let lane = lane.unwrap_or(LANES - 1);
        if lane == free.len() {
            free.push(Tenths(0));
        }
        free[lane] = Tenths(ends.max(free[lane].0));
        placed.push(Placed { lane, happened, said });
    }
    placed
}

/// Gives where the bar of a happening begins and ends.
fn bar(axis: &Axis, happened: &Happened) -> (Tenths, Tenths) {
    let (from, until) = (axis.x(happened.at), axis.x(happened.at + happened.lasting));
    (from, Tenths(until.0.max(from.0 + 40)))
}

fn happenings(svg: &mut Svg, axis: &Axis, lanes: &[Placed<'_>], top: u64) {
    for Placed { lane, happened, said } in lanes {
        let y = top + *lane as u64 * LANE;
        let (from, until) = bar(axis, happened);
        let class = if happened.by_user { "mark-user" } else { "mark-fault" };
        let title = format!("{}: {}", at(happened.at), happened.what);
        svg.rect(class, (from, units(y), Tenths(until.0 - from.0), units(LANE - 4)), &title);
        match said {
            None => {}
            Some(Side::Left) => {
                svg.text("said end", (Tenths(from.0.saturating_sub(40)), units(y + 9)), &happened.what);
            }
            Some(Side::Right) => svg.text("said", (Tenths(until.0 + 40), units(y + 9)), &happened.what),
        }
    }
}

fn hosts_away(svg: &mut Svg, axis: &Axis, recording: &Recording, top: u64) {
    let all: u64 = recording.fleet.iter().map(|row| u64::from(row.hosts)).sum();
    let mut column = 0;
    let count = |column: usize| {
        let cells = recording.fleet.iter().filter_map(|row| row.cells.get(column));
        let (down, apart) =
            cells.fold((0, 0), |sum, cell| (sum.0 + u64::from(cell.down), sum.1 + u64::from(cell.apart)));
        (down, apart)
    };
    let columns = recording.columns as usize;
    let most = (0..columns).map(count).map(|(down, apart)| down + apart).max().unwrap_or(0).max(1);
    while column < columns {
        let (down, apart) = count(column);
        let same = (column..columns).take_while(|other| count(*other) == (down, apart)).count();
        let (from, until) = (axis.column(column as u64), axis.column((column + same) as u64));
        let width = Tenths(until.0 - from.0);
        let title = format!(
            "{} – {}: {down} of {all} hosts off, {apart} cut off, still or without agent",
            at(axis.begins(column as u64)),
            at(axis.begins((column + same) as u64))
        );
        let scaled = |hosts: u64| hosts * AWAY * 10 / most;
        let (high, low) = (scaled(down + apart), scaled(down));
        let base = (top + AWAY) * 10;
        if apart > 0 {
            svg.rect("apart", (from, Tenths(base - high), width, Tenths(high - low)), &title);
        }
        if down > 0 {
            svg.rect("down", (from, Tenths(base - low), width, Tenths(low)), &title);
        }
        column += same;
    }
    svg.text("tick end", (units(LEFT - 6), units(top + 5)), &most.to_string());
}

fn decisions(svg: &mut Svg, axis: &Axis, recording: &Recording, top: u64) {
    let sum = |index: usize| {
        let counts = recording.counts[index];
        u64::from(counts.placed) + u64::from(counts.stopped) + u64::from(counts.moved)
    };
    let most = (0..recording.counts.len()).map(sum).max().unwrap_or(0).max(1);
    let scaled = |count: u64| (count * 10_000).isqrt() * (DECIDED * 10) / (most * 10_000).isqrt().max(1);
    for (index, counts) in recording.counts.iter().enumerate() {
        if sum(index) == 0 {
            continue;
        }
        let (from, until) = (axis.column(index as u64), axis.column(index as u64 + 1));
        let width = Tenths((until.0 - from.0).saturating_sub(4).max(6));
        let time = at(Time(axis.begins(index as u64).0));
        let title = format!(
            "{time}: {} placed, {} stopped as wanted, {} moved elsewhere",
            counts.placed, counts.stopped, counts.moved
        );
        let mut below = 0;
        for (class, count) in
            [("placed", counts.placed), ("stopped", counts.stopped), ("moved", counts.moved)]
        {
            let (from_height, to_height) = (scaled(below), scaled(below + u64::from(count)));
            below += u64::from(count);
            if to_height > from_height {
                let y = Tenths((top + DECIDED) * 10 - to_height);
                svg.rect(class, (from, y, width, Tenths(to_height - from_height)), &title);
            }
        }
    }
    svg.text("tick end", (units(LEFT - 6), units(top + 5)), &most.to_string());
}
