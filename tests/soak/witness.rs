//! Watches a soak: the store, and which runs live, by the process table and by the engine's containers.
//!
//! A run lives from the first process or container of it to the last, those of its setup and teardown included. Who has
//! no check does its work as long as it lives.

use crate::ground::{runs, sail};
use crate::parts::{PARTS, Part};
use callboard_sim::Seen;
use stage::witness::{self, Record, Sights, consul_at};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The name of the host.
const HOST: &str = "h1";
/// Longer than a session lasts in Consul that is not renewed.
const OUTLAST: Duration = Duration::from_secs(23);
/// How long a listing of containers may take; an engine that hangs tells nothing.
const PATIENCE: Duration = Duration::from_secs(3);

/// A witness at work.
pub(crate) struct Witness {
    common: witness::Witness,
    /// Runs that were struck: their end says nothing of an order.
    struck: Arc<Mutex<BTreeSet<String>>>,
}

impl Witness {
    /// Begins to watch Consul at this port, tasks in this directory, and containers of this engine.
    pub(crate) fn start(port: u16, data_dir: &Path, engine: &str) -> Witness {
        let struck = Arc::new(Mutex::new(BTreeSet::new()));
        let mut looks = Looks {
            data_dir: data_dir.to_owned(),
            engine: engine.to_owned(),
            struck: Arc::clone(&struck),
            numbers: BTreeMap::new(),
            in_bash: Sights::default(),
            in_docker: Sights::default(),
        };
        let store = async move { consul_at(&[port]) };
        let common = witness::Witness::start(store, OUTLAST, move |record| looks.look(record));
        Witness { common, struck }
    }

    /// Says, before it happens, that something of a run is killed.
    pub(crate) fn strikes(&self, run: &str) {
        self.struck.lock().expect("nobody panics with them").insert(run.to_owned());
    }

    /// Says that the store answers nobody for so long.
    pub(crate) fn outage(&self, span: Duration) {
        self.common.outage(span);
    }

    /// Says that the daemon is away for so long, and its lock for as long as its session.
    pub(crate) fn absence(&self, span: Duration) {
        self.common.trouble(span + OUTLAST);
    }

    /// Counts changes of the store, and runs.
    pub(crate) fn counts(&self) -> (usize, usize) {
        self.common.counts()
    }

    /// Expects that nothing was wrong so far and everything is as it shall be; what does not stay need not.
    #[track_caller]
    pub(crate) fn verdict(&self, versions: &[u32]) {
        let unsound: Vec<(&str, u32)> = PARTS
            .iter()
            .zip(versions)
            .filter(|(part, _)| !part.stays)
            .map(|(part, version)| (part.name, *version))
            .collect();
        self.common.verdict(&[HOST], &unsound);
    }
}

/// What is looked at, and what was seen of it.
struct Looks {
    data_dir: PathBuf,
    engine: String,
    struck: Arc<Mutex<BTreeSet<String>>>,
    /// A number for each run that was ever seen.
    numbers: BTreeMap<String, u32>,
    in_bash: Sights<String>,
    /// What is in docker, at least in part.
    in_docker: Sights<String>,
}

impl Looks {
    fn look(&mut self, record: &Mutex<Record>) {
        let processes = runs(&self.data_dir);
        let containers = sail(&self.engine, PATIENCE);
        // They are looked at one after the other. A process that lives after the containers were listed did so before: what
        // follows its run cannot have been among them.
        let live = processes.into_iter().filter(|(_, of)| of.iter().any(|process| process.lives()));
        let live: BTreeSet<String> =
            live.map(|(run, _)| run).chain(containers.iter().flatten().cloned()).collect();
        let (ships, others): (Vec<_>, Vec<_>) = live
            .into_iter()
            .filter_map(|run| self.sight(run))
            .partition(|(run, ..)| Part::of(run).is_some_and(|part| part.is_of("docker")));
        let struck = self.struck.lock().expect("nobody panics with them");
        let ordered = |run: &String| !struck.contains(run) && Part::of(run).is_some_and(|part| part.stays);
        let mut record = record.lock().expect("nobody panics with it");
        self.in_bash.look(&mut record, &others, ordered);
        // Who does not see the engine's containers knows nothing new of them.
        if containers.is_some() {
            self.in_docker.look(&mut record, &ships, ordered);
        }
    }

    fn sight(&mut self, run: String) -> Option<(String, Seen, bool)> {
        let (id, start) = run.split_once('/')?;
        let next = u32::try_from(self.numbers.len()).expect("fewer runs than that");
        let pid = *self.numbers.entry(run.clone()).or_insert(next);
        let seen = Seen {
            host: HOST.into(),
            id: id.into(),
            service: Part::of(id)?.name.into(),
            generation: start.split('-').next()?.parse().ok()?,
            pid,
            port: None,
        };
        Some((run, seen, true))
    }
}
