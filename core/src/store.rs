//! What the machines say to a store and what it answers, as plain data. Every store (memory, embedded, Consul, etcd)
//! speaks exactly this; it is the lowest common ground of Consul and etcd.
//!
//! **Invariant:** no request writes without a guard. A lock is not a special thing: it is a key that was absent and
//! is put under a session; the revision of that put is the tenure, which fences every later write.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

/// A position in the store's history. Grows with every committed transaction (Consul: Raft index; etcd: revision).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

/// Names a session (Consul) or lease (etcd): keys put under it vanish when it is no longer renewed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub String);

/// Numbers the transactions of one machine, so that it can tell their outcomes apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WriteId(pub u64);

/// One key as the store holds it. Values are JSON text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Full key.
    pub key: String,
    /// Value, UTF-8.
    pub value: String,
    /// Revision of the last write of this key.
    pub revision: Revision,
    /// The session this key lives under, if any.
    pub session: Option<SessionId>,
}

/// Everything under a prefix at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The store's revision when the listing was taken; a watch continues after it.
    pub revision: Revision,
    /// Entries in the order of their keys.
    pub entries: Vec<Arc<Entry>>,
}

/// What happened to one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// The key was written.
    Put(Arc<Entry>),
    /// The key was deleted, or its session ended.
    Delete {
        /// Full key.
        key: String,
        /// Revision at which it vanished.
        revision: Revision,
    },
}

impl Change {
    /// Gives the key that changed.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Change::Put(entry) => &entry.key,
            Change::Delete { key, .. } => key,
        }
    }

    /// Gives the revision at which it changed.
    #[must_use]
    pub fn revision(&self) -> Revision {
        match self {
            Change::Put(entry) => entry.revision,
            Change::Delete { revision, .. } => *revision,
        }
    }
}

/// A condition of a transaction: all must hold, or nothing is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Guard {
    /// The lock `key` is still held by `session`, and still in the tenure that began at `tenure`.
    Held {
        /// The lock's key.
        key: String,
        /// The session that holds it.
        session: SessionId,
        /// Revision at which it was taken.
        tenure: Revision,
    },
    /// The key is present and was last written at this revision.
    At {
        /// Full key.
        key: String,
        /// Revision last seen.
        revision: Revision,
    },
    /// The key does not exist.
    Absent {
        /// Full key.
        key: String,
    },
}

impl Guard {
    /// Gives the key the condition looks at.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Guard::Held { key, .. } | Guard::At { key, .. } | Guard::Absent { key } => key,
        }
    }
}

/// One write of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Writes the key; under a session, it vanishes when the session ends.
    Put {
        /// Full key.
        key: String,
        /// JSON text.
        value: String,
        /// The session to live under.
        session: Option<SessionId>,
    },
    /// Removes the key.
    Delete {
        /// Full key.
        key: String,
    },
}

impl Op {
    /// Gives the key that is written.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Op::Put { key, .. } | Op::Delete { key } => key,
        }
    }
}

/// A guarded transaction: all of `ops` or none. Each key appears at most once in `ops`, and each key of `ops` also has
/// a guard of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Txn {
    /// Conditions.
    pub guards: Vec<Guard>,
    /// Writes.
    pub ops: Vec<Op>,
}

/// The most that one transaction may weigh, see [`Txn::weight`]: Consul takes 64 operations.
pub const TXN_OPS_MAX: usize = 60;
/// The most bytes of values that one transaction may hold, see [`Txn::bytes`].
pub const TXN_BYTES_MAX: usize = 256 * 1024;
/// The most bytes one record may hold.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;

impl Txn {
    /// Counts the operations that this becomes in Consul: a put and the guard on its key are one, a guard alone is one, a
    /// lock guard two, and so is a delete, since Consul's own guarded delete passes when there is nothing to delete.
    #[must_use]
    pub fn weight(&self) -> usize {
        let alone = self.guards.iter().map(|guard| match guard {
            Guard::Held { .. } => 2,
            Guard::At { key, .. } | Guard::Absent { key } => {
                usize::from(!self.ops.iter().any(|op| op.key() == key))
            }
        });
        let deletes = self.ops.iter().filter(|op| matches!(op, Op::Delete { .. })).count();
        self.ops.len() + deletes + alone.sum::<usize>()
    }

    /// Counts the bytes of all values. Keys are left out, so that a prefix before them, by which several share a store,
    /// makes no transaction too large; 60 of them are small beside the values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let values = self.ops.iter().map(|op| match op {
            Op::Put { value, .. } => value.len(),
            Op::Delete { .. } => 0,
        });
        values.sum()
    }

    /// Finds what makes this transaction one that no store may be sent: an unguarded key, a key written twice, an
    /// empty session, a tenure of zero, or a size past the limits. `None` means it is fit to send.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        if self.weight() > TXN_OPS_MAX {
            return Some("more than 60 operations");
        }
        if self.bytes() > TXN_BYTES_MAX {
            return Some("more than 256 KiB");
        }
        for guard in &self.guards {
            match guard {
                Guard::Held { session, tenure, .. } if session.0.is_empty() || tenure.0 == 0 => {
                    return Some("a lock guard without session or tenure");
                }
                Guard::At { revision, .. } if revision.0 == 0 => return Some("a guard at revision 0"),
                Guard::Held { .. } | Guard::At { .. } | Guard::Absent { .. } => {}
            }
        }
        for (index, op) in self.ops.iter().enumerate() {
            if op.key().is_empty() {
                return Some("an empty key");
            }
            if self.ops[..index].iter().any(|earlier| earlier.key() == op.key()) {
                return Some("a key written twice");
            }
            let guarded = self
                .guards
                .iter()
                .any(|guard| !matches!(guard, Guard::Held { .. }) && guard.key() == op.key());
            if !guarded {
                return Some("a write without a guard on its key");
            }
            if matches!(op, Op::Delete { .. })
                && self.guards.contains(&Guard::Absent { key: op.key().into() })
            {
                return Some("a key deleted that is guarded to be absent");
            }
            if matches!(op, Op::Put { value, .. } if value.len() > RECORD_BYTES_MAX) {
                return Some("a record of more than 64 KiB");
            }
        }
        None
    }
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It is in the store, at this revision.
    Committed(Revision),
    /// It is not in the store and never will be.
    Refused(Refusal),
    /// Nobody knows: it may be in the store, may come later, or never. Only a read tells.
    Unknown(String),
}

/// Why a store refused a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The lock guard failed: the tenure is over.
    LockLost,
    /// These keys were not as the guards said.
    Conflict(Vec<String>),
    /// The store will not take it whatever the state: too large, malformed, not permitted, no such session.
    Invalid(String),
    /// The store takes no writes now: full, read-only, without quorum for certain.
    Unavailable(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::LockLost => f.write_str("the lock is no longer held"),
            Refusal::Conflict(keys) => write!(f, "changed by somebody else: {}", keys.join(", ")),
            Refusal::Invalid(why) => write!(f, "not accepted: {why}"),
            Refusal::Unavailable(why) => write!(f, "the store takes no writes: {why}"),
        }
    }
}

/// A machine's request to its store. Each is answered by one [`Reply`], or by none when it is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Opens a session that ends when it is not renewed for `ttl`.
    OpenSession {
        /// Shown to operators.
        name: String,
        /// Time to live.
        ttl: crate::machine::Span,
    },
    /// Keeps a session alive.
    RenewSession(SessionId),
    /// Ends a session at once: its keys vanish.
    CloseSession(SessionId),
    /// Reads everything under a prefix, consistently. A prefix that is a full key reads that key (and whatever
    /// continues it). Whoever lists a prefix gives up the watch of it, and hears no more of that one: what it told while the
    /// listing was on its way would count as all that happened since.
    List {
        /// Prefix.
        prefix: String,
    },
    /// Asks for all changes under a prefix after a revision, until the watch ends.
    Watch {
        /// Prefix.
        prefix: String,
        /// Revision of the listing that this continues.
        after: Revision,
    },
    /// Writes.
    Commit {
        /// Comes back with the outcome.
        write: WriteId,
        /// What to write.
        txn: Txn,
    },
}

/// A store's answer to a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// A session was opened, or could not be.
    SessionOpened(Result<SessionId, String>),
    /// A renewal was answered: `Ok(true)` alive, `Ok(false)` the session is over, `Err` nobody knows.
    SessionRenewed(SessionId, Result<bool, String>),
    /// A listing arrived, or failed.
    Listed {
        /// As requested.
        prefix: String,
        /// The listing.
        result: Result<Listing, String>,
    },
    /// A watch saw a transaction: all of its changes under the prefix, in one reply.
    Changed {
        /// As requested.
        prefix: String,
        /// Revision of the transaction; an empty `changes` is a sign of life.
        revision: Revision,
        /// What changed.
        changes: Vec<Change>,
    },
    /// A watch ended: connection lost, history compacted. Only a new listing helps.
    WatchEnded {
        /// As requested.
        prefix: String,
        /// In words.
        why: String,
    },
    /// A transaction came to its end.
    Done {
        /// As requested.
        write: WriteId,
        /// What became of it.
        outcome: Outcome,
    },
}
