//! Transactions: guards, and all or nothing.

use std::sync::Arc;

use callboard_core::store::{Guard, Op, Outcome, Refusal, Revision, Txn};

use crate::bench::{Bench, committed, conflicts};

pub(crate) async fn a_create_is_listed(bench: &Bench) {
    let revision = bench.create("a", "{\"x\":1}").await;
    let listing = bench.list("").await;
    let [entry] = &listing.entries[..] else { panic!("{listing:?}") };
    assert_eq!((entry.key.as_str(), entry.value.as_str()), (bench.key("a").as_str(), "{\"x\":1}"));
    assert_eq!((entry.revision, &entry.session), (revision, &None));
    assert!(listing.revision >= revision);
}

pub(crate) async fn each_guard_holds_or_refuses(bench: &Bench) {
    let revision = bench.create("a", "1").await;
    let later = Revision(revision.0 + 1);
    let cases = [
        (bench.at("a", revision), true),
        (bench.at("a", later), false),
        (bench.at("b", revision), false),
        (bench.absent("a"), false),
        (bench.absent("b"), true),
    ];
    for (index, (guard, holds)) in cases.into_iter().enumerate() {
        let (name, key) = (format!("made{index}"), guard.key().to_string());
        let outcome = bench.commit([guard, bench.absent(&name)], [bench.put(&name, "1")]).await;
        if holds {
            committed(outcome);
        } else {
            conflicts(outcome, &[key]);
            assert_eq!(bench.get(&name).await, None);
        }
    }
}

pub(crate) async fn a_conflict_names_every_key(bench: &Bench) {
    let a = bench.create("a", "1").await;
    bench.create("b", "1").await;
    let guards = [bench.at("a", a), bench.absent("b"), bench.at("c", a), bench.absent("d")];
    let outcome = bench.commit(guards, [bench.put("d", "1")]).await;
    conflicts(outcome, &[bench.key("b"), bench.key("c")]);
}

pub(crate) async fn all_or_nothing(bench: &Bench) {
    let a = bench.create("a", "1").await;
    let guards = || [bench.at("a", a), bench.absent("b"), bench.absent("c")];
    let ops = || [bench.delete("a"), bench.put("b", "1"), bench.put("c", "1")];
    bench.create("c", "taken").await;
    conflicts(bench.commit(guards(), ops()).await, &[bench.key("c")]);
    assert!(bench.get("a").await.is_some() && bench.get("b").await.is_none());
    let c = bench.get("c").await.expect("c").revision;
    bench.must([bench.at("c", c)], [bench.delete("c")]).await;
    let moved = bench.must(guards(), ops()).await;
    let listing = bench.list("").await;
    let found: Vec<_> = listing.entries.iter().map(|entry| (entry.key.clone(), entry.revision)).collect();
    assert_eq!(found, [(bench.key("b"), moved), (bench.key("c"), moved)], "one revision for the whole");
}

pub(crate) async fn an_update_needs_the_latest_revision(bench: &Bench) {
    let first = bench.create("a", "1").await;
    let second = bench.must([bench.at("a", first)], [bench.put("a", "2")]).await;
    assert!(second > first);
    let stale = bench.commit([bench.at("a", first)], [bench.put("a", "3")]).await;
    conflicts(stale, &[bench.key("a")]);
    let entry = bench.get("a").await.expect("a");
    assert_eq!((entry.value.as_str(), entry.revision), ("2", second));
    // Gone and back again is not unchanged.
    bench.must([bench.at("a", second)], [bench.delete("a")]).await;
    let third = bench.create("a", "2").await;
    assert!(third > second);
    conflicts(bench.commit([bench.at("a", second)], [bench.put("a", "3")]).await, &[bench.key("a")]);
}

pub(crate) async fn a_delete_needs_the_latest_revision(bench: &Bench) {
    let first = bench.create("a", "1").await;
    let second = bench.must([bench.at("a", first)], [bench.put("a", "2")]).await;
    conflicts(bench.commit([bench.at("a", first)], [bench.delete("a")]).await, &[bench.key("a")]);
    bench.must([bench.at("a", second)], [bench.delete("a")]).await;
    assert_eq!(bench.get("a").await, None);
    conflicts(bench.commit([bench.at("a", second)], [bench.delete("a")]).await, &[bench.key("a")]);
}

pub(crate) async fn nothing_to_write(bench: &Bench) {
    let a = bench.create("a", "1").await;
    committed(bench.commit([], []).await);
    committed(bench.commit([bench.at("a", a)], []).await);
    conflicts(bench.commit([bench.absent("a")], []).await, &[bench.key("a")]);
    assert_eq!(bench.list("").await.entries.len(), 1);
}

pub(crate) async fn concurrent_increments_lose_nothing(bench: &Bench) {
    const WRITERS: u64 = 4;
    const EACH: u64 = 25;
    bench.create("count", "0").await;
    let key = bench.key("count");
    let writers = (0..WRITERS).map(|_| {
        let (store, key) = (Arc::clone(&bench.store), key.clone());
        tokio::spawn(async move {
            let mut done = 0;
            while done < EACH {
                let listing = store.list(&key).await.expect("a listing");
                let entry = listing.entries.into_iter().next().expect("the count");
                let value = (entry.value.parse::<u64>().expect("a number") + 1).to_string();
                let guard = Guard::At { key: key.clone(), revision: entry.revision };
                let op = Op::Put { key: key.clone(), value, session: None };
                match store.commit(Txn { guards: vec![guard], ops: vec![op] }).await {
                    Outcome::Committed(_) => done += 1,
                    Outcome::Refused(Refusal::Conflict(_)) => {}
                    other @ (Outcome::Refused(_) | Outcome::Unknown(_)) => panic!("{other:?}"),
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("a writer");
    }
    assert_eq!(bench.get("count").await.expect("the count").value, (WRITERS * EACH).to_string());
}

pub(crate) async fn one_creator_wins(bench: &Bench) {
    let creators = (0..16).map(|index| {
        let store = Arc::clone(&bench.store);
        let txn = Txn { guards: vec![bench.absent("a")], ops: vec![bench.put("a", &index.to_string())] };
        tokio::spawn(async move { (index, store.commit(txn).await) })
    });
    let mut winners = Vec::new();
    for creator in creators.collect::<Vec<_>>() {
        match creator.await.expect("a creator") {
            (index, Outcome::Committed(_)) => winners.push(index.to_string()),
            (_, outcome) => conflicts(outcome, &[bench.key("a")]),
        }
    }
    assert_eq!(winners, [bench.get("a").await.expect("a").value.clone()]);
}

pub(crate) async fn one_key_goes_as_another_comes(bench: &Bench) {
    let mut follower = bench.follow("").await;
    let mut last = bench.create("h0", "here").await;
    for step in 0..3 {
        let (from, to) = (format!("h{step}"), format!("h{}", step + 1));
        let guards = || [bench.at(&from, last), bench.absent(&to)];
        let ops = || [bench.delete(&from), bench.put(&to, "here")];
        let moved = bench.must(guards(), ops()).await;
        // Said again, as by a client that lost the answer, it finds both keys changed.
        conflicts(bench.commit(guards(), ops()).await, &[bench.key(&from), bench.key(&to)]);
        let listing = bench.list("").await;
        let found: Vec<_> = listing.entries.iter().map(|entry| (entry.key.clone(), entry.revision)).collect();
        assert_eq!(found, [(bench.key(&to), moved)]);
        last = moved;
    }
    follower.until(&[&bench.key("h3")]).await;
}

pub(crate) async fn guards_alone_change_nothing(bench: &Bench) {
    let session = bench.session().await;
    let tenure = bench.lock("lock", &session).await;
    let a = bench.create("a", "1").await;
    let mut follower = bench.follow("").await;
    let holds = || [bench.held("lock", &session, tenure), bench.at("a", a), bench.absent("b")];
    committed(bench.commit(holds(), []).await);
    conflicts(
        bench.commit([bench.at("a", tenure), bench.absent("lock")], []).await,
        &[bench.key("a"), bench.key("lock")],
    );
    follower.silent().await;
    committed(bench.commit(holds(), []).await);
    let revisions: Vec<_> = bench.list("").await.entries.iter().map(|entry| entry.revision).collect();
    assert_eq!(revisions, [a, tenure]);
}

pub(crate) async fn the_same_value_is_a_write_too(bench: &Bench) {
    let first = bench.create("a", "same").await;
    let mut follower = bench.follow("").await;
    let guards = [bench.at("a", first), bench.absent("b")];
    let second = bench.must(guards, [bench.put("a", "same"), bench.put("b", "new")]).await;
    assert!(second > first);
    assert_eq!(bench.get("a").await.expect("a").revision, second, "whoever wrote it relies on that");
    conflicts(bench.commit([bench.at("a", first)], [bench.put("a", "late")]).await, &[bench.key("a")]);
    let third = bench.must([bench.at("a", second)], [bench.put("a", "same")]).await;
    while follower.mirror.get(&bench.key("a")).is_none_or(|entry| entry.revision < third) {
        follower.next().await;
    }
    assert_eq!(follower.mirror.len(), 2);
}

pub(crate) async fn revisions_order_the_whole_store(bench: &Bench) {
    let mut last = Revision(0);
    for index in 0..20 {
        let next = bench.create(&format!("p{}/{index}", index % 3), "1").await;
        assert!(next > last, "{next:?} came after {last:?}, under whatever prefix");
        last = next;
    }
}
