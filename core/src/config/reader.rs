//! Typed access to a tree that notes every mistake and carries on, so that a user sees all of them at once. A field that
//! nobody asked for is a mistake as well.
//!
//! ```
//! use callboard_core::config::{Reader, parse};
//! let read = |text: &str| {
//!     let tree = parse("hosts.yml", text.as_bytes())?;
//!     let reader = Reader::new("hosts.yml");
//!     let hosts = reader.root(&tree).object(|fields| fields.required("hosts").number(1..=10_000_u32));
//!     reader.finish()?;
//!     Ok::<_, Vec<_>>(hosts.flatten())
//! };
//! assert_eq!(read("hosts: 3"), Ok(Some(3)));
//! let mistakes = read("host: 3").unwrap_err();
//! assert_eq!(mistakes[1].to_string(), "hosts.yml:1: host: unknown field, expected hosts; did you mean \"hosts\"?");
//! ```

use super::item::Item;
use super::mistake::{Mistake, Place, did_you_mean, one_of, shown};
use super::tree::{Key, Node};
use crate::machine::Span;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::ops::RangeInclusive;

/// The most mistakes that are listed for one file.
pub const MISTAKES_MAX: usize = 1000;

/// Collects the mistakes of one file.
#[derive(Clone, Debug)]
pub struct Reader {
    file: Arc<str>,
    mistakes: RefCell<Vec<Mistake>>,
}

impl Reader {
    /// Makes a reader for a file, which is only named in mistakes.
    #[must_use]
    pub fn new(file: &str) -> Reader {
        Reader { file: file.into(), mistakes: RefCell::default() }
    }

    /// Gives access to the top of a tree.
    #[must_use]
    pub fn root<'a>(&'a self, tree: &'a Node) -> Item<'a> {
        let path = String::new();
        let place = Place { file: self.file.clone(), line: tree.line, column: tree.column, path };
        Item::new(self, Some(tree), place)
    }

    /// Notes a mistake. [`Item::wrong`] is the usual way to it.
    pub fn report(&self, mistake: Mistake) {
        let mut mistakes = self.mistakes.borrow_mut();
        if mistakes.len() < MISTAKES_MAX {
            mistakes.push(mistake);
        }
    }

    /// Tells whether there was no mistake so far.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.mistakes.borrow().is_empty()
    }

    /// Ends reading.
    ///
    /// # Errors
    /// Gives all mistakes, in the order of the file, at most [`MISTAKES_MAX`].
    pub fn finish(self) -> Result<(), Vec<Mistake>> {
        let mut mistakes = self.mistakes.into_inner();
        mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
        mistakes.dedup();
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
    }

    fn is_full(&self) -> bool {
        self.mistakes.borrow().len() >= MISTAKES_MAX
    }
}

/// The fields of an object, see [`Item::object`]. What is not asked for is reported as unknown.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    reader: &'a Reader,
    entries: &'a [(Key, Node)],
    place: Place,
    asked: Vec<&'static str>,
    asked_for_all: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn new(reader: &'a Reader, entries: &'a [(Key, Node)], place: Place) -> Fields<'a> {
        Fields { reader, entries, place, asked: Vec::new(), asked_for_all: false }
    }

    /// Gives a field that must be there: reading it notes a mistake when it is not.
    pub fn required(&mut self, name: &'static str) -> Item<'a> {
        self.asked.push(name);
        let node = self.entries.iter().find(|(key, _)| key.text == name).map(|(_, node)| node);
        Item::new(self.reader, node, self.place_of(name, node))
    }

    /// Gives a field that may be left out or `null`.
    pub fn optional(&mut self, name: &'static str) -> Option<Item<'a>> {
        Some(self.required(name)).filter(Item::is_given)
    }

    /// Reads a whole number that may be left out.
    pub fn number_or<T>(&mut self, name: &'static str, range: RangeInclusive<T>, default: T) -> T
    where
        T: Copy + PartialOrd + Into<u64> + TryFrom<u64>,
    {
        self.optional(name).and_then(|item| item.number(range)).unwrap_or(default)
    }

    /// Reads a truth value that is false when left out.
    pub fn flag(&mut self, name: &'static str) -> bool {
        self.optional(name).and_then(|item| item.flag()).unwrap_or(false)
    }

    /// Reads a duration that may be left out.
    pub fn span_or(&mut self, name: &'static str, range: RangeInclusive<Span>, default: Span) -> Span {
        self.optional(name).and_then(|item| item.span(range)).unwrap_or(default)
    }

    /// Reads one of several words that may be left out.
    pub fn choice_or<T: Copy>(&mut self, name: &'static str, choices: &[(&str, T)], default: T) -> T {
        self.optional(name).and_then(|item| item.choice(choices)).unwrap_or(default)
    }

    /// Reads a list that may be left out. Elements that `read` gives nothing for are left out; it has said why.
    pub fn list<T>(&mut self, name: &'static str, read: impl FnMut(Item<'a>) -> Option<T>) -> Vec<T> {
        self.optional(name)
            .map(|item| item.items().into_iter().filter_map(read).collect())
            .unwrap_or_default()
    }

    /// Leaves it at that: what else there is in the object is not taken for unknown.
    pub fn ask_for_all(&mut self) {
        self.asked_for_all = true;
    }

    /// Says where the object stands.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Notes a mistake about the object as a whole.
    pub fn wrong(&self, problem: impl Into<String>, allowed: impl Into<String>, next: impl Into<String>) {
        let (problem, allowed, next) = (problem.into(), allowed.into(), next.into());
        self.reader.report(Mistake { problem, allowed, next, ..Mistake::at(self.place.clone()) });
    }

    fn place_of(&self, name: &str, node: Option<&Node>) -> Place {
        let dot = if self.place.path.is_empty() { "" } else { "." };
        let path = format!("{}{dot}{name}", self.place.path);
        let (line, column) =
            node.map_or((self.place.line, self.place.column), |node| (node.line, node.column));
        Place { file: self.place.file.clone(), line, column, path }
    }

    /// Notes a mistake that was made by hand. [`Fields::wrong`] is the usual way to it.
    pub fn report(&self, mistake: Mistake) {
        self.reader.report(mistake);
    }

    /// Reports the fields that nobody asked for.
    pub(super) fn finish(&self) {
        let known = || self.asked.iter().copied();
        for (key, _) in self.entries {
            if self.asked_for_all || self.asked.contains(&key.text.as_str()) || self.reader.is_full() {
                continue;
            }
            let mut place = self.place_of(&shown(&key.text), None);
            (place.line, place.column) = (key.line, key.column);
            let next = did_you_mean(&key.text, known());
            let (problem, allowed) = ("unknown field".into(), one_of(known()));
            self.reader.report(Mistake { problem, allowed, next, ..Mistake::at(place) });
        }
    }
}
