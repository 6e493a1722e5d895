//! L22: when a store is back that answered nobody, the fleet does not come back as one: agents open their sessions spread
//! over seconds.

use super::{Book, Check, Fault, Findings};
use crate::event::{Process, Role};
use callboard_core::machine::{Span, Time};
use callboard_core::store::Request;
use std::collections::BTreeSet;

/// Counts the agents that open a session within the same second.
#[derive(Clone, Default)]
pub(crate) struct Herd {
    fleet: BTreeSet<u32>,
    /// When the store is back, if nothing that begins anew is among those who ask.
    back: Option<Time>,
    second: u64,
    together: BTreeSet<u32>,
}

/// How long after an outage a fleet comes back.
const RETURN: Span = Span::secs(60);
/// So few are no herd.
const FEW: usize = 20;

impl Check for Herd {
    fn asked(&mut self, book: &Book, from: Process, request: &Request, found: &mut Findings) {
        if from.role != Role::Agent {
            return;
        }
        self.fleet.insert(from.index);
        let Some(back) = self.back.filter(|back| *back <= book.now && book.now.since(*back) < RETURN) else {
            return;
        };
        if !matches!(request, Request::OpenSession { .. }) {
            return;
        }
        let second = book.now.since(back).0 / 1000;
        if second != self.second {
            self.second = second;
            self.together.clear();
        }
        self.together.insert(from.index);
        let (together, fleet) = (self.together.len(), self.fleet.len());
        if together > FEW && together * 2 > fleet {
            self.together.clear();
            let what = format!(
                "{together} of {fleet} agents opened a session within the same second, {} after the store was back",
                book.now.since(back)
            );
            found.blame("L22", what);
        }
    }

    fn fault(&mut self, _book: &Book, fault: &Fault) {
        match fault {
            Fault::Outage { until } => {
                self.back = self.back.max(Some(*until));
                self.second = 0;
                self.together.clear();
            }
            // What begins anew together asks together.
            Fault::HostDown(_) | Fault::Ended(_) => self.back = None,
            Fault::Amnesia
            | Fault::ClockJumped { .. }
            | Fault::Unfit { .. }
            | Fault::Trouble { .. }
            | Fault::Unreachable { .. } => {}
        }
    }
}
