//! How a prefix is followed: by asking for all of it whenever it has changed, and by comparing.
//!
//! Each change of a prefix moves the whole of it over the wire, so after each answer the watch rests for as long as the
//! answer took, up to two seconds: a busy store gets fewer questions and larger steps.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use callboard_core::store::{Change, Entry, Revision};
use tokio::time::Instant;

use super::known::{Begun, Contents, Known, WENT_BACK, contents};
use super::kv::{Patience, Read, read};
use super::{Client, random};
use crate::live::Over;
use crate::{Watch, WatchEvent};

/// How long Consul may leave a question open; then there is a sign of life. Spread, so that watches which began together
/// do not ask together.
const WAIT_LEAST: Duration = Duration::from_secs(20);
const WAIT_SPREAD_MS: u64 = 10_000;
/// The longest rest.
const REST_MAX: Duration = Duration::from_secs(2);
/// How long to rest after an answer that came early and said nothing.
const REST_PUZZLED: Duration = Duration::from_secs(1);

/// Begins a watch; one that has ended when the listing it continues is not remembered.
pub(crate) fn follow(client: &Arc<Client>, prefix: &str, after: Revision) -> Box<dyn Watch> {
    let Some(begun) = client.known.begin(prefix, after) else {
        return Box::new(Over(format!("the listing of revision {} is no longer known; list again", after.0)));
    };
    let prefix = prefix.to_string();
    Box::new(Follow {
        client: Arc::clone(client),
        prefix,
        begun,
        revision: after.0,
        rest: Instant::now(),
        over: None,
    })
}

struct Follow {
    client: Arc<Client>,
    prefix: String,
    begun: Begun,
    /// All up to here has been delivered.
    revision: u64,
    /// Nothing is asked before.
    rest: Instant,
    /// Why it ended.
    over: Option<String>,
}

/// An answer, and how long to rest after it.
struct Answered {
    read: Read,
    rest: Duration,
}

impl Follow {
    /// Waits for the next answer. Changes nothing, so it can be dropped.
    async fn ask(&self) -> Result<Answered, String> {
        tokio::time::sleep_until(self.rest).await;
        let wait = WAIT_LEAST + Duration::from_millis(random() % WAIT_SPREAD_MS);
        let began = Instant::now();
        let patience = Some(Patience { index: self.revision, wait });
        let answer =
            read(&self.client.http, &self.prefix, patience).await.map_err(|error| error.to_string())?;
        if answer.index > self.revision || began.elapsed() >= wait {
            let rest = answer.cost.min(REST_MAX);
            return Ok(Answered { read: answer, rest });
        }
        // It came early and has nothing new: so it is when a snapshot was restored, and what it shows may be from before.
        let answer = read(&self.client.http, &self.prefix, None).await.map_err(|error| error.to_string())?;
        Ok(Answered { read: answer, rest: REST_PUZZLED })
    }

    fn take(&mut self, answered: Answered) -> Result<WatchEvent, String> {
        let Answered { read: Read { index, entries, .. }, rest } = answered;
        let now = Arc::new(contents(&entries));
        let known: &Known = &self.client.known;
        let next = known.followed(&self.prefix, &self.begun, self.revision, index, &now)?;
        self.revision = next;
        // Of an empty prefix Consul tells whenever something is written that lies near it.
        let rest = if *self.begun.contents == *now { rest.max(REST_PUZZLED) } else { rest };
        self.rest = Instant::now() + rest;
        let before = mem::replace(&mut self.begun.contents, Arc::clone(&now));
        let revision = Revision(next);
        Ok(WatchEvent::Changed { revision, changes: changes(&before, entries, &now, revision) })
    }
}

#[async_trait]
impl Watch for Follow {
    async fn next(&mut self) -> WatchEvent {
        if let Some(why) = &self.over {
            return WatchEvent::Ended(why.clone());
        }
        let mut epochs = self.begun.epochs.clone();
        let answered = tokio::select! {
            _ = epochs.changed() => Err(WENT_BACK.to_string()),
            answered = self.ask() => answered,
        };
        match answered.and_then(|answered| self.take(answered)) {
            Ok(event) => event,
            Err(why) => WatchEvent::Ended(self.over.insert(why).clone()),
        }
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        self.client.known.end(&self.prefix);
    }
}

/// Finds what is different. Nobody says when a key was deleted: it is said to have gone at `revision`.
fn changes(before: &Contents, entries: Vec<Arc<Entry>>, now: &Contents, revision: Revision) -> Vec<Change> {
    let deleted = before.keys().filter(|key| !now.contains_key(*key));
    let deleted = deleted.map(|key| Change::Delete { key: key.clone(), revision });
    let written = entries.into_iter().filter(|entry| before.get(&entry.key) != Some(&entry.revision.0));
    deleted.chain(written.map(Change::Put)).collect()
}
