//! What went wrong and what users did: from when, until when, whom it hit.

use callboard_core::machine::{Span, Time};
use callboard_core::model::Name;

/// How many happenings are kept: the first.
const KEPT: usize = 1_000;
/// How many hosts are named.
const NAMED: usize = 4;

/// Something that went wrong, or that a user did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// When.
    pub at: Time,
    /// How long it lasted; zero for what is done at once or never undone.
    pub lasting: Span,
    /// In words.
    pub what: String,
    /// A user did it.
    pub by_user: bool,
    /// How many hosts it hit.
    pub hosts: u32,
    /// The first of them.
    pub named: Vec<Name>,
    /// Tasks that died of it at once.
    pub tasks_lost: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Happenings {
    pub(super) list: Vec<Happened>,
    pub(super) more: u64,
    /// The last in the list is just happening.
    now: bool,
}

impl Happenings {
    pub(super) fn begins(&mut self, at: Time, what: String, lasting: Span, by_user: bool) {
        self.now = self.list.len() < KEPT;
        if !self.now {
            self.more += 1;
            return;
        }
        let (named, tasks_lost) = (Vec::new(), 0);
        self.list.push(Happened { at, lasting, what, by_user, hosts: 0, named, tasks_lost });
    }

    pub(super) fn begun(&mut self) {
        self.now = false;
    }

    pub(super) fn hits(&mut self, hosts: &[Name]) {
        let Some(last) = self.list.last_mut().filter(|_| self.now) else { return };
        last.hosts += u32::try_from(hosts.len()).unwrap_or(u32::MAX);
        let room = NAMED.saturating_sub(last.named.len());
        last.named.extend(hosts.iter().take(room).cloned());
    }

    pub(super) fn lost_a_task(&mut self) {
        if let Some(last) = self.list.last_mut().filter(|_| self.now) {
            last.tasks_lost += 1;
        }
    }
}
