//! `callboard sim museum`: planted bugs, and how many seeds it takes until each is caught.

use super::takes::progress;
use crate::cli::out::{self, Format};
use crate::problem::{Kind, Problem};
use anyhow::Result;
use callboard_sim::museum::{Catches, Exhibit, Row, exhibits, row};
use callboard_sim::search::{cores, in_order};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Plant bugs, one at a time, and count the seeds until each is caught: what the checkers are worth
///
/// Each bug is tried in its own scenario, where its own checker must catch it, and in tiny worlds drawn from seeds, where
/// any may: `by` lists the promises that were seen broken first. Seeds are tried one after the other, and each catch ends
/// a trial: the table has the median and the 95th percentile of the trials. Exit code 3 when a bug was not caught by its
/// checker.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  callboard sim museum --seeds 200\n  callboard sim museum unfenced ignoresmin"
)]
pub(crate) struct MuseumArgs {
    /// Bugs by name; all when none is named
    #[arg(value_name = "BUG")]
    bugs: Vec<String>,
    /// How many seeds to try with each, in its own scenario and in tiny worlds
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    seeds: u64,
}

/// Tries the bugs and shows the table.
pub(super) fn run(args: &MuseumArgs, format: Format) -> Result<()> {
    let shown = chosen(&args.bugs)?;
    let bar = progress(shown.len() as u64);
    let mut rows = Vec::new();
    let work = |index: u64| row(&shown[usize::try_from(index).unwrap_or(0)], args.seeds);
    in_order(cores(), shown.len() as u64, work, |row| {
        bar.inc(1);
        rows.push(row);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    let missed: Vec<&Row> = rows.iter().filter(|row| !is_caught(row)).collect();
    match format {
        Format::Json => out::json(&rows.iter().map(as_json).collect::<Vec<_>>())?,
        Format::Table => {
            table(&rows);
            out::line(&format!("{} passed, {} failed", rows.len() - missed.len(), missed.len()));
        }
    }
    if missed.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = missed.iter().map(|row| name(&row.exhibit)).collect();
    let problem = format!("not caught in {} seeds: {}", args.seeds, names.join(", "));
    Err(Problem::new(Kind::No, problem).hint("try more by --seeds").into())
}

fn name(exhibit: &Exhibit) -> String {
    format!("{:?}", exhibit.bug)
}

fn is_caught(row: &Row) -> bool {
    row.own.caught() > 0 || row.crash_points.is_some_and(|points| points > 0)
}

fn chosen(bugs: &[String]) -> Result<Vec<Exhibit>, Problem> {
    let is = |exhibit: &Exhibit, bug: &str| name(exhibit).eq_ignore_ascii_case(bug);
    for bug in bugs {
        if !exhibits().iter().any(|exhibit| is(exhibit, bug)) {
            let problem = Problem::new(Kind::Invalid, format!("there is no bug {bug:?} in the museum"));
            return Err(problem.hint("`callboard sim museum --seeds 1` lists all"));
        }
    }
    let is_chosen = |exhibit: &&Exhibit| bugs.is_empty() || bugs.iter().any(|bug| is(exhibit, bug));
    Ok(exhibits().iter().filter(is_chosen).copied().collect())
}

fn table(rows: &[Row]) {
    let columns = [
        "bug",
        "promise",
        "checker",
        "own: caught",
        "median",
        "95 %",
        "tiny: caught",
        "median",
        "95 %",
        "by",
        "crash points",
    ];
    let mut table = out::table(&columns);
    let number = |number: Option<u64>| number.map_or_else(|| "-".into(), |number| number.to_string());
    for row in rows {
        let mut cells: Vec<String> =
            vec![name(&row.exhibit), row.exhibit.promise.into(), row.exhibit.checker().into()];
        for catches in [&row.own, &row.drawn] {
            cells.push(format!("{} of {}", catches.caught(), catches.seeds));
            cells.extend([number(catches.percentile(50)), number(catches.percentile(95))]);
        }
        let by: Vec<String> =
            row.drawn.by().iter().map(|(promise, count)| format!("{promise} {count}")).collect();
        cells.push(if by.is_empty() { "-".into() } else { by.join(", ") });
        cells.push(number(row.crash_points));
        table.add_row(cells);
    }
    out::show(&table, "no bugs");
}

fn as_json(row: &Row) -> Value {
    let catches = |it: &Catches| {
        json!({
            "seeds": it.seeds,
            "caught": it.caught(),
            "median": it.percentile(50),
            "percentile_95": it.percentile(95),
            "by": it.by().into_iter().collect::<BTreeMap<_, _>>(),
        })
    };
    json!({
        "bug": name(&row.exhibit),
        "promise": row.exhibit.promise,
        "checker": row.exhibit.checker(),
        "own": catches(&row.own),
        "tiny": catches(&row.drawn),
        "crash_points": row.crash_points,
    })
}
