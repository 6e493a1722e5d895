//! Where a health check goes, with the port that its task was given.

use super::{Check, Probe};
use alloc::format;
use alloc::string::{String, ToString};

impl Check {
    /// Gives the URL or the `host:port` that is probed; empty for a check that goes nowhere, script and ttl.
    ///
    /// # Errors
    /// The check wants the provided port, and there is none.
    pub fn target(&self, provided: Option<u16>) -> Result<String, String> {
        let port = provided.filter(|_| self.add_provided_port);
        if self.add_provided_port && port.is_none() {
            return Err("the check wants the provided port, but the task has none; set provide_port or port"
                .to_string());
        }
        match &self.probe {
            Probe::Http { http: address, .. } | Probe::Tcp { tcp: address, .. } => {
                Ok(with_port(address, port))
            }
            Probe::Script { .. } | Probe::Ttl { .. } => Ok(String::new()),
        }
    }
}

/// Puts `:port` behind the host of an `http://host/path` or a bare `host`, in the place of one that is there.
fn with_port(address: &str, port: Option<u16>) -> String {
    let Some(port) = port else { return address.to_string() };
    let start = address.find("://").map_or(0, |at| at + 3);
    let end = address[start..].find(['/', '?', '#']).map_or(address.len(), |at| start + at);
    let authority = &address[start..end];
    let name = authority.rfind('@').map_or(0, |at| at + 1);
    let host_end = match authority.rfind(']') {
        Some(bracket) => bracket + 1,
        None => authority[name..].find(':').map_or(authority.len(), |at| name + at),
    };
    format!("{}{}:{port}{}", &address[..start], &authority[..host_end], &address[end..])
}

#[cfg(test)]
mod tests {
    use super::with_port;

    #[test]
    fn the_port_goes_behind_the_host() {
        let check = |address: &str, expect: &str| assert_eq!(with_port(address, Some(80)), expect);
        check("http://host", "http://host:80");
        check("http://host/path?q=a:b", "http://host:80/path?q=a:b");
        check("http://host?q=1", "http://host:80?q=1");
        check("https://user:word@host/", "https://user:word@host:80/");
        check("http://host:1/path", "http://host:80/path");
        check("http://[::1]/path", "http://[::1]:80/path");
        check("host", "host:80");
        check("127.0.0.1", "127.0.0.1:80");
        check("[::1]", "[::1]:80");
        assert_eq!(with_port("http://host/path", None), "http://host/path");
    }
}
