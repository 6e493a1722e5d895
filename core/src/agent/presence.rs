//! Whether this agent is the one that speaks for its host: its sign of life lies in the store under its own session. The
//! revision at which it was put is the agent's tenure and guards every later write.
//!
//! **Invariant:** the sign of life of another agent is never taken; that of this agent's former self is. While another has
//! the name, and until this one has it, nothing is started that does not run here already: there it may. An agent ends
//! for want of its name only when it surely runs nothing: nobody else would bring back what it looks after.

use super::local::Local;
use super::{Agent, Effect};
use crate::machine::{Span, Time, Wake};
use crate::model::Alive;
use crate::session::SessionNews;
use crate::store::{Guard, Op, Revision, SessionId, Txn};
use crate::why::Note;
use alloc::format;
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// For so many times as long as a session lives another agent may have the name before this one gives up: a store may keep
/// the sign of life of an agent that died for twice as long, and tells of its end a little later.
const PATIENCE: u64 = 3;

/// Another agent of the same name, which is alive.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Rival {
    /// Its agent id.
    pub(super) id: String,
    /// Since when it is known to have the name, without a time in which the store may have told nothing.
    since: Time,
    /// The operator was told that it has it for good.
    told: bool,
}

impl Agent {
    /// Gives the session and the tenure, while both surely hold.
    pub(super) fn tenure(&self) -> Option<(&SessionId, Revision)> {
        let session = self.session.id()?;
        let sign = self.own.sign()?;
        (sign.session.as_ref() == Some(session)).then_some((session, sign.revision))
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
        if let Some(sign) = self.own.sign() {
            if self.rival().is_some() {
                return None;
            }
            let guards = alloc::vec![Guard::At { key: key.clone(), revision: sign.revision }];
            return Some(Txn { guards, ops: alloc::vec![Op::Delete { key }] });
        }
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

    /// Looks who has the name. Where another agent has had it for long, this one ends if it runs nothing, else says so.
    pub(super) fn watch_rival(&mut self, now: Time) {
        let Some(id) = self.rival() else {
            self.rival = None;
            return;
        };
        if self.rival.as_ref().is_none_or(|rival| rival.id != id) {
            let id = String::from(id);
            let what = format!(
                "another agent of the name {:?} is alive ({id}); this one waits until it is gone",
                self.name()
            );
            self.note(Note::Store { what });
            self.aside = true;
            self.rival = Some(Rival { id, since: now, told: false });
        }
        let is_deaf = self.session.id().is_none() || self.troubled || !self.mirror.is_filled();
        let patience = self.patience();
        let Some(rival) = &mut self.rival else { return };
        if is_deaf {
            rival.since = now;
        }
        if now.since(rival.since) < patience || self.leaving.is_some() {
            return;
        }
        let id = rival.id.clone();
        let was_told = core::mem::replace(&mut rival.told, true);
        let name = self.name();
        let what =
            format!("another agent ({id}) has had the name {name:?} for {patience}; two must not share one");
        if self.runs_nothing() {
            self.depart(now, Effect::Refuse(what));
        } else if !was_told {
            let what = format!("{what}: this one looks after what it runs, and starts nothing else");
            self.note(Note::Store { what });
        }
    }

    /// Tells when [`Agent::watch_rival`] has something to do.
    pub(super) fn rival_wake_at(&self) -> Option<(Time, Wake)> {
        let rival = self.rival.as_ref().filter(|rival| !rival.told && self.leaving.is_none())?;
        Some((rival.since + self.patience(), Wake::Session))
    }

    fn patience(&self) -> Span {
        self.settings.ttl.times(PATIENCE)
    }

    /// Tells whether this agent surely looks after nothing that was started here.
    fn runs_nothing(&self) -> bool {
        let is_ours = |local: &Local| local.is_live() || local.spec.is_some() && !local.phase().is_over();
        self.knows_all() && self.relics.is_empty() && !self.locals.values().any(is_ours)
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
    pub(super) fn rival(&self) -> Option<&str> {
        let sign = self.own.sign().filter(|sign| sign.session.is_some())?;
        let agent = sign.agent.as_deref().unwrap_or("unreadable");
        (agent != self.settings.agent_id).then_some(agent)
    }
}
