//! What the machines decided, counted by column, and the decisions worth reading.

use crate::check::Text;
use callboard_core::machine::{Span, Time};
use callboard_core::model::Name;
use callboard_core::why::{Note, StopReason};
use std::collections::{BTreeMap, BTreeSet};

/// How many decisions are kept: the first.
const KEPT: usize = 1_000;
/// How many moves are kept: the first.
const MOVES: usize = 1_000;
/// How many names a decision lists.
const NAMED: usize = 4;

/// What was decided in a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tasks that were given a place.
    pub placed: u32,
    /// Tasks that were told to stop because users or a rollout wanted it so.
    pub stopped: u32,
    /// Tasks that were told to stop because they had to go elsewhere.
    pub moved: u32,
}

/// One decision, or several alike in one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// When, the first of them.
    pub at: Time,
    /// What kind.
    pub kind: Kind,
    /// How many.
    pub count: u32,
    /// Whom they concern: the first of them.
    pub named: Vec<Name>,
    /// The first, in words.
    pub first: String,
}

/// Kinds of decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A rollout began, ended or was given up.
    Rollout,
    /// Tasks were given places.
    Placed,
    /// Tasks were told to stop.
    Stopped,
    /// A service waits for places.
    Blocked,
    /// A host is silent.
    Suspect,
    /// A host is given up.
    Lost,
    /// A host is there.
    Ready,
    /// Many hosts are silent: their tasks are replaced slowly or not at all.
    Braked,
    /// A scheduler took or lost a cluster's lock.
    Lock,
    /// An agent asked for a task to go elsewhere.
    MoveRequested,
    /// The store refused, was away or odd.
    Store,
    /// A record cannot be used.
    BadRecord,
}

/// A task that had to go elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// When it was told to stop.
    pub at: Time,
    /// The task.
    pub id: Name,
    /// Its service.
    pub service: Name,
    /// The host that it had to leave.
    pub host: Name,
    /// Why.
    pub why: String,
}

#[derive(Clone, Debug)]
pub(super) struct Decisions {
    width: Span,
    pub(super) counts: Vec<Counts>,
    pub(super) list: Vec<Decision>,
    pub(super) more: u64,
    pub(super) moves: Vec<Move>,
    pub(super) more_moves: u64,
    /// Those of the present column, by kind and by what makes them alike.
    alike: BTreeMap<(Kind, String), usize>,
    /// Hosts of which something was said in the present column: each scheduler says it.
    said: BTreeSet<(Kind, Name)>,
    column: u64,
}

impl Decisions {
    pub(super) fn new(width: Span, columns: u32) -> Decisions {
        Decisions {
            width,
            counts: vec![Counts::default(); columns as usize],
            list: Vec::new(),
            more: 0,
            moves: Vec::new(),
            more_moves: 0,
            alike: BTreeMap::new(),
            said: BTreeSet::new(),
            column: 0,
        }
    }

    pub(super) fn noted(&mut self, now: Time, host: Option<&Text>, note: &Note) {
        self.count(now, note);
        let scheduler: Name = "scheduler".into();
        let Some((kind, alike, name)) = sorted(note, host.unwrap_or(&scheduler)) else { return };
        let column = now.0 / self.width.0;
        if column != self.column {
            self.alike.clear();
            self.said.clear();
            self.column = column;
        }
        let is_of_host = matches!(kind, Kind::Suspect | Kind::Lost | Kind::Ready);
        if is_of_host && !self.said.insert((kind, name.clone())) {
            return;
        }
        if let Some(index) = self.alike.get(&(kind, alike.clone())) {
            let decision = &mut self.list[*index];
            decision.count += 1;
            if decision.named.len() < NAMED && !decision.named.contains(name) {
                decision.named.push(name.clone());
            }
            return;
        }
        if self.list.len() == KEPT {
            self.more += 1;
            return;
        }
        self.alike.insert((kind, alike), self.list.len());
        let named = vec![name.clone()];
        self.list.push(Decision { at: now, kind, count: 1, named, first: note.to_string() });
    }

    fn count(&mut self, now: Time, note: &Note) {
        let column = usize::try_from(now.0 / self.width.0).unwrap_or(usize::MAX);
        let last = self.counts.len() - 1;
        let counts = &mut self.counts[column.min(last)];
        if matches!(note, Note::Placed { .. }) {
            counts.placed += 1;
        }
        let Note::StopOrdered { id, service, host, why } = note else { return };
        if !moves(why) {
            counts.stopped += 1;
            return;
        }
        counts.moved += 1;
        if self.moves.len() == MOVES {
            self.more_moves += 1;
            return;
        }
        let (id, service, host, why) = (id.clone(), service.clone(), host.clone(), why.to_string());
        self.moves.push(Move { at: now, id, service, host, why });
    }
}

/// Tells whether a task that is stopped for this reason is wanted elsewhere.
fn moves(why: &StopReason) -> bool {
    match why {
        StopReason::ScaleDown
        | StopReason::Deleted
        | StopReason::Rollout { .. }
        | StopReason::Unqualified { .. }
        | StopReason::BadRecord { .. } => false,
        StopReason::NotHealthy { .. }
        | StopReason::Failed { .. }
        | StopReason::Quarantined
        | StopReason::Orphaned
        | StopReason::HostLost
        | StopReason::Drain
        | StopReason::Rebalanced
        | StopReason::Preempted { .. }
        | StopReason::MoveRequested { .. } => true,
    }
}

/// Gives the kind of a note, what makes others like it, and whom it concerns; `None` when it decides nothing.
fn sorted<'a>(note: &'a Note, from: &'a Name) -> Option<(Kind, String, &'a Name)> {
    let sorted = match note {
        Note::RolloutStarted { service, .. } => (Kind::Rollout, format!("started {service}"), service),
        Note::RolloutDone { service, .. } => (Kind::Rollout, format!("done {service}"), service),
        Note::Completed { service, .. } => (Kind::Rollout, format!("completed {service}"), service),
        Note::RolloutFailed { service, .. } => (Kind::Rollout, format!("failed {service}"), service),
        Note::Placed { service, .. } => (Kind::Placed, service.to_string(), service),
        Note::StopOrdered { service, why, .. } => {
            let word = why.to_string();
            let word = word.split(':').next().unwrap_or_default();
            (Kind::Stopped, format!("{service} {word}"), service)
        }
        Note::Blocked { service, .. } => (Kind::Blocked, service.to_string(), service),
        Note::HostSuspect { host } => (Kind::Suspect, String::new(), host),
        Note::HostLost { host, .. } => (Kind::Lost, String::new(), host),
        Note::HostReady { host } => (Kind::Ready, String::new(), host),
        Note::Braked { .. } => (Kind::Braked, String::new(), from),
        Note::LockTaken { cluster, .. } => (Kind::Lock, format!("taken {cluster}"), cluster),
        Note::LockLost { cluster } => (Kind::Lock, format!("lost {cluster}"), cluster),
        Note::MoveRequested { id, .. } => (Kind::MoveRequested, String::new(), id),
        Note::Store { what } => (Kind::Store, what.clone(), from),
        Note::BadRecord { key, .. } => (Kind::BadRecord, key.clone(), from),
        Note::Task { .. } | Note::Removed { .. } | Note::MakingRoom { .. } => return None,
    };
    Some(sorted)
}
