//! etcd with one server or several.

use crate::Ports;
use crate::process::{Member, SOON, http, until};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// An etcd cluster on loopback.
#[derive(Debug)]
pub struct Etcd {
    /// Its servers.
    pub members: Vec<Member>,
    ports: Ports,
    dir: TempDir,
    /// All of its members, as etcd is told.
    all: String,
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
        let etcd = Etcd { members, ports, dir, all };
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

    /// Gives its directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Forgets the history up to now, and gives the revision that is now.
    ///
    /// # Panics
    /// It does not answer.
    pub fn compact(&self) -> u64 {
        let ask = |path: &str, body: String| {
            let answer = self.client_ports().into_iter().find_map(|port| {
                http(port, "POST", path, body.as_bytes()).filter(|(status, _)| *status == 200)
            });
            answer.expect("etcd answers").1
        };
        // The key is a single zero byte.
        let found: serde_json::Value =
            serde_json::from_str(&ask("/v3/kv/range", r#"{"key":"AA=="}"#.into())).expect("etcd speaks JSON");
        let revision = found["header"]["revision"].as_str().expect("an answer has a revision");
        let asked = serde_json::json!({ "revision": revision, "physical": true });
        ask("/v3/kv/compaction", asked.to_string());
        revision.parse().expect("a revision is a number")
    }

    /// Saves everything it holds to a file.
    ///
    /// # Panics
    /// It cannot.
    #[must_use]
    pub fn save(&self) -> PathBuf {
        let file = self.dir().join("snapshot");
        self.etcdctl(&["snapshot", "save", &file.display().to_string()]);
        file
    }

    /// Has `etcdctl` ask the first server.
    ///
    /// # Panics
    /// It fails.
    pub fn etcdctl(&self, arguments: &[&str]) {
        let endpoint = format!("--endpoints=http://127.0.0.1:{}", self.port(0));
        etcdctl(&[&[endpoint.as_str()], arguments].concat());
    }

    /// Stops all servers and starts them again with what a file holds.
    ///
    /// # Panics
    /// They do not come up.
    pub fn restore(&mut self, file: &Path) {
        for index in 0..self.members.len() {
            self.members[index].kill();
            let data = self.dir().join(format!("m{index}"));
            std::fs::remove_dir_all(&data).expect("the directory of a server that ended can be removed");
            etcdctl(&[
                "snapshot",
                "restore",
                &file.display().to_string(),
                &format!("--name=m{index}"),
                &format!("--data-dir={}", data.display()),
                &format!("--initial-cluster={}", self.all),
                &format!("--initial-advertise-peer-urls=http://127.0.0.1:{}", self.port(index) + 1),
            ]);
        }
        for member in &mut self.members {
            member.restart();
        }
        until("etcd has a leader", SOON, || self.leader());
    }
}

fn etcdctl(arguments: &[&str]) {
    let mut command = Command::new("etcdctl");
    command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let output = command.env("ETCDCTL_API", "3").output().unwrap_or_else(|error| {
        panic!("etcdctl cannot be started: {error}; `tests/run` installs what the tests need")
    });
    assert!(output.status.success(), "etcdctl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
