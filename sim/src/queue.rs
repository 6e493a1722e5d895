//! The clock of a simulated world: what happens next, and when. Events of one moment happen in the order in which they
//! were planned.
//!
//! It is a radix heap: since nothing is planned for the past, events need only be told apart by the highest bit in which
//! their time differs from the present. Each moves from bucket to lower bucket as its time comes nearer, in long rows, and
//! never has to be compared with others in places far apart.
//!
//! **Invariant:** time never goes back, and no event is lost. Bucket 0 holds what happens now; bucket `n` what happens at a
//! time of which bit `n - 1` is the highest that differs from now. So all events of one moment lie in one bucket, in the
//! order in which they were planned.

use callboard_core::machine::Time;
use std::collections::VecDeque;

/// Keeps what is still to happen. The buckets hold 16 bytes an event, whatever an event is; the events lie beside them.
#[derive(Clone, Debug)]
pub(crate) struct Queue<E> {
    now: Time,
    popped: u64,
    present: VecDeque<u32>,
    /// From bucket 1 on.
    future: Vec<Vec<(Time, u32)>>,
    slots: Vec<Option<E>>,
    free: Vec<u32>,
}

impl<E> Queue<E> {
    pub(crate) fn new() -> Queue<E> {
        Queue {
            now: Time(0),
            popped: 0,
            present: VecDeque::new(),
            future: vec![Vec::new(); 64],
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
                self.slots[slot as usize] = Some(event);
                slot
            }
            None => {
                self.slots.push(Some(event));
                u32::try_from(self.slots.len() - 1).expect("fewer events than memory holds")
            }
        };
        self.plan(at.max(self.now), slot);
    }

    /// Takes the next event up to and including `until`, and moves the clock to it.
    pub(crate) fn pop(&mut self, until: Time) -> Option<E> {
        if self.present.is_empty() {
            self.advance(until);
        }
        if self.now > until {
            return None;
        }
        let slot = self.present.pop_front()?;
        self.popped += 1;
        self.free.push(slot);
        self.slots[slot as usize].take()
    }

    fn plan(&mut self, at: Time, slot: u32) {
        match (at.0 ^ self.now.0).checked_ilog2() {
            None => self.present.push_back(slot),
            Some(highest) => self.future[highest as usize].push((at, slot)),
        }
    }

    /// Moves the clock to the next event, if there is one by then: it is in the lowest bucket that holds any.
    fn advance(&mut self, until: Time) {
        let Some(bucket) = self.future.iter().position(|bucket| !bucket.is_empty()) else { return };
        let soonest = self.future[bucket].iter().map(|(at, _)| *at).min();
        let Some(soonest) = soonest.filter(|soonest| *soonest <= until) else { return };
        self.now = soonest;
        let mut planned = std::mem::take(&mut self.future[bucket]);
        for (at, slot) in planned.drain(..) {
            self.plan(at, slot);
        }
        self.future[bucket] = planned;
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

    #[test]
    fn events_come_as_from_a_sorted_list() {
        let (mut queue, mut list, mut random) = (Queue::new(), Vec::new(), 1_u64);
        for number in 0..20_000_u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = queue.now() + callboard_core::machine::Span((random >> 33) % (1 << (number % 20)));
            queue.push(at, number);
            list.push((at, number));
            if random >> 62 != 0 {
                continue;
            }
            let until = queue.now() + callboard_core::machine::Span(random >> 50 & 0xff);
            list.sort_unstable();
            let due = list.partition_point(|(at, _)| *at <= until);
            for (at, number) in list.drain(..due) {
                assert_eq!((queue.pop(until), queue.now()), (Some(number), at));
            }
            assert_eq!(queue.pop(until), None);
        }
        assert!(queue.popped() > 10_000);
    }
}
