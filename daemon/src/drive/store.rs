//! Carries a machine's store requests to the store and its replies back.

use callboard_backends::{Store, perform};
use callboard_core::store::{Reply, Request};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

/// One machine's line to the store.
pub(super) struct Line {
    store: Arc<dyn Store>,
    replies: UnboundedSender<Reply>,
    /// At most one watch of a prefix; a new one takes the place of the old.
    watches: BTreeMap<String, AbortHandle>,
}

impl Line {
    /// Makes a line, and the end at which replies arrive.
    pub(super) fn new(store: Arc<dyn Store>) -> (Line, UnboundedReceiver<Reply>) {
        let (replies, received) = unbounded_channel();
        (Line { store, replies, watches: BTreeMap::new() }, received)
    }

    /// Sends a request; its reply arrives later, or never.
    pub(super) fn send(&mut self, request: Request) {
        let prefix = match &request {
            Request::Watch { prefix, .. } => Some(prefix.clone()),
            Request::OpenSession { .. }
            | Request::RenewSession(_)
            | Request::CloseSession(_)
            | Request::List { .. }
            | Request::Commit { .. } => None,
        };
        let (store, replies) = (Arc::clone(&self.store), self.replies.clone());
        let task = tokio::spawn(async move { perform(&*store, request, replies).await });
        if let Some(old) = prefix.and_then(|prefix| self.watches.insert(prefix, task.abort_handle())) {
            old.abort();
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.watches.values().for_each(AbortHandle::abort);
    }
}
