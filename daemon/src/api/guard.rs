//! Who may ask: this machine alone, unless a token says otherwise.
//!
//! **Invariant:** without a token nothing but a loopback name is taken as `Host`, so no web page can reach the API by a
//! name of its own that resolves to this machine; and nothing that a web page sends may write.

use crate::problem::{Kind, Problem};
use anyhow::{Context, Result};
use axum::http::{HeaderMap, Method, header};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Who may use the API.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    token: Option<String>,
    /// Any `Host` will do: the user said so with `--insecure-bind`.
    open: bool,
}

/// Settles who may use an API at this address.
///
/// # Errors
/// The address can be reached from other machines, and there is neither a token nor the user's word that this is meant.
pub(crate) fn access(bind: SocketAddr, token_file: Option<&Path>, insecure: bool) -> Result<Access> {
    let token = token_file.map(read_token).transpose()?;
    let local = bind.ip().is_loopback();
    if !local && token.is_none() && !insecure {
        return Err(Problem::new(
            Kind::Invalid,
            format!("{bind} can be reached from other machines, and whoever reaches it can run anything"),
        )
        .at("--bind")
        .hint("give a token by --token-file, or bind to 127.0.0.1, or say --insecure-bind where the network is trusted")
        .into());
    }
    Ok(Access { token, open: !local && insecure })
}

/// Reads a token.
///
/// # Errors
/// There is none, it is empty, or others may read it too.
pub(crate) fn read_token(file: &Path) -> Result<String> {
    let shown = file.display();
    let unreadable = || format!("the token file {shown} cannot be read");
    let mode = std::fs::metadata(file).with_context(unreadable)?.permissions().mode();
    if mode & 0o077 != 0 {
        let problem = format!("the token file {shown} may be read by other users of this machine");
        return Err(Problem::new(Kind::Invalid, problem).hint(format!("chmod 600 {shown}")).into());
    }
    let text = std::fs::read_to_string(file).with_context(unreadable)?;
    let token = text.trim();
    let plain = token.bytes().all(|byte| byte.is_ascii_graphic());
    if token.len() < 16 || !plain {
        let problem = format!("the token in {shown} must be at least 16 printable characters without blanks");
        return Err(Problem::new(Kind::Invalid, problem)
            .hint("openssl rand -hex 32 makes a good one")
            .into());
    }
    Ok(token.to_owned())
}

impl Access {
    /// Lets a request pass, or says why not.
    pub(crate) fn check(&self, method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
        if method != Method::GET && method != Method::HEAD && headers.contains_key(header::ORIGIN) {
            return Err(Problem::new(Kind::Forbidden, "web pages may not change anything")
                .at("Origin")
                .hint("send requests that write without an Origin header"));
        }
        if let Some(token) = &self.token {
            return match headers.get(header::AUTHORIZATION) {
                Some(sent) if same(sent.as_bytes(), format!("Bearer {token}").as_bytes()) => Ok(()),
                Some(_) | None => Err(Problem::new(Kind::Unauthorized, "the token is missing or wrong")
                    .at("Authorization")
                    .hint("give the daemon's token by --token-file")),
            };
        }
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if self.open || is_local(host) {
            return Ok(());
        }
        let shown: String = host.chars().take(80).collect();
        Err(Problem::new(Kind::Forbidden, format!("{shown:?} is not a name of this API"))
            .at("Host")
            .hint("ask for it as 127.0.0.1 or localhost"))
    }
}

fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        Some(_) | None => host,
    };
    let literal = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || literal.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Compares in a time that does not tell where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_loopback_names_are_ours() {
        for good in ["127.0.0.1:7700", "localhost", "LOCALHOST:1", "[::1]:7700", "127.1.2.3"] {
            assert!(is_local(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "evil.example:7700",
            "127.0.0.1.evil.example",
            "10.0.0.1:7700",
            "localhost.x",
        ] {
            assert!(!is_local(bad), "{bad}");
        }
    }

    #[test]
    fn a_reachable_address_needs_a_token() {
        let all: SocketAddr = "0.0.0.0:7700".parse().unwrap();
        assert!(access(all, None, false).is_err());
        assert!(access(all, None, true).is_ok());
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "0123456789abcdef\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(access(all, Some(&file), false).is_err());
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let access = access(all, Some(&file), false).unwrap();
        let check =
            |value: &str| access.check(&Method::GET, &headers(&[(header::AUTHORIZATION, value)])).is_ok();
        assert!(check("Bearer 0123456789abcdef"));
        assert!(!check("Bearer 0123456789abcdeX") && !check("0123456789abcdef") && !check(""));
    }

    #[test]
    fn web_pages_do_not_write() {
        let access = access("127.0.0.1:1".parse().unwrap(), None, false).unwrap();
        let page = headers(&[(header::HOST, "localhost"), (header::ORIGIN, "http://evil.example")]);
        assert!(access.check(&Method::GET, &page).is_ok());
        assert_eq!(access.check(&Method::POST, &page).unwrap_err().kind, Kind::Forbidden);
    }
}
