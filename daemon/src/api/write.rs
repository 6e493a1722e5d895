//! Changes to the desired state, and what tasks report of themselves.

use super::Api;
use super::events::{is_set, query};
use crate::drive::Told;
use crate::names;
use crate::plan;
use crate::problem::{Kind, Problem};
use crate::views::{Applied, Planned};
use crate::write::{self, SentFile};
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::Json;
use callboard_core::config::{Configuration, DESIRED_MAX, Delete, Sourced};
use callboard_core::model::{KindName, Service};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tokio::sync::oneshot;

type Shared = State<Arc<Api>>;
type Sent = Result<Bytes, BytesRejection>;
type Done = Result<Json<Applied>, Problem>;

/// The content type of several files in one request: a JSON list of `{name, text}`.
pub(crate) const FILES: &str = "application/vnd.callboard.files+json";

/// How a configuration is to be applied.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct How {
    /// Only tell what would change.
    dry_run: Option<String>,
    /// Only when the stored configuration has this fingerprint.
    on: Option<String>,
}

pub(super) async fn apply(
    State(api): Shared,
    how: Result<Query<How>, QueryRejection>,
    headers: HeaderMap,
    body: Sent,
) -> Done {
    let How { dry_run, on } = query(how)?;
    let wanted = configuration(&headers, &received(body)?)?;
    write::apply(&*api.store, &wanted, is_set(dry_run.as_deref()), on.as_deref()).await.map(Json)
}

pub(super) async fn plan(
    State(api): Shared,
    headers: HeaderMap,
    body: Sent,
) -> Result<Json<Planned>, Problem> {
    let wanted = configuration(&headers, &received(body)?)?;
    plan::plan(&*api.store, &wanted).await.map(Json)
}

pub(super) fn received(body: Sent) -> Result<Bytes, Problem> {
    body.map_err(|rejection| {
        if rejection.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
            let most = super::BODY_BYTES_MAX / 1024;
            Problem::new(Kind::TooLarge, format!("a request has at most {most} KiB"))
                .hint("send it in several parts")
        } else {
            Problem::new(Kind::Invalid, rejection.body_text())
        }
    })
}

fn configuration(headers: &HeaderMap, body: &Bytes) -> Result<Sourced<Configuration>, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with(FILES) {
        return write::read_files([("body", &body[..])]);
    }
    let files: Vec<SentFile> = parsed(body)?;
    write::read_files(files.iter().map(|file| (file.name.as_str(), file.text.as_bytes())))
}

pub(super) fn parsed<T: DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::new(Kind::Invalid, error.to_string()).at("body"))
}

/// How many tasks there shall be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scale {
    desired: u32,
}

pub(super) async fn scale(State(api): Shared, Path(name): Path<String>, body: Sent) -> Done {
    let name = names::check("service", &name)?;
    let Scale { desired } = parsed(&received(body)?)?;
    let edit = |service: &mut Service| rescale(service, desired);
    write::edit_service(&*api.store, name, edit).await.map(Json)
}

/// Changes how many tasks a service wants, within what the service itself allows.
pub(crate) fn rescale(service: &mut Service, desired: u32) -> Result<(), Problem> {
    let Service { name, min, max, .. } = service;
    let invalid = |error: String| Problem::new(Kind::Invalid, error).at("desired");
    let refused = match service.kind.name() {
        KindName::Service => None,
        KindName::System => Some((
            "a system service: it has one task on each host that qualifies",
            "what it requires of hosts is in its placement",
        )),
        KindName::Batch => Some((
            "a batch service: it runs until its tasks have completed",
            "change its completions or parallelism and apply that",
        )),
    };
    if let Some((what, hint)) = refused {
        return Err(invalid(format!("{name} is {what}")).hint(hint));
    }
    if desired > DESIRED_MAX {
        return Err(invalid(format!("{desired} is more than the {DESIRED_MAX} a service may have")));
    }
    if desired > *max {
        return Err(invalid(format!("{desired} is more than the max of {name}, which is {max}"))
            .hint(format!("raise max in its configuration and apply that, or scale it to at most {max}")));
    }
    if desired < *min {
        return Err(invalid(format!("{desired} is less than the min of {name}, which is {min}")).hint(
            format!("lower min in its configuration and apply that; `callboard stop {name}` stops all of it"),
        ));
    }
    service.desired = desired;
    Ok(())
}

pub(super) async fn stop(State(api): Shared, Path(name): Path<String>) -> Done {
    let name = names::check("service", &name)?;
    let edit = |service: &mut Service| {
        service.stopped = true;
        Ok(())
    };
    write::edit_service(&*api.store, name, edit).await.map(Json)
}

pub(super) async fn start(State(api): Shared, Path(name): Path<String>) -> Done {
    let name = names::check("service", &name)?;
    let edit = |service: &mut Service| {
        service.stopped = false;
        service.retry = service.retry.saturating_add(1);
        Ok(())
    };
    write::edit_service(&*api.store, name, edit).await.map(Json)
}

pub(super) async fn drain(State(api): Shared, Path(name): Path<String>) -> Done {
    write::drain(&*api.store, names::check("host", &name)?, true).await.map(Json)
}

pub(super) async fn undrain(State(api): Shared, Path(name): Path<String>) -> Done {
    write::drain(&*api.store, names::check("host", &name)?, false).await.map(Json)
}

pub(super) async fn delete_service(State(api): Shared, Path(name): Path<String>) -> Done {
    let what = Delete::Service(names::check("service", &name)?.into());
    write::delete(&*api.store, &what).await.map(Json)
}

pub(super) async fn delete_cluster(State(api): Shared, Path(name): Path<String>) -> Done {
    let what = Delete::Cluster(names::check("cluster", &name)?.into());
    write::delete(&*api.store, &what).await.map(Json)
}

pub(super) async fn delete_host(State(api): Shared, Path(name): Path<String>) -> Done {
    let what = Delete::HostConfig(names::check("host", &name)?.into());
    write::delete(&*api.store, &what).await.map(Json)
}

pub(super) async fn delete_definition(
    State(api): Shared,
    Path((name, version)): Path<(String, String)>,
) -> Done {
    let name = names::check("task definition", &name)?.into();
    let version = version.parse().map_err(|_| {
        Problem::new(Kind::Invalid, format!("{version:?} is no version"))
            .hint("versions are whole numbers from 1")
    })?;
    write::delete(&*api.store, &Delete::Definition(name, version)).await.map(Json)
}

/// What a task says of itself.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    /// `passing` or `failing`.
    status: Passing,
    /// Why.
    #[serde(default)]
    output: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Passing {
    Passing,
    Failing,
}

/// Takes a task's own word for one of its ttl checks; an empty body means that it is well.
pub(super) async fn check(
    State(api): Shared,
    Path((task, check)): Path<(String, String)>,
    body: Sent,
) -> Result<Json<serde_json::Value>, Problem> {
    let id = names::check_id(&task)?;
    let check: usize = check.parse().map_err(|_| {
        Problem::new(Kind::Invalid, format!("{check:?} is no check"))
            .hint("checks are numbered from 0, in their order")
    })?;
    let body = received(body)?;
    let said = if body.is_empty() {
        Said { status: Passing::Passing, output: String::new() }
    } else {
        parsed(&body)?
    };
    let output = if said.output.is_empty() { "it says so itself".into() } else { said.output };
    let result = match said.status {
        Passing::Passing => Ok(()),
        Passing::Failing => Err(output.chars().take(400).collect()),
    };
    // The store, which may be away, is not asked: what a task says of itself is for its agent alone.
    for agent in api.agents.values() {
        let (heard, hears) = oneshot::channel();
        let said = Told::Check { id: id.into(), check, result: result.clone(), heard };
        agent.told.send(said).map_err(|_| Problem::away("the agent of this process is ending"))?;
        if hears.await.unwrap_or(false) {
            return Ok(Json(serde_json::json!({})));
        }
    }
    let board = api.board().await?;
    let task = board.tasks.get(id).ok_or_else(|| Problem::unknown("task", id, "tasks"))?;
    Err(Problem::new(Kind::NotFound, format!("{id} runs on {}, not here", task.host))
        .hint("report to the daemon of the task's own host"))
}
