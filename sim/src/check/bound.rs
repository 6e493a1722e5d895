//! S12: a service never has more tasks issued than its `max`.

use super::record::Text;
use super::{Check, Findings, Seen};
use std::collections::BTreeSet;

/// Counts the tasks of services that got one.
#[derive(Clone)]
pub(crate) struct Bound;

impl Check for Bound {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        let services: BTreeSet<&Text> = seen.created().map(|task| &task.service).collect();
        for service in services {
            let Some(page) = seen.book.services.get(service) else { continue };
            let now = page.record.as_ref().map_or(0, |record| record.max);
            let before = page.before.as_ref().filter(|(_, at)| seen.book.now.since(*at) <= seen.book.lag);
            let max = now.max(before.map_or(0, |(record, _)| record.max)) as usize;
            if page.issued.len() > max {
                found.blame(
                    "S12",
                    format!("{service} has {} tasks issued, its max is {max}", page.issued.len()),
                );
            }
        }
    }
}
