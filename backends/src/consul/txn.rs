//! How a transaction is said to Consul, and what its answer means.
//!
//! All guards come first, then the writes, each with the guard on its own key. Consul does not write what is there
//! already, and then keeps the old index; so every write carries random flags, and thus is a write. A delete is one, too:
//! it overwrites before it deletes, since Consul's own guarded delete passes where there is nothing, and never says at
//! which index it happened. A key that is put under another session is deleted and made anew, as Consul lets no session
//! take what another holds. A put without a session leaves a key under the session it has; no machine does that.
//!
//! **Invariant:** an answer is a refusal only when Consul says so. Errors of a server (5xx, also "No cluster leader") are
//! not: one that was forwarded to a leader who then fell silent may still be carried out.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use callboard_core::store::{Guard, Op, Outcome, Refusal, Revision, Txn};
use serde::{Deserialize, Serialize};

use super::http::{Answer, Silence};
use super::random;

/// What Consul takes. A request that is larger is often not even refused: the connection is cut.
const OPERATIONS_MAX: usize = 64;
const BODY_BYTES_MAX: usize = 512 * 1024;
/// Numbers above are not told apart by everybody who reads JSON.
const FLAGS_MAX: u64 = (1 << 53) - 1;

/// Words in failures that say nothing of a guard: no such session, one that is no id, and keys and verbs not taken.
const NO_GUARD: [&str; 5] =
    ["invalid session", "session lookup", "lock delay", "Must provide", "unknown KV verb"];

/// A transaction as Consul takes it.
pub(crate) struct Said {
    pub(crate) body: Vec<u8>,
    /// It is more than guards.
    pub(crate) writes: bool,
    /// What it means when the operation of that number fails.
    meanings: Vec<Meaning>,
}

/// What it means when an operation fails.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Meaning {
    LockLost,
    /// This key is not as it was guarded to be.
    Changed(String),
}

#[derive(Serialize)]
struct Operation<'a> {
    #[serde(rename = "KV")]
    kv: Kv<'a>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Kv<'a> {
    verb: &'static str,
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flags: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
}

/// Collects operations and their meanings.
#[derive(Default)]
struct Saying<'a> {
    operations: Vec<Operation<'a>>,
    meanings: Vec<Meaning>,
    flags: u64,
}

/// Says a transaction.
///
/// # Errors
/// Why it may not be sent to any store, or not to Consul.
pub(crate) fn say(txn: &Txn) -> Result<Said, String> {
    if let Some(fault) = txn.fault() {
        return Err(fault.into());
    }
    let mut saying = Saying { flags: random() & FLAGS_MAX, ..Saying::default() };
    // The guards that go with a write; any other stands for itself.
    let own: Vec<Option<usize>> = txn.ops.iter().map(|op| own_guard(txn, op.key())).collect();
    for (number, guard) in txn.guards.iter().enumerate() {
        if !own.contains(&Some(number)) {
            saying.guard(guard);
        }
    }
    for (op, number) in txn.ops.iter().zip(own) {
        if let Some(number) = number {
            saying.write(op, &txn.guards[number]);
        }
    }
    let Saying { operations, meanings, .. } = saying;
    if operations.len() > OPERATIONS_MAX {
        return Err(format!("{} operations, Consul takes {OPERATIONS_MAX}", operations.len()));
    }
    let body = serde_json::to_vec(&operations).map_err(|error| error.to_string())?;
    if body.len() > BODY_BYTES_MAX {
        return Err(format!("{} bytes as JSON, Consul takes {BODY_BYTES_MAX}", body.len()));
    }
    Ok(Said { body, writes: !txn.ops.is_empty(), meanings })
}

fn own_guard(txn: &Txn, key: &str) -> Option<usize> {
    txn.guards.iter().position(|guard| !matches!(guard, Guard::Held { .. }) && guard.key() == key)
}

impl<'a> Saying<'a> {
    fn add(&mut self, kv: Kv<'a>, meaning: Meaning) {
        self.operations.push(Operation { kv });
        self.meanings.push(meaning);
    }

    fn guard(&mut self, guard: &'a Guard) {
        let key = guard.key();
        match guard {
            Guard::Held { session, tenure, .. } => {
                let session = Some(session.0.as_str());
                self.add(Kv { verb: "check-session", key, session, ..Kv::default() }, Meaning::LockLost);
                let index = Some(tenure.0);
                self.add(Kv { verb: "check-index", key, index, ..Kv::default() }, Meaning::LockLost);
            }
            Guard::At { revision, .. } => {
                let kv = Kv { verb: "check-index", key, index: Some(revision.0), ..Kv::default() };
                self.add(kv, Meaning::Changed(key.into()));
            }
            Guard::Absent { .. } => {
                let kv = Kv { verb: "check-not-exists", key, ..Kv::default() };
                self.add(kv, Meaning::Changed(key.into()));
            }
        }
    }

    fn write(&mut self, op: &'a Op, guard: &'a Guard) {
        let (key, flags) = (op.key(), Some(self.flags));
        let changed = || Meaning::Changed(key.into());
        let index = match guard {
            Guard::At { revision, .. } | Guard::Held { tenure: revision, .. } => revision.0,
            Guard::Absent { .. } => 0,
        };
        let set = |value: &str| {
            let value = Some(BASE64_STANDARD.encode(value));
            Kv { verb: "cas", key, value, flags, index: Some(index), ..Kv::default() }
        };
        let delete = || Kv { verb: "delete", key, ..Kv::default() };
        match op {
            Op::Put { value, session: None, .. } => self.add(set(value), changed()),
            Op::Put { value, session: Some(session), .. } => {
                if index == 0 {
                    self.guard(guard);
                } else {
                    self.add(set(""), changed());
                    self.add(delete(), changed());
                }
                let (value, session) = (Some(BASE64_STANDARD.encode(value)), Some(session.0.as_str()));
                self.add(Kv { verb: "lock", key, value, flags, session, ..Kv::default() }, changed());
            }
            Op::Delete { .. } => {
                self.add(set(""), changed());
                self.add(delete(), changed());
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Reply {
    results: Option<Vec<Written>>,
    errors: Option<Vec<Failure>>,
}

#[derive(Deserialize)]
struct Written {
    #[serde(rename = "KV")]
    kv: Option<Index>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Index {
    modify_index: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Failure {
    op_index: usize,
    what: String,
}

/// Says what became of a transaction. One without writes is committed at `seen`.
pub(crate) fn outcome(said: &Said, answer: Result<Answer, Silence>, seen: u64) -> Outcome {
    let answer = match answer {
        Ok(answer) => answer,
        Err(Silence::NotSent(why)) => return Outcome::Refused(Refusal::Unavailable(why)),
        Err(Silence::NotAnswered(why)) => return Outcome::Unknown(why),
    };
    let what = || format!("HTTP {}: {}", answer.status, answer.text());
    match answer.status {
        200 | 409 => {}
        400 | 401 | 403 | 404 | 405 | 413 => return Outcome::Refused(Refusal::Invalid(what())),
        // Too many connections or questions: turned away at the door.
        429 => return Outcome::Refused(Refusal::Unavailable(what())),
        _ => return Outcome::Unknown(what()),
    }
    let Ok(reply) = serde_json::from_slice::<Reply>(&answer.body) else { return Outcome::Unknown(what()) };
    let failures = reply.errors.unwrap_or_default();
    if !failures.is_empty() {
        return Outcome::Refused(refusal(said, &failures));
    }
    let written = reply.results.into_iter().flatten().filter_map(|written| written.kv);
    match (answer.status, written.map(|kv| kv.modify_index).max()) {
        (200, Some(index)) if said.writes => Outcome::Committed(Revision(index)),
        (200, _) if !said.writes => Outcome::Committed(Revision(seen)),
        _ => Outcome::Unknown(what()),
    }
}

/// Says why a transaction was refused. A lost lock comes before conflicts, and those before a session that is over.
fn refusal(said: &Said, failures: &[Failure]) -> Refusal {
    let says = |failure: &&Failure, words: &[&str]| words.iter().any(|word| failure.what.contains(word));
    let find = |words: &[&str]| failures.iter().find(|failure| says(failure, words));
    if let Some(failure) = find(&["Permission denied", "ACL not found"]) {
        return Refusal::Invalid(failure.what.clone());
    }
    let guards = failures.iter().filter(|failure| !says(failure, &NO_GUARD));
    let failed: Vec<&Meaning> = guards.filter_map(|failure| said.meanings.get(failure.op_index)).collect();
    if failed.contains(&&Meaning::LockLost) {
        return Refusal::LockLost;
    }
    let mut keys: Vec<String> = Vec::new();
    for meaning in failed {
        if let Meaning::Changed(key) = meaning
            && !keys.contains(key)
        {
            keys.push(key.clone());
        }
    }
    if !keys.is_empty() {
        return Refusal::Conflict(keys);
    }
    let what = failures.iter().map(|failure| failure.what.as_str()).collect::<Vec<_>>().join("; ");
    // Somebody locked the key who wanted it to rest afterwards.
    if find(&["lock delay"]).is_some() { Refusal::Unavailable(what) } else { Refusal::Invalid(what) }
}

#[cfg(test)]
mod tests;
