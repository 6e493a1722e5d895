//! How runs went, in words, as JSON and as JUnit XML.

use super::takes::Played;
use crate::cli::out::{self, Format};
use crate::problem::{Kind, Problem};
use anyhow::{Context, Result};
use callboard_sim::{Outcome, ServiceStats};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Says how each run went and, in the end, how all did.
pub(super) struct Verdicts {
    format: Format,
    /// There is but one run, so that there is room for its figures.
    alone: bool,
    passed: u64,
    failed: u64,
    told: Vec<Value>,
    cases: Vec<TestCase>,
}

impl Verdicts {
    /// Begins.
    pub(super) fn new(format: Format, alone: bool) -> Verdicts {
        Verdicts { format, alone, passed: 0, failed: 0, told: Vec::new(), cases: Vec::new() }
    }

    /// Says how a run went.
    pub(super) fn take(&mut self, played: &Played) {
        let outcome = &played.outcome;
        *(if outcome.passed { &mut self.passed } else { &mut self.failed }) += 1;
        self.cases.push(case(played));
        match self.format {
            Format::Json => self.told.push(as_json(played)),
            Format::Table if self.alone || !outcome.passed => {
                out::line(outcome.summary().to_string().trim_end());
            }
            Format::Table => out::line(&in_a_line(outcome)),
        }
    }

    /// Writes what was said so far for machines that build and test.
    pub(super) fn write_junit(&self, path: &Path) -> Result<()> {
        let mut report = Report::new("callboard sim");
        let mut suite = TestSuite::new("scenarios");
        suite.add_test_cases(self.cases.iter().cloned());
        report.add_test_suite(suite);
        let text = report.to_string().context("JUnit XML cannot be written")?;
        std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
    }

    /// Ends: the last line, and whether that is a yes.
    pub(super) fn end(self) -> Result<()> {
        match self.format {
            Format::Json => out::json(&self.told)?,
            Format::Table => out::line(&format!("{} passed, {} failed", self.passed, self.failed)),
        }
        if self.failed == 0 {
            return Ok(());
        }
        let all = self.passed + self.failed;
        let problem = Problem::new(Kind::No, format!("{} of {all} runs failed", self.failed));
        let hint = "`callboard sim replay` tells what failed step by step, `callboard sim shrink` makes it as small as it \
                    can be";
        Err(problem.hint(hint).into())
    }
}

/// Says in one line how a run went.
fn in_a_line(outcome: &Outcome) -> String {
    let verdict = if outcome.passed { "passed" } else { "FAILED" };
    format!(
        "{}: {verdict}, seed {}, {} simulated, {} events, hash {:016x}",
        outcome.scenario, outcome.seed, outcome.simulated, outcome.events, outcome.hash
    )
}

/// Gives everything about a run, for programs: all that `sim compare` measures, and what else there is to say.
pub(super) fn as_json(played: &Played) -> Value {
    let outcome = &played.outcome;
    let violations: Vec<Value> = outcome
        .violations
        .iter()
        .map(|broken| json!({ "promise": broken.promise, "at_ms": broken.at.0, "what": broken.what }))
        .collect();
    let services: BTreeMap<&str, Value> =
        outcome.stats.services.iter().map(|(name, stats)| (&**name, service(stats))).collect();
    let mut told = json!(outcome.measures());
    let said = json!({
        "scenario": outcome.scenario,
        "file": outcome.file,
        "seed": outcome.seed,
        "hosts": outcome.hosts,
        "store": outcome.store.to_string(),
        "passed": outcome.passed,
        "violations": violations,
        "hash": format!("{:016x}", outcome.hash),
        "events_per_second": played.events_per_second(),
        "simulated_seconds": outcome.simulated.0 / 1_000,
        "services": services,
        "again": outcome.again,
    });
    if let (Value::Object(told), Value::Object(said)) = (&mut told, said) {
        told.extend(said);
    }
    told
}

fn service(stats: &ServiceStats) -> Value {
    json!({
        "healthy": stats.healthy,
        "least_healthy": stats.least_healthy,
        "longest_short_ms": stats.longest_short.0,
        "completed": stats.completed,
    })
}

/// Makes a test case of a run.
fn case(played: &Played) -> TestCase {
    let outcome = &played.outcome;
    let status = match outcome.violations.first() {
        None => TestCaseStatus::success(),
        Some(first) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type(first.promise.clone());
            status.set_message(first.to_string());
            status.set_description(outcome.summary().to_string());
            status
        }
    };
    let mut case = TestCase::new(format!("{} seed {}", outcome.scenario, outcome.seed), status);
    case.set_classname(outcome.scenario.clone());
    case.set_time(played.took);
    case
}
