//! What a task wrote, from the executor of the host that runs it.

use super::Api;
use super::events::{is_set, query};
use crate::names;
use crate::problem::{Kind, Problem};
use crate::since;
use crate::views::Board;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use callboard_core::model::Task;
use callboard_core::work::{Inventory, Run};
use callboard_executors::{Archive, Executor};
use futures_util::stream;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What an answer says of itself that has the end of what a task wrote that is gone; times are not known of it any more.
pub(crate) const ENDED: HeaderName = HeaderName::from_static("callboard-ended");
/// What to do about a task that nobody knows.
const GONE: &str = "`callboard tasks` shows what there is; of one that is gone its host keeps for a while what it wrote: \
                    `callboard events` tells which host that was, and `callboard logs TASK --host HOST` asks there";
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// The most that is read of an output at once.
const READ_MAX: usize = 1 << 20;
/// How often a followed output is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// For how long a run that writes nothing more is followed after it is gone.
const GONE_LOOKS: u32 = 4;

/// What of the output is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Only so many last lines.
    tail: Option<usize>,
    /// Only what was written since; how long ago, or a time.
    since: Option<String>,
    /// Go on as it is written.
    follow: Option<String>,
}

pub(super) async fn logs(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let id = names::check_id(&id)?;
    let wanted = query(wanted)?;
    let since = wanted.since.as_deref().map(|text| since::parse(text, SystemTime::now())).transpose();
    let since = since.map_err(|why| Problem::new(Kind::Invalid, why).at("since"))?;
    let found = find(&api, id).await;
    if let Err(problem) = &found
        && problem.kind == Kind::NotFound
        && let Some(text) = archived(&api, id).await
    {
        let last = last_lines(&text, wanted.tail).to_vec();
        return Ok(([(header::CONTENT_TYPE, PLAIN), (ENDED, HeaderValue::from_static("true"))], last)
            .into_response());
    }
    let (executor, run) = found?;
    let read = executor.tail(&run, READ_MAX, since).await;
    let read = read.map_err(|failure| {
        Problem::new(Kind::NotFound, failure.to_string()).hint(format!("`callboard explain {id}` tells more"))
    })?;
    let first = last_lines(&read, wanted.tail).to_vec();
    let body = if is_set(wanted.follow.as_deref()) {
        let follower = Follower { executor, run, since, seen: read, first: Some(first), failures: 0 };
        Body::from_stream(stream::unfold(follower, |mut follower| async move {
            Some((Ok::<_, Infallible>(follower.next().await?), follower))
        }))
    } else {
        Body::from(first)
    };
    Ok(([(header::CONTENT_TYPE, PLAIN)], body).into_response())
}

/// Reads the end of what the last run of a task wrote that is gone from this host, unless the task is on another one now.
async fn archived(api: &Api, id: &str) -> Option<Vec<u8>> {
    let host = api.board().await.ok()?.tasks.get(id).map(|task| task.host.clone());
    let agents = api.agents.iter().filter(|(own, _)| host.as_ref().is_none_or(|host| host == *own));
    let archives: Vec<Archive> = agents.filter_map(|(_, agent)| agent.archive.clone()).collect();
    let id = id.to_owned();
    let read = move || archives.iter().find_map(|archive| archive.read(&id));
    tokio::task::spawn_blocking(read).await.ok().flatten()
}

/// Finds the present start of a task on this host; the last one that is known when it has left the host.
pub(super) async fn find(api: &Api, id: &str) -> Result<(Arc<dyn Executor>, Run), Problem> {
    let board = api.board().await?;
    let task = board.tasks.get(id);
    let agent = match task {
        Some(task) => api.agents.get(&task.host),
        None => api.agents.values().next(),
    };
    let Some(agent) = agent else { return Err(elsewhere(&board, id, task)) };
    let Inventory { found, silent } = agent.executor.inventory().await.map_err(Problem::failed)?;
    let last = found.into_iter().map(|found| found.spec.run()).filter(|run| &*run.id == id).max();
    match (last, task) {
        (Some(run), _) => Ok((Arc::clone(&agent.executor), run)),
        (None, _) if !silent.is_empty() => Err(untold(id, &silent)),
        (None, Some(_)) => Err(Problem::new(Kind::NotFound, format!("{id} has not been started yet"))
            .hint(format!("`callboard explain {id}` tells why"))),
        (None, None) => Err(Problem::unknown("task", id, "tasks").hint(GONE)),
    }
}

/// Tells who may have a task, and cannot tell.
fn untold(id: &str, silent: &BTreeMap<String, String>) -> Problem {
    let why: Vec<String> =
        silent.iter().map(|(kind, why)| format!("{kind} cannot tell what it runs: {why}")).collect();
    Problem::failed(format!("{id} is not found, and {}", why.join("; ")))
        .hint("see to what is silent; what runs there goes on")
}

/// Tells who reaches a task that no agent of this process runs.
fn elsewhere(board: &Board, id: &str, task: Option<&Task>) -> Problem {
    let Some(task) = task else {
        return Problem::new(
            Kind::NotFound,
            "no agent lives in the daemon that answers, so it reaches no task",
        )
        .hint(GONE);
    };
    let host = &task.host;
    let problem =
        Problem::new(Kind::NotFound, format!("{id} runs on {host}, and only the daemon there reaches it"));
    match board.registrations.get(host).and_then(|host| host.api.as_ref()) {
        Some(address) => problem.hint(format!("ask that daemon, by --api {address}")),
        None => problem.hint(format!("ask the daemon of {host}, by --api")),
    }
}

fn last_lines(text: &[u8], lines: Option<usize>) -> &[u8] {
    let Some(lines) = lines else { return text };
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    let mut ends = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    match lines.checked_sub(1).map(|skip| ends.nth(skip)) {
        None => &[],
        Some(None) => text,
        Some(Some(end)) => &text[end + 1..],
    }
}

/// Reads an output again and again and gives what is new.
struct Follower {
    executor: Arc<dyn Executor>,
    run: Run,
    since: Option<SystemTime>,
    seen: Vec<u8>,
    first: Option<Vec<u8>>,
    failures: u32,
}

impl Follower {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first.into());
        }
        loop {
            tokio::time::sleep(LOOK).await;
            match self.executor.tail(&self.run, READ_MAX, self.since).await {
                Ok(read) => {
                    let fresh = Bytes::copy_from_slice(after(&self.seen, &read));
                    self.seen = read;
                    if !fresh.is_empty() {
                        return Some(fresh);
                    }
                    let ended = tokio::time::timeout(Duration::ZERO, self.executor.exited(&self.run)).await;
                    self.failures = if ended.is_ok() { self.failures + 1 } else { 0 };
                }
                Err(_) => self.failures += 1,
            }
            if self.failures >= GONE_LOOKS {
                return None;
            }
        }
    }
}

/// Finds what of the last part of an output is new since an earlier last part of it.
fn after<'a>(seen: &[u8], read: &'a [u8]) -> &'a [u8] {
    if seen.len() < READ_MAX && read.starts_with(seen) {
        return &read[seen.len()..];
    }
    // The window has moved on: what was its end lies somewhere within it.
    let mark = &seen[seen.len().saturating_sub(1024)..];
    match read.windows(mark.len().max(1)).rposition(|window| window == mark) {
        Some(at) => &read[at + mark.len()..],
        None => read,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails() {
        let check = |lines: Option<usize>, expect: &str| {
            assert_eq!(last_lines(b"one\ntwo\nthree\n", lines), expect.as_bytes(), "{lines:?}");
        };
        check(None, "one\ntwo\nthree\n");
        check(Some(0), "");
        check(Some(1), "three\n");
        check(Some(2), "two\nthree\n");
        check(Some(3), "one\ntwo\nthree\n");
        check(Some(9), "one\ntwo\nthree\n");
    }

    #[test]
    fn only_what_is_new() {
        assert_eq!(after(b"one\n", b"one\ntwo\n"), b"two\n");
        assert_eq!(after(b"one\n", b"one\n"), b"");
        assert_eq!(after(b"", b"one\n"), b"one\n");
        assert_eq!(after(b"one\ntwo\n", b"three\n"), b"three\n");
    }
}
