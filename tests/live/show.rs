//! One daemon for one test, mostly `callboard dev`: it is started, asked through the command line and the API, and cleared
//! away.
//!
//! **Invariant:** nothing is ended but what runs in the directory of this very show.

pub(crate) use servers::{Ports, SOON, until};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;
use tempfile::TempDir;

/// Finds the program under test, next to the tests.
fn binary() -> PathBuf {
    let own = std::env::current_exe().expect("a test knows its own file");
    let path = own.ancestors().nth(2).expect("tests lie in target/PROFILE/deps").join("callboard");
    assert!(
        path.is_file(),
        "{} is missing; build it as tests/run does, by `cargo build --workspace --bins` in the profile of the tests",
        path.display()
    );
    path
}

/// The program, as tests call it: nothing in the environment changes what it does.
pub(crate) fn program() -> Command {
    let mut command = Command::new(binary());
    let ours = |name: &str| {
        ["CALLBOARD_", "CONSUL_", "DOCKER_", "ETCDCTL_"].iter().any(|own| name.starts_with(own))
            || name == "RUST_LOG"
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| ours(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command.stdin(std::process::Stdio::null()).current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// Runs a command to its end.
#[track_caller]
pub(crate) fn run(command: Command, line: &[&str]) -> Said {
    let mut command = assert_cmd::Command::from_std(command);
    let output = command.timeout(Duration::from_secs(120)).output().expect("the program can be started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said {
        code: output.status.code(),
        out: text(&output.stdout),
        err: text(&output.stderr),
        command: line.join(" "),
    }
}

/// What a command answered.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) command: String,
}

impl Said {
    /// Expects an exit code.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Said {
        let Said { command, out, err, .. } = &self;
        assert_eq!(self.code, Some(code), "callboard {command}\n--- out\n{out}--- err\n{err}");
        self
    }

    /// Expects words among the messages.
    #[track_caller]
    pub(crate) fn complains(self, words: &str) -> Said {
        let Said { command, out, err, .. } = &self;
        assert!(err.contains(words), "callboard {command}: no {words:?}\n--- out\n{out}--- err\n{err}");
        self
    }
}

/// A `callboard dev` and its directory.
pub(crate) struct Show {
    dir: TempDir,
    pub(crate) ports: Ports,
    /// What it plays: the command, and what belongs to it.
    role: Vec<String>,
    pub(crate) daemon: Option<Child>,
}

impl Show {
    /// Starts a daemon in a new directory, with further arguments, and waits until it answers.
    #[track_caller]
    pub(crate) fn start(arguments: &[&str]) -> Show {
        Show::playing(&["dev"], arguments)
    }

    /// Starts a daemon that plays another role.
    #[track_caller]
    pub(crate) fn playing(role: &[&str], arguments: &[&str]) -> Show {
        // In a soak the daemon has a small disk of its own, which is filled; those whom it calls have not.
        let place = std::env::var_os("CALLBOARD_SOAK_DISK").map_or_else(std::env::temp_dir, PathBuf::from);
        let dir = tempfile::Builder::new().prefix("callboard-").tempdir_in(place);
        let dir = dir.expect("a directory can be made");
        let role = role.iter().map(ToString::to_string).collect();
        let mut show = Show { dir, ports: Ports::claim(), role, daemon: None };
        show.raise(arguments);
        show
    }

    /// Starts a daemon again in the same directory.
    #[track_caller]
    pub(crate) fn raise(&mut self, arguments: &[&str]) {
        let log = File::options().append(true).create(true).open(self.log()).expect("the log can be written");
        let mut command = program();
        command.args(&self.role).args(["--host", "h1"]);
        command.arg("--data-dir").arg(self.data_dir());
        command.args(["--bind", &format!("127.0.0.1:{}", self.ports.first)]);
        command.args(["--ports", &format!("{}-{}", self.ports.first + 1, self.ports.last)]);
        command.args(arguments);
        command.stdout(log.try_clone().expect("a file can be opened twice")).stderr(log);
        self.daemon = Some(command.spawn().expect("the program can be started"));
        until("the daemon answers", SOON, || {
            if let Some(Ok(Some(status))) = self.daemon.as_mut().map(Child::try_wait) {
                panic!("the daemon ended, {status}");
            }
            // One that wants a token says so.
            self.get("/v1/health").filter(|(status, _)| matches!(status, 200 | 401))
        });
    }

    /// Makes a command that asks the daemon, without running it.
    pub(crate) fn asking(&self, line: &[&str]) -> Command {
        let mut command = program();
        command.env("CALLBOARD_ADDR", format!("http://127.0.0.1:{}", self.ports.first)).args(line);
        command
    }

    /// Runs a command line against the daemon.
    #[track_caller]
    pub(crate) fn callboard(&self, line: &[&str]) -> Said {
        run(self.asking(line), line)
    }

    /// Asks the API.
    pub(crate) fn get(&self, path: &str) -> Option<(u16, String)> {
        ask(self.ports.first, path)
    }

    /// Writes a file beside the data directory and gives its path.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path().join(name);
        fs::write(&path, content).expect("a file can be written");
        path.to_str().expect("paths of tests are UTF-8").to_owned()
    }

    /// The directory of everything of this show.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The directory that the daemon keeps its things in.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.path().join("data")
    }

    /// The file that the daemon writes to.
    pub(crate) fn log(&self) -> PathBuf {
        self.path().join("daemon.log")
    }

    /// Kills the daemon.
    pub(crate) fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            // It may have ended by itself.
            let _ended = daemon.kill();
            let _reaped = daemon.wait();
        }
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.log()).unwrap_or_default();
            let _unshown = write!(std::io::stderr(), "--- the daemon said\n{log}---\n");
        }
        self.kill();
        crate::processes::clear_away(self.path());
    }
}

/// Sends a GET to a port of this machine; nothing when nobody answers in a moment.
pub(crate) fn ask(port: u16, path: &str) -> Option<(u16, String)> {
    send(port, "GET", path, b"")
}

/// Sends a request to a port of this machine; nothing when nobody answers in a moment.
pub(crate) fn send(port: u16, method: &str, path: &str, body: &[u8]) -> Option<(u16, String)> {
    const PATIENCE: Duration = Duration::from_secs(2);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}
