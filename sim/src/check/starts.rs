//! S46: no agent has more tasks on their way at once than its host may start; one that takes longer than half a minute
//! stands in nobody's way.

use super::record::Text;
use super::{Check, Findings};

/// Counts.
#[derive(Clone)]
pub(crate) struct Starts;

impl Check for Starts {
    fn starting(&mut self, host: &Text, (under_way, most): (usize, usize), found: &mut Findings) {
        if under_way > most {
            found.blame("S46", format!("{host} makes {under_way} starts at once, of {most} that it may"));
        }
    }
}
