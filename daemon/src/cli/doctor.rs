//! Examines the store directly, and a daemon and a Docker Engine where they answer.

use super::client::Client;
use super::out::{self, Format};
use crate::docker::EngineArgs;
use crate::doctor::{Finding, Level, examine};
use crate::problem::{Kind, Problem};
use crate::storage::StoreArgs;
use crate::views::Overview;
use anyhow::Result;

/// Check that the store is fit for its work, and that what is in it makes sense; says what to do about what is not
///
/// Asks the store directly, so no daemon is needed; one that answers at --api is looked at as well, and so is the Docker
/// Engine of this machine. Nothing is written.
/// Exit code 0 when all is well or only warned of, 3 when something is wrong, 1 when the store cannot be asked.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  callboard doctor --store consul:\n  callboard doctor --store etcd://10.0.0.1:2379 -o json"
)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    engine: EngineArgs,
}

pub(crate) async fn doctor(client: &Client, args: &DoctorArgs, format: Format) -> Result<()> {
    let opened = args.store.open().await?;
    let examined = examine(&*opened.store).await;
    let mut findings = examined.map_err(|error| {
        Problem::away(format!("{}: {error}", opened.name)).hint("is it running, and is --store where it is?")
    })?;
    findings.push(daemon(client, &opened.name).await);
    findings.extend(args.engine.findings().await);
    findings.sort_by_key(|finding| finding.level);
    tell(&findings, format)?;
    match findings.iter().filter(|finding| finding.level == Level::Wrong).count() {
        0 => Ok(()),
        1 => Err(Problem::new(Kind::No, "one thing is wrong").into()),
        count => Err(Problem::new(Kind::No, format!("{count} things are wrong")).into()),
    }
}

/// Looks at a daemon, where one answers.
async fn daemon(client: &Client, store: &str) -> Finding {
    let seen: Overview = match client.get("/v1/status").await {
        Ok(seen) => seen,
        Err(error) => {
            let first = error.to_string().lines().next().unwrap_or_default().to_owned();
            return Finding::fact(format!("no daemon was looked at: {first}"));
        }
    };
    let what = format!(
        "the daemon at {} is {} {}, its store is {}",
        client.base(),
        seen.role,
        seen.version,
        seen.store
    );
    if seen.version != env!("CARGO_PKG_VERSION") {
        return Finding::warning(
            what,
            format!("this is {}; run the same version everywhere", env!("CARGO_PKG_VERSION")),
        );
    }
    if seen.store != store {
        return Finding::warning(what, format!("{store} was examined; is that the store you mean?"));
    }
    Finding::fact(what)
}

fn tell(findings: &[Finding], format: Format) -> Result<()> {
    if format == Format::Json {
        return out::json(&findings);
    }
    for Finding { level, what, next } in findings {
        let word = match level {
            Level::Wrong => "WRONG  ",
            Level::Warning => "warning",
            Level::Fact => "       ",
        };
        out::line(&format!("{word}  {what}"));
        if let Some(next) = next {
            out::line(&format!("         to do: {next}"));
        }
    }
    Ok(())
}
