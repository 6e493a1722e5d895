//! How values follow each other in a file: each with its length and a checksum, so that an end that was never written is
//! seen and left out.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// How every segment begins.
pub const MAGIC: &[u8] = b"callboard journal\n";
/// Length and checksum.
const HEAD: usize = 12;
/// No value is longer, in bytes: what says so was changed after it was written.
const LONGEST: usize = 1 << 30;
/// How the step of a machine begins: an object of four fields, the first of which is its number.
const STEP: &[u8] = b"\xa4\x61n";

/// Adds a value.
pub(super) fn write<T: Serialize>(to: &mut Vec<u8>, value: &T) {
    let start = to.len();
    to.extend_from_slice(&[0; HEAD]);
    put(value, to);
    let content = &to[start + HEAD..];
    let (length, sum) = (u32::try_from(content.len()).unwrap_or(u32::MAX), hash(content));
    to[start..start + 4].copy_from_slice(&length.to_le_bytes());
    to[start + 4..start + HEAD].copy_from_slice(&sum.to_le_bytes());
}

/// Gives a value as bytes.
pub(super) fn bytes<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(value, &mut bytes);
    bytes
}

/// All that is written here is plain data, and memory takes all of it.
fn put<T: Serialize>(value: &T, to: &mut Vec<u8>) {
    if let Err(error) = ciborium::into_writer(value, to) {
        panic!("a value of a machine cannot be written down: {error}");
    }
}

/// Reads a value back.
pub(super) fn value<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    ciborium::from_reader(bytes).map_err(|error| error.to_string())
}

/// Hashes bytes, the same on every machine (FNV-1a over words of eight bytes).
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let (words, rest) = bytes.as_chunks::<8>();
    let all = words
        .iter()
        .fold(mix(0xcbf2_9ce4_8422_2325, length), |hash, word| mix(hash, u64::from_le_bytes(*word)));
    rest.iter().fold(all, |hash, byte| mix(hash, u64::from(*byte)))
}

/// The frames of a segment, up to the first that is not whole.
pub(super) struct Frames<'a> {
    rest: &'a [u8],
}

impl<'a> Frames<'a> {
    /// Begins behind the first words; `None` where these are not those of a journal.
    pub(super) fn of(bytes: &'a [u8]) -> Option<Frames<'a>> {
        bytes.strip_prefix(MAGIC).map(|rest| Frames { rest })
    }

    /// Counts the bytes that are left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Tells whether what is left is no end that was never written: its length is absurd, or a whole step follows, wherever
    /// it begins, since the length may be what was changed.
    pub(super) fn is_damaged(&self) -> bool {
        let is_whole = |bytes| Frames { rest: bytes }.next().is_some();
        if is_whole(self.rest) {
            return false;
        }
        let steps = self.rest.windows(STEP.len()).enumerate().filter(|(_, letters)| *letters == STEP);
        let mut heads = steps.filter_map(|(at, _)| at.checked_sub(HEAD));
        length(self.rest).is_some_and(|length| length > LONGEST)
            || heads.any(|head| self.rest.get(head..).is_some_and(is_whole))
    }
}

/// Gives how long the value is that begins here.
fn length(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
    usize::try_from(length).ok()
}

impl<'a> Iterator for Frames<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(HEAD)?;
        let sum = u64::from_le_bytes(head[4..].try_into().ok()?);
        let (content, rest) = rest.split_at_checked(length(head)?)?;
        if hash(content) != sum {
            return None;
        }
        self.rest = rest;
        Some(content)
    }
}
