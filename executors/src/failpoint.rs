//! Where this crate's own tests have an agent killed: before each thing that an executor changes in the world. Without the
//! feature `failpoints` there is nothing here.

#[cfg(feature = "failpoints")]
pub use armed::die_at;
#[cfg(feature = "failpoints")]
pub(crate) use armed::step;

#[cfg(not(feature = "failpoints"))]
pub(crate) fn step() {}

#[cfg(feature = "failpoints")]
mod armed {
    use core::sync::atomic::{AtomicU64, Ordering};
    use rustix::process::{Signal, getpid, kill_process};

    /// How many steps are left, the last of which is not taken; 0 for as many as there are.
    static LEFT: AtomicU64 = AtomicU64::new(0);

    /// Has this process killed instead of taking its step of a number, counted from 1.
    pub fn die_at(number: u64) {
        LEFT.store(number, Ordering::SeqCst);
    }

    pub(crate) fn step() {
        let left = LEFT.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left == Ok(1) {
            let _ = kill_process(getpid(), Signal::KILL);
            // Nothing is done in the moment that this takes.
            std::thread::sleep(std::time::Duration::from_secs(60));
        }
    }
}
