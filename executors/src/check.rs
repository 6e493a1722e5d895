//! Carries out one health check. Thresholds, intervals and what follows are decided in `callboard_core`.

use crate::Executor;
use callboard_core::machine::Span;
use callboard_core::model::{Check, Probe};
use callboard_core::work::Spec;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpStream;

/// How much of an answer's body is read, and shown when the check fails.
const BODY_BYTES_MAX: usize = 200;

/// Does one check of a running task and tells why it failed, in one line for an operator.
///
/// http passes on a 2xx status, redirects not followed; tcp when a connection is made; script on exit code 0, run by
/// `executor` inside the task. A ttl check is reported by the task itself, so probing one fails.
/// The process must have installed a TLS provider before the first http check.
///
/// # Errors
/// Why the task is not healthy, or why that cannot be told.
pub async fn probe(
    check: &Check,
    spec: &Arc<Spec>,
    executor: &(impl Executor + ?Sized),
) -> Result<(), String> {
    let target = check.target(spec.task.port)?;
    match &check.probe {
        Probe::Http { header, timeout, .. } => {
            within(*timeout, &format!("GET {target}"), get(&target, header)).await
        }
        Probe::Tcp { timeout, .. } => {
            within(*timeout, &format!("connect to {target}"), connect(&target)).await
        }
        Probe::Script { script, timeout, .. } => {
            executor.script(spec, script, *timeout).await.map_err(|failure| failure.0)
        }
        Probe::Ttl { .. } => Err("a ttl check is reported by the task, not probed".to_string()),
    }
}

async fn within(
    timeout: Span,
    what: &str,
    attempt: impl Future<Output = Result<(), String>>,
) -> Result<(), String> {
    match tokio::time::timeout(Duration::from_millis(timeout.0), attempt).await {
        Ok(result) => result.map_err(|why| format!("{what}: {why}")),
        Err(_) => Err(format!("{what}: no answer within {timeout}")),
    }
}

async fn connect(address: &str) -> Result<(), String> {
    TcpStream::connect(address).await.map(drop).map_err(|error| error.to_string())
}

async fn get(url: &str, header: &BTreeMap<String, Vec<String>>) -> Result<(), String> {
    let mut request = client()?.get(url);
    for (name, values) in header {
        for value in values {
            request = request.header(name, value);
        }
    }
    let mut answer = request.send().await.map_err(|error| causes(&error))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let mut body = Vec::new();
    while body.len() < BODY_BYTES_MAX
        && let Ok(Some(chunk)) = answer.chunk().await
    {
        body.extend_from_slice(&chunk[..chunk.len().min(BODY_BYTES_MAX - body.len())]);
    }
    let body = String::from_utf8_lossy(&body).split_whitespace().collect::<Vec<_>>().join(" ");
    match body.is_empty() {
        true => Err(format!("status {status}")),
        false => Err(format!("status {status}: {body}")),
    }
}

/// One client for all checks, without kept connections: a check tells whether the task answers now.
fn client() -> Result<&'static reqwest::Client, String> {
    static CLIENT: OnceLock<Result<reqwest::Client, String>> = OnceLock::new();
    let build = || {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .no_proxy()
            .user_agent("callboard")
            .build();
        client.map_err(|error| causes(&error))
    };
    CLIENT.get_or_init(build).as_ref().map_err(Clone::clone)
}

/// Tells an error with what caused it, which reqwest keeps apart, and without the URL, which the caller names.
pub(crate) fn causes(error: &reqwest::Error) -> String {
    let mut parts = vec![];
    let mut next: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(cause) = next {
        parts.push(cause.to_string());
        next = cause.source();
    }
    match parts.pop() {
        Some(root) => root,
        None => error.to_string(),
    }
}
