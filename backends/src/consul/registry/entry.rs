//! What a task is in Consul's words, and which of Consul's entries are ours.
//!
//! **Invariant:** nothing is sent that Consul would take and not serve: a port that is none, a name that DNS does not
//! know, a check that goes nowhere.

use callboard_core::machine::Span;
use callboard_core::model::{Check, Name, Probe};
use callboard_core::work::{Run, Spec};
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What marks an entry of ours.
const MARK: &str = "callboard";
const TASK: &str = "task";
/// Selects the entries of tasks of any of our agents.
pub(super) const FILTER: &str = "Meta.callboard == \"task\"";
/// A check that is told of turns critical after so many times its period.
const PERIODS: u64 = 3;
const TTL_MIN: Span = Span::secs(30);
const TAG_BYTES_MAX: usize = 512;
const ID_BYTES_MAX: usize = 300;

/// A service as Consul takes it.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Service {
    #[serde(rename = "ID")]
    id: String,
    name: Name,
    tags: Vec<String>,
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    meta: BTreeMap<&'static str, String>,
    checks: Vec<ServiceCheck>,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ServiceCheck {
    #[serde(rename = "CheckID")]
    id: String,
    name: String,
    #[serde(rename = "HTTP", skip_serializing_if = "Option::is_none")]
    http: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    header: BTreeMap<String, Vec<String>>,
    #[serde(rename = "TCP", skip_serializing_if = "Option::is_none")]
    tcp: Option<String>,
    #[serde(rename = "TTL", skip_serializing_if = "Option::is_none")]
    ttl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    success_before_passing: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failures_before_critical: Option<u32>,
}

/// An entry as Consul lists it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Found {
    #[serde(default)]
    meta: BTreeMap<String, String>,
}

impl Found {
    /// Gives the run that an agent of this host entered under this id.
    pub(super) fn run(&self, host: &str, id: &str) -> Option<Run> {
        let get = |key: &str| self.meta.get(key).map(String::as_str);
        if get(MARK) != Some(TASK) || get("host") != Some(host) {
            return None;
        }
        let run = Run {
            id: get("task")?.into(),
            generation: get("generation")?.parse().ok()?,
            attempt: get("attempt")?.parse().ok()?,
        };
        // One that another hand has copied to another id is not ours to take out.
        (service_id(host, &run) == id).then_some(run)
    }
}

/// Names the entry of a run.
pub(super) fn service_id(host: &str, run: &Run) -> String {
    format!("{MARK}:{host}:{}:{}:{}", run.id, run.generation, run.attempt)
}

/// Names a check of a run; unique among all checks of a Consul agent.
pub(super) fn check_id(run: &Run, check: usize) -> String {
    format!("task:{}:{}:{}:{check}", run.id, run.generation, run.attempt)
}

/// Names the entry of a process of ours, and its check.
pub(super) fn own_id(host: &str, port: u16) -> String {
    format!("{MARK}:{host}:{port}")
}

/// Refuses an id that would not be one part of a URL.
pub(super) fn check_id_text(id: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-:".contains(&byte);
    if id.len() <= ID_BYTES_MAX && id.bytes().all(plain) {
        return Ok(());
    }
    Err(format!("{id:?} cannot be an id in Consul: up to {ID_BYTES_MAX} of a-z, 0-9 and -"))
}

/// Says what a task is.
///
/// # Errors
/// Consul would take it and not serve it.
pub(super) fn of_task(host: &str, address: &str, spec: &Spec) -> Result<Service, String> {
    let (task, definition, run) = (&spec.task, &spec.definition, spec.run());
    for (what, name) in [("service", &task.service), ("cluster", &task.cluster)] {
        if !callboard_core::config::is_name(name) {
            return Err(format!("{name:?} cannot be the name of a {what} in Consul: write a-z, 0-9 and -"));
        }
    }
    let id = service_id(host, &run);
    check_id_text(&id)?;
    if task.port == Some(0) {
        return Err("0 is no port that others could reach".into());
    }
    let bad =
        |tag: &&String| tag.is_empty() || tag.len() > TAG_BYTES_MAX || tag.chars().any(char::is_control);
    if let Some(tag) = definition.tags.iter().find(bad) {
        return Err(format!("{tag:?} cannot be a tag: up to {TAG_BYTES_MAX} bytes, no control characters"));
    }
    let checks = definition.checks.iter().enumerate();
    let checks = checks.map(|(index, check)| of_check(check, check_id(&run, index), index, task.port));
    Ok(Service {
        id,
        name: task.service.clone(),
        tags: definition.tags.clone(),
        address: reachable(address)?,
        port: task.port,
        meta: [
            (MARK, TASK.to_string()),
            ("host", host.to_string()),
            ("cluster", task.cluster.to_string()),
            ("service", task.service.to_string()),
            ("task", task.id.to_string()),
            ("version", task.version.to_string()),
            ("generation", task.generation.to_string()),
            ("attempt", spec.attempt.to_string()),
        ]
        .into(),
        checks: checks.collect::<Result<_, _>>()?,
    })
}

/// Says what a process of ours is.
pub(super) fn of_process(host: &str, address: String, port: u16) -> Service {
    let id = own_id(host, port);
    let name = "the process gives signs of life".to_string();
    let alive = ServiceCheck { id: id.clone(), name, ttl: Some(millis(TTL_MIN)), ..ServiceCheck::default() };
    let meta = [(MARK, "process".to_string()), ("host", host.to_string())].into();
    Service { id, name: MARK.into(), tags: Vec::new(), address, port: Some(port), meta, checks: vec![alive] }
}

fn reachable(address: &str) -> Result<String, String> {
    let unspecified = address.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified());
    if address.is_empty() || unspecified || address.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(format!("{address:?} is no address that others could reach; give another by --address"));
    }
    Ok(address.to_string())
}

fn of_check(check: &Check, id: String, index: usize, port: Option<u16>) -> Result<ServiceCheck, String> {
    let wrong = |why: String| format!("check {}: {why}", check.name.clone().unwrap_or(index.to_string()));
    let target = check.target(port).map_err(wrong)?;
    let name = check.name.clone().unwrap_or_else(|| format!("check {index}"));
    let base = ServiceCheck { id, name, ..ServiceCheck::default() };
    let told = |period: Span| {
        let ttl = Span(period.0.saturating_mul(PERIODS)).max(TTL_MIN);
        Some(millis(ttl))
    };
    let probed = |interval: Span, timeout: Span| ServiceCheck {
        interval: Some(millis(interval)),
        timeout: Some(millis(timeout)),
        success_before_passing: Some(check.success_threshold),
        failures_before_critical: Some(check.failure_threshold),
        ..ServiceCheck::default()
    };
    Ok(match &check.probe {
        Probe::Http { header, interval, timeout, .. } => {
            http(&target, header).map_err(wrong)?;
            let (id, name) = (base.id, base.name);
            let header = header.clone();
            ServiceCheck { id, name, http: Some(target), header, ..probed(*interval, *timeout) }
        }
        Probe::Tcp { interval, timeout, .. } => {
            let port = target.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            if port.is_none_or(|port| port == 0) {
                return Err(wrong(format!("{target:?} has no port")));
            }
            let (id, name) = (base.id, base.name);
            ServiceCheck { id, name, tcp: Some(target), ..probed(*interval, *timeout) }
        }
        Probe::Script { interval, timeout, .. } => {
            ServiceCheck { ttl: told(Span(interval.0.saturating_add(timeout.0))), ..base }
        }
        Probe::Ttl { ttl } => ServiceCheck { ttl: told(*ttl), ..base },
    })
}

fn http(target: &str, header: &BTreeMap<String, Vec<String>>) -> Result<(), String> {
    let url = Url::parse(target).map_err(|error| format!("{target:?} is no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || url.port() == Some(0) {
        return Err(format!("{target:?} is not of the form http://host:port/path"));
    }
    for (name, values) in header {
        let valid = HeaderName::from_bytes(name.as_bytes()).is_ok()
            && values.iter().all(|value| HeaderValue::from_str(value).is_ok());
        if !valid {
            return Err(format!("{name:?} is no header line"));
        }
    }
    Ok(())
}

/// Writes a duration as Consul reads it.
fn millis(span: Span) -> String {
    format!("{}ms", span.0)
}
