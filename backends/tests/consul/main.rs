//! What only real Consul servers do: they lose leaders and quorum, hosts and connections, are restored from snapshots, and
//! are written to by others. What cannot be waited for is played to the client by a script (`scripted.rs`).

mod scripted;

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_backends::{Consul, ConsulSettings, Store, StoreError, Tls, TlsIdentity, Watch, WatchEvent};
use callboard_core::machine::Span;
use callboard_core::store::{Change, Entry, Guard, Listing, Op, Outcome, Refusal, Revision, SessionId, Txn};
use rustix::process::Signal;
use serde_json::json;
use servers::{Certificates, http};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(30);

fn open(addresses: impl IntoIterator<Item = String>) -> Consul {
    try_open(&ConsulSettings { addresses: addresses.into_iter().collect(), ..ConsulSettings::default() })
        .expect("settings that work")
}

fn try_open(settings: &ConsulSettings) -> Result<Consul, StoreError> {
    // Whoever came first installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Consul::open(settings)
}

fn at(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn create(key: &str, session: Option<&SessionId>) -> Txn {
    let op = Op::Put { key: key.into(), value: "1".into(), session: session.cloned() };
    Txn { guards: vec![Guard::Absent { key: key.into() }], ops: vec![op] }
}

fn put(key: &str, revision: Revision, value: &str) -> Txn {
    let op = Op::Put { key: key.into(), value: value.into(), session: None };
    Txn { guards: vec![Guard::At { key: key.into(), revision }], ops: vec![op] }
}

async fn must(store: &Consul, txn: Txn) -> Revision {
    match store.commit(txn).await {
        Outcome::Committed(revision) => revision,
        outcome @ (Outcome::Refused(_) | Outcome::Unknown(_)) => panic!("{outcome:?}"),
    }
}

/// Lists as a machine would: again, until it is answered.
async fn list(store: &Consul, prefix: &str) -> Listing {
    let began = Instant::now();
    loop {
        match store.list(prefix).await {
            Ok(listing) => return listing,
            Err(error) => assert!(began.elapsed() < SOON, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn get(store: &Consul, key: &str) -> Option<Arc<Entry>> {
    list(store, key).await.entries.into_iter().find(|entry| entry.key == key)
}

async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(began.elapsed() < SOON, "still not so: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits for the end of a watch.
async fn ended(watch: &mut Box<dyn Watch>) -> String {
    let end = async {
        loop {
            if let WatchEvent::Ended(why) = watch.next().await {
                return why;
            }
        }
    };
    tokio::time::timeout(SOON, end).await.expect("the watch ends")
}

/// Waits for the next changes.
async fn next(watch: &mut Box<dyn Watch>) -> Vec<Change> {
    let change = async {
        loop {
            match watch.next().await {
                WatchEvent::Changed { changes, .. } if changes.is_empty() => {}
                WatchEvent::Changed { changes, .. } => return changes,
                WatchEvent::Ended(why) => panic!("{why}"),
            }
        }
    };
    tokio::time::timeout(SOON, change).await.expect("a change")
}

/// Adds a mark to a list of marks in one key, whatever happens, as a machine would: after any doubt it reads again.
async fn mark(store: &Consul, key: &str, mark: &str) -> bool {
    let mut told = false;
    loop {
        let entry = get(store, key).await.expect("the list of marks");
        if entry.value.split(' ').any(|it| it == mark) {
            return told;
        }
        assert!(!told, "{mark} was acknowledged and is gone");
        match store.commit(put(key, entry.revision, &format!("{} {mark}", entry.value))).await {
            Outcome::Committed(_) => told = true,
            Outcome::Refused(Refusal::Conflict(_) | Refusal::Unavailable(_)) | Outcome::Unknown(_) => {}
            refused @ Outcome::Refused(Refusal::Invalid(_) | Refusal::LockLost) => panic!("{refused:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_with_a_leader() {
    const WRITERS: usize = 4;
    const EACH: usize = 40;
    let mut servers = servers::Consul::start(3, json!({}));
    let addresses: Vec<String> = servers.client_ports().into_iter().map(at).collect();
    let store = Arc::new(open(addresses));
    must(&store, create("marks", None)).await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut told = 0;
                for number in 0..EACH {
                    told += usize::from(mark(&store, "marks", &format!("{writer}/{number}")).await);
                }
                told
            })
        })
        .collect();
    eventually("some marks", async || {
        (get(&store, "marks").await?.value.split(' ').count() > EACH / 2).then_some(())
    })
    .await;
    let leader = servers.leader().expect("it has one");
    servers.members[leader].kill();
    let mut told = 0;
    for writer in writers {
        told += writer.await.expect("a writer");
    }
    let value = &get(&store, "marks").await.expect("the marks").value;
    let mut marks: Vec<&str> = value.split(' ').skip(1).collect();
    assert_eq!(marks.len(), WRITERS * EACH);
    marks.sort_unstable();
    marks.dedup();
    assert_eq!(marks.len(), WRITERS * EACH, "no mark was made twice");
    assert!(told >= WRITERS * EACH / 2, "most were acknowledged: {told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_quorum_nobody_knows_and_it_may_still_come() {
    let servers = servers::Consul::start(3, json!({}));
    let mut later = false;
    for round in 0..5 {
        let leader = servers::until("there is a leader", SOON, || servers.leader());
        let store = open([at(servers.port(leader))]);
        let before = list(&store, "").await;
        let session =
            eventually("a session", async || store.open_session("s", Span::secs(60)).await.ok()).await;
        let followers: Vec<usize> = (0..3).filter(|index| *index != leader).collect();
        followers.iter().for_each(|index| servers.members[*index].signal(Signal::STOP));
        let key = format!("late/{round}");
        let outcome = store.commit(create(&key, None)).await;
        assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
        let listed = store.list("").await;
        assert!(matches!(listed, Err(StoreError::Unavailable(_))), "a stale listing: {listed:?}");
        let renewed = store.renew_session(&session).await;
        assert!(renewed.is_err(), "nobody can know: {renewed:?}");
        followers.iter().for_each(|index| servers.members[*index].signal(Signal::CONT));
        let after = list(&store, "").await;
        assert!(after.revision >= before.revision);
        let renewed = eventually("an answer", async || store.renew_session(&session).await.ok()).await;
        assert!(renewed, "a session outlasts a loss of quorum");
        later = eventually("a decision", async || match store.commit(create(&key, None)).await {
            Outcome::Refused(Refusal::Conflict(_)) => Some(true),
            Outcome::Committed(_) => Some(false),
            Outcome::Refused(_) | Outcome::Unknown(_) => None,
        })
        .await;
        if later {
            break;
        }
    }
    assert!(later, "never once was a write whose outcome was unknown found in the store");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_goes_with_its_host() {
    let mut servers = servers::Consul::start(3, json!({}));
    let leader = servers.leader().expect("it has one");
    let (lost, other) = ((leader + 1) % 3, (leader + 2) % 3);
    let there = open([at(servers.port(lost))]);
    let store = open([at(servers.port(other))]);
    let session = there.open_session("far longer", Span::secs(3600)).await.expect("a session");
    let tenure = must(&there, create("lock", Some(&session))).await;
    let mut watch = store.watch("lock", list(&store, "lock").await.revision).await.expect("a watch");
    let delayed = || {
        let held = Guard::Held { key: "lock".into(), session: session.clone(), tenure };
        let Txn { mut guards, ops } = create("written late", None);
        guards.push(held);
        Txn { guards, ops }
    };
    servers.members[lost].kill();
    let gone = next(&mut watch).await;
    assert!(matches!(&gone[..], [Change::Delete { key, revision }] if key == "lock" && *revision > tenure));
    assert_eq!(store.renew_session(&session).await, Ok(false));
    let ours = store.open_session("ours", Span::secs(60)).await.expect("a session");
    let next_tenure = must(&store, create("lock", Some(&ours))).await;
    assert!(next_tenure > tenure);
    assert_eq!(store.commit(delayed()).await, Outcome::Refused(Refusal::LockLost));
    assert_eq!(get(&store, "written late").await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_snapshot_is_noticed_under_every_prefix() {
    let servers = servers::Consul::start(1, json!({}));
    let store = open([at(servers.port(0))]);
    let kept = must(&store, create("a/kept", None)).await;
    let old = must(&store, create("a/changed", None)).await;
    must(&store, create("b/removed", None)).await;
    must(&store, create("quiet/x", None)).await;
    servers.save();
    must(&store, put("a/changed", old, "2")).await;
    must(&store, create("a/new", None)).await;
    let removed = get(&store, "b/removed").await.expect("it").revision;
    let delete = Op::Delete { key: "b/removed".into() };
    let guard = Guard::At { key: "b/removed".into(), revision: removed };
    must(&store, Txn { guards: vec![guard], ops: vec![delete] }).await;
    let session = store.open_session("since", Span::secs(600)).await.expect("a session");
    must(&store, create("a/bound", Some(&session))).await;

    let prefixes = ["a/", "b/", "quiet/", "nothing/"];
    let mut watches = Vec::new();
    for prefix in prefixes {
        let listing = list(&store, prefix).await;
        watches.push((
            prefix,
            listing.revision,
            store.watch(prefix, listing.revision).await.expect("a watch"),
        ));
    }
    let unwatched = list(&store, "a").await;
    let asking = async {
        let why = ended(&mut watches[0].2).await;
        assert!(why.contains("went back"), "{why}");
        for (_, _, watch) in &mut watches[1..] {
            assert!(ended(watch).await.contains("went back"));
        }
    };
    let restoring = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        servers.restore();
    };
    tokio::join!(asking, restoring);

    // What is written before anybody looks does not hide it.
    let next = must(&store, create("b/next", None)).await;
    for (prefix, before, _) in &watches {
        let listing = list(&store, prefix).await;
        assert!(listing.revision < *before, "{prefix}: {:?}, was {before:?}", listing.revision);
        let keys: Vec<&str> = listing.entries.iter().map(|entry| entry.key.as_str()).collect();
        let expect: &[&str] = match *prefix {
            "a/" => &["a/changed", "a/kept"],
            "b/" => &["b/next", "b/removed"],
            "quiet/" => &["quiet/x"],
            _ => &[],
        };
        assert_eq!(keys, expect);
        // It goes on from there.
        let mut watch = store.watch(prefix, listing.revision).await.expect("a watch");
        let made = must(&store, create(&format!("{prefix}after"), None)).await;
        let seen = next_revision(&mut watch).await;
        assert_eq!(seen, made);
        assert!(made > next && made > *before, "Raft goes on above");
        assert!(list(&store, prefix).await.revision >= made);
    }
    assert!(list(&store, "a").await.revision < unwatched.revision);
    assert_eq!(get(&store, "a/kept").await.expect("it").revision, kept);
    assert_eq!(store.renew_session(&session).await, Ok(false));
}

async fn next_revision(watch: &mut Box<dyn Watch>) -> Revision {
    next(watch).await.iter().map(Change::revision).max().expect("a change")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_restored_while_nobody_watches_is_noticed_by_listing() {
    let servers = servers::Consul::start(1, json!({}));
    let store = open([at(servers.port(0))]);
    must(&store, create("a/old", None)).await;
    servers.save();
    must(&store, create("a/new", None)).await;
    let before = list(&store, "a/").await;
    let elsewhere = list(&store, "b/").await;
    servers.restore();
    let after = list(&store, "a/").await;
    assert!(after.revision < before.revision && after.entries.len() == 1, "{after:?}");
    assert!(list(&store, "b/").await.revision < elsewhere.revision);
    // A client that starts now is told nothing below what an earlier one was.
    let fresh = open([at(servers.port(0))]);
    assert!(list(&fresh, "a/").await.revision > before.revision);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_addresses_help_when_one_does_not() {
    let mut servers = servers::Consul::start(3, json!({}));
    let leader = servers.leader().expect("it has one");
    let (mute, other) = ((leader + 1) % 3, (leader + 2) % 3);
    let nobody = servers.port(2) + 7;
    let store = open([at(nobody), at(servers.port(mute)), at(servers.port(other))]);
    let session = store.open_session("s", Span::secs(60)).await.expect("a session");
    must(&store, create("a", None)).await;
    servers.members[mute].signal(Signal::STOP);
    assert_eq!(list(&store, "").await.entries.len(), 1, "a listing may be asked for twice");
    let began = Instant::now();
    must(&store, create("b", None)).await;
    assert_eq!(store.renew_session(&session).await, Ok(true));
    assert!(began.elapsed() < Duration::from_secs(4), "the address that answered is asked first");
    servers.members[mute].signal(Signal::CONT);
    servers.members[other].kill();
    let outcome = eventually("a write", async || match store.commit(create("c", None)).await {
        Outcome::Committed(revision) => Some(revision),
        Outcome::Refused(Refusal::Unavailable(_)) | Outcome::Unknown(_) => None,
        refused @ Outcome::Refused(_) => panic!("{refused:?}"),
    })
    .await;
    assert!(outcome > Revision(0));
    let nowhere = open([at(nobody)]);
    assert!(matches!(nowhere.list("").await, Err(StoreError::Unavailable(_))));
    let outcome = nowhere.commit(create("d", None)).await;
    assert!(matches!(outcome, Outcome::Refused(Refusal::Unavailable(_))), "it was not sent: {outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_ends_with_its_server_and_goes_on_after_it() {
    let mut servers = servers::Consul::start(1, json!({}));
    let store = open([at(servers.port(0))]);
    must(&store, create("a", None)).await;
    let before = list(&store, "").await;
    let mut watch = store.watch("", before.revision).await.expect("a watch");
    let asking = ended(&mut watch);
    let killing = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        servers.members[0].kill();
    };
    tokio::join!(asking, killing);
    assert!(matches!(watch.next().await, WatchEvent::Ended(_)), "it stays ended");
    servers.members[0].restart();
    let after = list(&store, "").await;
    assert_eq!(after.entries, before.entries);
    assert!(after.revision >= before.revision, "a restart is not a restore");
    let mut watch = store.watch("", after.revision).await.expect("a watch");
    let made = eventually("a write", async || match store.commit(create("b", None)).await {
        Outcome::Committed(revision) => Some(revision),
        Outcome::Refused(Refusal::Unavailable(_)) | Outcome::Unknown(_) => None,
        refused @ Outcome::Refused(_) => panic!("{refused:?}"),
    })
    .await;
    assert_eq!(next_revision(&mut watch).await, made);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_write_is_seen_and_odd_values_stay_apart() {
    let servers = servers::Consul::start(1, json!({}));
    let port = servers.port(0);
    let by_hand = |method: &str, path: &str, body: &[u8]| {
        let (status, answer) = http(port, method, path, body).expect("Consul answers");
        assert_eq!(status, 200, "{answer}");
    };
    let store = open([at(port)]);
    let mut watch = store.watch("k/", list(&store, "k/").await.revision).await.expect("a watch");
    by_hand("PUT", "/v1/kv/k/bytes?flags=7", b"\xff\xfe{");
    by_hand("PUT", "/v1/kv/k/none", b"");
    let mut seen = Vec::new();
    while seen.len() < 2 {
        seen.extend(next(&mut watch).await);
    }
    let listing = list(&store, "k/").await;
    let values: Vec<&str> = listing.entries.iter().map(|entry| entry.value.as_str()).collect();
    assert_eq!(values, ["\u{fffd}\u{fffd}{", ""]);
    must(&store, put("k/bytes", listing.entries[0].revision, "{}")).await;
    let (_, shown) = http(port, "GET", "/v1/kv/k/bytes?raw", b"").expect("Consul answers");
    assert_eq!(shown, "{}", "values are stored as they are");
    by_hand("DELETE", "/v1/kv/k/?recurse", b"");
    while !seen.iter().any(|change| matches!(change, Change::Delete { key, .. } if key == "k/none")) {
        seen.extend(next(&mut watch).await);
    }
    assert!(list(&store, "k/").await.entries.is_empty());

    // An operator takes the lock away: whoever held it is fenced.
    let session = store.open_session("s", Span::secs(60)).await.expect("a session");
    let tenure = must(&store, create("lock", Some(&session))).await;
    by_hand("PUT", "/v1/kv/lock", b"mine now");
    let held = Guard::Held { key: "lock".into(), session, tenure };
    let outcome = store.commit(Txn { guards: vec![held], ops: Vec::new() }).await;
    assert_eq!(outcome, Outcome::Refused(Refusal::LockLost));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limits_of_consul_are_kept_to() {
    let servers = servers::Consul::start(1, json!({}));
    let store = open([at(servers.port(0))]);
    let session = store.open_session("s", Span::secs(60)).await.expect("a session");
    // A put under a session is two operations, one more than it is counted for.
    let locks = |name: &str, count: usize| {
        let locks = (0..count).map(|number| create(&format!("{name}/{number}"), Some(&session)));
        locks.fold(Txn::default(), |mut all, lock| {
            all.guards.extend(lock.guards);
            all.ops.extend(lock.ops);
            all
        })
    };
    must(&store, locks("most", 32)).await;
    let outcome = store.commit(locks("over", 33)).await;
    assert!(matches!(&outcome, Outcome::Refused(Refusal::Invalid(why)) if why.contains("64")), "{outcome:?}");
    let wide = create(&format!("wide/{}", "\u{1}".repeat(100_000)), None);
    assert_eq!(wide.fault(), None);
    let outcome = store.commit(wide).await;
    assert!(
        matches!(&outcome, Outcome::Refused(Refusal::Invalid(why)) if why.contains("bytes")),
        "{outcome:?}"
    );
    assert_eq!(list(&store, "").await.entries.len(), 32);
    // A key that lives under a session moves to another one, however Consul thinks of locks.
    let other = store.open_session("other", Span::secs(60)).await.expect("a session");
    let entry = get(&store, "most/0").await.expect("it");
    let op = Op::Put { key: entry.key.clone(), value: "2".into(), session: Some(other.clone()) };
    let guard = Guard::At { key: entry.key.clone(), revision: entry.revision };
    must(&store, Txn { guards: vec![guard], ops: vec![op] }).await;
    store.close_session(&session).await.expect("to close");
    let left = eventually("its keys are gone", async || {
        let left = list(&store, "").await.entries;
        (left.len() == 1).then_some(left)
    })
    .await;
    assert_eq!((left[0].value.as_str(), &left[0].session), ("2", &Some(other)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_show_certificates() {
    let dir = TempDir::new().expect("a directory");
    let made = Certificates::make(dir.path());
    let settings = json!({
        "ca_file": made.ca, "cert_file": made.server[0], "key_file": made.server[1], "verify_incoming": true,
    });
    let servers = servers::Consul::start(1, settings);
    let pem = |path| fs::read(path).expect("a file");
    let open = |ca: bool, identity: bool| {
        let [cert, key] = made.client.each_ref().map(pem);
        let identity = identity.then_some(TlsIdentity { cert, key });
        let tls = Some(Tls { ca: ca.then(|| pem(&made.ca)), identity });
        let addresses = vec![format!("https://127.0.0.1:{}", servers.secure_port(0))];
        try_open(&ConsulSettings { addresses, tls, ..ConsulSettings::default() }).expect("settings that work")
    };
    let store = open(true, true);
    must(&store, create("a", None)).await;
    assert_eq!(list(&store, "").await.entries.len(), 1);
    for (ca, identity) in [(false, true), (true, false)] {
        let listed = open(ca, identity).list("").await;
        assert!(matches!(&listed, Err(StoreError::Unavailable(_))), "{listed:?}");
    }
}

#[tokio::test]
async fn wrong_settings_are_named() {
    let check = |settings: ConsulSettings, expect: &str| {
        let error = try_open(&settings).expect_err("wrong settings").to_string();
        assert!(error.contains(expect), "{error}");
    };
    let good =
        || ConsulSettings { addresses: vec!["http://127.0.0.1:8500".into()], ..ConsulSettings::default() };
    assert!(try_open(&good()).is_ok(), "no server is needed to open");
    check(ConsulSettings::default(), "addresses");
    for address in ["", "localhost:8500", "unix:///run/consul.sock", "http://a/?x=1", "ftp://a"] {
        check(ConsulSettings { addresses: vec![address.into()], ..good() }, "http://127.0.0.1:8500");
    }
    check(ConsulSettings { token: Some("a\nb".into()), ..good() }, "token");
    let tls = |ca: &[u8]| Some(Tls { ca: Some(ca.into()), identity: None });
    check(ConsulSettings { tls: tls(b"no PEM"), ..good() }, "CA certificate");
    let secret = format!("{:?}", ConsulSettings { token: Some("s3cret".into()), ..good() });
    assert!(!secret.contains("s3cret"), "{secret}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_namespace_and_data_centre_are_said() {
    let tokens = json!({ "master": "root", "default": "root" });
    let acl = json!({ "acl": { "enabled": true, "default_policy": "deny", "tokens": tokens } });
    let servers = servers::Consul::start(1, acl);
    let settings = ConsulSettings { addresses: vec![at(servers.port(0))], ..ConsulSettings::default() };
    let with = |token: Option<&str>| ConsulSettings { token: token.map(Into::into), ..settings.clone() };
    let open = |settings: &ConsulSettings| try_open(settings).expect("settings that work");
    let store = open(&with(Some("root")));
    eventually("the token is known", async || store.list("").await.ok()).await;
    must(&store, create("a", None)).await;
    let (_, made) = http(servers.port(0), "PUT", "/v1/acl/token", b"{}").expect("Consul answers");
    let made: serde_json::Value = serde_json::from_str(&made).expect("JSON");
    let powerless = made["SecretID"].as_str().expect("a token").to_string();
    for token in ["unknown", &powerless] {
        let stranger = open(&with(Some(token)));
        let outcome = stranger.commit(create("b", None)).await;
        assert!(matches!(outcome, Outcome::Refused(Refusal::Invalid(_))), "{token}: {outcome:?}");
        assert!(stranger.open_session("s", Span::secs(10)).await.is_err());
        let listed = stranger.list("").await;
        assert!(listed.is_err(), "what may not be read is not empty: {listed:?}");
    }
    let there = open(&ConsulSettings { datacenter: Some("dc1".into()), ..with(Some("root")) });
    assert_eq!(there.list("").await.expect("it is the one").entries.len(), 1);
    let elsewhere = open(&ConsulSettings { datacenter: Some("elsewhere".into()), ..with(Some("root")) });
    assert!(elsewhere.list("").await.is_err());
    let namespaced = open(&ConsulSettings { namespace: Some("team".into()), ..with(Some("root")) });
    let error = namespaced.list("").await.expect_err("an edition without namespaces").to_string();
    assert!(error.contains("ns"), "{error}");
}
