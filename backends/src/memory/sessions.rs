//! Keeps the open sessions: when each lapses, and which keys vanish with it.
//!
//! **Invariant:** `deadlines` holds each open session exactly once, at its deadline.

use std::collections::{BTreeMap, BTreeSet};

use callboard_core::machine::{Span, Time};
use callboard_core::store::{Revision, SessionId};

#[derive(Clone, Debug)]
pub(super) struct Sessions {
    /// The revision the store began at: part of each id, so that one from before is never taken for a new one.
    epoch: Revision,
    opened: u64,
    open: BTreeMap<SessionId, Session>,
    deadlines: BTreeSet<(Time, SessionId)>,
}

#[derive(Clone, Debug)]
struct Session {
    name: String,
    ttl: Span,
    deadline: Time,
    keys: BTreeSet<String>,
}

impl Sessions {
    pub(super) fn new(epoch: Revision) -> Sessions {
        Sessions { epoch, opened: 0, open: BTreeMap::new(), deadlines: BTreeSet::new() }
    }

    /// Numbers sessions from where others ended.
    pub(super) fn succeed(&mut self, before: &Sessions) {
        self.opened = self.opened.max(before.opened);
    }

    pub(super) fn open(&mut self, name: &str, ttl: Span, now: Time) -> SessionId {
        self.opened += 1;
        let id = SessionId(format!("session-{}-{}", self.epoch.0, self.opened));
        let deadline = now + ttl;
        self.deadlines.insert((deadline, id.clone()));
        self.open.insert(id.clone(), Session { name: name.into(), ttl, deadline, keys: BTreeSet::new() });
        id
    }

    pub(super) fn renew(&mut self, id: &SessionId, now: Time) -> bool {
        let Some(session) = self.open.get_mut(id) else { return false };
        self.deadlines.remove(&(session.deadline, id.clone()));
        session.deadline = session.deadline.max(now + session.ttl);
        self.deadlines.insert((session.deadline, id.clone()));
        true
    }

    /// Forgets a session and gives the keys that must go with it.
    pub(super) fn end(&mut self, id: &SessionId) -> BTreeSet<String> {
        let Some(session) = self.open.remove(id) else { return BTreeSet::new() };
        self.deadlines.remove(&(session.deadline, id.clone()));
        session.keys
    }

    /// Moves a key from one session to another.
    pub(super) fn rebind(&mut self, key: &str, from: Option<&SessionId>, to: Option<&SessionId>) {
        if let Some(session) = from.and_then(|id| self.open.get_mut(id)) {
            session.keys.remove(key);
        }
        if let Some(session) = to.and_then(|id| self.open.get_mut(id)) {
            session.keys.insert(key.into());
        }
    }

    pub(super) fn alive(&self, id: &SessionId) -> bool {
        self.open.contains_key(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&SessionId, &str)> {
        self.open.iter().map(|(id, session)| (id, session.name.as_str()))
    }

    pub(super) fn keys(&self, id: &SessionId) -> impl Iterator<Item = &str> {
        self.open.get(id).into_iter().flat_map(|session| session.keys.iter().map(String::as_str))
    }

    pub(super) fn next_expiry(&self) -> Option<Time> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Finds the session that lapsed first, if any has by `now`.
    pub(super) fn lapsed(&self, now: Time) -> Option<SessionId> {
        let (deadline, id) = self.deadlines.first()?;
        (*deadline <= now).then(|| id.clone())
    }
}
