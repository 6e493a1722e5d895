//! How Consul is asked: which address, with what token, for how long, and what an answer that did not come means.
//!
//! Several addresses are agents or servers of one and the same Consul. The one that answered last is asked first. A
//! question that may be asked twice goes to the next address after any trouble; one that may not, only when it was
//! certainly not sent. Nothing is tried a second time at the same address: whoever asks waits and asks again.
//!
//! An agent takes 200 connections from one address of the network. Idle ones are kept and used again, so a client holds
//! one for each prefix it watches, and a few more.

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Identity, Method, Url};
use tokio::time::timeout;

use super::ConsulSettings;
use crate::StoreError;

/// Until when an answer must begin, unless it is meant to wait.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
/// How long it may take from then: a large listing over a slow line.
const BODY_DEADLINE: Duration = Duration::from_secs(10);
const CONNECT_DEADLINE: Duration = Duration::from_millis(1500);
const IDLE: Duration = Duration::from_secs(60);
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The HTTP API of a Consul.
#[derive(Debug)]
pub(crate) struct Http {
    client: Client,
    addresses: Vec<Url>,
    /// The address that answered last.
    current: AtomicUsize,
    /// Namespace and data centre, where one was set.
    scope: Vec<(&'static str, String)>,
}

/// One question.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    /// Below `/v1/`; segments are escaped, except that empty ones, `.` and `..` cannot be said in a URL.
    pub(crate) path: &'a str,
    pub(crate) query: &'a [(&'a str, &'a str)],
    /// JSON.
    pub(crate) body: Vec<u8>,
    /// Until when the answer must begin, for each address.
    pub(crate) within: Duration,
}

impl<'a> Call<'a> {
    /// Reads.
    pub(crate) fn get(path: &'a str, query: &'a [(&'a str, &'a str)]) -> Call<'a> {
        Call { method: Method::GET, path, query, body: Vec::new(), within: DEADLINE }
    }

    /// Writes.
    pub(crate) fn put(path: &'a str, body: Vec<u8>) -> Call<'a> {
        Call { method: Method::PUT, path, query: &[], body, within: DEADLINE }
    }
}

/// What was answered, whatever the status.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `X-Consul-Index`, where there is one. Zero counts as 1: it must not be handed back as it is.
    pub(crate) index: Option<u64>,
    /// The agent's clock.
    pub(crate) date: Option<String>,
    pub(crate) body: Vec<u8>,
    /// How long the body took to arrive.
    pub(crate) took: Duration,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// It was certainly not sent.
    NotSent(String),
    /// It was sent, or may have been: whatever it asks for may happen.
    NotAnswered(String),
}

impl Http {
    /// Prepares to ask; the server need not be there.
    ///
    /// # Errors
    /// Names the setting that is wrong.
    pub(crate) fn new(settings: &ConsulSettings) -> Result<Http, StoreError> {
        let refused = |what: String| StoreError::Refused(what);
        let addresses = settings.addresses.iter().map(|it| address(it)).collect::<Result<Vec<_>, _>>()?;
        if addresses.is_empty() {
            return Err(refused("addresses: none is given".into()));
        }
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(refused("tls: no provider of cryptography is installed in this process".into()));
        }
        let mut headers = HeaderMap::new();
        if let Some(token) = &settings.token {
            let mut value = HeaderValue::from_str(token)
                .map_err(|_| refused("token: it holds a character that no token has".into()))?;
            value.set_sensitive(true);
            headers.insert("X-Consul-Token", value);
        }
        let mut client = Client::builder()
            .default_headers(headers)
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_DEADLINE)
            .pool_idle_timeout(IDLE)
            .tcp_keepalive(KEEP_ALIVE)
            .tcp_nodelay(true);
        let tls = settings.tls.clone().unwrap_or_default();
        tls.check().map_err(|error| refused(format!("tls: {error}")))?;
        let encrypted = addresses.iter().any(|address| address.scheme() == "https");
        if let Some(ca) = &tls.ca {
            let ca =
                Certificate::from_pem_bundle(ca).map_err(|it| refused(format!("tls.ca: {}", words(&it))))?;
            client = client.tls_certs_only(ca);
        } else if !encrypted {
            // A machine without authorities of its own can still be asked in the clear.
            client = client.tls_certs_only([]);
        }
        if let Some(identity) = &tls.identity {
            let pem = [&identity.cert[..], b"\n", &identity.key].concat();
            let identity =
                Identity::from_pem(&pem).map_err(|it| refused(format!("tls.identity: {}", words(&it))))?;
            client = client.identity(identity);
        }
        let client = client.build().map_err(|error| refused(format!("tls: {}", words(&error))))?;
        let scope = [("ns", &settings.namespace), ("dc", &settings.datacenter)];
        let scope = scope.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
        Ok(Http { client, addresses, current: AtomicUsize::new(0), scope })
    }

    /// Asks what may be asked twice: at one address after the other, until one answers with anything but an error of its
    /// own (5xx, or 429, too many connections).
    pub(crate) async fn ask(&self, call: &Call<'_>) -> Result<Answer, StoreError> {
        let mut last = StoreError::Unavailable(String::new());
        for index in self.order() {
            last = match self.send(index, call).await {
                Ok(answer) if answer.status < 500 && answer.status != 429 => {
                    self.current.store(index, Ordering::Relaxed);
                    return Ok(answer);
                }
                Ok(answer) => answer.trouble(),
                Err(Silence::NotSent(why) | Silence::NotAnswered(why)) => StoreError::Unavailable(why),
            };
        }
        Err(last)
    }

    /// Asks what must not happen twice.
    pub(crate) async fn ask_once(&self, call: &Call<'_>) -> Result<Answer, Silence> {
        let mut last = Silence::NotSent(String::new());
        for index in self.order() {
            last = match self.send(index, call).await {
                Ok(answer) => {
                    self.current.store(index, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(not_sent @ Silence::NotSent(_)) => not_sent,
                Err(silence @ Silence::NotAnswered(_)) => {
                    // Whoever asks next shall not wait for the same address.
                    self.current.store((index + 1) % self.addresses.len(), Ordering::Relaxed);
                    return Err(silence);
                }
            };
        }
        Err(last)
    }

    /// The addresses, from the one that answered last.
    fn order(&self) -> impl Iterator<Item = usize> + use<> {
        let (first, count) = (self.current.load(Ordering::Relaxed), self.addresses.len());
        (0..count).map(move |step| (first + step) % count)
    }

    async fn send(&self, index: usize, call: &Call<'_>) -> Result<Answer, Silence> {
        let address = &self.addresses[index];
        let mut url = address.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(call.path.split('/'));
        }
        let scope = self.scope.iter().map(|(name, value)| (*name, value.as_str()));
        url.query_pairs_mut().extend_pairs(scope.chain(call.query.iter().copied()));
        let request = self.client.request(call.method.clone(), url).body(call.body.clone());
        let at = address.as_str().trim_end_matches('/');
        let late = |_| Silence::NotAnswered(format!("{at}: no answer in time"));
        let broken = |error: reqwest::Error| {
            let why = format!("{at}: {}", words(&error));
            if error.is_connect() || error.is_builder() {
                Silence::NotSent(why)
            } else {
                Silence::NotAnswered(why)
            }
        };
        let response = timeout(call.within, request.send()).await.map_err(late)?.map_err(broken)?;
        let status = response.status().as_u16();
        let index = response.headers().get("X-Consul-Index").and_then(|it| it.to_str().ok()?.parse().ok());
        let index = index.map(|index: u64| index.max(1));
        let date = response.headers().get("Date").and_then(|it| it.to_str().ok()).map(ToOwned::to_owned);
        let began = Instant::now();
        let body = timeout(BODY_DEADLINE, response.bytes()).await.map_err(late)?.map_err(broken)?;
        Ok(Answer { status, index, date, body: body.into(), took: began.elapsed() })
    }
}

impl Answer {
    /// Gives the answer back when its status is 200.
    pub(crate) fn fine(self) -> Result<Answer, StoreError> {
        if self.status == 200 { Ok(self) } else { Err(self.trouble()) }
    }

    /// Says what an answer that is not as hoped for means.
    pub(crate) fn trouble(&self) -> StoreError {
        let what = format!("HTTP {}: {}", self.status, self.text());
        if self.status >= 500 || self.status == 429 {
            StoreError::Unavailable(what)
        } else {
            StoreError::Refused(what)
        }
    }

    /// Gives the beginning of the body, to be shown.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).trim().chars().take(300).collect()
    }
}

fn address(text: &str) -> Result<Url, StoreError> {
    let wrong = |why: &str| {
        StoreError::Refused(format!("addresses: {text:?} {why}; write it as in \"http://127.0.0.1:8500\""))
    };
    let url = Url::parse(text).map_err(|error| wrong(&format!("is no URL ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong("is neither http:// nor https://"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("holds more than an address"));
    }
    Ok(url)
}

/// Says what went wrong, down to the reason.
fn words(error: &reqwest::Error) -> String {
    let mut reason: &dyn Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason.to_string()
}
