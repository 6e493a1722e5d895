//! What the store holds of this host beside its tasks, by key; and whose its sign of life is, which every step asks.
//!
//! **Invariant:** the sign of life is read once, when it comes.

use crate::model::Alive;
use crate::record;
use crate::store::{Entry, Revision, SessionId};
use alloc::collections::BTreeMap;
use alloc::string::String;
use core::ops::Deref;
use serde::{Deserialize, Serialize};

/// The records of a host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Own {
    entries: BTreeMap<String, Entry>,
    /// Where the sign of life lies.
    alive: String,
    sign: Option<Sign>,
}

/// A sign of life.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sign {
    pub(super) revision: Revision,
    /// Whose it is; `None` where it cannot be read.
    pub(super) agent: Option<String>,
    /// Without one it would lie there for ever, whoever put it.
    pub(super) session: Option<SessionId>,
}

impl Own {
    pub(super) fn new(alive: String) -> Own {
        Own { entries: BTreeMap::new(), alive, sign: None }
    }

    pub(super) fn sign(&self) -> Option<&Sign> {
        self.sign.as_ref()
    }

    pub(super) fn insert(&mut self, entry: Entry) {
        if entry.key == self.alive {
            let agent = record::read::<Alive>(&entry.value).ok().map(|alive| alive.agent_id);
            self.sign = Some(Sign { revision: entry.revision, agent, session: entry.session.clone() });
        }
        self.entries.insert(entry.key.clone(), entry);
    }

    pub(super) fn remove(&mut self, key: &str) {
        if key == self.alive {
            self.sign = None;
        }
        self.entries.remove(key);
    }
}

impl Deref for Own {
    type Target = BTreeMap<String, Entry>;

    fn deref(&self) -> &BTreeMap<String, Entry> {
        &self.entries
    }
}
