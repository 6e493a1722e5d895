//! Shows what a task wrote.

use super::client::Client;
use super::out;
use crate::names;
use crate::views::{HostView, TaskView};
use anyhow::{Context, Result};

/// Show what a task wrote to standard output and standard error
///
/// Asks the daemon of the host that runs it, at the address that this one registered, with the same token.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  callboard logs default-web-3-0 -f --tail 20")]
pub(crate) struct LogsArgs {
    /// The id of the task, as `callboard tasks` shows it
    task: String,
    /// Go on as it writes, until it ends or Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Only what it wrote since: how long ago, as in 10m, or a time, as in 2026-01-31T15:04:05Z; to the second
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<String>,
    /// Only so many last lines
    #[arg(long, value_name = "LINES")]
    tail: Option<usize>,
}

/// Sees whether it can be read; what it means is for the host, by its own clock.
fn since(text: &str) -> Result<String, String> {
    crate::since::parse(text, std::time::SystemTime::now()).map(|_| text.to_owned())
}

pub(crate) async fn logs(client: &Client, args: &LogsArgs) -> Result<()> {
    let id = names::check_id(&args.task)?;
    let tail = args.tail.map(|lines| format!("tail={lines}&")).unwrap_or_default();
    let since =
        args.since.as_ref().map(|since| format!("since={}&", since.replace('+', "%2B").replace(' ', "T")));
    let since = since.unwrap_or_default();
    let path = format!("/v1/tasks/{id}/logs?{tail}{since}follow={}", args.follow);
    let mut response = match client.stream(&path).await {
        Ok(response) => response,
        Err(problem) => match there(client, id).await {
            Some(there) => there.stream(&path).await?,
            None => return Err(problem),
        },
    };
    while let Some(piece) =
        response.chunk().await.context("the daemon went away while the logs were followed")?
    {
        out::bytes(&piece);
    }
    Ok(())
}

/// Finds the daemon of the task's host, where that is another one.
pub(super) async fn there(client: &Client, id: &str) -> Option<Client> {
    let task: TaskView = client.get(&format!("/v1/tasks/{id}")).await.ok()?;
    let host: HostView = client.get(&format!("/v1/hosts/{}", task.host)).await.ok()?;
    client.at(&host.api?)
}
