//! Writes a journal, on a thread of its own: turns what the machine hands over into bytes, and begins segments.

use super::segments::Segment;
use super::{Entry, Place};
use callboard_core::machine::Time;
use callboard_sim::journal::{self, Kind, Recorded};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a disk that took nothing is left alone.
const PAUSE: Duration = Duration::from_secs(30);

/// The other end of a journal.
pub(super) struct Writer<M: Recorded> {
    place: Place,
    wants_state: Arc<AtomicBool>,
    segment: Option<Segment>,
    /// The step that must come next.
    next: u64,
    /// What came, as long as it is not known what it led to.
    pending: Option<(u64, Time, M::Input)>,
    /// When the state is asked for again, after trouble.
    again: Option<Instant>,
    /// Trouble was told of.
    told: bool,
}

impl<M: Recorded> Writer<M> {
    pub(super) fn new(place: Place, wants_state: Arc<AtomicBool>) -> Writer<M> {
        Writer { place, wants_state, segment: None, next: 0, pending: None, again: None, told: false }
    }

    /// Runs until the machine is gone.
    pub(super) fn run(mut self, entries: &Receiver<Entry<M>>) {
        loop {
            let entry = match entries.try_recv() {
                Ok(entry) => entry,
                Err(TryRecvError::Empty) => {
                    self.flush();
                    match entries.recv() {
                        Ok(entry) => entry,
                        Err(_) => break,
                    }
                }
                Err(TryRecvError::Disconnected) => break,
            };
            self.take(entry);
        }
        // The machine broke down over what came last.
        if let Some((step, at, input)) = self.pending.take() {
            self.add(step, at, input, None);
        }
        self.flush();
    }

    /// Takes one entry.
    pub(super) fn take(&mut self, entry: Entry<M>) {
        match entry {
            Entry::State { machine, step, at } => self.begin(&machine, step, at),
            Entry::Input { step, at, input } => {
                if self.again.is_some_and(|again| again <= Instant::now()) {
                    self.again = None;
                    self.wants_state.store(true, Ordering::Relaxed);
                }
                if self.segment.is_some() && (step != self.next || self.pending.is_some()) {
                    self.leave_off("the disk was too slow");
                }
                self.pending = self.segment.is_some().then_some((step, at, input));
            }
            Entry::Effects(effects) => {
                if let Some((step, at, input)) = self.pending.take() {
                    self.add(step, at, input, Some(&effects));
                }
            }
        }
    }

    fn begin(&mut self, machine: &M, step: u64, at: Time) {
        self.flush();
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let beginning =
            journal::begin(machine, step, at, u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX));
        let bytes = u64::try_from(beginning.len()).unwrap_or(u64::MAX);
        if bytes.saturating_mul(8) > self.place.bytes {
            self.segment = None;
            self.warn(&format!(
                "what this machine knows takes {} MiB, an eighth of --journal-size or more; give it more",
                bytes.div_ceil(1 << 20)
            ));
            self.again = Some(Instant::now() + PAUSE);
            return;
        }
        let prefix = match M::KIND {
            Kind::Agent => "agent",
            Kind::Scheduler => "scheduler",
        };
        match Segment::begin(&self.place, prefix, &beginning) {
            Ok(segment) => {
                (self.segment, self.next, self.pending) = (Some(segment), step, None);
                if std::mem::take(&mut self.told) {
                    tracing::info!("the journal in {} is written again", self.place.dir.display());
                }
            }
            Err(error) => self.leave_off(&error.to_string()),
        }
    }

    fn add(&mut self, step: u64, at: Time, input: M::Input, effects: Option<&[M::Effect]>) {
        let Some(segment) = &mut self.segment else { return };
        let mut bytes = Vec::new();
        journal::add::<M>(&mut bytes, step, at, input, effects);
        if !segment.has_room(bytes.len()) {
            self.segment = None;
            self.wants_state.store(true, Ordering::Relaxed);
            return;
        }
        let was_full = segment.is_full();
        match segment.add(&bytes) {
            Ok(()) if segment.is_full() && !was_full => self.wants_state.store(true, Ordering::Relaxed),
            Ok(()) => {}
            Err(error) => return self.leave_off(&error.to_string()),
        }
        self.next = step + 1;
    }

    fn flush(&mut self) {
        let flushed = self.segment.as_mut().map_or::<io::Result<()>, _>(Ok(()), Segment::flush);
        if let Err(error) = flushed {
            self.leave_off(&error.to_string());
        }
    }

    /// Ends the segment where it is, and tries another one later.
    fn leave_off(&mut self, why: &str) {
        (self.segment, self.pending) = (None, None);
        self.again = Some(Instant::now() + PAUSE);
        self.warn(why);
    }

    fn warn(&mut self, why: &str) {
        if !std::mem::replace(&mut self.told, true) {
            tracing::warn!(
                "the journal in {} leaves out what happens now: {why}; tried again every {} s, and nothing else suffers",
                self.place.dir.display(),
                PAUSE.as_secs()
            );
        }
    }
}
