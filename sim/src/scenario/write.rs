//! Writes scenarios as files that people can read: whatever can be left out is, and what belongs together is on one line.
//!
//! **Invariant:** what is written is read back as the same scenario, but for the file's name and what was set from outside.

use super::Scenario;
use super::form::{self, Form};
use super::tree;
use callboard_core::config::{Configuration, Node, Reader, Value, read_lists};
use serde::Serialize;

/// Writes a scenario as YAML.
#[must_use]
pub fn write(scenario: &Scenario) -> String {
    let left_out = Scenario::default();
    let part = |name: fn(&mut Scenario, &mut Form<'_, '_>)| form::needed(scenario, &left_out, name);
    let desired = &scenario.desired;
    let lists = [
        ("clusters", objects("clusters", &desired.clusters)),
        ("services", objects("services", &desired.services)),
        ("task_definitions", objects("task_definitions", &desired.task_definitions)),
        ("hosts", objects("hosts", &desired.hosts)),
    ];
    let lists = lists.into_iter().filter(|(_, list)| *list != tree::list([]));
    let tree = tree::join(tree::with(part(Scenario::world), lists), part(Scenario::events));
    tree::yaml(&tree)
}

/// Writes objects of a configuration.
fn objects<T: Serialize>(list: &'static str, objects: &[T]) -> Node {
    tree::list(objects.iter().map(|object| lean(list, tree::of(object))))
}

/// Leaves out of an object all without which it means the same.
fn lean(list: &'static str, mut object: Node) -> Node {
    let meaning = meaning(list, &object);
    for path in paths(&object) {
        let mut without = object.clone();
        remove(&mut without, &path);
        if self::meaning(list, &without) == meaning {
            object = without;
        }
    }
    object
}

fn meaning(list: &'static str, object: &Node) -> Option<Configuration> {
    let reader = Reader::new("");
    let tree = tree::object([(list, tree::list([object.clone()]))]);
    let read = reader.root(&tree).object(read_lists)?;
    reader.finish().is_ok().then_some(read.value)
}

/// Lists the ways to all fields, the last and the innermost first, so that leaving out one leaves the ways to the others.
fn paths(tree: &Node) -> Vec<Vec<usize>> {
    let (inner, is_object): (Vec<&Node>, bool) = match &tree.value {
        Value::Map(entries) => (entries.iter().map(|(_, node)| node).collect(), true),
        Value::Seq(nodes) => (nodes.iter().collect(), false),
        Value::Null | Value::Scalar { .. } => return Vec::new(),
    };
    let mut all = Vec::new();
    for (index, node) in inner.into_iter().enumerate().rev() {
        all.extend(paths(node).into_iter().map(|path| [vec![index], path].concat()));
        all.extend(is_object.then(|| vec![index]));
    }
    all
}

fn remove(tree: &mut Node, path: &[usize]) {
    match (&mut tree.value, path) {
        (Value::Map(entries), [index]) => drop(entries.remove(*index)),
        (Value::Map(entries), [index, rest @ ..]) => remove(&mut entries[*index].1, rest),
        (Value::Seq(nodes), [index, rest @ ..]) => remove(&mut nodes[*index], rest),
        (Value::Null | Value::Scalar { .. } | Value::Map(_) | Value::Seq(_), _) => {}
    }
}
