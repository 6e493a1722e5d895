//! `callboard sim compare`: two scenarios, two settings of one, or the results of two versions, side by side.

use super::page::Page;
use super::replay::moment;
use super::source::{Seeds, Sets, scenario_with};
use super::takes::{Take, play};
use super::what::{few, hosts};
use crate::cli::out::{self, Format, Tint, table, tinted};
use crate::problem::{Kind, Problem};
use anyhow::{Context, Result};
use callboard_sim::compare::{Measures, Row, Spread, compare as compared, first_difference};
use callboard_sim::{Options, Scenario};
use comfy_table::Cell;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Compare two scenarios, two settings of one, or the results of two versions, over the same seeds
///
/// A and B are scenarios, or both are files that `sim run -o json` wrote. A difference is marked if it is more than chance:
/// when the seeds that have more and those that have less are further apart than coins would fall. With one seed the first
/// decision that differs is shown. The last line counts the seeds; failed are those with which B breaks something and A does
/// not, and then the exit code is 3.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    callboard sim compare bad-build bad-build --b-set services.web.max_parallel=1 --seeds 20\n  \
    callboard sim compare before.json after.json")]
pub(crate) struct CompareArgs {
    /// A scenario, or a file of results
    a: PathBuf,
    /// Another, or the same with other settings
    b: PathBuf,
    /// Set a field of A, as in duration=1h; may be repeated
    #[arg(long = "a-set", value_name = "FIELD=VALUE")]
    a_sets: Vec<String>,
    /// Set a field of B, as in generate.0.policy=binpack; may be repeated
    #[arg(long = "b-set", value_name = "FIELD=VALUE")]
    b_sets: Vec<String>,
    /// How many hosts, instead of what the scenarios say
    #[arg(long, value_name = "NUMBER", value_parser = hosts)]
    hosts: Option<usize>,
    /// The first seed, instead of A's own
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(..u64::MAX))]
    seed: Option<u64>,
    /// Over this many seeds, or those from A to before B
    #[arg(long, value_name = "NUMBER|A..B", value_parser = Seeds::parse)]
    seeds: Option<Seeds>,
    /// End then, in pretended time, if that is before the scenarios' end
    #[arg(long, value_name = "TIME", value_parser = callboard_core::machine::Span::parse)]
    until: Option<callboard_core::machine::Span>,
    /// Also write a page about all runs, HTML that needs no network
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl CompareArgs {
    /// Tells whether something is said of runs that are to be made.
    fn asks_for_runs(&self) -> bool {
        let has_sets = !self.a_sets.is_empty() || !self.b_sets.is_empty();
        let has_numbers = self.hosts.is_some() || self.seed.is_some() || self.seeds.is_some();
        has_sets || has_numbers || self.until.is_some() || self.report.is_some()
    }
}

/// Compares.
pub(super) fn compare(args: &CompareArgs, format: Format) -> Result<()> {
    let pairs = match (results(&args.a)?, results(&args.b)?) {
        (Some(_), Some(_)) if args.asks_for_runs() => {
            let problem = Problem::new(Kind::Invalid, "results are compared as they are: nothing is run");
            let hint = "leave out --a-set, --b-set, --hosts, --seed, --seeds, --until and --report";
            return Err(problem.hint(hint).into());
        }
        (Some(first), Some(second)) => paired(&first, second)?,
        (None, None) => return compare_runs(args, format),
        (_, _) => {
            let body =
                "one of the two is a file of results and the other is not; name two scenarios or two results";
            return Err(Problem::new(Kind::Invalid, body.to_owned()).into());
        }
    };
    tell(&pairs, None, format)
}

fn compare_runs(args: &CompareArgs, format: Format) -> Result<()> {
    let read =
        |path: &Path, sets: &[String]| scenario_with(path, &Sets { sets: sets.to_vec() }).map(Arc::new);
    let (first, second) = (read(&args.a, &args.a_sets)?, read(&args.b, &args.b_sets)?);
    let seeds = few(args.seeds.unwrap_or(Seeds::Count(1)).from(args.seed.unwrap_or(first.seed)))?;
    let options = |seed| Options {
        hosts: args.hosts,
        seed: Some(seed),
        until: args.until,
        record: args.report.is_some(),
        ..Options::default()
    };
    let take =
        |scenario: &Arc<Scenario>, seed| Take { scenario: Arc::clone(scenario), options: options(seed) };
    let takes: Vec<Take> = seeds.clone().flat_map(|seed| [take(&first, seed), take(&second, seed)]).collect();
    let (mut measured, mut page, mut taken) = (Vec::new(), Page::default(), takes.iter());
    play(&takes, |played| {
        measured.push(played.outcome.measures());
        if let Some(take) = taken.next().filter(|_| args.report.is_some()) {
            page.keep(&take.scenario, &played.outcome);
        }
        ControlFlow::Continue(())
    });
    if let Some(path) = &args.report {
        page.write(path)?;
    }
    let pairs: Vec<(Measures, Measures)> =
        measured.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    let single = (pairs.len() == 1).then(|| {
        let options = options(seeds.start);
        first_difference((&first, &options), (&second, &options))
    });
    tell(&pairs, single.map(|found| found.map(|(a, b)| [a, b].map(shown))), format)
}

fn shown(decided: Option<callboard_sim::compare::Decided>) -> String {
    decided.map_or("nothing more".into(), |decided| format!("{} {}", moment(decided.at), decided.what))
}

/// Reads results that were written as JSON; `None` when the file holds something else.
fn results(path: &Path) -> Result<Option<BTreeMap<String, Measures>>> {
    if path.extension().is_none_or(|extension| extension != "json") {
        return Ok(None);
    }
    let text = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let Ok(Value::Array(runs)) = serde_json::from_slice(&text) else { return Ok(None) };
    let mut results = BTreeMap::new();
    for run in runs {
        let Value::Object(fields) = run else { return Ok(None) };
        let text = |name: &str| fields.get(name).map(Value::to_string);
        let (Some(scenario), Some(seed)) = (text("scenario"), text("seed")) else { return Ok(None) };
        let number = |value: &Value| value.as_u64().or(value.as_bool().map(u64::from));
        let kept = fields.iter().filter(|(name, _)| !["seed", "events_per_second"].contains(&name.as_str()));
        let measures = kept.filter_map(|(name, value)| Some((name.clone(), number(value)?))).collect();
        results.insert(format!("{scenario} seed {seed}"), measures);
    }
    Ok(Some(results))
}

/// Brings those together that have scenario and seed in common.
fn paired(
    first: &BTreeMap<String, Measures>,
    second: BTreeMap<String, Measures>,
) -> Result<Vec<(Measures, Measures)>> {
    let pairs: Vec<(Measures, Measures)> =
        second.into_iter().filter_map(|(key, measures)| Some((first.get(&key)?.clone(), measures))).collect();
    if pairs.is_empty() {
        let body = "the two files have no run in common: the same scenarios and seeds must be in both";
        return Err(Problem::new(Kind::Invalid, body.to_owned()).into());
    }
    Ok(pairs)
}

/// Says what came out: all measures, and with one seed the first decision that differs.
fn tell(pairs: &[(Measures, Measures)], single: Option<Option<[String; 2]>>, format: Format) -> Result<()> {
    let rows = compared(pairs);
    let failed = |measures: &Measures| measures.get("passed") == Some(&0);
    let worse = pairs.iter().filter(|(first, second)| !failed(first) && failed(second)).count();
    match format {
        Format::Json => out::json(&json!({
            "seeds": pairs.len(),
            "measures": rows.iter().map(as_json).collect::<Vec<Value>>(),
            "first_difference": single.flatten(),
            "worse": worse,
        }))?,
        Format::Table => {
            show(&rows, pairs.len());
            match single {
                Some(Some([first, second])) => {
                    out::line(&format!("\nthe first decision that differs:\n  A: {first}\n  B: {second}"));
                }
                Some(None) => out::line("\nboth decided the same, to the last"),
                None => {}
            }
            out::line(&format!("{} passed, {worse} failed", pairs.len() - worse));
        }
    }
    if worse == 0 {
        return Ok(());
    }
    let body = format!("B breaks something with {worse} of {} seeds with which A does not", pairs.len());
    Err(Problem::new(Kind::No, body).into())
}

fn show(rows: &[Row], seeds: usize) {
    let mut lines = table(&["measure", "a", "b", "b has more", "b has less", ""]);
    for row in rows {
        let mark = match (row.matters, row.more + row.less) {
            (true, _) => tinted("differs", Tint::Bad),
            (false, 0) => Cell::new("same"),
            (false, _) => Cell::new("within chance"),
        };
        lines.add_row([
            Cell::new(&row.name),
            Cell::new(spread(row.first, seeds)),
            Cell::new(spread(row.second, seeds)),
            Cell::new(row.more),
            Cell::new(row.less),
            mark,
        ]);
    }
    out::show(&lines, "nothing was measured");
}

fn spread(spread: Spread, seeds: usize) -> String {
    if seeds == 1 || spread.least == spread.most {
        return spread.middle.to_string();
    }
    format!("{} ({} … {})", spread.middle, spread.least, spread.most)
}

fn as_json(row: &Row) -> Value {
    let spread =
        |spread: Spread| json!({ "least": spread.least, "middle": spread.middle, "most": spread.most });
    json!({
        "measure": row.name,
        "a": spread(row.first),
        "b": spread(row.second),
        "more": row.more,
        "less": row.less,
        "differs": row.matters,
    })
}
