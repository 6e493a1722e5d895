//! A watch of etcd: its answers turned into whole transactions, and its silence noticed.
//!
//! **Invariant:** revisions grow from event to event, and a store that went back ends the watch.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use callboard_core::store::{Change, Revision};
use etcd_client::{Error, Event, EventType, ResponseHeader, WatchOptions, WatchResponse, WatchStream};
use tokio::time::Instant;

use super::fault::Fault;
use super::servers::{Again, Servers};
use super::{entry, range, revision};
use crate::{Watch, WatchEvent};

/// A watch that heard nothing for so long asks for a sign of life; etcd's own come every ten minutes unless configured.
/// Seldom enough for the watches of thousands of hosts; a server that is gone is noticed sooner, by its connection.
const SILENCE: Duration = Duration::from_secs(20);
/// A watch that heard nothing for so long is given up, before a machine lists again of its own accord.
const SILENCE_MAX: Duration = Duration::from_secs(45);

pub(super) async fn open(servers: &Servers, prefix: &str, after: Revision) -> Result<Box<dyn Watch>, Fault> {
    let (start, end) = range(prefix);
    let options = WatchOptions::new()
        .with_range(end)
        .with_start_revision(i64::try_from(after.0).unwrap_or(i64::MAX).saturating_add(1))
        .with_progress_notify();
    let opened = servers.ask(Again::Harmless, |server| {
        let (mut kv, mut client, watches) = (server.kv.clone(), server.watch.clone(), server.watches.clone());
        let (start, options) = (start.clone(), options.clone());
        async move {
            // A linearizable read brings this server up to date, or shows that the store went back; a watch that
            // begins in the future is silent for ever, or worse.
            let now = kv.get(start.clone(), None).await?;
            let now = at(now.header());
            if now < after {
                return Ok(Err(went_back(now, after)));
            }
            let mut stream = client.watch(start, Some(options)).await?;
            match stream.message().await? {
                Some(answer) if answer.created() && !answer.canceled() => Ok(Ok(stream)),
                Some(answer) if answer.compact_revision() != 0 => Ok(Err(ending(&answer))),
                Some(answer) => {
                    // Not permitted, which is also what etcd says when it forgot or outdated the token.
                    watches.refresh_token().await?;
                    Err(Error::WatchError(answer.cancel_reason().into()))
                }
                None => Err(Error::WatchError("etcd closed it".into())),
            }
        }
    });
    let (stream, ended) = match opened.await? {
        Ok(stream) => (Some(stream), String::new()),
        Err(why) => (None, why),
    };
    let heard = Instant::now();
    Ok(Box::new(EtcdWatch { stream, ended, last: after, ready: VecDeque::new(), heard, asked: false }))
}

struct EtcdWatch {
    /// None once it ended.
    stream: Option<WatchStream>,
    /// Why it ended.
    ended: String,
    /// Everything up to here was delivered, or is ready to be.
    last: Revision,
    ready: VecDeque<WatchEvent>,
    /// When etcd last said anything.
    heard: Instant,
    /// A sign of life was asked for since.
    asked: bool,
}

#[async_trait]
impl Watch for EtcdWatch {
    async fn next(&mut self) -> WatchEvent {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return event;
            }
            let Some(stream) = &mut self.stream else { return WatchEvent::Ended(self.ended.clone()) };
            let patience = if self.asked { SILENCE_MAX } else { SILENCE };
            let message = tokio::select! {
                message = stream.message() => Some(message),
                () = tokio::time::sleep_until(self.heard + patience) => None,
            };
            match message {
                Some(Ok(Some(answer))) => self.take(&answer),
                Some(Ok(None)) => self.end("etcd closed it".into()),
                Some(Err(error)) => self.end(error.to_string()),
                None if self.asked => {
                    self.end(format!("nothing was heard for {} s", SILENCE_MAX.as_secs()));
                }
                None => {
                    self.asked = true;
                    if let Err(error) = stream.request_progress().await {
                        self.end(error.to_string());
                    }
                }
            }
        }
    }
}

impl EtcdWatch {
    fn take(&mut self, answer: &WatchResponse) {
        (self.heard, self.asked) = (Instant::now(), false);
        let now = at(answer.header());
        if answer.canceled() {
            self.end(ending(answer));
        } else if now < self.last {
            self.end(went_back(now, self.last));
        } else if answer.events().is_empty() {
            // An answer to our question bears no number of a watch, and may overtake events in etcd before 3.4.25.
            if answer.watch_id() >= 0 {
                self.last = now;
            }
            self.ready.push_back(WatchEvent::Changed { revision: self.last, changes: Vec::new() });
        } else {
            self.take_events(answer.events());
        }
    }

    /// Makes one event of all changes of a revision. No answer ends in the midst of one unless that is asked for.
    fn take_events(&mut self, events: &[Event]) {
        let changes: Vec<Change> = events.iter().filter_map(change).collect();
        for changes in changes.chunk_by(|one, next| one.revision() == next.revision()) {
            let revision = changes[0].revision();
            // etcd has been seen to repeat itself after a partition.
            if revision > self.last {
                self.last = revision;
                self.ready.push_back(WatchEvent::Changed { revision, changes: changes.to_vec() });
            }
        }
    }

    fn end(&mut self, why: String) {
        self.stream = None;
        self.ended = why;
    }
}

fn ending(answer: &WatchResponse) -> String {
    match (answer.compact_revision(), answer.cancel_reason()) {
        (0, "") => "etcd cancelled it without a reason".into(),
        (0, why) => why.into(),
        (compacted, _) => format!("the history before revision {compacted} is compacted"),
    }
}

fn change(event: &Event) -> Option<Change> {
    let entry = entry(event.kv()?);
    Some(match event.event_type() {
        EventType::Put => Change::Put(Arc::new(entry)),
        EventType::Delete => Change::Delete { key: entry.key, revision: entry.revision },
    })
}

fn at(header: Option<&ResponseHeader>) -> Revision {
    revision(header.map_or(0, ResponseHeader::revision))
}

fn went_back(now: Revision, known: Revision) -> String {
    format!("the store is at revision {}, before {}: it was restored or replaced", now.0, known.0)
}
