//! Reads a health check.

use crate::config::address;
use crate::config::item::Item;
use crate::config::mistake::one_of;
use crate::config::reader::Fields;
use crate::machine::Span;
use crate::model::{Check, PROBE_INTERVAL_DEFAULT, PROBE_TIMEOUT_DEFAULT, Probe};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

const DAY: Span = Span::secs(24 * 3600);
const PROBES: &str = "exactly one of http, tcp, script or ttl";
const SUCCESS_DEFAULT: u32 = 1;
const FAILURE_DEFAULT: u32 = 3;

/// Reads a check of a task that has a port, or has none.
pub(super) fn read(item: &Item<'_>, has_port: bool) -> Option<Check> {
    item.object(|fields| {
        let name = fields.optional("name").and_then(|item| item.text("a text").map(String::from));
        let port = fields.optional("add_provided_port");
        let add_provided_port = port.as_ref().and_then(Item::flag).unwrap_or(false);
        let probe = probe(fields, add_provided_port);
        if let Some(item) = port.filter(|_| add_provided_port) {
            check_port(&item, probe.as_ref(), has_port);
        }
        // Consul removes a service after that long; here the scheduler does, so there is nothing to keep.
        let _ = fields
            .optional("deregister_critical_service_after")
            .and_then(|item| item.span(Span::secs(60)..=DAY.times(365)));
        let success_threshold = fields.number_or("success_threshold", 1..=100, SUCCESS_DEFAULT);
        let failure_threshold = fields.number_or("failure_threshold", 1..=100, FAILURE_DEFAULT);
        Some(Check { name, probe: probe?, add_provided_port, success_threshold, failure_threshold })
    })
    .flatten()
}

fn check_port(item: &Item<'_>, probe: Option<&Probe>, has_port: bool) {
    match probe {
        Some(Probe::Script { .. } | Probe::Ttl { .. }) => {
            item.wrong("with a script or ttl check", "http or tcp beside it", "remove add_provided_port");
        }
        Some(Probe::Http { .. } | Probe::Tcp { .. }) | None if !has_port => {
            item.wrong("but the task has no port", "", "set provide_port or port");
        }
        Some(Probe::Http { .. } | Probe::Tcp { .. }) | None => {}
    }
}

fn probe(fields: &mut Fields<'_>, add_port: bool) -> Option<Probe> {
    let kinds = ["http", "tcp", "script", "ttl"];
    let given: Vec<(&str, Item<'_>)> =
        kinds.into_iter().filter_map(|kind| Some((kind, fields.optional(kind)?))).collect();
    let header = fields.optional("header");
    let (interval, timeout) = (fields.optional("interval"), fields.optional("timeout"));
    let [(kind, item)] = given.as_slice() else {
        let found = one_of(given.iter().map(|(kind, _)| *kind)).replace(" or ", " and ");
        let problem = if given.is_empty() { "checks nothing".into() } else { format!("checks {found}") };
        fields.wrong(problem, PROBES, "");
        return None;
    };
    if let Some(header) = header.as_ref().filter(|_| *kind != "http") {
        header.wrong(format!("with a {kind} check"), "", "remove it, or check by http");
    }
    if *kind == "ttl" {
        for extra in [&interval, &timeout].into_iter().flatten() {
            extra.wrong("with a ttl check, which is not run but waited for", "", "remove it");
        }
        return Some(Probe::Ttl { ttl: item.span(Span(1)..=DAY)? });
    }
    let times = times(interval.as_ref(), timeout.as_ref());
    let probe = match *kind {
        "http" => {
            let header = header.map(|header| self::header(&header)).unwrap_or_default();
            let http = address::url(item, add_port)?;
            let (interval, timeout) = times?;
            Probe::Http { http, header, interval, timeout }
        }
        "tcp" => {
            let tcp = address::host_port(item, add_port)?;
            let (interval, timeout) = times?;
            Probe::Tcp { tcp, interval, timeout }
        }
        _ => {
            let script = super::executor::command(item)?;
            let (interval, timeout) = times?;
            Probe::Script { script, interval, timeout }
        }
    };
    Some(probe)
}

/// Reads how often a check is run and how long it may take.
fn times(interval: Option<&Item<'_>>, timeout: Option<&Item<'_>>) -> Option<(Span, Span)> {
    let every = interval.map_or(Some(PROBE_INTERVAL_DEFAULT), |item| item.span(Span(1)..=DAY));
    let Some(item) = timeout else {
        return every.map(|every| (every, PROBE_TIMEOUT_DEFAULT.min(every)));
    };
    let longest = item.span(Span(1)..=DAY)?;
    let every = every?;
    if longest > every {
        item.wrong(format!("longer than the interval of {every}"), "", "lower timeout or raise interval");
    }
    Some((every, longest))
}

fn header(item: &Item<'_>) -> BTreeMap<String, Vec<String>> {
    const NAME: &str = "a header name of letters, digits and -";
    let mut headers = BTreeMap::new();
    for (name, item) in item.entries() {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || name.len() > 255 || !name.bytes().all(legal) {
            item.wrong("under an impossible name", NAME, "");
        }
        let values = item.items();
        let values =
            values.iter().filter_map(|item| item.text("a header value of one line").map(String::from));
        headers.insert(name.into(), values.collect());
    }
    headers
}
