//! What is sent, letter for letter, and what each answer that was seen means.

use std::time::Duration;

use callboard_core::store::{Guard, Op, Outcome, Refusal, Revision, SessionId, Txn};
use serde_json::{Value, json};

use super::{Said, outcome, say};
use crate::consul::http::{Answer, Silence};

fn at(key: &str, revision: u64) -> Guard {
    Guard::At { key: key.into(), revision: Revision(revision) }
}

fn absent(key: &str) -> Guard {
    Guard::Absent { key: key.into() }
}

fn held() -> Guard {
    Guard::Held { key: "l".into(), session: SessionId("S".into()), tenure: Revision(7) }
}

fn put(key: &str, session: Option<&str>) -> Op {
    Op::Put { key: key.into(), value: "x".into(), session: session.map(|it| SessionId(it.into())) }
}

fn delete(key: &str) -> Op {
    Op::Delete { key: key.into() }
}

fn txn(guards: &[Guard], ops: &[Op]) -> Txn {
    Txn { guards: guards.to_vec(), ops: ops.to_vec() }
}

/// What is sent, without the flags, which are random and the same for all writes of a transaction.
fn sent(txn: &Txn) -> Vec<Value> {
    let said = say(txn).expect("it may be sent");
    let mut operations: Vec<Value> = serde_json::from_slice(&said.body).expect("JSON");
    let mut flags: Vec<Value> = Vec::new();
    for operation in &mut operations {
        let kv = operation["KV"].as_object_mut().expect("an operation on a key");
        let verb = kv["Verb"].as_str().expect("a verb").to_string();
        assert_eq!(kv.contains_key("Flags"), verb == "cas" || verb == "lock", "{verb}");
        flags.extend(kv.remove("Flags"));
    }
    flags.dedup();
    assert!(flags.len() <= 1);
    operations.into_iter().map(|mut operation| operation["KV"].take()).collect()
}

#[test]
fn guards_come_first_and_writes_carry_their_own() {
    let moved = txn(
        &[held(), at("_/id", 3), at("h1/id", 3), absent("h2/id"), at("ledger", 5), absent("gone")],
        &[put("_/id", None), delete("h1/id"), put("h2/id", None)],
    );
    let expect = [
        json!({ "Verb": "check-session", "Key": "l", "Session": "S" }),
        json!({ "Verb": "check-index", "Key": "l", "Index": 7 }),
        json!({ "Verb": "check-index", "Key": "ledger", "Index": 5 }),
        json!({ "Verb": "check-not-exists", "Key": "gone" }),
        json!({ "Verb": "cas", "Key": "_/id", "Value": "eA==", "Index": 3 }),
        json!({ "Verb": "cas", "Key": "h1/id", "Value": "", "Index": 3 }),
        json!({ "Verb": "delete", "Key": "h1/id" }),
        json!({ "Verb": "cas", "Key": "h2/id", "Value": "eA==", "Index": 0 }),
    ];
    assert_eq!(sent(&moved), expect);
    assert_eq!(moved.weight(), expect.len(), "it is counted right");
}

#[test]
fn a_key_under_a_session_is_locked() {
    let lock = |key: &str| json!({ "Verb": "lock", "Key": key, "Value": "eA==", "Session": "S" });
    let taken = txn(&[absent("l")], &[put("l", Some("S"))]);
    assert_eq!(sent(&taken), [json!({ "Verb": "check-not-exists", "Key": "l" }), lock("l")]);
    let taken_over = txn(&[at("l", 4)], &[put("l", Some("S"))]);
    let overwritten = json!({ "Verb": "cas", "Key": "l", "Value": "", "Index": 4 });
    let deleted = json!({ "Verb": "delete", "Key": "l" });
    assert_eq!(sent(&taken_over), [overwritten, deleted, lock("l")]);
}

#[test]
fn a_key_guarded_twice_is_checked_before_it_is_written() {
    let twice = txn(&[at("a", 3), absent("a")], &[put("a", None)]);
    let expect = [
        json!({ "Verb": "check-not-exists", "Key": "a" }),
        json!({ "Verb": "cas", "Key": "a", "Value": "eA==", "Index": 3 }),
    ];
    assert_eq!(sent(&twice), expect);
}

#[test]
fn no_two_writes_are_the_same() {
    let body = || say(&txn(&[absent("a")], &[put("a", None)])).expect("it may be sent").body;
    assert_ne!(body(), body());
}

fn said() -> Said {
    let guards = [held(), at("a", 3), absent("b"), absent("s")];
    say(&txn(&guards, &[put("a", None), put("b", None), put("s", Some("S"))])).expect("it may be sent")
}

fn answer(status: u16, body: &str) -> Result<Answer, Silence> {
    Ok(Answer { status, index: None, date: None, body: body.into(), took: Duration::ZERO })
}

#[test]
fn what_an_answer_means() {
    let check = |status, body: &str, expect: Outcome| {
        assert_eq!(outcome(&said(), answer(status, body), 1), expect, "{status} {body}");
    };
    let failed = |failures: &[(usize, &str)]| {
        let failures = failures.iter().map(|(index, what)| json!({ "OpIndex": index, "What": what }));
        json!({ "Results": null, "Errors": failures.collect::<Vec<_>>() }).to_string()
    };
    let refused = |failures: &[(usize, &str)], expect: Refusal| {
        check(409, &failed(failures), Outcome::Refused(expect.clone()));
        // The status alone is not to be trusted.
        check(200, &failed(failures), Outcome::Refused(expect));
    };
    let keys = |keys: &[&str]| Refusal::Conflict(keys.iter().map(ToString::to_string).collect());
    let dead = (0, "failed session check for key \"l\", current session \"\" != \"S\"");
    let old = (1, "failed index check for key \"l\", current modify index 9 != 7");
    let stale = (2, "failed to set key \"a\", index is stale");
    let exists = (4, "key \"s\" exists");
    let already = (5, "failed to lock key \"s\", lock is already held");
    let over = (5, "invalid session \"S\"");
    refused(&[dead, old], Refusal::LockLost);
    refused(&[old], Refusal::LockLost);
    refused(&[old, stale], Refusal::LockLost);
    refused(&[stale, exists, already], keys(&["a", "s"]));
    refused(&[already], keys(&["s"]));
    refused(&[stale, over], keys(&["a"]));
    refused(&[over], Refusal::Invalid(over.1.into()));
    let delay = "failed to lock key \"s\" due to lock delay";
    refused(&[(5, delay)], Refusal::Unavailable(delay.into()));
    refused(&[(2, "Permission denied"), dead], Refusal::Invalid("Permission denied".into()));

    let committed = r#"{"Results":[{"KV":{"Key":"l","ModifyIndex":7}},{"KV":{"Key":"a","ModifyIndex":12}}],"Errors":null}"#;
    check(200, committed, Outcome::Committed(Revision(12)));
    let unknown = |status, body: &str| {
        let found = outcome(&said(), answer(status, body), 1);
        assert!(matches!(found, Outcome::Unknown(_)), "{status} {body}: {found:?}");
    };
    unknown(500, "leadership lost while committing log");
    unknown(500, "No cluster leader");
    unknown(500, "rpc error making call: EOF");
    unknown(503, "");
    unknown(200, "<html>");
    unknown(200, r#"{"Results":[],"Errors":null}"#);
    unknown(409, "{}");
    unknown(302, "");
    let text = "Request body too large";
    check(413, text, Outcome::Refused(Refusal::Invalid(format!("HTTP 413: {text}"))));
    check(400, "bad", Outcome::Refused(Refusal::Invalid("HTTP 400: bad".into())));
    check(403, "ACL not found", Outcome::Refused(Refusal::Invalid("HTTP 403: ACL not found".into())));
    check(429, "too many", Outcome::Refused(Refusal::Unavailable("HTTP 429: too many".into())));
}

#[test]
fn silence_is_told_apart() {
    let not_sent = outcome(&said(), Err(Silence::NotSent("refused".into())), 1);
    assert_eq!(not_sent, Outcome::Refused(Refusal::Unavailable("refused".into())));
    let not_answered = outcome(&said(), Err(Silence::NotAnswered("reset".into())), 1);
    assert_eq!(not_answered, Outcome::Unknown("reset".into()));
}

#[test]
fn guards_alone_hold_at_what_is_known() {
    let said = say(&txn(&[at("a", 3)], &[])).expect("it may be sent");
    let body = r#"{"Results":[],"Errors":null,"Index":0}"#;
    assert_eq!(outcome(&said, answer(200, body), 40), Outcome::Committed(Revision(40)));
}
