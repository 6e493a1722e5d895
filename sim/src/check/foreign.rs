//! S22: an agent stops and removes only what was issued to its host.

use super::record::Text;
use super::{Book, Check, Findings, Seen};
use callboard_core::work::Order;
use std::collections::BTreeSet;

/// Remembers what was ever issued to each host.
#[derive(Clone, Default)]
pub(crate) struct Foreign {
    issued: BTreeSet<(Text, Text, u64)>,
}

impl Check for Foreign {
    fn committed(&mut self, seen: &Seen<'_>, _found: &mut Findings) {
        // Agents follow the copy under their host, which others than schedulers may write alone.
        for task in seen.writes.iter().filter_map(|write| write.task_after.as_ref()) {
            self.issued.insert((task.host.clone(), task.id.clone(), task.generation));
        }
    }

    fn ordered(&mut self, _book: &Book, host: &Text, order: &Order, found: &mut Findings) {
        let run = match order {
            Order::Stop { run, .. } | Order::Remove(run) => run.clone(),
            Order::Start(spec) => spec.run(),
            Order::Inspect | Order::Check { .. } | Order::Measure => return,
        };
        if !self.issued.contains(&(host.clone(), run.id.clone(), run.generation)) {
            found.blame("S22", format!("the agent of {host} touches {run:?}, which is not its own"));
        }
    }
}
