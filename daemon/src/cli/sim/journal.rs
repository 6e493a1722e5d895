//! `callboard sim replay` of a journal: what a daemon heard is told to the same machine again, which must do the same.

use crate::cli::out::{self, Format};
use crate::problem::{Kind, Problem};
use anyhow::Result;
use callboard_core::machine::{Span, Time};
use callboard_sim::journal::{self, Difference, MAGIC, Replay, Step};
use serde_json::json;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Which steps are shown.
pub(super) struct Shown {
    /// From when, on the machine's own clock.
    pub(super) from: Option<Span>,
    /// Until when.
    pub(super) until: Option<Span>,
    /// All, not only those with a decision.
    pub(super) all: bool,
}

/// Gives the segments of the journal that a path names, in order; nothing when it names none.
pub(super) fn segments(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        let mut beginning = vec![0; MAGIC.len()];
        let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut beginning));
        return if read.is_ok() && beginning == MAGIC { vec![path.to_owned()] } else { Vec::new() };
    }
    let entries = fs::read_dir(path).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let mut found: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "journal")).collect();
    found.sort();
    found
}

/// Plays segments again.
///
/// # Errors
/// One cannot be read, or a machine does something else than it did.
pub(super) fn replay(paths: &[PathBuf], shown: &Shown, format: Format) -> Result<()> {
    let (mut steps, mut told) = (0, Vec::new());
    for (index, path) in paths.iter().enumerate() {
        let name = path.display().to_string();
        let invalid = |why: String| Problem::new(Kind::Invalid, why).at(&name);
        let bytes = fs::read(path).map_err(|error| invalid(format!("cannot be read: {error}")))?;
        let (from, until) = (shown.from.unwrap_or_default(), shown.until.unwrap_or(Span(u64::MAX)));
        let played = journal::replay(&bytes, Time(from.0), Time(until.0));
        let played = played.map_err(|error| invalid(error.to_string()))?;
        steps += played.steps.len();
        let file = path.file_name().unwrap_or(OsStr::new("")).to_string_lossy().into_owned();
        match format {
            Format::Table => show(&file, &played, shown.all),
            Format::Json => told.push(json!({ "file": file, "replay": played })),
        }
        if let Some(problem) = problem(&played) {
            match format {
                Format::Json => out::json(&told)?,
                Format::Table => out::line(&format!("{index} passed, 1 failed")),
            }
            return Err(problem.at(&name).into());
        }
    }
    match format {
        Format::Json => out::json(&told)?,
        Format::Table => {
            out::line(&format!("{steps} steps of {} segments played: every effect as it was", paths.len()));
            out::line(&format!("{} passed, 0 failed", paths.len()));
        }
    }
    Ok(())
}

fn show(file: &str, played: &Replay, all: bool) {
    let header = &played.header;
    out::line(&format!(
        "{file}: {} {}, Callboard {}, from step {} on",
        match header.kind {
            journal::Kind::Agent => "agent",
            journal::Kind::Scheduler => "scheduler",
        },
        header.name,
        header.version,
        header.first
    ));
    for step in played.steps.iter().filter(|step| all || is_decision(step)) {
        out::line(&format!("  {:>12} ms  {}", step.at_ms, step.input));
        step.effects.iter().for_each(|effect| out::line(&format!("                    > {effect}")));
    }
    if played.torn_bytes > 0 && !played.damaged {
        let bytes = played.torn_bytes;
        out::line(&format!(
            "  the last {bytes} bytes make no whole step: its writer was ended in the middle of it"
        ));
    }
}

/// Tells whether anything was decided beyond keeping in touch with the store.
fn is_decision(step: &Step) -> bool {
    let decides = ["note: ", "write ", "start ", "stop ", "remove "];
    step.effects.iter().any(|effect| decides.iter().any(|word| effect.starts_with(word)))
}

/// Says why a segment does not stand for what its machine did.
fn problem(played: &Replay) -> Option<Problem> {
    if let Some(difference) = &played.difference {
        return Some(differs(difference));
    }
    let bytes = played.torn_bytes;
    let what = format!(
        "is damaged: it was changed after it was written, and its last {bytes} bytes cannot be played"
    );
    played.damaged.then(|| Problem::new(Kind::Invalid, what).hint("look for another copy of it"))
}

fn differs(difference: &Difference) -> Problem {
    let Difference { number, at_ms, input, effect, then, now } = difference;
    let words = |what: &Option<String>| what.clone().unwrap_or_else(|| "nothing".into());
    let what = format!(
        "step {number} at {at_ms} ms ({input}) is not as it was, from its effect {effect} on\n  then: {}\n  now:  {}",
        words(then),
        words(now)
    );
    Problem::new(Kind::No, what).hint(
        "another version of Callboard may decide otherwise: compare the daemon's with `callboard version`",
    )
}
