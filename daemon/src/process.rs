//! Puts a process together of its parts, store, agent, scheduler and API, and takes it apart again in order.

use crate::announce::Announced;
use crate::api::{self, Api, LocalAgent};
use crate::data_dir::DataDir;
use crate::docker::DockerArgs;
use crate::drive::{AgentDriver, Clock, Kept, SchedulerDriver, Told};
use crate::events::Events;
use crate::hollow;
use crate::host::{self, HostArgs};
use crate::journal::Place;
use crate::problem::{Kind, Problem};
use crate::storage::Opened;
use anyhow::{Context, Result};
use callboard_backends::{ConsulRegistry, ConsulSettings, Store};
use callboard_core::machine::Span;
use callboard_core::model::{Name, Registration};
use callboard_core::policy::Policy;
use callboard_core::store::Revision;
use callboard_core::work::Inventory;
use callboard_core::{agent, scheduler};
use callboard_executors::{Archive, ByKind, Executor, bash};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How long a burst of changes is collected before it is planned.
const PLAN_DELAY: Span = Span(100);
/// The share of the machine's memory, in percent, above which a task is asked to move.
pub(crate) const PRESSURE_PERCENT: u64 = 90;
/// How long tasks may take to stop at the end, before the process ends without them.
const STOP_PATIENCE: Duration = Duration::from_secs(600);
/// What to do where two agents go by one name.
const NAMES: &str = "give this host a name of its own with --host, or end the other agent";

/// What a process is to be made of.
pub(crate) struct Parts {
    pub(crate) role: &'static str,
    pub(crate) store: Opened,
    pub(crate) agent: Option<AgentPart>,
    pub(crate) scheduler: Option<SchedulerPart>,
    pub(crate) bind: SocketAddr,
    pub(crate) insecure: bool,
    pub(crate) token_file: Option<PathBuf>,
    /// Where the machines' journals are kept.
    pub(crate) journal: Option<Place>,
}

/// What an agent is to be.
pub(crate) struct AgentPart {
    /// Held before the store is opened: who is second here shall be told of this, not of the store.
    pub(crate) data_dir: DataDir,
    pub(crate) policy: Policy,
    pub(crate) docker: DockerArgs,
    pub(crate) host: HostArgs,
    pub(crate) ttl: Span,
    /// How many tasks it starts at once.
    pub(crate) starts: u32,
    /// So many hollow agents instead of a real one.
    pub(crate) hollow: Option<u32>,
}

/// What a scheduler is to be.
pub(crate) struct SchedulerPart {
    pub(crate) name: Name,
    pub(crate) ttl: Span,
}

/// A running process.
pub(crate) struct Process {
    api: Arc<Api>,
    address: SocketAddr,
    agent: Option<JoinHandle<Option<String>>>,
    scheduler: Option<JoinHandle<()>>,
    server: JoinHandle<std::io::Result<()>>,
    announced: Option<Announced>,
    _data_dir: Option<DataDir>,
}

/// Agents, and what ends with them.
pub(crate) struct Started {
    pub(crate) locals: BTreeMap<Name, LocalAgent>,
    /// Gives what it refuses for, where it ends because it must not go on.
    pub(crate) driver: JoinHandle<Option<String>>,
}

impl Process {
    /// Starts all parts.
    ///
    /// # Errors
    /// A part cannot be had: the directory or the address is in use, the store does not open.
    pub(crate) async fn start(parts: Parts) -> Result<Process> {
        let clock = Clock::start();
        let access = api::access(parts.bind, parts.token_file.as_deref(), parts.insecure)?;
        let listener = TcpListener::bind(parts.bind).await.with_context(|| {
            format!(
                "the API cannot listen on {}; is another daemon running? name another address with --bind",
                parts.bind
            )
        })?;
        let address = listener.local_addr()?;
        let Opened { store, name: store_name, consul } = parts.store;
        let announced = announce(parts.role, parts.agent.as_ref(), consul.as_ref(), address)?;
        let events = Arc::new(Events::new());
        let (question, scheduler) = match &parts.scheduler {
            Some(part) => {
                let (driver, question) = SchedulerDriver::new(
                    scheduler_settings(part),
                    clock,
                    Arc::clone(&store),
                    Arc::clone(&events),
                    parts.journal.clone(),
                );
                (Some(question), Some(tokio::spawn(driver.run())))
            }
            None => (None, None),
        };
        let started = match &parts.agent {
            Some(part) => {
                let (consul, journal) = (consul.as_ref(), parts.journal.as_ref());
                let ground = Ground { clock, store: &store, consul, events: &events, address, journal };
                Some(match part.hollow {
                    Some(count) => hollow::start(part, count, &ground)?,
                    None => start_agent(part, &ground)?,
                })
            }
            None => None,
        };
        let (agents, agent) = match started {
            Some(Started { locals, driver }) => (locals, Some(driver)),
            None => (BTreeMap::new(), None),
        };
        let api = Arc::new(Api {
            store,
            events,
            scheduler: question,
            agents,
            access,
            role: parts.role.into(),
            store_name,
            clock,
        });
        let router = api::router(Arc::clone(&api));
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Process {
            api,
            address,
            agent,
            scheduler,
            server,
            announced,
            _data_dir: parts.agent.map(|part| part.data_dir),
        })
    }

    /// Gives its store.
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.api.store
    }

    /// Gives what happens in it.
    pub(crate) fn events(&self) -> &Arc<Events> {
        &self.api.events
    }

    /// Gives where its API listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives the host it looks after.
    pub(crate) fn host(&self) -> Option<String> {
        self.api.host()
    }

    /// Runs until a signal says to end, or a part breaks.
    ///
    /// # Errors
    /// A part broke, or the agent has no right to its name. Tasks are left running then.
    pub(crate) async fn run_until_told(mut self, stop_tasks: bool) -> Result<()> {
        let ended = tokio::select! {
            told = told_to_end() => {
                told?;
                None
            }
            end = ended(&mut self.agent) => Some(("the agent", end.flatten())),
            _ = ended(&mut self.scheduler) => Some(("the scheduler", None)),
            _ = &mut self.server => Some(("the API", None)),
        };
        match ended {
            Some((_, Some(refusal))) => {
                self.agent = None;
                self.shut_down(false).await;
                return Err(Problem::new(Kind::Conflict, refusal).hint(NAMES).into());
            }
            Some((part, None)) => anyhow::bail!(
                "{part} of this process broke down, which is a defect; tasks are left running, start it again"
            ),
            None => {}
        }
        let stopping = stop_tasks && self.agent.is_some();
        self.api.events.say(if stopping {
            "ending: stopping this host's tasks (a second signal leaves them running)"
        } else {
            "ending: tasks are left running"
        });
        tokio::select! {
            () = self.shut_down(stop_tasks) => Ok(()),
            _ = told_to_end() => {
                anyhow::bail!("ended at the second signal; tasks may be left running, the next start takes them over")
            }
        }
    }

    /// Ends the scheduler first, so that nothing replaces the tasks that the agent then stops.
    pub(crate) async fn shut_down(mut self, stop_tasks: bool) {
        if let Some(question) = &self.api.scheduler {
            question.shut_down();
        }
        if let Some(driver) = self.scheduler.take() {
            // A driver that broke down has said so in the log.
            let _broken = driver.await;
        }
        if let Some(driver) = self.agent.take() {
            for agent in self.api.agents.values() {
                let _gone = agent.told.send(Told::Shutdown { keep: !stop_tasks });
            }
            if tokio::time::timeout(STOP_PATIENCE, driver).await.is_err() {
                tracing::error!(
                    "tasks did not stop within {} s; ending without them",
                    STOP_PATIENCE.as_secs()
                );
            }
            for agent in self.api.agents.values().filter(|agent| !agent.hollow) {
                self.api.events.say(left(&*agent.executor).await);
            }
        }
        if let Some(announced) = self.announced.take() {
            announced.end().await;
        }
        // A moment for those who follow the events to hear of the end.
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.server.abort();
    }
}

/// Tells what the end leaves on this host.
async fn left(executor: &dyn Executor) -> String {
    let Inventory { found, silent } = match executor.inventory().await {
        Ok(inventory) => inventory,
        Err(failure) => return format!("ended; nobody knows which tasks are left running: {failure}"),
    };
    let mut told: String = match found.iter().filter(|found| found.exit.is_none()).count() {
        0 => "ended; no task is left running".into(),
        1 => "ended; 1 task is left running, the next start takes it over".into(),
        count => format!("ended; {count} tasks are left running, the next start takes them over"),
    };
    for (kind, why) in silent {
        told += &format!("; nobody knows which of {kind} are left running: {why}");
    }
    told
}

/// Waits for the end of a part that should not end, and gives what it ends with; for ever where there is none.
async fn ended<T>(part: &mut Option<JoinHandle<T>>) -> Option<T> {
    match part {
        // How it broke is in the log.
        Some(driver) => driver.await.ok(),
        None => std::future::pending().await,
    }
}

async fn told_to_end() -> Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

fn scheduler_settings(part: &SchedulerPart) -> scheduler::Settings {
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    scheduler::Settings {
        name: part.name.clone(),
        instance: format!("{machine} pid {}", std::process::id()),
        ttl: part.ttl,
        plan_delay: PLAN_DELAY,
    }
}

/// What agents of one process share.
pub(crate) struct Ground<'a> {
    pub(crate) clock: Clock,
    pub(crate) store: &'a Arc<dyn Store>,
    consul: Option<&'a ConsulSettings>,
    pub(crate) events: &'a Arc<Events>,
    address: SocketAddr,
    journal: Option<&'a Place>,
}

impl Ground<'_> {
    /// Gives where the API is, as far as others can be told.
    pub(crate) fn api(&self, host: &HostArgs) -> String {
        let (ip, port) = (self.address.ip(), self.address.port());
        match ip.is_unspecified() {
            true if host.address.contains(':') => format!("http://[{}]:{port}", host.address),
            true => format!("http://{}:{port}", host.address),
            false => format!("http://{}", self.address),
        }
    }
}

/// Makes this process the service `callboard`, where Consul is the store.
fn announce(
    role: &str,
    agent: Option<&AgentPart>,
    consul: Option<&ConsulSettings>,
    api: SocketAddr,
) -> Result<Option<Announced>> {
    let Some(settings) = consul else { return Ok(None) };
    let (host, address) = match agent {
        Some(part) => (part.host.host.as_deref().unwrap_or(role), part.host.address.as_str()),
        // Consul takes the address of its agent.
        None => (role, ""),
    };
    let registry = ConsulRegistry::new(settings, host.into(), address.into())?;
    Ok(Some(Announced::begin(Arc::new(registry), api)))
}

fn start_agent(part: &AgentPart, ground: &Ground<'_>) -> Result<Started> {
    let data_dir = &part.data_dir;
    let executor = executors(part)?;
    let policy = part.policy.clone();
    let registration = host::registration(&part.host, executor.kinds(), Some(ground.api(&part.host)))?;
    let registration = Registration { policy, ..registration };
    let host = registration.host.clone();
    let registry = |settings| ConsulRegistry::new(settings, host.clone(), registration.address.clone());
    let registry = ground.consul.map(registry).transpose()?.map(Arc::new);
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .context("the kernel does not tell which boot this is, so nothing can be said of earlier tasks")?;
    let seen = data_dir.seen();
    let settings = agent::Settings {
        registration,
        boot_id: boot_id.trim().into(),
        agent_id: data_dir.agent_id()?,
        ttl: part.ttl,
        starts: part.starts,
        pressure_percent: PRESSURE_PERCENT,
        registry: registry.is_some(),
        seen: Revision(seen.revision),
        store_id: seen.store_id,
    };
    let executor: Arc<dyn Executor> = Arc::new(executor);
    let archive = Archive::new(data_dir.path().join("ended"));
    let (driver, told) = AgentDriver::new(
        settings,
        ground.clock,
        Arc::clone(ground.store),
        Arc::clone(&executor),
        registry,
        Arc::clone(ground.events),
        Kept {
            seen_file: Some(data_dir.seen_file()),
            archive: Some(archive.clone()),
            journal: ground.journal.cloned(),
        },
    );
    let locals = [(host, LocalAgent { told, executor, archive: Some(archive), hollow: false })].into();
    Ok(Started { locals, driver: tokio::spawn(driver.run()) })
}

/// Makes the executors that are enabled. Tasks find this very binary as `callboard`.
fn executors(part: &AgentPart) -> Result<ByKind> {
    let mut kinds: BTreeMap<&'static str, Arc<dyn Executor>> = BTreeMap::new();
    if let Some(policy) = &part.policy.bash {
        let own = std::env::current_exe().context("this program does not find its own file")?;
        let shim = vec![own.display().to_string(), crate::SHIM.into()];
        let mut settings = bash::Settings::new(part.data_dir.path().to_owned(), shim);
        settings.policy = policy.clone();
        if let Some(dir) = own.parent() {
            settings.path = format!("{}:{}", dir.display(), settings.path);
        }
        kinds.insert("bash", Arc::new(bash::Bash::open(settings)?));
    }
    if let Some(policy) = &part.policy.docker {
        let (dir, address) = (part.data_dir.path(), part.host.address.as_str());
        kinds.insert("docker", part.docker.executor(policy, dir, address)?);
    }
    Ok(ByKind::new(kinds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use callboard_executors::fake::Fake;

    #[tokio::test]
    async fn what_is_left_is_told_of_those_that_can_tell() {
        let (bash, docker) = (Fake::default(), Fake::default());
        let kinds = [("bash", bash.clone()), ("docker", docker.clone())];
        let both = ByKind::new(kinds.map(|(kind, fake)| (kind, Arc::new(fake) as Arc<dyn Executor>)).into());
        assert_eq!(left(&both).await, "ended; no task is left running");
        docker.silence("it is away");
        let expect =
            "ended; no task is left running; nobody knows which of docker are left running: it is away";
        assert_eq!(left(&both).await, expect);
        bash.silence("it is full");
        assert!(left(&both).await.starts_with("ended; nobody knows which tasks are left running: "));
    }
}
