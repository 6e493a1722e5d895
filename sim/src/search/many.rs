//! Doing many things at once, on all cores, with results that come in order.
//!
//! **Invariant:** what is taken depends on the results alone, never on which thread was faster.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

/// Gives how many things can be done at once on this machine.
#[must_use]
pub fn cores() -> NonZero<usize> {
    std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN)
}

/// Does `work` for each of `0..count`, on so many threads, and gives the results to `take` in that order until it has
/// enough. Some that come after may have been done for nothing then.
pub fn in_order<R: Send>(
    threads: NonZero<usize>,
    count: u64,
    work: impl Fn(u64) -> R + Sync,
    mut take: impl FnMut(R) -> ControlFlow<()>,
) {
    let next = AtomicU64::new(0);
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..threads.get() {
            let (tell, next, work) = (tell.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count || tell.send((index, work(index))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(tell);
        let (mut early, mut due) = (BTreeMap::new(), 0);
        for (index, result) in told {
            early.insert(index, result);
            while let Some(result) = early.remove(&due) {
                due += 1;
                if take(result).is_break() {
                    next.store(count, Ordering::Relaxed);
                    return;
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(threads: usize, count: u64, enough: usize, expect: &[u64]) {
        let mut taken = Vec::new();
        let square = |index: u64| {
            // Those that come first take longest.
            (0..(count - index) * 1_000).fold(index * index, |sum, _| std::hint::black_box(sum))
        };
        in_order(NonZero::new(threads).expect("some"), count, square, |result| {
            taken.push(result);
            if taken.len() == enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(taken, expect);
    }

    #[test]
    fn results_come_in_order_however_many_work() {
        for threads in [1, 2, 7] {
            check(threads, 6, 99, &[0, 1, 4, 9, 16, 25]);
            check(threads, 6, 3, &[0, 1, 4]);
            check(threads, 0, 99, &[]);
        }
    }
}
