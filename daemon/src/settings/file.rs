//! Reads the settings file: one object, one line a setting.
//!
//! **Invariant:** a file with a secret in it that others may read is refused.

use super::is_secret;
use crate::problem::{Kind, Problem};
use crate::write::body;
use callboard_core::config::{self, Mistake, Node, Value, shown, suggestion};
use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command};
use std::collections::BTreeMap;
use std::error::Error;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What a settings file says; nothing where there is none.
#[derive(Debug, Default)]
pub(crate) struct File {
    name: String,
    settings: BTreeMap<String, Written>,
}

#[derive(Debug)]
struct Written {
    line: usize,
    values: Vec<String>,
}

impl File {
    /// Reads a file in which the options `known` may be set.
    ///
    /// # Errors
    /// It cannot be read, or lists all that is wrong in it.
    pub(super) fn read(path: &Path, known: &[Arg]) -> Result<File, Problem> {
        let name = path.display().to_string();
        let unreadable = |error: std::io::Error| {
            Problem::new(Kind::Invalid, format!("the settings file cannot be read: {error}"))
                .at(name.clone())
                .hint("name another by --config or CALLBOARD_CONFIG, or none")
        };
        let mode = std::fs::metadata(path).map_err(unreadable)?.permissions().mode();
        let bytes = std::fs::read(path).map_err(unreadable)?;
        let file = File::parse(&name, &bytes, mode & 0o077 == 0, known);
        file.map_err(|mistakes| Problem::all(Kind::Invalid, mistakes.iter().map(body).collect()))
    }

    pub(super) fn parse(
        name: &str,
        bytes: &[u8],
        is_private: bool,
        known: &[Arg],
    ) -> Result<File, Vec<Mistake>> {
        let tree = config::parse(name, bytes)?;
        let entries = match tree.value {
            Value::Map(entries) => entries,
            Value::Null => Vec::new(),
            Value::Scalar { .. } | Value::Seq(_) => {
                let allowed = "an object, as in bind: 127.0.0.1:7701".into();
                return Err(vec![Mistake {
                    file: name.into(),
                    line: tree.line,
                    allowed,
                    ..Mistake::default()
                }]);
            }
        };
        let (mut settings, mut mistakes) = (BTreeMap::new(), Vec::new());
        for (key, node) in entries {
            let place =
                Mistake { file: name.into(), line: key.line, path: shown(&key.text), ..Mistake::default() };
            match read(&node, find(&key.text, known), is_private) {
                Ok(values) => drop(settings.insert(key.text, Written { line: key.line, values })),
                Err(wrong) => {
                    let Wrong { found, problem, allowed, next } = *wrong;
                    mistakes.push(Mistake { found, problem, allowed, next, ..place });
                }
            }
        }
        if mistakes.is_empty() { Ok(File { name: name.into(), settings }) } else { Err(mistakes) }
    }

    /// Makes what the file says of an option its default.
    pub(super) fn set_default(&self, arg: Arg) -> Arg {
        match self.settings.get(arg.get_id().as_str()) {
            Some(written) => arg.default_values(written.values.clone()),
            None => arg,
        }
    }

    /// Gives file and line of a setting.
    pub(super) fn place(&self, setting: &str) -> Option<String> {
        self.settings.get(setting).map(|written| format!("{}:{}", self.name, written.line))
    }
}

#[derive(Default)]
struct Wrong {
    found: String,
    problem: String,
    allowed: String,
    next: String,
}

fn find<'a>(key: &str, known: &'a [Arg]) -> Result<&'a Arg, Box<Wrong>> {
    let names = || known.iter().map(|arg| arg.get_id().as_str());
    known.iter().find(|arg| arg.get_id() == key).ok_or_else(|| {
        let next = match suggestion(key, names()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "`callboard config show` lists what can be set".into(),
        };
        Box::new(Wrong { problem: "unknown setting".into(), next, ..Wrong::default() })
    })
}

fn read(node: &Node, arg: Result<&Arg, Box<Wrong>>, is_private: bool) -> Result<Vec<String>, Box<Wrong>> {
    let arg = arg?;
    if is_secret(arg) && !is_private {
        let problem = "a secret in a file that other users of this machine may read".into();
        return Err(Box::new(Wrong { problem, next: "chmod 600 it".into(), ..Wrong::default() }));
    }
    let values = values(node)?;
    let is_list = matches!(arg.get_action(), ArgAction::Append);
    if values.len() != 1 && !is_list {
        return Err(Box::new(Wrong { allowed: "a single value".into(), ..Wrong::default() }));
    }
    check(arg, &values).map_err(|wrong| {
        let found = if is_secret(arg) { String::new() } else { format!("\"{}\"", shown(&values.join(","))) };
        Box::new(Wrong { found, ..wrong })
    })?;
    Ok(values)
}

fn values(node: &Node) -> Result<Vec<String>, Box<Wrong>> {
    match &node.value {
        Value::Scalar { text, .. } => Ok(vec![text.clone()]),
        Value::Seq(nodes) => Ok(nodes.iter().map(values).collect::<Result<Vec<_>, _>>()?.concat()),
        Value::Null | Value::Map(_) => {
            Err(Box::new(Wrong { allowed: "a value or a list of values".into(), ..Wrong::default() }))
        }
    }
}

/// Has the option itself say whether it takes these values.
fn check(arg: &Arg, values: &[String]) -> Result<(), Wrong> {
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        return match values {
            [one] if one == "true" || one == "false" => Ok(()),
            _ => Err(Wrong { allowed: "true or false".into(), ..Wrong::default() }),
        };
    }
    let alone = arg.clone().env(Resettable::Reset).global(false);
    let option = format!("--{}", arg.get_long().unwrap_or_default());
    let line = values.iter().map(|value| format!("{option}={value}"));
    let command = Command::new("file").no_binary_name(true).disable_help_flag(true).arg(alone);
    let Err(error) = command.try_get_matches_from(line) else { return Ok(()) };
    let allowed = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(valid)) => valid.join(", "),
        Some(_) | None => String::new(),
    };
    let problem = match error.source() {
        Some(source) => source.to_string(),
        None if allowed.is_empty() => "is not a value of this setting".into(),
        None => String::new(),
    };
    Err(Wrong { problem, allowed, ..Wrong::default() })
}
