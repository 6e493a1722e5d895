//! Runs tasks as shell commands on the host itself. There is no isolation: whoever may define a task owns the user
//! that tasks run as. A host offers it only when its policy says so, and as whom.
//!
//! Each run has a directory and a shim, a process of its own that outlives the agent. The directory says what to run,
//! the shim's lock on it says that it runs, and `exit.json` says how it ended; so an agent that was killed between any
//! two steps finds everything again.
//!
//! ```text
//! start     directory → lock → spec.json → artifacts → shim → setup → start commands
//! settle    how a run ends in our books, also when its shim was killed or the machine restarted
//! place     the directory          plan     what the shim is told
//! shim      runs one task          output   keeps what it writes, and marks when
//! enter     the way into a task    account  its user                      group   control groups
//! identity  which process is its   kin      all processes of a run    child   one of ours
//! artifact  downloads              script   one command inside a task    exec    a person's program there
//! lost      runs whose directory is gone
//! unpack    what was downloaded    untar, unzip   its entries             fetching  how far a download is
//! ```
//!
//! **Invariant:** of a run there is at most one shim, ever: the lock is taken before it is spawned, inherited by it,
//! and never let go in between.

mod account;
mod artifact;
mod child;
mod enter;
mod exec;
mod fetching;
mod group;
mod identity;
mod kin;
mod lost;
mod marks;
mod output;
mod place;
mod plan;
mod script;
mod settle;
mod shim;
mod start;
mod unpack;
mod untar;
mod unzip;

pub use artifact::Policy;
pub use shim::shim_main;

use crate::cpu::{Counter, Meter, of_ticks};
use crate::machine::Machine;
use crate::process::Process;
use crate::waits::Waits;
use crate::{EXIT_UNSEEN, Exec, Executor, Failure, failpoint};
use account::Account;
use async_trait::async_trait;
use callboard_core::machine::Span;
use callboard_core::model::{self, Container, Usage};
use callboard_core::policy;
use callboard_core::work::{Exit, Found, Run, Spec};
use group::{Groups, Roots};
use kin::Kin;
use lost::Lost;
use place::Place;
use plan::Plan;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tokio::time::Instant;

/// What the bash executor may do and use.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where runs are kept, below `tasks/`; made when it is missing. One agent only may use it at a time.
    pub data_dir: PathBuf,
    /// The command line that becomes a shim when a directory is appended: a program that calls [`shim_main`].
    pub shim: Vec<String>,
    /// Size at which a run's output is rotated, in bytes; one older part is kept.
    pub log_bytes_max: u64,
    /// Where tasks look for commands.
    pub path: String,
    /// Who tasks run as, and what they may have.
    pub policy: policy::Bash,
    /// Puts each run into a control group of its own where the kernel and our rights allow.
    pub control_groups: bool,
    /// Keeps tasks from gaining rights, as by sudo.
    pub no_new_privileges: bool,
    /// What may be downloaded.
    pub artifacts: Policy,
}

impl Settings {
    /// Gives the usual settings.
    #[must_use]
    pub fn new(data_dir: PathBuf, shim: Vec<String>) -> Settings {
        Settings {
            data_dir,
            shim,
            log_bytes_max: 4 << 20,
            path: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_string(),
            policy: policy::Bash::default(),
            control_groups: true,
            no_new_privileges: true,
            artifacts: Policy::default(),
        }
    }
}

/// The bash executor.
pub struct Bash {
    settings: Settings,
    tasks: PathBuf,
    roots: Option<Roots>,
    account: Option<Account>,
    /// The command line that becomes a way into a task.
    way: Vec<OsString>,
    machine: Machine,
    cpu: Meter<Run>,
    /// Runs that were told to stop, until it is certain that no start of them is still on its way.
    stops: Mutex<BTreeMap<Run, (watch::Sender<bool>, Instant)>>,
    /// What starts wait for that somebody follows.
    waits: Mutex<BTreeMap<Run, Waits>>,
}

/// How long a stop is remembered that came before its start.
const STOP_MEMORY: Duration = Duration::from_secs(600);
/// How long a run may take to end of which nobody knows how long it may.
const PATIENCE_UNKNOWN: Span = Span::secs(300);

/// How much longer than its grace a stop may take before the shim itself is killed.
const STOP_SLACK: Duration = Duration::from_secs(5);

impl Bash {
    /// Makes an executor over a directory, which may hold runs of an earlier one; starts and stops nothing.
    ///
    /// # Errors
    /// The directory cannot be made or used, or tasks cannot run as who they shall.
    pub fn open(settings: Settings) -> Result<Bash, Failure> {
        use std::os::unix::fs::DirBuilderExt;
        let dir = settings.data_dir.join("tasks");
        let cannot = |error| {
            let doing = format!("cannot use {} for tasks", dir.display());
            Failure::of(doing, format!("{error}; see to the permissions, or set another data directory"))
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(cannot)?;
        let tasks = dir.canonicalize().map_err(cannot)?;
        let account = settings.policy.user.as_deref().map(Account::find).transpose()?.flatten();
        if let Some(account) = &account {
            account.let_through([&settings.data_dir, &tasks])?;
        }
        let roots = settings.control_groups.then(|| Roots::find(&tasks)).flatten();
        let way = settings.shim.iter().map(OsString::from).collect();
        let (machine, cpu, stops, waits) = Default::default();
        Ok(Bash { settings, tasks, roots, account, way, machine, cpu, stops, waits })
    }

    /// Tells whether runs get control groups of their own, so that nothing of them can escape.
    #[must_use]
    pub fn has_control_groups(&self) -> bool {
        self.roots.is_some()
    }

    /// Gives the switch that says whether a run was told to stop.
    fn switch(&self, run: &Run) -> watch::Sender<bool> {
        let mut stops = self.stops.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        stops.retain(|_, (switch, since)| switch.receiver_count() > 0 || now - *since < STOP_MEMORY);
        let (switch, _) = stops.entry(run.clone()).or_insert_with(|| (watch::Sender::new(false), now));
        switch.clone()
    }

    /// Gives what the start of a run waits for.
    fn waits(&self, run: &Run) -> Waits {
        let mut all = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, waits| waits.is_followed());
        all.entry(run.clone()).or_default().clone()
    }

    /// Lists the directories of all runs.
    fn places(&self) -> Result<Vec<Place>, Failure> {
        let failed = |error| Failure::of(format!("cannot list {}", self.tasks.display()), error);
        let mut places = Vec::new();
        for task in subdirectories(&self.tasks).map_err(failed)? {
            let runs = subdirectories(&task).map_err(failed)?;
            places.extend(runs.into_iter().map(|path| Place { path }));
        }
        Ok(places)
    }

    /// Stops through the shim; when it does not answer in time, without it.
    async fn stop_place(&self, place: &Place, grace: Option<Span>) -> Result<(), Failure> {
        let plan = place.read::<Plan>("spec.json").ok().flatten();
        let definition = plan.as_ref().map(|plan| &plan.spec.definition);
        if place.is_locked()?
            && let Err(failure) = place.ask_stop(grace)
        {
            // A full disk is no reason to let it run on: the shim's own grace applies.
            tracing::warn!(%failure, "stopping with the grace of the task definition");
        }
        let grace = grace.or_else(|| definition.map(|definition| definition.kill_timeout));
        let graces = definition.map_or(1, |definition| definition.graces());
        let patience = grace.unwrap_or(PATIENCE_UNKNOWN).times(graces.max(2));
        let deadline = Instant::now() + Duration::from_millis(patience.0) + STOP_SLACK;
        let mut asked = None;
        let mut pause = Duration::from_millis(2);
        while place.is_locked()? {
            let shim = self.shim(place)?;
            if let Some(shim) = shim
                && asked != Some(shim.pid)
            {
                failpoint::step();
                shim.signal(rustix::process::Signal::TERM);
                asked = Some(shim.pid);
            }
            if Instant::now() >= deadline {
                let shim = shim.ok_or_else(|| self.does_not_end(place))?;
                failpoint::step();
                shim.signal(rustix::process::Signal::KILL);
                tokio::time::sleep(Duration::from_millis(100)).await;
                if place.is_locked()? {
                    return Err(self.does_not_end(place));
                }
            }
            pause = (pause * 2).min(Duration::from_millis(50));
            tokio::time::sleep(pause).await;
        }
        self.settle(place).await.map(drop)
    }

    fn does_not_end(&self, place: &Place) -> Failure {
        Failure(format!(
            "the shim of {} does not end, not even when killed; look for a process in state D",
            place.path.display()
        ))
    }

    /// Finds the living shim of a run, if that is proven.
    fn shim(&self, place: &Place) -> Result<Option<Process>, Failure> {
        Ok(place.shim()?.and_then(|identity| identity.process(&place.file("lock"))))
    }

    /// Waits until the lock is free.
    async fn until_free(&self, place: &Place) -> Result<(), Failure> {
        /// Bounds what an event that does not come can cost.
        const LOOK_AGAIN: Duration = Duration::from_secs(10);
        while place.is_locked()? {
            let alive = tokio::net::unix::pipe::OpenOptions::new().open_receiver(place.file("alive"));
            // Only what has a writer can end: the shim must be seen after the pipe was opened. It lets its lock go
            // first, so a shim that still has it will end the pipe.
            match (alive, self.shim(place)?) {
                (Ok(mut alive), Some(_)) => {
                    let ended = async { tokio::io::copy(&mut alive, &mut tokio::io::sink()).await };
                    let _ = tokio::time::timeout(LOOK_AGAIN, ended).await;
                }
                (Ok(_) | Err(_), _) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        Ok(())
    }

    async fn found(&self, place: &Place) -> Result<Option<Found>, Failure> {
        let locked = place.is_locked()?;
        let Some(plan) = place.read::<Plan>("spec.json")? else {
            if locked && !place.file("spec.json").exists() {
                return Ok(None); // A start that is just beginning, and that answers for itself.
            }
            if locked {
                return Err(Failure(format!(
                    "{} is damaged, but something runs by it; stop the process named in shim.json by hand",
                    place.file("spec.json").display()
                )));
            }
            // There is no shim without a plan: the agent ended before there was anything to remember.
            tracing::warn!(path = %place.path.display(), "removing a run that never was");
            let _ = fs::remove_dir_all(&place.path);
            return Ok(None);
        };
        let exit = match locked {
            true => None,
            false => match self.settle(place).await {
                Ok(ending) => Some(ending.exit),
                Err(failure) => {
                    tracing::warn!(%failure, "something is left of a run without a shim");
                    None
                }
            },
        };
        let age = if locked && plan.spec.is_limited() { self.age(place, &plan)? } else { None };
        Ok(Some(Found { spec: plan.spec, exit, age }))
    }

    /// Tells for how long the oldest process of a run has run.
    fn age(&self, place: &Place, plan: &Plan) -> Result<Option<Span>, Failure> {
        let Some(shim) = self.shim(place)? else { return Ok(None) };
        let kin = Kin { groups: plan.groups.as_ref(), token: None, shim: shim.pid, shim_lives: true };
        Ok(kin.find(&Process::all()).iter().filter_map(Process::age).max())
    }

    fn measure(&self) -> Usage {
        let mut usage = Usage { unfit: self.unfit(), ..self.machine.usage() };
        let all = Process::all();
        let mut counters = BTreeMap::new();
        for place in self.places().unwrap_or_default() {
            let Ok(Some(shim)) = self.shim(&place) else { continue };
            let Ok(Some(plan)) = place.read::<Plan>("spec.json") else { continue };
            let kin = Kin { groups: plan.groups.as_ref(), token: None, shim: shim.pid, shim_lives: true };
            let found = kin.with_zombies(&all);
            let bytes: u64 = found.iter().map(Process::resident).sum();
            *usage.tasks.entry(plan.spec.task.id.clone()).or_default() += bytes >> 20;
            // What nobody else reaped the shim did.
            let ticks = found.iter().chain(all.get(&shim.pid)).map(|process| process.ticks).sum();
            let used = plan.groups.as_ref().and_then(Groups::cpu).unwrap_or_else(|| of_ticks(ticks));
            counters.insert(plan.spec.run(), Counter::new(used));
        }
        for (run, cpu) in self.cpu.rates(counters) {
            *usage.tasks_cpu.entry(run.id).or_default() += cpu;
        }
        usage
    }

    /// Tries whether a run could still be written down here.
    fn unfit(&self) -> Option<String> {
        let path = self.tasks.join(".probe");
        let result = fs::write(&path, [0; 8192]).and_then(|()| fs::remove_file(&path));
        result.err().map(|error| format!("cannot write to {}: {error}", self.tasks.display()))
    }
}

#[async_trait]
impl Executor for Bash {
    async fn start(&self, spec: &Arc<Spec>) -> Result<(), Failure> {
        self.start_run(spec).await
    }

    fn progress(&self, spec: &Spec) -> Vec<watch::Receiver<String>> {
        let is_ours = |container: &Container| match &container.executor {
            model::Executor::Bash(bash) => bash.artifact.is_some(),
            model::Executor::Docker(_) => false,
        };
        let fetches = spec.definition.containers.iter().any(is_ours);
        fetches.then(|| self.waits(&spec.run()).follow()).into_iter().collect()
    }

    async fn stop(&self, run: &Run, grace: Option<Span>) -> Result<(), Failure> {
        // First, so that a start on its way sees either this or the file.
        self.switch(run).send_replace(true);
        let place = Place::of(&self.tasks, run)?;
        match self.lost(&place) {
            Some(lost) => self.stop_lost(&lost, grace).await,
            None if place.exists() => self.stop_place(&place, grace).await,
            None => Ok(()),
        }
    }

    async fn exited(&self, run: &Run) -> Exit {
        let Ok(place) = Place::of(&self.tasks, run) else { return EXIT_UNSEEN };
        let mut told = None;
        loop {
            let settled = match self.until_free(&place).await {
                Ok(()) => self.settle(&place).await,
                Err(failure) => Err(failure),
            };
            match settled {
                Ok(ending) => return ending.exit,
                Err(failure) => {
                    if told.as_ref() != Some(&failure) {
                        tracing::warn!(task = %run.id, %failure, "cannot tell yet whether it has ended");
                    }
                    told = Some(failure);
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    async fn inspect(&self) -> Result<Vec<Found>, Failure> {
        // What is not told of counts as ended, and these have not.
        if let Some(lost) = Lost::all(&self.tasks).first() {
            return Err(lost.failure());
        }
        let mut all = Vec::new();
        for place in self.places()? {
            all.extend(self.found(&place).await?);
        }
        Ok(all)
    }

    async fn remove(&self, run: &Run) -> Result<(), Failure> {
        let place = Place::of(&self.tasks, run)?;
        if !place.exists() {
            return Ok(());
        }
        self.settle(&place).await?;
        let Some(_lock) = place.lock()? else {
            return Err(Failure(format!("task {} still runs; stop it first", run.id)));
        };
        if let Some(groups) = place.read::<Plan>("spec.json")?.and_then(|plan| plan.groups) {
            // The shim's own attempt comes to nothing when the kernel is not done with the dead.
            failpoint::step();
            groups.remove();
        }
        failpoint::step();
        let removed = tokio::fs::remove_dir_all(&place.path).await;
        removed.map_err(|error| Failure::of(format!("cannot remove {}", place.path.display()), error))?;
        // Fails while there are other runs of the task, as it should.
        failpoint::step();
        let _ = place.path.parent().map(fs::remove_dir);
        failpoint::step();
        Ok(())
    }

    async fn usage(&self) -> Usage {
        self.measure()
    }

    async fn tail(&self, run: &Run, bytes_max: usize, since: Option<SystemTime>) -> Result<Vec<u8>, Failure> {
        let place = Place::of(&self.tasks, run)?;
        if !place.exists() {
            return Err(Failure(format!("there is no such run of task {} on this host", run.id)));
        }
        place
            .tail(bytes_max, since)
            .map_err(|error| Failure::of(format!("cannot read the output of {}", run.id), error))
    }

    async fn exec(&self, run: &Run, exec: Exec) -> Result<i32, Failure> {
        exec::run(&self.way, &Place::of(&self.tasks, run)?, exec).await
    }

    async fn script(&self, spec: &Arc<Spec>, command: &str, timeout: Span) -> Result<(), Failure> {
        let place = Place::of(&self.tasks, &spec.run())?;
        script::run(&self.way, &place, command, Duration::from_millis(timeout.0)).await
    }
}

fn subdirectories(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(paths),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}
