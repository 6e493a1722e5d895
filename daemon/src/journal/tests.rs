//! A journal on a disk: its bounds, its torn tails, and a disk that takes nothing.

use super::*;
use callboard_core::machine::Span;
use callboard_core::scheduler::{Input, Scheduler, Settings};
use callboard_core::store::{Entry, Listing, Reply, Revision};
use callboard_sim::journal::{Replay, replay};
use std::path::Path;

fn scheduler() -> Scheduler {
    let settings =
        Settings { name: "main".into(), instance: "t".into(), ttl: Span::secs(10), plan_delay: Span(100) };
    Scheduler::new(settings)
}

/// Steps a scheduler so often, with a listing of so many bytes each time, and gives the segments, the oldest first.
fn write(dir: &Path, bytes: u64, steps: u64, value: usize) -> Vec<Vec<u8>> {
    let (to, entries) = sync_channel(8);
    let wants_state = Arc::new(AtomicBool::new(true));
    let mut writer = Writer::new(Place { dir: dir.to_owned(), bytes }, Arc::clone(&wants_state));
    let mut journal = Journal { to, wants_state, steps: 0 };
    let mut machine = scheduler();
    for step in 0..steps {
        let entry = Arc::new(Entry {
            key: "config/services/a".into(),
            value: "x".repeat(value),
            revision: Revision(step + 1),
            session: None,
        });
        let listing = Listing { revision: Revision(step + 1), entries: vec![entry] };
        let input = match step % 2 {
            0 => Input::Wake,
            _ => Input::Store(Reply::Listed { prefix: "config/".into(), result: Ok(listing) }),
        };
        journal.step(&mut machine, Time(step * 1000), input);
        while let Ok(entry) = entries.try_recv() {
            writer.take(entry);
        }
    }
    drop(journal);
    writer.run(&entries);
    let mut paths: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn play(bytes: &[u8]) -> Replay {
    replay(bytes, Time(0), Time(u64::MAX)).unwrap()
}

#[test]
fn what_is_written_plays_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let segments = write(&dir.path().join("journal"), 8 << 20, 40, 10);
    assert_eq!(segments.len(), 1);
    let played = play(&segments[0]);
    assert_eq!((played.steps.len(), played.torn_bytes), (40, 0));
    assert_eq!(played.difference, None);
    assert!(played.steps[0].effects.iter().any(|effect| effect.starts_with("list config/")), "{played:?}");
}

#[test]
fn an_end_that_was_never_written_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let segments = write(dir.path(), 8 << 20, 10, 10);
    let torn = play(&segments[0][..segments[0].len() - 3]);
    assert_eq!((torn.steps.len(), torn.difference), (9, None));
    assert!(torn.torn_bytes > 0 && !torn.damaged);
    // What a disk may have put there instead.
    let zeros = play(&[&segments[0][..], &[0; 64]].concat());
    assert_eq!((zeros.steps.len(), zeros.torn_bytes, zeros.damaged), (10, 64, false));
}

#[test]
fn what_was_changed_in_the_middle_is_no_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut segment = write(dir.path(), 8 << 20, 10, 10).remove(0);
    let last = play(&segment[..segment.len() - 1]).torn_bytes + 1;
    // The last byte of the last record but one.
    let at = segment.len() - last - 1;
    segment[at] ^= 1;
    let changed = play(&segment);
    assert!(changed.damaged && changed.torn_bytes > last, "{changed:?}");
    assert_eq!((changed.steps.len(), changed.difference), (8, None));
}

#[test]
fn a_length_that_was_changed_is_no_end() {
    let dir = tempfile::tempdir().unwrap();
    let segment = write(dir.path(), 8 << 20, 10, 10).remove(0);
    let left = |segment: &[u8]| play(&segment[..segment.len() - 1]).torn_bytes + 1;
    let last = left(&segment);
    let before = left(&segment[..segment.len() - last]);
    // The length of the last record but one: a bit more, more than there is, less, and nonsense.
    let at = segment.len() - last - before;
    for (byte, bit) in [(0, 1), (1, 0x40), (0, 0x80), (3, 0x10), (3, 0x80)] {
        let mut changed = segment.clone();
        changed[at + byte] ^= bit;
        let played = play(&changed);
        assert_eq!((played.steps.len(), played.damaged), (8, true), "{byte} {bit:#x}");
        assert_eq!(played.torn_bytes, before + last);
    }
    // Nothing follows the last, and yet none is as long.
    let mut absurd = segment.clone();
    absurd[segment.len() - last + 3] = 0xff;
    assert!(play(&absurd).damaged);
}

#[test]
fn the_oldest_go_and_the_rest_plays() {
    let dir = tempfile::tempdir().unwrap();
    let bound = 256 << 10;
    let segments = write(dir.path(), bound, 3_000, 2_000);
    let total: usize = segments.iter().map(Vec::len).sum();
    assert!(total <= usize::try_from(bound).unwrap(), "{total}");
    assert!(segments.len() > 1);
    let played: Vec<Replay> = segments.iter().map(|bytes| play(bytes)).collect();
    assert!(played.iter().all(|played| played.difference.is_none()));
    assert!(played[0].header.first > 0);
}

#[test]
fn a_directory_that_cannot_be_written_stops_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let mut journal = Journal::begin(Place { dir: file.join("journal"), bytes: 1 << 20 });
    let mut machine = scheduler();
    for step in 0..10_000 {
        journal.step(&mut machine, Time(step), Input::Wake);
    }
}
