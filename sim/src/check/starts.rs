//! S46: no agent has more tasks on their way at once than its host may start; one that takes longer than half a minute
//! stands in nobody's way.

use super::record::Text;
use super::{Book, Check, Fault, Findings};
use callboard_core::machine::{Span, Time};
use std::collections::BTreeMap;

/// What takes longer stands in nobody's way.
const LONG: Span = Span::secs(30);

/// Counts.
#[derive(Clone, Default)]
pub(crate) struct Starts {
    /// Until when a host's clock may say of a start that it takes long.
    jumped: BTreeMap<Text, Time>,
}

impl Check for Starts {
    fn fault(&mut self, book: &Book, fault: &Fault) {
        if let Fault::ClockJumped { host, .. } = fault {
            self.jumped.insert(host.clone(), book.now + LONG);
        }
    }

    fn starting(&mut self, host: &Text, (under_way, most): (usize, usize), found: &mut Findings) {
        let is_misled = self.jumped.get(host).is_some_and(|until| found.now < *until);
        if under_way > most && !is_misled {
            found.blame("S46", format!("{host} makes {under_way} starts at once, of {most} that it may"));
        }
    }
}
