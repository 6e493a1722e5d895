//! A Docker Engine: the one that `DOCKER_HOST` names, which tests share, or one of a test's own, which it may stop, hang and
//! start again. And an image for it, made here of a static busybox, since there may be no registry.
//!
//! **Invariant:** no engine is used but these.

use crate::process::{Member, SOON, exchange, until};
use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;
use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// The image that tests run: busybox and nothing else, with a shell at `/bin/sh`.
pub const BUSYBOX: &str = "busybox:1";
/// Where Debian's busybox-static has it.
const PROGRAM: &str = "/bin/busybox";

/// An engine of a test's own.
#[derive(Debug)]
pub struct Docker {
    /// Its daemon.
    pub member: Member,
    dir: TempDir,
}

impl Docker {
    /// Starts an engine and waits until it answers. It has no network of its own for containers.
    ///
    /// # Panics
    /// It does not come up.
    #[must_use]
    pub fn start() -> Docker {
        // Paths of sockets are short.
        let dir = tempfile::Builder::new().prefix("cb").tempdir_in("/tmp").expect("a directory for the test");
        let path = |name: &str| dir.path().join(name).display().to_string();
        let arguments = vec![
            // With a network of its own, for an engine removes the usual bridge when it is to have none.
            "--net".to_owned(),
            "dockerd".to_owned(),
            format!("--data-root={}", path("data")),
            format!("--exec-root={}", path("exec")),
            format!("--pidfile={}", path("pid")),
            format!("--host=unix://{}", path("s")),
            "--bridge=none".to_owned(),
            "--iptables=false".to_owned(),
            // Containers outlive it.
            "--live-restore".to_owned(),
            "--log-level=warn".to_owned(),
        ];
        let engine = Docker { member: Member::start("unshare", arguments, dir.path().join("log")), dir };
        engine.wait();
        engine
    }

    /// Stops it. Its containers live on.
    pub fn stop(&mut self) {
        self.member.terminate();
    }

    /// Starts it again, where it was stopped or runs.
    ///
    /// # Panics
    /// It does not come up.
    pub fn restart(&mut self) {
        self.stop();
        // What ended without cleaning up would be taken for one that runs.
        let _gone = std::fs::remove_file(self.dir.path().join("pid"));
        self.member.restart();
        self.wait();
    }

    fn wait(&self) {
        let socket = self.dir.path().join("s");
        until("the engine answers", SOON, || {
            ask(&socket, "GET", "/_ping", b"").filter(|(status, _)| *status == 200)
        });
    }

    /// Gives its address, as in `DOCKER_HOST`.
    #[must_use]
    pub fn host(&self) -> String {
        format!("unix://{}/s", self.dir.path().display())
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let socket = self.dir.path().join("s");
        if self.member.runs() {
            self.member.signal(Signal::CONT);
        } else {
            self.restart();
        }
        for id in containers(&socket) {
            let _gone = ask(&socket, "DELETE", &format!("/containers/{id}?force=1"), b"");
        }
        self.member.terminate();
        unmount(self.dir.path());
    }
}

/// Unmounts what an engine leaves mounted below its directory when it ends, for whoever starts it next.
fn unmount(dir: &Path) {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    let mut below: Vec<&str> = places.filter(|place| Path::new(place).starts_with(dir)).collect();
    below.sort_unstable();
    for place in below.into_iter().rev() {
        // What stays mounted stays on the disk, too.
        let _unmounted = Command::new("umount").arg("--lazy").arg(place).status();
    }
}

fn containers(socket: &Path) -> Vec<String> {
    let (_, body) = ask(socket, "GET", "/containers/json?all=1", b"").unwrap_or_default();
    let listed: Vec<serde_json::Value> = serde_json::from_str(&body).unwrap_or_default();
    listed.iter().filter_map(|one| one["Id"].as_str().map(str::to_owned)).collect()
}

/// Gives the address of the engine that tests share, with the image in it.
///
/// # Panics
/// There is none.
#[must_use]
pub fn shared_docker() -> String {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    assert!(
        host.starts_with("unix://"),
        "these tests need a Docker Engine, and DOCKER_HOST names none; `tests/run` starts one"
    );
    provide_image(&host);
    host
}

/// Makes the image in an engine where it is not yet.
///
/// # Panics
/// The engine does not answer, or there is no static busybox.
pub fn provide_image(host: &str) {
    let socket = Path::new(host.strip_prefix("unix://").expect("an engine of this machine"));
    let lock = File::create(std::env::temp_dir().join("callboard-test-image")).expect("a lock can be made");
    flock(&lock, FlockOperation::LockExclusive).expect("a lock can be taken");
    let (status, said) = ask(socket, "GET", &format!("/images/{BUSYBOX}/json"), b"")
        .unwrap_or_else(|| panic!("no Docker Engine answers at {host}; `tests/run` starts one"));
    if status == 200 {
        return;
    }
    assert_eq!(status, 404, "{said}");
    let (name, tag) = BUSYBOX.split_once(':').expect("it has a tag");
    let path = format!("/images/create?fromSrc=-&repo={name}&tag={tag}");
    let (status, said) = ask(socket, "POST", &path, &root()).expect("the engine answers");
    assert!(status == 200 && !said.contains("error"), "{said}");
}

/// Makes the files of the image: busybox and a name for each of its commands.
fn root() -> Vec<u8> {
    let dir = TempDir::new().expect("a directory for the image");
    let bin = dir.path().join("bin");
    for name in ["bin", "tmp", "etc"] {
        std::fs::create_dir(dir.path().join(name)).expect("a directory can be made");
    }
    std::fs::copy(PROGRAM, bin.join("busybox"))
        .unwrap_or_else(|error| panic!("{PROGRAM}: {error}; `tests/run` installs what the tests need"));
    let output = Command::new(PROGRAM).arg("--list").output().expect("busybox runs");
    for name in String::from_utf8_lossy(&output.stdout).lines().filter(|name| *name != "busybox") {
        std::os::unix::fs::symlink("busybox", bin.join(name)).expect("a link can be made");
    }
    let tar =
        Command::new("tar").args(["-c", "--owner=0", "--group=0", "-C"]).arg(dir.path()).arg(".").output();
    let tar = tar.expect("tar runs");
    assert!(tar.status.success(), "tar: {}", String::from_utf8_lossy(&tar.stderr));
    tar.stdout
}

/// Asks an engine by its API, past the executor, and gives status and body.
///
/// # Panics
/// It does not answer.
#[must_use]
pub fn ask_docker(host: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    let socket = Path::new(host.strip_prefix("unix://").expect("an engine of this machine"));
    ask(socket, method, path, body.as_bytes()).unwrap_or_else(|| panic!("no Docker Engine answers at {host}"))
}

/// Lists the containers of an engine by its API; nothing when it does not answer in that time.
///
/// # Panics
/// It is no engine of this machine.
#[must_use]
pub fn docker_containers(host: &str, patience: Duration) -> Option<Vec<serde_json::Value>> {
    let socket = Path::new(host.strip_prefix("unix://").expect("an engine of this machine"));
    let (status, body) = ask_within(patience, socket, "GET", "/containers/json?all=1", b"")?;
    (status == 200).then(|| serde_json::from_str(&body).ok()).flatten()
}

/// Sends one request to an engine and gives status and body; nothing when it does not answer.
fn ask(socket: &Path, method: &str, path: &str, body: &[u8]) -> Option<(u16, String)> {
    ask_within(Duration::from_secs(60), socket, method, path, body)
}

fn ask_within(
    patience: Duration,
    socket: &Path,
    method: &str,
    path: &str,
    body: &[u8],
) -> Option<(u16, String)> {
    let stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(patience)).ok()?;
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    exchange(stream, &head, body)
}
