//! What is there: built from the records of the store at every request.

use super::Api;
use super::events::query;
use crate::names;
use crate::problem::{Kind, Problem};
use crate::rehearse::Live;
use crate::views::{self, HostView, Overview, ServiceView, TaskView};
use crate::write::Desired;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Json;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

type Shared = State<Arc<Api>>;

/// Tells that the process lives, and whether it can read its store.
pub(super) async fn health(State(api): Shared) -> Result<Json<Value>, Problem> {
    api.store.list(callboard_core::keys::STORE_ID).await.map_err(Problem::away)?;
    Ok(Json(json!({ "health": "ok" })))
}

pub(super) async fn version() -> Json<Value> {
    Json(json!({ "version": env!("CARGO_PKG_VERSION"), "api": "v1" }))
}

pub(super) async fn status(State(api): Shared) -> Result<Json<Overview>, Problem> {
    let mut overview = views::overview(&api.board().await?, &api.blocked().await);
    overview.role.clone_from(&api.role);
    overview.store.clone_from(&api.store_name);
    overview.uptime_ms = api.clock.now().0;
    overview.host = api.host();
    Ok(Json(overview))
}

pub(super) async fn services(State(api): Shared) -> Result<Json<Vec<ServiceView>>, Problem> {
    Ok(Json(views::services(&api.board().await?, &api.blocked().await)))
}

pub(super) async fn service(
    State(api): Shared,
    Path(name): Path<String>,
) -> Result<Json<ServiceView>, Problem> {
    let name = names::check("service", &name)?;
    let board = api.board().await?;
    let found = board.services.get(name).ok_or_else(|| Problem::unknown("service", name, "services"))?;
    Ok(Json(views::service(&board, found, &api.blocked().await)))
}

/// Which tasks are wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    service: Option<String>,
    host: Option<String>,
}

pub(super) async fn tasks(
    State(api): Shared,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<Vec<TaskView>>, Problem> {
    let Which { service, host } = query(which)?;
    let is = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
    let mut tasks = views::tasks(&api.board().await?);
    tasks.retain(|task| is(&service, &task.service) && is(&host, &task.host));
    Ok(Json(tasks))
}

pub(super) async fn task(State(api): Shared, Path(id): Path<String>) -> Result<Json<TaskView>, Problem> {
    let id = names::check_id(&id)?;
    let board = api.board().await?;
    let found = board.tasks.get(id).ok_or_else(|| Problem::unknown("task", id, "tasks"))?;
    Ok(Json(views::task(&board, found)))
}

pub(super) async fn hosts(State(api): Shared) -> Result<Json<Vec<HostView>>, Problem> {
    Ok(Json(views::hosts(&api.board().await?)))
}

pub(super) async fn host(State(api): Shared, Path(name): Path<String>) -> Result<Json<HostView>, Problem> {
    let name = names::check("host", &name)?;
    let found = views::hosts(&api.board().await?).into_iter().find(|host| host.name == name);
    found.map(Json).ok_or_else(|| Problem::unknown("host", name, "hosts"))
}

/// Gives all that the store holds for Callboard, at one revision.
pub(super) async fn state(State(api): Shared) -> Result<Json<Live>, Problem> {
    Live::fetch(&*api.store, &api.store_name).await.map(Json)
}

/// Gives the desired state in the form of a configuration file.
pub(super) async fn config(State(api): Shared) -> Result<Json<Value>, Problem> {
    let desired = Desired::fetch(&*api.store).await?;
    let configuration = serde_json::to_value(desired.configuration());
    configuration.map(Json).map_err(|error| Problem::new(Kind::Failed, error.to_string()))
}
