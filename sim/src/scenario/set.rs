//! Fields of a scenario file that are set from outside, as in `services.web.desired=5`: the way to a field, and what shall
//! stand there, in YAML. What a list holds is named by its place, from 0, or by its `name`.

use super::tree;
use callboard_core::config::{self, Key, Mistake, Node, Value, suggestion};

/// What was set, to tell whose mistake something is.
#[derive(Default)]
pub(super) struct Set {
    /// The way to each field, as mistakes say it, and what the user wrote.
    ways: Vec<(String, String)>,
}

/// The fields by which an element of a list can be named.
const NAMES: [&str; 4] = ["name", "prefix", "task", "fault"];

/// Sets fields.
pub(super) fn all(tree: &mut Node, sets: &[String]) -> Result<Set, Vec<Mistake>> {
    let mut set = Set::default();
    let mut mistakes = Vec::new();
    for text in sets {
        match one(tree, text) {
            Ok(way) => set.ways.push((way, text.clone())),
            Err(mistake) => mistakes.push(Mistake { file: named(text), ..*mistake }),
        }
    }
    if mistakes.is_empty() { Ok(set) } else { Err(mistakes) }
}

fn named(text: &str) -> std::sync::Arc<str> {
    format!("--set {text}").into()
}

impl Set {
    /// Tells of mistakes in what was set that they are there.
    pub(super) fn blame(&self, mistakes: Vec<Mistake>) -> Vec<Mistake> {
        let blamed = mistakes.into_iter().map(|mistake| {
            let mut ways = self.ways.iter().filter(|_| mistake.line == 0);
            match ways.find(|(way, _)| mistake.path.starts_with(way.as_str())) {
                Some((_, text)) => Mistake { file: named(text), ..mistake },
                None => mistake,
            }
        });
        blamed.collect()
    }
}

fn one(tree: &mut Node, text: &str) -> Result<String, Box<Mistake>> {
    let wrong = |problem: &str| {
        let allowed = "a field and its value, as in duration=1h".into();
        Box::new(Mistake { problem: problem.into(), allowed, ..Mistake::default() })
    };
    let (path, value) = text.split_once('=').ok_or_else(|| wrong("there is no ="))?;
    if path.split('.').any(str::is_empty) {
        return Err(wrong("a part of the way to the field is empty"));
    }
    let mut value = match value.trim() {
        "" => tree::nothing(),
        value => config::parse("", value.as_bytes())
            .map_err(|found| Box::new(found.into_iter().next().unwrap_or_default()))?,
    };
    tree::unplace(&mut value);
    let mut way = String::new();
    let mut at = tree;
    for part in path.split('.') {
        at = inner(at, part, &mut way)?;
    }
    *at = value;
    Ok(way)
}

/// Goes one step: into a field of an object, which is made when it is not there, or into an element of a list.
fn inner<'t>(at: &'t mut Node, part: &str, way: &mut String) -> Result<&'t mut Node, Box<Mistake>> {
    if at.value == Value::Null {
        at.value = Value::Map(Vec::new());
    }
    match &mut at.value {
        Value::Map(entries) => {
            way.push_str(if way.is_empty() { "" } else { "." });
            way.push_str(part);
            let index = entries.iter().position(|(key, _)| key.text == part).unwrap_or(entries.len());
            if index == entries.len() {
                entries.push((Key { line: 0, column: 0, text: part.into() }, tree::nothing()));
            }
            Ok(&mut entries[index].1)
        }
        Value::Seq(nodes) => {
            let names: Vec<Option<String>> = nodes.iter().map(name).collect();
            let named = names.iter().position(|name| name.as_deref() == Some(part));
            let index = part.parse().ok().or(named).filter(|index| *index < nodes.len());
            let Some(index) = index else { return Err(Box::new(no_element(way, part, &names))) };
            way.push_str(&format!("[{index}]"));
            Ok(&mut nodes[index])
        }
        Value::Scalar { .. } | Value::Null => Err(Box::new(Mistake {
            path: way.clone(),
            problem: format!("one value, in which there is no \"{part}\""),
            allowed: format!("{way}=... to replace it"),
            ..Mistake::default()
        })),
    }
}

fn name(node: &Node) -> Option<String> {
    let Value::Map(entries) = &node.value else { return None };
    let text = |node: &Node| match &node.value {
        Value::Scalar { text, .. } => Some(text.clone()),
        Value::Null | Value::Seq(_) | Value::Map(_) => None,
    };
    NAMES
        .iter()
        .find_map(|name| entries.iter().find(|(key, _)| key.text == *name).and_then(|(_, node)| text(node)))
}

fn no_element(way: &str, part: &str, names: &[Option<String>]) -> Mistake {
    let known: Vec<&str> = names.iter().flatten().map(String::as_str).collect();
    let next = suggestion(part, known.iter().copied());
    let numbers = match names.len() {
        0 => "nothing, the list is empty".into(),
        1 => "0".into(),
        many => format!("a number from 0 to {}", many - 1),
    };
    let shown = known.iter().take(10).copied().collect::<Vec<&str>>().join(", ");
    let separator = if shown.is_empty() { "" } else { ", or " };
    Mistake {
        path: way.into(),
        problem: format!("no \"{part}\" in the list"),
        allowed: format!("{shown}{separator}{numbers}"),
        next: next.map(|near| format!("did you mean \"{near}\"?")).unwrap_or_default(),
        ..Mistake::default()
    }
}
