//! Shows what a task wrote.

use super::client::Client;
use super::out;
use crate::api::ENDED;
use crate::names;
use crate::problem::{Kind, Problem};
use crate::views::{HostView, TaskView};
use anyhow::{Context, Result};

/// Show what a task wrote to standard output and standard error
///
/// Asks the daemon of the host that runs it, at the address that this one registered, with the same token. Of a task that is
/// gone, as after a failed rollout, its host keeps the last 64 KiB for a while: of the last 128 starts that ended there.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  callboard logs default-web-3-0 -f --tail 20")]
pub(crate) struct LogsArgs {
    /// The id of the task, as `callboard tasks` shows it
    task: String,
    /// Ask the daemon of this host: for a task that is gone from it, as `callboard events` tells
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
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
    let named = match &args.host {
        Some(host) => of_host(client, names::check("host", host)?).await?,
        None => None,
    };
    let client = named.as_ref().unwrap_or(client);
    let mut response = match client.stream(&path).await {
        Ok(response) => response,
        Err(problem) => match there(client, id).await {
            Some(there) => there.stream(&path).await?,
            None => return Err(problem),
        },
    };
    if response.headers().contains_key(ENDED) {
        out::message(&format!(
            "{id} is gone from its host; this is the end of what its last start wrote there"
        ));
    }
    while let Some(piece) =
        response.chunk().await.context("the daemon went away while the logs were followed")?
    {
        out::bytes(&piece);
    }
    Ok(())
}

/// Finds the daemon of a host; nothing where it is this one.
async fn of_host(client: &Client, host: &str) -> Result<Option<Client>> {
    let view: HostView = client.get(&format!("/v1/hosts/{host}")).await?;
    let Some(address) = view.api else {
        return Err(Problem::new(Kind::NotFound, format!("no daemon of host {host} is known"))
            .hint("it may be down; ask it by --api once it is back")
            .into());
    };
    Ok(client.at(&address))
}

/// Finds the daemon of the task's host, where that is another one.
pub(super) async fn there(client: &Client, id: &str) -> Option<Client> {
    let task: TaskView = client.get(&format!("/v1/tasks/{id}")).await.ok()?;
    of_host(client, &task.host).await.ok().flatten()
}
