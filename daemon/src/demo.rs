//! The workload of the examples: a tiny HTTP server that says which task it is, and that can be told to misbehave in all
//! the ways that a scheduler must bear.

use anyhow::{Context, Result};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use callboard_core::machine::Span;
use std::time::Duration;
use tokio::net::TcpListener;

/// Serve HTTP on $PORT, answering every request with the id of the task
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Port to listen on
    #[arg(long, env = "PORT")]
    port: u16,
    /// Answer every request with an error, so that checks fail
    #[arg(long)]
    fail_health: bool,
    /// End by itself with exit code 1 after this time
    #[arg(long, value_name = "TIME", value_parser = Span::parse)]
    exit_after: Option<Span>,
    /// Grow by so much memory, as in 10MiB/s
    #[arg(long, value_name = "MIB", value_parser = leak_rate)]
    leak: Option<usize>,
    /// Listen only after this time
    #[arg(long, value_name = "TIME", value_parser = Span::parse)]
    slow_start: Option<Span>,
    /// Do not end when asked to
    #[arg(long)]
    ignore_term: bool,
}

fn leak_rate(text: &str) -> Result<usize, String> {
    let number = text.strip_suffix("MiB/s").unwrap_or(text);
    number.parse().map_err(|_| "give a rate as in 10MiB/s".into())
}

/// Serves until told to end.
pub(crate) async fn serve(args: DemoArgs) -> Result<()> {
    let task = std::env::var("CALLBOARD_TASK_ID").unwrap_or_else(|_| "no task".into());
    if let Some(span) = args.slow_start {
        tracing::info!(%task, "starting slowly, in {span}");
        tokio::time::sleep(Duration::from_millis(span.0)).await;
    }
    let address = ("127.0.0.1", args.port);
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("cannot listen on port {}", args.port))?;
    let status = if args.fail_health { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
    let body = format!("hello from {task}\n");
    let router = Router::new().fallback(get(move || async move { (status, body) }));
    tracing::info!(%task, port = args.port, "listening");
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let ignore = args.ignore_term;
    let asked = async move {
        loop {
            terminate.recv().await;
            if !ignore {
                return;
            }
            tracing::info!("asked to end, and ignoring it");
        }
    };
    tokio::select! {
        served = axum::serve(listener, router) => served.context("serving failed"),
        () = asked => {
            tracing::info!("asked to end, ending");
            Ok(())
        }
        () = sleep(args.exit_after) => anyhow::bail!("ending by itself, as told"),
        () = leak(args.leak) => Ok(()),
    }
}

async fn sleep(span: Option<Span>) {
    match span {
        Some(span) => tokio::time::sleep(Duration::from_millis(span.0)).await,
        None => std::future::pending().await,
    }
}

/// Takes memory and never gives it back.
async fn leak(rate: Option<usize>) {
    let Some(rate) = rate else { return std::future::pending().await };
    let mut held: Vec<Vec<u8>> = Vec::new();
    loop {
        // Written to, so that it is really taken.
        held.push(vec![u8::try_from(held.len() % 255).unwrap_or(1) | 1; rate << 20]);
        tracing::info!(mib = held.len() * rate, "leaking");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
