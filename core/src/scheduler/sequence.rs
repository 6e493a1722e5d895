//! In which order one plan looks at the services of a cluster: the more important first, then by name. Where hosts are
//! packed, one host is filled after the other: of the services that are equally important and wait for room, the next is
//! the one whose task leaves the least of the host that took the last.
//!
//! **Invariant:** a plan looks at no service twice, and at none before the more important ones that waited when it began.

use crate::model::{Name, Policy};
use crate::world::{GroupKey, Turn, World};
use alloc::collections::BTreeSet;

/// How many services, from the next by name, are looked through for the one that leaves the least.
const WINDOW: usize = 256;

/// What a plan has looked at.
pub(super) struct Sequence {
    cluster: Name,
    /// It has looked at all that were to be looked at up to here.
    last: Option<Turn>,
    /// Those beyond that were looked at.
    ahead: BTreeSet<Turn>,
}

impl Sequence {
    pub(super) fn new(cluster: Name) -> Sequence {
        Sequence { cluster, last: None, ahead: BTreeSet::new() }
    }

    /// Takes the next service off those that are to be looked at; `begun` is the host that took a task just now.
    pub(super) fn next(&mut self, world: &mut World, begun: Option<Name>) -> Option<GroupKey> {
        let (first, best) = self.choose(world, begun)?;
        let turn = best.unwrap_or_else(|| first.clone());
        if turn == first {
            self.last = Some(first);
        } else {
            self.ahead.insert(turn.clone());
        }
        world.dirty.remove(&turn);
        Some((turn.0, turn.2))
    }

    /// Finds the next service by name, and the one that goes on with the host that was begun.
    fn choose(&self, world: &World, begun: Option<Name>) -> Option<(Turn, Option<Turn>)> {
        let turns = world.dirty_after(&self.cluster, self.last.as_ref());
        let mut turns = turns.filter(|turn| !self.ahead.contains(*turn)).peekable();
        let first = (*turns.peek()?).clone();
        let packs = world.clusters.get(&self.cluster).is_some_and(|it| it.policy == Policy::Binpack);
        let begun = begun.filter(|_| packs).and_then(|host| world.fleet.find(&host));
        let best = begun.and_then(|row| {
            let equals = turns.take_while(|turn| turn.1 == first.1).take(WINDOW);
            equals.filter_map(|turn| Some((left_by(world, turn, row)?, turn))).min()
        });
        Some((first, best.map(|(_, turn)| turn.clone())))
    }
}

/// Gives how much of a host one more task of a service leaves; nothing where it waits for none, or that does not fit.
fn left_by(world: &World, (cluster, _, name): &Turn, row: u32) -> Option<u64> {
    let service = world.services.get(name)?;
    let issued = world.groups.get(&(cluster.clone(), name.clone())).map_or(0, |group| group.issued());
    if issued >= usize::try_from(service.target()).unwrap_or(usize::MAX) {
        return None;
    }
    let definition = world.definition(&service.task_name, service.task_version)?;
    world.fleet.row(row).left_by(definition.memory, definition.cpu_units)
}
