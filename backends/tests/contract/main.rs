//! The contract of a store: the same cases, word for word, on every store there is. A case takes a [`Bench`] and knows
//! nothing of what is behind it.
//!
//! To hold another store to it, implement [`Fixture`] and add a line with `contract!`.

mod bench;
mod commits;
mod limits;
mod lists;
mod locks;
#[cfg(feature = "consul")]
mod on_consul;
#[cfg(feature = "etcd")]
mod on_etcd;
mod sessions;
mod watches;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use callboard_backends::{Embedded, Memory, MemoryStore, Prefixed, Store};
use callboard_core::machine::Span;
use tempfile::TempDir;

use bench::{Bench, Fixture};

/// Makes one test of every case for a store. `together`, it makes one of each file: its cases, all at the same time, on the
/// same servers, for those that take long to start.
macro_rules! contract {
    ($store:ident, $fixture:path) => {
        contract!(each $store, $fixture);
    };
    ($how:ident $store:ident, $fixture:path) => {
        mod $store {
            contract!(@$how $fixture, commits: [
                a_create_is_listed, each_guard_holds_or_refuses, a_conflict_names_every_key, all_or_nothing,
                an_update_needs_the_latest_revision, a_delete_needs_the_latest_revision, nothing_to_write,
                concurrent_increments_lose_nothing, one_creator_wins, one_key_goes_as_another_comes,
                guards_alone_change_nothing, the_same_value_is_a_write_too, revisions_order_the_whole_store
            ]);
            contract!(@$how $fixture, limits: [
                unguarded, written_twice, too_many_operations, a_large_record, a_large_transaction, odd_values,
                odd_guards
            ]);
            contract!(@$how $fixture, lists: [
                a_listing_has_the_order_of_keys, slashes_separate, nothing_is_a_listing_too, five_thousand_keys,
                a_listing_and_its_watch_make_the_whole_story, a_listing_is_as_new_as_what_was_acknowledged,
                a_listing_does_not_go_back_after_a_delete
            ]);
            contract!(@$how $fixture, locks: [
                a_lock_guards, a_lost_lock_refuses, a_tenure_is_not_the_next_one, a_clobbered_lock_is_lost,
                a_foreign_session_holds_nothing, a_lost_lock_comes_before_conflicts, a_deposed_holder_is_refused,
                an_earlier_tenure_of_the_same_session_is_refused, a_lock_can_be_cleared_away_under_its_holder
            ]);
            contract!(@$how $fixture, sessions: [
                closing_removes_keys, lapsing_removes_keys, renewing_keeps_keys, nothing_under_a_closed_session,
                closing_twice, an_unknown_session_is_over, sessions_are_told_apart, nothing_under_an_unknown_session,
                an_idle_session_is_renewed_like_any
            ]);
            contract!(@$how $fixture, watches: [
                a_watch_sees_each_kind_of_change, a_transaction_is_one_event, revisions_grow,
                a_watch_continues_after_a_listing, a_watch_of_a_prefix_hears_of_no_sibling, silence,
                a_compacted_watch_ends, many_watchers, a_watch_sees_sessions_end, a_session_ends_key_by_key_or_at_once,
                a_watch_after_a_revision_of_elsewhere, a_watch_continues_after_an_event,
                a_key_that_goes_and_comes_back_is_new
            ]);
        }
    };
    (@each $fixture:path, $file:ident: [$($case:ident),*]) => {
        mod $file {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let bench = crate::Bench::new(<$fixture>::fresh(), stringify!($case));
                    crate::$file::$case(&bench).await;
                }
            )*
        }
    };
    (@together $fixture:path, $file:ident: [$($case:ident),*]) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $file() {
            let servers = <$fixture>::start();
            let mut cases = Vec::new();
            $(
                let bench = crate::Bench::new(servers.fresh(), stringify!($case));
                let case = async move { crate::$file::$case(&bench).await };
                cases.push((stringify!($case), tokio::spawn(case)));
            )*
            crate::bench::all(cases).await;
        }
    };
}

contract!(memory, crate::InMemory);
contract!(prefixed, crate::UnderPrefix);
contract!(embedded, crate::OnDisk);
#[cfg(feature = "etcd")]
contract!(etcd, crate::on_etcd::OneServer);
#[cfg(feature = "etcd")]
contract!(etcd3, crate::on_etcd::ThreeServers);
#[cfg(feature = "consul")]
contract!(together consul, crate::on_consul::OneServer);
#[cfg(feature = "consul")]
contract!(together consul3, crate::on_consul::ThreeServers);

struct InMemory(MemoryStore);

impl InMemory {
    fn fresh() -> InMemory {
        InMemory(MemoryStore::new(Memory::default()))
    }
}

#[async_trait]
impl Fixture for InMemory {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }
    fn ttl(&self) -> Span {
        Span(400)
    }
    async fn outlast(&self, ttl: Span) {
        tokio::time::sleep(Duration::from_millis(ttl.0 + 100)).await;
    }
    async fn compact(&self) -> bool {
        self.0.compact();
        true
    }
}

/// Memory that others use too.
struct UnderPrefix(InMemory);

impl UnderPrefix {
    fn fresh() -> UnderPrefix {
        UnderPrefix(InMemory::fresh())
    }
}

#[async_trait]
impl Fixture for UnderPrefix {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(Prefixed::new(self.0.store(), "team-a/"))
    }
    fn ttl(&self) -> Span {
        self.0.ttl()
    }
    async fn outlast(&self, ttl: Span) {
        self.0.outlast(ttl).await;
    }
    async fn compact(&self) -> bool {
        self.0.compact().await
    }
}

struct OnDisk(Arc<Embedded>, TempDir);

impl OnDisk {
    fn fresh() -> OnDisk {
        let dir = TempDir::new().expect("a directory for the test");
        OnDisk(Arc::new(Embedded::open(dir.path().join("store")).expect("a fresh store")), dir)
    }
}

#[async_trait]
impl Fixture for OnDisk {
    fn store(&self) -> Arc<dyn Store> {
        self.0.clone()
    }
    fn ttl(&self) -> Span {
        Span(400)
    }
    async fn outlast(&self, ttl: Span) {
        tokio::time::sleep(Duration::from_millis(ttl.0 + 200)).await;
    }
    async fn compact(&self) -> bool {
        assert!(self.1.path().exists());
        self.0.compact();
        true
    }
}
