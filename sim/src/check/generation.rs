//! S17: within one placement nothing changes but whether it shall run, and for whom it stops; and what was told to stop is
//! told to go on only while its agent says that it does its work.

use super::record::{TaskRecord, Want};
use super::{Check, Findings, Seen};

/// Compares records with what they replace.
#[derive(Clone)]
pub(crate) struct Immutable;

impl Check for Immutable {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        for write in seen.writes.iter().filter(|write| write.place.is_task()) {
            let (Some(before), Some(after)) = (&write.task_before, &write.task_after) else { continue };
            if before.generation != after.generation {
                continue;
            }
            let unchanged = TaskRecord {
                desired: after.desired,
                // Said together with the order to stop.
                makes_room_for: after.makes_room_for.clone().filter(|_| !after.runs()),
                reason: after.reason.clone(),
                tenure: after.tenure,
                ..TaskRecord::clone(before)
            };
            let works = seen.book.status(before).is_some_and(|status| status.record.is_healthy());
            let revived = before.desired == Want::Stop && after.desired == Want::Run && !works;
            if unchanged != **after || revived {
                found.blame("S17", format!("generation {} of {} was changed", after.generation, after.id));
            }
        }
    }
}
