//! Whether this agent is the one that speaks for its host: its sign of life lies in the store under its own session. The
//! revision at which it was put is the agent's tenure and guards every later write.
//!
//! **Invariant:** the sign of life of another agent is never taken; that of this agent's former self is. While another has
//! the name, and until this one has it, nothing is started that does not run here already: there it may.

use super::Agent;
use crate::model::Alive;
use crate::session::SessionNews;
use crate::store::{Entry, Guard, Op, Revision, SessionId, Txn};
use crate::why::Note;
use alloc::format;

impl Agent {
    /// Gives the session and the tenure, while both surely hold.
    pub(super) fn tenure(&self) -> Option<(&SessionId, Revision)> {
        let session = self.session.id()?;
        let alive = self.own.get(&self.at.alive)?;
        (alive.session.as_ref() == Some(session)).then_some((session, alive.revision))
    }

    pub(super) fn session_news(&mut self, news: &SessionNews) {
        match news {
            SessionNews::Opened(_) => self.writer.host_changed = true,
            SessionNews::Lost(_) => {
                self.note(Note::Store { what: "the agent's session is over; tasks go on".into() });
            }
        }
    }

    /// Gives the transaction that puts the sign of life, or clears away what is in its place.
    pub(super) fn acquire(&mut self) -> Option<Txn> {
        let session = self.session.id()?.clone();
        let key = self.at.alive.clone();
        if let Some(entry) = self.own.get(&key).cloned() {
            if let Some(rival) = self.rival() {
                if self.rival.as_ref() != Some(&rival) {
                    self.note(Note::Store {
                        what: format!(
                            "another agent of the name {:?} is alive ({rival}); this one waits until it is gone",
                            self.name()
                        ),
                    });
                    self.rival = Some(rival);
                    self.aside = true;
                }
                return None;
            }
            self.rival = None;
            let guards = alloc::vec![Guard::At { key: key.clone(), revision: entry.revision }];
            return Some(Txn { guards, ops: alloc::vec![Op::Delete { key }] });
        }
        self.rival = None;
        let alive = Alive {
            host: self.name().clone(),
            boot_id: self.settings.boot_id.clone(),
            agent_id: self.settings.agent_id.clone(),
            seen: self.seen,
        };
        let value = crate::record::write(&alive);
        let guards = alloc::vec![Guard::Absent { key: key.clone() }];
        Some(Txn { guards, ops: alloc::vec![Op::Put { key, value, session: Some(session) }] })
    }

    /// Tells whether what is issued to this host may be another agent's to start: that has the name, or this one has not had
    /// it yet.
    pub(super) fn stands_aside(&self) -> bool {
        self.rival().is_some() || self.aside && self.tenure().is_none()
    }

    /// Takes up what is issued to this host when the name has become this agent's.
    pub(super) fn step_in(&mut self) {
        if self.aside && self.tenure().is_some() {
            self.aside = false;
            self.touch_all();
        }
    }

    /// Names the agent that speaks for this host in our place, as far as is known.
    pub(super) fn rival(&self) -> Option<alloc::string::String> {
        self.own.get(&self.at.alive).and_then(|entry| self.rival_in(entry))
    }

    /// Names the agent whose sign of life this is, unless it is our own, or nobody's.
    fn rival_in(&self, entry: &Entry) -> Option<alloc::string::String> {
        // Without a session it would lie here for ever, whoever put it.
        entry.session.as_ref()?;
        match crate::record::read::<Alive>(&entry.value) {
            Ok(alive) if alive.agent_id == self.settings.agent_id => None,
            Ok(alive) => Some(alive.agent_id),
            Err(_) => Some("unreadable".into()),
        }
    }
}
