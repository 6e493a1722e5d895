//! What a user says of the journal.

use super::Place;
use std::path::{Path, PathBuf};

/// Where the journal is kept, and how much of it.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Journal")]
pub(crate) struct JournalArgs {
    /// Directory for the journal: all that this process heard and decided, for `callboard sim replay`; a directory for each
    /// process [default: `journal` in the data directory; where there is none, no journal is written]
    #[arg(long, value_name = "DIR", env = "CALLBOARD_JOURNAL")]
    journal: Option<PathBuf>,
    /// The most that the journal may take; the oldest goes first; 0 writes none
    #[arg(long, value_name = "SIZE", env = "CALLBOARD_JOURNAL_SIZE", default_value = "64MiB", value_parser = size)]
    journal_size: u64,
}

impl JournalArgs {
    /// Gives the place of each of so many machines' journals, in a process with this data directory.
    pub(crate) fn place(&self, data_dir: Option<&Path>, machines: u64) -> Option<Place> {
        let dir = self.journal.clone().or_else(|| data_dir.map(|dir| dir.join("journal")))?;
        let bytes = self.journal_size / machines.max(1);
        (bytes > 0).then_some(Place { dir, bytes })
    }
}

/// Reads `64MiB`, `512KiB`, `1GiB`, or bytes.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit = match text[digits..].trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err("write a size as in 64MiB: a whole number and KiB, MiB or GiB".into()),
    };
    let number: u64 = text[..digits].parse().map_err(|_| "write a size as in 64MiB".to_owned())?;
    match number.checked_mul(unit) {
        Some(bytes @ 1..0x10_0000) => {
            Err(format!("{bytes} bytes hold no journal: give it 1MiB or more, or 0 for none"))
        }
        Some(bytes) => Ok(bytes),
        None => Err("is too large".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let check = |text: &str, bytes: Option<u64>| assert_eq!(size(text).ok(), bytes, "{text}");
        check("64MiB", Some(64 << 20));
        check("0", Some(0));
        check("2 GiB", Some(2 << 30));
        check("12", None);
        check("64MB", None);
        check("MiB", None);
        check("99999999999GiB", None);
    }
}
