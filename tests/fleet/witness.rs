//! Watches a fleet: its store, its process table, and how many tasks answer.

use crate::kind::{Kind, Servers};
use crate::processes::Process;
use crate::table::{answers, tasks};
use callboard_sim::Seen;
use stage::witness::{self, Sights};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A count of who answers that took longer than this tells nothing: a task may have gone and its replacement come
/// meanwhile. It is half of the time for which a replacement must be healthy before another task goes.
const SLOW: Duration = Duration::from_millis(500);

/// A witness at work.
pub(crate) struct Witness {
    common: witness::Witness,
    /// How many tasks answered, count by count.
    counts: Arc<Mutex<Vec<usize>>>,
}

impl Witness {
    /// Begins to watch the store at these ports and the tasks in this directory.
    pub(crate) fn start(kind: Kind, ports: Vec<u16>, dir: &Path) -> Witness {
        let counts = Arc::new(Mutex::new(Vec::new()));
        let (shared, dir) = (Arc::clone(&counts), dir.to_owned());
        let mut sights: Sights<Process> = Sights::default();
        let look = move |record: &Mutex<witness::Record>| {
            let started = Instant::now();
            let well = |(process, seen): (Process, Seen)| {
                let is_well = answers(&seen);
                (process, seen, is_well)
            };
            let now: Vec<(Process, Seen, bool)> = tasks(&dir).into_iter().map(well).collect();
            sights.look(&mut record.lock().expect("nobody panics with it"), &now, |_| true);
            if started.elapsed() < SLOW {
                let count = now.iter().filter(|(.., is_well)| *is_well).count();
                shared.lock().expect("nobody panics with them").push(count);
            }
        };
        let store = async move { Servers::store(kind, &ports).await };
        Witness { common: witness::Witness::start(store, kind.outlast(), look), counts }
    }

    /// Gives the process that holds the lock, where somebody does.
    pub(crate) fn holder(&self) -> Option<u32> {
        self.common.holder()
    }

    /// Says that the store may answer nobody for so long.
    pub(crate) fn outage(&self, span: Duration) {
        self.common.outage(span);
    }

    /// Gives how few tasks answered at any look since this was asked last.
    pub(crate) fn least(&self) -> usize {
        let counts = std::mem::take(&mut *self.counts.lock().expect("nobody panics with them"));
        assert!(counts.len() >= 5, "too few looks to tell anything: {counts:?}");
        counts.into_iter().min().expect("there are some")
    }

    /// Ends, and expects that nothing was wrong and everything is as it shall be.
    #[track_caller]
    pub(crate) fn verdict(mut self, hosts: &[&str], unsound: &[(&str, u32)]) {
        self.common.end();
        self.common.verdict(hosts, unsound);
    }
}
