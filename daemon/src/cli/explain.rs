//! Shows why something is where it is, or why it waits.

use super::client::Client;
use super::out::{self, Format, Tint, table, tinted};
use crate::names;
use crate::views::Explanation;
use anyhow::Result;
use comfy_table::Cell;

/// Explain a service or a task: why a task is where it is, or why it waits, with each host and its reason
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  callboard explain web\n  callboard explain default-web-3-0")]
pub(crate) struct ExplainArgs {
    /// The name of a service or the id of a task
    name: String,
}

pub(crate) async fn explain(client: &Client, args: &ExplainArgs, format: Format) -> Result<()> {
    let told: Explanation = client.get(&format!("/v1/explain/{}", names::check_id(&args.name)?)).await?;
    if format == Format::Json {
        return out::json(&told);
    }
    out::line(&told.about);
    told.facts.iter().for_each(|fact| out::line(&format!("  {fact}")));
    if !told.hosts.is_empty() {
        out::line("\nWhere one more task of the service would fit, were one wanted:");
        let mut rows = table(&["host", "fits", "why"]);
        for reason in &told.hosts {
            let fits = if reason.fits { tinted("yes", Tint::Good) } else { tinted("no", Tint::Bad) };
            rows.add_row([Cell::new(&reason.host), fits, Cell::new(&reason.why)]);
        }
        out::show(&rows, "");
    }
    if !told.remedies.is_empty() {
        out::line("\nWhat would place it, each by itself:");
        told.remedies.iter().for_each(|remedy| out::line(&format!("  {remedy}")));
    }
    if let Some(hint) = &told.hint {
        out::line(&format!("\n{hint}"));
    }
    Ok(())
}
