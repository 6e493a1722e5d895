//! Sees what happens to a real fleet, in its store and among its processes, and brings it before the checkers of the
//! simulator.

mod observer;

use callboard_backends::{Consul, ConsulSettings, Store};
use callboard_core::machine::{Span, Time};
use callboard_core::store::{Change, Entry};
use callboard_sim::{Seen, Trial};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long it is rested between two looks.
const PACE: Duration = Duration::from_millis(100);
/// How slowly news may travel on a machine with this much to do.
const LAG: Span = Span::secs(5);

/// What was seen so far.
pub struct Record {
    trial: Trial,
    begun: Instant,
    /// Which of the core's invariants did not hold, and when.
    broken: Vec<String>,
    /// The value of the cluster's lock, while somebody holds it.
    lock: Option<String>,
    /// Changes of the store.
    changes: usize,
    /// What came to be.
    births: usize,
}

impl Record {
    fn now(&self) -> Time {
        millis(self.begun.elapsed())
    }

    fn clock(&mut self) {
        let now = self.now();
        self.trial.at(now);
    }

    /// Takes in what one event of the store showed.
    fn changed(&mut self, changes: &[Change]) {
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
    fn put_back(&mut self, entries: &[Arc<Entry>]) {
        self.clock();
        let lock = entries.iter().find(|entry| entry.key == "schedulers/default");
        self.lock = lock.map(|entry| entry.value.clone());
        self.trial.put_back(entries);
    }

    /// Takes in what did not hold after the last of these.
    fn hold(&mut self, broken: Vec<String>) {
        let now = self.now();
        self.broken.extend(broken.into_iter().map(|what| format!("{what} at {}ms", now.0)));
    }
}

/// What lives of tasks, as one look after the other shows it. `K` is what one is known by from look to look.
#[derive(Debug)]
pub struct Sights<K>(BTreeMap<K, (Seen, bool)>);

impl<K> Default for Sights<K> {
    fn default() -> Sights<K> {
        Sights(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Sights<K> {
    /// Takes in all that lives now, and whether it does its work. `ordered` tells of what is gone whether nobody but an
    /// agent can have ended it.
    pub fn look(&mut self, record: &mut Record, now: &[(K, Seen, bool)], ordered: impl Fn(&K) -> bool) {
        record.clock();
        let gone: Vec<K> =
            self.0.keys().filter(|key| !now.iter().any(|(other, ..)| other == *key)).cloned().collect();
        for key in gone {
            if let Some((seen, was_well)) = self.0.remove(&key) {
                record.trial.gone(&seen, was_well, ordered(&key));
            }
        }
        for (key, seen, is_well) in now {
            let known = self.0.entry(key.clone()).or_insert_with(|| {
                record.births += 1;
                record.trial.born(seen);
                (seen.clone(), false)
            });
            if known.1 != *is_well {
                known.1 = *is_well;
                record.trial.health(&known.0, *is_well);
            }
        }
    }
}

/// A witness at work.
pub struct Witness {
    record: Arc<Mutex<Record>>,
    ended: Arc<AtomicBool>,
    looks: Option<JoinHandle<()>>,
    /// Runs the client of the store.
    _runtime: tokio::runtime::Runtime,
}

impl Witness {
    /// Begins to follow a store through a client of its own, and to look at what lives, again and again. `outlast` is how
    /// long sessions outlive their owners.
    ///
    /// # Panics
    /// The machine has no threads left.
    #[must_use]
    pub fn start(
        store: impl Future<Output = Arc<dyn Store>> + Send + 'static,
        outlast: Duration,
        mut look: impl FnMut(&Mutex<Record>) + Send + 'static,
    ) -> Witness {
        let record = Arc::new(Mutex::new(Record {
            trial: Trial::new(LAG, Span(millis(outlast).0)),
            begun: Instant::now(),
            broken: Vec::new(),
            lock: None,
            changes: 0,
            births: 0,
        }));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("threads can be had");
        let shared = Arc::clone(&record);
        runtime.spawn(async move { observer::follow(store.await, shared).await });
        let ended = Arc::new(AtomicBool::new(false));
        let (shared, stop) = (Arc::clone(&record), Arc::clone(&ended));
        let looks = std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                look(&shared);
                std::thread::sleep(PACE);
            }
        });
        Witness { record, ended, looks: Some(looks), _runtime: runtime }
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().expect("nobody panics with it")
    }

    /// Gives the process that holds the lock, where somebody does.
    #[must_use]
    pub fn holder(&self) -> Option<u32> {
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
    pub fn outage(&self, span: Duration) {
        let mut record = self.record();
        record.clock();
        let until = record.now() + Span(millis(span).0);
        record.trial.outage(until);
    }

    /// Says that somebody who decides may be unable to act for so long.
    pub fn trouble(&self, span: Duration) {
        let mut record = self.record();
        record.clock();
        let until = record.now() + Span(millis(span).0);
        record.trial.trouble(until);
    }

    /// Counts what it saw: changes of the store, and processes or runs that came to be.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let record = self.record();
        (record.changes, record.births)
    }

    /// Expects that nothing was wrong so far, and that everything is as it shall be.
    ///
    /// # Panics
    /// Something was, or is not.
    #[track_caller]
    pub fn verdict(&self, hosts: &[&str], unsound: &[(&str, u32)]) {
        let mut record = self.record();
        record.clock();
        let (changes, births, broken) = (record.changes, record.births, record.broken.clone());
        let verdict = record.trial.clone().verdict(Span(0), hosts, unsound);
        drop(record);
        assert!(changes > 20 && births > 2, "it saw too little: {changes} {births}");
        assert!(broken.is_empty(), "the core's invariants: {broken:#?}");
        let verdict: Vec<String> = verdict.iter().map(ToString::to_string).collect();
        assert!(verdict.is_empty(), "the checkers: {verdict:#?}");
    }

    /// Ends its looks.
    ///
    /// # Panics
    /// One of them failed.
    pub fn end(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(looks) = self.looks.take() {
            looks.join().expect("looking does not fail");
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

fn millis(span: Duration) -> Time {
    Time(u64::try_from(span.as_millis()).expect("a test does not take so long"))
}

/// Gives a client of the Consul that is reached by these ports.
///
/// # Panics
/// The settings are not taken.
#[must_use]
pub fn consul_at(ports: &[u16]) -> Arc<dyn Store> {
    // Another thread may have been the first.
    let _first = rustls::crypto::ring::default_provider().install_default();
    let addresses = ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
    let settings = ConsulSettings { addresses, ..ConsulSettings::default() };
    Arc::new(Consul::open(&settings).expect("settings that work"))
}
