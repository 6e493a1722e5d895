//! A mistake in a file that a user wrote: where it is, what was found, what is allowed, what to do next.
//!
//! **Invariant:** a mistake fits on one line whatever the file holds: values are shortened and control characters
//! escaped.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

/// Where something was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as the user named it; empty for what was not read from a file.
    pub file: Arc<str>,
    /// From 1; 0 when the whole file is meant.
    pub line: usize,
    /// From 1; 0 when the whole file is meant.
    pub column: usize,
    /// The way to it from the top of the file, as in `services[0].desired`.
    pub path: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.file.is_empty(), self.line) {
            (true, _) => f.write_str("the store"),
            (false, 0) => f.write_str(&self.file),
            (false, line) => write!(f, "{}:{line}", self.file),
        }
    }
}

/// A mistake in a file, for its author. Displayed on one line:
/// `web.yml:7: services[0].desired: found "four", expected a whole number from 0 to 100000`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The file, as the user named it; empty for what was not read from a file.
    pub file: Arc<str>,
    /// From 1; 0 when the whole file is meant.
    pub line: usize,
    /// From 1; 0 when the whole file is meant.
    pub column: usize,
    /// The way to it from the top of the file, as in `services[0].desired`.
    pub path: String,
    /// What stands there, shortened; empty when nothing does.
    pub found: String,
    /// What is wrong with it; empty when `allowed` says it all.
    pub problem: String,
    /// What may stand there instead; may be empty.
    pub allowed: String,
    /// What to do about it; may be empty.
    pub next: String,
}

impl Mistake {
    /// Makes a mistake at a place; what is found, what is wrong, what is allowed and what to do next are filled in by
    /// the caller.
    #[must_use]
    pub fn at(place: Place) -> Mistake {
        let Place { file, line, column, path } = place;
        Mistake { file, line, column, path, ..Mistake::default() }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            f.write_str(&self.file)?;
            if self.line > 0 {
                write!(f, ":{}", self.line)?;
            }
            f.write_str(": ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        let parts = [("found ", &self.found), ("", &self.problem), ("expected ", &self.allowed)];
        let mut separator = "";
        for (word, part) in parts.iter().filter(|(_, part)| !part.is_empty()) {
            write!(f, "{separator}{word}{part}")?;
            separator = ", ";
        }
        if !self.next.is_empty() {
            write!(f, "; {}", self.next)?;
        }
        Ok(())
    }
}

/// How many characters of a user's value a message shows.
const SHOWN: usize = 40;

/// Shortens a value to what fits in a message, and escapes what would not print as itself.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == SHOWN {
            out.push('…');
            break;
        }
        match c {
            '"' => out.push_str("\\\""),
            c if is_unprintable(c) => out.extend(c.escape_debug()),
            c => out.push(c),
        }
    }
    out
}

/// Tells whether a character would disturb a terminal or a log line: controls, line separators, marks that change the
/// direction of what follows, and characters that take no room.
#[must_use]
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Finds what the user may have meant: the candidate that the fewest typing mistakes turn into `text`, two at most.
#[must_use]
pub fn suggestion<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if text.len() > 128 {
        return None;
    }
    let most = match text.chars().count() {
        0..=2 => 0,
        3..=4 => 1,
        _ => 2,
    };
    let near = candidates.into_iter().map(|candidate| (distance(text, candidate), candidate));
    near.filter(|(distance, _)| *distance <= most).min().map(|(_, candidate)| candidate)
}

/// Counts the typing mistakes between two words: letters inserted, left out, replaced, or swapped with their neighbour.
#[must_use]
pub fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i);
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = core::mem::replace(&mut above, row);
    }
    above[b.len()]
}

/// Says `did you mean ...?` when there is something to suggest.
pub(super) fn did_you_mean<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    suggestion(text, candidates).map(|near| format!("did you mean \"{near}\"?")).unwrap_or_default()
}

/// Lists what is allowed, in words.
pub(super) fn one_of<'a>(candidates: impl IntoIterator<Item = &'a str>) -> String {
    let all: Vec<&str> = candidates.into_iter().collect();
    match all.as_slice() {
        [] => "nothing".into(),
        [only] => (*only).into(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
