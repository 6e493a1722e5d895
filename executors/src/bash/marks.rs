//! When an output was written: marks beside it, each of which says how much there was when something was last written,
//! before it was silent for a moment or a second had passed.
//!
//! **Invariant:** what was written at a time or later is never taken for older, and there are never more than so many marks:
//! when there are, every second one goes.

use super::place::Place;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MARKS_MAX: usize = 2048;
const APART: Duration = Duration::from_secs(1);

/// Makes the marks of an output that is being written.
pub(super) struct Marks<'a> {
    place: &'a Place,
    count: usize,
    /// When what is not marked yet was begun, and last written to.
    open: Option<(SystemTime, SystemTime)>,
}

impl<'a> Marks<'a> {
    pub(super) fn new(place: &'a Place) -> Marks<'a> {
        Marks { place, count: 0, open: None }
    }

    /// Takes note that something is written now, behind so many bytes. A mark that is lost only makes what is found longer.
    pub(super) fn note(&mut self, length: u64, now: SystemTime) {
        let goes_on = |first| now.duration_since(first).is_ok_and(|passed| passed < APART);
        self.open = match self.open {
            Some((first, _)) if goes_on(first) => Some((first, now)),
            Some((_, last)) => {
                let _ = self.add(length, last);
                Some((now, now))
            }
            None => Some((now, now)),
        };
    }

    fn add(&mut self, length: u64, last: SystemTime) -> io::Result<()> {
        if self.count >= MARKS_MAX {
            let kept: Vec<(u64, u64)> = read(self.place, "").into_iter().skip(1).step_by(2).collect();
            let text: String = kept.iter().map(|(length, time)| format!("{length} {time}\n")).collect();
            let new = self.place.file(".output.times.new");
            fs::write(&new, text)?;
            fs::rename(new, self.place.file("output.times"))?;
            self.count = kept.len();
        }
        let mut options = OpenOptions::new();
        let mut file = options.create(true).append(true).mode(0o600).open(self.place.file("output.times"))?;
        writeln!(file, "{length} {}", millis(last))?;
        self.count += 1;
        Ok(())
    }

    /// Goes on with an output that begins anew.
    pub(super) fn rotate(&mut self) {
        // Without any, the last of an earlier output must not stay.
        if fs::rename(self.place.file("output.times"), self.place.file("output.times.1")).is_err() {
            let _ = fs::remove_file(self.place.file("output.times.1"));
        }
        (self.count, self.open) = (0, None);
    }
}

/// Tells where in an output, the present one or with `.1` that before it, begins what was written since.
pub(super) fn start(place: &Place, which: &str, since: SystemTime) -> u64 {
    let log = fs::metadata(place.file(&format!("output.log{which}")));
    let Ok((length, last)) = log.and_then(|log| Ok((log.len(), log.modified()?))) else { return 0 };
    if last < since {
        return length;
    }
    let since = millis(since);
    let older = read(place, which).into_iter().rev().find(|(_, time)| *time < since);
    older.map_or(0, |(length, _)| length)
}

fn read(place: &Place, which: &str) -> Vec<(u64, u64)> {
    let text = fs::read_to_string(place.file(&format!("output.times{which}"))).unwrap_or_default();
    let mark = |line: &str| {
        let (length, time) = line.split_once(' ')?;
        Some((length.parse().ok()?, time.parse().ok()?))
    };
    text.lines().filter_map(mark).collect()
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn what_was_written_since_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place { path: dir.path().to_path_buf() };
        let mut marks = Marks::new(&place);
        for (length, seconds) in [(0, 100), (10, 100), (20, 200), (30, 300)] {
            marks.note(length, at(seconds));
        }
        let log = fs::File::create(place.file("output.log")).unwrap();
        log.set_len(40).unwrap();
        log.set_modified(at(300)).unwrap();
        let check = |since: u64, expect: u64| assert_eq!(start(&place, "", at(since)), expect, "{since}");
        check(50, 0);
        check(100, 0);
        check(101, 20);
        check(200, 20);
        check(201, 30);
        check(300, 30);
        check(301, 40);
        marks.rotate();
        fs::rename(place.file("output.log"), place.file("output.log.1")).unwrap();
        assert_eq!(start(&place, ".1", at(201)), 30);
        assert_eq!(start(&place, "", at(201)), 0);
    }

    #[test]
    fn marks_are_bounded_and_none_is_lost_that_would_hide_something() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place { path: dir.path().to_path_buf() };
        let mut marks = Marks::new(&place);
        let count = 3 * u64::try_from(MARKS_MAX).unwrap();
        (0..count).for_each(|second| marks.note(second, at(second)));
        assert!(read(&place, "").len() <= MARKS_MAX);
        fs::write(place.file("output.log"), vec![0; usize::try_from(count).unwrap()]).unwrap();
        for since in (1..count).step_by(97) {
            let start = start(&place, "", at(since));
            // The oldest are the furthest apart: four times every second one went.
            assert!(start <= since && since - start <= 17, "{since}: {start}");
        }
    }
}
