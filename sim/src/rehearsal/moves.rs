//! Which of the tasks that are started take the place of one that is stopped: to whoever looks on, that one moves.

use crate::stats::word_for;
use callboard_core::model::Name;
use callboard_core::why::Note;
use std::collections::BTreeSet;

/// A task that goes on elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Which of those that are stopped it is.
    pub stopped: usize,
    /// Which of those that are started takes its place.
    pub started: usize,
}

/// A task, its service, and its host.
type Which<'a> = (&'a Name, &'a Name, &'a Name);

/// Pairs what is stopped with what is started instead: under the same id, or another of the service where it must go for
/// another reason than a change of what users want. A service that is rolled meanwhile gets new tasks for its own sake.
pub(super) fn pair<'a>(notes: impl Iterator<Item = &'a Note> + Clone) -> Vec<Moved> {
    let rolled: BTreeSet<&Name> = notes.clone().filter_map(is_rolled).collect();
    let started: Vec<Which<'_>> = notes.clone().filter_map(start).collect();
    let mut free: BTreeSet<usize> = (0..started.len()).collect();
    let stopped: Vec<(Which<'_>, bool)> = notes.filter_map(stop).collect();
    let mut moved = Vec::new();
    let mut take = |stopped: usize, fits: &dyn Fn(&Which<'_>) -> bool| {
        let Some(found) = free.iter().copied().find(|start| fits(&started[*start])) else { return false };
        free.remove(&found);
        moved.push(Moved { stopped, started: found });
        true
    };
    let mut rest = Vec::new();
    for (index, ((id, service, host), is_move)) in stopped.into_iter().enumerate() {
        if !take(index, &|start| start.0 == id && start.2 != host) && is_move && !rolled.contains(service) {
            rest.push((index, service, host));
        }
    }
    for (index, service, host) in rest {
        take(index, &|start| start.1 == service && start.2 != host);
    }
    moved.sort_unstable_by_key(|moved| moved.stopped);
    moved
}

fn start(note: &Note) -> Option<Which<'_>> {
    if let Note::Placed { id, service, host, .. } = note { Some((id, service, host)) } else { None }
}

fn stop(note: &Note) -> Option<(Which<'_>, bool)> {
    let Note::StopOrdered { id, service, host, why } = note else { return None };
    Some(((id, service, host), word_for(why).1))
}

fn is_rolled(note: &Note) -> Option<&Name> {
    if let Note::RolloutStarted { service, .. } = note { Some(service) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use callboard_core::why::StopReason;

    fn placed(id: &str, host: &str) -> Note {
        let (id, host) = (id.into(), host.into());
        Note::Placed { id, generation: 1, service: "web".into(), host, why: String::new() }
    }

    fn stopped(id: &str, host: &str, why: StopReason) -> Note {
        Note::StopOrdered { id: id.into(), service: "web".into(), host: host.into(), why }
    }

    #[track_caller]
    fn check(notes: &[Note], expect: &[(usize, usize)]) {
        let moved: Vec<(usize, usize)> =
            pair(notes.iter()).into_iter().map(|moved| (moved.stopped, moved.started)).collect();
        assert_eq!(moved, expect, "{notes:?}");
    }

    #[test]
    fn what_is_replaced_elsewhere_moves() {
        let drained = |id| stopped(id, "h1", StopReason::Drain);
        check(&[placed("c", "h2"), placed("d", "h3"), drained("a"), drained("b")], &[(0, 0), (1, 1)]);
        let lost = stopped("a", "h1", StopReason::HostLost);
        check(&[lost.clone(), placed("b", "h2")], &[(0, 0)]);
        check(&[lost.clone(), placed("b", "h1")], &[]);
        check(&[lost.clone(), lost, placed("b", "h2")], &[(0, 0)]);
        // The same id elsewhere is the same task, and nobody else's place.
        check(&[drained("a"), drained("b"), placed("b", "h2"), placed("c", "h2")], &[(0, 1), (1, 0)]);
    }

    #[test]
    fn what_users_change_moves_nothing() {
        check(&[placed("b", "h2"), stopped("a", "h1", StopReason::ScaleDown)], &[]);
        let rolls = Note::RolloutStarted { service: "web".into(), version: 2 };
        check(&[rolls, placed("b", "h2"), stopped("a", "h1", StopReason::Drain)], &[]);
    }
}
