//! Unpacks an archive that nobody has looked into: tar, also compressed by gzip, or zip. Whoever made it may have wanted to
//! write elsewhere, to fill the disk, or to leave a program with more rights than its user has. What an archive holds, its
//! own file reads; what may come of it, this one says for all.
//!
//! **Invariant:** files and directories come to be in a directory of their own, and nothing else does; of an archive with
//! a single entry that is refused, nothing is left.

use super::{untar, unzip};
use crate::Failure;
use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// The most entries of an archive, those counted that only name others.
pub(super) const ENTRIES_MAX: usize = 10_000;
/// How many times its own size an archive may unpack to, where that is more than a little.
const RATIO_MAX: u64 = 100;
const LITTLE: u64 = 1 << 20;
const PATH_MAX: usize = 1024;
const DEPTH_MAX: usize = 32;
const SPECIAL_BITS: u32 = 0o7000;

/// Something on the disk that goes with this value, unless it is kept.
pub(super) struct Scrap(pub(super) PathBuf);

impl Drop for Scrap {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Unpacks a file into a directory that is there, unless one of its entries is there already; `bytes_max` bounds what may
/// come of it. Ends when it is told to.
///
/// # Errors
/// It is no such archive, or something is wrong with an entry, which is named; the directory is as it was.
pub(super) fn unpack(file: &Path, into: &Path, bytes_max: u64, stop: &AtomicBool) -> Result<(), Failure> {
    let apart = Scrap(into.join(".artifact.unpacked"));
    let failed = |error| Failure::of("cannot unpack it", error);
    let mut archive = File::open(file).map_err(failed)?;
    let size = archive.metadata().map_err(failed)?.len();
    let bytes_max = bytes_max.min(size.saturating_mul(RATIO_MAX).max(LITTLE));
    let mut magic = [0; 4];
    let count = archive.read(&mut magic).map_err(failed)?;
    archive.rewind().map_err(failed)?;
    make_dir(&apart.0).map_err(failed)?;
    let mut unpacking = Unpacking { into: &apart.0, tree: Tree::default(), left: bytes_max, stop };
    match &magic[..count] {
        [0x1f, 0x8b, ..] => untar::untar(GzDecoder::new(archive), bytes_max, &mut unpacking)?,
        b"PK\x03\x04" | b"PK\x05\x06" => unzip::unzip(archive, &mut unpacking)?,
        _ => untar::untar(archive, bytes_max, &mut unpacking)?,
    }
    if unpacking.tree.0.is_empty() {
        return Err(Failure("it is an archive with nothing in it".to_string()));
    }
    let tops: Vec<PathBuf> =
        fs::read_dir(&apart.0).map_err(failed)?.flatten().map(|top| top.path()).collect();
    let place = |top: &Path| into.join(top.file_name().unwrap_or_default());
    if let Some(taken) = tops.iter().map(|top| place(top)).find(|place| place.symlink_metadata().is_ok()) {
        return Err(Failure(format!("{} is there already; give it another download_dir", taken.display())));
    }
    tops.iter().try_for_each(|top| fs::rename(top, place(top))).map_err(failed)
}

fn make_dir(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(path)
}

/// What an archive becomes.
pub(super) struct Unpacking<'a> {
    into: &'a Path,
    tree: Tree,
    left: u64,
    stop: &'a AtomicBool,
}

/// What an entry of an archive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Directory,
    File,
    Other,
}

impl Unpacking<'_> {
    /// Takes one entry: its name as it stands there, what it is, its rights, and what is in it.
    pub(super) fn take(
        &mut self,
        name: &[u8],
        what: What,
        mode: u32,
        content: &mut impl Read,
    ) -> Result<(), Failure> {
        let named = |why: &str| Failure(format!("its entry {:?} {why}", String::from_utf8_lossy(name)));
        let Some(path) = path(name).map_err(named)? else { return Ok(()) };
        let is_dir = what == What::Directory;
        if what == What::Other {
            return Err(named("is neither a file nor a directory"));
        }
        if mode & SPECIAL_BITS != 0 {
            return Err(named("is setuid, setgid or sticky"));
        }
        self.tree.note(&path).map_err(|why| named(&why))?;
        let failed = |error: std::io::Error| named(&format!("cannot be unpacked: {error}"));
        let place = self.into.join(&path);
        make_dir(place.parent().filter(|_| !is_dir).unwrap_or(&place)).map_err(failed)?;
        if is_dir {
            return Ok(());
        }
        let mode = if mode & 0o111 == 0 { 0o644 } else { 0o755 };
        let file = File::options().write(true).create_new(true).mode(mode).open(&place);
        self.copy(content, file.map_err(failed)?, failed)
    }

    fn copy(
        &mut self,
        entry: &mut impl Read,
        mut file: File,
        failed: impl Fn(std::io::Error) -> Failure,
    ) -> Result<(), Failure> {
        let mut chunk = vec![0; 64 << 10];
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Failure("it was stopped while it was unpacked".to_string()));
            }
            let count = entry.read(&mut chunk).map_err(&failed)?;
            if count == 0 {
                return Ok(());
            }
            let left = self.left.checked_sub(u64::try_from(count).unwrap_or(u64::MAX));
            self.left = left.ok_or_else(|| {
                Failure(format!(
                    "it unpacks to more than this host allows, or to more than {RATIO_MAX} times its size"
                ))
            })?;
            file.write_all(&chunk[..count]).map_err(&failed)?;
        }
    }
}

/// The names in each directory, in small letters: as they were written, as which directory they are known, and whether an
/// entry was for them.
#[derive(Default)]
struct Tree(BTreeMap<(usize, String), (String, usize, bool)>);

impl Tree {
    /// Takes down a path. Each is there once, and no two differ in nothing but small and capital letters, nor do those
    /// that lead to them.
    fn note(&mut self, path: &str) -> Result<(), String> {
        let (mut dir, mut parts) = (0, path.split('/').peekable());
        while let Some(part) = parts.next() {
            let next = self.0.len() + 1;
            let known =
                self.0.entry((dir, part.to_lowercase())).or_insert_with(|| (part.to_string(), next, false));
            if known.0 != part {
                return Err(format!(
                    "has {part:?}, which differs from {:?} by small and capital letters alone",
                    known.0
                ));
            }
            if parts.peek().is_none() && std::mem::replace(&mut known.2, true) {
                return Err("is there twice".to_string());
            }
            dir = known.1;
        }
        Ok(())
    }
}

/// Gives a path that stays inside, in plain form; `None` for the directory itself.
fn path(bytes: &[u8]) -> Result<Option<String>, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "has a name that is not UTF-8")?;
    if text.is_empty() || text.len() > PATH_MAX || text.chars().any(char::is_control) {
        return Err("has a name that is empty, too long or holds control characters");
    }
    let mut parts = Vec::new();
    for part in Path::new(text).components() {
        match part {
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err("leads out of the directory");
            }
        }
    }
    if parts.len() > DEPTH_MAX {
        return Err("lies too deep");
    }
    Ok(Some(parts.join("/")).filter(|path| !path.is_empty()))
}
