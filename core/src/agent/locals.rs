//! The tasks on this host in the order of their ids, with the time at which each is to be looked at again. News mostly
//! come of one task after the other: the one that follows the last that was asked for is found at once, and lies next to it.
//!
//! **Invariant:** no task is due before the soonest time that is known; sometimes none is at that time.

use super::local::Local;
use crate::machine::Time;
use crate::model::Name;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The tasks on a host.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Locals {
    list: Vec<Place>,
    /// Where the task lies that will be asked for next, mostly.
    next: usize,
    soonest: Option<Time>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Place {
    id: Name,
    due: Option<Time>,
    local: Local,
}

impl Locals {
    fn find(&self, id: &Name) -> Result<usize, usize> {
        if let Some(place) = self.list.get(self.next)
            && place.id == *id
        {
            return Ok(self.next);
        }
        self.list.binary_search_by(|place| place.id.cmp(id))
    }

    pub(super) fn contains(&self, id: &Name) -> bool {
        self.find(id).is_ok()
    }

    pub(super) fn get(&self, id: &Name) -> Option<&Local> {
        self.find(id).ok().map(|at| &self.list[at].local)
    }

    pub(super) fn get_mut(&mut self, id: &Name) -> Option<&mut Local> {
        self.find_mut(id).map(|(_, local)| local)
    }

    /// Gives a task, and its place for [`Locals::plan`].
    pub(super) fn find_mut(&mut self, id: &Name) -> Option<(usize, &mut Local)> {
        let at = self.find(id).ok()?;
        self.next = at + 1;
        Some((at, &mut self.list[at].local))
    }

    /// Puts a task in its place, to be looked at when it is due.
    pub(super) fn insert(&mut self, local: Local, due: Option<Time>) {
        let place = Place { id: local.task.id.clone(), due: None, local };
        let at = match self.find(&place.id) {
            Ok(at) => {
                self.list[at] = place;
                at
            }
            Err(at) => {
                self.list.insert(at, place);
                at
            }
        };
        self.plan(at, due);
    }

    pub(super) fn remove(&mut self, id: &Name) -> Option<Local> {
        self.find(id).ok().map(|at| self.list.remove(at).local)
    }

    /// Has the task at a place looked at when it is due, and not before.
    pub(super) fn plan(&mut self, at: usize, due: Option<Time>) {
        let before = core::mem::replace(&mut self.list[at].due, due);
        if let Some(due) = due.filter(|due| self.soonest.is_none_or(|soonest| *due < soonest)) {
            self.soonest = Some(due);
        } else if before.is_some() && before == self.soonest {
            let (earlier, later) = self.list.split_at(at);
            if !later.iter().chain(earlier).any(|place| place.due == before) {
                self.find_soonest();
            }
        }
    }

    /// Tells when one may be due.
    pub(super) fn soonest(&self) -> Option<Time> {
        self.soonest
    }

    /// Looks at all that are due by now; `look` tells when each is due again.
    pub(super) fn attend(&mut self, now: Time, mut look: impl FnMut(&Name, &mut Local) -> Option<Time>) {
        if self.soonest.is_none_or(|soonest| soonest > now) {
            return;
        }
        for place in &mut self.list {
            if place.due.is_some_and(|due| due <= now) {
                place.due = look(&place.id, &mut place.local);
            }
        }
        self.find_soonest();
    }

    fn find_soonest(&mut self) {
        self.soonest = self.list.iter().filter_map(|place| place.due).min();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Name, &Local)> {
        self.list.iter().map(|place| (&place.id, &place.local))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&Name, &mut Local)> {
        self.list.iter_mut().map(|place| (&place.id, &mut place.local))
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &Name> {
        self.list.iter().map(|place| &place.id)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Local> {
        self.list.iter().map(|place| &place.local)
    }
}
