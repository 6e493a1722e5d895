//! What only a store on a disk must keep: its word over restarts, crashes, second processes and damage.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use callboard_backends::{Embedded, OpenError, Store, WatchEvent};
use callboard_core::machine::Span;
use callboard_core::store::{Guard, Listing, Op, Outcome, Revision, SessionId, Txn};
use redb::{Database, TableDefinition};
use tempfile::TempDir;

async fn create(store: &Embedded, key: &str, session: Option<&SessionId>) -> Revision {
    let (key, session) = (key.to_string(), session.cloned());
    let guards = vec![Guard::Absent { key: key.clone() }];
    let ops = vec![Op::Put { value: format!("value of {key}"), key, session }];
    match store.commit(Txn { guards, ops }).await {
        Outcome::Committed(revision) => revision,
        other @ (Outcome::Refused(_) | Outcome::Unknown(_)) => panic!("{other:?}"),
    }
}

async fn list(store: &Embedded) -> Listing {
    store.list("").await.expect("a listing")
}

fn file(dir: &Path) -> PathBuf {
    dir.join("callboard.redb")
}

#[tokio::test]
async fn a_restart_keeps_data_and_revision_and_ends_sessions() {
    let dir = TempDir::new().expect("a directory");
    let mut ids = Vec::new();
    let mut last = Revision(0);
    let mut kept = Vec::new();
    for round in 0..3 {
        let store = Embedded::open(dir.path()).expect("to open");
        let opened = list(&store).await;
        assert!(opened.revision > last, "{round}");
        assert_eq!(opened.entries, kept, "{round}");
        let session = store.open_session("s", Span::secs(60)).await.expect("a session");
        assert!(!ids.contains(&session), "a session id came back");
        create(&store, &format!("free/{round}"), None).await;
        kept = list(&store).await.entries;
        last = create(&store, "bound", Some(&session)).await;
        for old in &ids {
            assert_eq!(store.renew_session(old).await, Ok(false));
        }
        ids.push(session);
        let mut stale = store.watch("", opened.revision.min(Revision(1))).await.expect("a watch");
        assert!(round == 0 || matches!(stale.next().await, WatchEvent::Ended(_)));
        let mut watch = store.watch("", last).await.expect("a watch");
        drop(store);
        assert!(matches!(watch.next().await, WatchEvent::Ended(_)));
    }
}

#[tokio::test]
async fn a_second_opener_is_told_which_directory_and_what_to_do() {
    let dir = TempDir::new().expect("a directory");
    let first = Embedded::open(dir.path()).expect("to open");
    let error = Embedded::open(dir.path()).expect_err("it is in use");
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(&dir.path().display().to_string()) && text.contains("stop that one"), "{text}");
    drop(first);
    Embedded::open(dir.path()).expect("to open again");
}

#[tokio::test]
async fn only_the_owner_may_read() {
    let parent = TempDir::new().expect("a directory");
    let dir = parent.path().join("deep/store");
    drop(Embedded::open(&dir).expect("to open"));
    let mode = |path: &Path| std::fs::metadata(path).expect("it").permissions().mode() & 0o777;
    assert_eq!((mode(&dir), mode(&file(&dir))), (0o700, 0o600));
    assert_eq!(std::fs::read_dir(&dir).expect("it").count(), 1, "nothing is left lying about");
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let dir = TempDir::new().expect("a directory");
    drop(Embedded::open(dir.path()).expect("to open"));
    let database = Database::open(file(dir.path())).expect("the file");
    let txn = database.begin_write().expect("a transaction");
    let meta: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
    txn.open_table(meta).expect("the table").insert("schema", 7).expect("to insert");
    txn.commit().expect("to commit");
    drop(database);
    for _ in 0..2 {
        let error = Embedded::open(dir.path()).expect_err("it is newer");
        assert!(matches!(error, OpenError::Newer { found: 7, known: 1, .. }), "{error}");
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_named() {
    let dir = TempDir::new().expect("a directory");
    let taken = dir.path().join("file");
    std::fs::write(&taken, "x").expect("to write");
    let error = Embedded::open(&taken).expect_err("it is a file");
    assert!(matches!(error, OpenError::Unusable { .. }) && error.to_string().contains("file"), "{error}");
}

#[tokio::test]
async fn a_crash_while_the_file_is_made_leaves_nothing_in_the_way() {
    let dir = TempDir::new().expect("a directory");
    std::fs::write(dir.path().join("callboard.redb.unfinished"), "half").expect("to write");
    create(&Embedded::open(dir.path()).expect("to open"), "a", None).await;
}

/// The file as it is at any moment, without being closed, holds all that was acknowledged.
#[tokio::test]
async fn a_copy_of_an_open_file_is_whole() {
    let dir = TempDir::new().expect("a directory");
    let store = Embedded::open(dir.path()).expect("to open");
    for count in 1..=20 {
        create(&store, &format!("a/{count:02}"), None).await;
        let copy = TempDir::new().expect("a directory");
        std::fs::copy(file(dir.path()), file(copy.path())).expect("to copy");
        let crashed = Embedded::open(copy.path()).expect("to open the copy");
        assert_eq!(list(&crashed).await.entries, list(&store).await.entries);
        assert_eq!(list(&crashed).await.entries.len(), count);
    }
}

const CHILD: &str = "CALLBOARD_TEST_WRITES_TO";

/// Not a test by itself: writes, and says so after each acknowledgement, until it is killed.
#[tokio::test]
async fn child_that_writes_until_it_is_killed() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let store = Embedded::open(dir).expect("to open");
    for count in list(&store).await.entries.len().. {
        create(&store, &format!("a/{count:06}"), None).await;
        std::io::stdout().write_all(format!("acknowledged {count}\n").as_bytes()).expect("to speak");
    }
}

#[tokio::test]
async fn a_killed_process_loses_nothing_it_acknowledged() {
    let dir = TempDir::new().expect("a directory");
    let mut said = 0;
    for round in 1..=5 {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "child_that_writes_until_it_is_killed", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a child");
        let mut lines = BufReader::new(child.stdout.take().expect("its words")).lines();
        let mut numbers = (&mut lines).map_while(Result::ok).filter_map(|line| {
            line.split_once("acknowledged ").and_then(|(_, count)| count.parse::<usize>().ok())
        });
        said = numbers.nth(round * 7).expect("it to write");
        child.kill().expect("to kill it");
        said = numbers.last().unwrap_or(said);
        child.wait().expect("it to end");
        let keys: Vec<String> = list(&Embedded::open(dir.path()).expect("to open"))
            .await
            .entries
            .into_iter()
            .map(|entry| entry.key.clone())
            .collect();
        assert!(keys.len() > said, "{} keys, but {said} was acknowledged", keys.len());
        let expect: Vec<String> = (0..keys.len()).map(|count| format!("a/{count:06}")).collect();
        assert_eq!(keys, expect, "no gaps");
    }
    assert!(said > 0);
}

/// Wherever a byte is wrong: either it does not matter or opening says so. Nothing panics, nothing is made up.
#[tokio::test]
async fn damage_is_reported_and_never_read_as_data() {
    let dir = TempDir::new().expect("a directory");
    let store = Embedded::open(dir.path()).expect("to open");
    for count in 0..50 {
        create(&store, &format!("a/{count}"), None).await;
    }
    let truth = list(&store).await.entries;
    drop(store);
    let whole = std::fs::read(file(dir.path())).expect("the file");
    let mut cases: Vec<(String, Vec<u8>)> = [0, 1, 100, whole.len() / 2, whole.len() - 1]
        .map(|length| (format!("cut to {length}"), whole[..length].to_vec()))
        .into();
    cases.push(("another file".into(), b"#!/bin/sh\necho hello\n".repeat(1000)));
    let used: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
    for at in (0..320).step_by(5).chain(used.into_iter().step_by(397)) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x5a;
        cases.push((format!("byte {at}"), bytes));
    }
    let mut reported = 0;
    for (case, bytes) in cases {
        std::fs::write(file(dir.path()), bytes).expect("to write");
        match Embedded::open(dir.path()) {
            Ok(store) => assert_eq!(list(&store).await.entries, truth, "{case}"),
            Err(error) => {
                let named = error.to_string().contains(&dir.path().display().to_string());
                assert!(named && !matches!(error, OpenError::InUse { .. }), "{case}: {error}");
                reported += 1;
            }
        }
    }
    assert!(reported > 10, "{reported}");
}
