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

pub(crate) async fn a_deposed_holder_is_refused(bench: &Bench) {
    let ttl = bench.fixture.ttl().times(3);
    let deposed = bench.store.open_session("deposed", ttl).await.expect("a session");
    let first = bench.lock("lock", &deposed).await;
    let a = bench.must([bench.held("lock", &deposed, first), bench.absent("a")], [bench.put("a", "1")]).await;
    let late = || {
        let guards = [bench.held("lock", &deposed, first), bench.at("a", a)];
        bench.commit(guards, [bench.put("a", "late")])
    };
    bench.fixture.outlast(ttl).await;
    bench.gone("lock").await;
    lock_lost(&late().await);
    let ours = bench.session().await;
    let second = bench.lock("lock", &ours).await;
    assert!(second > first, "a tenure that was lost by silence is older than the next");
    lock_lost(&late().await);
    bench.must([bench.held("lock", &ours, second), bench.at("a", a)], [bench.put("a", "ours")]).await;
    assert_eq!(bench.get("a").await.expect("a").value, "ours");
}

pub(crate) async fn an_earlier_tenure_of_the_same_session_is_refused(bench: &Bench) {
    let (ours, theirs) = (bench.session().await, bench.session().await);
    let mut tenures = Vec::new();
    for holder in [&ours, &theirs, &ours] {
        let tenure = bench.lock("lock", holder).await;
        assert!(tenures.iter().all(|(_, earlier)| *earlier < tenure));
        for (session, earlier) in &tenures {
            let guards = [bench.held("lock", session, *earlier), bench.absent("a")];
            lock_lost(&bench.commit(guards, [bench.put("a", "late")]).await);
        }
        tenures.push((holder.clone(), tenure));
        committed(bench.commit([bench.held("lock", holder, tenure)], []).await);
        bench.must([bench.at("lock", tenure)], [bench.delete("lock")]).await;
    }
    assert!(bench.list("").await.entries.is_empty());
}

/// An agent that was started again clears away the sign of life that its former self left.
pub(crate) async fn a_lock_can_be_cleared_away_under_its_holder(bench: &Bench) {
    let (former, ours) = (bench.session().await, bench.session().await);
    let first = bench.lock("lock", &former).await;
    bench.must([bench.at("lock", first)], [bench.delete("lock")]).await;
    lock_lost(&bench.commit([bench.held("lock", &former, first)], []).await);
    let second = bench.lock("lock", &ours).await;
    assert_eq!(bench.store.renew_session(&former).await, Ok(true), "a session outlives its keys");
    bench.store.close_session(&former).await.expect("to close");
    bench.lock("after", &ours).await;
    assert_eq!(bench.get("lock").await.expect("the lock").session, Some(ours.clone()));
    committed(bench.commit([bench.held("lock", &ours, second)], []).await);
}
