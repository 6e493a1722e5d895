//! The one thread that writes. Commits that wait together and do not touch each other share one trip to the disk.
//!
//! **Invariant:** only this thread changes the memory (renewing a session aside), and only to what the disk holds.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use callboard_core::machine::{Span, Time};
use callboard_core::store::{Op, Outcome, Refusal, Revision, SessionId, Txn};
use tokio::sync::oneshot;

use crate::StoreError;
use crate::live::{Live, hold};
use crate::memory::{HISTORY_TXNS, Memory};

use super::disk::{self, Disk, Line, Opener, WriteError};

/// The most orders that are looked at together.
const TOGETHER: usize = 256;
/// The most bytes that one trip to the disk carries, give or take one transaction.
const TOGETHER_BYTES: usize = 4 * 1024 * 1024;
/// How often a file that could not be written is opened anew.
const MEND_EVERY: Duration = Duration::from_secs(1);

/// Monotonic milliseconds since the store was opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Instant);

impl Default for Clock {
    fn default() -> Clock {
        Clock(Instant::now())
    }
}

impl Clock {
    pub(super) fn now(self) -> Time {
        Time(u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

/// What the thread is asked for.
pub(super) enum Order {
    Commit { txn: Txn, answer: oneshot::Sender<Outcome> },
    OpenSession { name: String, ttl: Span, answer: oneshot::Sender<Result<SessionId, StoreError>> },
    CloseSession { session: SessionId, answer: oneshot::Sender<Result<(), StoreError>> },
    Stop,
}

pub(super) struct Writer {
    dir: PathBuf,
    opener: Opener,
    /// `None` after a write failed, until the file has been opened anew.
    disk: Option<Disk>,
    live: Arc<Mutex<Live>>,
    clock: Clock,
    batch: Batch,
    last_mended: Instant,
}

/// Commits that were found good, wait for the disk, and do not touch each other.
#[derive(Default)]
struct Batch {
    waiting: Vec<Waiting>,
    keys: BTreeSet<String>,
    bytes: usize,
}

struct Waiting {
    txn: Txn,
    /// Whether it makes a revision.
    changes: bool,
    answer: oneshot::Sender<Outcome>,
}

impl Writer {
    pub(super) fn new(
        dir: PathBuf,
        opener: Opener,
        disk: Disk,
        live: Arc<Mutex<Live>>,
        clock: Clock,
    ) -> Writer {
        let last_mended = Instant::now();
        Writer { dir, opener, disk: Some(disk), live, clock, batch: Batch::default(), last_mended }
    }

    /// Works until it is told to stop or nobody is left to order.
    pub(super) fn run(mut self, inbox: &Receiver<Order>) {
        loop {
            let first = match inbox.recv_timeout(self.patience()) {
                Ok(order) => Some(order),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            self.mend();
            for order in first.into_iter().chain(inbox.try_iter()).take(TOGETHER) {
                match order {
                    Order::Commit { txn, answer } => self.take(txn, answer),
                    Order::OpenSession { name, ttl, answer } => {
                        let _sent = answer.send(self.open_session(&name, ttl));
                    }
                    Order::CloseSession { session, answer } => {
                        self.flush();
                        let _sent = answer.send(self.close_session(&session));
                    }
                    Order::Stop => return self.flush(),
                }
            }
            self.flush();
            self.expire();
        }
    }

    fn patience(&self) -> Duration {
        if self.disk.is_none() {
            return MEND_EVERY;
        }
        let next = hold(&self.live).memory.next_expiry();
        next.map_or(Duration::from_secs(3600), |next| Duration::from_millis(next.since(self.clock.now()).0))
    }

    /// Refuses a commit or lets it wait for the disk.
    fn take(&mut self, txn: Txn, answer: oneshot::Sender<Outcome>) {
        let touches = txn.guards.iter().any(|guard| self.batch.keys.contains(guard.key()));
        if touches || self.batch.bytes > TOGETHER_BYTES {
            self.flush();
        }
        match self.check(&txn) {
            Ok(changes) => {
                self.batch.keys.extend(txn.ops.iter().map(|op| op.key().to_string()));
                self.batch.bytes += txn.bytes();
                self.batch.waiting.push(Waiting { txn, changes, answer });
            }
            Err(refusal) => {
                let _sent = answer.send(Outcome::Refused(refusal));
            }
        }
    }

    /// Tells whether a good commit will change anything, and so make a revision.
    fn check(&self, txn: &Txn) -> Result<bool, Refusal> {
        let live = hold(&self.live);
        live.serves().map_err(|error| Refusal::Unavailable(error.to_string()))?;
        live.memory.check(txn)?;
        Ok(txn.ops.iter().any(|op| match op {
            Op::Put { .. } => true,
            Op::Delete { key } => live.memory.get(key).is_some(),
        }))
    }

    /// Writes the batch, then shows it and answers.
    fn flush(&mut self) {
        let Batch { waiting, .. } = std::mem::take(&mut self.batch);
        if waiting.is_empty() {
            return;
        }
        let mut revision = hold(&self.live).memory.revision();
        let mut lines = Vec::new();
        for Waiting { txn, changes, .. } in &waiting {
            if *changes {
                revision.0 += 1;
                lines.extend(txn.ops.iter().map(|op| line(op, revision)));
            }
        }
        // Guards alone change nothing, so the disk need not hear of them.
        let written = if lines.is_empty() { Ok(()) } else { self.write(revision, &lines) };
        if let Err(error) = written {
            for Waiting { answer, .. } in waiting {
                let _sent = answer.send(match &error {
                    WriteError::NotWritten(why) => Outcome::Refused(Refusal::Unavailable(why.clone())),
                    WriteError::Unknown(why) => Outcome::Unknown(why.clone()),
                });
            }
            return;
        }
        let mut live = hold(&self.live);
        for Waiting { txn, answer, .. } in waiting {
            let (outcome, deliveries) = live.memory.commit(&txn);
            assert!(matches!(outcome, Outcome::Committed(_)), "on the disk, but refused: {outcome:?}");
            live.deliver(deliveries);
            let _sent = answer.send(outcome);
        }
        assert!(live.memory.revision() == revision, "the memory and the disk count differently");
    }

    fn open_session(&self, name: &str, ttl: Span) -> Result<SessionId, StoreError> {
        let mut live = hold(&self.live);
        live.serves()?;
        Ok(live.memory.open_session(name, ttl, self.clock.now()))
    }

    fn close_session(&mut self, session: &SessionId) -> Result<(), StoreError> {
        let (revision, keys) = {
            let live = hold(&self.live);
            live.serves()?;
            let keys: Vec<String> = live.memory.session_keys(session).map(String::from).collect();
            (Revision(live.memory.revision().0 + 1), keys)
        };
        if !keys.is_empty() {
            let lines: Vec<Line<'_>> = keys.iter().map(|key| Line::Delete { key }).collect();
            self.write(revision, &lines).map_err(|error| match error {
                WriteError::NotWritten(why) | WriteError::Unknown(why) => StoreError::Unavailable(why),
            })?;
        }
        let mut live = hold(&self.live);
        let deliveries = live.memory.close_session(session);
        live.deliver(deliveries);
        Ok(())
    }

    /// Ends the sessions that lapsed.
    fn expire(&mut self) {
        while self.disk.is_some() {
            let Some(session) = hold(&self.live).memory.lapsed(self.clock.now()) else { return };
            // When the disk fails every session ends with the memory.
            let _closed = self.close_session(&session);
        }
    }

    fn write(&mut self, revision: Revision, lines: &[Line<'_>]) -> Result<(), WriteError> {
        let Some(disk) = &self.disk else { return Err(WriteError::NotWritten("the disk failed".into())) };
        let written = disk.write(revision, lines);
        if let Err(WriteError::NotWritten(why) | WriteError::Unknown(why)) = &written {
            let why =
                format!("writing {} failed: {why}; check the disk and its free space", self.dir.display());
            hold(&self.live).fail(&why);
            self.disk = None;
            self.last_mended = Instant::now();
        }
        written
    }

    /// Opens the file anew after a failed write, now and then: what it holds is the truth, whatever was thought.
    fn mend(&mut self) {
        if self.disk.is_some() || self.last_mended.elapsed() < MEND_EVERY {
            return;
        }
        self.last_mended = Instant::now();
        match disk::open(&self.dir, &self.opener) {
            Ok((disk, revision, entries)) => {
                self.disk = Some(disk);
                hold(&self.live).restore(Memory::restore(revision, entries, HISTORY_TXNS));
            }
            Err(error) => hold(&self.live).fail(&error.to_string()),
        }
    }
}

impl Drop for Writer {
    /// Also when it panicked: then nobody knows whether the memory is what the disk holds.
    fn drop(&mut self) {
        hold(&self.live).fail(super::STOPPED);
    }
}

fn line(op: &Op, revision: Revision) -> Line<'_> {
    match op {
        Op::Put { key, value, session } => Line::Put { key, revision, session: session.as_ref(), value },
        Op::Delete { key } => Line::Delete { key },
    }
}
