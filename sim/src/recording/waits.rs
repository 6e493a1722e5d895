//! Which services waited for a place, for how long, and why.

use crate::check::{ServicePage, Text};
use callboard_core::machine::Time;
use callboard_core::model::Name;
use callboard_core::why::Note;
use std::collections::BTreeMap;

/// How many waits are kept: the first.
const KEPT: usize = 500;

/// A time in which tasks of a service had no place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The service.
    pub service: Name,
    /// Why, as the scheduler said last.
    pub why: String,
    /// How many tasks waited, at most.
    pub most: u32,
    /// From when.
    pub from: Time,
    /// Until when; `None`: still at the end.
    pub until: Option<Time>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Waits {
    pub(super) list: Vec<Wait>,
    open: BTreeMap<Name, usize>,
}

impl Waits {
    pub(super) fn noted(&mut self, now: Time, note: &Note) {
        let Note::Blocked { service, missing, why } = note else { return };
        match self.open.get(service) {
            Some(index) => {
                let wait = &mut self.list[*index];
                wait.most = wait.most.max(*missing);
                wait.why.clone_from(why);
            }
            None if self.list.len() < KEPT => {
                self.open.insert(service.clone(), self.list.len());
                let (service, why) = (service.clone(), why.clone());
                self.list.push(Wait { service, why, most: *missing, from: now, until: None });
            }
            None => {}
        }
    }

    pub(super) fn service_changed(&mut self, now: Time, service: &Text, page: &ServicePage, wanted: u32) {
        if page.issued.len() < wanted as usize {
            return;
        }
        if let Some(index) = self.open.remove(service) {
            self.list[index].until = Some(now);
        }
    }
}
