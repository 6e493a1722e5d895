//! Listings, and how they join with watches.

use std::sync::Arc;

use callboard_core::store::{Entry, Guard, Op, Outcome, Txn};

use crate::bench::{Bench, Follower, committed};

pub(crate) async fn a_listing_has_the_order_of_keys(bench: &Bench) {
    for name in ["b", "a/z", "a", "c", "B", "a/b", "é"] {
        bench.create(name, "1").await;
    }
    let keys: Vec<String> = bench.list("").await.entries.into_iter().map(|entry| entry.key.clone()).collect();
    assert_eq!(keys, ["B", "a", "a/b", "a/z", "b", "c", "é"].map(|name| bench.key(name)));
}

pub(crate) async fn slashes_separate(bench: &Bench) {
    for name in ["h1/a", "h10/a", "h1", "h1/b/c", "h2/a"] {
        bench.create(name, "1").await;
    }
    let keys: Vec<String> =
        bench.list("h1/").await.entries.into_iter().map(|entry| entry.key.clone()).collect();
    assert_eq!(keys, ["h1/a", "h1/b/c"].map(|name| bench.key(name)));
    assert_eq!(bench.list("h1").await.entries.len(), 4, "without a slash it is a mere beginning");
}

pub(crate) async fn nothing_is_a_listing_too(bench: &Bench) {
    let written = bench.create("a", "1").await;
    let listing = bench.list("nothing/").await;
    assert!(listing.entries.is_empty());
    assert!(listing.revision.0 > 0);
    let gone = bench.must([bench.at("a", written)], [bench.delete("a")]).await;
    let listing = bench.list("").await;
    assert!(listing.entries.is_empty());
    assert!(listing.revision >= gone.min(written));
}

pub(crate) async fn five_thousand_keys(bench: &Bench) {
    const KEYS: usize = 5_000;
    let names: Vec<String> = (0..KEYS).map(|index| format!("large/{index:05}")).collect();
    for chunk in names.chunks(50) {
        let guards = chunk.iter().map(|name| bench.absent(name)).collect();
        let ops = chunk.iter().map(|name| bench.put(name, "{\"some\":\"value of usual length\"}")).collect();
        committed(bench.store.commit(Txn { guards, ops }).await);
    }
    let keys: Vec<String> =
        bench.list("large/").await.entries.into_iter().map(|entry| entry.key.clone()).collect();
    assert_eq!(keys, names.iter().map(|name| bench.key(name)).collect::<Vec<_>>());
}

/// Writers write pairs, create, update and delete, while followers list and watch at odd moments: each ends up with
/// exactly what is there, and sees both keys of a pair together, always.
pub(crate) async fn a_listing_and_its_watch_make_the_whole_story(bench: &Bench) {
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (store, prefix) = (Arc::clone(&bench.store), bench.prefix.clone());
            tokio::spawn(async move {
                for round in 0..40_u64 {
                    let keys = ["left", "right"].map(|side| format!("{prefix}{side}/{writer}-{}", round % 5));
                    pair(&*store, &keys, round).await;
                }
            })
        })
        .collect();
    let mut followers = Vec::new();
    for _ in 0..5 {
        followers.push(bench.follow("").await);
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    }
    for writer in writers {
        writer.await.expect("a writer");
    }
    bench.create("end", "1").await;
    let expect: Vec<Arc<Entry>> = bench.list("").await.entries;
    for follower in &mut followers {
        whole(follower);
        while !follower.mirror.contains_key(&bench.key("end")) {
            follower.next().await;
            whole(follower);
        }
        assert_eq!(follower.mirror.values().cloned().collect::<Vec<_>>(), expect);
    }
}

/// Creates, updates or deletes two keys in one transaction.
async fn pair(store: &dyn callboard_backends::Store, keys: &[String; 2], round: u64) {
    let listing = store.list(&keys[0]).await.expect("a listing");
    let found = listing.entries.into_iter().find(|entry| entry.key == keys[0]);
    let guards = keys.iter().cloned().map(|key| match &found {
        Some(entry) => Guard::At { key, revision: entry.revision },
        None => Guard::Absent { key },
    });
    let ops = keys.iter().cloned().map(|key| match &found {
        Some(_) if round.is_multiple_of(3) => Op::Delete { key },
        Some(_) | None => Op::Put { key, value: round.to_string(), session: None },
    });
    let outcome = store.commit(Txn { guards: guards.collect(), ops: ops.collect() }).await;
    assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
}

fn whole(follower: &Follower) {
    let side = |side: &str| -> Vec<String> {
        let under = follower.mirror.iter().filter(|(key, _)| key.contains(&format!("/{side}/")));
        under.map(|(key, entry)| format!("{}={}", key.replace(side, ""), entry.value)).collect()
    };
    assert_eq!(side("left"), side("right"), "half of a transaction was seen");
}

/// What a listing says of its revision must hold for the whole store: whoever took a lock waits until every prefix is
/// known up to there.
pub(crate) async fn a_listing_is_as_new_as_what_was_acknowledged(bench: &Bench) {
    let mut before = 0;
    for index in 0..20 {
        let (busy, quiet) = (format!("busy/{index}"), format!("quiet/{index}/"));
        let made = bench.create(&busy, "1").await;
        assert_eq!(bench.list("busy/").await.entries.len(), index + 1);
        for prefix in ["busy/", &quiet, "quiet/"] {
            let listing = bench.list(prefix).await;
            assert!(listing.revision >= made, "{prefix} at {:?} after {made:?}", listing.revision);
            assert!(listing.revision.0 >= before, "{prefix} went back");
            before = listing.revision.0;
        }
    }
}

pub(crate) async fn a_listing_does_not_go_back_after_a_delete(bench: &Bench) {
    let a = bench.create("a", "1").await;
    let b = bench.create("b", "1").await;
    let gone = bench.must([bench.at("b", b)], [bench.delete("b")]).await;
    assert!(bench.list("").await.revision >= gone);
    let gone = bench.must([bench.at("a", a)], [bench.delete("a")]).await;
    let listing = bench.list("").await;
    assert!(listing.entries.is_empty() && listing.revision >= gone);
}
