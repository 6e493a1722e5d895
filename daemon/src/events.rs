//! The last things that happened, numbered and with wall time, for those who ask and those who follow.

use callboard_core::why::Note;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use tokio::sync::broadcast;

/// How many events are kept.
const KEPT: usize = 4096;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Event {
    /// Grows by one from event to event, within one process.
    pub(crate) number: u64,
    /// Wall time, RFC 3339, UTC.
    pub(crate) time: String,
    /// Who says so: `scheduler`, `agent` or `daemon`.
    pub(crate) source: String,
    /// What kind of thing.
    pub(crate) kind: String,
    /// The service it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<String>,
    /// The task it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) task: Option<String>,
    /// The host it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<String>,
    /// In words.
    pub(crate) text: String,
}

/// Keeps the last events of this process and hands new ones to those who follow.
pub(crate) struct Events {
    ring: Mutex<Ring>,
    sender: broadcast::Sender<Event>,
}

#[derive(Default)]
struct Ring {
    next: u64,
    kept: VecDeque<Event>,
}

impl Events {
    /// Makes an empty ring.
    pub(crate) fn new() -> Events {
        Events { ring: Mutex::default(), sender: broadcast::channel(KEPT).0 }
    }

    /// Takes in what a machine noted: keeps it, logs it, hands it on.
    pub(crate) fn note(&self, source: &str, note: &Note) {
        let text = note.to_string();
        if is_trouble(note) {
            tracing::warn!(source, "{text}");
        } else {
            tracing::info!(source, "{text}");
        }
        let about = about(note);
        self.push(source, kind(note), about, text);
    }

    /// Takes in what the daemon itself did.
    pub(crate) fn say(&self, text: impl Into<String>) {
        let text = text.into();
        tracing::info!(source = "daemon", "{text}");
        self.push("daemon", "daemon", About::default(), text);
    }

    fn push(&self, source: &str, kind: &str, about: About, text: String) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.next += 1;
        let event = Event {
            number: ring.next,
            time: format!("{:.3}", jiff::Timestamp::now()),
            source: source.into(),
            kind: kind.into(),
            service: about.service,
            task: about.task,
            host: about.host,
            text,
        };
        ring.kept.push_back(event.clone());
        if ring.kept.len() > KEPT {
            ring.kept.pop_front();
        }
        // Nobody may be following, which is no error. Sent under the lock, so that followers see the order of numbers.
        let _followers = self.sender.send(event);
    }

    /// Gives the kept events after a number, and a channel of all that follow them.
    pub(crate) fn after(&self, number: u64) -> (Vec<Event>, broadcast::Receiver<Event>) {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = ring.kept.iter().filter(|event| event.number > number).cloned().collect();
        (kept, self.sender.subscribe())
    }
}

#[derive(Default)]
struct About {
    service: Option<String>,
    task: Option<String>,
    host: Option<String>,
}

fn about(note: &Note) -> About {
    let text = |name: &callboard_core::model::Name| Some(name.to_string());
    match note {
        Note::Placed { id, service, host, .. } | Note::StopOrdered { id, service, host, .. } => {
            About { service: text(service), task: text(id), host: text(host) }
        }
        Note::MakingRoom { service, host, .. } => {
            About { service: text(service), host: text(host), task: None }
        }
        Note::Removed { id, host } => About { task: text(id), host: text(host), service: None },
        Note::RolloutStarted { service, .. }
        | Note::RolloutDone { service, .. }
        | Note::Completed { service, .. }
        | Note::RolloutFailed { service, .. }
        | Note::Blocked { service, .. } => About { service: text(service), ..About::default() },
        Note::HostSuspect { host } | Note::HostLost { host, .. } | Note::HostReady { host } => {
            About { host: text(host), ..About::default() }
        }
        Note::Task { id, .. } | Note::MoveRequested { id, .. } => {
            About { task: text(id), ..About::default() }
        }
        Note::Braked { .. }
        | Note::LockTaken { .. }
        | Note::LockLost { .. }
        | Note::Store { .. }
        | Note::BadRecord { .. } => About::default(),
    }
}

fn kind(note: &Note) -> &'static str {
    match note {
        Note::Placed { .. } => "placed",
        Note::StopOrdered { .. } => "stop_ordered",
        Note::MakingRoom { .. } => "making_room",
        Note::Removed { .. } => "removed",
        Note::RolloutStarted { .. } => "rollout_started",
        Note::RolloutDone { .. } => "rollout_done",
        Note::Completed { .. } => "completed",
        Note::RolloutFailed { .. } => "rollout_failed",
        Note::Blocked { .. } => "blocked",
        Note::HostSuspect { .. } => "host_suspect",
        Note::HostLost { .. } => "host_lost",
        Note::HostReady { .. } => "host_ready",
        Note::Braked { .. } => "braked",
        Note::LockTaken { .. } => "lock_taken",
        Note::LockLost { .. } => "lock_lost",
        Note::Task { .. } => "task",
        Note::MoveRequested { .. } => "move_requested",
        Note::Store { .. } => "store",
        Note::BadRecord { .. } => "bad_record",
    }
}

fn is_trouble(note: &Note) -> bool {
    matches!(
        note,
        Note::RolloutFailed { .. }
            | Note::Blocked { .. }
            | Note::HostSuspect { .. }
            | Note::HostLost { .. }
            | Note::Braked { .. }
            | Note::LockLost { .. }
            | Note::Store { .. }
            | Note::BadRecord { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_numbered_bounded_and_followed() {
        let events = Events::new();
        let (_, mut follower) = events.after(0);
        for _ in 0..KEPT + 10 {
            events.note("scheduler", &Note::HostReady { host: "h1".into() });
        }
        let (kept, _) = events.after(0);
        assert_eq!(kept.len(), KEPT);
        assert_eq!(kept[0].number, 11);
        assert_eq!(events.after(kept[KEPT - 1].number).0, []);
        assert_eq!(kept[0].host.as_deref(), Some("h1"));
        assert!(matches!(follower.try_recv(), Err(broadcast::error::TryRecvError::Lagged(10))));
    }
}
