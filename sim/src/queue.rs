//! The clock of a simulated world: what happens next, and when. Events of one moment happen in the order in which they
//! were planned.
//!
//! **Invariant:** time never goes back, and no event is lost.

use callboard_core::machine::Time;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Keeps what is still to happen. The heap holds 24 bytes an event, whatever an event is; the events lie beside it.
#[derive(Clone, Debug)]
pub(crate) struct Queue<E> {
    now: Time,
    planned: u64,
    popped: u64,
    heap: BinaryHeap<Reverse<(Time, u64, usize)>>,
    slots: Vec<Option<E>>,
    free: Vec<usize>,
}

impl<E> Queue<E> {
    pub(crate) fn new() -> Queue<E> {
        Queue {
            now: Time(0),
            planned: 0,
            popped: 0,
            heap: BinaryHeap::new(),
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Gives the present moment.
    pub(crate) fn now(&self) -> Time {
        self.now
    }

    /// Counts the events that have happened.
    pub(crate) fn popped(&self) -> u64 {
        self.popped
    }

    /// Plans an event; one planned for the past happens now.
    pub(crate) fn push(&mut self, at: Time, event: E) {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot] = Some(event);
                slot
            }
            None => {
                self.slots.push(Some(event));
                self.slots.len() - 1
            }
        };
        self.heap.push(Reverse((at.max(self.now), self.planned, slot)));
        self.planned += 1;
    }

    /// Takes the next event up to and including `until`, and moves the clock to it.
    pub(crate) fn pop(&mut self, until: Time) -> Option<E> {
        let Reverse((at, _, slot)) = *self.heap.peek()?;
        if at > until {
            return None;
        }
        self.heap.pop();
        self.now = at;
        self.popped += 1;
        self.free.push(slot);
        self.slots[slot].take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_then_by_order_of_planning() {
        let mut queue = Queue::new();
        for (at, event) in [(5, 'a'), (3, 'b'), (5, 'c'), (3, 'd'), (9, 'e')] {
            queue.push(Time(at), event);
        }
        let mut seen = String::new();
        while let Some(event) = queue.pop(Time(8)) {
            seen.push(event);
            if event == 'b' {
                queue.push(Time(1), 'x');
            }
        }
        assert_eq!(seen, "bdxac");
        assert_eq!((queue.now(), queue.popped()), (Time(5), 5));
        assert_eq!(queue.pop(Time(9)), Some('e'));
    }
}
