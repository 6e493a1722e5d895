//! The shim: a small process that runs one task, and goes on when the agent is killed. It is the parent in the end of
//! all that the task starts, whatever that does to escape, and it ends only when nothing of it is left.
//!
//! **Invariant:** it holds the run's lock from before its first instruction to after its last.

use super::enter::{self, Words};
use super::identity::Identity;
use super::kin::Kin;
use super::output;
use super::place::{Ending, Place};
use super::plan::Plan;
use crate::process::Process;
use crate::{EXIT_UNSEEN, Failure, quote};
use callboard_core::machine::Span;
use callboard_core::work::Exit;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Signal, WaitOptions, WaitStatus};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{PipeWriter, Write};
use std::os::fd::{IntoRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// What the agent reads when the start commands were spawned.
pub(super) const STARTED: &[u8] = b"started";

/// Runs the task whose directory this is, to its end; the whole of the process that the executor starts for each
/// task. Its standard input must be the run's lock, held. With words after the directory it becomes one of the task's
/// shells instead.
///
/// To be called from a `main` that did nothing before.
#[must_use]
pub fn shim_main(dir: &Path, words: &[OsString]) -> ExitCode {
    let place = Place { path: dir.to_path_buf() };
    if !words.is_empty() {
        return enter::enter_main(&place, words);
    }
    let result = prepare(&place).and_then(|plan| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::of("cannot start a runtime", error))?;
        runtime.block_on(live(&place, &plan))
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Standard error is the run's shim.log; the agent reads it when there is no exit.json.
            let _ = writeln!(std::io::stderr(), "{failure}");
            ExitCode::FAILURE
        }
    }
}

fn prepare(place: &Place) -> Result<Plan, Failure> {
    let lock = std::fs::metadata(place.file("lock")).map_err(|error| Failure::of("no lock", error))?;
    let input =
        rustix::fs::fstat(std::io::stdin()).map_err(|error| Failure::of("no standard input", error))?;
    if (input.st_dev, input.st_ino) != (lock.dev(), lock.ino()) || !place.is_locked()? {
        return Err(Failure("a shim is started by the agent only; it was not given the lock".to_string()));
    }
    let plan: Option<Plan> = place.read("spec.json")?;
    let plan = plan.ok_or_else(|| Failure("there is no spec.json".to_string()))?;
    rustix::process::setsid().map_err(|error| Failure::of("cannot lead a session", error))?;
    let own = rustix::process::getpid();
    rustix::process::set_child_subreaper(Some(own))
        .map_err(|error| Failure::of("cannot be a subreaper", error))?;
    if plan.no_new_privileges {
        let set = rustix::thread::set_no_new_privs(true);
        set.map_err(|error| Failure::of("cannot give up gaining privileges", error))?;
    }
    if let Some(groups) = &plan.groups {
        groups.enter_shims().map_err(|error| Failure::of("cannot leave the agent's control group", error))?;
        let made = groups.create(&plan.limits());
        made.map_err(|error| Failure::of("cannot make the control groups of the task", error))?;
    }
    Ok(plan)
}

async fn live(place: &Place, plan: &Plan) -> Result<(), Failure> {
    let failed = |error| Failure::of("cannot set the shim up", error);
    let (reader, output) = std::io::pipe().map_err(failed)?;
    plan.give(&output).map_err(failed)?;
    let reader = Receiver::from_owned_fd(OwnedFd::from(reader)).map_err(failed)?;
    let mut shim = Shim {
        place,
        plan,
        child: signal(SignalKind::child()).map_err(failed)?,
        term: signal(SignalKind::terminate()).map_err(failed)?,
        output: Some(output),
        log: tokio::spawn(output::keep(place.clone(), plan.log_bytes_max, reader)),
        shells: BTreeMap::new(),
        stop: None,
    };
    keep_alive(place).map_err(failed)?;
    // From here on a TERM is understood, and the agent may send one.
    let identity = Identity::own().ok_or_else(|| Failure("cannot read /proc".to_string()))?;
    place.write("shim.json", &identity)?;
    let ending = shim.run().await;
    if let Some(groups) = &plan.groups {
        groups.remove();
    }
    place.write("exit.json", &ending)
}

/// Makes the pipe that ends when this process does, and not a moment before: not before the lock is free.
fn keep_alive(place: &Place) -> std::io::Result<()> {
    let path = place.file("alive");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    // Opened for both, it need not wait for a reader. The kernel closes it.
    let _ = std::fs::File::options().read(true).write(true).open(path)?.into_raw_fd();
    Ok(())
}

struct Shim<'a> {
    place: &'a Place,
    plan: &'a Plan,
    child: Signals,
    term: Signals,
    output: Option<PipeWriter>,
    log: JoinHandle<()>,
    /// The shells that were spawned, and in which order they ended, and how.
    shells: BTreeMap<i32, Option<(usize, WaitStatus)>>,
    /// The grace, once it was asked to stop.
    stop: Option<Span>,
}

/// Why a step did not come to its end.
enum Halt {
    Stopped,
    Failed(Failure),
}

impl Shim<'_> {
    /// Runs everything; when it returns, nothing is left.
    async fn run(&mut self) -> Ending {
        let started = match self.set_up().await {
            Ok(()) => self.start(),
            Err(halt) => Err(halt),
        };
        let pids = match started {
            Ok(pids) => pids,
            Err(halt) => return self.give_up(halt).await,
        };
        self.say_started();
        let plan = self.plan;
        let essential: Vec<i32> = plan
            .containers()
            .zip(&pids)
            .filter(|((container, _), _)| plan.spec.definition.is_essential(container))
            .map(|(_, pid)| *pid)
            .collect();
        let mut grace = plan.spec.definition.kill_timeout;
        if self.wait(&essential).await.is_err() {
            grace = self.stop.unwrap_or(grace);
            self.run_stop_commands(&pids, grace).await;
        }
        self.end(grace).await;
        let exit = self.exit(&essential);
        self.tear_down(grace).await;
        self.finish_output().await;
        Ending { exit, failure: None }
    }

    async fn set_up(&mut self) -> Result<(), Halt> {
        let plan = self.plan;
        for (index, (container, _)) in plan.containers().enumerate() {
            for (number, command) in container.setup.iter().enumerate() {
                let pid = self.spawn(index, command, true)?;
                self.wait(&[pid]).await?;
                let status = self.shells.remove(&pid).flatten().map(|(_, status)| status);
                if status.and_then(WaitStatus::exit_status) != Some(0) {
                    let how = status.map_or_else(|| "ended".to_string(), tell);
                    let which = format!("setup command {} of container {} {how}", number + 1, container.name);
                    return Err(Halt::Failed(Failure(which)));
                }
            }
        }
        Ok(())
    }

    fn start(&mut self) -> Result<Vec<i32>, Halt> {
        let plan = self.plan;
        let starts = plan.containers().map(|(_, bash)| bash.start.join("\n")).enumerate();
        starts.map(|(index, start)| self.spawn(index, &start, true)).collect()
    }

    /// Ends what a failed or stopped start has left, and tells why.
    async fn give_up(&mut self, halt: Halt) -> Ending {
        self.end(self.plan.spec.definition.kill_timeout.min(self.stop.unwrap_or(Span::secs(10)))).await;
        self.finish_output().await;
        let failure = match halt {
            Halt::Stopped => "it was stopped while it was being started".to_string(),
            Halt::Failed(failure) => {
                let output = self.place.tail(2048, None).unwrap_or_default();
                format!("{failure}{}", quote(&output))
            }
        };
        Ending { exit: EXIT_UNSEEN, failure: Some(failure) }
    }

    /// Starts a shell, unless it shall stop.
    fn spawn(&mut self, container: usize, script: &str, careful: bool) -> Result<i32, Halt> {
        if self.must_stop() {
            return Err(Halt::Stopped);
        }
        self.spawn_now(&Words { container, script, careful }).map_err(Halt::Failed)
    }

    fn spawn_now(&mut self, words: &Words<'_>) -> Result<i32, Failure> {
        let failed = |error| Failure::of("cannot start a shell", error);
        let output = self.output.as_ref().ok_or_else(|| Failure("its output is closed".to_string()))?;
        let mut shell = enter::command(&way(), self.place, self.plan, words)?;
        shell.stdout(output.try_clone().map_err(failed)?).stderr(output.try_clone().map_err(failed)?);
        // It is reaped with all others, not through this.
        let child = shell.spawn().map_err(failed)?;
        let pid = rustix::process::Pid::from_child(&child).as_raw_pid();
        self.shells.insert(pid, None);
        Ok(pid)
    }

    /// Looks for an order to stop.
    fn must_stop(&mut self) -> bool {
        let own = self.plan.spec.definition.kill_timeout;
        self.stop = self.stop.or_else(|| self.place.stop_grace(own));
        self.stop.is_some()
    }

    /// Waits until one of these ends; `Err` when it shall stop before that.
    async fn wait(&mut self, pids: &[i32]) -> Result<(), Halt> {
        loop {
            self.reap();
            if pids.iter().any(|pid| self.has_ended(*pid)) {
                return Ok(());
            }
            if self.must_stop() {
                return Err(Halt::Stopped);
            }
            tokio::select! {
                _ = self.child.recv() => {}
                _ = self.term.recv() => {
                    // Without an order it comes from a machine that shuts down.
                    self.must_stop();
                    self.stop = self.stop.or(Some(self.plan.spec.definition.kill_timeout));
                    return Err(Halt::Stopped);
                }
            }
        }
    }

    fn has_ended(&self, pid: i32) -> bool {
        self.shells.get(&pid).is_some_and(Option::is_some)
    }

    /// Takes note of children that ended; tells whether there is any left, near or far.
    fn reap(&mut self) -> bool {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    let order = self.shells.values().flatten().count();
                    if let Some(shell) = self.shells.get_mut(&pid.as_raw_pid()) {
                        *shell = Some((order, status));
                    }
                }
                Ok(None) => return true,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }

    /// Runs the stop commands, the last container's first, until they or the grace or the task itself are over.
    async fn run_stop_commands(&mut self, started: &[i32], grace: Span) {
        let plan = self.plan;
        let containers: Vec<_> = plan.containers().map(|(_, bash)| bash).enumerate().collect();
        let commands = containers
            .into_iter()
            .rev()
            .flat_map(|(index, bash)| bash.stop.iter().map(move |text| (index, text)));
        let deadline = Instant::now() + Duration::from_millis(grace.0);
        for (container, script) in commands {
            let Ok(pid) = self.spawn_now(&Words { container, script, careful: false }) else { continue };
            while !self.has_ended(pid) {
                let _ = tokio::time::timeout_at(deadline, self.child.recv()).await;
                self.reap();
                if Instant::now() >= deadline {
                    return;
                }
            }
            if started.iter().all(|pid| self.has_ended(*pid)) {
                return;
            }
        }
    }

    /// Runs the teardown commands, whatever becomes of each, until the grace is over; nothing is left of them, either.
    async fn tear_down(&mut self, grace: Span) {
        let deadline = Instant::now() + Duration::from_millis(grace.0);
        for (container, script) in self.plan.teardown() {
            if Instant::now() >= deadline {
                return;
            }
            let Ok(pid) = self.spawn_now(&Words { container, script, careful: true }) else { continue };
            while !self.has_ended(pid) && Instant::now() < deadline {
                let _ = tokio::time::timeout_at(deadline, self.child.recv()).await;
                self.reap();
            }
            self.end(Span(0)).await;
        }
    }

    /// Asks everything to end, and kills after the grace. Returns when nothing is left, however long that takes.
    async fn end(&mut self, grace: Span) {
        let deadline = Instant::now() + Duration::from_millis(grace.0);
        self.signal_all(Signal::TERM);
        // What is stopped cannot hear.
        self.signal_all(Signal::CONT);
        let mut pause = Duration::from_millis(2);
        while self.is_any_left() {
            if Instant::now() >= deadline {
                if let Some(groups) = &self.plan.groups {
                    groups.kill();
                }
                self.signal_all(Signal::KILL);
            }
            pause = (pause * 2).min(Duration::from_millis(100));
            let until = (Instant::now() + pause).min(deadline.max(Instant::now() + Duration::from_millis(2)));
            let _ = tokio::time::timeout_at(until, self.child.recv()).await;
        }
    }

    fn is_any_left(&mut self) -> bool {
        let children = self.reap();
        children || self.plan.groups.as_ref().is_some_and(|groups| !groups.pids().is_empty())
    }

    fn signal_all(&self, signal: Signal) {
        let shim = rustix::process::getpid().as_raw_pid();
        let kin = Kin { groups: self.plan.groups.as_ref(), token: None, shim, shim_lives: true };
        for process in kin.find(&Process::all()) {
            process.signal(signal);
        }
    }

    /// Lets the last words be written.
    async fn finish_output(&mut self) {
        self.output = None;
        let _ = tokio::time::timeout(Duration::from_secs(2), &mut self.log).await;
    }

    /// Tells the agent, if it still listens, and one that comes later.
    fn say_started(&self) {
        let _ = self.place.write("started", &true);
        let _ = std::io::stdout().write_all(STARTED).and_then(|()| std::io::stdout().flush());
        if let Ok(null) = std::fs::File::options().write(true).open("/dev/null") {
            let _ = rustix::stdio::dup2_stdout(&null);
        }
    }

    /// The end of the container that ended first counts as the task's. What was told to stop has no exit code of its own:
    /// many programs end with 0 then, whatever they have done.
    fn exit(&self, pids: &[i32]) -> Exit {
        let first = pids.iter().filter_map(|pid| *self.shells.get(pid)?).min_by_key(|(order, _)| *order);
        let status = first.map(|(_, status)| status);
        Exit {
            code: status.and_then(WaitStatus::exit_status).filter(|_| self.stop.is_none()),
            signal: status.and_then(WaitStatus::terminating_signal),
            out_of_memory: self.plan.groups.as_ref().is_some_and(super::group::Groups::out_of_memory),
        }
    }
}

/// Gives the command line that becomes a way into the task: this very program as it is now, though it be replaced on the
/// disk, with what comes before the directory in its own command line.
fn way() -> Vec<OsString> {
    let mut way: Vec<OsString> = std::env::args_os().collect();
    way.pop();
    if let Some(program) = way.first_mut() {
        *program = "/proc/self/exe".into();
    }
    way
}

fn tell(status: WaitStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended".to_string(),
    }
}
