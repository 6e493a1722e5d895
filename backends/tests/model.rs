//! The memory store against a model so plain that it is obviously right: a list of all that ever happened.

use callboard_backends::memory::{Memory, WatcherId};
use callboard_core::machine::{Span, Time};
use callboard_core::store::{Change, Entry, Guard, Op, Outcome, Refusal, Revision, SessionId, Txn};
use proptest::prelude::*;
use std::sync::Arc;

const KEYS: [&str; 8] = ["a", "a/", "a/b", "a/b/c", "a/bc", "b", "b/c", "é/ü"];
const PREFIXES: [&str; 9] = ["", "a", "a/", "a/b", "a/b/", "b/", "é", "é/", "zz/"];

#[derive(Default)]
struct Model {
    revision: u64,
    entries: Vec<Entry>,
    sessions: Vec<(SessionId, Span, Time)>,
    story: Vec<Change>,
}

impl Model {
    fn find(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    fn alive(&self, session: &SessionId) -> bool {
        self.sessions.iter().any(|(id, _, _)| id == session)
    }

    fn commit(&mut self, txn: &Txn) -> Outcome {
        if let Some(fault) = txn.fault() {
            return Outcome::Refused(Refusal::Invalid(fault.into()));
        }
        let holds = |guard: &Guard| match guard {
            Guard::At { key, revision } => self.find(key).is_some_and(|entry| entry.revision == *revision),
            Guard::Absent { key } => self.find(key).is_none(),
            Guard::Held { key, session, tenure } => self.find(key).is_some_and(|it| {
                it.revision == *tenure && it.session.as_ref() == Some(session) && self.alive(session)
            }),
        };
        let failing: Vec<&Guard> = txn.guards.iter().filter(|guard| !holds(guard)).collect();
        if failing.iter().any(|guard| matches!(guard, Guard::Held { .. })) {
            return Outcome::Refused(Refusal::LockLost);
        }
        if !failing.is_empty() {
            let mut keys: Vec<String> = Vec::new();
            for guard in failing {
                if !keys.iter().any(|key| key == guard.key()) {
                    keys.push(guard.key().into());
                }
            }
            return Outcome::Refused(Refusal::Conflict(keys));
        }
        let dead = |op: &&Op| matches!(op, Op::Put { session: Some(session), .. } if !self.alive(session));
        if txn.ops.iter().find(dead).is_some() {
            return Outcome::Refused(Refusal::Invalid(String::new()));
        }
        let before = self.story.len();
        let revision = Revision(self.revision + 1);
        for op in &txn.ops {
            let was_there = self.find(op.key()).is_some();
            self.entries.retain(|entry| entry.key != op.key());
            match op.clone() {
                Op::Put { key, value, session } => {
                    let entry = Entry { key, value, revision, session };
                    self.entries.push(entry.clone());
                    self.story.push(Change::Put(entry.into()));
                }
                Op::Delete { key } if was_there => self.story.push(Change::Delete { key, revision }),
                Op::Delete { .. } => {}
            }
        }
        self.revision += u64::from(self.story.len() > before);
        Outcome::Committed(Revision(self.revision))
    }

    fn end(&mut self, session: &SessionId) {
        self.sessions.retain(|(id, _, _)| id != session);
        let bound = |entry: &Entry| entry.session.as_ref() == Some(session);
        let mut keys: Vec<String> =
            self.entries.iter().filter(|entry| bound(entry)).map(|entry| entry.key.clone()).collect();
        keys.sort();
        self.entries.retain(|entry| !bound(entry));
        self.revision += u64::from(!keys.is_empty());
        let revision = Revision(self.revision);
        self.story.extend(keys.into_iter().map(|key| Change::Delete { key, revision }));
    }

    fn expire(&mut self, now: Time) {
        let mut lapsed: Vec<_> =
            self.sessions.iter().filter(|(_, _, deadline)| *deadline <= now).cloned().collect();
        lapsed.sort_by_key(|(id, _, deadline)| (*deadline, id.clone()));
        for (id, _, _) in lapsed {
            self.end(&id);
        }
    }

    fn story_of(&self, prefix: &str, after: Revision) -> Vec<Change> {
        let heard = |change: &&Change| change.key().starts_with(prefix) && change.revision() > after;
        self.story.iter().filter(heard).cloned().collect()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Commit { guards: Vec<(usize, usize, u64, usize)>, ops: Vec<(usize, usize)>, honest: bool },
    Open(u64),
    Renew(usize),
    Close(usize),
    Wait(u64),
    Watch(usize, u64),
    Unwatch(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let guard = (0..4_usize, 0..KEYS.len(), 0..3_u64, 0..4_usize);
    let op = (0..KEYS.len(), 0..6_usize);
    prop_oneof![
        8 => (prop::collection::vec(guard, 0..3), prop::collection::vec(op, 0..4), prop::bool::weighted(0.9))
            .prop_map(|(guards, ops, honest)| Step::Commit { guards, ops, honest }),
        2 => (1..20_u64).prop_map(Step::Open),
        1 => (0..4_usize).prop_map(Step::Renew),
        1 => (0..4_usize).prop_map(Step::Close),
        2 => (0..12_u64).prop_map(Step::Wait),
        2 => (0..PREFIXES.len(), 0..5_u64).prop_map(|(prefix, back)| Step::Watch(prefix, back)),
        1 => (0..4_usize).prop_map(Step::Unwatch),
    ]
}

struct Run {
    memory: Memory,
    model: Model,
    now: Time,
    ids: Vec<SessionId>,
    watches: Vec<(WatcherId, &'static str, Revision, Vec<Change>)>,
}

impl Run {
    fn id(&self, index: usize) -> SessionId {
        let nobody = SessionId("nobody".into());
        self.ids.iter().rev().nth(index).cloned().unwrap_or(nobody)
    }

    fn hear(&mut self, deliveries: Vec<callboard_backends::memory::Delivery>) {
        let mut last: Option<(Revision, WatcherId)> = None;
        for delivery in deliveries {
            let order = (delivery.revision, delivery.watcher);
            assert!(last.is_none_or(|last| last < order), "one delivery a watcher and transaction, in order");
            last = Some(order);
            let watch =
                self.watches.iter_mut().find(|watch| watch.0 == delivery.watcher).expect("its watcher");
            assert!(!delivery.changes.is_empty());
            assert!(delivery.changes.iter().all(|change| change.revision() == delivery.revision));
            watch.3.extend(delivery.changes);
        }
    }

    /// Makes a transaction: guards at random, or true ones where `honest`, so that some go through.
    fn txn(&self, guards: &[(usize, usize, u64, usize)], ops: &[(usize, usize)], honest: bool) -> Txn {
        let mut txn = Txn::default();
        for (kind, key, back, session) in guards {
            let (key, session) = (KEYS[*key].to_string(), self.id(*session));
            let present = self.model.find(&key).map_or(0, |entry| entry.revision.0);
            let revision = Revision(if *back == 0 { present + 1 } else { present });
            txn.guards.push(match kind {
                0 => Guard::At { key, revision },
                1 => Guard::Absent { key },
                _ => Guard::Held { key, session, tenure: revision },
            });
        }
        for (key, what) in ops {
            let key = KEYS[*key].to_string();
            if honest {
                txn.guards.push(match self.model.find(&key) {
                    Some(entry) => Guard::At { key: key.clone(), revision: entry.revision },
                    None => Guard::Absent { key: key.clone() },
                });
            }
            let value = self.model.revision.to_string();
            txn.ops.push(match what {
                0 | 1 => Op::Delete { key },
                2 | 3 => Op::Put { key, value, session: None },
                _ => Op::Put { key, value, session: Some(self.id(what - 4)) },
            });
        }
        txn
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Commit { guards, ops, honest } => {
                let txn = self.txn(&guards, &ops, honest);
                let (found, deliveries) = self.memory.commit(&txn);
                self.hear(deliveries);
                match (self.model.commit(&txn), found) {
                    (Outcome::Refused(Refusal::Invalid(_)), Outcome::Refused(Refusal::Invalid(_))) => {}
                    (expect, found) => assert_eq!(found, expect, "{txn:?}"),
                }
            }
            Step::Open(ttl) => {
                let id = self.memory.open_session("s", Span(ttl), self.now);
                self.model.sessions.push((id.clone(), Span(ttl), self.now + Span(ttl)));
                self.ids.push(id);
            }
            Step::Renew(index) => {
                let id = self.id(index);
                assert_eq!(self.memory.renew_session(&id, self.now), self.model.alive(&id));
                for (open, ttl, deadline) in &mut self.model.sessions {
                    if *open == id {
                        *deadline = self.now + *ttl;
                    }
                }
            }
            Step::Close(index) => {
                let id = self.id(index);
                let deliveries = self.memory.close_session(&id);
                self.hear(deliveries);
                self.model.end(&id);
            }
            Step::Wait(ms) => {
                self.now = self.now + Span(ms);
                let deliveries = self.memory.expire(self.now);
                self.hear(deliveries);
                self.model.expire(self.now);
            }
            Step::Watch(prefix, back) => {
                let after = Revision(self.model.revision.saturating_sub(back));
                let (id, backlog) = self.memory.watch(PREFIXES[prefix], after).expect("nothing is compacted");
                self.watches.push((id, PREFIXES[prefix], after, Vec::new()));
                self.hear(backlog);
            }
            Step::Unwatch(index) => {
                if index < self.watches.len() {
                    self.memory.unwatch(self.watches.remove(index).0);
                }
            }
        }
        self.compare();
    }

    fn compare(&self) {
        for prefix in PREFIXES {
            let under = self.model.entries.iter().filter(|entry| entry.key.starts_with(prefix));
            let mut expect: Vec<Arc<Entry>> = under.cloned().map(Arc::new).collect();
            expect.sort_by(|one, other| one.key.cmp(&other.key));
            let found = self.memory.list(prefix);
            assert_eq!((found.revision.0, found.entries), (self.model.revision, expect));
        }
        for (_, prefix, after, heard) in &self.watches {
            assert_eq!(*heard, self.model.story_of(prefix, *after), "{prefix} after {after:?}");
        }
        let next = self.model.sessions.iter().map(|(_, _, deadline)| *deadline).min();
        assert_eq!(self.memory.next_expiry(), next);
    }
}

proptest! {
    #[test]
    fn the_memory_store_does_what_the_model_does(steps in prop::collection::vec(step(), 1..80)) {
        let mut run = Run {
            memory: Memory::default(),
            model: Model::default(),
            now: Time(0),
            ids: Vec::new(),
            watches: Vec::new(),
        };
        for step in steps {
            run.take(step);
        }
    }
}
