//! Addresses in configurations: URLs of checks and artifacts, and `host:port`.
//!
//! **Invariant:** an address that was accepted names its host plainly: no user, no odd spelling of a number, no
//! unspecified, multicast or link-local address, where clouds keep their secrets.

use super::item::Item;
use super::mistake::Mistake;
use alloc::format;
use alloc::string::String;
use core::net::{Ipv4Addr, Ipv6Addr};

const URL_LENGTH_MAX: usize = 2048;

/// Hosts that hold a cloud's secrets under other than link-local addresses.
const METADATA: [&str; 5] =
    ["metadata", "metadata.google.internal", "100.100.100.200", "168.63.129.16", "192.0.0.192"];

/// Puts a port into an address: after the host of a URL, at the end of a bare host. The address was accepted with
/// `add_provided_port`, so it has none.
#[must_use]
pub fn with_port(address: &str, port: u16) -> String {
    let start = address.find("://").map_or(0, |scheme| scheme + 3);
    let end = address[start..].find(['/', '?', '#']).map_or(address.len(), |length| start + length);
    format!("{}:{port}{}", &address[..end], &address[end..])
}

/// Reads an http or https URL; with `add_port` it must leave the port out.
pub(super) fn url(item: &Item<'_>, add_port: bool) -> Option<String> {
    const WHAT: &str = "a URL such as http://web.example/health or https://10.0.0.7/";
    let text = item.text(WHAT)?;
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let Some(rest) = rest.filter(|_| text.len() <= URL_LENGTH_MAX && !text.contains([' ', '\\', '"'])) else {
        item.wrong("", WHAT, "");
        return None;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        // What was found holds a password; it is not repeated.
        let problem = "a URL with a user name or password".into();
        let (allowed, next) = (WHAT.into(), "remove all up to the @".into());
        item.report(Mistake { problem, allowed, next, found: String::new(), ..item.mistake() });
        return None;
    }
    let found = split(authority).and_then(|(host, port)| check_host(host).map(|()| port));
    accept(item, text, found, WHAT, add_port, false)
}

/// Reads `host:port`, or `host` alone with `add_port`.
pub(super) fn host_port(item: &Item<'_>, add_port: bool) -> Option<String> {
    let what = if add_port { "a host" } else { "host:port" };
    let text = item.text(what)?;
    let found = split(text).and_then(|(host, port)| check_host(host).map(|()| port));
    accept(item, text, found, what, add_port, !add_port)
}

fn accept(
    item: &Item<'_>,
    text: &str,
    found: Result<Option<u16>, &'static str>,
    what: &str,
    add_port: bool,
    need_port: bool,
) -> Option<String> {
    match found {
        Err(problem) => item.wrong(problem, what, ""),
        Ok(Some(_)) if add_port => {
            item.wrong("with a port", what, "remove the port or add_provided_port");
        }
        Ok(None) if need_port => item.wrong("without a port", what, "add a port from 1 to 65535"),
        Ok(_) => return Some(text.into()),
    }
    None
}

/// Splits `host`, `host:port`, `[v6]` or `[v6]:port`.
fn split(authority: &str) -> Result<(&str, Option<u16>), &'static str> {
    const PORT: &str = "whose port is not from 1 to 65535";
    let (host, rest) = match authority.find(']') {
        Some(end) if authority.starts_with('[') => authority.split_at(end + 1),
        Some(_) | None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let Some(port) = rest.strip_prefix(':') else {
        return if rest.is_empty() { Ok((host, None)) } else { Err("which names no host") };
    };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(port) if port > 0 && digits => Ok((host, Some(port))),
        Ok(_) | Err(_) => Err(PORT),
    }
}

fn check_host(host: &str) -> Result<(), &'static str> {
    const UNKNOWN: &str = "which names no host";
    if let Some(inner) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return check_v6(inner.parse().map_err(|_| UNKNOWN)?);
    }
    let lower = host.trim_end_matches('.').to_ascii_lowercase();
    if METADATA.contains(&lower.as_str()) {
        return Err("where clouds keep their secrets");
    }
    let last = lower.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()));
    if hexadecimal || (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit())) {
        return check_v4(host.parse().map_err(|_| "an odd spelling of an IP address")?);
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if lower.len() > 253 || !lower.split('.').all(is_label) {
        return Err(UNKNOWN);
    }
    Ok(())
}

fn check_v4(address: Ipv4Addr) -> Result<(), &'static str> {
    if address.octets()[0] == 0 {
        return Err("an address that names no host");
    }
    if address.is_link_local() {
        return Err("a link-local address, where clouds keep their secrets");
    }
    if address.is_multicast() || address.is_broadcast() {
        return Err("an address of many hosts");
    }
    Ok(())
}

fn check_v6(address: Ipv6Addr) -> Result<(), &'static str> {
    if let Some(inner) = address.to_ipv4_mapped() {
        return check_v4(inner);
    }
    let segments = address.segments();
    if address.is_unspecified() {
        return Err("an address that names no host");
    }
    if segments[0] & 0xffc0 == 0xfe80 {
        return Err("a link-local address, where clouds keep their secrets");
    }
    if segments == [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254] {
        return Err("where clouds keep their secrets");
    }
    if address.is_multicast() {
        return Err("an address of many hosts");
    }
    if address.to_ipv4().is_some() && !address.is_loopback() {
        return Err("an odd spelling of an IP address");
    }
    Ok(())
}
