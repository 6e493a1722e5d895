//! What a rule says of the value of a label, read once and asked of many hosts.

use crate::model::{Rule, Test};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use regex::{Regex, RegexBuilder};

/// A rule that was read.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) rule: Rule,
    bounds: Vec<Bound>,
    pattern: Option<Regex>,
}

/// A bound of a version or a number, such as `>= 5.10`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    sign: Sign,
    than: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Less,
    AtMost,
    Equal,
    NotEqual,
    AtLeast,
    More,
}

/// Those of two characters come first, so that `>=` is not read as `>`.
const SIGNS: [(&str, Sign); 6] = [
    ("<=", Sign::AtMost),
    (">=", Sign::AtLeast),
    ("!=", Sign::NotEqual),
    ("<", Sign::Less),
    (">", Sign::More),
    ("=", Sign::Equal),
];

/// How much memory a compiled regular expression may take, bytes.
const PATTERN_BYTES_MAX: usize = 64 * 1024;

impl Sign {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Sign::Less => order.is_lt(),
            Sign::AtMost => order.is_le(),
            Sign::Equal => order.is_eq(),
            Sign::NotEqual => order.is_ne(),
            Sign::AtLeast => order.is_ge(),
            Sign::More => order.is_gt(),
        }
    }
}

impl Reading {
    /// Reads a rule.
    ///
    /// # Errors
    /// Says what is wrong with its bounds or its regular expression.
    pub(crate) fn of(rule: &Rule) -> Result<Reading, String> {
        let (mut bounds, mut pattern) = (Vec::new(), None);
        match &rule.test {
            Test::Equals(_) | Test::NotEquals(_) | Test::In(_) | Test::NotIn(_) | Test::Exists(_) => {}
            Test::Version(text) => bounds = read_bounds(text, is_version)?,
            Test::Number(text) => bounds = read_bounds(text, |than| than.parse::<i64>().is_ok())?,
            Test::Matches(text) => {
                let built = RegexBuilder::new(&format!("^(?:{text})$"))
                    .size_limit(PATTERN_BYTES_MAX)
                    .build()
                    .map_err(|error| format!("is not a regular expression that can be used: {error}"))?;
                pattern = Some(built);
            }
        }
        Ok(Reading { rule: rule.clone(), bounds, pattern })
    }

    /// Reads a rule of a record. One that cannot be read, as no configuration that was checked has, lets no host pass.
    pub(crate) fn of_stored(rule: &Rule) -> Reading {
        let never = || Rule { label: rule.label.clone(), test: Test::In(Vec::new()) };
        Reading::of(rule).unwrap_or_else(|_| Reading { rule: never(), bounds: Vec::new(), pattern: None })
    }

    /// Tells whether a label's value, or its absence, passes.
    pub(crate) fn passes(&self, value: Option<&str>) -> bool {
        match &self.rule.test {
            Test::Equals(wanted) => value == Some(wanted),
            Test::NotEquals(unwanted) => value != Some(unwanted),
            Test::In(wanted) => value.is_some_and(|value| wanted.iter().any(|one| one == value)),
            Test::NotIn(unwanted) => !value.is_some_and(|value| unwanted.iter().any(|one| one == value)),
            Test::Exists(exists) => value.is_some() == *exists,
            Test::Version(_) => value.is_some_and(|value| {
                is_version(value) && self.bounds_hold(|than| compare_versions(value, than))
            }),
            Test::Number(_) => value.and_then(|value| value.parse::<i64>().ok()).is_some_and(|value| {
                self.bounds_hold(|than| than.parse::<i64>().map_or(Ordering::Less, |than| value.cmp(&than)))
            }),
            Test::Matches(_) => {
                let pattern = self.pattern.as_ref();
                value.is_some_and(|value| pattern.is_some_and(|pattern| pattern.is_match(value)))
            }
        }
    }

    fn bounds_hold(&self, compare: impl Fn(&str) -> Ordering) -> bool {
        self.bounds.iter().all(|bound| bound.sign.holds(compare(&bound.than)))
    }
}

/// Checks that a rule can be read.
///
/// # Errors
/// Says what is wrong with its bounds or its regular expression.
pub(crate) fn check_rule(rule: &Rule) -> Result<(), String> {
    Reading::of(rule).map(|_| ())
}

fn read_bounds(text: &str, is_value: impl Fn(&str) -> bool) -> Result<Vec<Bound>, String> {
    let bound = |part: &str| {
        let part = part.trim();
        let signed = SIGNS.iter().find_map(|(sign, of)| Some((*of, part.strip_prefix(sign)?.trim())));
        let (sign, than) = signed.unwrap_or((Sign::Equal, part));
        if is_value(than) {
            Ok(Bound { sign, than: than.to_string() })
        } else {
            Err(format!("has a bound `{part}` that cannot be read; write it like `>= 5`"))
        }
    };
    text.split(',').map(bound).collect()
}

fn is_version(text: &str) -> bool {
    text.strip_prefix('v').unwrap_or(text).starts_with(|first: char| first.is_ascii_digit())
}

/// Compares versions part by part: numbers as numbers, a missing number as 0; what follows a hyphen, as in `1.2-rc1`,
/// makes it earlier than the same without, and is compared as text. What follows a plus sign does not count.
fn compare_versions(a: &str, b: &str) -> Ordering {
    let (a, b) = (split_version(a), split_version(b));
    let places = a.0.len().max(b.0.len());
    let numbers = (0..places).map(|place| {
        let number = |of: &[u64]| of.get(place).copied().unwrap_or(0);
        number(&a.0).cmp(&number(&b.0))
    });
    let later = || match (a.1, b.1) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => a.cmp(b),
    };
    numbers.fold(Ordering::Equal, Ordering::then).then_with(later)
}

fn split_version(text: &str) -> (Vec<u64>, Option<&str>) {
    let text = text.strip_prefix('v').unwrap_or(text);
    let text = text.split_once('+').map_or(text, |(before, _)| before);
    let (numbers, rest) = text.split_once('-').map_or((text, None), |(numbers, rest)| (numbers, Some(rest)));
    (numbers.split('.').map(|number| number.parse().unwrap_or(0)).collect(), rest)
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = &self.label;
        match &self.test {
            Test::Equals(value) => write!(f, "{label}={value}"),
            Test::NotEquals(value) => write!(f, "{label}!={value}"),
            Test::In(values) => write!(f, "{label} in {}", values.join("|")),
            Test::NotIn(values) => write!(f, "{label} not in {}", values.join("|")),
            Test::Exists(true) => write!(f, "{label}"),
            Test::Exists(false) => write!(f, "no {label}"),
            Test::Version(bounds) => write!(f, "{label} version {bounds}"),
            Test::Number(bounds) => write!(f, "{label} {bounds}"),
            Test::Matches(pattern) => write!(f, "{label} matching {pattern}"),
        }
    }
}
