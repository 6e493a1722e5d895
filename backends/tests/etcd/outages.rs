//! Servers that are away, hang, are full, or come back with an older store.

use std::time::{Duration, Instant};

use callboard_backends::{Store, StoreError, WatchEvent};
use callboard_core::machine::Span;
use callboard_core::store::{Guard, Op, Outcome, Refusal, Revision, Txn};
use rustix::process::Signal;

use crate::{committed, create, creates, end_of, eventually, open, patiently, put};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_without_quorum_is_unknown_and_may_come_later() {
    let servers = servers::Etcd::start(3, &[]);
    let leader = servers.leader().expect("it has one");
    let store = open(&[servers.port(leader)]).await;
    create(&store, "before").await;
    let followers = || (0..3).filter(|index| *index != leader);
    followers().for_each(|index| servers.members[index].signal(Signal::STOP));
    let started = Instant::now();
    let outcome = store.commit(creates("during", "1")).await;
    assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let listing = store.list("").await;
    assert!(matches!(listing, Err(StoreError::Unavailable(_))), "{listing:?}");
    assert!(started.elapsed() < Duration::from_secs(25), "{:?}", started.elapsed());
    followers().for_each(|index| servers.members[index].signal(Signal::CONT));
    patiently(async {
        while eventually(|| store.list("during")).await.entries.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_is_asked_again_when_it_is_back() {
    let mut servers = servers::Etcd::start(1, &[]);
    servers.members[0].kill();
    let store = open(&servers.client_ports()).await;
    let listing = store.list("").await;
    assert!(matches!(listing, Err(StoreError::Unavailable(_))), "{listing:?}");
    let session = store.open_session("s", Span::secs(10)).await;
    assert!(matches!(session, Err(StoreError::Unavailable(_))), "{session:?}");
    assert!(store.watch("", Revision(1)).await.is_err());
    // Nobody was there to send it to: that is certain.
    let outcome = store.commit(creates("a", "1")).await;
    assert!(matches!(outcome, Outcome::Refused(Refusal::Unavailable(_))), "{outcome:?}");
    servers.members[0].restart();
    eventually(|| store.list("")).await;
    create(&store, "a").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_server_is_passed_over() {
    let mut servers = servers::Etcd::start(3, &[]);
    let followers: Vec<usize> = (0..3).filter(|index| Some(*index) != servers.leader()).collect();
    servers.members[followers[0]].kill();
    for _ in 0..6 {
        // Each begins somewhere.
        let store = open(&servers.client_ports()).await;
        let started = Instant::now();
        let session = store.open_session("s", Span::secs(10)).await.expect("a session");
        assert_eq!(store.renew_session(&session).await, Ok(true));
        let revision = store.list("").await.expect("a listing").revision;
        store.watch("", revision).await.expect("a watch");
        let key = format!("{}", revision.0);
        create(&store, &key).await;
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_server_is_passed_over() {
    let servers = servers::Etcd::start(3, &[]);
    let hung = (0..3).find(|index| Some(*index) != servers.leader()).expect("a follower");
    // Begins with whichever it likes, and must get round the one that hangs.
    let stores = [open(&servers.client_ports()).await, open(&servers.client_ports()).await];
    for store in &stores {
        store.list("").await.expect("a listing");
    }
    servers.members[hung].signal(Signal::STOP);
    for store in &stores {
        let started = Instant::now();
        store.list("").await.expect("a listing");
        assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());
        let started = Instant::now();
        for _ in 0..10 {
            store.list("").await.expect("a listing");
        }
        assert!(started.elapsed() < Duration::from_secs(3), "it is asked again: {:?}", started.elapsed());
    }
    servers.members[hung].signal(Signal::CONT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_store_takes_no_writes_but_keeps_who_is_there() {
    let servers = servers::Etcd::start(1, &["--quota-backend-bytes=16777216"]);
    let store = open(&servers.client_ports()).await;
    let session = store.open_session("s", Span::secs(30)).await.expect("a session");
    let first = create(&store, "first").await;
    let large = "x".repeat(60_000);
    let mut full = None;
    for round in 0..150 {
        let keys: Vec<String> = (0..4).map(|index| format!("large/{round}/{index}")).collect();
        let guards = keys.iter().map(|key| Guard::Absent { key: key.clone() }).collect();
        let ops = keys.iter().map(|key| put(key, &large, None)).collect();
        match store.commit(Txn { guards, ops }).await {
            Outcome::Committed(_) => {}
            Outcome::Refused(Refusal::Unavailable(why)) => {
                full = Some(why);
                break;
            }
            other @ (Outcome::Refused(_) | Outcome::Unknown(_)) => panic!("{other:?}"),
        }
    }
    let why = full.expect("36 MB are more than 16");
    assert!(why.contains("space exceeded"), "{why}");
    let refused = store.open_session("s", Span::secs(10)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(store.renew_session(&session).await, Ok(true));
    assert!(!store.list("large/").await.expect("a listing").entries.is_empty());
    let delete = Txn {
        guards: vec![Guard::At { key: "first".into(), revision: first }],
        ops: vec![Op::Delete { key: "first".into() }],
    };
    committed(&store.commit(delete).await);
    store.close_session(&session).await.expect("to close");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_store_ends_watches() {
    let mut servers = servers::Etcd::start(1, &[]);
    let store = open(&servers.client_ports()).await;
    create(&store, "kept").await;
    let file = servers.save();
    for index in 0..10 {
        create(&store, &format!("lost/{index}")).await;
    }
    let before = store.list("").await.expect("a listing").revision;
    let mut watch = store.watch("", before).await.expect("a watch");
    servers.restore(&file);
    let (seen, _) = end_of(&mut *watch).await;
    assert!(seen.is_empty(), "{seen:?}");
    let listing = eventually(|| store.list("")).await;
    assert!(listing.revision < before, "{listing:?} after {before:?}");
    assert_eq!(listing.entries.len(), 1);
    let mut deaf = store.watch("", before).await.expect("a watch");
    let (_, why) = end_of(&mut *deaf).await;
    assert!(why.contains("restored"), "{why}");
    // From a fresh listing it goes on.
    let mut fresh = store.watch("", listing.revision).await.expect("a watch");
    create(&store, "new").await;
    let heard = patiently(fresh.next()).await;
    assert!(matches!(&heard, WatchEvent::Changed { changes, .. } if changes.len() == 1), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_watch_shows_signs_of_life_or_ends() {
    let servers = servers::Etcd::start(1, &[]);
    let store = open(&servers.client_ports()).await;
    let revision = create(&store, "a").await;
    let mut watch = store.watch("nothing/", revision).await.expect("a watch");
    let started = Instant::now();
    let event = patiently(watch.next()).await;
    assert!(
        matches!(&event, WatchEvent::Changed { changes, revision: at } if changes.is_empty() && *at >= revision),
        "{event:?}"
    );
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    servers.members[0].signal(Signal::STOP);
    let started = Instant::now();
    end_of(&mut *watch).await;
    assert!(started.elapsed() < Duration::from_secs(50), "{:?}", started.elapsed());
    servers.members[0].signal(Signal::CONT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_keeps_up_outlives_compaction() {
    let servers = servers::Etcd::start(1, &[]);
    let store = open(&servers.client_ports()).await;
    let mut last = create(&store, "a").await;
    let mut watch = store.watch("a", last).await.expect("a watch");
    for round in 0..200 {
        let txn = Txn {
            guards: vec![Guard::At { key: "a".into(), revision: last }],
            ops: vec![put("a", &round.to_string(), None)],
        };
        last = committed(&store.commit(txn).await);
        if round % 20 == 0 {
            servers.compact();
        }
        let event = patiently(watch.next()).await;
        assert!(matches!(&event, WatchEvent::Changed { revision, .. } if *revision == last), "{event:?}");
    }
}
