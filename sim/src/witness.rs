//! Whoever wants to know more of a run than how it ended is told here, while it happens.
//!
//! **Invariant:** nothing here changes what happens, and when nobody wants to know, nothing is done.

use crate::check::{Book, Text};
use crate::recording::Recorder;
use callboard_core::machine::{Span, Time};
use callboard_core::model::Name;
use callboard_core::why::Note;

/// Those who want to know.
#[derive(Clone, Debug, Default)]
pub(crate) struct Witness {
    /// Sums up.
    pub(crate) recorder: Option<Box<Recorder>>,
}

impl Witness {
    /// Tells that something begins to go wrong, or that a user does something.
    pub(crate) fn begins(&mut self, now: Time, what: &dyn ToString, lasting: Span, by_user: bool) {
        if let Some(recorder) = &mut self.recorder {
            recorder.begins(now, what.to_string(), lasting, by_user);
        }
    }

    /// Tells which hosts are hit by what just began.
    pub(crate) fn hits<'a>(&mut self, hosts: impl Iterator<Item = &'a Name>) {
        if let Some(recorder) = &mut self.recorder {
            let hosts: Vec<Name> = hosts.cloned().collect();
            recorder.hits(&hosts);
        }
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
    }
}
