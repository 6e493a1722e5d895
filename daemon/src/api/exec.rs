//! Runs a program inside a task for a person. The body is what it reads; the answer is what it writes, in frames.

use super::Api;
use super::events::query;
use super::logs::find;
use crate::names;
use crate::problem::{Kind, Problem};
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use callboard_executors::{Exec, Failure, Said};
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Pieces that may wait to be read, or to be sent.
const PIECES: usize = 32;
/// How long a program that says nothing may take to be refused, rather than to fail in the midst of the answer.
const REFUSAL: Duration = Duration::from_secs(2);
/// The most words of a command, and bytes of them.
const WORDS_MAX: usize = 1000;
const WORDS_BYTES_MAX: usize = 128 << 10;

/// What a frame holds. Each is this byte, the number of bytes that follow as four bytes, the highest first, and these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Frame {
    /// What the program wrote to standard output.
    Out = 1,
    /// What it wrote to standard error.
    Err = 2,
    /// Its exit code in decimal digits; the last one.
    Code = 3,
    /// Why nobody knows how it ended, in words; the last one.
    Failure = 4,
}

/// What shall run.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The program and its arguments, a JSON list of strings.
    command: String,
    /// The container; the first one where none is named.
    container: Option<String>,
}

pub(super) async fn exec(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    wanted: Result<Query<Wanted>, QueryRejection>,
    body: Body,
) -> Result<Response, Problem> {
    let id = names::check_id(&id)?;
    let wanted = query(wanted)?;
    let words = words(&wanted.command)?;
    let (executor, run) = find(&api, id).await?;
    // Its arguments may be secrets.
    let program = words.first().map(String::as_str).unwrap_or_default();
    tracing::info!(task = id, program, "a person runs a program in a task");
    let (input, reads) = mpsc::channel(PIECES);
    let (output, mut says) = mpsc::channel(PIECES);
    tokio::spawn(feed(body, input));
    let exec = Exec { container: wanted.container, words, input: reads, output };
    let mut running = tokio::spawn(async move { executor.exec(&run, exec).await });
    let mut first = Vec::new();
    let ended = tokio::select! {
        // It says no more as soon as it has ended: how, is still to be told.
        Some(said) = says.recv() => { first.push(frame(said)); None }
        ended = &mut running => Some(ended),
        () = tokio::time::sleep(REFUSAL) => None,
    };
    let last = match ended.map(flatten) {
        Some(Err(failure)) => {
            return Err(Problem::new(Kind::NotFound, failure.to_string())
                .hint(format!("`callboard explain {id}` tells how the task fares")));
        }
        Some(Ok(code)) => Some(code),
        None => None,
    };
    let answer = Answer { first, says, running: last.is_none().then_some(running), last };
    let body = Body::from_stream(stream::unfold(answer, |mut answer| async move {
        Some((Ok::<_, Infallible>(answer.next().await?), answer))
    }));
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], body).into_response())
}

fn words(command: &str) -> Result<Vec<String>, Problem> {
    let wrong = |why: String| Problem::new(Kind::Invalid, why).at("command");
    let words: Vec<String> = serde_json::from_str(command).map_err(|error| {
        wrong(format!("is no JSON list of strings: {error}")).hint("as in [\"ls\",\"-l\"]")
    })?;
    let bytes: usize = words.iter().map(String::len).sum();
    if words.first().is_none_or(String::is_empty) {
        return Err(wrong("names no program".into()).hint("callboard exec TASK -- ls -l"));
    }
    if words.len() > WORDS_MAX || bytes > WORDS_BYTES_MAX || words.iter().any(|word| word.contains('\0')) {
        return Err(wrong(format!(
            "must have no NUL, at most {WORDS_MAX} words and {WORDS_BYTES_MAX} bytes, and has {} and {bytes}",
            words.len()
        )));
    }
    Ok(words)
}

async fn feed(body: Body, input: mpsc::Sender<Vec<u8>>) {
    let mut pieces = body.into_data_stream();
    while let Some(Ok(piece)) = pieces.next().await {
        if input.send(piece.to_vec()).await.is_err() {
            return;
        }
    }
}

fn frame(said: Said) -> Bytes {
    match said {
        Said::Out(bytes) => framed(Frame::Out, &bytes),
        Said::Err(bytes) => framed(Frame::Err, &bytes),
    }
}

fn framed(kind: Frame, bytes: &[u8]) -> Bytes {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut frame = vec![kind as u8];
    frame.extend(length.to_be_bytes());
    frame.extend(bytes);
    frame.into()
}

fn flatten(ended: Result<Result<i32, Failure>, tokio::task::JoinError>) -> Result<i32, Failure> {
    ended.unwrap_or_else(|error| Err(Failure(error.to_string())))
}

/// What is still to be sent.
struct Answer {
    first: Vec<Bytes>,
    says: mpsc::Receiver<Said>,
    running: Option<JoinHandle<Result<i32, Failure>>>,
    last: Option<i32>,
}

impl Answer {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(frame) = self.first.pop() {
            return Some(frame);
        }
        if let Some(said) = self.says.recv().await {
            return Some(frame(said));
        }
        let ended = match (self.last.take(), self.running.take()) {
            (Some(code), _) => Ok(code),
            (None, Some(running)) => flatten(running.await),
            (None, None) => return None,
        };
        Some(match ended {
            Ok(code) => framed(Frame::Code, code.to_string().as_bytes()),
            Err(failure) => framed(Frame::Failure, failure.to_string().as_bytes()),
        })
    }
}
