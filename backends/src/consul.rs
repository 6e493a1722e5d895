//! Keeps keys, sessions and their history in a Consul.

use crate::{StoreError, Tls};

mod http;

use http::Http;

/// Where a Consul is, and as whom to speak to it.
#[derive(Clone, Debug, Default)]
pub struct ConsulSettings {
    /// Of agents or servers, each `http://…` or `https://…`; several are tried in turn. The first is best the agent on
    /// this host.
    pub addresses: Vec<String>,
    /// The ACL token.
    pub token: Option<String>,
    /// The namespace (Consul Enterprise).
    pub namespace: Option<String>,
    /// The data centre, where it is not the one of the agent asked. Sessions need the agent's own.
    pub datacenter: Option<String>,
    /// For `https://` addresses; without it, the authorities of this machine are believed.
    pub tls: Option<Tls>,
}

/// A store in a Consul.
#[derive(Debug)]
pub struct Consul {
    http: Http,
}

impl Consul {
    /// Prepares a store; the server need not be there.
    ///
    /// # Errors
    /// Names the setting that is wrong.
    pub fn open(settings: &ConsulSettings) -> Result<Consul, StoreError> {
        Ok(Consul { http: Http::new(settings)? })
    }
}
