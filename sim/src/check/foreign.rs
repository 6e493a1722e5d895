//! S22: an agent stops and removes only what was issued to its host.

use super::record::Text;
use super::{Book, Check, Fault, Findings, Seen};
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

    fn fault(&mut self, book: &Book, fault: &Fault) {
        // What a store holds that was put back, or from which all begins, was issued as well.
        if matches!(fault, Fault::Amnesia) {
            let twins = book.hosts.values().flat_map(|page| page.twins.values());
            self.issued.extend(twins.map(|twin| (twin.host.clone(), twin.id.clone(), twin.generation)));
        }
    }

    fn ordered(&mut self, _book: &Book, host: &Text, order: &Order, found: &mut Findings) {
        let run = match order {
            Order::Stop { run, .. } | Order::Remove(run) => run.clone(),
            Order::Start(spec) => spec.run(),
            Order::Inspect | Order::Check { .. } | Order::Measure => return,
        };
        if !self.issued.contains(&(host.clone(), run.id.clone(), run.generation)) {
            let (id, generation) = (&run.id, run.generation);
            let what =
                format!("the agent of {host} touches {id} generation {generation}, which is not its own");
            found.blame("S22", what);
        }
    }
}
