//! What is otherwise than it was: keys of the store, and processes.

use super::Replay;
use crate::trace::difference;
use callboard_core::machine::Time;
use std::collections::BTreeMap;

/// All that was true at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// When.
    pub at: Time,
    keys: BTreeMap<String, String>,
    processes: BTreeMap<String, String>,
}

impl Replay {
    /// Takes down all that is true now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let entries = self.stage.store.memory.entries("");
        let keys = entries.map(|entry| (entry.key.clone(), entry.value.clone())).collect();
        let mut processes = BTreeMap::new();
        for ((host, id), list) in &self.stage.court.book.live {
            for alive in list {
                let health = if alive.healthy { "healthy" } else { "not healthy" };
                processes.insert(format!("{id} on {host}, process {}", alive.pid), health.to_owned());
            }
        }
        Snapshot { at: self.now(), keys, processes }
    }
}

impl Snapshot {
    /// Says what is otherwise in a later one, keys first.
    #[must_use]
    pub fn differences(&self, later: &Snapshot) -> Vec<String> {
        let mut said = compared(&self.keys, &later.keys, difference);
        said.extend(compared(&self.processes, &later.processes, |process, before, after| {
            match (before, after) {
                (_, None) => format!("{process} is gone"),
                (None, Some(health)) => format!("{process} is new, {health}"),
                (Some(_), Some(health)) => format!("{process} is {health} now"),
            }
        }));
        said
    }
}

fn compared(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
    say: impl Fn(&str, Option<&str>, Option<&str>) -> String,
) -> Vec<String> {
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let differs = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    let text = |map: &BTreeMap<String, String>, name: &str| map.get(name).cloned();
    differs.map(|name| say(name, text(before, name).as_deref(), text(after, name).as_deref())).collect()
}
