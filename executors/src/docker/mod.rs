//! Runs tasks as containers of the Docker Engine on this host, by its API. The engine keeps what runs: a container's labels
//! say whose it is and carry the whole specification, so an agent that was killed finds everything again.
//!
//! ```text
//! start        images → setup, each command in a container of its own → create all → start all
//! end          how runs end: told to, by themselves, or cut off while they were started     teardown    what follows
//! ends         hears that containers have ended
//! labels       which containers are ours        runs       what is known of a run
//! create       what a container is made from    flags, ports, volumes    parts of that
//! images       what is missing is pulled        credentials    for registries    sweep    what may go
//! progress     how far a pull is
//! script       one command inside a task        output     what it wrote     measure    what it uses, its age
//! engine       the connection                   examine    what is wrong with it, for operators
//! ```
//!
//! **Invariant:** an engine that is away, slow or new is no evidence of anything: a run has ended only when the engine says
//! that nothing of it is left.

mod create;
mod credentials;
mod end;
mod ends;
mod engine;
mod examine;
mod exec;
mod flags;
mod images;
mod labels;
mod measure;
mod output;
mod ports;
mod progress;
mod runs;
mod script;
mod start;
mod sweep;
mod teardown;
mod volumes;

pub use credentials::file_of_user;
pub use engine::HOST_DEFAULT;
pub use examine::{Examined, examine};

use crate::cpu::Meter;
use crate::machine::Machine;
use crate::{Exec, Executor, Failure};
use async_trait::async_trait;
use bollard::query_parameters::ListContainersOptionsBuilder;
use callboard_core::machine::Span;
use callboard_core::model::{Name, Usage};
use callboard_core::policy::Docker as Policy;
use callboard_core::work::{Exit, Found, Run, Spec};
use end::Seen;
use ends::Ends;
use engine::Engine;
use images::Images;
use runs::{Group, Runs, Standing};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tokio::time::Instant;
use volumes::Allowed;

/// What the docker executor may do and use.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the engine listens, as in `DOCKER_HOST`.
    pub host: String,
    /// The agent's directory. Its path is what tells this agent's containers from those of others on the same engine; in
    /// it, below `docker/`, is kept which runs were told to stop.
    pub data_dir: PathBuf,
    /// What tasks may have of this host.
    pub policy: Policy,
    /// The file with credentials for registries.
    pub credentials: Option<PathBuf>,
    /// How long the engine may take to answer what is only looked at; four times as long for what is changed.
    pub patience: Duration,
    /// How long a pull may take.
    pub pull_deadline: Duration,
    /// How long a pull may take without any progress.
    pub pull_stall: Duration,
    /// How long an image that was pulled is kept when no task wants it and no container has it.
    pub image_keep: Duration,
    /// Size at which a container's output is rotated, in bytes; one older part is kept.
    pub log_bytes_max: u64,
    /// How many processes a container may have, where its flags do not say.
    pub pids_max: i64,
    address: Option<IpAddr>,
}

impl Settings {
    /// Gives the usual settings.
    #[must_use]
    pub fn new(data_dir: PathBuf, host: String) -> Settings {
        Settings {
            host,
            data_dir,
            policy: Policy::default(),
            credentials: file_of_user(),
            patience: Duration::from_secs(20),
            pull_deadline: Duration::from_secs(900),
            pull_stall: Duration::from_secs(60),
            image_keep: Duration::from_secs(7 * 24 * 3600),
            log_bytes_max: 4 << 20,
            pids_max: 4096,
            address: None,
        }
    }

    /// Names the agent that containers belong to.
    fn agent(&self) -> String {
        self.data_dir.display().to_string()
    }
}

/// The docker executor.
pub struct Docker {
    settings: Settings,
    engine: Arc<Engine>,
    ends: Ends,
    images: Arc<Images>,
    runs: Runs,
    allowed: Arc<Allowed>,
    stopped: PathBuf,
    machine: Machine,
    /// Of each container, by its task and its id.
    cpu: Meter<(Name, String)>,
    /// When it was last looked for images that may go.
    swept: Mutex<Option<Instant>>,
}

impl Docker {
    /// Makes an executor over an engine, which may be away and may run what an earlier one started; starts and stops
    /// nothing.
    ///
    /// # Errors
    /// The address is none, or the directory cannot be made.
    pub fn open(mut settings: Settings) -> Result<Docker, Failure> {
        let engine = Arc::new(Engine::at(&settings.host, settings.patience)?);
        let stopped = settings.data_dir.join("docker").join("stopped");
        let cannot = |error| Failure::of(format!("cannot use {}", stopped.display()), error);
        std::fs::create_dir_all(&stopped).map_err(cannot)?;
        settings.data_dir = settings.data_dir.canonicalize().map_err(cannot)?;
        let never = engine.socket().map(PathBuf::from).into_iter().chain([settings.data_dir.clone()]);
        let allowed = Arc::new(Allowed { below: settings.policy.volumes.clone(), never: never.collect() });
        let images = Arc::new(Images::new(&settings, settings.data_dir.join("docker").join("images")));
        let (runs, machine, cpu, swept) = Default::default();
        let ends = Ends::of(Arc::clone(&engine), settings.agent());
        Ok(Docker { settings, engine, ends, images, runs, allowed, stopped, machine, cpu, swept })
    }

    /// Asks the engine what there is of one run, or of all.
    async fn groups(&self, run: Option<&Run>) -> Result<BTreeMap<Run, Group>, Failure> {
        let agent = self.settings.agent();
        let filter = labels::filter(&agent, run);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filter).build();
        let listed =
            self.engine.look(|client| async move { client.list_containers(Some(options)).await }).await;
        labels::groups(&agent, listed.map_err(|trouble| trouble.doing("cannot list containers"))?)
    }

    async fn group(&self, run: &Run) -> Result<Option<Group>, Failure> {
        Ok(self.groups(Some(run)).await?.remove(run))
    }
}

#[async_trait]
impl Executor for Docker {
    async fn start(&self, spec: &Arc<Spec>) -> Result<(), Failure> {
        self.start_run(spec).await
    }

    fn progress(&self, spec: &Spec) -> Vec<watch::Receiver<String>> {
        vec![self.runs.entry(&spec.run()).waits.follow()]
    }

    async fn stop(&self, run: &Run, grace: Option<Span>) -> Result<(), Failure> {
        let entry = self.runs.entry(run);
        // First, so that a start on its way sees it.
        let told = grace.unwrap_or(Span(u64::MAX));
        entry.stop.send_modify(|stop| *stop = Some(stop.map_or(told, |earlier| earlier.min(told))));
        let _gate = entry.gate.lock().await;
        match self.group(run).await? {
            Some(group) => {
                let grace = grace.unwrap_or(group.spec.definition.kill_timeout);
                if group.live().next().is_some() {
                    self.mark_stopped(run);
                    self.end(&group, grace).await?;
                }
                self.tear_down(run, grace).await
            }
            None => Ok(()),
        }
    }

    async fn exited(&self, run: &Run) -> Exit {
        // Before it is looked at, so that no end falls in between.
        let mut ends = self.ends.listen(run);
        let mut is_told = false;
        loop {
            // Nothing of the look stays in memory for as long as is waited: there may be many who wait.
            match Box::pin(self.look_for_end(run)).await {
                Ok(Seen::Ended(exit)) => return exit,
                Ok(Seen::Changing) => {}
                Ok(Seen::Live(awaited)) => self.until_one_ends(&awaited, &mut ends).await,
                Err(failure) => {
                    // An engine may be away for long, and there may be many who wait.
                    if !is_told {
                        tracing::warn!(task = %run.id, %failure, "cannot tell yet whether it has ended");
                    }
                    is_told = true;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    ends.pass_over();
                    continue;
                }
            }
            is_told = false;
        }
    }

    async fn inspect(&self) -> Result<Vec<Found>, Failure> {
        let mut all: BTreeMap<Run, Found> = BTreeMap::new();
        for (spec, entry, ending) in self.runs.begun() {
            let exit = ending.map(|ending| ending.exit);
            if exit.is_some() || entry.gate.try_lock().is_err() {
                all.insert(spec.run(), Found { spec, exit, age: None });
            }
        }
        for (run, group) in self.groups(None).await? {
            let exit = match group.standing() {
                Standing::Live | Standing::Falling => None,
                Standing::Ended if !self.is_torn_down(&run) || group.live().next().is_some() => None,
                Standing::Ended | Standing::Over => Some(self.exit_of(&run, &group).await?),
                Standing::Half => self.end_half(&run).await?,
            };
            let age = if exit.is_none() { self.age_of(&group).await? } else { None };
            all.insert(run, Found { spec: group.spec, exit, age });
        }
        Ok(all.into_values().collect())
    }

    async fn remove(&self, run: &Run) -> Result<(), Failure> {
        let entry = self.runs.entry(run);
        let _gate = entry.gate.lock().await;
        if let Some(group) = self.group(run).await? {
            if group.live().next().is_some() {
                return Err(Failure(format!("task {} still runs; stop it first", run.id)));
            }
            self.clear(&group, false).await?;
        }
        entry.forget();
        self.forget_stopped(run);
        Ok(())
    }

    async fn usage(&self) -> Usage {
        self.sweep_images();
        self.measure().await
    }

    async fn tail(&self, run: &Run, bytes_max: usize, since: Option<SystemTime>) -> Result<Vec<u8>, Failure> {
        self.read_output(run, bytes_max, since).await
    }

    async fn exec(&self, run: &Run, exec: Exec) -> Result<i32, Failure> {
        self.run_program(run, exec).await
    }

    async fn script(&self, spec: &Arc<Spec>, command: &str, timeout: Span) -> Result<(), Failure> {
        self.run_script(spec, command, Duration::from_millis(timeout.0)).await
    }
}
