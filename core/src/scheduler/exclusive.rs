//! Services of which there shall never be two tasks at a time. What may still live somewhere, seen or unseen, keeps the
//! next one from coming to be: a host that is not heard of may run its task for as long as it likes, so its silence is
//! waited out. Only the word of its agent, or that the host was taken out of the fleet, says that the task is over.
//!
//! **Invariant:** a task of an exclusive service is created only when no record, no copy of one and no agent speaks of
//! another.

use super::round::Round;
use crate::world::Class;
use alloc::format;
use alloc::string::String;

/// Classes of tasks that go, or may be gone, and of which something may be left.
const MAY_LIVE: [Class; 4] = [Class::Lost, Class::Stopping, Class::Failed, Class::Over];

impl Round<'_> {
    /// Tells whether another task, which nothing here can have stopped any more, may yet live beside a new one.
    pub(crate) fn may_overlap(&self) -> bool {
        let is_left = || MAY_LIVE.iter().any(|class| self.group().count_class(*class) > 0);
        self.service.exclusive && (is_left() || self.world.runs_unrecorded(&self.key))
    }

    /// Says what the one task of the service waits for.
    pub(crate) fn why_alone(&self) -> String {
        let name = &self.key.1;
        let mut left = MAY_LIVE.iter().flat_map(|class| self.group().of_class(*class));
        let Some(view) = left.find_map(|(_, id)| self.world.tasks.get(id)) else {
            return format!("{name} is exclusive, and one of it runs that the store has no record of");
        };
        let (id, host) = (&view.task.id, &view.task.host);
        match view.class {
            Class::Lost => format!(
                "{name} is exclusive, and {id} may still run on {host}, which is lost; it waits until that host is \
                 heard of again, or until its registration is deleted"
            ),
            Class::Starting
            | Class::Unhealthy
            | Class::Failed
            | Class::Suspect
            | Class::Healthy
            | Class::Mature
            | Class::Stopping
            | Class::Over
            | Class::Completed => {
                format!("{name} is exclusive, and {id} on {host} has not come to its end yet")
            }
        }
    }
}
