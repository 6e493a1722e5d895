//! Carries a machine's store requests to the store and its replies back.

use callboard_backends::{Store, perform};
use callboard_core::store::{Reply, Request};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{AbortHandle, JoinSet};

/// How long the last requests of a machine that ends may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// One machine's line to the store.
pub(super) struct Line {
    store: Arc<dyn Store>,
    replies: UnboundedSender<Reply>,
    /// At most one watch of a prefix; it ends when the prefix is listed again.
    watches: BTreeMap<String, AbortHandle>,
    /// Requests on their way.
    sent: JoinSet<()>,
}

impl Line {
    /// Makes a line, and the end at which replies arrive.
    pub(super) fn new(store: Arc<dyn Store>) -> (Line, UnboundedReceiver<Reply>) {
        let (replies, received) = unbounded_channel();
        (Line { store, replies, watches: BTreeMap::new(), sent: JoinSet::new() }, received)
    }

    /// Sends a request; its reply arrives later, or never.
    pub(super) fn send(&mut self, request: Request) {
        let (prefix, is_watch) = match &request {
            Request::Watch { prefix, .. } => (Some(prefix.clone()), true),
            Request::List { prefix } => (Some(prefix.clone()), false),
            Request::OpenSession { .. }
            | Request::RenewSession(_)
            | Request::CloseSession(_)
            | Request::Commit { .. } => (None, false),
        };
        if let Some(old) = prefix.as_ref().and_then(|prefix| self.watches.remove(prefix)) {
            old.abort();
        }
        let (store, replies) = (Arc::clone(&self.store), self.replies.clone());
        let carried = async move { perform(&*store, request, replies).await };
        while self.sent.try_join_next().is_some() {}
        let task = self.sent.spawn(carried);
        if let Some(prefix) = prefix.filter(|_| is_watch) {
            self.watches.insert(prefix, task);
        }
    }

    /// Waits a little for the last requests to arrive: a session that is closed frees its locks at once.
    pub(super) async fn finish(mut self) {
        self.watches.values().for_each(AbortHandle::abort);
        let all = async { while self.sent.join_next().await.is_some() {} };
        // A store that is away does not hold up the end.
        let _late = tokio::time::timeout(LAST_WORDS, all).await;
    }
}
