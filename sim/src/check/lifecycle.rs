//! S27: what an agent says of a placement only goes forward; what is dead stays dead.

use super::record::Place;
use super::{By, Check, Findings, Seen};

/// Compares statuses with what they replace.
#[derive(Clone)]
pub(crate) struct Lifecycle;

impl Check for Lifecycle {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        for write in seen.writes {
            let (Place::Status { host, id }, Some(before)) = (&write.place, &write.status_before) else {
                continue;
            };
            let page = seen.book.hosts.get(host);
            let Some(after) = page.and_then(|page| page.statuses.get(id)).map(|status| &status.record) else {
                continue;
            };
            // Who could not read what stood there may know no better.
            if !matches!(seen.by, By::Agent(_)) || after.generation > before.generation || write.mends {
                continue;
            }
            // A store that went back may have issued an earlier placement, and whoever obeys it speaks of that.
            let twin = page.and_then(|page| page.twins.get(id));
            let is_issued = twin.is_some_and(|twin| twin.generation == after.generation);
            if is_issued && after.generation < before.generation && seen.book.amnesia.is_some() {
                continue;
            }
            let back = after.generation < before.generation
                || (after.attempt, after.phase) < (before.attempt, before.phase)
                || (before.is_over() && after.phase != before.phase);
            if back {
                let what = format!(
                    "{id} on {host} went from {}.{} {:?} back to {}.{} {:?}",
                    before.generation,
                    before.attempt,
                    before.phase,
                    after.generation,
                    after.attempt,
                    after.phase
                );
                found.blame("S27", what);
            }
        }
    }
}
