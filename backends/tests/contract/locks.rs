//! Locks: a key that was absent, put under a session; and the guard that fences whoever lost one.

use callboard_core::store::Revision;

use crate::bench::{Bench, committed, conflicts, lock_lost};

pub(crate) async fn a_lock_guards(bench: &Bench) {
    let (ours, theirs) = (bench.session().await, bench.session().await);
    let tenure = bench.lock("lock", &ours).await;
    let second = bench.commit([bench.absent("lock")], [bench.put_under("lock", &theirs)]).await;
    conflicts(second, &[bench.key("lock")]);
    assert_eq!(bench.get("lock").await.expect("the lock").session, Some(ours.clone()));
    let held = || bench.held("lock", &ours, tenure);
    let a = bench.must([held(), bench.absent("a")], [bench.put("a", "1")]).await;
    bench.must([held(), bench.at("a", a)], [bench.delete("a")]).await;
    committed(bench.commit([held()], []).await);
}

pub(crate) async fn a_lost_lock_refuses(bench: &Bench) {
    let ours = bench.session().await;
    let tenure = bench.lock("lock", &ours).await;
    bench.store.close_session(&ours).await.expect("to close");
    bench.gone("lock").await;
    let write =
        || bench.commit([bench.held("lock", &ours, tenure), bench.absent("a")], [bench.put("a", "1")]);
    lock_lost(&write().await);
    let theirs = bench.session().await;
    let next = bench.lock("lock", &theirs).await;
    assert!(next > tenure, "tenures grow");
    lock_lost(&write().await);
    assert_eq!(bench.get("a").await, None);
}

pub(crate) async fn a_tenure_is_not_the_next_one(bench: &Bench) {
    let ours = bench.session().await;
    let first = bench.lock("lock", &ours).await;
    bench.must([bench.at("lock", first)], [bench.delete("lock")]).await;
    let second = bench.lock("lock", &ours).await;
    let write =
        |tenure| bench.commit([bench.held("lock", &ours, tenure), bench.absent("a")], [bench.put("a", "1")]);
    lock_lost(&write(first).await);
    lock_lost(&write(Revision(second.0 + 1)).await);
    committed(write(second).await);
}

pub(crate) async fn a_clobbered_lock_is_lost(bench: &Bench) {
    let ours = bench.session().await;
    let tenure = bench.lock("lock", &ours).await;
    bench.must([bench.at("lock", tenure)], [bench.put("lock", "an operator was here")]).await;
    let write =
        bench.commit([bench.held("lock", &ours, tenure), bench.absent("a")], [bench.put("a", "1")]).await;
    lock_lost(&write);
}

pub(crate) async fn a_foreign_session_holds_nothing(bench: &Bench) {
    let (ours, theirs) = (bench.session().await, bench.session().await);
    let tenure = bench.lock("lock", &ours).await;
    lock_lost(&bench.commit([bench.held("lock", &theirs, tenure)], []).await);
    let free = bench.create("free", "1").await;
    lock_lost(&bench.commit([bench.held("free", &ours, free)], []).await);
    lock_lost(&bench.commit([bench.held("nothing", &ours, tenure)], []).await);
}

pub(crate) async fn a_lost_lock_comes_before_conflicts(bench: &Bench) {
    let ours = bench.session().await;
    let tenure = bench.lock("lock", &ours).await;
    bench.create("a", "1").await;
    bench.store.close_session(&ours).await.expect("to close");
    bench.gone("lock").await;
    let guards = [bench.absent("a"), bench.held("lock", &ours, tenure)];
    lock_lost(&bench.commit(guards, [bench.put("a", "2")]).await);
}
