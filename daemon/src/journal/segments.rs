//! The files of a journal: one after the other, numbered, the oldest removed to make room.
//!
//! **Invariant:** nobody but their owner may read them: they hold configurations, and with them secrets.

use super::Place;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How the name of a segment ends.
const ENDING: &str = "journal";

/// A segment that is being written.
#[derive(Debug)]
pub(super) struct Segment {
    file: BufWriter<File>,
    bytes: u64,
    /// When it has so many bytes, the next one should begin.
    pub(super) full: u64,
}

impl Segment {
    /// Begins a segment of so many bytes, and makes room for it.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub(super) fn begin(place: &Place, prefix: &str, beginning: &[u8]) -> io::Result<Segment> {
        DirBuilder::new().recursive(true).mode(0o700).create(&place.dir)?;
        let bytes = u64::try_from(beginning.len()).unwrap_or(u64::MAX);
        let full = (place.bytes / 8).max(bytes.saturating_mul(2));
        let last = make_room(place, prefix, full)?;
        // Without its beginning it is no journal, whatever ends us meanwhile.
        let part = place.dir.join(format!("{prefix}.part"));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        let path = place.dir.join(format!("{prefix}-{:06}.{ENDING}", last + 1));
        if let Err(error) = file.write_all(beginning).and_then(|()| fs::rename(&part, path)) {
            fs::remove_file(part)?;
            return Err(error);
        }
        Ok(Segment { file: BufWriter::new(file), bytes, full })
    }

    /// Adds bytes.
    pub(super) fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.file.write_all(bytes)
    }

    /// Hands everything to the kernel.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// Tells whether the next one should begin.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= self.full
    }

    /// Tells whether so many bytes more would be too many.
    pub(super) fn has_room(&self, more: usize) -> bool {
        self.bytes + u64::try_from(more).unwrap_or(u64::MAX) <= self.full * 2
    }
}

/// Removes the oldest segments until a full one has its place, with twice its bytes for what comes while the next one is
/// asked for. Gives the number of the last.
fn make_room(place: &Place, prefix: &str, full: u64) -> io::Result<u64> {
    let mut kept = list(&place.dir, prefix)?;
    let last = kept.last().map_or(0, |segment| segment.0);
    let mut total: u64 = kept.iter().map(|segment| segment.2).sum();
    while !kept.is_empty() && total + 2 * full > place.bytes {
        let (_, path, bytes) = kept.remove(0);
        fs::remove_file(path)?;
        total = total.saturating_sub(bytes);
    }
    Ok(last)
}

/// Lists the segments of one machine, the oldest first, with number and bytes.
fn list(dir: &Path, prefix: &str) -> io::Result<Vec<(u64, PathBuf, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-'));
        let number =
            number.and_then(|rest| rest.strip_suffix(ENDING)).and_then(|rest| rest.strip_suffix('.'));
        if let Some(number) = number.and_then(|digits| digits.parse().ok()) {
            found.push((number, entry.path(), entry.metadata()?.len()));
        }
    }
    found.sort();
    Ok(found)
}
