//! Watches: in order, whole, without gaps, and ended rather than wrong.

use callboard_backends::WatchEvent;
use callboard_core::store::{Change, Txn};

use crate::bench::{Bench, committed, patiently};

pub(crate) async fn a_watch_sees_each_kind_of_change(bench: &Bench) {
    let mut follower = bench.follow("").await;
    let first = bench.create("a", "1").await;
    let seen = follower.next().await;
    assert!(matches!(&seen[..], [Change::Put(entry)] if entry.value == "1" && entry.revision == first));
    let second = bench.must([bench.at("a", first)], [bench.put("a", "2")]).await;
    let seen = follower.next().await;
    assert!(matches!(&seen[..], [Change::Put(entry)] if entry.value == "2" && entry.revision == second));
    bench.must([bench.at("a", second)], [bench.delete("a")]).await;
    let seen = follower.next().await;
    assert!(
        matches!(&seen[..], [Change::Delete { key, revision }] if *key == bench.key("a") && *revision > second)
    );
    follower.silent().await;
}

pub(crate) async fn a_transaction_is_one_event(bench: &Bench) {
    let mut follower = bench.follow("in/").await;
    let guards = ["in/_/t", "out/x", "in/h1/t"].map(|name| bench.absent(name));
    let ops = ["in/_/t", "out/x", "in/h1/t"].map(|name| bench.put(name, "1"));
    let made = bench.must(guards, ops).await;
    let seen = follower.next().await;
    let mut keys: Vec<&str> = seen.iter().map(Change::key).collect();
    keys.sort_unstable();
    assert_eq!(keys, [bench.key("in/_/t"), bench.key("in/h1/t")]);
    let guards = [bench.at("in/h1/t", made), bench.absent("in/h2/t")];
    bench.must(guards, [bench.delete("in/h1/t"), bench.put("in/h2/t", "1")]).await;
    assert_eq!(follower.next().await.len(), 2);
    follower.silent().await;
}

pub(crate) async fn revisions_grow(bench: &Bench) {
    let mut follower = bench.follow("").await;
    let mut last = bench.create("a", "0").await;
    for value in 1..100 {
        let next = bench.must([bench.at("a", last)], [bench.put("a", &value.to_string())]).await;
        assert!(next > last);
        last = next;
    }
    let mut value = -1;
    while value < 99 {
        for change in follower.next().await {
            let Change::Put(entry) = change else { panic!("nothing was deleted") };
            let next: i32 = entry.value.parse().expect("a number");
            assert!(next > value, "{next} after {value}");
            value = next;
        }
    }
}

pub(crate) async fn a_watch_continues_after_a_listing(bench: &Bench) {
    let a = bench.create("a", "1").await;
    let listing = bench.list("").await;
    bench.create("b", "1").await;
    bench.must([bench.at("a", a)], [bench.delete("a")]).await;
    let mut watch = bench.store.watch(&bench.prefix, listing.revision).await.expect("a watch");
    let mut seen = Vec::new();
    patiently(async {
        while seen.len() < 2 {
            match watch.next().await {
                WatchEvent::Changed { changes, .. } => {
                    seen.extend(changes.iter().map(|it| it.key().to_string()))
                }
                WatchEvent::Ended(why) => panic!("{why}"),
            }
        }
    })
    .await;
    seen.sort();
    assert_eq!(seen, [bench.key("a"), bench.key("b")]);
}

pub(crate) async fn a_watch_of_a_prefix_hears_of_no_sibling(bench: &Bench) {
    let mut slashed = bench.follow("h1/").await;
    let mut bare = bench.follow("h1").await;
    bench.create("h10/a", "1").await;
    bench.create("h1/a", "1").await;
    bench.create("h2/a", "1").await;
    slashed.until(&[&bench.key("h1/a")]).await;
    bare.until(&[&bench.key("h1/a"), &bench.key("h10/a")]).await;
    slashed.silent().await;
    bare.silent().await;
}

pub(crate) async fn silence(bench: &Bench) {
    let mut follower = bench.follow("nothing/").await;
    bench.create("something", "1").await;
    follower.silent().await;
}

pub(crate) async fn a_compacted_watch_ends(bench: &Bench) {
    let mut early = bench.follow("").await;
    let old = early.revision;
    let mut last = bench.create("a", "0").await;
    for value in 1..5 {
        last = bench.must([bench.at("a", last)], [bench.put("a", &value.to_string())]).await;
    }
    if !bench.fixture.compact().await {
        return;
    }
    let mut late = bench.store.watch(&bench.prefix, old).await.expect("a watch");
    for _ in 0..2 {
        let event = patiently(late.next()).await;
        assert!(matches!(event, WatchEvent::Ended(_)), "{event:?}");
    }
    // Whoever watched all along lost nothing, and a fresh listing helps whoever did not.
    while early.mirror.get(&bench.key("a")).is_none_or(|entry| entry.value != "4") {
        early.next().await;
    }
    let mut fresh = bench.follow("").await;
    bench.must([bench.at("a", last)], [bench.delete("a")]).await;
    fresh.until(&[]).await;
    early.until(&[]).await;
}

pub(crate) async fn many_watchers(bench: &Bench) {
    const HOSTS: usize = 20;
    let mut followers = Vec::new();
    for host in 0..HOSTS {
        followers.push(bench.follow(&format!("h{host}/")).await);
    }
    let names: Vec<String> = (0..HOSTS).map(|host| format!("h{host}/task")).collect();
    let guards = names.iter().map(|name| bench.absent(name)).collect();
    let ops = names.iter().map(|name| bench.put(name, "1")).collect();
    committed(bench.store.commit(Txn { guards, ops }).await);
    for (follower, name) in followers.iter_mut().zip(&names) {
        let seen = follower.next().await;
        assert_eq!(seen.iter().map(Change::key).collect::<Vec<_>>(), [bench.key(name)]);
    }
}

pub(crate) async fn a_watch_sees_sessions_end(bench: &Bench) {
    let ttl = bench.fixture.ttl().times(3);
    let lapsing = bench.store.open_session("lapses", ttl).await.expect("a session");
    let closed = bench.session().await;
    let mut follower = bench.follow("").await;
    bench.lock("lapsing", &lapsing).await;
    bench.lock("closed", &closed).await;
    bench.create("free", "1").await;
    follower.until(&[&bench.key("closed"), &bench.key("free"), &bench.key("lapsing")]).await;
    assert_eq!(follower.mirror[&bench.key("closed")].session, Some(closed.clone()));
    bench.store.close_session(&closed).await.expect("to close");
    follower.until(&[&bench.key("free"), &bench.key("lapsing")]).await;
    bench.fixture.outlast(ttl).await;
    follower.until(&[&bench.key("free")]).await;
}

pub(crate) async fn a_session_ends_key_by_key_or_at_once(bench: &Bench) {
    let session = bench.session().await;
    let free = bench.create("free", "1").await;
    let mut last = free;
    for name in ["a", "b/c", "d"] {
        last = bench.lock(name, &session).await;
    }
    let mut follower = bench.follow("").await;
    bench.store.close_session(&session).await.expect("to close");
    let mut gone = Vec::new();
    while gone.len() < 3 {
        for change in follower.next().await {
            assert!(matches!(&change, Change::Delete { revision, .. } if *revision > last), "{change:?}");
            gone.push(change.key().to_string());
        }
    }
    gone.sort();
    assert_eq!(gone, ["a", "b/c", "d"].map(|name| bench.key(name)));
    assert_eq!(follower.mirror.keys().collect::<Vec<_>>(), [&bench.key("free")]);
    follower.silent().await;
}

pub(crate) async fn a_watch_after_a_revision_of_elsewhere(bench: &Bench) {
    bench.create("in/a", "1").await;
    let elsewhere = bench.create("out/a", "1").await;
    for prefix in ["in/", "nothing/"] {
        let mut follower = bench.follow(prefix).await;
        assert!(follower.revision >= elsewhere);
        bench.create(&format!("out/{prefix}"), "1").await;
        follower.silent().await;
        let made = bench.create(&format!("{prefix}b"), "1").await;
        let seen = follower.next().await;
        let [Change::Put(entry)] = &seen[..] else { panic!("{seen:?}") };
        assert_eq!((entry.key.as_str(), entry.revision), (bench.key(&format!("{prefix}b")).as_str(), made));
        follower.silent().await;
    }
}

pub(crate) async fn a_watch_continues_after_an_event(bench: &Bench) {
    let mut follower = bench.follow("").await;
    for value in 0..10 {
        bench.create(&format!("a{value}"), "1").await;
        follower.until_has(&bench.key(&format!("a{value}"))).await;
        bench.create(&format!("between{value}"), "1").await;
        // The watch is begun again where it was: nothing is missed and nothing comes twice, which `next` asserts.
        follower.watch = bench.store.watch(&bench.prefix, follower.revision).await.expect("a watch");
        follower.until_has(&bench.key(&format!("between{value}"))).await;
    }
    assert_eq!(follower.mirror.len(), 20);
    follower.silent().await;
}

pub(crate) async fn a_key_that_goes_and_comes_back_is_new(bench: &Bench) {
    let mut follower = bench.follow("").await;
    let mut last = bench.create("a", "same").await;
    for _ in 0..5 {
        bench.must([bench.at("a", last)], [bench.delete("a")]).await;
        last = bench.create("a", "same").await;
    }
    bench.create("end", "1").await;
    follower.until_has(&bench.key("end")).await;
    assert_eq!(follower.mirror[&bench.key("a")].revision, last, "however much of it was left out in between");
}
