//! Where a served store is, and under which prefix: what follows `consul:` and `etcd:`.

use reqwest::Url;
use std::fmt;

/// Servers of a store and the part of it that is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Served {
    /// `host:port`, each; none when the variables of the store's own tools name them.
    pub(crate) hosts: Vec<String>,
    /// TLS was asked for by name.
    pub(crate) tls: bool,
    /// Empty, or ends in a slash.
    pub(crate) prefix: String,
}

impl Served {
    /// Reads `//host:port,host:port/prefix`; ports and prefix may be left out, or all but the prefix.
    ///
    /// # Errors
    /// Says what may be given instead.
    pub(super) fn parse(text: &str, tls: bool, port: u16) -> Result<Served, String> {
        let (hosts, path) = match text.strip_prefix("//") {
            Some(rest) => {
                let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
                let hosts = hosts.split(',').map(|host| server(host, port));
                (hosts.collect::<Result<Vec<_>, _>>()?, path)
            }
            None => (Vec::new(), text.strip_prefix('/').unwrap_or(text)),
        };
        Ok(Served { hosts, tls, prefix: prefix(path)? })
    }

    /// Gives the addresses as URLs.
    pub(super) fn urls(&self, tls: bool) -> Vec<String> {
        let scheme = if tls { "https" } else { "http" };
        self.hosts.iter().map(|host| format!("{scheme}://{host}")).collect()
    }
}

impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tls = if self.tls { "+https" } else { "" };
        let slashes = if self.hosts.is_empty() { "" } else { "//" };
        write!(f, "{tls}:{slashes}{}", self.hosts.join(","))?;
        if !self.prefix.is_empty() {
            write!(f, "/{}", self.prefix.trim_end_matches('/'))?;
        }
        Ok(())
    }
}

/// Reads `host`, `host:port` or either with brackets around an IPv6 address.
pub(super) fn server(text: &str, port: u16) -> Result<String, String> {
    let wrong = || format!("{text:?} is no address of a server; give HOST:PORT, as in 127.0.0.1:{port}");
    let url = Url::parse(&format!("none://{text}")).map_err(|_| wrong())?;
    let bare = url.path().is_empty() && url.query().is_none() && url.fragment().is_none();
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
    if !bare || !url.username().is_empty() || url.password().is_some() || url.port() == Some(0) {
        return Err(wrong());
    }
    Ok(format!("{host}:{}", url.port().unwrap_or(port)))
}

/// Reads the prefix that keeps this cluster's keys apart from others'.
fn prefix(path: &str) -> Result<String, String> {
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(String::new());
    }
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_name = |part: &str| !part.trim_matches('.').is_empty() && part.bytes().all(letter);
    if path.split('/').all(is_name) {
        Ok(format!("{path}/"))
    } else {
        Err(format!(
            "{path:?} is no prefix; give names of letters, digits, \"-\", \"_\" and \".\", parted by \"/\""
        ))
    }
}
