//! Shows what a task wrote.

use super::client::Client;
use super::out;
use crate::names;
use anyhow::{Context, Result};

/// Show what a task wrote to standard output and standard error
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  callboard logs default-web-3-0 -f --tail 20")]
pub(crate) struct LogsArgs {
    /// The id of the task, as `callboard tasks` shows it
    task: String,
    /// Go on as it writes, until it ends or Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Only so many last lines
    #[arg(long, value_name = "LINES")]
    tail: Option<usize>,
}

pub(crate) async fn logs(client: &Client, args: &LogsArgs) -> Result<()> {
    let id = names::check_id(&args.task)?;
    let tail = args.tail.map(|lines| format!("tail={lines}&")).unwrap_or_default();
    let mut response = client.stream(&format!("/v1/tasks/{id}/logs?{tail}follow={}", args.follow)).await?;
    while let Some(piece) =
        response.chunk().await.context("the daemon went away while the logs were followed")?
    {
        out::bytes(&piece);
    }
    Ok(())
}
