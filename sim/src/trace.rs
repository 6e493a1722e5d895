//! Everything that happens in a run, one step an event: what happened, what was decided and why, what became of it.

use crate::check::{Place, Text, Write};
use callboard_core::machine::Time;
use callboard_core::model::Name;
use callboard_core::store::{Change, Entry};
use callboard_core::why::Note;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One event and what it led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: Time,
    /// Counts the events.
    pub number: u64,
    /// What happened, in words.
    pub event: String,
    /// The host on which it happened.
    pub host: Option<Name>,
    /// What it led to, in order.
    pub lines: Vec<Line>,
}

/// Something that an event led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What kind of thing.
    pub kind: LineKind,
    /// In words.
    pub text: String,
    /// The host it concerns.
    pub host: Option<Name>,
    /// The service it concerns.
    pub service: Option<Name>,
    /// The task it concerns.
    pub task: Option<Name>,
}

/// What an event may lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// Something goes wrong, or a user does something.
    Happening,
    /// A machine decided something, and why.
    Decision,
    /// An agent gave its executor an order.
    Order,
    /// A key of the store changed.
    Store,
    /// A process came, went, or changed its health.
    Truth,
}

impl LineKind {
    /// Gives the word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            LineKind::Happening => "happening",
            LineKind::Decision => "decision",
            LineKind::Order => "order",
            LineKind::Store => "store",
            LineKind::Truth => "truth",
        }
    }
}

/// Collects the steps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    steps: Vec<Step>,
    number: u64,
    /// What each key held last.
    held: BTreeMap<String, String>,
}

impl Trace {
    /// Takes in that an event begins.
    pub(crate) fn event(&mut self, at: Time, event: String, host: Option<Name>) {
        self.number += 1;
        self.steps.push(Step { at, number: self.number, event, host, lines: Vec::new() });
    }

    /// Takes in what the store holds, unless it knows.
    pub(crate) fn knows<'a>(&mut self, entries: impl Iterator<Item = &'a Arc<Entry>>) {
        if self.held.is_empty() {
            self.held = entries.map(|entry| (entry.key.clone(), entry.value.clone())).collect();
        }
    }

    /// Gives the steps since it was asked last.
    pub(crate) fn take(&mut self) -> Vec<Step> {
        std::mem::take(&mut self.steps)
    }

    fn line(&mut self, line: Line) {
        if let Some(step) = self.steps.last_mut() {
            step.lines.push(line);
        }
    }

    pub(crate) fn begins(&mut self, what: String) {
        self.line(Line { kind: LineKind::Happening, text: what, host: None, service: None, task: None });
    }

    pub(crate) fn hits(&mut self, hosts: &[Name]) {
        for host in hosts {
            let (text, host) = (format!("{host} is hit"), Some(host.clone()));
            self.line(Line { kind: LineKind::Happening, text, host, service: None, task: None });
        }
    }

    pub(crate) fn noted(&mut self, from: Option<&Text>, note: &Note) {
        let (mut host, service, task) = concerned(note);
        host = host.or_else(|| from.cloned());
        let who = from.map_or("scheduler", |host| &**host);
        self.line(Line { kind: LineKind::Decision, text: format!("{who}: {note}"), host, service, task });
    }

    pub(crate) fn ordered(&mut self, host: &Name, task: &Name, what: &str) {
        let text = format!("{host} is told to {what} {task}");
        let (host, task) = (Some(host.clone()), Some(task.clone()));
        self.line(Line { kind: LineKind::Order, text, host, service: None, task });
    }

    pub(crate) fn process(&mut self, host: &Name, task: &Name, service: Option<&Name>, what: &str) {
        let text = format!("{task} on {host} {what}");
        let (host, task, service) = (Some(host.clone()), Some(task.clone()), service.cloned());
        self.line(Line { kind: LineKind::Truth, text, host, service, task });
    }

    pub(crate) fn committed(&mut self, changes: &[Change], writes: &[Write]) {
        for (change, write) in changes.iter().zip(writes) {
            let key = change.key();
            let text = match change {
                Change::Put(entry) => {
                    let before = self.held.insert(key.into(), entry.value.clone());
                    difference(key, before.as_deref(), Some(&entry.value))
                }
                Change::Delete { .. } => {
                    let before = self.held.remove(key);
                    difference(key, before.as_deref(), None)
                }
            };
            let task = write.task_after.as_ref().or(write.task_before.as_ref());
            let (host, id) = match &write.place {
                Place::Task(id) => (task.map(|task| task.host.clone()), Some(id.clone())),
                Place::Twin { host, id } | Place::Status { host, id } | Place::Orphan { host, id } => {
                    (Some(host.clone()), Some(id.clone()))
                }
                Place::Ledger(host)
                | Place::HostConfig(host)
                | Place::Registration(host)
                | Place::Usage(host)
                | Place::Alive(host) => (Some(host.clone()), None),
                Place::ServiceState(_)
                | Place::Lock(_)
                | Place::Cluster(_)
                | Place::Service(_)
                | Place::Definition(..)
                | Place::Other => (None, None),
            };
            let service = task.map(|task| &task.service).or(write.place.service()).cloned();
            self.line(Line { kind: LineKind::Store, text, host, service, task: id });
        }
    }
}

/// Says how a key changed: which fields, from what to what.
pub(crate) fn difference(key: &str, before: Option<&str>, after: Option<&str>) -> String {
    let (Some(before), Some(after)) = (before, after) else {
        return match after {
            Some(after) => format!("{key} is new: {after}"),
            None => format!("{key} is gone"),
        };
    };
    let read = |text: &str| serde_json::from_str::<BTreeMap<String, serde_json::Value>>(text).ok();
    let (Some(old), Some(new)) = (read(before), read(after)) else {
        return format!("{key}: {before} → {after}");
    };
    let mut fields: Vec<&String> = old.keys().chain(new.keys()).collect();
    fields.sort();
    fields.dedup();
    let shown = |value: Option<&serde_json::Value>| value.map_or("nothing".into(), ToString::to_string);
    let changed: Vec<String> = fields
        .into_iter()
        .filter(|field| old.get(*field) != new.get(*field))
        .map(|field| format!("{field} {} → {}", shown(old.get(field)), shown(new.get(field))))
        .collect();
    if changed.is_empty() {
        format!("{key} is written again")
    } else {
        format!("{key}: {}", changed.join(", "))
    }
}

/// Gives whom a note concerns: host, service, task.
fn concerned(note: &Note) -> (Option<Name>, Option<Name>, Option<Name>) {
    match note {
        Note::Placed { id, service, host, .. } | Note::StopOrdered { id, service, host, .. } => {
            (Some(host.clone()), Some(service.clone()), Some(id.clone()))
        }
        Note::MakingRoom { service, host, .. } => (Some(host.clone()), Some(service.clone()), None),
        Note::Removed { id, host } => (Some(host.clone()), None, Some(id.clone())),
        Note::RolloutStarted { service, .. }
        | Note::RolloutDone { service, .. }
        | Note::Completed { service, .. }
        | Note::RolloutFailed { service, .. }
        | Note::Blocked { service, .. } => (None, Some(service.clone()), None),
        Note::HostSuspect { host } | Note::HostLost { host, .. } | Note::HostReady { host } => {
            (Some(host.clone()), None, None)
        }
        Note::Task { id, .. } | Note::MoveRequested { id, .. } => (None, None, Some(id.clone())),
        Note::Braked { .. }
        | Note::LockTaken { .. }
        | Note::LockLost { .. }
        | Note::Store { .. }
        | Note::BadRecord { .. } => (None, None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn differences_name_the_fields() {
        let check = |before, after, expect: &str| assert_eq!(difference("k", before, after), expect);
        check(Some(r#"{"a":1,"b":2}"#), Some(r#"{"a":1,"b":3,"c":"x"}"#), r#"k: b 2 → 3, c nothing → "x""#);
        check(None, Some("{}"), "k is new: {}");
        check(Some("{}"), None, "k is gone");
        check(Some("{}"), Some("{}"), "k is written again");
    }
}
