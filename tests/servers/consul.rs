//! Consul with one server or several.

use crate::Ports;
use crate::process::{Member, SOON, http, until};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A Consul cluster on loopback.
#[derive(Debug)]
pub struct Consul {
    /// Its servers.
    pub members: Vec<Member>,
    ports: Ports,
    dir: TempDir,
}

/// Ports of one server: HTTP, DNS, Serf in the network, between networks, of the servers, and HTTPS.
const EACH: u16 = 6;

/// Files for TLS, as PEM.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The authority that signed them.
    pub ca: PathBuf,
    /// Of the servers: certificate and key.
    pub server: [PathBuf; 2],
    /// Of clients: certificate and key.
    pub client: [PathBuf; 2],
}

impl Certificates {
    /// Makes them in a directory, valid for servers on loopback.
    ///
    /// # Panics
    /// They cannot be made.
    #[must_use]
    pub fn make(dir: &Path) -> Certificates {
        consul(dir, &["tls", "ca", "create"]);
        consul(dir, &["tls", "cert", "create", "-server"]);
        consul(dir, &["tls", "cert", "create", "-client"]);
        let of = |who: &str| ["", "-key"].map(|what| dir.join(format!("dc1-{who}-consul-0{what}.pem")));
        Certificates { ca: dir.join("consul-agent-ca.pem"), server: of("server"), client: of("client") }
    }
}

impl Consul {
    /// Starts a cluster of `count` servers, three at most, and waits until it has a leader. `settings` are merged into the
    /// configuration of every server; with a `cert_file` it serves HTTPS, too.
    ///
    /// # Panics
    /// It does not come up.
    #[must_use]
    pub fn start(count: u16, settings: serde_json::Value) -> Consul {
        let ports = Ports::claim();
        let dir = TempDir::new().expect("a directory for the test");
        let serf: Vec<String> =
            (0..count).map(|index| format!("127.0.0.1:{}", ports.first + EACH * index + 2)).collect();
        let secure = settings.get("cert_file").is_some();
        let more = dir.path().join("settings.json");
        std::fs::write(&more, settings.to_string()).expect("the directory can be written");
        let start = |index: u16| {
            let first = ports.first + EACH * index;
            let name = format!("c{index}");
            let path = |what: &str| dir.path().join(format!("{name}{what}"));
            let https = if secure { i32::from(first) + 5 } else { -1 };
            let config = serde_json::json!({
                "server": true,
                "bootstrap_expect": count,
                "node_name": name,
                "data_dir": path(""),
                "bind_addr": "127.0.0.1",
                "client_addr": "127.0.0.1",
                "retry_join": serf,
                "retry_interval": "1s",
                "log_level": "warn",
                "disable_update_check": true,
                "performance": { "raft_multiplier": 1 },
                "ports": { "http": first, "dns": first + 1, "serf_lan": first + 2, "serf_wan": first + 3,
                           "server": first + 4, "grpc": -1, "https": https },
            });
            std::fs::write(path(".json"), config.to_string()).expect("the directory can be written");
            let arguments = [
                "agent".to_owned(),
                format!("-config-file={}", path(".json").display()),
                format!("-config-file={}", more.display()),
            ];
            Member::start("consul", arguments.into(), path(".log"))
        };
        let members = (0..count).map(start).collect();
        let consul = Consul { members, ports, dir };
        until("Consul has a leader", SOON, || consul.leader());
        // Sessions are bound to a node, which is registered a moment after.
        until("Consul knows its nodes", SOON, || {
            let (_, nodes) = http(consul.port(0), "GET", "/v1/health/state/passing", b"")?;
            (nodes.matches("serfHealth").count() == usize::from(count)).then_some(())
        });
        consul
    }

    /// Gives the HTTP port of one server.
    #[must_use]
    pub fn port(&self, index: usize) -> u16 {
        self.ports.first + EACH * u16::try_from(index).expect("few servers")
    }

    /// Gives the HTTP ports of all servers.
    #[must_use]
    pub fn client_ports(&self) -> Vec<u16> {
        (0..self.members.len()).map(|index| self.port(index)).collect()
    }

    /// Gives the HTTPS port of one server, where it has one.
    #[must_use]
    pub fn secure_port(&self, index: usize) -> u16 {
        self.port(index) + 5
    }

    /// Saves everything it holds.
    ///
    /// # Panics
    /// It cannot.
    pub fn save(&self) {
        self.snapshot("save");
    }

    /// Takes it back to what was saved last, while it serves.
    ///
    /// # Panics
    /// It cannot.
    pub fn restore(&self) {
        self.snapshot("restore");
    }

    fn snapshot(&self, what: &str) {
        let address = format!("-http-addr=127.0.0.1:{}", self.port(self.leader().unwrap_or(0)));
        consul(self.dir(), &["snapshot", what, &address, "snapshot"]);
    }

    /// Gives the index of the server that leads, as those that run see it.
    #[must_use]
    pub fn leader(&self) -> Option<usize> {
        let running = (0..self.members.len()).filter(|index| self.members[*index].runs());
        let leader = running
            .filter_map(|index| http(self.port(index), "GET", "/v1/status/leader", b""))
            .find_map(|(status, body)| {
                (status == 200).then(|| body.trim().trim_matches('"').to_owned()).filter(|it| !it.is_empty())
            })?;
        let port: u16 = leader.rsplit(':').next()?.parse().ok()?;
        let index = usize::from(port.checked_sub(self.ports.first + 4)? / EACH);
        self.members.get(index)?.runs().then_some(index)
    }

    /// Gives its directory, for snapshots and the like.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

fn consul(dir: &Path, arguments: &[&str]) {
    let mut command = Command::new("consul");
    command.args(arguments).current_dir(dir);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let output = command.output().unwrap_or_else(|error| {
        panic!("consul cannot be started: {error}; `tests/run` installs what the tests need")
    });
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "consul {arguments:?}: {}", String::from_utf8_lossy(&said));
}
