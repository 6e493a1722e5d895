//! S12: a service never has more tasks issued than its `max`.

use super::record::{KindRecord, ServiceRecord, Text};
use super::{By, Check, Findings, Seen};
use callboard_core::machine::Time;
use std::collections::{BTreeMap, BTreeSet};

/// Counts the tasks of services that got one.
#[derive(Clone, Default)]
pub(crate) struct Bound {
    /// What others than schedulers issued, and when.
    foreign: BTreeMap<(Text, u64), Time>,
}

impl Check for Bound {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        let book = seen.book;
        if seen.by == By::Stranger {
            self.foreign.extend(seen.created().map(|task| ((task.id.clone(), task.generation), book.now)));
        }
        let services: BTreeSet<&Text> = seen.created().map(|task| &task.service).collect();
        for service in services {
            let Some(page) = seen.book.services.get(service) else { continue };
            let before = page.before.as_ref().filter(|(_, at)| book.now.since(*at) <= book.lag);
            let known: Vec<&ServiceRecord> =
                page.record.iter().chain(before.map(|(record, _)| record)).collect();
            if known.iter().any(|record| record.kind != KindRecord::Service) {
                continue;
            }
            let max = known.iter().map(|record| record.max).max().unwrap_or(0) as usize;
            let is_unheard = |id: &&Text| {
                let generation = book.tasks.get(*id).map_or(0, |task| task.generation);
                let at = self.foreign.get(&((*id).clone(), generation));
                at.is_some_and(|at| book.now.since(*at) <= book.ignorance())
            };
            let issued = page.issued.len() - page.issued.iter().filter(is_unheard).count();
            if issued > max {
                found.blame("S12", format!("{service} has {issued} tasks issued, its max is {max}"));
            }
        }
    }
}
