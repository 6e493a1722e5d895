//! Reads the entries of a zip archive, stored or deflated. Its list of entries is at its end, and says of each where it is;
//! of an archive that can be read in two ways neither is taken.

use super::unpack::{ENTRIES_MAX, Unpacking, What};
use crate::Failure;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use zip::ZipArchive;
use zip::result::ZipError;

/// What the end of an archive may take: where to find that of a longer one, its own record, and a comment.
const END_MAX: u64 = 20 + 22 + 65_535;
/// What the kind of a file is in its rights, and the two kinds that are unpacked.
const KIND: u32 = 0o170_000;
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;

/// Unpacks an archive.
pub(super) fn unzip(mut archive: File, into: &mut Unpacking<'_>) -> Result<(), Failure> {
    let unreadable = |error: ZipError| Failure::of("it is a broken zip archive", error);
    let too_many = || Failure(format!("it has more than {ENTRIES_MAX} entries"));
    // The list is read as a whole: first how long it is.
    if counted(&end_of(&mut archive).map_err(|error| unreadable(error.into()))?)? > ENTRIES_MAX {
        return Err(too_many());
    }
    let mut archive = ZipArchive::new(BufReader::new(archive)).map_err(unreadable)?;
    if archive.len() > ENTRIES_MAX {
        return Err(too_many());
    }
    if archive.has_duplicate_names() {
        return Err(Failure("it is a zip archive with an entry that is there twice".to_string()));
    }
    if archive.has_overlapping_entries().map_err(unreadable)? {
        return Err(Failure("it is a zip archive whose entries overlap".to_string()));
    }
    for index in 0..archive.len() {
        let (name, is_encrypted) = {
            let entry = archive.by_index_raw(index).map_err(unreadable)?;
            (entry.name_raw().to_vec(), entry.encrypted())
        };
        let named = |why: &str| Failure(format!("its entry {:?} {why}", String::from_utf8_lossy(&name)));
        if is_encrypted {
            return Err(named("is encrypted"));
        }
        let mut entry =
            archive.by_index(index).map_err(|error| named(&format!("cannot be read: {error}")))?;
        // As they stand there, with what would give more rights.
        let mode = entry.external_attributes() >> 16;
        let what = match mode & KIND {
            DIRECTORY => What::Directory,
            0 | REGULAR if name.ends_with(b"/") => What::Directory,
            0 | REGULAR => What::File,
            _ => What::Other,
        };
        into.take(&name, what, mode, &mut entry)?;
    }
    Ok(())
}

/// Reads how many entries an archive has, from what stands at its very end; refuses one that may have more of them.
fn counted(end: &[u8]) -> Result<usize, Failure> {
    const SIGN: &[u8] = b"PK\x05\x06";
    const LONG: &[u8] = b"PK\x06\x07";
    let broken = || Failure("it is a broken zip archive: it does not end as one does".to_string());
    let at = (0..end.len()).rev().find(|at| end[*at..].starts_with(SIGN)).ok_or_else(broken)?;
    let two = |from: usize| Some(u16::from_le_bytes([*end.get(at + from)?, *end.get(at + from + 1)?]));
    let four = |from: usize| Some(u32::from(two(from)?) | u32::from(two(from + 2)?) << 16);
    let (Some(entries), Some(length), Some(begin), Some(comment)) = (two(10), four(12), four(16), two(20))
    else {
        return Err(broken());
    };
    if at + 22 + usize::from(comment) != end.len() {
        return Err(broken());
    }
    let is_long = entries == u16::MAX || [length, begin].contains(&u32::MAX);
    if is_long || at.checked_sub(20).is_some_and(|before| end[before..].starts_with(LONG)) {
        return Err(Failure("it is a zip archive of more than 65,534 entries or 4 GiB (zip64)".to_string()));
    }
    Ok(usize::from(entries))
}

fn end_of(archive: &mut File) -> std::io::Result<Vec<u8>> {
    let size = archive.seek(SeekFrom::End(0))?;
    archive.seek(SeekFrom::Start(size.saturating_sub(END_MAX)))?;
    let mut end = Vec::new();
    archive.take(END_MAX).read_to_end(&mut end)?;
    archive.rewind()?;
    Ok(end)
}
