//! The servers of an etcd cluster and which of them is asked: one until it fails, then the next. Each has a connection of
//! its own, since a balancer over all of them gives a share of all requests to a dead one.
//!
//! **Invariant:** a request that may have been carried out is sent again only where the caller says that this is
//! harmless.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use etcd_client::{
    Certificate, Client, ConnectOptions, Error, Identity, KvClient, LeaseClient, TlsOptions, WatchClient,
};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep, timeout_at};

use super::fault::Fault;
use super::{EtcdError, EtcdSettings};
use crate::Tls;

/// How long one server may take: an election takes up to two seconds, and etcd itself gives up after seven.
const TRY: Duration = Duration::from_secs(4);
/// How long all of them together may take, within which the machines wait for a reply.
const CALL: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(2);
/// How often a silent connection in use is asked for a sign of life; etcd hangs up on whoever asks within five seconds.
const PING: Duration = Duration::from_secs(10);
const PONG: Duration = Duration::from_secs(5);
/// The largest answer taken: a page of the largest values that etcd takes by default, of 1.5 MiB, fits.
const ANSWER_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// The pause before another server is asked, doubled each time.
const PAUSE: Duration = Duration::from_millis(50);

/// Whether a request may be sent again that may have been carried out already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    Harmless,
    Harmful,
}

/// All servers there are.
pub(super) struct Servers {
    all: Vec<Server>,
    /// Counts on as servers fail; modulo their number it is the one to ask.
    turn: AtomicUsize,
    user: Option<(String, String)>,
}

/// One of them, with what it is asked by.
pub(super) struct Server {
    endpoint: String,
    /// Whether the user is known to it, where there is one: asked before the first request.
    known: OnceCell<()>,
    calls: Client,
    /// A connection apart, so that a flood of changes delays no renewal.
    pub(super) watches: Client,
    pub(super) kv: KvClient,
    pub(super) lease: LeaseClient,
    pub(super) watch: WatchClient,
}

impl Servers {
    pub(super) async fn open(settings: EtcdSettings) -> Result<Servers, EtcdError> {
        if settings.endpoints.is_empty() {
            return Err(EtcdError::NoEndpoints);
        }
        if let Some(tls) = &settings.tls {
            tls.check()?;
        }
        let mut all = Vec::new();
        for endpoint in settings.endpoints {
            let calls = connect(&endpoint, settings.tls.as_ref()).await?;
            let watches = connect(&endpoint, settings.tls.as_ref()).await?;
            all.push(Server {
                endpoint,
                known: OnceCell::new(),
                kv: calls.kv_client().max_decoding_message_size(ANSWER_BYTES_MAX),
                lease: calls.lease_client(),
                watch: watches.watch_client().max_decoding_message_size(ANSWER_BYTES_MAX),
                calls,
                watches,
            });
        }
        // Clients begin at different servers.
        let turn = AtomicUsize::new(usize::try_from(random(64)).unwrap_or_default());
        Ok(Servers { all, turn, user: settings.user })
    }

    /// Asks one server after the other until one answers.
    pub(super) async fn ask<T, F>(&self, again: Again, call: impl Fn(&Server) -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let end = Instant::now() + CALL;
        let mut tries = self.all.len() + 1;
        let mut pause = PAUSE;
        loop {
            let turn = self.turn.load(Ordering::Relaxed);
            let fault = match self.ask_one(turn, end, &call).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            let repeat = match &fault {
                Fault::Undone(_) => true,
                Fault::Unclear(_) => again == Again::Harmless,
                Fault::TokenStale => tries > self.all.len(),
                Fault::Full(_) | Fault::Refused(_) | Fault::NoLease(_) => false,
            };
            if matches!(fault, Fault::Undone(_) | Fault::Unclear(_)) {
                // Whoever finds it moved already lets it be.
                let _moved = self.turn.compare_exchange(
                    turn,
                    turn.wrapping_add(1),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
            }
            tries -= 1;
            if !repeat || tries == 0 || Instant::now() + pause >= end {
                return Err(fault);
            }
            sleep(pause / 2 + Duration::from_millis(random(u64::try_from(pause.as_millis()).unwrap_or(1))))
                .await;
            pause *= 2;
        }
    }

    /// Asks each server for itself.
    pub(super) async fn ask_each<T, F>(&self, call: impl Fn(Client) -> F) -> Vec<(String, Result<T, Fault>)>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut answers = Vec::new();
        let call = |server: &Server| call(server.calls.clone());
        for (turn, server) in self.all.iter().enumerate() {
            let answer = self.ask_one(turn, Instant::now() + TRY, &call).await;
            answers.push((server.endpoint.clone(), answer));
        }
        answers
    }

    /// Asks any server, as for a reading.
    pub(super) async fn ask_any<T, F>(&self, call: impl Fn(Client) -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Error>>,
    {
        self.ask(Again::Harmless, |server| call(server.calls.clone())).await
    }

    async fn ask_one<T, F>(&self, turn: usize, end: Instant, call: &impl Fn(&Server) -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let server = &self.all[turn % self.all.len()];
        let until = end.min(Instant::now() + TRY);
        let late = format!("{} gave no answer within {} s", server.endpoint, TRY.as_secs());
        if let Some(user) = &self.user {
            let greeting = server.known.get_or_try_init(|| greet(server, user));
            match timeout_at(until, greeting).await {
                Ok(Ok(())) => {}
                // Nothing was asked yet but who we are.
                Ok(Err(Fault::Unclear(why))) => return Err(Fault::Undone(why)),
                Ok(Err(fault)) => return Err(fault),
                Err(_) => return Err(Fault::Undone(late)),
            }
        }
        let answer = timeout_at(until, call(server)).await;
        let fault = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => Fault::of(error),
            Err(_) => Fault::Unclear(late),
        };
        if fault == Fault::TokenStale {
            for client in [&server.calls, &server.watches] {
                // Where it fails, so does the next request, and says why.
                let _refreshed = timeout_at(end, client.refresh_token()).await;
            }
        }
        Err(fault)
    }
}

/// Makes a client of one server, which connects when it is first used.
async fn connect(endpoint: &str, tls: Option<&Tls>) -> Result<Client, EtcdError> {
    let wrong = |why: &str| EtcdError::Endpoint { endpoint: endpoint.into(), why: why.into() };
    let mut options = ConnectOptions::new()
        .with_connect_timeout(CONNECT)
        .with_keep_alive(PING, PONG)
        .with_keep_alive_while_idle(false)
        .with_tcp_keepalive(PING)
        .with_require_leader(true)
        .with_auto_token_refresh(true);
    if endpoint.starts_with("https://") {
        let mut wanted = TlsOptions::new();
        match tls.and_then(|tls| tls.ca.as_ref()) {
            Some(ca) => wanted = wanted.ca_certificate(Certificate::from_pem(ca)),
            None => wanted = wanted.with_enabled_roots(),
        }
        if let Some(identity) = tls.and_then(|tls| tls.identity.as_ref()) {
            wanted = wanted.identity(Identity::from_pem(&identity.cert, &identity.key));
        }
        options = options.with_tls(wanted);
    } else if !endpoint.starts_with("http://") {
        return Err(wrong("it begins neither with http:// nor with https://"));
    } else if tls.is_some() {
        return Err(wrong("certificates are given, but http:// uses none"));
    }
    Client::connect([endpoint], Some(options)).await.map_err(|error| wrong(&deepest(&error)))
}

fn deepest(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// Tells a server who asks.
async fn greet(server: &Server, user: &(String, String)) -> Result<(), Fault> {
    for client in [&server.calls, &server.watches] {
        client.clone().update_user(Some(user.clone())).await.map_err(Fault::of)?;
    }
    Ok(())
}

/// Gives a number below `limit`, another one each time.
fn random(limit: u64) -> u64 {
    RandomState::new().hash_one(0) % limit.max(1)
}
