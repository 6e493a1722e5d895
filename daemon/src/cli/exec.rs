//! Runs a program inside a task.

use super::client::Client;
use super::logs::there;
use super::out;
use crate::api::Frame;
use crate::names;
use crate::problem::{Kind, Problem};
use anyhow::{Context, Result};
use futures_util::stream;
use reqwest::{Body, Response};
use std::io::Write;
use std::process::ExitCode;
use tokio::io::AsyncReadExt;

/// Run a program inside a task, with the environment, work directory and limits of its container
///
/// The daemon of the task's host runs it. The exit code is the program's own; 128 and the number of the signal where one
/// ended it. Ctrl-C ends a program in a bash container; in a docker container it only loses its input and output.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  callboard exec default-web-3-0 -- ps aux\n  \
    echo 'select 1' | callboard exec -i default-db-1-0 -- psql")]
pub(crate) struct ExecArgs {
    /// The id of the task, as `callboard tasks` shows it
    task: String,
    /// Hand on standard input
    #[arg(short = 'i', long)]
    stdin: bool,
    /// The container to run it in; the first of the task unless told
    #[arg(long, value_name = "NAME")]
    container: Option<String>,
    /// The program and its arguments; no shell reads them
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(crate) async fn exec(client: &Client, args: &ExecArgs) -> Result<ExitCode> {
    let id = names::check_id(&args.task)?;
    let words = serde_json::to_string(&args.command)?;
    let mut query = vec![("command", words.as_str())];
    query.extend(args.container.as_deref().map(|name| ("container", name)));
    let path = format!("/v1/tasks/{id}/exec");
    let body = if args.stdin { standard_input() } else { Body::from("") };
    let there = there(client, id).await;
    let response = there.as_ref().unwrap_or(client).exchange(&path, &query, body).await?;
    let mut frames = Frames { response, read: Vec::new() };
    while let Some((kind, bytes)) = frames.next().await? {
        match kind {
            Frame::Out => out::bytes(&bytes),
            Frame::Err => drop(std::io::stderr().write_all(&bytes)),
            Frame::Code => {
                let code = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse::<i32>().ok());
                return Ok(code
                    .and_then(|code| u8::try_from(code).ok())
                    .map_or(ExitCode::FAILURE, ExitCode::from));
            }
            Frame::Failure => return Err(Problem::failed(String::from_utf8_lossy(&bytes)).into()),
        }
    }
    Err(Problem::failed("the daemon went away; whether the program goes on is not known").into())
}

/// Reads standard input piece by piece.
fn standard_input() -> Body {
    Body::wrap_stream(stream::unfold(tokio::io::stdin(), |mut stdin| async move {
        let mut piece = vec![0; 16 * 1024];
        match stdin.read(&mut piece).await {
            Ok(0) => None,
            Ok(count) => {
                piece.truncate(count);
                Some((Ok::<_, std::io::Error>(piece), stdin))
            }
            Err(error) => Some((Err(error), stdin)),
        }
    }))
}

/// Takes an answer apart.
struct Frames {
    response: Response,
    read: Vec<u8>,
}

impl Frames {
    async fn next(&mut self) -> Result<Option<(Frame, Vec<u8>)>> {
        loop {
            if let Some((kind, length)) = head(&self.read)?
                && self.read.len() >= 5 + length
            {
                let rest = self.read.split_off(5 + length);
                let frame = std::mem::replace(&mut self.read, rest).split_off(5);
                return Ok(Some((kind, frame)));
            }
            match self.response.chunk().await.context("the daemon went away while the program ran")? {
                Some(piece) => self.read.extend(&piece),
                None => return Ok(None),
            }
        }
    }
}

/// Reads what a frame holds and how long it is, once that much is here.
fn head(read: &[u8]) -> Result<Option<(Frame, usize)>, Problem> {
    let Some((kind, rest)) = read.split_first() else { return Ok(None) };
    let kind =
        [Frame::Out, Frame::Err, Frame::Code, Frame::Failure].into_iter().find(|of| *of as u8 == *kind);
    let kind = kind.ok_or_else(|| {
        Problem::new(Kind::Failed, "the daemon answered what this version does not understand")
            .hint("compare `callboard version` with the daemon's, in `callboard status`")
    })?;
    let length = rest.first_chunk::<4>().map(|length| u32::from_be_bytes(*length));
    Ok(length.and_then(|length| Some((kind, usize::try_from(length).ok()?))))
}
