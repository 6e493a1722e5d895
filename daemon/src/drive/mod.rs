//! The drivers: they carry inputs to the machines and effects to the world, and decide nothing.
//!
//! **Invariant:** a driver never looks into a machine's state to choose what to do; what a driver decides, no
//! simulation tests.

mod agent;
mod scheduler;
mod store;

pub(crate) use agent::{AgentDriver, Kept, Told};
pub(crate) use scheduler::{Question, SchedulerDriver};

use callboard_core::machine::{Time, Wake};
use std::time::{Duration, Instant};

/// Time since this process started, the only clock a machine gets to see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts at zero.
    pub(crate) fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    /// Reads the clock.
    pub(crate) fn now(self) -> Time {
        Time(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Sleeps until a machine's wake time; for ever when it has none.
    pub(crate) async fn until(self, wake: Option<(Time, Wake)>) {
        match wake {
            Some((at, _)) => {
                tokio::time::sleep_until((self.start + Duration::from_millis(at.0)).into()).await;
            }
            None => std::future::pending().await,
        }
    }
}
