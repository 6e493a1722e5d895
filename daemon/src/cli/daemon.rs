//! Starts daemons: `dev`, `combined`, `agent`, `scheduler`.

use super::apply::read;
use super::events::line;
use super::out;
use crate::data_dir::{self, DataDir};
use crate::docker::{DockerArgs, EngineArgs};
use crate::events::Events;
use crate::host::HostArgs;
use crate::journal::JournalArgs;
use crate::names;
use crate::policy::{self, PolicyArgs};
use crate::process::{AgentPart, Parts, Process, SchedulerPart};
use crate::storage::{self, Opened, StoreArgs};
use crate::write;
use anyhow::{Context, Result};
use callboard_core::agent::STARTS_DEFAULT;
use callboard_core::machine::Span;
use callboard_core::model::DEFAULT_SCHEDULER;
use callboard_core::policy::Policy;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const API_DEFAULT: &str = "127.0.0.1:7700";

/// Where the HTTP API listens.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "HTTP API")]
pub(crate) struct ApiArgs {
    /// Address to listen on; one that other machines can reach needs --token-file
    #[arg(long, value_name = "IP:PORT", env = "CALLBOARD_BIND", default_value = API_DEFAULT)]
    pub(crate) bind: SocketAddr,
    /// Listen on an address that other machines can reach, without a token: whoever reaches it can run anything
    #[arg(long)]
    pub(crate) insecure_bind: bool,
}

/// What a daemon with an agent is told.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Agent")]
pub(crate) struct AgentOptions {
    /// Directory for this agent's own things: its identity, what its tasks run in, their logs
    #[arg(long, value_name = "DIR", env = "CALLBOARD_DATA_DIR", default_value = "/var/lib/callboard")]
    data_dir: PathBuf,
    /// Stop this host's tasks when the daemon ends; without it they go on running, for the next start to take over
    #[arg(long)]
    stop_tasks: bool,
    /// How long this host counts as alive after its last sign of life; renewed three times in that time, so a fleet of
    /// more than 330 hosts wants 30ms for each host, to spare the store
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = Span::parse)]
    host_ttl: Span,
    /// How many tasks this host starts at once; the others wait for their turn, for half a minute at most where one takes
    /// long
    #[arg(long, value_name = "COUNT", env = "CALLBOARD_PARALLEL_STARTS", default_value_t = STARTS_DEFAULT,
          value_parser = clap::value_parser!(u32).range(1..))]
    parallel_starts: u32,
    #[command(flatten)]
    host: HostArgs,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    docker: DockerArgs,
}

/// What a daemon with a scheduler is told.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Scheduler")]
pub(crate) struct SchedulerOptions {
    /// Look after the clusters that name this scheduler
    #[arg(long = "scheduler-name", alias = "name", value_name = "NAME", env = "CALLBOARD_SCHEDULER_NAME",
          default_value = DEFAULT_SCHEDULER)]
    scheduler_name: String,
    /// How long this scheduler's locks outlive its last word, before another one may take over
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = Span::parse)]
    lock_ttl: Span,
}

/// Run a whole cluster in this one process: store, scheduler, an agent for this machine, and the API on loopback
///
/// Applies the files, stays in the foreground and shows what happens. Ctrl-C stops the tasks it started; with --keep they
/// go on running, and the next `callboard dev` takes them over. The state is kept in the data directory. Tasks may be
/// of type bash, and of type docker where an engine answers.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  callboard dev examples/hello-world.yml\n  callboard dev --keep --data-dir ./state web.yml"
)]
pub(crate) struct DevArgs {
    /// Configuration files to apply, as by `callboard apply -f`
    files: Vec<PathBuf>,
    /// Directory for everything it keeps [default: $XDG_STATE_HOME/callboard/dev or ~/.local/state/callboard/dev]
    #[arg(long, value_name = "DIR", env = "CALLBOARD_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Leave tasks running at the end
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    api: ApiArgs,
    #[command(flatten)]
    host: HostArgs,
    /// Hold tasks to this policy; without one they may do what you may
    #[arg(long, value_name = "FILE", env = "CALLBOARD_POLICY")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    journal: JournalArgs,
}

/// Run a scheduler and the agent of this host in one process
///
/// A signal to end (SIGTERM, Ctrl-C) leaves tasks running unless --stop-tasks is given, so that the daemon can be
/// replaced without touching them; start it again within the cluster's `host_grace`, before they are replaced elsewhere.
#[derive(Debug, clap::Args)]
pub(crate) struct CombinedArgs {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    agent: AgentOptions,
    #[command(flatten)]
    scheduler: SchedulerOptions,
    #[command(flatten)]
    api: ApiArgs,
    #[command(flatten)]
    journal: JournalArgs,
}

/// Run the agent of this host: it starts and stops the tasks that a scheduler issues to it, and watches their health
///
/// A signal to end (SIGTERM, Ctrl-C) leaves tasks running unless --stop-tasks is given, so that the daemon can be
/// replaced without touching them; start it again within the cluster's `host_grace`, before they are replaced elsewhere.
#[derive(Debug, clap::Args)]
pub(crate) struct AgentArgs {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    agent: AgentOptions,
    #[command(flatten)]
    api: ApiArgs,
    #[command(flatten)]
    journal: JournalArgs,
    /// Run so many hollow agents instead, of hosts NAME-0 and so on: real traffic with the store, pretended tasks
    ///
    /// For trying out how a store and a scheduler bear a fleet. Tasks of any kind start at once, pass every check and are
    /// gone with this process. The hosts' time to live is raised to 30ms for each of them, so that renewing their
    /// sessions does not drown the store.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    hollow: Option<u32>,
}

/// Run a scheduler: it takes the locks of its clusters and decides which host runs which task
///
/// Several may run: one holds a cluster's lock, the others wait to take over. A signal to end (SIGTERM, Ctrl-C) gives
/// its locks back, so that another one goes on at once.
#[derive(Debug, clap::Args)]
pub(crate) struct SchedulerArgs {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    scheduler: SchedulerOptions,
    #[command(flatten)]
    api: ApiArgs,
    #[command(flatten)]
    journal: JournalArgs,
}

/// In `dev` a restart shall not wait long for its own former self to be over.
const DEV_TTL: Span = Span::secs(5);

pub(crate) async fn dev(args: DevArgs, token_file: Option<&Path>) -> Result<()> {
    let mut files = Vec::new();
    for path in &args.files {
        files.push(read(path)?);
    }
    let wanted = write::read_files(files.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])))?;
    let dir = args.data_dir.unwrap_or_else(data_dir::for_dev);
    let (policy, told) = of_dev(args.policy, &args.engine, &dir).await?;
    let agent = AgentPart {
        data_dir: DataDir::open(&dir)?,
        policy,
        docker: DockerArgs::of_dev(args.engine),
        host: args.host,
        ttl: DEV_TTL,
        starts: STARTS_DEFAULT,
        hollow: None,
    };
    let parts = Parts {
        role: "dev",
        store: storage::embedded(dir.join("store"))?,
        agent: Some(agent),
        scheduler: Some(SchedulerPart { name: DEFAULT_SCHEDULER.into(), ttl: DEV_TTL }),
        bind: args.api.bind,
        insecure: args.api.insecure_bind,
        token_file: token_file.map(Path::to_owned),
        journal: args.journal.place(Some(&dir), 2),
    };
    let process = Process::start(parts).await?;
    greet(&process, &dir, args.api.bind, &told);
    let shown = tokio::spawn(show(Arc::clone(process.events())));
    let applied = if files.is_empty() { Ok(()) } else { apply_files(&process, &wanted).await };
    if let Err(error) = applied {
        process.shut_down(!args.keep).await;
        return Err(error);
    }
    let ended = process.run_until_told(!args.keep).await;
    shown.abort();
    ended
}

async fn apply_files(
    process: &Process,
    wanted: &callboard_core::config::Sourced<callboard_core::config::Configuration>,
) -> Result<()> {
    let applied = write::apply(process.store(), wanted, false, None).await?;
    for change in applied.changes.iter().filter(|change| change.change != "unchanged") {
        process.events().say(change.to_string());
    }
    for warning in &applied.warnings {
        process.events().say(warning.clone());
    }
    Ok(())
}

/// Tells what may run tasks on a developer's machine, and in words which it is.
async fn of_dev(policy: Option<PathBuf>, engine: &EngineArgs, dir: &Path) -> Result<(Policy, String)> {
    if let Some(path) = policy {
        let told = format!("as {} allows", path.display());
        return Ok((PolicyArgs::of_file(path).open()?, told));
    }
    let bash = "bash, as you";
    Ok(match engine.look().await {
        Ok((what, _)) => (policy::of_dev(true), format!("{bash}; docker: {what}")),
        // It had an engine before: what may run there is still looked after, from when that is back.
        Err(error) if dir.join("docker").is_dir() => {
            (policy::of_dev(true), format!("{bash}; docker, once its engine answers: {error:#}"))
        }
        Err(_) => {
            (policy::of_dev(false), format!("{bash}; no docker engine answers at {}", engine.docker_host))
        }
    })
}

fn greet(process: &Process, dir: &Path, bind: SocketAddr, executors: &str) {
    let address = process.address();
    let option =
        if bind.to_string() == API_DEFAULT { String::new() } else { format!(" --api http://{address}") };
    out::line(&format!("callboard {}: a whole cluster in one process", env!("CARGO_PKG_VERSION")));
    out::line(&format!("  host  {}", process.host().unwrap_or_default()));
    out::line(&format!("  API   http://{address}/v1/status"));
    out::line(&format!("  data  {}", dir.display()));
    out::line(&format!("  tasks {executors}"));
    out::line(&format!("  try   callboard{option} status    (in another terminal; Ctrl-C here ends it)"));
    out::line("");
}

/// Writes what happens, one line each.
async fn show(events: Arc<Events>) {
    let (kept, mut coming) = events.after(0);
    kept.iter().for_each(|event| out::line(&line(event)));
    loop {
        match coming.recv().await {
            Ok(event) => out::line(&line(&event)),
            Err(tokio::sync::broadcast::error::RecvError::Lagged(count)) => {
                out::message(&format!("({count} events came too fast to be shown)"));
            }
            Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
        }
    }
}

fn agent_part(options: AgentOptions, hollow: Option<u32>) -> Result<AgentPart> {
    let policy = options.policy.open()?;
    if policy == Policy::default() && hollow.is_none() {
        tracing::warn!(
            "no executor is enabled, so this host can run no task; enable one with --policy or --executor"
        );
    }
    Ok(AgentPart {
        data_dir: DataDir::open(&options.data_dir)?,
        policy,
        docker: options.docker,
        host: options.host,
        ttl: options.host_ttl,
        starts: options.parallel_starts,
        hollow,
    })
}

fn scheduler_part(options: &SchedulerOptions) -> Result<SchedulerPart> {
    let name = names::check("scheduler", &options.scheduler_name).context("--scheduler-name")?;
    Ok(SchedulerPart { name: name.into(), ttl: options.lock_ttl })
}

pub(crate) async fn combined(args: CombinedArgs, token_file: Option<&Path>) -> Result<()> {
    let scheduler = Some(scheduler_part(&args.scheduler)?);
    let stop_tasks = args.agent.stop_tasks;
    let journal = args.journal.place(Some(&args.agent.data_dir), 2);
    let agent = Some(agent_part(args.agent, None)?);
    let parts = parts("combined", args.store.open().await?, agent, scheduler, &args.api, token_file);
    serve(Parts { journal, ..parts }, stop_tasks).await
}

pub(crate) async fn agent(args: AgentArgs, token_file: Option<&Path>) -> Result<()> {
    let stop_tasks = args.agent.stop_tasks;
    let journal = args.journal.place(Some(&args.agent.data_dir), 1);
    let agent = Some(agent_part(args.agent, args.hollow)?);
    let parts = parts("agent", args.store.open().await?, agent, None, &args.api, token_file);
    serve(Parts { journal, ..parts }, stop_tasks).await
}

pub(crate) async fn scheduler(args: SchedulerArgs, token_file: Option<&Path>) -> Result<()> {
    let scheduler = Some(scheduler_part(&args.scheduler)?);
    let journal = args.journal.place(None, 1);
    let parts = parts("scheduler", args.store.open().await?, None, scheduler, &args.api, token_file);
    serve(Parts { journal, ..parts }, false).await
}

fn parts(
    role: &'static str,
    store: Opened,
    agent: Option<AgentPart>,
    scheduler: Option<SchedulerPart>,
    api: &ApiArgs,
    token_file: Option<&Path>,
) -> Parts {
    let token_file = token_file.map(Path::to_owned);
    let (bind, insecure) = (api.bind, api.insecure_bind);
    Parts { role, store, agent, scheduler, bind, insecure, token_file, journal: None }
}

async fn serve(parts: Parts, stop_tasks: bool) -> Result<()> {
    let role = parts.role;
    let process = Process::start(parts).await?;
    tracing::info!(role, api = %process.address(), host = process.host().unwrap_or_default(), "started");
    process.run_until_told(stop_tasks).await
}
