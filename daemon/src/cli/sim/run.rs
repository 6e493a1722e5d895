//! `callboard sim run`: scenarios, each with one seed or with many.

use super::page::Page;
use super::takes::play;
use super::verdict::Verdicts;
use super::what::WhatArgs;
use crate::cli::out::Format;
use anyhow::Result;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Run scenarios: what must never happen and what must happen in the end is checked at every step
///
/// A scenario names hosts, a configuration, how builds behave, what goes wrong and when, and what is expected. The same
/// seed and number of hosts give the same run, on every machine; when something is broken, the command that does it again
/// is shown. Exit code 3 when a promise was broken or something was not as expected.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  callboard sim run examples/scenarios/*.yml\n  \
    callboard sim run examples/scenarios/bad-build.yml --hosts 1000 --seed 7\n  \
    callboard sim run examples/scenarios/bad-build.yml --seeds 100 --junit result.xml\n  \
    callboard sim run bad-build --set store=etcd --set duration=30m\n  \
    callboard sim run tiny-7")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    what: WhatArgs,
    /// Also write the results as JUnit XML, a test case a run
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Also write a page about the runs, HTML that needs no network: what happened, what it cost, and why
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Runs all that is named and says how it went.
pub(super) fn run(args: &RunArgs, format: Format) -> Result<()> {
    let mut takes = args.what.takes()?;
    let written: Vec<&Path> =
        [&args.junit, &args.report].into_iter().flatten().map(PathBuf::as_path).collect();
    args.what.spares(&written)?;
    takes.iter_mut().for_each(|take| take.options.record = args.report.is_some());
    let mut verdicts = Verdicts::new(format, takes.len() == 1);
    let (mut page, mut taken) = (Page::default(), takes.iter());
    play(&takes, |played| {
        verdicts.take(&played);
        if let Some(take) = taken.next().filter(|_| args.report.is_some()) {
            page.keep(&take.scenario, &played.outcome);
        }
        ControlFlow::Continue(())
    });
    if let Some(path) = &args.junit {
        verdicts.write_junit(path)?;
    }
    if let Some(path) = &args.report {
        page.write(path)?;
    }
    verdicts.end()
}
