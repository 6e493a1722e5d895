//! Sees what happens in a fleet, in its store and in its process table, and brings it before the checkers.

use crate::kind::{Kind, Servers};
use crate::observer;
use crate::processes::Process;
use crate::table::{answers, tasks};
use callboard_core::machine::{Span, Time};
use callboard_core::store::{Change, Entry};
use callboard_sim::{Seen, Trial};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the process table is looked at.
const PACE: Duration = Duration::from_millis(100);
/// A count of who answers that took longer than this tells nothing: a task may have gone and its replacement come
/// meanwhile. It is half of the time for which a replacement must be healthy before another task goes.
const SLOW: Duration = Duration::from_millis(500);
/// How slowly news may travel on a machine with this much to do.
const LAG: Span = Span::secs(5);

/// What was seen so far.
pub(crate) struct Record {
    trial: Trial,
    begun: Instant,
    /// Which of the core's invariants did not hold, and when.
    broken: Vec<String>,
    /// The value of the cluster's lock, while somebody holds it.
    lock: Option<String>,
    /// Changes of the store.
    changes: usize,
    /// Processes that came to be.
    births: usize,
    /// How many tasks answered, count by count.
    counts: Vec<usize>,
}

impl Record {
    fn now(&self) -> Time {
        Time(u64::try_from(self.begun.elapsed().as_millis()).expect("a test does not take so long"))
    }

    fn clock(&mut self) {
        let now = self.now();
        self.trial.at(now);
    }

    /// Takes in what one event of the store showed.
    pub(crate) fn changed(&mut self, changes: &[Change]) {
        self.clock();
        self.changes += changes.len();
        for change in changes.iter().filter(|change| change.key() == "schedulers/default") {
            self.lock = match change {
                Change::Put(entry) => Some(entry.value.clone()),
                Change::Delete { .. } => None,
            };
        }
        self.trial.changed(changes);
    }

    /// Takes in that the store went back.
    pub(crate) fn put_back(&mut self, entries: &[Arc<Entry>]) {
        self.clock();
        let lock = entries.iter().find(|entry| entry.key == "schedulers/default");
        self.lock = lock.map(|entry| entry.value.clone());
        self.trial.put_back(entries);
    }

    /// Takes in what did not hold after the last of these.
    pub(crate) fn hold(&mut self, broken: Vec<String>) {
        let now = self.now();
        self.broken.extend(broken.into_iter().map(|what| format!("{what} at {}ms", now.0)));
    }
}

/// A witness at work.
pub(crate) struct Witness {
    record: Arc<Mutex<Record>>,
    ended: Arc<AtomicBool>,
    looks: Option<JoinHandle<()>>,
    /// Runs the client of the store.
    runtime: tokio::runtime::Runtime,
}

impl Witness {
    /// Begins to watch the store at these ports and the tasks in this directory.
    pub(crate) fn start(kind: Kind, ports: Vec<u16>, dir: &Path) -> Witness {
        let ttl = Span(u64::try_from(kind.outlast().as_millis()).expect("seconds"));
        let record = Arc::new(Mutex::new(Record {
            trial: Trial::new(LAG, ttl),
            begun: Instant::now(),
            broken: Vec::new(),
            lock: None,
            changes: 0,
            births: 0,
            counts: Vec::new(),
        }));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("threads can be had");
        let shared = Arc::clone(&record);
        runtime.spawn(async move { observer::follow(Servers::store(kind, &ports).await, shared).await });
        let ended = Arc::new(AtomicBool::new(false));
        let (shared, stop, dir) = (Arc::clone(&record), Arc::clone(&ended), dir.to_owned());
        let looks = Some(std::thread::spawn(move || look(&dir, &stop, &shared)));
        Witness { record, ended, looks, runtime }
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().expect("nobody panics with it")
    }

    /// Gives the process that holds the lock, where somebody does.
    pub(crate) fn holder(&self) -> Option<u32> {
        self.record()
            .lock
            .as_ref()?
            .split("pid ")
            .nth(1)?
            .split(|byte: char| !byte.is_ascii_digit())
            .next()?
            .parse()
            .ok()
    }

    /// Says that the store may answer nobody for so long.
    pub(crate) fn outage(&self, span: Duration) {
        let mut record = self.record();
        record.clock();
        let until = Time(record.now().0 + u64::try_from(span.as_millis()).expect("seconds"));
        record.trial.outage(until);
    }

    /// Gives how few tasks answered at any look since this was asked last.
    pub(crate) fn least(&self) -> usize {
        let counts = std::mem::take(&mut self.record().counts);
        assert!(counts.len() >= 5, "too few looks to tell anything: {counts:?}");
        counts.into_iter().min().expect("there are some")
    }

    /// Ends, and expects that nothing was wrong and everything is as it shall be.
    #[track_caller]
    pub(crate) fn verdict(mut self, hosts: &[&str], unsound: &[(&str, u32)]) {
        self.ended.store(true, Ordering::Relaxed);
        self.looks.take().expect("it ends once").join().expect("looking does not fail");
        self.runtime.shutdown_background();
        let mut found = self.record.lock().expect("nobody panics with it");
        found.clock();
        assert!(
            found.changes > 20 && found.births > 2,
            "it saw too little: {} {}",
            found.changes,
            found.births
        );
        assert!(found.broken.is_empty(), "the core's invariants: {:#?}", found.broken);
        let trial = std::mem::replace(&mut found.trial, Trial::new(LAG, LAG));
        let verdict = trial.verdict(Span(0), hosts, unsound);
        let verdict: Vec<String> = verdict.iter().map(ToString::to_string).collect();
        assert!(verdict.is_empty(), "the checkers: {verdict:#?}");
    }
}

/// Looks at the process table again and again.
fn look(dir: &Path, ended: &AtomicBool, record: &Mutex<Record>) {
    let mut known: BTreeMap<Process, (Seen, bool)> = BTreeMap::new();
    while !ended.load(Ordering::Relaxed) {
        let started = Instant::now();
        let now = tasks(dir);
        let well: Vec<bool> = now.iter().map(|(_, seen)| answers(seen)).collect();
        let mut record = record.lock().expect("nobody panics with it");
        record.clock();
        let gone: Vec<Process> =
            known.keys().filter(|process| !now.iter().any(|(other, _)| other == *process)).cloned().collect();
        for process in gone {
            if let Some((seen, was_well)) = known.remove(&process) {
                record.trial.gone(&seen, was_well, true);
            }
        }
        for ((process, seen), well) in now.iter().zip(&well) {
            let known = known.entry(process.clone()).or_insert_with(|| {
                record.births += 1;
                record.trial.born(seen);
                (seen.clone(), false)
            });
            if known.1 != *well {
                known.1 = *well;
                record.trial.health(seen, *well);
            }
        }
        if started.elapsed() < SLOW {
            record.counts.push(well.iter().filter(|well| **well).count());
        }
        drop(record);
        std::thread::sleep(PACE);
    }
}
