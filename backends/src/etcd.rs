//! A store on etcd, 3.4 or later: sessions are leases, guards are comparisons, and the revision of a lock's put is the
//! tenure.
//!
//! **Invariant:** every read is linearizable, and every write is one transaction with a comparison for each of its keys.

mod condition;
mod fault;
mod servers;
mod txn;
mod watch;

use std::sync::Arc;

use async_trait::async_trait;
use callboard_core::machine::Span;
use callboard_core::store::{Entry, Listing, Outcome, Refusal, Revision, SessionId, Txn};
use etcd_client::{GetOptions, KeyValue};

use crate::{Diagnosis, Store, StoreError, Tls, TlsError, Watch};

use fault::Fault;
use servers::{Again, Servers};

/// Where an etcd cluster is and who asks.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct EtcdSettings {
    /// Its servers, each as `http://HOST:PORT` or `https://HOST:PORT`.
    pub endpoints: Vec<String>,
    /// Certificates, with `https://` only; without any, the authorities of this machine are believed.
    pub tls: Option<Tls>,
    /// Name and password, where etcd asks for them.
    pub user: Option<(String, String)>,
}

impl std::fmt::Debug for EtcdSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let user = self.user.as_ref().map(|(name, _)| name);
        f.debug_struct("EtcdSettings")
            .field("endpoints", &self.endpoints)
            .field("tls", &self.tls)
            .field("user", &user)
            .finish()
    }
}

/// Why a store on etcd could not be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EtcdError {
    /// Nobody to ask.
    #[error("no endpoint of etcd is given; name one or several, as in http://127.0.0.1:2379")]
    NoEndpoints,
    /// An address that cannot be used.
    #[error(
        "{endpoint} cannot be used: {why}; write http://HOST:PORT, or https://HOST:PORT with certificates"
    )]
    Endpoint {
        /// As given.
        endpoint: String,
        /// In words.
        why: String,
    },
    /// A certificate or a key that is none.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A store on an etcd cluster.
pub struct Etcd {
    servers: Servers,
}

/// Keys read at once.
const PAGE: i64 = 512;

impl Etcd {
    /// Sets up a store. No server is asked yet, so none needs to be there.
    ///
    /// # Errors
    /// Settings that can never work.
    pub async fn open(settings: EtcdSettings) -> Result<Etcd, EtcdError> {
        Ok(Etcd { servers: Servers::open(settings).await? })
    }

    /// Revokes a lease. One that is over already is no error.
    async fn revoke(&self, lease: i64) -> Result<(), StoreError> {
        let revoked = self
            .servers
            .ask(Again::Harmless, |server| {
                let mut leases = server.lease.clone();
                async move { leases.revoke(lease).await }
            })
            .await;
        match revoked {
            Ok(_) | Err(Fault::NoLease(_)) => Ok(()),
            Err(fault) => Err(fault.into_error()),
        }
    }
}

#[async_trait]
impl Store for Etcd {
    // A lease has no name.
    async fn open_session(&self, _name: &str, ttl: Span) -> Result<SessionId, StoreError> {
        let seconds = i64::try_from(ttl.0.div_ceil(1000)).unwrap_or(i64::MAX);
        // A lease that was granted unheard ends by its ttl.
        let granted = self
            .servers
            .ask(Again::Harmless, |server| {
                let mut leases = server.lease.clone();
                async move { leases.grant(seconds, None).await }
            })
            .await;
        granted.map(|lease| SessionId(lease.id().to_string())).map_err(Fault::into_error)
    }

    async fn renew_session(&self, session: &SessionId) -> Result<bool, StoreError> {
        let Some(lease) = txn::lease(session) else { return Ok(false) };
        let renewed = self
            .servers
            .ask(Again::Harmless, |server| {
                let mut leases = server.lease.clone();
                async move { leases.keep_alive(lease).await }
            })
            .await;
        match renewed {
            Ok(_) => Ok(true),
            // A leader that was cut off knows nothing of later leases and answers all the same. Revoking asks the
            // majority, and makes it true.
            Err(Fault::NoLease(_)) => self.revoke(lease).await.map(|()| false),
            Err(fault) => Err(fault.into_error()),
        }
    }

    async fn close_session(&self, session: &SessionId) -> Result<(), StoreError> {
        match txn::lease(session) {
            Some(lease) => self.revoke(lease).await,
            None => Ok(()),
        }
    }

    async fn list(&self, prefix: &str) -> Result<Listing, StoreError> {
        let (mut start, end) = range(prefix);
        let mut listing = Listing::default();
        loop {
            let options = GetOptions::new().with_range(end.clone()).with_limit(PAGE);
            // All pages as of the first.
            let options = options.with_revision(i64::try_from(listing.revision.0).unwrap_or(i64::MAX));
            let page = self.servers.ask(Again::Harmless, |server| {
                let (mut kv, start, options) = (server.kv.clone(), start.clone(), options.clone());
                async move { kv.get(start, Some(options)).await }
            });
            let page = page.await.map_err(Fault::into_error)?;
            if listing.revision == Revision(0) {
                listing.revision = revision(page.header().map_or(0, etcd_client::ResponseHeader::revision));
            }
            listing.entries.extend(page.kvs().iter().map(|pair| Arc::new(entry(pair))));
            match page.kvs().last() {
                Some(last) if page.more() => start = [last.key(), b"\0"].concat(),
                Some(_) | None => return Ok(listing),
            }
        }
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Box<dyn Watch>, StoreError> {
        watch::open(&self.servers, prefix, after).await.map_err(Fault::into_error)
    }

    async fn diagnose(&self) -> Result<Diagnosis, StoreError> {
        condition::diagnose(&self.servers).await
    }

    async fn commit(&self, txn: Txn) -> Outcome {
        if let Some(fault) = txn.fault() {
            return Outcome::Refused(Refusal::Invalid(fault.into()));
        }
        let request = match txn::request(&txn) {
            Ok(request) => request,
            Err(refusal) => return Outcome::Refused(refusal),
        };
        let answer = self.servers.ask(Again::Harmful, |server| {
            let (mut kv, request) = (server.kv.clone(), request.clone());
            async move { kv.txn(request).await }
        });
        match answer.await {
            Ok(answer) => txn::outcome(&txn, &answer),
            Err(fault) => fault.into_outcome(),
        }
    }
}

/// Gives the first key under a prefix and the first one after it, as etcd names ranges.
fn range(prefix: &str) -> (Vec<u8>, Vec<u8>) {
    if prefix.is_empty() {
        return (vec![0], vec![0]);
    }
    // UTF-8 has no byte 0xff, so the last one can always be counted up.
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    (prefix.into(), end)
}

fn entry(found: &KeyValue) -> Entry {
    Entry {
        key: String::from_utf8_lossy(found.key()).into_owned(),
        value: String::from_utf8_lossy(found.value()).into_owned(),
        revision: revision(found.mod_revision()),
        session: Some(found.lease()).filter(|lease| *lease != 0).map(|lease| SessionId(lease.to_string())),
    }
}

fn revision(number: i64) -> Revision {
    Revision(u64::try_from(number).unwrap_or_default())
}
