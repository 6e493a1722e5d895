//! The journal of a machine: every input with its time, and marks of what it led to, in a bounded directory of segments,
//! so that what production did can be played again.
//!
//! **Invariant:** a machine never waits for its journal and never fails with it: what the disk does not take in time is
//! left out, and a later segment begins with the machine's whole state.

mod args;
mod segments;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use args::JournalArgs;

use callboard_core::machine::{Machine, Time};
use callboard_sim::journal::Recorded;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use writer::Writer;

/// How much may wait for the disk before it is left out.
const WAITING_MAX: usize = 2048;

/// Where journals are kept, and how much of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The directory.
    pub(crate) dir: PathBuf,
    /// The most bytes that the segments of one machine may take together.
    pub(crate) bytes: u64,
}

/// The end of a journal at which its machine is.
pub(crate) struct Journal<M: Recorded> {
    to: SyncSender<Entry<M>>,
    /// The other end wants the whole state.
    wants_state: Arc<AtomicBool>,
    /// How many steps there were.
    steps: u64,
}

/// What goes to the disk.
enum Entry<M: Machine> {
    /// Where the machine stands before the step of this number.
    State { machine: Box<M>, step: u64, at: Time },
    /// What came.
    Input { step: u64, at: Time, input: M::Input },
    /// What it led to.
    Effects(Vec<M::Effect>),
}

impl<M> Journal<M>
where
    M: Recorded + Send + 'static,
    M::Input: Send,
    M::Effect: Clone + Send,
{
    /// Begins a journal. Whether it can be written shows later, in the log.
    pub(crate) fn begin(place: Place) -> Journal<M> {
        let (to, entries) = sync_channel(WAITING_MAX);
        let wants_state = Arc::new(AtomicBool::new(true));
        let writer = Writer::new(place, Arc::clone(&wants_state));
        let thread = std::thread::Builder::new().name("journal".into());
        if let Err(error) = thread.spawn(move || writer.run(&entries)) {
            tracing::warn!("no journal is written: there is no thread for it: {error}");
        }
        Journal { to, wants_state, steps: 0 }
    }

    /// Has a machine take a step, and writes it down.
    pub(crate) fn step(&mut self, machine: &mut M, at: Time, input: M::Input) -> Vec<M::Effect> {
        let step = self.steps;
        self.steps += 1;
        if self.wants_state.swap(false, Ordering::Relaxed) {
            let machine = Box::new(machine.clone());
            if self.to.try_send(Entry::State { machine, step, at }).is_err() {
                self.wants_state.store(true, Ordering::Relaxed);
            }
        }
        // Before the step, so that it is known which input broke a machine. Who writes sees what is missing.
        let _left_out = self.to.try_send(Entry::Input { step, at, input: input.clone() });
        let effects = machine.step(at, input);
        let _left_out = self.to.try_send(Entry::Effects(effects.clone()));
        effects
    }
}

/// Has a machine take a step, with its journal where it has one.
pub(crate) fn step<M>(
    journal: &mut Option<Journal<M>>,
    machine: &mut M,
    at: Time,
    input: M::Input,
) -> Vec<M::Effect>
where
    M: Recorded + Send + 'static,
    M::Input: Send,
    M::Effect: Clone + Send,
{
    match journal {
        Some(journal) => journal.step(machine, at, input),
        None => machine.step(at, input),
    }
}
