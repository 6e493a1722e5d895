//! One value in a file, read as what its reader expects. Whatever else stands there is a mistake that is noted.

use super::mistake::{Mistake, Place, did_you_mean, is_unprintable, one_of, shown};
use super::name;
use super::reader::{Fields, Reader};
use super::scalar;
use super::tree::{Node, Style, Value};
use crate::machine::Span;
use crate::model::Name;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

/// A value in a file, or the lack of one.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    reader: &'a Reader,
    node: Option<&'a Node>,
    place: Place,
}

impl<'a> Item<'a> {
    pub(super) fn new(reader: &'a Reader, node: Option<&'a Node>, place: Place) -> Item<'a> {
        Item { reader, node, place }
    }

    /// Tells whether something other than `null` stands there.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.node.is_some_and(|node| node.value != Value::Null)
    }

    /// Says where it stands.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Gives the value as it stands in the file.
    #[must_use]
    pub fn node(&self) -> Option<&'a Node> {
        self.node
    }

    /// Makes a mistake about this value, with place and `found` filled in, for [`Item::report`].
    #[must_use]
    pub fn mistake(&self) -> Mistake {
        let found = self.node.map(describe).unwrap_or_default();
        let problem = if self.node.is_none() { "missing".into() } else { String::new() };
        Mistake { found, problem, ..Mistake::at(self.place.clone()) }
    }

    /// Notes a mistake that was made by hand. [`Item::wrong`] is the usual way to it.
    pub fn report(&self, mistake: Mistake) {
        self.reader.report(mistake);
    }

    /// Notes a mistake: what is wrong with the value, what is allowed, what to do next. Each may be empty.
    pub fn wrong(&self, problem: impl Into<String>, allowed: impl Into<String>, next: impl Into<String>) {
        let mut mistake = self.mistake();
        (mistake.allowed, mistake.next) = (allowed.into(), next.into());
        if self.node.is_some() {
            mistake.problem = problem.into();
        }
        self.reader.report(mistake);
    }

    /// Reads an object; the fields that `read` does not ask for are reported as unknown.
    pub fn object<T>(&self, read: impl FnOnce(&mut Fields<'a>) -> T) -> Option<T> {
        let Some(Node { value: Value::Map(entries), .. }) = self.node else {
            self.wrong("", "an object", "");
            return None;
        };
        let mut fields = Fields::new(self.reader, entries, self.place.clone());
        let value = read(&mut fields);
        fields.finish();
        Some(value)
    }

    /// Reads an object whose field names are the user's own: labels, headers.
    #[must_use]
    pub fn entries(&self) -> Vec<(&'a str, Item<'a>)> {
        let Some(Node { value: Value::Map(entries), .. }) = self.node else {
            self.wrong("", "an object", "");
            return Vec::new();
        };
        let item = |text: &str, node: &'a Node| {
            let path = format!("{}[\"{}\"]", self.place.path, shown(text));
            self.inner(node, path)
        };
        entries.iter().map(|(key, node)| (key.text.as_str(), item(&key.text, node))).collect()
    }

    /// Reads a list.
    #[must_use]
    pub fn items(&self) -> Vec<Item<'a>> {
        self.items_of(0..=usize::MAX, "a list")
    }

    /// Reads a list of so many elements; `what` says of how many of what, for messages.
    #[must_use]
    pub fn items_of(&self, count: RangeInclusive<usize>, what: &str) -> Vec<Item<'a>> {
        let Some(Node { value: Value::Seq(nodes), .. }) = self.node else {
            self.wrong("", what, "");
            return Vec::new();
        };
        if !count.contains(&nodes.len()) {
            self.wrong(format!("with {} elements", nodes.len()), what, "");
            return Vec::new();
        }
        let item = |(index, node)| self.inner(node, format!("{}[{index}]", self.place.path));
        nodes.iter().enumerate().map(item).collect()
    }

    fn inner(&self, node: &'a Node, path: String) -> Item<'a> {
        let place = Place { file: self.place.file.clone(), line: node.line, column: node.column, path };
        Item::new(self.reader, Some(node), place)
    }

    fn scalar(&self) -> Option<(&'a str, Style)> {
        match &self.node?.value {
            Value::Scalar { text, style } => Some((text, *style)),
            Value::Null | Value::Seq(_) | Value::Map(_) => None,
        }
    }

    /// Reads a whole number.
    #[must_use]
    pub fn number<T>(&self, range: RangeInclusive<T>) -> Option<T>
    where
        T: Copy + PartialOrd + Into<u64> + TryFrom<u64>,
    {
        let (first, last) = (*range.start(), *range.end());
        let next = match self.scalar() {
            None => String::new(),
            Some((text, Style::Quoted)) => {
                scalar::whole(text).map(|_| "write it without quotes".into()).unwrap_or_default()
            }
            Some((text, Style::Plain)) => match scalar::whole(text) {
                Ok(number) => match T::try_from(number) {
                    Ok(number) if number >= first && number <= last => return Some(number),
                    Ok(_) | Err(_) => String::new(),
                },
                Err(next) => next,
            },
        };
        let (first, last): (u64, u64) = (first.into(), last.into());
        self.wrong("", format!("a whole number from {first} to {last}"), next);
        None
    }

    /// Reads a truth value.
    #[must_use]
    pub fn flag(&self) -> Option<bool> {
        let next = match self.scalar() {
            Some(("true", Style::Plain)) => return Some(true),
            Some(("false", Style::Plain)) => return Some(false),
            Some((text, _)) => scalar::truth(text).map(|truth| format!("write {truth}")).unwrap_or_default(),
            None => String::new(),
        };
        self.wrong("", "true or false", next);
        None
    }

    /// Reads a duration such as `10s` or `1m30s`.
    #[must_use]
    pub fn span(&self, range: RangeInclusive<Span>) -> Option<Span> {
        let next = match self.scalar().map(|(text, _)| (text, Span::parse(text))) {
            Some((_, Ok(span))) if range.contains(&span) => return Some(span),
            Some((text, Err(_))) if scalar::whole(text).is_ok_and(|number| number > 0) => {
                format!("add a unit, as in {text}s")
            }
            Some(_) | None => String::new(),
        };
        let allowed = if *range.start() == Span(1) {
            format!("a duration of more than 0s, at most {}, as in 10s, 5m or 250ms", range.end())
        } else {
            format!("a duration from {} to {}, as in 10s, 5m or 250ms", range.start(), range.end())
        };
        self.wrong("", allowed, next);
        None
    }

    /// Reads one of several words.
    #[must_use]
    pub fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let words = || choices.iter().map(|(word, _)| *word);
        let text = self.scalar().map(|(text, _)| text);
        let chosen = choices.iter().find(|(word, _)| text == Some(word)).map(|(_, value)| *value);
        if chosen.is_none() {
            self.wrong("", one_of(words()), did_you_mean(text.unwrap_or_default(), words()));
        }
        chosen
    }

    /// Reads the name of an object, see [`is_name`](super::is_name).
    #[must_use]
    pub fn name(&self) -> Option<Name> {
        let text = self.bare(name::RULE, name::is_name)?;
        match name::check(text) {
            Ok(()) => Some(text.into()),
            Err((problem, next)) => {
                self.wrong(problem, name::RULE, next);
                None
            }
        }
    }

    /// Reads a text of one line; `what` says what it is, for messages.
    #[must_use]
    pub fn text(&self, what: &str) -> Option<&'a str> {
        let text = self.bare(what, |_| true)?;
        if let Some(c) = text.chars().find(|c| is_unprintable(*c)) {
            self.wrong(
                format!("which holds the control character {}", c.escape_unicode()),
                what,
                "remove it",
            );
            return None;
        }
        Some(text)
    }

    /// Reads a text that may have several lines, such as a command; `what` says what it is, for messages.
    #[must_use]
    pub fn lines(&self, what: &str) -> Option<&'a str> {
        let text = self.bare(what, |_| true)?;
        if let Some(c) = text.chars().find(|c| is_unprintable(*c) && *c != '\n' && *c != '\t') {
            self.wrong(
                format!("which holds the control character {}", c.escape_unicode()),
                what,
                "remove it",
            );
            return None;
        }
        Some(text)
    }

    /// Reads a text that no YAML reader takes for something else.
    fn bare(&self, what: &str, legal: fn(&str) -> bool) -> Option<&'a str> {
        match self.scalar() {
            None => self.wrong("", what, ""),
            Some((text, Style::Quoted)) => return Some(text),
            Some((text, Style::Plain)) => match scalar::mistaken_for(text) {
                None => return Some(text),
                Some(other) => {
                    let lower = text.to_ascii_lowercase();
                    let quoted = [text, &lower].into_iter().find(|text| legal(text)).map(shown);
                    let next = quoted.map(|text| format!("if it is meant, write \"{text}\" in quotes"));
                    self.wrong(
                        format!("which YAML readers take for {other}"),
                        what,
                        next.unwrap_or_default(),
                    );
                }
            },
        }
        None
    }
}

/// Says what stands there, in a few words.
fn describe(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".into(),
        Value::Seq(_) => "a list".into(),
        Value::Map(_) => "an object".into(),
        Value::Scalar { text, style: Style::Plain } if scalar::mistaken_for(text).is_some() => shown(text),
        Value::Scalar { text, .. } => format!("\"{}\"", shown(text)),
    }
}
