//! Plays a segment again: the same code, from the same state, with the same inputs at the same times, must do the same.

use super::frame::{Frames, value};
use super::{Header, Kind, Mark, Record, Recorded, SCHEMA, mark};
use callboard_core::agent::Agent;
use callboard_core::machine::Time;
use callboard_core::scheduler::Scheduler;
use serde::Serialize;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What is said of a step from which the machine did not return.
const BROKE_DOWN: &str = "the machine broke down, which is a defect";

/// A segment played again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replay {
    /// What it says of itself.
    pub header: Header,
    /// What happened, step by step, up to the first difference.
    pub steps: Vec<Step>,
    /// The first step that did something else than it did then.
    pub difference: Option<Difference>,
    /// Bytes at the end that make no whole record: its writer was ended in the middle of one.
    pub torn_bytes: usize,
    /// Whole records follow those bytes: they were changed after they were written.
    pub damaged: bool,
}

/// A step of a machine, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its number.
    pub number: u64,
    /// When, on the machine's own clock.
    pub at_ms: u64,
    /// What came.
    pub input: String,
    /// What it led to.
    pub effects: Vec<String>,
}

/// What a step did then, and what it does now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The number of the step.
    pub number: u64,
    /// When, on the machine's own clock.
    pub at_ms: u64,
    /// What came.
    pub input: String,
    /// Which of its effects, from 0, is the first that differs.
    pub effect: usize,
    /// What that was; `None`: there was none.
    pub then: Option<String>,
    /// What it is now; `None`: there is none.
    pub now: Option<String>,
}

/// Why a segment cannot be played.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// It is something else, or its beginning is damaged.
    #[error("is no journal of Callboard, or its beginning is damaged")]
    NoJournal,
    /// It is of a shape that this version does not read.
    #[error("is of schema {0}, and this version reads {SCHEMA}; replay it with the version that wrote it")]
    Schema(u32),
    /// A value in it is not as this version has it.
    #[error("was written by Callboard {version}, and this version finds: {why}; replay it with that one")]
    Unlike {
        /// Who wrote it.
        version: String,
        /// What is not as expected.
        why: String,
    },
}

/// Reads what a segment says of itself.
///
/// # Errors
/// It is no segment of a journal, or one of a later schema.
pub fn header(bytes: &[u8]) -> Result<Header, ReplayError> {
    let mut frames = Frames::of(bytes).ok_or(ReplayError::NoJournal)?;
    let first = frames.next().ok_or(ReplayError::NoJournal)?;
    let header: Header = value(first).map_err(|_| ReplayError::NoJournal)?;
    if header.schema == SCHEMA { Ok(header) } else { Err(ReplayError::Schema(header.schema)) }
}

/// Plays a segment, and keeps the words of the steps between two times.
///
/// # Errors
/// It cannot be read by this version.
pub fn replay(bytes: &[u8], from: Time, until: Time) -> Result<Replay, ReplayError> {
    let header = header(bytes)?;
    match header.kind {
        Kind::Agent => play::<Agent>(bytes, header, from, until),
        Kind::Scheduler => play::<Scheduler>(bytes, header, from, until),
    }
}

fn play<M: Recorded>(bytes: &[u8], header: Header, from: Time, until: Time) -> Result<Replay, ReplayError> {
    let version = header.version.clone();
    let unlike = |why: String| ReplayError::Unlike { version: version.clone(), why };
    let mut frames = Frames::of(bytes).ok_or(ReplayError::NoJournal)?;
    let _header = frames.next();
    let state = frames.next().ok_or(ReplayError::NoJournal)?;
    let mut machine: M = value(state).map_err(unlike)?;
    let mut steps = Vec::new();
    let mut difference = None;
    for frame in frames.by_ref() {
        let record: Record<M::Input> = value(frame).map_err(unlike)?;
        if record.at > until {
            return Ok(Replay { header, steps, difference, torn_bytes: 0, damaged: false });
        }
        let shown = record.at >= from;
        let (number, at, input) = (record.number, record.at, M::heard(&record.input));
        let got = catch_unwind(AssertUnwindSafe(|| machine.step(at, record.input)));
        let got: Option<Vec<Mark>> = got.ok().map(|effects| effects.iter().map(mark::<M>).collect());
        let broke_down = got.is_none();
        difference = differs(record.effects.as_deref(), got.as_deref()).map(|(effect, then, now)| {
            Difference { number, at_ms: at.0, input: input.clone(), effect, then, now }
        });
        let effects =
            got.map_or_else(|| vec![BROKE_DOWN.into()], |got| got.into_iter().map(|mark| mark.1).collect());
        if shown || difference.is_some() {
            steps.push(Step { number, at_ms: at.0, input, effects });
        }
        if difference.is_some() || broke_down {
            break;
        }
    }
    let torn_bytes = if difference.is_some() { 0 } else { frames.left() };
    let damaged = torn_bytes > 0 && frames.is_damaged();
    Ok(Replay { header, steps, difference, torn_bytes, damaged })
}

/// Gives the index of the first effect that is not the same, what it was, and what it is.
fn differs(then: Option<&[Mark]>, now: Option<&[Mark]>) -> Option<(usize, Option<String>, Option<String>)> {
    let (then, now) = match (then, now) {
        (Some(then), Some(now)) => (then, now),
        (None, None) => return None,
        (Some(then), None) => {
            return Some((0, then.first().map(|mark| mark.1.clone()), Some(BROKE_DOWN.into())));
        }
        (None, Some(now)) => {
            return Some((0, Some(BROKE_DOWN.into()), now.first().map(|mark| mark.1.clone())));
        }
    };
    let same = then.iter().zip(now).take_while(|(then, now)| then == now).count();
    let words = |marks: &[Mark]| marks.get(same).map(|mark| mark.1.clone());
    (same < then.len().max(now.len())).then(|| (same, words(then), words(now)))
}
