//! What the process table shows of the tasks of a fleet.

use crate::processes::Process;
use callboard_sim::Seen;
use servers::Stat;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

/// Lists the processes that do the work of tasks, in order; those that look after them are left out. Every host of the
/// fleet keeps its things in a directory with its name.
pub(crate) fn tasks(dir: &Path) -> Vec<(Process, Seen)> {
    let mut found: Vec<(Process, Seen)> = Process::all()
        .into_iter()
        .filter_map(|process| Some((process.clone(), task(dir, &process)?)))
        .collect();
    found.sort_by(|one, other| (&one.1.id, &one.0).cmp(&(&other.1.id, &other.0)));
    found
}

/// Reads which task a process runs, if it does.
fn task(dir: &Path, process: &Process) -> Option<Seen> {
    let cwd = fs::read_link(format!("/proc/{}/cwd", process.pid)).ok()?;
    let rest = cwd.strip_prefix(dir).ok()?.to_str()?;
    // <host>/tasks/<id>/<generation>-<attempt>/work
    let parts: Vec<&str> = rest.split('/').collect();
    let [host, "tasks", id, run, "work"] = parts.as_slice() else { return None };
    let environment = fs::read(format!("/proc/{}/environ", process.pid)).ok()?;
    let environment = String::from_utf8_lossy(&environment).into_owned();
    let set = |name: &str| {
        environment.split('\0').find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
    };
    (!process.names(dir) && !is_run_by_a_person(process)).then_some(())?;
    Some(Seen {
        host: (*host).into(),
        id: (*id).into(),
        service: set("CALLBOARD_SERVICE")?,
        generation: run.split('-').next()?.parse().ok()?,
        pid: process.pid,
        port: set("PORT")?.parse().ok(),
    })
}

/// Tells whether it was begun by an agent itself, as what `callboard exec` runs is: a task is begun by what looks after it.
fn is_run_by_a_person(process: &Process) -> bool {
    let parent = Stat::read(process.pid).map(|stat| stat.parent);
    let line = parent.and_then(|parent| fs::read(format!("/proc/{parent}/cmdline")).ok());
    line.unwrap_or_default().split(|byte| *byte == 0).any(|word| word == b"agent")
}

/// Tells whether a task answers a request with its own name.
pub(crate) fn answers(seen: &Seen) -> bool {
    seen.port.and_then(ask).is_some_and(|answer| {
        answer.starts_with("HTTP/1.1 200") && answer.contains(&format!("from {}\n", seen.id))
    })
}

fn ask(port: u16) -> Option<String> {
    const PATIENCE: Duration = Duration::from_secs(1);
    let mut stream =
        TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: task\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
