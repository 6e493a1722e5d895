//! How records are read and written as JSON. Each says the major version of its shape, so that an older reader knows what
//! it must not touch; fields that this version does not know survive when it rewrites a record.
//!
//! A record without a version is of the first: people and schedulers in other languages need not write it. The version
//! is a matter of writing and reading alone; no type carries it, and no record that says nothing unknown costs anything.
//!
//! **Invariant:** a record of a newer major version is never read as if it were of this one.

use crate::store::RECORD_BYTES_MAX;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The major version of the shape of all records. It grows when an older reader would get them wrong.
pub const SCHEMA: u64 = 1;

/// How a record of this version begins when it was written here.
const BEGINNING: &str = "{\"schema\":1,";

/// Why a record cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unreadable {
    /// It is of a newer major version: to be left alone by everybody who does not know that version.
    Newer(u64),
    /// It is larger than any that is written here, so that what is made of it might be larger than a store takes.
    TooLarge {
        /// Bytes.
        bytes: usize,
        /// Bytes.
        most: usize,
    },
    /// It makes no sense.
    Damaged(String),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::Newer(schema) => write!(
                f,
                "is of schema {schema}, this version reads {SCHEMA}: left alone; upgrade Callboard here"
            ),
            Unreadable::TooLarge { bytes, most } => {
                write!(f, "has {bytes} bytes, more than the {most} it may have: left alone; see who wrote it")
            }
            Unreadable::Damaged(why) => f.write_str(why),
        }
    }
}

/// The field that says the version.
const VERSION: &str = "schema";

#[derive(Deserialize)]
struct Version {
    #[serde(default = "first")]
    schema: u64,
}

const fn first() -> u64 {
    1
}

/// Refuses a record of a newer major version, and one of more bytes than `most`.
///
/// # Errors
/// It is one of these, or no object.
pub fn check(text: &str, most: usize) -> Result<(), Unreadable> {
    if text.len() > most {
        return Err(Unreadable::TooLarge { bytes: text.len(), most });
    }
    if text.starts_with(BEGINNING) {
        return Ok(());
    }
    let Version { schema } = serde_json::from_str(text).map_err(damaged)?;
    if schema > SCHEMA { Err(Unreadable::Newer(schema)) } else { Ok(()) }
}

fn damaged(error: serde_json::Error) -> Unreadable {
    Unreadable::Damaged(format!("cannot be read: {error}"))
}

/// Reads a record.
///
/// # Errors
/// It is of a newer major version, or is no such record.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Unreadable> {
    check(text, RECORD_BYTES_MAX)?;
    serde_json::from_str(text).map_err(damaged)
}

/// Writes a record. All of ours are structs with string keys: they always serialise, and have at least one field.
#[must_use]
pub fn write<T: Serialize>(record: &T) -> String {
    let json = serde_json::to_string(record).unwrap_or_default();
    let fields = json.strip_prefix('{').unwrap_or_default();
    assert!(fields.len() > 1, "a record does not serialise");
    format!("{BEGINNING}{fields}")
}

/// Fields of a record, and of the objects in it, that this version does not know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    fields: BTreeMap<String, Value>,
    inside: BTreeMap<String, Unknown>,
}

impl Unknown {
    /// Finds what a record that was read from `text` left unread; `None` when that is nothing, as nearly always.
    pub fn of<T: Serialize>(text: &str, record: &T) -> Option<Unknown> {
        let known = serde_json::to_string(record).unwrap_or_default();
        let fields = text.strip_prefix(BEGINNING);
        if fields.is_some_and(|fields| known.strip_prefix('{') == Some(fields)) {
            return None;
        }
        let (Ok(Value::Object(mut text)), Ok(Value::Object(known))) =
            (serde_json::from_str(text), serde_json::from_str(&known))
        else {
            return None;
        };
        text.remove(VERSION);
        Unknown::between(&text, &known)
    }

    fn between(text: &Map<String, Value>, known: &Map<String, Value>) -> Option<Unknown> {
        let mut unknown = Unknown::default();
        for (name, value) in text {
            match (value, known.get(name)) {
                // A known field that says what it says when it is left out is taken along, and overwritten when it
                // comes to say something else.
                (_, None) => {
                    unknown.fields.insert(name.clone(), value.clone());
                }
                (Value::Object(value), Some(Value::Object(known))) => {
                    let inside = Unknown::between(value, known);
                    unknown.inside.extend(inside.map(|inside| (name.clone(), inside)));
                }
                (_, Some(_)) => {}
            }
        }
        (unknown != Unknown::default()).then_some(unknown)
    }

    /// Writes a record that takes the place of the one that this was found in.
    #[must_use]
    pub fn write<T: Serialize>(&self, record: &T) -> String {
        let plain = write(record);
        match serde_json::from_str(&plain) {
            Ok(Value::Object(mut fields)) => {
                self.add_to(&mut fields);
                Value::Object(fields).to_string()
            }
            Ok(_) | Err(_) => plain,
        }
    }

    fn add_to(&self, fields: &mut Map<String, Value>) {
        for (name, value) in &self.fields {
            fields.entry(name.clone()).or_insert_with(|| value.clone());
        }
        for (name, unknown) in &self.inside {
            // What is not there any more takes what it said along.
            if let Some(Value::Object(inside)) = fields.get_mut(name) {
                unknown.add_to(inside);
            }
        }
    }
}

/// Cuts a text to at most `max` bytes.
pub(crate) fn shorten(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Cuts a text to at most `max` bytes where it is longer, out of its middle: what failed stands at its beginning, and what
/// was the cause at its end.
pub(crate) fn abridge(text: &str, max: usize) -> String {
    const GAP: &str = " … ";
    if text.len() <= max {
        return text.into();
    }
    let half = max.saturating_sub(GAP.len()) / 2;
    let mut from = text.len() - half;
    while !text.is_char_boundary(from) {
        from += 1;
    }
    format!("{}{GAP}{}", shorten(text, half), &text[from..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ServiceState;

    #[test]
    fn what_another_version_wrote_survives_also_inside_of_what_is_known() {
        let text = r#"{"service": "web", "cluster": "c", "available": 2, "min": 1, "version": 1,
            "rollout": {"state": "failed", "reason": "x", "since": 7}, "mood": "fine"}"#;
        let state: ServiceState = read(text).expect("a record");
        let unknown = Unknown::of(text, &state).expect("some of it is not known");
        let written = unknown.write(&ServiceState { available: 3, ..state });
        let value: Value = serde_json::from_str(&written).expect("JSON");
        let expect = (&Value::from(7), &Value::from("fine"), &Value::from(3));
        assert_eq!((&value["rollout"]["since"], &value["mood"], &value["available"]), expect, "{written}");
    }

    #[test]
    fn what_is_abridged_keeps_both_ends() {
        let check = |text: &str, max: usize, expect: &str| assert_eq!(abridge(text, max), expect);
        check("a port is taken", 15, "a port is taken");
        check("cannot start: the engine says: a port is taken", 25, "cannot sta … t is taken");
        check("äääääääääää", 12, "ä … ä");
        check("abcdefgh", 5, " … ");
    }
}
