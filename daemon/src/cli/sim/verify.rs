//! `callboard sim verify`: the same seeds in two processes, and whether they are the same runs.

use super::takes::play;
use super::what::WhatArgs;
use crate::cli::out::{self, Format};
use crate::problem::{Kind, Problem};
use anyhow::{Context, Result};
use callboard_core::mirror;
use callboard_sim::report::{Told, report};
use serde_json::json;
use std::io::{BufRead, BufReader, Lines};
use std::ops::ControlFlow;
use std::process::{Child, ChildStdout, Command, Stdio};

/// Run each seed twice, in two processes, and compare: a seed must mean the same everywhere
///
/// What is compared is the hash over everything that was written and ordered, the number of events, the report byte for
/// byte, and the verdict. Exit code 3, and what differs, when two runs of a seed are not the same.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  callboard sim verify examples/scenarios/bad-build.yml --seeds 10\n  \
    callboard sim verify --profile tiny --seeds 50")]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    what: WhatArgs,
}

/// Print what a run is known by, a line a run
#[derive(Debug, clap::Args)]
pub(crate) struct FingerprintArgs {
    #[command(flatten)]
    what: WhatArgs,
}

/// Prints what each run is known by.
pub(super) fn fingerprint(args: &FingerprintArgs) -> Result<()> {
    let mut takes = args.what.takes()?;
    takes.iter_mut().for_each(|take| take.options.record = true);
    let mut taken = takes.iter();
    play(&takes, |played| {
        let it = &played.outcome;
        let told = taken.next().map(|take| Told { scenario: &take.scenario, outcome: it });
        let page = mirror::hash(&report(told.as_slice()));
        let broken: Vec<&str> = it.violations.iter().map(|broken| broken.promise.as_str()).collect();
        let (seed, hash, events) = (it.seed, it.hash, it.events);
        out::line(&format!(
            "{} seed {seed}: hash {hash:016x}, {events} events, report {page:016x}, broken: [{}]",
            it.scenario,
            broken.join(" ")
        ));
        ControlFlow::Continue(())
    });
    Ok(())
}

/// Runs everything in two processes and compares.
pub(super) fn verify(args: &VerifyArgs, format: Format) -> Result<()> {
    let count = args.what.takes()?.len();
    let bar = super::takes::progress(count as u64);
    let (mut one, mut two) = (Twin::start()?, Twin::start()?);
    let (mut same, mut different) = (0_u64, Vec::new());
    for _ in 0..count {
        let (left, right) = (one.next()?, two.next()?);
        if left == right {
            same += 1;
        } else {
            different.push(json!({ "one": left, "other": right }));
            if format == Format::Table {
                out::line(&format!("DIFFERENT\n  {left}\n  {right}"));
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    one.end()?;
    two.end()?;
    let failed = different.len();
    match format {
        Format::Json => out::json(&json!({ "same": same, "different": different }))?,
        Format::Table => out::line(&format!("{same} passed, {failed} failed")),
    }
    if failed == 0 {
        return Ok(());
    }
    Err(Problem::new(Kind::No, format!("{failed} of {count} runs were not the same twice")).into())
}

/// Another process that makes the same runs.
struct Twin {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Twin {
    /// Starts it with what this process was started with, but for the command.
    fn start() -> Result<Twin> {
        let own = std::env::args_os()
            .skip(1)
            .map(|argument| if argument == "verify" { "fingerprint".into() } else { argument });
        let binary = std::env::current_exe().context("this program cannot be found")?;
        let mut process = Command::new(binary)
            .args(own)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("this program cannot be started a second time")?;
        let out = process.stdout.take().context("the second process has no output")?;
        Ok(Twin { process, lines: BufReader::new(out).lines() })
    }

    fn next(&mut self) -> Result<String> {
        let line = self.lines.next().context("a process ended before its last run")?;
        line.context("a process cannot be heard")
    }

    fn end(mut self) -> Result<()> {
        let status = self.process.wait().context("a process cannot be waited for")?;
        anyhow::ensure!(status.success(), "a process failed: {status}");
        Ok(())
    }
}
