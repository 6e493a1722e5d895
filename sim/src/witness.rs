//! Whoever wants to know more of a run than how it ended is told here, while it happens.
//!
//! **Invariant:** nothing here changes what happens, and when nobody wants to know, nothing is done.

use crate::check::{Book, Text, Write};
use crate::departed::Departed;
use crate::recording::Recorder;
use crate::trace::Trace;
use callboard_core::machine::{Span, Time};
use callboard_core::model::Name;
use callboard_core::store::Change;
use callboard_core::why::Note;

/// Those who want to know.
#[derive(Clone, Debug, Default)]
pub(crate) struct Witness {
    /// Sums up.
    pub(crate) recorder: Option<Box<Recorder>>,
    /// Leaves nothing out.
    pub(crate) trace: Option<Box<Trace>>,
    /// Remembers what is gone.
    pub(crate) departed: Option<Box<Departed>>,
}

impl Witness {
    /// Tells that something begins to go wrong, or that a user does something.
    pub(crate) fn begins(&mut self, now: Time, what: &dyn ToString, lasting: Span, by_user: bool) {
        if let Some(recorder) = &mut self.recorder {
            recorder.begins(now, what.to_string(), lasting, by_user);
        }
        if let Some(trace) = &mut self.trace {
            trace.begins(what.to_string());
        }
    }

    /// Tells which hosts are hit by what just began.
    pub(crate) fn hits<'a>(&mut self, hosts: impl Iterator<Item = &'a Name>) {
        if self.recorder.is_none() && self.trace.is_none() {
            return;
        }
        let hosts: Vec<Name> = hosts.cloned().collect();
        self.recorder.iter_mut().for_each(|recorder| recorder.hits(&hosts));
        self.trace.iter_mut().for_each(|trace| trace.hits(&hosts));
    }

    /// Tells that the beginning of what began is over.
    pub(crate) fn begun(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.begun();
        }
    }

    /// Tells that a process is gone.
    pub(crate) fn gone(&mut self, ordered: bool) {
        if let Some(recorder) = &mut self.recorder {
            recorder.gone(ordered);
        }
    }

    /// Tells that a service has another number of tasks, issued or healthy, or shall have.
    pub(crate) fn service_changed(&mut self, now: Time, book: &Book, service: &Text) {
        if let Some(recorder) = &mut self.recorder {
            recorder.service_changed(now, book, service);
        }
    }

    /// Tells what a machine says to the operator.
    pub(crate) fn noted(&mut self, now: Time, host: Option<&Text>, note: &Note) {
        if let Some(recorder) = &mut self.recorder {
            recorder.noted(now, host, note);
        }
        if let Some(trace) = &mut self.trace {
            trace.noted(host, note);
        }
    }

    /// Tells that an agent gave an order about a task.
    pub(crate) fn ordered(&mut self, host: &Name, task: &Name, what: &str) {
        if let Some(trace) = &mut self.trace {
            trace.ordered(host, task, what);
        }
    }

    /// Tells what became of a process.
    pub(crate) fn process(&mut self, host: &Name, task: &Name, service: Option<&Name>, what: &str) {
        if let Some(trace) = &mut self.trace {
            trace.process(host, task, service, what);
        }
    }

    /// Tells what was committed, after which the book is as it is.
    pub(crate) fn committed(&mut self, book: &Book, changes: &[Change], writes: &[Write]) {
        if let Some(departed) = &mut self.departed {
            departed.committed(book, writes);
        }
        if let Some(trace) = &mut self.trace {
            trace.committed(changes, writes);
        }
    }

    /// Tells that the store is about to lose what it holds.
    pub(crate) fn lost(&mut self, book: &Book) {
        if let Some(departed) = &mut self.departed {
            departed.lost(book);
        }
    }
}
