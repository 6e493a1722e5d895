//! `callboard sim list`, `show` and `schema`: the scenarios that are shipped, what each teaches, and what a file may say.

use super::source::scenario;
use crate::cli::out::{self, Format};
use crate::problem::Problem;
use anyhow::Result;
use callboard_core::machine::Span;
use callboard_sim::Scenario;
use callboard_sim::scenario::{Happening, pack, schema};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Show a scenario: what it teaches, what happens in it and what is expected
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  callboard sim show bad-build\n  callboard sim show my-scenario.yml\n  \
    callboard sim show tiny-7")]
pub(crate) struct ShowArgs {
    /// The name of a scenario that is shipped, as `callboard sim list` shows it, a file, or a drawn world such as tiny-7
    name: PathBuf,
}

/// Lists the scenarios that are shipped.
pub(super) fn list(format: Format) -> Result<()> {
    let all: Vec<Scenario> = pack().map(|name| scenario(Path::new(name))).collect::<Result<_, Problem>>()?;
    if format == Format::Json {
        return out::json(&all.iter().map(as_json).collect::<Vec<Value>>());
    }
    let mut table = out::table(&["scenario", "hosts", "time", "store", "teaches"]);
    for scenario in &all {
        let (hosts, time) = (scenario.hosts().to_string(), scenario.duration.to_string());
        let store = scenario.store.kind.to_string();
        table.add_row([scenario.name.clone(), hosts, time, store, scenario.teaches.clone()]);
    }
    out::show(&table, "no scenarios are shipped");
    Ok(())
}

/// Shows one scenario.
pub(super) fn show(args: &ShowArgs, format: Format) -> Result<()> {
    let scenario = scenario(&args.name)?;
    if format == Format::Json {
        return out::json(&as_json(&scenario));
    }
    let tasks: u32 = scenario.desired.services.iter().map(|service| service.target()).sum();
    out::line(&format!("{}: {}", scenario.name, scenario.description.replace('\n', " ")));
    if !scenario.teaches.is_empty() {
        out::line(&format!("\nTeaches: {}", scenario.teaches.replace('\n', " ")));
    }
    let reaction = match scenario.reaction {
        Span(0) => String::new(),
        reaction => format!(", each machine answers after {reaction}"),
    };
    out::line(&format!(
        "\n{} hosts, {} services with {tasks} tasks, {} schedulers{reaction}, store {}, {} from seed {}",
        scenario.hosts(),
        scenario.desired.services.len(),
        scenario.schedulers,
        scenario.store.kind,
        scenario.duration,
        scenario.seed
    ));
    let happenings = in_order(&scenario).into_iter().map(|it| format!("  at {}: {}", it.at, it.action));
    section("What happens", happenings.chain(scenario.trickle.iter().map(|it| format!("  {it}"))));
    section("What is expected, beside all promises", scenario.expect.iter().map(|it| format!("  {it}")));
    section("Run it", [format!("  callboard sim run {}", args.name.display())]);
    Ok(())
}

/// Gives what happens in the order of time, whether a timeline says so or rows from elsewhere.
fn in_order(scenario: &Scenario) -> Vec<&Happening> {
    let mut happenings: Vec<&Happening> = scenario.timeline.iter().collect();
    happenings.sort_by_key(|happening| happening.at);
    happenings
}

/// Prints the schema of scenario files.
pub(super) fn print_schema() {
    out::bytes(schema().as_bytes());
}

fn section(title: &str, lines: impl IntoIterator<Item = String>) {
    let lines: Vec<String> = lines.into_iter().collect();
    if !lines.is_empty() {
        out::line(&format!("\n{title}:\n{}", lines.join("\n")));
    }
}

fn as_json(scenario: &Scenario) -> Value {
    let timeline = in_order(scenario).into_iter();
    let timeline: Vec<Value> =
        timeline.map(|it| json!({ "at_ms": it.at.0, "what": it.action.to_string() })).collect();
    json!({
        "name": scenario.name,
        "description": scenario.description,
        "teaches": scenario.teaches,
        "hosts": scenario.hosts(),
        "services": scenario.desired.services.len(),
        "schedulers": scenario.schedulers,
        "reaction_ms": scenario.reaction.0,
        "duration_ms": scenario.duration.0,
        "store": scenario.store.kind.to_string(),
        "seed": scenario.seed,
        "timeline": timeline,
        "trickle": scenario.trickle.iter().map(ToString::to_string).collect::<Vec<String>>(),
        "expect": scenario.expect.iter().map(ToString::to_string).collect::<Vec<String>>(),
        "run": format!("callboard sim run {}", scenario.name),
    })
}
