//! Keeps keys, sessions and their history in a Consul: sessions and transactions are its own, a watch is a blocking query
//! of the whole prefix, and what the trait wants beyond is made up for here (`consul/known.rs` the order of revisions and
//! a store that went back, `consul/txn.rs` guards and what an answer means, `consul/http.rs` addresses and deadlines).
//!
//! Who calls decides when to try again: nothing is asked twice here, except at another address.
//!
//! **Invariant:** nothing is written but in a transaction whose every write has its guard; no read is stale.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use async_trait::async_trait;
use callboard_core::machine::Span;
use callboard_core::store::{Listing, Outcome, Refusal, Revision, SessionId, Txn};
use tokio::sync::OnceCell;

use crate::{Diagnosis, Store, StoreError, Tls, Watch};

mod condition;
mod http;
mod known;
mod kv;
mod registry;
mod session;
mod txn;
mod watch;

use http::{Call, Http};
use known::Known;
pub use registry::ConsulRegistry;

/// Where a Consul is, and as whom to speak to it.
#[derive(Clone, Default)]
pub struct ConsulSettings {
    /// Of agents or servers of one Consul, each `http://…` or `https://…`. The agent of this host comes first: sessions
    /// end when the host of the agent asked is lost. The others are asked when it does not answer.
    pub addresses: Vec<String>,
    /// The ACL token. It must permit to write sessions, and to read and write keys: Consul shows what may not be read as
    /// if it were not there.
    pub token: Option<String>,
    /// The namespace (Consul Enterprise).
    pub namespace: Option<String>,
    /// The data centre, where it is not the one of the agent asked; sessions then need agents of that one.
    pub datacenter: Option<String>,
    /// For `https://` addresses; without it, the authorities of this machine are believed.
    pub tls: Option<Tls>,
}

impl fmt::Debug for ConsulSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsulSettings")
            .field("addresses", &self.addresses)
            .field("token", &self.token.is_some())
            .field("namespace", &self.namespace)
            .field("datacenter", &self.datacenter)
            .field("tls", &self.tls)
            .finish()
    }
}

/// A store in a Consul. Several in one process do not know what the others were told.
#[derive(Debug)]
pub struct Consul {
    client: Arc<Client>,
    /// Set when the present index of the store was learnt, which comes before anything is told of it: who was told of a
    /// revision by an earlier process shall not be told of a lower one.
    started: OnceCell<()>,
}

/// What a store and its watches share.
#[derive(Debug)]
struct Client {
    http: Http,
    known: Known,
}

impl Consul {
    /// Prepares a store; the server need not be there. A provider of cryptography must be installed in this process.
    ///
    /// # Errors
    /// Names the setting that is wrong.
    pub fn open(settings: &ConsulSettings) -> Result<Consul, StoreError> {
        let client = Client { http: Http::new(settings)?, known: Known::new() };
        Ok(Consul { client: Arc::new(client), started: OnceCell::new() })
    }

    /// Forgets what was listed: a watch from before now must list again. Watches already begun go on.
    pub fn compact(&self) {
        self.client.known.forget();
    }

    async fn start(&self) -> Result<(), StoreError> {
        let Client { http, known } = &*self.client;
        let started = self.started.get_or_try_init(|| async {
            known.learn(session::present_index(http).await?);
            Ok(())
        });
        started.await.copied()
    }
}

#[async_trait]
impl Store for Consul {
    async fn open_session(&self, name: &str, ttl: Span) -> Result<SessionId, StoreError> {
        session::open(&self.client.http, name, ttl).await
    }

    async fn renew_session(&self, session: &SessionId) -> Result<bool, StoreError> {
        session::renew(&self.client.http, session).await
    }

    async fn close_session(&self, session: &SessionId) -> Result<(), StoreError> {
        session::close(&self.client.http, session).await
    }

    async fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        self.start().await?;
        let Client { http, known } = &*self.client;
        let asked = known.ask(prefix);
        let read = kv::read(http, prefix, None).await?;
        let revision = known
            .listed(prefix, &asked, read.index, known::contents(&read.entries))
            .map_err(StoreError::Unavailable)?;
        Ok(Listing { revision, entries: read.entries })
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Box<dyn Watch>, StoreError> {
        Ok(watch::follow(&self.client, prefix, after))
    }

    async fn diagnose(&self) -> Result<Diagnosis, StoreError> {
        condition::diagnose(&self.client.http).await
    }

    async fn commit(&self, txn: Txn) -> Outcome {
        let Client { http, known } = &*self.client;
        let said = match txn::say(&txn) {
            Ok(said) => said,
            Err(why) => return Outcome::Refused(Refusal::Invalid(why)),
        };
        if !said.writes
            && let Err(error) = self.start().await
        {
            return Outcome::Unknown(error.to_string());
        }
        let seen = known.seen();
        let call = Call { query: &[("consistent", "")], ..Call::put("txn", said.body.clone()) };
        let outcome = txn::outcome(&said, http.ask_once(&call).await, seen);
        if let Outcome::Committed(revision) = &outcome {
            known.learn(revision.0);
        }
        outcome
    }
}

/// Gives a number that nobody can guess: to spread what many clients do at the same time, and to tell writes apart.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
