//! Real servers of Consul under the contract: one, and three. Cases share them, each with a client of its own.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use callboard_backends::{Consul, ConsulSettings, Store};
use callboard_core::machine::Span;

use crate::bench::Fixture;

pub(crate) struct Servers(Arc<servers::Consul>);

impl Servers {
    fn start(count: u16) -> Servers {
        // Whoever came first installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Servers(Arc::new(servers::Consul::start(count, serde_json::json!({}))))
    }

    pub(crate) fn fresh(&self) -> OnConsul {
        let addresses = self.0.client_ports().into_iter().map(|port| format!("http://127.0.0.1:{port}"));
        let settings = ConsulSettings { addresses: addresses.collect(), ..ConsulSettings::default() };
        OnConsul(Arc::new(Consul::open(&settings).expect("settings that work")), Arc::clone(&self.0))
    }
}

pub(crate) struct OneServer;

impl OneServer {
    pub(crate) fn start() -> Servers {
        Servers::start(1)
    }
}

pub(crate) struct ThreeServers;

impl ThreeServers {
    pub(crate) fn start() -> Servers {
        Servers::start(3)
    }
}

pub(crate) struct OnConsul(Arc<Consul>, Arc<servers::Consul>);

#[async_trait]
impl Fixture for OnConsul {
    fn store(&self) -> Arc<dyn Store> {
        self.0.clone()
    }
    /// The least that Consul takes is ten seconds, which is what the cases come to with three times this.
    fn ttl(&self) -> Span {
        Span(3_400)
    }
    /// Consul ends a session after twice its ttl.
    async fn outlast(&self, ttl: Span) {
        tokio::time::sleep(Duration::from_millis(2 * ttl.0.max(10_000) + 500)).await;
    }
    async fn compact(&self) -> bool {
        assert!(self.1.members.iter().all(servers::Member::runs));
        self.0.compact();
        true
    }
}
