//! The command line: what can be said, and which function carries it out.

mod apply;
mod bench;
mod change;
mod client;
mod config;
mod daemon;
mod doctor;
mod events;
mod exec;
mod explain;
mod logs;
pub(crate) mod out;
mod rebalance;
mod rehearse;
mod show;
mod sim;
mod wait;

use crate::settings;
use anyhow::Result;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use client::{Client, ClientArgs};
use out::Format;
use std::path::PathBuf;

const AFTER: &str = "\
Begin here:
  callboard dev examples/hello-world.yml     a whole cluster in one process, with four tasks
  callboard status                           in another terminal: everything at a glance
  callboard explain helloworld               why tasks are where they are

Exit codes:
  0  done             1  failed            2  wrong usage or invalid input
  3  the answer is no: not placeable, a rollout failed, a promise was broken
  5  somebody else changed it meanwhile    6  timed out

Every option is taken from the command line first, then from its environment variable (an empty one counts as not set),
then from the file of --config, where it is written with \"_\" for \"-\"; `callboard config show` tells which it was.";

/// Runs services on a fleet of hosts: describe clusters, services and tasks in files, apply them, and the scheduler
/// keeps the right number of healthy tasks running, through updates, failing hosts and bad builds.
#[derive(Debug, Parser)]
#[command(name = "callboard", version, after_help = AFTER, disable_help_subcommand = true, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    client: ClientArgs,
    /// File with settings, YAML, one line each, as in `bind: 127.0.0.1:7701`
    #[arg(long, global = true, value_name = "FILE", env = "CALLBOARD_CONFIG", help_heading = "Settings")]
    config: Option<PathBuf>,
    /// How data is written to standard output
    #[arg(short, long, global = true, value_enum, default_value = "table", value_name = "FORMAT")]
    output: Format,
    #[command(flatten)]
    log: LogArgs,
    #[command(subcommand)]
    command: Command,
}

/// How logs are written to standard error.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Logs")]
pub(crate) struct LogArgs {
    /// What to log: error, warn, info, debug, trace, or a filter as in RUST_LOG
    #[arg(long, global = true, value_name = "FILTER", env = "RUST_LOG")]
    pub(crate) log_level: Option<String>,
    /// The form of log lines
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "text",
        value_name = "FORMAT",
        env = "CALLBOARD_LOG_FORMAT"
    )]
    pub(crate) log_format: LogFormat,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// Names configuration files.
#[derive(Clone, Debug, Args)]
pub(crate) struct Files {
    /// A configuration file, YAML or JSON; "-" is standard input; may be given several times
    #[arg(short = 'f', long = "file", value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
}

/// Names one object.
#[derive(Clone, Debug, Args)]
pub(crate) struct Named {
    /// Its name
    pub(crate) name: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    Dev(daemon::DevArgs),
    Combined(daemon::CombinedArgs),
    Agent(daemon::AgentArgs),
    Scheduler(daemon::SchedulerArgs),
    Apply(apply::ApplyArgs),
    Plan(apply::PlanArgs),
    Rehearse(Box<rehearse::RehearseArgs>),
    /// Show everything at a glance: clusters and who schedules them, services, tasks, hosts, records that are damaged
    Status,
    Services(show::ServicesArgs),
    Tasks(show::TasksArgs),
    Hosts(show::HostsArgs),
    Scale(change::ScaleArgs),
    /// Stop all tasks of a service; how many it wants is remembered
    ///
    /// Stopping is a decision of yours, so `min` does not hold it up. `callboard start` runs the service again.
    Stop(change::ServiceArgs),
    /// Run a stopped service again, or try a failed rollout once more
    Start(change::ServiceArgs),
    Delete(change::DeleteArgs),
    /// Replace all tasks of a host elsewhere, and place nothing there
    ///
    /// No service goes below its `min` by it: the replacement is healthy before the old task goes. What has no place
    /// elsewhere is stopped as far as `min` allows; `callboard rehearse --drain HOST` tells before. `callboard hosts` shows
    /// `drained` when nothing is left. Fixed in the host's configuration until `callboard undrain`.
    Drain(Named),
    /// Place tasks on a drained host again; nothing moves back by itself
    Undrain(Named),
    Rebalance(rebalance::RebalanceArgs),
    Logs(logs::LogsArgs),
    Exec(exec::ExecArgs),
    Explain(explain::ExplainArgs),
    Events(events::EventsArgs),
    Doctor(Box<doctor::DoctorArgs>),
    #[command(subcommand)]
    Config(config::ConfigCommand),
    #[command(subcommand)]
    Sim(sim::SimCommand),
    #[command(subcommand)]
    Bench(bench::BenchCommand),
    /// Write a completion script for a shell to standard output
    ///
    /// For bash: callboard completions bash > ~/.local/share/bash-completion/completions/callboard
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Show the version of this binary
    Version,
    #[command(hide = true)]
    DemoServer(crate::demo::DemoArgs),
}

/// Carries out what the user said on the command line.
pub(crate) fn run() -> Result<std::process::ExitCode> {
    let (command, arguments) = (Cli::command(), std::env::args_os().collect::<Vec<_>>());
    let (matches, file) = settings::matches(&command, &arguments).map_err(or_exit)?;
    let cli = Cli::from_arg_matches(&matches)?;
    if let Command::Config(config::ConfigCommand::Show(_)) = &cli.command {
        return config::show(&settings::shown(&command, &matches, &file), cli.output);
    }
    start_log(&cli.log, matches!(cli.command, Command::Dev(_)));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(dispatch(cli));
    runtime.shutdown_background();
    ended
}

/// What clap has to say it says itself, with an exit code of its own.
fn or_exit(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<clap::Error>() {
        Ok(usage) => usage.exit(),
        Err(error) => error,
    }
}

async fn dispatch(cli: Cli) -> Result<std::process::ExitCode> {
    let (format, client) = (cli.output, || Client::new(&cli.client));
    let token_file = cli.client.token_file.as_deref();
    let done = match cli.command {
        Command::Exec(args) => return exec::exec(&client()?, &args).await,
        Command::Dev(args) => daemon::dev(args, token_file).await,
        Command::Combined(args) => daemon::combined(args, token_file).await,
        Command::Agent(args) => daemon::agent(args, token_file).await,
        Command::Scheduler(args) => daemon::scheduler(args, token_file).await,
        Command::Apply(args) => apply::apply(&client()?, &args, format).await,
        Command::Plan(args) => apply::plan(&client()?, &args, format).await,
        Command::Rehearse(args) => rehearse::rehearse(client, *args, format).await,
        Command::Status => show::status(&client()?, format).await,
        Command::Services(args) => show::services(&client()?, &args, format).await,
        Command::Tasks(args) => show::tasks(&client()?, &args, format).await,
        Command::Hosts(args) => show::hosts(&client()?, &args, format).await,
        Command::Scale(args) => change::scale(&client()?, &args, format).await,
        Command::Stop(args) => change::stop(&client()?, &args, format).await,
        Command::Start(args) => change::start(&client()?, &args, format).await,
        Command::Delete(args) => change::delete(&client()?, &args, format).await,
        Command::Drain(host) => change::drain(&client()?, &host.name, true, format).await,
        Command::Undrain(host) => change::drain(&client()?, &host.name, false, format).await,
        Command::Rebalance(args) => rebalance::rebalance(&client()?, &args, format).await,
        Command::Logs(args) => logs::logs(&client()?, &args).await,
        Command::Explain(args) => explain::explain(&client()?, &args, format).await,
        Command::Events(args) => events::events(&client()?, &args, format).await,
        Command::Doctor(args) => doctor::doctor(&client()?, &args, format).await,
        Command::Sim(command) => sim::sim(&command, format),
        Command::Bench(command) => bench::bench(&command, format),
        Command::Completions { shell } => completions(shell),
        Command::Version => show::version(format),
        Command::DemoServer(args) => crate::demo::serve(args).await,
        Command::Config(_) => Ok(()),
    };
    done.map(|()| std::process::ExitCode::SUCCESS)
}

fn completions(shell: clap_complete::Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "callboard", &mut script);
    out::bytes(&script);
    Ok(())
}

/// Logs go to standard error; `dev` shows what happens by itself and logs only trouble.
fn start_log(args: &LogArgs, quiet: bool) {
    let default = if quiet { "error" } else { "info" };
    let text = args.log_level.as_deref().filter(|text| !text.is_empty()).unwrap_or(default);
    let filter = tracing_subscriber::EnvFilter::try_new(text).unwrap_or_else(|error| {
        out::message(&format!("--log-level {text:?} is not understood ({error}); logging {default}"));
        tracing_subscriber::EnvFilter::new(default)
    });
    // What cannot be written, to a full disk, is lost: to complain of that where it cannot be written ends whoever does.
    let log = tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false);
    let log = log.with_writer(std::io::stderr).with_target(false);
    match args.log_format {
        LogFormat::Text => log.with_ansi(is_colourful()).init(),
        LogFormat::Json => log.json().init(),
    }
}

fn is_colourful() -> bool {
    use std::io::IsTerminal;
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests;
