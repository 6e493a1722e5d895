//! Sessions: how they end, and what ends with them.

use std::time::Duration;

use callboard_core::store::SessionId;

use crate::bench::{Bench, invalid, patiently};

pub(crate) async fn closing_removes_keys(bench: &Bench) {
    let session = bench.session().await;
    bench.lock("bound/a", &session).await;
    bench.lock("bound/b", &session).await;
    bench.create("free", "1").await;
    bench.store.close_session(&session).await.expect("to close");
    bench.gone("bound/a").await;
    bench.gone("bound/b").await;
    assert!(bench.get("free").await.is_some());
    assert_eq!(bench.store.renew_session(&session).await, Ok(false));
}

pub(crate) async fn lapsing_removes_keys(bench: &Bench) {
    let ttl = bench.fixture.ttl().times(3);
    let session = bench.store.open_session("lapses", ttl).await.expect("a session");
    bench.lock("bound", &session).await;
    bench.create("free", "1").await;
    bench.fixture.outlast(ttl).await;
    bench.gone("bound").await;
    assert!(bench.get("free").await.is_some());
    assert_eq!(bench.store.renew_session(&session).await, Ok(false));
}

pub(crate) async fn renewing_keeps_keys(bench: &Bench) {
    let ttl = bench.fixture.ttl().times(2);
    let session = bench.store.open_session("renewed", ttl).await.expect("a session");
    bench.lock("bound", &session).await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(ttl.0 / 4)).await;
        assert_eq!(bench.store.renew_session(&session).await, Ok(true));
    }
    assert!(bench.get("bound").await.is_some());
}

pub(crate) async fn nothing_under_a_closed_session(bench: &Bench) {
    let session = bench.session().await;
    bench.store.close_session(&session).await.expect("to close");
    patiently(async {
        while bench.store.renew_session(&session).await != Ok(false) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let ops = [bench.put("beside", "1"), bench.put_under("bound", &session)];
    invalid(&bench.commit([bench.absent("beside"), bench.absent("bound")], ops).await);
    assert!(bench.list("").await.entries.is_empty());
}

pub(crate) async fn closing_twice(bench: &Bench) {
    let session = bench.session().await;
    for _ in 0..2 {
        bench.store.close_session(&session).await.expect("to close");
    }
}

pub(crate) async fn an_unknown_session_is_over(bench: &Bench) {
    // Both a Consul id by its form and, read as a number, an etcd lease.
    for id in ["00000000-0000-4000-8000-000000000000", "7587862112390421"] {
        assert_eq!(bench.store.renew_session(&SessionId(id.into())).await, Ok(false), "{id}");
    }
}

pub(crate) async fn sessions_are_told_apart(bench: &Bench) {
    let (one, two) = (bench.session().await, bench.session().await);
    assert_ne!(one, two);
    bench.lock("one", &one).await;
    bench.lock("two", &two).await;
    bench.store.close_session(&one).await.expect("to close");
    bench.gone("one").await;
    assert_eq!(bench.get("two").await.expect("two").session, Some(two.clone()));
    assert_eq!(bench.store.renew_session(&two).await, Ok(true));
}

pub(crate) async fn nothing_under_an_unknown_session(bench: &Bench) {
    for id in ["00000000-0000-4000-8000-000000000000", "7587862112390421"] {
        let ops = [bench.put("beside", "1"), bench.put_under("bound", &SessionId(id.into()))];
        invalid(&bench.commit([bench.absent("beside"), bench.absent("bound")], ops).await);
    }
    assert!(bench.list("").await.entries.is_empty());
}

pub(crate) async fn an_idle_session_is_renewed_like_any(bench: &Bench) {
    let session = bench.session().await;
    assert_eq!(bench.store.renew_session(&session).await, Ok(true));
    bench.store.close_session(&session).await.expect("to close");
    patiently(async {
        while bench.store.renew_session(&session).await != Ok(false) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}
