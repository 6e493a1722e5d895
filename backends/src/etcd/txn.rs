//! A guarded transaction as etcd takes it, and what its answer says.
//!
//! **Invariant:** every guard is a comparison of its own, and the branch for when one fails reads the keys of all, in
//! the order of the guards; so one answer tells which of them failed.

use callboard_core::store::{Guard, Op, Outcome, Refusal, Revision, SessionId, Txn};
use etcd_client::{Compare, CompareOp, GetOptions, KeyValue, PutOptions, TxnOp, TxnOpResponse, TxnResponse};

/// Reads the number of a lease out of a session's id, which is that number in decimal. None where there can be no such
/// lease.
pub(super) fn lease(session: &SessionId) -> Option<i64> {
    session.0.parse().ok().filter(|lease| *lease > 0)
}

/// Makes a transaction of etcd out of one of ours that is not at fault, or says why it cannot hold.
pub(super) fn request(txn: &Txn) -> Result<etcd_client::Txn, Refusal> {
    let mut compares = Vec::new();
    for guard in &txn.guards {
        match guard {
            Guard::Held { key, session, tenure } => {
                // What is no lease holds nothing.
                let lease = lease(session).ok_or(Refusal::LockLost)?;
                compares.push(modified(key, *tenure));
                compares.push(Compare::lease(key.as_str(), CompareOp::Equal, lease));
            }
            Guard::At { key, revision } => compares.push(modified(key, *revision)),
            Guard::Absent { key } => compares.push(modified(key, Revision(0))),
        }
    }
    let mut ops = Vec::new();
    for op in &txn.ops {
        ops.push(match op {
            Op::Put { key, value, session } => {
                let options = match session {
                    Some(session) => Some(PutOptions::new().with_lease(lease(session).ok_or_else(|| {
                        Refusal::Invalid(format!(
                            "{key} is put under session {}, which is no lease",
                            session.0
                        ))
                    })?)),
                    None => None,
                };
                TxnOp::put(key.as_str(), value.as_str(), options)
            }
            Op::Delete { key } => TxnOp::delete(key.as_str(), None),
        });
    }
    let reads: Vec<TxnOp> = txn
        .guards
        .iter()
        .map(|guard| TxnOp::get(guard.key(), Some(GetOptions::new().with_keys_only())))
        .collect();
    Ok(etcd_client::Txn::new().when(compares).and_then(ops).or_else(reads))
}

/// Compares the revision of a key's last write; that of an absent key is 0.
fn modified(key: &str, revision: Revision) -> Compare {
    let revision = i64::try_from(revision.0).unwrap_or(i64::MAX);
    Compare::mod_revision(key, CompareOp::Equal, revision)
}

/// Says what became of a transaction.
pub(super) fn outcome(txn: &Txn, answer: &TxnResponse) -> Outcome {
    if answer.succeeded() {
        return match answer.header() {
            Some(header) => Outcome::Committed(super::revision(header.revision())),
            None => Outcome::Unknown("etcd did not say at which revision it committed".into()),
        };
    }
    let found = answer.op_responses();
    let mut conflicts: Vec<String> = Vec::new();
    for (guard, found) in txn.guards.iter().zip(&found) {
        let found = match found {
            TxnOpResponse::Get(found) => found.kvs().first(),
            TxnOpResponse::Put(_) | TxnOpResponse::Delete(_) | TxnOpResponse::Txn(_) => None,
        };
        if holds(guard, found) {
            continue;
        }
        match guard {
            Guard::Held { .. } => return Outcome::Refused(Refusal::LockLost),
            Guard::At { key, .. } | Guard::Absent { key } => {
                if !conflicts.contains(key) {
                    conflicts.push(key.clone());
                }
            }
        }
    }
    Outcome::Refused(Refusal::Conflict(conflicts))
}

fn holds(guard: &Guard, found: Option<&KeyValue>) -> bool {
    let at = |wanted: &Revision| found.is_some_and(|found| super::revision(found.mod_revision()) == *wanted);
    match guard {
        Guard::Held { session, tenure, .. } => {
            at(tenure) && found.is_some_and(|found| Some(found.lease()) == lease(session))
        }
        Guard::At { revision, .. } => at(revision),
        Guard::Absent { .. } => found.is_none(),
    }
}
