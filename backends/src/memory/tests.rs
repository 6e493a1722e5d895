//! What the contract cannot ask of every store: exact revisions, exact events, determinism.

use super::*;

fn put(key: &str, value: &str, session: Option<&SessionId>) -> Op {
    Op::Put { key: key.into(), value: value.into(), session: session.cloned() }
}

fn create(key: &str, value: &str, session: Option<&SessionId>) -> Txn {
    Txn { guards: vec![Guard::Absent { key: key.into() }], ops: vec![put(key, value, session)] }
}

#[test]
fn watchers_are_found_by_any_prefix() {
    let mut memory = Memory::default();
    let prefixes = ["", "a/", "a/b", "a/b/", "a/bé", "a/b/c", "x", "a/b/cc", "/"];
    let ids: Vec<WatcherId> =
        prefixes.iter().map(|prefix| memory.watch(prefix, Revision(0)).unwrap().0).collect();
    for key in ["a/b/c", "a/bé/", "x", "/", "//", "a", "a/é", "zé"] {
        let (outcome, deliveries) = memory.commit(&create(key, "1", None));
        assert!(matches!(outcome, Outcome::Committed(_)));
        let heard: Vec<WatcherId> = deliveries.iter().map(|delivery| delivery.watcher).collect();
        let expect: Vec<WatcherId> = (prefixes.iter().zip(&ids))
            .filter_map(|(prefix, id)| key.starts_with(prefix).then_some(*id))
            .collect();
        assert_eq!(heard, expect, "{key}");
    }
    ids.into_iter().for_each(|id| memory.unwatch(id));
    assert!(memory.commit(&create("a/b/d", "1", None)).1.is_empty());
}

#[test]
fn a_clobbered_lock_key_outlives_its_session() {
    let mut memory = Memory::default();
    let session = memory.open_session("s", Span(10), Time(0));
    memory.commit(&create("lock", "mine", Some(&session)));
    let tenure = memory.revision();
    let clobber = Txn {
        guards: vec![Guard::At { key: "lock".into(), revision: tenure }],
        ops: vec![put("lock", "x", None)],
    };
    assert_eq!(memory.commit(&clobber).0, Outcome::Committed(Revision(2)));
    assert_eq!(memory.session_keys(&session).count(), 0);
    assert!(memory.close_session(&session).is_empty());
    assert_eq!(memory.get("lock").unwrap().value, "x");
}

#[test]
fn sessions_lapse_in_order_each_in_a_revision_of_its_own() {
    let mut memory = Memory::default();
    let late = memory.open_session("late", Span(20), Time(0));
    let early = memory.open_session("early", Span(10), Time(0));
    let idle = memory.open_session("idle", Span(10), Time(0));
    memory.commit(&create("k/late", "", Some(&late)));
    memory.commit(&create("k/early", "", Some(&early)));
    memory.commit(&create("k/early2", "", Some(&early)));
    let (watcher, backlog) = memory.watch("k/", memory.revision()).unwrap();
    assert!(backlog.is_empty());
    assert!(memory.expire(Time(9)).is_empty());
    assert_eq!(memory.next_expiry(), Some(Time(10)));
    let gone = |key: &str, revision| Change::Delete { key: key.into(), revision };
    let (four, five) = (Revision(4), Revision(5));
    let expect = vec![
        Delivery { watcher, revision: four, changes: vec![gone("k/early", four), gone("k/early2", four)] },
        Delivery { watcher, revision: five, changes: vec![gone("k/late", five)] },
    ];
    assert_eq!(memory.expire(Time(25)), expect);
    assert!(!memory.renew_session(&idle, Time(25)));
    assert_eq!(memory.next_expiry(), None);
}

#[test]
fn history_is_bounded_and_a_watch_from_before_is_refused() {
    let mut memory = Memory::new(2);
    for key in ["a", "b", "c"] {
        memory.commit(&create(key, "", None));
    }
    assert_eq!(memory.watch("", Revision(0)).unwrap_err(), CannotContinue::Compacted { oldest: Revision(1) });
    assert_eq!(memory.watch("", Revision(4)).unwrap_err(), CannotContinue::Ahead { revision: Revision(3) });
    let backlog = memory.watch("", Revision(1)).unwrap().1;
    assert_eq!(backlog.iter().map(|missed| missed.revision.0).collect::<Vec<_>>(), [2, 3]);
    memory.compact(Revision(3));
    assert!(memory.watch("", Revision(2)).is_err());
    assert!(memory.watch("", Revision(3)).unwrap().1.is_empty());
}

#[test]
fn a_checkpoint_goes_its_own_way() {
    let mut memory = Memory::default();
    memory.commit(&create("a", "1", None));
    let checkpoint = memory.clone();
    memory.commit(&create("b", "1", None));
    assert_eq!(checkpoint.list("").entries.len(), 1);
    let mut again = checkpoint.clone();
    again.commit(&create("b", "1", None));
    assert_eq!(again.list(""), memory.list(""));
}
