//! What rules say of the text of a label, read in the checkers' own way: bounds of versions and of numbers, and patterns.

use regex::Regex;
use serde::{Deserialize, Deserializer};

/// A pattern that a whole text must match; one that cannot be read matches none.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Option<Regex>);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Pattern, D::Error> {
        let text = String::deserialize(from)?;
        Ok(Pattern(Regex::new(&format!(r"\A(?:{text})\z")).ok()))
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.0.as_ref().map(Regex::as_str) == other.0.as_ref().map(Regex::as_str)
    }
}

impl Eq for Pattern {}

impl Pattern {
    pub(super) fn matches(&self, text: &str) -> bool {
        self.0.as_ref().is_some_and(|pattern| pattern.is_match(text))
    }
}

/// Tells whether a text, once read, lies within all bounds, such as `>= 5, < 7`. What cannot be read does not.
pub(super) fn is_within<V: Ord>(text: &str, bounds: &str, read: impl Fn(&str) -> Option<V>) -> bool {
    let Some(value) = read(text) else { return false };
    bounds.split(',').map(str::trim).all(|bound| {
        let than = bound.trim_start_matches(['<', '>', '=', '!']);
        let Some(limit) = read(than.trim()) else { return false };
        match &bound[..bound.len() - than.len()] {
            "<" => value < limit,
            "<=" => value <= limit,
            ">" => value > limit,
            ">=" => value >= limit,
            "!=" => value != limit,
            "=" | "" => value == limit,
            _ => false,
        }
    })
}

/// Reads a whole number.
pub(super) fn number(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// Reads a version such as `v5.10-rc1+build`: its numbers without the zeros at their end, whether it is the release, and
/// what comes before that.
pub(super) fn version(text: &str) -> Option<(Vec<u64>, bool, String)> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, _) = text.split_once('+').unwrap_or((text, ""));
    let (numbers, before) = text.split_once('-').unwrap_or((text, ""));
    let is_release = numbers.len() == text.len();
    let mut parts: Vec<u64> = numbers.split('.').map(|part| part.parse().unwrap_or(0)).collect();
    while parts.last() == Some(&0) {
        parts.pop();
    }
    text.starts_with(|first: char| first.is_ascii_digit()).then(|| (parts, is_release, before.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_within_bounds() {
        for (text, bounds, expect) in [
            ("5.10", ">= 5.9", true),
            ("5.10", ">= 5.9, < 5.10", false),
            ("v5.10.0", "5.10", true),
            ("5.10-rc1", "< 5.10", true),
            ("5.10-rc1", "> 5.10-rc0", true),
            ("5.10+deb", "= 5.10", true),
            ("5", "!= 5.0", false),
            ("five", "!= 6", false),
            ("6", "=> 5", false),
        ] {
            assert_eq!(is_within(text, bounds, version), expect, "{text} {bounds}");
        }
    }

    #[test]
    fn numbers_within_bounds() {
        for (text, bounds, expect) in
            [("10", "> 9", true), ("-1", "<= -1, > -2", true), ("9", "> 9", false), ("9x", "9", false)]
        {
            assert_eq!(is_within(text, bounds, number), expect, "{text} {bounds}");
        }
    }

    #[test]
    fn patterns_match_all_of_a_text() {
        for (text, pattern, expect) in
            [("ssd", "s.d|h", true), ("ssd2", "ssd", false), ("hdd", "ssd|hdd", true), ("a", "(", false)]
        {
            let pattern: Pattern = serde_json::from_value(pattern.into()).expect("a text");
            assert_eq!(pattern.matches(text), expect, "{text}");
        }
    }
}
