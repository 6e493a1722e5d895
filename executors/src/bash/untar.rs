//! Reads the entries of a tar archive. Of what one entry may say of the next, only its name is heard.

use super::unpack::{ENTRIES_MAX, Unpacking, What};
use crate::Failure;
use std::io::Read;
use tar::{Archive, Entry, EntryType, PaxExtensions};

/// What an archive may hold beside the contents of its files.
const HEADERS_MAX: u64 = 64 << 20;
/// The most bytes of what only names another entry.
const WORDS_MAX: usize = 16 << 10;

/// Unpacks an archive; `bytes_max` bounds the contents of its files.
pub(super) fn untar(archive: impl Read, bytes_max: u64, into: &mut Unpacking<'_>) -> Result<(), Failure> {
    let unreadable = |error| Failure::of("it is no archive of tar or zip, or a broken one", error);
    let mut archive = Archive::new(archive.take(bytes_max.saturating_add(HEADERS_MAX)));
    let mut name = None;
    for (index, entry) in archive.entries().map_err(unreadable)?.raw(true).enumerate() {
        if index >= ENTRIES_MAX {
            return Err(Failure(format!("it has more than {ENTRIES_MAX} entries")));
        }
        take(entry.map_err(unreadable)?, &mut name, into)?;
    }
    Ok(())
}

/// Takes one entry; `next` is what the next one is called, where that does not fit into its header.
fn take(
    mut entry: Entry<'_, impl Read>,
    next: &mut Option<Vec<u8>>,
    into: &mut Unpacking<'_>,
) -> Result<(), Failure> {
    let kind = entry.header().entry_type();
    if kind == EntryType::XGlobalHeader {
        return Ok(());
    }
    if kind == EntryType::XHeader {
        return extend(&words(&mut entry)?, next);
    }
    if kind == EntryType::GNULongName {
        let name = words(&mut entry)?;
        *next = name.split(|byte| *byte == 0).next().map(<[u8]>::to_vec);
        return Ok(());
    }
    let what = if kind == EntryType::Directory {
        What::Directory
    } else if kind == EntryType::Regular {
        What::File
    } else {
        What::Other
    };
    let name = next.take().unwrap_or_else(|| entry.path_bytes().into_owned());
    let mode = entry.header().mode().map_err(|_| {
        Failure(format!("its entry {:?} has rights that cannot be read", String::from_utf8_lossy(&name)))
    })?;
    into.take(&name, what, mode, &mut entry)
}

/// Takes what an entry says of the next.
fn extend(words: &[u8], next: &mut Option<Vec<u8>>) -> Result<(), Failure> {
    for word in PaxExtensions::new(words) {
        let word = word.map_err(|error| Failure::of("it is a broken archive", error))?;
        match word.key_bytes() {
            b"path" => *next = Some(word.value_bytes().to_vec()),
            // Whoever reads past this sees other entries than whoever does not.
            key if key == b"size" || key.starts_with(b"GNU.sparse") => {
                let key = String::from_utf8_lossy(key);
                return Err(Failure(format!("it says of an entry what is not supported: {key}")));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Reads an entry that speaks of another.
fn words(entry: &mut impl Read) -> Result<Vec<u8>, Failure> {
    let (mut words, most) = (Vec::new(), u64::try_from(WORDS_MAX).unwrap_or(u64::MAX));
    let read = entry.take(most.saturating_add(1)).read_to_end(&mut words);
    read.map_err(|error| Failure::of("it is a broken archive", error))?;
    match words.len() > WORDS_MAX {
        true => Err(Failure(format!("it says more than {WORDS_MAX} bytes of an entry"))),
        false => Ok(words),
    }
}
