//! The hosts of a class in the order of what a task would cost there, cheapest first: whole blocks wait beside single
//! hosts, and a block is opened when none of what waits can be better than its best host may be.

use super::costs::{Costs, Place};
use super::merit::Figures;
use super::order::Free;
use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// Hosts that are yet to come, cheapest first.
#[derive(Debug)]
pub(super) struct Cheapest {
    /// Where blocks began and ended when the first of them was asked for. Hosts that were not looked at stay between.
    blocks: Vec<(Place, Option<Place>)>,
    queue: BinaryHeap<Reverse<(Figures, Next)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    /// Which of the blocks.
    Block(usize),
    /// Which row.
    Host(u32),
}

impl Cheapest {
    pub(super) fn new(costs: &Costs, needed: Free) -> Cheapest {
        let found = costs.blocks(needed);
        let waits = |(at, (least, ..)): (usize, &(Figures, _, _))| Reverse((*least, Next::Block(at)));
        let queue = found.iter().enumerate().map(waits).collect();
        Cheapest { blocks: found.into_iter().map(|(_, from, to)| (from, to)).collect(), queue }
    }

    /// Gives figures that no host falls below that is yet to come; none when none is.
    pub(super) fn least(&self) -> Option<Figures> {
        self.queue.peek().map(|Reverse((least, _))| *least)
    }

    /// Goes one step on, which may or may not lead to the next host.
    pub(super) fn step(&mut self, costs: &Costs, needed: Free) -> Option<u32> {
        let Reverse((_, next)) = self.queue.pop()?;
        match next {
            Next::Host(row) => Some(row),
            Next::Block(at) => {
                let (from, to) = self.blocks[at];
                let fit = costs.range(from, to).filter(|host| host.covers(needed));
                self.queue.extend(fit.map(|host| Reverse((host.figures(needed), Next::Host(host.row())))));
                None
            }
        }
    }

    /// Counts hosts whose cost was found, and that did not come yet.
    pub(super) fn waiting(&self) -> usize {
        self.queue.iter().filter(|Reverse((_, next))| matches!(next, Next::Host(_))).count()
    }
}
