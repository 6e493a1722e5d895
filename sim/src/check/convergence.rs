//! L1: once nothing goes wrong any more, every service has as many healthy tasks as it shall have.

use super::{Check, End, Findings};

/// Counts at the end.
pub(crate) struct Convergence;

impl Check for Convergence {
    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        if end.calm < end.settle {
            return;
        }
        for (name, page) in &end.book.services {
            let listed = end.book.clusters.values().any(|cluster| cluster.services.contains(name));
            let target = match &page.record {
                Some(record) if listed => {
                    let version = (record.task_name.clone(), record.task_version);
                    if end.unsound.binary_search(&version).is_ok() {
                        continue;
                    }
                    record.target()
                }
                Some(_) | None => 0,
            };
            // What a store forgot lives on, uncounted.
            let extra = page.healthy > target && end.book.amnesia.is_some();
            if page.healthy != target && !extra {
                found.blame(
                    "L1",
                    format!("{name} has {} healthy tasks at the end, shall have {target}", page.healthy),
                );
            }
        }
    }
}
