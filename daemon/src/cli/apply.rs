//! Applies configurations, or tells what that would do.

use super::Files;
use super::client::Client;
use super::out::{self, Format};
use super::rehearse::before_apply;
use super::wait::{self, WaitArgs};
use crate::api::FILES;
use crate::problem::{Kind, Problem};
use crate::views::{Applied, Planned};
use crate::write::{self, SentFile};
use anyhow::Result;
use reqwest::Method;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Make the cluster as the files say, and wait until their services are healthy
///
/// Objects that the files do not name stay as they are. Versions of task definitions never change: to change what runs,
/// write a new version and let the service name it. Then the new version is rolled out: it must become and stay healthy
/// before more of the old one goes, and a version that does not is given up by itself.
///
/// What commands have set is kept: a stopped service stays stopped, a draining host drains on. `desired` is set to what
/// the file says.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  callboard apply -f web.yml\n  callboard apply -f cluster.yml -f web.yml --timeout 10m\n  \
    generate | callboard apply -f - --detach"
)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    wait: WaitArgs,
    /// Only tell what would change in the configuration; `callboard plan` also tells what would happen to tasks
    #[arg(long)]
    dry_run: bool,
    /// Rehearse it first, as `callboard rehearse` does, and apply only what comes to a good end; exit code 5 when somebody
    /// changed the configuration meanwhile
    #[arg(long, conflicts_with = "dry_run")]
    rehearse: bool,
}

/// Show what apply would do: objects that change, tasks that would start, move and stop, and where; nothing is written
///
/// The very scheduler that runs your cluster is asked, on a copy of what is stored, in pretended time. Exit code 3 when
/// it would not come to a good end.
#[derive(Debug, clap::Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    files: Files,
}

pub(crate) async fn apply(client: &Client, args: &ApplyArgs, format: Format) -> Result<()> {
    let path = match (args.dry_run, args.rehearse) {
        (true, _) => "/v1/apply?dry_run=true".to_owned(),
        (false, true) => format!("/v1/apply?on={}", before_apply(client, &args.files.files, format).await?),
        (false, false) => "/v1/apply".to_owned(),
    };
    let applied: Applied =
        client.send_json(Method::POST, &path, Some((FILES, sent(&args.files.files)?))).await?;
    tell(&applied, format)?;
    if args.dry_run {
        out::message("nothing was written");
        return Ok(());
    }
    wait::until_settled(client, &applied.services, &args.wait).await
}

pub(crate) async fn plan(client: &Client, args: &PlanArgs, format: Format) -> Result<()> {
    let body = Some((FILES, sent(&args.files.files)?));
    let planned: Planned = client.send_json(Method::POST, "/v1/plan", body).await?;
    if format == Format::Json {
        out::json(&planned)?;
    } else {
        tell(&planned.applied, format)?;
        out::line("");
        for step in &planned.steps {
            out::line(&format!("  {step}"));
        }
        if !planned.steps.is_empty() {
            out::line("");
        }
        if let Some(outcome) = &planned.outcome {
            out::line(outcome);
        }
        out::message("nothing was written; that new versions become healthy was taken for granted");
    }
    if planned.blocked.is_empty() {
        return Ok(());
    }
    Err(Problem::new(Kind::No, planned.blocked.join("\n"))
        .hint("`callboard explain SERVICE` tells what each host lacks")
        .into())
}

/// Tells what was changed, object by object.
pub(crate) fn tell(applied: &Applied, format: Format) -> Result<()> {
    if format == Format::Json {
        out::json(applied)?;
    } else {
        applied.changes.iter().for_each(|change| out::line(&change.to_string()));
    }
    applied.warnings.iter().for_each(|warning| out::message(warning));
    Ok(())
}

/// Reads files, checks them here for a quick answer, and packs them up.
fn sent(paths: &[PathBuf]) -> Result<Vec<u8>> {
    let mut files = Vec::new();
    for path in paths {
        files.push(read(path)?);
    }
    let read = write::read_files(files.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])))?;
    for caution in callboard_core::config::cautions(&read) {
        out::message(&format!("warning: {caution}"));
    }
    let mut packed = Vec::new();
    for (name, bytes) in files {
        let text = String::from_utf8(bytes)
            .map_err(|_| Problem::new(Kind::Invalid, "is not UTF-8").at(name.clone()))?;
        packed.push(SentFile { name, text });
    }
    Ok(serde_json::to_vec(&packed)?)
}

/// Reads a configuration file, or standard input for `-`.
pub(crate) fn read(path: &Path) -> Result<(String, Vec<u8>), Problem> {
    let most = u64::try_from(crate::api::BODY_BYTES_MAX).unwrap_or(u64::MAX);
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let problem = |error: &std::io::Error| {
        Problem::new(Kind::Invalid, format!("cannot be read: {error}"))
            .at(&name)
            .hint("check the path and its permissions")
    };
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(most + 1).read_to_end(&mut bytes)
    } else {
        let kind = std::fs::metadata(path).map_err(|error| problem(&error))?;
        if !kind.is_file() {
            return Err(Problem::new(Kind::Invalid, "is not a file")
                .at(name)
                .hint("name a file, or \"-\" for standard input"));
        }
        std::fs::File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| problem(&error))?;
    if bytes.len() > crate::api::BODY_BYTES_MAX {
        return Err(Problem::new(Kind::TooLarge, "is larger than 1 MiB")
            .at(name)
            .hint("split it into several files"));
    }
    Ok((name, bytes))
}
