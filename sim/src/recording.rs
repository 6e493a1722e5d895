//! What a run looked like over time, as much as a page can show: services, hosts, what went wrong, what was decided.
//!
//! **Invariant:** taking one changes nothing of the run, and its size depends on the number of services alone, not on how
//! long the run or how large the fleet is.

mod aftermath;
mod decisions;
mod fleet;
mod happenings;
mod services;
mod waits;

pub use aftermath::{Aftermath, Fall};
pub use decisions::{Counts, Decision, Kind, Move};
pub use fleet::{Cell, Row};
pub use happenings::Happened;
pub use services::{Dip, Point, ServiceRecording};
pub use waits::Wait;

use crate::check::{Book, Text};
use crate::host::Host;
use callboard_core::machine::{Span, Time};
use callboard_core::model::Name;
use callboard_core::why::Note;
use decisions::Decisions;
use fleet::Fleet;
use happenings::Happenings;
use services::Services;
use std::collections::BTreeMap;
use waits::Waits;

/// Into how many columns a run is divided, at most.
const COLUMNS: u64 = 240;

/// A run over time. Time is divided into equal columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// How long a column is.
    pub width: Span,
    /// How many there are.
    pub columns: u32,
    /// Services, by name.
    pub services: BTreeMap<Name, ServiceRecording>,
    /// All services together.
    pub total: ServiceRecording,
    /// Hosts, several in a row when there are many.
    pub fleet: Vec<Row>,
    /// What went wrong and what users did, in order.
    pub happenings: Vec<Happened>,
    /// Happenings that are not listed.
    pub more_happenings: u64,
    /// What was decided, counted by column.
    pub counts: Vec<Counts>,
    /// Decisions worth reading, in order; like ones in one column are one.
    pub decisions: Vec<Decision>,
    /// Decisions that are not listed.
    pub more_decisions: u64,
    /// Tasks that had to go elsewhere, in order.
    pub moves: Vec<Move>,
    /// Moves that are not listed.
    pub more_moves: u64,
    /// Services that waited for a place, in order.
    pub waits: Vec<Wait>,
}

/// Takes a recording.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    width: Span,
    columns: u32,
    services: Services,
    fleet: Fleet,
    happenings: Happenings,
    decisions: Decisions,
    waits: Waits,
}

impl Recorder {
    /// Begins, for a run that takes so long.
    pub(crate) fn new(duration: Span) -> Recorder {
        let width = Span(duration.0.div_ceil(COLUMNS).max(1));
        let columns = u32::try_from(duration.0.div_ceil(width.0)).unwrap_or(u32::MAX).max(1);
        Recorder {
            width,
            columns,
            services: Services::new(width),
            fleet: Fleet::new(width, columns),
            happenings: Happenings::default(),
            decisions: Decisions::new(width, columns),
            waits: Waits::default(),
        }
    }

    /// Takes in that something begins to go wrong, or that a user does something.
    pub(crate) fn begins(&mut self, now: Time, what: String, lasting: Span, by_user: bool) {
        self.happenings.begins(now, what, lasting, by_user);
    }

    /// Takes in which hosts are hit by what just began.
    pub(crate) fn hits(&mut self, hosts: &[Name]) {
        self.happenings.hits(hosts);
    }

    /// Takes in that the beginning of what began is over.
    pub(crate) fn begun(&mut self) {
        self.happenings.begun();
    }

    /// Takes in that a process is gone.
    pub(crate) fn gone(&mut self, ordered: bool) {
        if !ordered {
            self.happenings.lost_a_task();
        }
    }

    /// Takes in that a service has another number of tasks, issued or healthy, or shall have.
    pub(crate) fn service_changed(&mut self, now: Time, book: &Book, service: &Text) {
        let Some(page) = book.services.get(service) else { return };
        let wanted = page.record.as_ref().map_or(0, |record| book.target(record));
        self.services.changed(now, service, page, wanted);
        self.waits.service_changed(now, service, page, wanted);
    }

    /// Takes in what a machine says to the operator.
    pub(crate) fn noted(&mut self, now: Time, host: Option<&Text>, note: &Note) {
        self.decisions.noted(now, host, note);
        self.waits.noted(now, note);
    }

    /// Tells whether a look at the hosts is due before what happens now.
    pub(crate) fn looks(&self, now: Time) -> bool {
        self.fleet.is_due(now)
    }

    /// Looks at the hosts.
    pub(crate) fn look(&mut self, now: Time, hosts: &[Host], book: &Book) {
        self.fleet.look(now, hosts, book);
    }

    /// Ends.
    pub(crate) fn end(mut self, now: Time, hosts: &[Host], book: &Book) -> Recording {
        self.fleet.look(Time(now.0 + self.width.0), hosts, book);
        let (services, total) = self.services.end();
        let decisions = self.decisions;
        Recording {
            width: self.width,
            columns: self.columns,
            services,
            total,
            fleet: self.fleet.rows,
            happenings: self.happenings.list,
            more_happenings: self.happenings.more,
            counts: decisions.counts,
            decisions: decisions.list,
            more_decisions: decisions.more,
            moves: decisions.moves,
            more_moves: decisions.more_moves,
            waits: self.waits.list,
        }
    }
}
