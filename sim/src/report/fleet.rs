//! The fleet as a map: a host a row, or several, time from left to right, the darker the fuller.

use super::axis::{Axis, LEFT, TICKS, WIDTH};
use super::numbers::{figure, percent};
use super::story::at;
use super::svg::{Svg, Tenths, units};
use crate::recording::{Cell, Recording, Row};
use maud::{Markup, PreEscaped, html};

const TOP: u64 = 2;

/// Draws what was really in use, and what was issued.
pub(super) fn fleet(axis: &Axis, recording: &Recording) -> Markup {
    let hosts: u64 = recording.fleet.iter().map(|row| u64::from(row.hosts)).sum();
    let each = recording.fleet.first().map_or(1, |row| row.hosts);
    html! {
        section {
            h2 { "The fleet" }
            p.note {
                (figure(hosts)) " hosts"
                @if each > 1 { ", " (each) " in a row" }
                " · "
                @for level in 0..10 { span class=(format!("key h{level}")) {} }
                " empty to full · "
                span class="key k-down" {} "switched off "
                span class="key k-apart" {} "cut off, still or without agent"
            }
            figure {
                figcaption { b { "Memory in use" } ", by the machine and its tasks, as it really was" }
                (PreEscaped(map(axis, recording, "memory in use", |cell| cell.used)))
            }
            details {
                summary { "Memory and processor share that was issued" }
                figure {
                    figcaption { b { "Memory issued" } }
                    (PreEscaped(map(axis, recording, "memory issued", |cell| cell.issued)))
                }
                figure {
                    figcaption { b { "Processor share issued" } }
                    (PreEscaped(map(axis, recording, "processor share issued", |cell| cell.cpu)))
                }
            }
        }
    }
}

fn map(axis: &Axis, recording: &Recording, what: &str, value: impl Fn(&Cell) -> u32 + Copy) -> String {
    let rows = recording.fleet.len() as u64;
    let height = match rows {
        0..=12 => 16,
        13..=32 => 10,
        _ => 6,
    };
    let bottom = TOP + rows * height;
    let mut svg = Svg::new(WIDTH, bottom + TICKS, &format!("{what} on the hosts over time"));
    for (index, row) in recording.fleet.iter().enumerate() {
        let y = TOP + index as u64 * height;
        draw(&mut svg, axis, row, (y, height), what, value);
        // Words are higher than low rows.
        if height >= 10 || index.is_multiple_of(4) {
            let name = row.name.split(' ').next().unwrap_or_default();
            svg.text("tick end", (units(LEFT - 6), Tenths(y * 10 + height * 5 + 35)), &clipped(name));
        }
    }
    axis.ticks(&mut svg, bottom, bottom);
    svg.finish()
}

fn clipped(name: &str) -> String {
    let length = name.chars().count();
    if length <= 14 {
        name.to_owned()
    } else {
        format!("…{}", name.chars().skip(length - 13).collect::<String>())
    }
}

fn draw(
    svg: &mut Svg,
    axis: &Axis,
    row: &Row,
    (y, height): (u64, u64),
    what: &str,
    value: impl Fn(&Cell) -> u32,
) {
    let looks = |cell: &Cell| (class(cell, row, value(cell)), cell.down, cell.apart);
    let mut index = 0;
    while let Some(cell) = row.cells.get(index) {
        let (class, down, apart) = looks(cell);
        let same = row.cells[index..].iter().take_while(|other| looks(other) == (class, down, apart)).count();
        let (from, until) = (axis.column(index as u64), axis.column((index + same) as u64));
        let area = (from, units(y), Tenths(until.0 - from.0), units(height));
        let (begins, ends) = (at(axis.begins(index as u64)), at(axis.begins((index + same) as u64)));
        let mut title = format!("{}, {begins} – {ends}: {} {what}", row.name, percent(value(cell)));
        if down + apart > 0 {
            title.push_str(&format!("; {down} of {} off, {apart} apart", row.hosts));
        }
        svg.rect(class, area, &title);
        if 0 < down + apart && down < row.hosts {
            // How much of the row is away is how much of its height is marked.
            let most = if down > 0 { height * 10 } else { height * 4 };
            let marked = (u64::from(down + apart) * most / u64::from(row.hosts.max(1))).max(15);
            let area = (from, units(y), area.2, Tenths(marked.min(height * 10)));
            svg.rect(if down > 0 { "away" } else { "apart" }, area, &title);
        }
        index += same;
    }
}

fn class(cell: &Cell, row: &Row, thousandths: u32) -> &'static str {
    const LEVELS: [&str; 10] = ["h0", "h1", "h2", "h3", "h4", "h5", "h6", "h7", "h8", "h9"];
    if cell.down == row.hosts {
        return "down";
    }
    LEVELS[(thousandths / 100).min(9) as usize]
}
