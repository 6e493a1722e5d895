//! etcd with one server or several.

use crate::Ports;
use crate::process::{Member, SOON, http, until};
use std::path::Path;
use tempfile::TempDir;

/// An etcd cluster on loopback.
#[derive(Debug)]
pub struct Etcd {
    /// Its servers.
    pub members: Vec<Member>,
    ports: Ports,
    dir: TempDir,
}

impl Etcd {
    /// Starts a cluster of `count` servers and waits until it has a leader. `flags` are for every server.
    ///
    /// # Panics
    /// It does not come up.
    #[must_use]
    pub fn start(count: u16, flags: &[&str]) -> Etcd {
        let ports = Ports::claim();
        let dir = TempDir::new().expect("a directory for the test");
        let peer = |index: u16| format!("http://127.0.0.1:{}", ports.first + 2 * index + 1);
        let all: Vec<String> = (0..count).map(|index| format!("m{index}={}", peer(index))).collect();
        let all = all.join(",");
        let start = |index: u16| {
            let (client, peer) = (format!("http://127.0.0.1:{}", ports.first + 2 * index), peer(index));
            let name = format!("m{index}");
            let path = |what: &str| dir.path().join(format!("{name}{what}"));
            let mut arguments = vec![
                format!("--name={name}"),
                format!("--data-dir={}", path("").display()),
                format!("--listen-client-urls={client}"),
                format!("--advertise-client-urls={client}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster={all}"),
                "--initial-cluster-state=new".to_owned(),
                "--logger=zap".to_owned(),
                "--log-level=warn".to_owned(),
            ];
            arguments.extend(flags.iter().map(ToString::to_string));
            Member::start("etcd", arguments, path(".log"))
        };
        let members = (0..count).map(start).collect();
        let etcd = Etcd { members, ports, dir };
        until("etcd has a leader", SOON, || etcd.leader());
        etcd
    }

    /// Gives the client port of one server.
    #[must_use]
    pub fn port(&self, index: usize) -> u16 {
        self.ports.first + 2 * u16::try_from(index).expect("few servers")
    }

    /// Gives the ports of all servers.
    #[must_use]
    pub fn client_ports(&self) -> Vec<u16> {
        (0..self.members.len()).map(|index| self.port(index)).collect()
    }

    /// Gives the index of the server that leads, as those that run see it.
    #[must_use]
    pub fn leader(&self) -> Option<usize> {
        (0..self.members.len()).filter(|index| self.members[*index].runs()).find(|index| {
            let status = http(self.port(*index), "POST", "/v3/maintenance/status", b"{}");
            let Some((200, body)) = status else { return false };
            let Ok(status) = serde_json::from_str::<serde_json::Value>(&body) else { return false };
            let leader = status["leader"].as_str();
            leader.is_some_and(|leader| leader != "0") && leader == status["header"]["member_id"].as_str()
        })
    }

    /// Gives its directory, for snapshots and the like.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}
