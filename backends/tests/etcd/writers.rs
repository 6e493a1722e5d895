//! Writers who go on while the leader is killed: nothing is lost, nothing is done twice.

use std::sync::Arc;
use std::time::Duration;

use callboard_backends::{Etcd, Store};
use callboard_core::store::{Guard, Listing, Outcome, Refusal, Revision, Txn};

use crate::{create, eventually, open, put};

const WRITERS: usize = 4;
const EACH: usize = 150;

fn revision_of(listing: &Listing, key: &str) -> Option<Revision> {
    listing.entries.iter().find(|entry| entry.key == key).map(|entry| entry.revision)
}

/// Counts one up and leaves a mark beside it, in one transaction, however often that takes. Gives how many outcomes were
/// unknown.
async fn count_up(store: &Etcd, mark: &str) -> usize {
    let mut unknown = 0;
    loop {
        let listing = eventually(|| store.list("all/")).await;
        // An outcome that was unknown is known now: either the mark is there, or the count moved on without it, or
        // neither happened yet and the same may be tried again.
        if revision_of(&listing, mark).is_some() {
            return unknown;
        }
        let count = listing.entries.iter().find(|entry| entry.key == "all/count").expect("the count");
        let next = (count.value.parse::<usize>().expect("a number") + 1).to_string();
        let guards = vec![
            Guard::At { key: "all/count".into(), revision: count.revision },
            Guard::Absent { key: mark.into() },
        ];
        let ops = vec![put("all/count", &next, None), put(mark, "1", None)];
        match store.commit(Txn { guards, ops }).await {
            Outcome::Committed(_) => {
                let found = eventually(|| store.list(mark)).await;
                assert!(revision_of(&found, mark).is_some(), "an acknowledged write was lost");
                return unknown;
            }
            Outcome::Refused(Refusal::Conflict(_)) => {}
            Outcome::Refused(Refusal::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
            Outcome::Unknown(_) => unknown += 1,
            other @ Outcome::Refused(Refusal::LockLost | Refusal::Invalid(_)) => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_with_the_leader() {
    let mut servers = servers::Etcd::start(3, &[]);
    let store = Arc::new(open(&servers.client_ports()).await);
    create(&*store, "all/count").await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut unknown = 0;
                for round in 0..EACH {
                    unknown += count_up(&store, &format!("all/mark/{writer}-{round:04}")).await;
                }
                unknown
            })
        })
        .collect();
    let mut killed = 0;
    while writers.iter().any(|writer| !writer.is_finished()) {
        tokio::time::sleep(Duration::from_millis(500)).await;
        if killed < 2
            && let Some(leader) = servers.leader()
        {
            servers.members[leader].kill();
            killed += 1;
            tokio::time::sleep(Duration::from_secs(2)).await;
            servers.members[leader].restart();
        }
    }
    assert_eq!(killed, 2, "all was written before a leader was killed");
    for writer in writers {
        writer.await.expect("a writer");
    }
    let listing = eventually(|| store.list("all/")).await;
    let marks = listing.entries.iter().filter(|entry| entry.key.starts_with("all/mark/")).count();
    assert_eq!(marks, WRITERS * EACH);
    assert_eq!(listing.entries[0].value, (1 + WRITERS * EACH).to_string(), "counted once for each mark");
}
