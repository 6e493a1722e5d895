//! One process of a server: started, signalled, started again, and ended with its handle.

use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take that should take a moment: the machine may be busy.
pub const SOON: Duration = Duration::from_secs(30);

/// Waits until `probe` gives something.
///
/// # Panics
/// It does not within `limit`.
#[track_caller]
pub fn until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(started.elapsed() < limit, "after {limit:?} still not so: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// One process of a server.
#[derive(Debug)]
pub struct Member {
    program: &'static str,
    arguments: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
}

impl Member {
    /// Starts a program. What it says goes to `log`.
    ///
    /// # Panics
    /// The program cannot be started.
    #[must_use]
    pub fn start(program: &'static str, arguments: Vec<String>, log: PathBuf) -> Member {
        let mut member = Member { program, arguments, log, child: None };
        member.restart();
        member
    }

    /// Starts it, ending it first where it runs.
    ///
    /// # Panics
    /// The program cannot be started.
    pub fn restart(&mut self) {
        self.kill();
        let log = File::options().create(true).append(true).open(&self.log).expect("a log can be written");
        let errors = log.try_clone().expect("a log can be shared");
        let mut command = Command::new(self.program);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(log).stderr(errors);
        // Neither the user's clients nor his servers are meant.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if ["ETCD_", "ETCDCTL_", "CONSUL_", "DOCKER_"].iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(&*name);
            }
        }
        let program = self.program;
        let child = command.spawn().unwrap_or_else(|error| {
            panic!("{program} cannot be started: {error}; `tests/run` installs what the tests need")
        });
        self.child = Some(child);
    }

    /// Kills it, if it runs.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Gone already is as good.
            let _gone = child.kill();
            let _gone = child.wait();
        }
    }

    /// Asks it to end and waits, and kills it when that takes long. Does nothing when it does not run.
    pub fn terminate(&mut self) {
        let Some(child) = &mut self.child else { return };
        // Gone already is as good.
        let _gone = kill_process(Pid::from_child(child), Signal::CONT);
        let _gone = kill_process(Pid::from_child(child), Signal::TERM);
        let begun = Instant::now();
        while begun.elapsed() < SOON && matches!(child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.kill();
    }

    /// Sends it a signal, such as `STOP` and `CONT`; after `STOP` it stands still.
    ///
    /// # Panics
    /// It does not run.
    pub fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("the server runs");
        kill_process(Pid::from_child(child), signal).expect("our own process can be signalled");
        if signal == Signal::STOP {
            until("the server stands still", SOON, || stands_still(child.id()));
        }
    }

    /// Tells whether it was started and not killed.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// Gives its process id.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Gives the end of what it said.
    #[must_use]
    pub fn said(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&text[text.len().saturating_sub(4000)..]).into_owned()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = format!("--- {} said\n{}\n---\n", self.program, self.said());
            // Whoever reads it may be gone.
            let _unread = std::io::stderr().write_all(said.as_bytes());
        }
        self.kill();
    }
}

/// Finds out whether every thread of a process has stopped: on a busy machine that takes a moment.
fn stands_still(pid: u32) -> Option<()> {
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let stat = std::fs::read_to_string(thread.ok()?.path().join("stat")).ok()?;
        // The state follows the name of the program, which is in parentheses.
        stat.rsplit(')').next()?.trim_start().starts_with('T').then_some(())?;
    }
    Some(())
}

/// Sends one HTTP request to a port of this machine and gives status and body; nothing when nobody answers in a moment.
#[must_use]
pub fn http(port: u16, method: &str, path: &str, body: &[u8]) -> Option<(u16, String)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    exchange(stream, &head, body)
}

/// Sends a request and gives status and body of the answer, which ends with the connection.
pub(crate) fn exchange(mut stream: impl Read + Write, head: &str, body: &[u8]) -> Option<(u16, String)> {
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}
