//! Disks that fail, and files that are not what was written.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use callboard_core::store::{Guard, Op};
use redb::backends::InMemoryBackend;
use redb::{Database, StorageBackend};

use super::*;

/// A disk that keeps its bytes over reopening, and fails when told to.
#[derive(Clone, Debug, Default)]
struct FaultyDisk {
    bytes: Arc<InMemoryBackend>,
    /// How many more calls succeed; at zero every write fails.
    left: Arc<AtomicU64>,
    ailing: Arc<AtomicBool>,
}

impl FaultyDisk {
    fn fail_after(&self, calls: u64) {
        self.left.store(calls, Ordering::SeqCst);
        self.ailing.store(true, Ordering::SeqCst);
    }

    fn heal(&self) {
        self.ailing.store(false, Ordering::SeqCst);
    }

    fn tried(&self) -> io::Result<()> {
        let spent = |left: u64| left.checked_sub(1);
        let ailing = self.ailing.load(Ordering::SeqCst);
        if ailing && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, spent).is_err() {
            return Err(io::Error::other("the disk is on fire"));
        }
        Ok(())
    }

    fn opener(&self) -> Opener {
        let disk = self.clone();
        Box::new(move || Database::builder().create_with_backend(disk.clone()))
    }
}

impl StorageBackend for FaultyDisk {
    fn len(&self) -> io::Result<u64> {
        self.bytes.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.bytes.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.tried()?;
        self.bytes.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.tried()?;
        self.bytes.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.tried()?;
        self.bytes.write(offset, data)
    }
}

fn create(key: &str) -> Txn {
    let (key, value) = (key.to_string(), "1".to_string());
    Txn { guards: vec![Guard::Absent { key: key.clone() }], ops: vec![Op::Put { key, value, session: None }] }
}

async fn healed(store: &Embedded) -> Listing {
    loop {
        match store.list("").await {
            Ok(listing) => return listing,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Whatever call of a commit fails: what was acknowledged is there, what was refused is not, revisions only grow.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_at_any_call_is_reported_honestly() {
    let cases = (0..12).map(|calls| tokio::spawn(fails_after(calls)));
    for case in cases.collect::<Vec<_>>() {
        case.await.unwrap();
    }
}

async fn fails_after(calls: u64) {
    let disk = FaultyDisk::default();
    let store = Embedded::start(Path::new("faulty"), disk.opener(), None).unwrap();
    assert!(matches!(store.commit(create("before")).await, Outcome::Committed(_)));
    let before = store.list("").await.unwrap();
    let session = store.open_session("s", Span::secs(60)).await.unwrap();
    let mut watch = store.watch("", before.revision).await.unwrap();
    disk.fail_after(calls);
    let outcome = store.commit(create("during")).await;
    let served = store.list("").await;
    match &outcome {
        Outcome::Committed(_) => assert_eq!(served.unwrap().entries.len(), 2),
        Outcome::Unknown(_) | Outcome::Refused(Refusal::Unavailable(_)) => {
            assert!(served.is_err(), "{calls}");
            assert!(matches!(watch.next().await, crate::WatchEvent::Ended(_)));
            let again = store.commit(create("again")).await;
            assert!(matches!(again, Outcome::Refused(Refusal::Unavailable(_))), "{calls}: {again:?}");
        }
        Outcome::Refused(other) => panic!("{calls}: {other:?}"),
    }
    disk.heal();
    let after = healed(&store).await;
    assert!(after.revision >= before.revision, "{calls}");
    assert!(after.entries.contains(&before.entries[0]), "{calls}");
    let there = after.entries.iter().any(|entry| entry.key == "during");
    match outcome {
        Outcome::Committed(_) => assert!(there, "{calls}"),
        Outcome::Refused(_) => {
            assert!(!there, "{calls}");
            assert!(!store.renew_session(&session).await.unwrap());
        }
        Outcome::Unknown(_) => {}
    }
    assert!(matches!(store.commit(create("after")).await, Outcome::Committed(_)), "{calls}");
}
