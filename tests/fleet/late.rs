//! Writes that come late. The network keeps them back until somebody else decides; then the store must refuse them, though
//! whoever sent them believed in good faith to hold the lock.

use crate::kind::{Kind, Servers};
use callboard_backends::Store;
use callboard_core::machine::Span;
use callboard_core::store::{Guard, Op, Outcome, Refusal, Revision, SessionId, Txn};
use servers::{Faults, Proxy};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LOCK: &str = "schedulers/default";

/// A store, a way to it that can be held up, and one that cannot.
struct Ways {
    _servers: Servers,
    proxy: Proxy,
    slow: Arc<dyn Store>,
    direct: Arc<dyn Store>,
}

impl Ways {
    async fn open(kind: Kind) -> Ways {
        let servers = tokio::task::spawn_blocking(move || Servers::start(kind, 1)).await.expect("it starts");
        let proxy = servers.proxies(1).remove(0);
        let slow = Servers::store(kind, &[proxy.port()]).await;
        let direct = Servers::store(kind, &servers.ports()).await;
        Ways { _servers: servers, proxy, slow, direct }
    }

    /// Sends a write that stays on its way.
    async fn send(&self, txn: Txn) -> tokio::task::JoinHandle<Outcome> {
        self.proxy.set(Faults { held: true, ..Faults::default() });
        let slow = Arc::clone(&self.slow);
        let sent = tokio::spawn(async move { slow.commit(txn).await });
        let asked = Instant::now();
        while self.proxy.kept() == 0 {
            assert!(asked.elapsed() < Duration::from_secs(10), "nothing was sent");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        sent
    }

    /// Lets what is on its way arrive, and waits until it surely has.
    async fn arrive(&self) {
        self.proxy.set(Faults::default());
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(self.proxy.kept(), 0);
    }

    async fn holds(&self, key: &str) -> bool {
        !self.direct.list(key).await.expect("the store answers").entries.is_empty()
    }
}

fn put(key: &str, session: Option<&SessionId>) -> Op {
    Op::Put { key: key.into(), value: "{}".into(), session: session.cloned() }
}

fn absent(key: &str) -> Guard {
    Guard::Absent { key: key.into() }
}

fn held(session: &SessionId, tenure: Revision) -> Guard {
    Guard::Held { key: LOCK.into(), session: session.clone(), tenure }
}

/// A write under the lock.
fn write(key: &str, session: &SessionId, tenure: Revision) -> Txn {
    Txn { guards: vec![held(session, tenure), absent(key)], ops: vec![put(key, None)] }
}

async fn takes_lock(store: &dyn Store, session: &SessionId) -> Revision {
    let txn = Txn { guards: vec![absent(LOCK)], ops: vec![put(LOCK, Some(session))] };
    match store.commit(txn).await {
        Outcome::Committed(tenure) => tenure,
        outcome @ (Outcome::Refused(_) | Outcome::Unknown(_)) => panic!("the lock is not free: {outcome:?}"),
    }
}

/// What a late writer hears: that the lock is lost, or nothing at all when it gave up waiting.
fn was_no_yes(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Refused(Refusal::LockLost) | Outcome::Unknown(_))
}

pub(crate) async fn a_deposed_holder_writes(kind: Kind) {
    let ways = Ways::open(kind).await;
    let ttl = Span::secs(if kind == Kind::Consul { 10 } else { 2 });
    let first = ways.slow.open_session("first", ttl).await.expect("the store answers");
    let tenure = takes_lock(&*ways.slow, &first).await;
    // While it holds the lock, what comes late is welcome.
    let sent = ways.send(write("state/early", &first, tenure)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    ways.arrive().await;
    sent.await.expect("it answers");
    assert!(ways.holds("state/early").await);

    ways.direct.renew_session(&first).await.expect("the store answers");
    let sent = ways.send(write("state/late", &first, tenure)).await;
    tokio::time::sleep(kind.outlast()).await;
    assert!(!ways.holds(LOCK).await, "the session has ended");
    let second = ways.direct.open_session("second", ttl).await.expect("the store answers");
    let later = takes_lock(&*ways.direct, &second).await;
    assert!(later > tenure);
    ways.arrive().await;
    let outcome = sent.await.expect("it answers");
    assert!(was_no_yes(&outcome), "{outcome:?}");
    assert!(!ways.holds("state/late").await);
    let outcome = ways.direct.commit(write("state/late", &second, later)).await;
    assert!(matches!(outcome, Outcome::Committed(_)), "who holds the lock writes: {outcome:?}");
}

pub(crate) async fn an_earlier_tenure_writes(kind: Kind) {
    let ways = Ways::open(kind).await;
    let session = ways.slow.open_session("both", Span::secs(30)).await.expect("the store answers");
    let tenure = takes_lock(&*ways.slow, &session).await;
    let sent = ways.send(write("state/late", &session, tenure)).await;
    // The same session gives the lock back and takes it again.
    let back = Txn {
        guards: vec![held(&session, tenure), Guard::At { key: LOCK.into(), revision: tenure }],
        ops: vec![Op::Delete { key: LOCK.into() }],
    };
    let outcome = ways.direct.commit(back).await;
    assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
    let later = takes_lock(&*ways.direct, &session).await;
    ways.arrive().await;
    let outcome = sent.await.expect("it answers");
    assert!(was_no_yes(&outcome), "{outcome:?}");
    assert!(!ways.holds("state/late").await);
    let outcome = ways.direct.commit(write("state/late", &session, later)).await;
    assert!(matches!(outcome, Outcome::Committed(_)), "in its tenure it writes: {outcome:?}");
}
