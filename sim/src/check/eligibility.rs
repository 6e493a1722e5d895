//! S11: nothing new comes to a host that is drained, not heard of, or cannot run it.

use super::{Check, Findings, Seen};

/// Looks at the hosts of what is created, as they are at the revision at which it is created.
#[derive(Clone)]
pub(crate) struct Eligibility;

impl Check for Eligibility {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        for task in seen.created().filter(|task| !seen.book.goes_on(task)) {
            let (id, host) = (&task.id, &task.host);
            let Some(page) = seen.book.hosts.get(host) else {
                found.blame("S11", format!("{id} was placed on {host}, which nobody knows"));
                continue;
            };
            if page.draining_since.is_some() {
                found.blame("S11", format!("{id} was placed on {host}, which is drained"));
            }
            if !page.alive {
                found.blame("S11", format!("{id} was placed on {host}, which is not heard of"));
            }
            let definition = seen.book.definitions.get(&(task.task_name.clone(), task.version));
            let has = page.registration.as_ref();
            if let (Some(definition), Some(has)) = (definition, has)
                && let Some(lacking) =
                    definition.containers.iter().find(|container| !has.executors.contains(&container.kind))
            {
                found.blame("S11", format!("{id} was placed on {host}, which has no {}", lacking.kind));
            }
        }
    }
}
