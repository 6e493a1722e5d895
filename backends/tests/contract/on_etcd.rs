//! Real servers of etcd under the contract: one, and three.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use callboard_backends::{Etcd, EtcdSettings, Store};
use callboard_core::machine::Span;
use tokio::runtime::Handle;

use crate::bench::Fixture;

struct Servers {
    servers: servers::Etcd,
    store: Arc<Etcd>,
}

impl Servers {
    fn fresh(count: u16) -> Servers {
        let servers = servers::Etcd::start(count, &[]);
        let endpoints = servers.client_ports().into_iter().map(|port| format!("http://127.0.0.1:{port}"));
        let settings = EtcdSettings { endpoints: endpoints.collect(), ..EtcdSettings::default() };
        let opened =
            tokio::task::block_in_place(|| Handle::current().block_on(async { Etcd::open(settings).await }));
        Servers { servers, store: Arc::new(opened.expect("settings that work")) }
    }
}

pub(crate) struct OneServer(Servers);

impl OneServer {
    pub(crate) fn fresh() -> OneServer {
        OneServer(Servers::fresh(1))
    }
}

pub(crate) struct ThreeServers(Servers);

impl ThreeServers {
    pub(crate) fn fresh() -> ThreeServers {
        ThreeServers(Servers::fresh(3))
    }
}

macro_rules! fixture {
    ($name:ident) => {
        #[async_trait]
        impl Fixture for $name {
            fn store(&self) -> Arc<dyn Store> {
                self.0.store.clone()
            }
            // A whole second; the least that etcd keeps to is two.
            fn ttl(&self) -> Span {
                Span::secs(1)
            }
            async fn outlast(&self, ttl: Span) {
                tokio::time::sleep(Duration::from_millis(ttl.0 + 1_000)).await;
            }
            async fn compact(&self) -> bool {
                self.0.servers.compact();
                true
            }
        }
    };
}

fixture!(OneServer);
fixture!(ThreeServers);
