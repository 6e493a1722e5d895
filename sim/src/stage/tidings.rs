//! What is told of a run: a hash over everything that was committed and ordered, and a log of what operators would see.
//!
//! **Invariant:** the hash is the same on every machine and in every process; the log is bounded.

use crate::check::Text;
use callboard_backends::memory::Delivery;
use callboard_core::machine::Time;
use callboard_core::store::Change;
use callboard_core::why::Note;
use callboard_core::work::Order;
use std::collections::VecDeque;
use std::fmt;

/// How many lines the log keeps: the last ones.
const LINES: usize = 2_000;

/// The hash and the log.
#[derive(Clone, Debug)]
pub(crate) struct Tidings {
    hash: u64,
    log: VecDeque<(Time, String)>,
    /// What was said, for those who want it word for word.
    notes: Option<Vec<Note>>,
    last_state_change: Time,
}

impl Default for Tidings {
    fn default() -> Tidings {
        Tidings { hash: 0xcbf2_9ce4_8422_2325, log: VecDeque::new(), notes: None, last_state_change: Time(0) }
    }
}

impl Tidings {
    fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    /// FNV-1a, so that the value is the same for ever.
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    pub(crate) fn committed(&mut self, now: Time, delivery: &Delivery) {
        self.number(now.0);
        self.number(delivery.revision.0);
        for change in &delivery.changes {
            if change.key().starts_with("state/") {
                self.last_state_change = now;
            }
            self.bytes(change.key().as_bytes());
            if let Change::Put(entry) = change {
                self.bytes(entry.value.as_bytes());
            }
        }
    }

    pub(crate) fn ordered(&mut self, now: Time, host: &Text, order: &Order) {
        let (kind, run) = match order {
            Order::Inspect => (1, None),
            Order::Start(spec) => (2, Some(spec.run())),
            Order::Stop { run, .. } => (3, Some(run.clone())),
            Order::Remove(run) => (4, Some(run.clone())),
            Order::Check { .. } => (5, None),
            Order::Measure => (6, None),
        };
        self.number(now.0);
        self.number(kind);
        self.bytes(host.as_bytes());
        if let Some(run) = run {
            self.bytes(run.id.as_bytes());
            self.number(run.generation);
            self.number(u64::from(run.attempt));
        }
    }

    pub(crate) fn noted(&mut self, now: Time, host: Option<&Text>, note: Note) {
        let who = host.map_or_else(|| "scheduler".into(), Text::to_string);
        self.line(now, format!("{who}: {note}"));
        self.notes.iter_mut().for_each(|notes| notes.push(note.clone()));
    }

    pub(crate) fn played(&mut self, now: Time, what: &dyn fmt::Display) {
        self.line(now, format!("scenario: {what}"));
    }

    fn line(&mut self, now: Time, line: String) {
        if self.log.len() == LINES {
            self.log.pop_front();
        }
        self.log.push_back((now, line));
    }

    /// Keeps all that is said from now on.
    pub(crate) fn keep_notes(&mut self) {
        self.notes = Some(Vec::new());
    }

    /// Gives what was said since it was asked for last.
    pub(crate) fn take_notes(&mut self) -> Vec<Note> {
        self.notes.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Tells when issued state changed last.
    pub(crate) fn last_state_change(&self) -> Time {
        self.last_state_change
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn into_log(self) -> Vec<(Time, String)> {
        self.log.into()
    }
}
