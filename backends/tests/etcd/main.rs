//! What only real servers of etcd can show: outages, restored snapshots, full disks, and who may ask.
#![cfg(feature = "etcd")]

mod access;
mod outages;
mod writers;

use callboard_backends::{Etcd, EtcdSettings, Store, Watch, WatchEvent};
use callboard_core::store::{Guard, Op, Outcome, Revision, SessionId, Txn};
use std::time::Duration;

/// Opens a store on these ports.
async fn open(ports: &[u16]) -> Etcd {
    let endpoints = ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
    Etcd::open(EtcdSettings { endpoints, ..EtcdSettings::default() }).await.expect("settings that work")
}

fn put(key: &str, value: &str, session: Option<&SessionId>) -> Op {
    Op::Put { key: key.into(), value: value.into(), session: session.cloned() }
}

fn creates(key: &str, value: &str) -> Txn {
    Txn { guards: vec![Guard::Absent { key: key.into() }], ops: vec![put(key, value, None)] }
}

async fn create(store: &dyn Store, key: &str) -> Revision {
    committed(&store.commit(creates(key, "1")).await)
}

fn committed(outcome: &Outcome) -> Revision {
    match outcome {
        Outcome::Committed(revision) => *revision,
        Outcome::Refused(_) | Outcome::Unknown(_) => panic!("not committed: {outcome:?}"),
    }
}

/// Waits until a watch ends, and gives the keys that changed before and why it ended.
async fn end_of(watch: &mut dyn Watch) -> (Vec<String>, String) {
    let mut keys = Vec::new();
    patiently(async {
        loop {
            match watch.next().await {
                WatchEvent::Changed { changes, .. } => {
                    keys.extend(changes.iter().map(|change| change.key().to_string()));
                }
                WatchEvent::Ended(why) => return (keys, why),
            }
        }
    })
    .await
}

async fn patiently<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("it takes too long")
}

/// Asks until there is an answer.
async fn eventually<T, E, F: Future<Output = Result<T, E>>>(ask: impl Fn() -> F) -> T {
    patiently(async {
        loop {
            if let Ok(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
}
