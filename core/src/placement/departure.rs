//! Which of a service's tasks goes first when there are too many: one whose host would be the last choice were it not
//! there. What placement filled last is emptied first, so that fewer tasks lie as many would.

use super::fleet::index;
use super::ground::Ground;
use super::need::{Crowd, Need};
use super::search::View;

/// The order in which the tasks of a service go.
#[derive(Debug)]
pub struct Departure<'a> {
    need: &'a Need,
    ground: Ground,
    /// Where those are that are left.
    left: Crowd,
}

impl<'a> Departure<'a> {
    /// Begins with the tasks that `view.own` counts.
    #[must_use]
    pub fn new(need: &'a Need, view: View<'_>) -> Departure<'a> {
        Departure { need, ground: Ground::new(need, view), left: view.own.clone() }
    }

    /// Gives what tasks are compared by, by the row of their host; the greatest goes first.
    #[must_use]
    pub fn order(&self, view: View<'_>, row: u32) -> impl Ord + use<> {
        let crowd = self.left.get(&row).copied().unwrap_or(0).saturating_sub(1);
        let levels = self.ground.former_levels(index(view.fleet.row(row).class));
        (levels, self.ground.merit(self.need, view, (row, view.fleet.row(row)), crowd))
    }

    /// Counts one task less on a host.
    pub fn count(&mut self, view: View<'_>, row: u32) {
        self.ground.tallies.iter_mut().for_each(|tally| tally.take(view.fleet, row));
        if let Some(left) = self.left.get_mut(&row) {
            *left = left.saturating_sub(1);
        }
    }
}
