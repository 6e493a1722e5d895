//! S44: what is reserved for a task is what its definition reserves, not what it may use; and an agent has it started with
//! the limits of its definition.

use super::record::{DefinitionRecord, Text};
use super::{Book, Check, Findings, Seen};
use callboard_core::work::Order;

/// Compares with definitions.
#[derive(Clone)]
pub(crate) struct Limits;

/// Finds a definition that nobody has written over by hand.
fn definition<'a>(book: &'a Book, name: &str, version: u32) -> Option<&'a DefinitionRecord> {
    let key = format!("config/task_definitions/{name}/{version}");
    book.definitions.get(&(Text::from(name), version)).filter(|_| !book.junk.contains(&key))
}

impl Check for Limits {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        for task in seen.created().filter(|task| !seen.book.goes_on(task)) {
            let Some(definition) = definition(seen.book, &task.task_name, task.version) else { continue };
            let counted = |it: &DefinitionRecord| (it.memory, it.cpu_units, it.disk, it.resources.clone());
            let reserved = (task.memory, task.cpu_units, task.disk, task.resources.clone());
            if reserved != counted(definition) {
                let what = format!("{} reserves {reserved:?}, and should {:?}", task.id, counted(definition));
                found.blame("S44", what);
            }
        }
    }

    fn ordered(&mut self, book: &Book, host: &Text, order: &Order, found: &mut Findings) {
        let Order::Start(spec) = order else { return };
        let Some(definition) = definition(book, &spec.task.task_name, spec.task.version) else { return };
        let limits = [
            (
                "MiB",
                spec.definition.memory_limit.unwrap_or(spec.definition.memory),
                definition.memory_limit.unwrap_or(definition.memory),
            ),
            ("cpu units", spec.definition.cpu_limit, definition.cpu_limit),
        ];
        for (unit, given, limit) in limits.into_iter().filter(|(_, given, limit)| given != limit) {
            let id = &spec.task.id;
            found.blame("S44", format!("{host} starts {id} with a limit of {given} {unit}, not of {limit}"));
        }
    }
}
