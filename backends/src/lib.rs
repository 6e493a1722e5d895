//! The stores of Callboard behind one trait: [`Memory`] says what a store is (the reference semantics, which the
//! simulator uses as they are), [`MemoryStore`] and [`Embedded`] serve them to tasks, the second one durably; `Etcd` asks
//! real servers; [`Prefixed`] makes a store of a part of any.
//!
//! The trait asks for no more than Consul and etcd can both give, and one contract suite (`tests/contract`) holds every
//! store to it, word for word.
//!
//! **Invariant:** nothing here decides. A store that cannot answer says so, and a commit whose end nobody knows is
//! [`Outcome::Unknown`], never a refusal.

use async_trait::async_trait;
use callboard_core::machine::Span;
use callboard_core::store::{Change, Listing, Outcome, Reply, Request, Revision, SessionId, Txn};
use tokio::sync::mpsc::UnboundedSender;

#[cfg(feature = "consul")]
mod consul;
mod diagnosis;
mod embedded;
#[cfg(feature = "etcd")]
mod etcd;
mod live;
pub mod memory;
mod memory_store;
mod prefixed;
#[cfg(any(feature = "consul", feature = "etcd"))]
mod tls;

#[cfg(feature = "consul")]
pub use consul::{Consul, ConsulRegistry, ConsulSettings};
pub use diagnosis::{Diagnosis, Trouble};
pub use embedded::{Embedded, OpenError};
#[cfg(feature = "etcd")]
pub use etcd::{Etcd, EtcdError, EtcdSettings};
pub use memory::Memory;
pub use memory_store::MemoryStore;
pub use prefixed::Prefixed;
#[cfg(any(feature = "consul", feature = "etcd"))]
pub use tls::{Tls, TlsError, TlsIdentity};

/// Keeps keys, sessions and their history for machines on any number of hosts.
///
/// Calls may be made from many tasks at once and are cancelled by dropping them; a cancelled [`commit`](Store::commit)
/// may still be carried out.
#[async_trait]
pub trait Store: Send + Sync {
    /// Opens a session that ends when it is not renewed for `ttl`. A store may keep it longer (Consul: up to twice as
    /// long, and longer over a change of leader), and raises a `ttl` below its minimum (Consul: 10 s).
    ///
    /// `name` is shown to operators and need not be unique.
    async fn open_session(&self, name: &str, ttl: Span) -> Result<SessionId, StoreError>;

    /// Keeps a session alive for another ttl. `Ok(false)` means that the session is over, for certain and for ever.
    async fn renew_session(&self, session: &SessionId) -> Result<bool, StoreError>;

    /// Ends a session at once: its keys vanish. A session that is already over is no error.
    async fn close_session(&self, session: &SessionId) -> Result<(), StoreError>;

    /// Reads everything under a prefix as it is at one revision, including every commit acknowledged before the call.
    async fn list(&self, prefix: &str) -> Result<Listing, StoreError>;

    /// Follows all changes under a prefix after a revision, which must come from a listing or a watch of this prefix.
    ///
    /// When the store no longer has the history since then, the watch ends with its first event.
    async fn watch(&self, prefix: &str, after: Revision) -> Result<Box<dyn Watch>, StoreError>;

    /// Carries out a guarded transaction: all of it, or nothing.
    async fn commit(&self, txn: Txn) -> Outcome;

    /// Tells an operator how the store is. One within this process has nothing to tell.
    async fn diagnose(&self) -> Result<Diagnosis, StoreError> {
        Ok(Diagnosis::default())
    }
}

/// Delivers what happens under one prefix. Dropping it ends the watch.
#[async_trait]
pub trait Watch: Send {
    /// Waits for the next event. May be dropped while waiting without losing one. After [`WatchEvent::Ended`] it
    /// answers the same again.
    async fn next(&mut self) -> WatchEvent;
}

/// What a watch saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchEvent {
    /// All changes that one transaction made under the prefix, never a part of them. Revisions grow from event to
    /// event. A store that cannot tell its transactions apart (Consul) may merge several, leaving out what was
    /// overwritten in between.
    Changed {
        /// Everything up to here has been delivered.
        revision: Revision,
        /// Empty as a sign of life.
        changes: Vec<Change>,
    },
    /// Nothing more will come; only a new listing helps. Says why, in words.
    Ended(String),
}

/// Why a store did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It could not be asked, or could not answer now.
    #[error("the store does not answer now: {0}")]
    Unavailable(String),
    /// It will not do this however often it is asked.
    #[error("the store refuses: {0}; check address, permissions and configuration")]
    Refused(String),
}

/// Carries out one request of a machine and sends what the machine shall hear of it.
///
/// A watch is carried on until it ends or the receiver is gone; everything else is answered at most once (closing a
/// session has no answer). Drivers spawn this once for each effect.
pub async fn perform(store: &dyn Store, request: Request, replies: UnboundedSender<Reply>) {
    let reply = match request {
        Request::OpenSession { name, ttl } => {
            Reply::SessionOpened(store.open_session(&name, ttl).await.map_err(in_words))
        }
        Request::RenewSession(session) => {
            let renewed = store.renew_session(&session).await.map_err(in_words);
            Reply::SessionRenewed(session, renewed)
        }
        Request::CloseSession(session) => {
            // Nobody waits for it: a session that could not be closed ends by its ttl.
            let _closed = store.close_session(&session).await;
            return;
        }
        Request::List { prefix } => {
            let result = store.list(&prefix).await.map_err(in_words);
            Reply::Listed { prefix, result }
        }
        Request::Watch { prefix, after } => return follow(store, prefix, after, &replies).await,
        Request::Commit { write, txn } => Reply::Done { write, outcome: store.commit(txn).await },
    };
    // The receiver is gone when its machine is, and then nobody misses the reply.
    let _sent = replies.send(reply);
}

async fn follow(store: &dyn Store, prefix: String, after: Revision, replies: &UnboundedSender<Reply>) {
    let mut watch = match store.watch(&prefix, after).await {
        Ok(watch) => watch,
        Err(error) => {
            let _sent = replies.send(Reply::WatchEnded { prefix, why: error.to_string() });
            return;
        }
    };
    loop {
        let event = tokio::select! {
            () = replies.closed() => return,
            event = watch.next() => event,
        };
        let (reply, ended) = match event {
            WatchEvent::Changed { revision, changes } => {
                (Reply::Changed { prefix: prefix.clone(), revision, changes }, false)
            }
            WatchEvent::Ended(why) => (Reply::WatchEnded { prefix: prefix.clone(), why }, true),
        };
        if replies.send(reply).is_err() || ended {
            return;
        }
    }
}

fn in_words(error: StoreError) -> String {
    error.to_string()
}
