//! Watches a whole store, through a client of its own that no fault touches, and holds what it sees to the core's
//! invariants.

use super::Record;
use callboard_backends::{Store, WatchEvent};
use callboard_core::invariants;
use callboard_core::machine::{Machine, Span, Time};
use callboard_core::scheduler::{Effect, Input, Scheduler, Settings};
use callboard_core::store::{Change, Entry, Listing, Reply, Request, Revision};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the store holds, as far as it was seen.
#[derive(Default)]
struct Copy {
    entries: BTreeMap<String, Arc<Entry>>,
    revision: Revision,
}

/// Follows the store for as long as this is polled.
pub(super) async fn follow(store: Arc<dyn Store>, record: Arc<Mutex<Record>>) {
    let mut copy = Copy::default();
    loop {
        if let Ok(listing) = store.list("").await {
            copy.list(listing, &mut record.lock().expect("nobody panics with it"));
            copy.watch(&*store, &record).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

impl Copy {
    /// Takes in a listing: as changes, or as another past when the store went back.
    fn list(&mut self, listing: Listing, record: &mut Record) {
        let went_back = listing.revision < self.revision;
        let fresh: BTreeMap<String, Arc<Entry>> =
            listing.entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect();
        let gone = self.entries.keys().filter(|key| !fresh.contains_key(*key));
        let gone = gone.map(|key| Change::Delete { key: key.clone(), revision: listing.revision });
        let put = fresh.values().filter(|entry| self.entries.get(&entry.key) != Some(entry));
        let changes: Vec<Change> = gone.chain(put.cloned().map(Change::Put)).collect();
        self.entries = fresh;
        self.revision = listing.revision;
        if went_back {
            record.put_back(&self.entries.values().cloned().collect::<Vec<_>>());
        } else {
            record.changed(&changes);
        }
        record.hold(self.broken());
    }

    /// Follows until the watch ends.
    async fn watch(&mut self, store: &dyn Store, record: &Mutex<Record>) {
        let Ok(mut watch) = store.watch("", self.revision).await else { return };
        while let WatchEvent::Changed { revision, changes } = watch.next().await {
            self.revision = revision;
            for change in &changes {
                match change {
                    Change::Put(entry) => self.entries.insert(entry.key.clone(), entry.clone()),
                    Change::Delete { key, .. } => self.entries.remove(key),
                };
            }
            if !changes.is_empty() {
                let mut record = record.lock().expect("nobody panics with it");
                record.changed(&changes);
                record.hold(self.broken());
            }
        }
    }

    /// Gives which of the core's invariants do not hold: in the world of a scheduler that has just read all this.
    fn broken(&self) -> Vec<String> {
        let settings = Settings {
            name: "observer".into(),
            instance: "observer".into(),
            ttl: Span::secs(10),
            plan_delay: Span(100),
        };
        let mut scheduler = Scheduler::new(settings);
        let mut effects = scheduler.step(Time(0), Input::Wake);
        while let Some(effect) = effects.pop() {
            let Effect::Store(Request::List { prefix }) = effect else { continue };
            let entries = self.entries.values().filter(|entry| entry.key.starts_with(&prefix)).cloned();
            let result = Ok(Listing { revision: self.revision, entries: entries.collect() });
            effects.extend(scheduler.step(Time(0), Input::Store(Reply::Listed { prefix, result })));
        }
        assert!(scheduler.is_ready(), "it reads everything");
        invariants::check(scheduler.world()).iter().map(ToString::to_string).collect()
    }
}
