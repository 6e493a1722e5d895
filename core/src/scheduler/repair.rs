//! Mending task records of which only one of the two keys is as it should be: written by hand, by a foreign scheduler, or
//! by a store that lost something.

use super::batch::Batch;
use crate::machine::Time;
use crate::model::{Desired, Name, Task};
use crate::why::{Note, StopReason};
use crate::world::World;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Writes the missing or differing copy of each record of the cluster anew, and has copies without a record stopped.
pub(crate) fn mend(now: Time, world: &mut World, batch: &mut Batch) {
    let unpaired: Vec<Name> = world.unpaired.iter().cloned().collect();
    for id in unpaired {
        let task = world.tasks.get(&id).map(|view| view.task.clone());
        let ours = |task: &Arc<Task>| task.cluster == batch.cluster && !is_untouchable(world, task);
        let Some(task) = task.filter(ours) else { continue };
        if !batch.has_room(1) {
            return;
        }
        let key = World::pair(&task).1.path();
        batch.notes.push(Note::BadRecord { key, why: "differs from the task's record; written anew".into() });
        let tenure = batch.tenure.0;
        batch.put_task(now, world, Task { tenure, ..Task::clone(&task) });
    }
    let strays: Vec<(Name, Name)> = world.strays.iter().cloned().collect();
    for (host, id) in strays {
        let value =
            world.hosts.get(&host).and_then(|host| host.strays.get(&id)).map(|(_, value)| value.clone());
        let task: Option<Task> = value.and_then(|value| crate::record::read(&value).ok());
        let Some(task) = task.filter(|task: &Task| {
            let is_named = task.cluster == batch.cluster && task.id == id && task.host == host;
            is_named && !is_untouchable(world, task)
        }) else {
            continue;
        };
        if !batch.has_room(1) {
            return;
        }
        let lives = world.hosts.get(&host).is_some_and(|host| host.orphans.contains_key(&id));
        let over = !lives && world.status(&task).is_none_or(|status| status.phase.is_over());
        if over {
            batch.remove_copy(world, &task);
        } else if task.desired == Desired::Run {
            let why =
                StopReason::BadRecord { why: "a copy under its host without a record of its own".into() };
            batch.stop_copy(world, &task, why);
        }
    }
}

/// Tells whether one of a task's two records is there and must not be rewritten here.
fn is_untouchable(world: &World, task: &Task) -> bool {
    let (own, twin) = World::pair(task);
    world.is_untouchable(&own) || world.is_untouchable(&twin)
}
