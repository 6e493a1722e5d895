//! Changes one thing at a time: scale, stop, start, delete, drain.

use super::apply::tell;
use super::client::Client;
use super::out::{self, Format};
use super::wait::{self, WaitArgs};
use crate::names;
use crate::views::Applied;
use anyhow::Result;
use reqwest::Method;
use serde_json::json;

/// Change how many tasks a service wants, and wait until they are healthy
///
/// Stays within the `min` and `max` of the service; the next apply sets what its file says.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  callboard scale web 6")]
pub(crate) struct ScaleArgs {
    /// The service
    service: String,
    /// How many tasks it shall have
    desired: u32,
    #[command(flatten)]
    wait: WaitArgs,
}

/// Names a service to wait for.
#[derive(Debug, clap::Args)]
pub(crate) struct ServiceArgs {
    /// The service
    service: String,
    #[command(flatten)]
    wait: WaitArgs,
}

/// Delete an object from the configuration
///
/// What is still needed is not deleted: a cluster with services, a version that a service runs.
#[derive(Debug, clap::Args)]
pub(crate) struct DeleteArgs {
    #[command(subcommand)]
    what: DeleteCommand,
}

#[derive(Debug, clap::Subcommand)]
enum DeleteCommand {
    /// Delete a service: it leaves its cluster, and its tasks are stopped
    Service {
        /// Its name
        name: String,
    },
    /// Delete a cluster that has no services any more
    Cluster {
        /// Its name
        name: String,
    },
    /// Delete a version of a task definition that no service names
    TaskDefinition {
        /// Its name
        name: String,
        /// The version
        version: u32,
    },
    /// Delete what you said of a host, as that it drains; the host itself stays
    Host {
        /// Its name
        name: String,
    },
}

pub(crate) async fn scale(client: &Client, args: &ScaleArgs, format: Format) -> Result<()> {
    let path = format!("/v1/services/{}/scale", names::check("service", &args.service)?);
    let applied: Applied = client.post(&path, &json!({ "desired": args.desired })).await?;
    settle(client, &applied, &args.wait, format).await
}

pub(crate) async fn stop(client: &Client, args: &ServiceArgs, format: Format) -> Result<()> {
    let path = format!("/v1/services/{}/stop", names::check("service", &args.service)?);
    let mut applied: Applied = client.send_json(Method::POST, &path, None).await?;
    applied.warnings.clear();
    settle(client, &applied, &args.wait, format).await
}

pub(crate) async fn start(client: &Client, args: &ServiceArgs, format: Format) -> Result<()> {
    let path = format!("/v1/services/{}/start", names::check("service", &args.service)?);
    let applied: Applied = client.send_json(Method::POST, &path, None).await?;
    settle(client, &applied, &args.wait, format).await
}

async fn settle(client: &Client, applied: &Applied, wait: &WaitArgs, format: Format) -> Result<()> {
    tell(applied, format)?;
    wait::until_settled(client, &applied.services, wait).await
}

pub(crate) async fn delete(client: &Client, args: &DeleteArgs, format: Format) -> Result<()> {
    let path = match &args.what {
        DeleteCommand::Service { name } => format!("/v1/services/{}", names::check("service", name)?),
        DeleteCommand::Cluster { name } => format!("/v1/clusters/{}", names::check("cluster", name)?),
        DeleteCommand::TaskDefinition { name, version } => {
            format!("/v1/task_definitions/{}/{version}", names::check("task definition", name)?)
        }
        DeleteCommand::Host { name } => format!("/v1/hosts/{}", names::check("host", name)?),
    };
    tell(&client.send_json(Method::DELETE, &path, None).await?, format)
}

pub(crate) async fn drain(client: &Client, host: &str, draining: bool, format: Format) -> Result<()> {
    let host = names::check("host", host)?;
    let verb = if draining { "drain" } else { "undrain" };
    let applied: Applied = client.send_json(Method::POST, &format!("/v1/hosts/{host}/{verb}"), None).await?;
    tell(&applied, format)?;
    if draining {
        out::message(&format!(
            "its tasks are replaced elsewhere where there is room, and else go down to `min`; \
             `callboard tasks --host {host}` shows what is left"
        ));
    }
    Ok(())
}
