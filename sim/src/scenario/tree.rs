//! The tree that scenarios are written and described as: the one that files are read into, with nothing said of lines.
//! Printed as YAML it is laid out for people: what fits on a line is put on one.

use callboard_core::config::{Key, Node, Style, Value};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_saphyr::{FlowMap, FlowSeq};
use std::collections::BTreeMap;

/// How many letters of an object or a list are put on one line.
const LINE: usize = 100;

pub(super) fn node(value: Value) -> Node {
    Node { line: 0, column: 0, value }
}

/// Makes a text.
pub(super) fn text(text: impl Into<String>) -> Node {
    node(Value::Scalar { text: text.into(), style: Style::Quoted })
}

/// Makes a number or a truth value.
pub(super) fn plain(value: impl std::fmt::Display) -> Node {
    node(Value::Scalar { text: value.to_string(), style: Style::Plain })
}

pub(super) fn list(nodes: impl IntoIterator<Item = Node>) -> Node {
    node(Value::Seq(nodes.into_iter().collect()))
}

pub(super) fn object<K: Into<String>>(entries: impl IntoIterator<Item = (K, Node)>) -> Node {
    node(Value::Map(entries.into_iter().map(|(name, node)| (key(name), node)).collect()))
}

fn key(text: impl Into<String>) -> Key {
    Key { line: 0, column: 0, text: text.into() }
}

/// Adds fields to an object.
pub(super) fn with<K: Into<String>>(mut tree: Node, more: impl IntoIterator<Item = (K, Node)>) -> Node {
    if let Value::Map(entries) = &mut tree.value {
        entries.extend(more.into_iter().map(|(name, node)| (key(name), node)));
    }
    tree
}

/// Adds the fields of an object to those of another.
pub(super) fn join(tree: Node, more: Node) -> Node {
    match more.value {
        Value::Map(entries) => with(tree, entries.into_iter().map(|(key, node)| (key.text, node))),
        Value::Null | Value::Scalar { .. } | Value::Seq(_) => tree,
    }
}

pub(super) fn nothing() -> Node {
    node(Value::Null)
}

/// Takes in what serializes to JSON, in the order of its fields.
pub(super) fn of(value: &impl Serialize) -> Node {
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    let mut tree = callboard_core::config::parse("", &bytes).unwrap_or_else(|_| node(Value::Null));
    unplace(&mut tree);
    tree
}

/// Forgets where it all was written.
pub(super) fn unplace(tree: &mut Node) {
    (tree.line, tree.column) = (0, 0);
    match &mut tree.value {
        Value::Seq(nodes) => nodes.iter_mut().for_each(unplace),
        Value::Map(entries) => {
            for (key, node) in entries {
                (key.line, key.column) = (0, 0);
                unplace(node);
            }
        }
        Value::Null | Value::Scalar { .. } => {}
    }
}

/// Prints a tree as YAML, with an empty line between the parts of its top that take several lines.
pub(super) fn yaml(tree: &Node) -> String {
    let Value::Map(entries) = &tree.value else { return String::new() };
    let mut out = String::new();
    let mut was_long = false;
    for (key, node) in entries {
        let part = serde_saphyr::to_string(&BTreeMap::from([(&key.text, Laid(node))])).unwrap_or_default();
        let is_long = part.lines().count() > 1;
        if !out.is_empty() && (is_long || was_long) {
            out.push('\n');
        }
        was_long = is_long;
        out.push_str(&part);
    }
    out
}

/// Prints a tree as JSON.
pub(super) fn json(tree: &Node) -> String {
    serde_json::to_string_pretty(&Bare(tree)).unwrap_or_default() + "\n"
}

/// A tree as it is.
struct Bare<'a>(&'a Node);

impl Serialize for Bare<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        tree(self.0, serializer, Bare)
    }
}

/// A tree of which what fits on a line is put on one.
struct Laid<'a>(&'a Node);

impl Serialize for Laid<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fits = width(self.0) <= LINE;
        match &self.0.value {
            Value::Map(_) if fits => FlowMap(Bare(self.0)).serialize(serializer),
            Value::Seq(nodes) if fits && nodes.iter().all(is_scalar) => {
                FlowSeq(Bare(self.0)).serialize(serializer)
            }
            Value::Map(_) | Value::Seq(_) | Value::Null | Value::Scalar { .. } => {
                tree(self.0, serializer, Laid)
            }
        }
    }
}

fn is_scalar(node: &Node) -> bool {
    matches!(node.value, Value::Null | Value::Scalar { .. })
}

/// Counts the letters that a tree takes on one line.
fn width(tree: &Node) -> usize {
    match &tree.value {
        Value::Null => 4,
        Value::Scalar { text, .. } if text.contains('\n') => LINE + 1,
        Value::Scalar { text, .. } => text.chars().count(),
        Value::Seq(nodes) => nodes.iter().map(|node| width(node) + 2).sum(),
        Value::Map(entries) => {
            entries.iter().map(|(key, node)| key.text.chars().count() + width(node) + 4).sum()
        }
    }
}

fn tree<'a, S: Serializer, T: Serialize>(
    tree: &'a Node,
    serializer: S,
    inner: fn(&'a Node) -> T,
) -> Result<S::Ok, S::Error> {
    match &tree.value {
        Value::Null => serializer.serialize_unit(),
        Value::Scalar { text, style: Style::Quoted } => serializer.serialize_str(text),
        Value::Scalar { text, style: Style::Plain } => match (text.as_str(), text.parse(), text.parse()) {
            ("true", ..) => serializer.serialize_bool(true),
            ("false", ..) => serializer.serialize_bool(false),
            (_, Ok(number), _) => serializer.serialize_u64(number),
            (_, _, Ok(number)) => serializer.serialize_i64(number),
            (..) => serializer.serialize_str(text),
        },
        Value::Seq(nodes) => {
            let mut seq = serializer.serialize_seq(Some(nodes.len()))?;
            nodes.iter().try_for_each(|node| seq.serialize_element(&inner(node)))?;
            seq.end()
        }
        Value::Map(entries) => {
            let mut map = serializer.serialize_map(Some(entries.len()))?;
            entries.iter().try_for_each(|(key, node)| map.serialize_entry(&key.text, &inner(node)))?;
            map.end()
        }
    }
}
