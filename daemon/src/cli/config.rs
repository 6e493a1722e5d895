//! Shows the settings in force and where each comes from.

use super::daemon::{AgentOptions, ApiArgs, SchedulerOptions};
use super::out::{self, Format};
use crate::settings::Setting;
use crate::storage::StoreArgs;
use anyhow::Result;
use std::process::ExitCode;

/// Show the settings that a daemon started like this would have
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ConfigCommand {
    Show(Box<ShowArgs>),
}

/// Show every setting, its value, and where it comes from: command line, environment, file or default
///
/// Takes the options of all daemons; what a daemon does not have it does not look at. Secrets are not shown.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  callboard config show\n  callboard config show --config callboard.yml --store consul:"
)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    agent: AgentOptions,
    #[command(flatten)]
    scheduler: SchedulerOptions,
    #[command(flatten)]
    api: ApiArgs,
}

pub(crate) fn show(settings: &[Setting], format: Format) -> Result<ExitCode> {
    if format == Format::Json {
        out::json(&settings)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = out::table(&["setting", "value", "from"]);
    for Setting { name, value, from } in settings {
        table.add_row([name.as_str(), value.as_deref().unwrap_or("-"), from]);
    }
    out::show(&table, "there is nothing to set");
    Ok(ExitCode::SUCCESS)
}
