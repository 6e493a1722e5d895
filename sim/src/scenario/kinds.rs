//! What may stand in a field of a scenario file: numbers, durations, words, names, lists and objects.

use super::form::{self, Kind, Shape};
use super::read::{Known, What, known_name};
use super::tree;
use callboard_core::config::{Item, Node, Value};
use callboard_core::machine::Span;
use callboard_core::model::Name;
use callboard_core::policy::Policy;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// The longest time that a scenario may take.
const YEAR: Span = Span::secs(366 * 24 * 3600);
/// Any time.
pub(super) const TIME: Duration = Duration(Span(0), YEAR);
/// A time that takes.
pub(super) const SOME: Duration = Duration(Span(1), YEAR);
/// How often something happens.
pub(super) const PPM: Number<u32> = Number(0, 1_000_000);
pub(super) const SERVICE: Reference = Reference(What::Service);
pub(super) const TASK: Reference = Reference(What::Task);
pub(super) const HOST: Reference = Reference(What::Host);

/// A whole number, from the first to the last.
pub(super) struct Number<T>(pub(super) T, pub(super) T);

impl<T> Kind for Number<T>
where
    T: Copy + PartialOrd + Into<u64> + TryFrom<u64> + std::fmt::Display,
{
    type Value = T;

    fn read(&self, item: &Item<'_>, _known: &Known<'_>) -> Option<T> {
        item.number(RangeInclusive::new(self.0, self.1))
    }

    fn write(&self, value: &T) -> Node {
        tree::plain(value)
    }

    fn describe(&self) -> Node {
        let kind = ("type", tree::text("integer"));
        tree::object([kind, ("minimum", tree::plain(self.0)), ("maximum", tree::plain(self.1))])
    }
}

/// A duration, from the first to the last.
pub(super) struct Duration(pub(super) Span, pub(super) Span);

impl Kind for Duration {
    type Value = Span;

    fn read(&self, item: &Item<'_>, _known: &Known<'_>) -> Option<Span> {
        item.span(self.0..=self.1)
    }

    fn write(&self, value: &Span) -> Node {
        tree::text(exact(*value))
    }

    fn describe(&self) -> Node {
        let examples = ["250ms", "10s", "1m30s", "2h"].map(tree::text);
        tree::object([
            ("type", tree::text("string")),
            ("pattern", tree::text("^([0-9]+(ms|s|m|h))+$")),
            ("examples", tree::list(examples)),
        ])
    }
}

/// Writes a duration so that nothing is lost of it.
pub(super) fn exact(span: Span) -> String {
    let mut rest = span.0;
    let mut out = String::new();
    for (unit, length) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if rest >= length {
            out.push_str(&format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    if out.is_empty() { "0s".into() } else { out }
}

/// Two durations, the least and the most; or one that is both.
pub(super) struct Between;

impl Kind for Between {
    type Value = (Span, Span);

    fn read(&self, item: &Item<'_>, known: &Known<'_>) -> Option<(Span, Span)> {
        if item.node().is_some_and(|node| matches!(node.value, Value::Scalar { .. })) {
            return TIME.read(item, known).map(|span| (span, span));
        }
        let spans: Vec<Span> = item.items().iter().filter_map(|item| TIME.read(item, known)).collect();
        match spans.as_slice() {
            [low, high] if low <= high => Some((*low, *high)),
            _ => {
                item.wrong("", "two durations, the least and the most, as in [1s, 5s]", "");
                None
            }
        }
    }

    fn write(&self, (low, high): &(Span, Span)) -> Node {
        if low == high { TIME.write(low) } else { tree::list([TIME.write(low), TIME.write(high)]) }
    }

    fn describe(&self) -> Node {
        let two = ["minItems", "maxItems"].map(|name| (name, tree::plain(2)));
        let both = tree::object([("type", tree::text("array")), ("items", TIME.describe())]);
        tree::object([("anyOf", tree::list([TIME.describe(), tree::with(both, two)]))])
    }
}

/// True or false.
pub(super) struct Flag;

impl Kind for Flag {
    type Value = bool;

    fn read(&self, item: &Item<'_>, _known: &Known<'_>) -> Option<bool> {
        item.flag()
    }

    fn write(&self, value: &bool) -> Node {
        tree::plain(value)
    }

    fn describe(&self) -> Node {
        tree::object([("type", tree::text("boolean"))])
    }
}

/// A text of one line; says what it is.
pub(super) struct Text(pub(super) &'static str);

impl Kind for Text {
    type Value = String;

    fn read(&self, item: &Item<'_>, _known: &Known<'_>) -> Option<String> {
        item.text(self.0).map(String::from)
    }

    fn write(&self, value: &String) -> Node {
        tree::text(value)
    }

    fn describe(&self) -> Node {
        tree::object([("type", tree::text("string"))])
    }
}

/// A text that may have several lines; says what it is.
pub(super) struct Lines(pub(super) &'static str);

impl Kind for Lines {
    type Value = String;

    fn read(&self, item: &Item<'_>, _known: &Known<'_>) -> Option<String> {
        item.lines(self.0).map(|text| text.trim().to_string())
    }

    fn write(&self, value: &String) -> Node {
        tree::text(value)
    }

    fn describe(&self) -> Node {
        tree::object([("type", tree::text("string"))])
    }
}

/// A name that the file gives.
pub(super) struct Named;

impl Kind for Named {
    type Value = Name;

    fn read(&self, item: &Item<'_>, _known: &Known<'_>) -> Option<Name> {
        item.name()
    }

    fn write(&self, value: &Name) -> Node {
        tree::text(&**value)
    }

    fn describe(&self) -> Node {
        tree::object([("type", tree::text("string"))])
    }
}

/// The name of something that the file defines.
pub(super) struct Reference(What);

impl Kind for Reference {
    type Value = Name;

    fn read(&self, item: &Item<'_>, known: &Known<'_>) -> Option<Name> {
        known_name(item, self.0, known)
    }

    fn write(&self, value: &Name) -> Node {
        tree::text(&**value)
    }

    fn describe(&self) -> Node {
        tree::object([("type", tree::text("string"))])
    }
}

/// One of several words, each with what it stands for.
pub(super) struct Choice<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: Copy + PartialEq> Kind for Choice<T> {
    type Value = T;

    fn read(&self, item: &Item<'_>, _known: &Known<'_>) -> Option<T> {
        item.choice(self.0)
    }

    fn write(&self, value: &T) -> Node {
        let found = self.0.iter().find(|(_, choice)| choice == value);
        tree::text(found.map_or("", |(word, _)| word))
    }

    fn describe(&self) -> Node {
        tree::object([("enum", tree::list(self.0.iter().map(|(word, _)| tree::text(*word))))])
    }
}

/// One of several words.
pub(super) struct Word(pub(super) &'static [(&'static str, &'static str)]);

impl Kind for Word {
    type Value = String;

    fn read(&self, item: &Item<'_>, _known: &Known<'_>) -> Option<String> {
        item.choice(self.0).map(String::from)
    }

    fn write(&self, value: &String) -> Node {
        tree::text(value)
    }

    fn describe(&self) -> Node {
        Choice(self.0).describe()
    }
}

/// Texts by names of the user's own.
pub(super) struct Labels;

impl Kind for Labels {
    type Value = BTreeMap<String, String>;

    fn read(&self, item: &Item<'_>, _known: &Known<'_>) -> Option<BTreeMap<String, String>> {
        let entries = item.entries().into_iter();
        Some(
            entries
                .filter_map(|(key, item)| Some((key.to_string(), item.text("a label")?.to_string())))
                .collect(),
        )
    }

    fn write(&self, value: &BTreeMap<String, String>) -> Node {
        tree::object(value.iter().map(|(name, label)| (name.clone(), tree::text(label))))
    }

    fn describe(&self) -> Node {
        let texts = tree::object([("type", tree::text("string"))]);
        tree::object([("type", tree::text("object")), ("additionalProperties", texts)])
    }
}

/// What tasks may do on a machine.
pub(super) struct Rules;

impl Kind for Rules {
    type Value = Policy;

    fn read(&self, item: &Item<'_>, _known: &Known<'_>) -> Option<Policy> {
        Policy::of(item)
    }

    fn write(&self, value: &Policy) -> Node {
        tree::of(value)
    }

    fn describe(&self) -> Node {
        let part = || tree::object([("type", tree::list([tree::text("object"), tree::text("null")]))]);
        let parts = tree::object([("docker", part()), ("bash", part())]);
        tree::object([
            ("type", tree::text("object")),
            ("properties", parts),
            ("additionalProperties", tree::plain(false)),
        ])
    }
}

/// Counts by names of the user's own.
pub(super) struct Counts;

impl Kind for Counts {
    type Value = BTreeMap<Name, u64>;

    fn read(&self, item: &Item<'_>, _known: &Known<'_>) -> Option<BTreeMap<Name, u64>> {
        let entries = item.entries().into_iter();
        Some(entries.filter_map(|(key, item)| Some((key.into(), item.number(1..=1_048_576_u64)?))).collect())
    }

    fn write(&self, value: &BTreeMap<Name, u64>) -> Node {
        tree::object(value.iter().map(|(name, count)| (name.to_string(), tree::plain(count))))
    }

    fn describe(&self) -> Node {
        let counts = tree::object([("type", tree::text("integer"))]);
        tree::object([("type", tree::text("object")), ("additionalProperties", counts)])
    }
}

/// A list.
pub(super) struct List<K>(pub(super) K);

impl<K: Kind> Kind for List<K> {
    type Value = Vec<K::Value>;

    fn read(&self, item: &Item<'_>, known: &Known<'_>) -> Option<Vec<K::Value>> {
        Some(item.items().iter().filter_map(|item| self.0.read(item, known)).collect())
    }

    fn write(&self, value: &Vec<K::Value>) -> Node {
        tree::list(value.iter().map(|value| self.0.write(value)))
    }

    fn describe(&self) -> Node {
        tree::object([("type", tree::text("array")), ("items", self.0.describe())])
    }
}

/// An object; whatever is left out is as in this one.
pub(super) struct Object<T>(pub(super) T);

impl<T: Shape> Kind for Object<T> {
    type Value = T;

    fn read(&self, item: &Item<'_>, known: &Known<'_>) -> Option<T> {
        form::read(self.0.clone(), item, known)
    }

    fn write(&self, value: &T) -> Node {
        form::write(value)
    }

    fn describe(&self) -> Node {
        form::describe(&self.0)
    }
}

/// One word, which tells this object from others.
pub(super) struct Constant(pub(super) &'static str);

impl Kind for Constant {
    type Value = ();

    fn read(&self, item: &Item<'_>, _known: &Known<'_>) -> Option<()> {
        item.choice(&[(self.0, ())])
    }

    fn write(&self, (): &()) -> Node {
        tree::text(self.0)
    }

    fn describe(&self) -> Node {
        tree::object([("const", tree::text(self.0))])
    }
}

/// A time: a duration, or a whole number of seconds.
pub(super) struct Moment;

impl Kind for Moment {
    type Value = Span;

    fn read(&self, item: &Item<'_>, known: &Known<'_>) -> Option<Span> {
        let text = item.node().and_then(|node| match &node.value {
            Value::Scalar { text, .. } => Some(text.as_str()),
            Value::Null | Value::Seq(_) | Value::Map(_) => None,
        });
        let is_number = text.is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        if is_number { item.number(0..=YEAR.0 / 1000).map(Span::secs) } else { TIME.read(item, known) }
    }

    fn write(&self, value: &Span) -> Node {
        TIME.write(value)
    }

    fn describe(&self) -> Node {
        let seconds = Number(0, YEAR.0 / 1000).describe();
        tree::object([("anyOf", tree::list([TIME.describe(), seconds]))])
    }
}
