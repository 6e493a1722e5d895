//! The two kinds of stores, as far as stories must tell them apart.

use callboard_backends::{Etcd, EtcdSettings, Store};
use servers::Proxy;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Consul,
    Etcd,
}

impl Kind {
    /// How long sessions are asked to last: the least that the store takes, or little.
    pub(crate) fn ttl(self) -> &'static str {
        match self {
            Kind::Consul => "10s",
            Kind::Etcd => "4s",
        }
    }

    /// Longer than any session lasts that is not renewed: Consul keeps it twice as long as it was asked.
    pub(crate) fn outlast(self) -> Duration {
        match self {
            Kind::Consul => Duration::from_secs(23),
            Kind::Etcd => Duration::from_secs(7),
        }
    }
}

/// The servers of a store.
pub(crate) enum Servers {
    Consul(servers::Consul),
    Etcd(servers::Etcd),
}

impl Servers {
    pub(crate) fn start(kind: Kind, count: u16) -> Servers {
        match kind {
            Kind::Consul => Servers::Consul(servers::Consul::start(count, serde_json::json!({}))),
            Kind::Etcd => Servers::Etcd(servers::Etcd::start(count, &[])),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Servers::Consul(_) => Kind::Consul,
            Servers::Etcd(_) => Kind::Etcd,
        }
    }

    pub(crate) fn members(&mut self) -> &mut Vec<servers::Member> {
        match self {
            Servers::Consul(consul) => &mut consul.members,
            Servers::Etcd(etcd) => &mut etcd.members,
        }
    }

    pub(crate) fn ports(&self) -> Vec<u16> {
        match self {
            Servers::Consul(consul) => consul.client_ports(),
            Servers::Etcd(etcd) => etcd.client_ports(),
        }
    }

    pub(crate) fn leader(&self) -> Option<usize> {
        match self {
            Servers::Consul(consul) => consul.leader(),
            Servers::Etcd(etcd) => etcd.leader(),
        }
    }

    fn dir(&self) -> &Path {
        match self {
            Servers::Consul(consul) => consul.dir(),
            Servers::Etcd(etcd) => etcd.dir(),
        }
    }

    /// A proxy in front of each server.
    pub(crate) fn proxies(&self, seed: u64) -> Vec<Proxy> {
        let proxy = |port| match self.kind() {
            Kind::Consul => Proxy::http(port, seed),
            Kind::Etcd => Proxy::bytes(port, seed),
        };
        self.ports().into_iter().map(proxy).collect()
    }

    /// Names the store for `--store`, reached by these ports.
    pub(crate) fn name(&self, ports: impl Iterator<Item = u16>) -> String {
        let kind = match self.kind() {
            Kind::Consul => "consul",
            Kind::Etcd => "etcd",
        };
        let hosts: Vec<String> = ports.map(|port| format!("127.0.0.1:{port}")).collect();
        format!("{kind}://{}", hosts.join(","))
    }

    /// A client of its own, reached by these ports.
    pub(crate) async fn store(kind: Kind, ports: &[u16]) -> Arc<dyn Store> {
        match kind {
            Kind::Consul => stage::witness::consul_at(ports),
            Kind::Etcd => {
                let urls = ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
                let settings = EtcdSettings { endpoints: urls, ..EtcdSettings::default() };
                Arc::new(Etcd::open(settings).await.expect("settings that work"))
            }
        }
    }

    /// Saves all that the store holds.
    pub(crate) fn save(&self) -> PathBuf {
        match self {
            Servers::Consul(consul) => {
                let file = self.dir().join("snapshot");
                snapshot(consul.port(0), "save", &file);
                file
            }
            Servers::Etcd(etcd) => etcd.save(),
        }
    }

    /// Puts the store back to what was saved.
    pub(crate) fn restore(&mut self, file: &Path) {
        match self {
            Servers::Consul(consul) => snapshot(consul.port(0), "restore", file),
            Servers::Etcd(etcd) => etcd.restore(file),
        }
    }

    /// Starts all servers anew with nothing.
    pub(crate) fn empty(&mut self) {
        let name = if self.kind() == Kind::Consul { "c" } else { "m" };
        let dir = self.dir().to_owned();
        self.members().iter_mut().for_each(servers::Member::kill);
        for (index, member) in self.members().iter_mut().enumerate() {
            let data = dir.join(format!("{name}{index}"));
            std::fs::remove_dir_all(data).expect("the directory of a server that ended can be removed");
            member.restart();
        }
        servers::until("it has a leader", servers::SOON, || self.leader());
    }
}

fn snapshot(port: u16, verb: &str, file: &Path) {
    let mut command = std::process::Command::new("consul");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.args(["snapshot", verb, &format!("-http-addr=127.0.0.1:{port}")]).arg(file);
    let output = command.output().expect("consul can be started");
    assert!(output.status.success(), "snapshot {verb}: {}", String::from_utf8_lossy(&output.stderr));
}
