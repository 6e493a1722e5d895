//! The HTTP API, `/v1/…`: JSON in, JSON out, over the store and what lives in this process.

mod events;
mod exec;
mod explain;
mod guard;
mod logs;
mod read;
mod rebalance;
mod write;

pub(crate) use exec::Frame;
pub(crate) use guard::{Access, access, read_token};
pub(crate) use logs::ENDED;
pub(crate) use write::FILES;
#[cfg(test)]
pub(crate) use write::rescale;

use crate::drive::{Clock, Question, Told};
use crate::events::Events;
use crate::problem::{Kind, Problem};
use crate::views::{Blocked, Board};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{delete, get, post, put};
use callboard_backends::Store;
use callboard_core::model::Name;
use callboard_executors::{Archive, Executor};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// The most bytes a request may carry.
pub(crate) const BODY_BYTES_MAX: usize = 1 << 20;
/// How long a request may take; what follows something may stream for longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the API serves from.
pub(crate) struct Api {
    /// The store.
    pub(crate) store: Arc<dyn Store>,
    /// What happened in this process.
    pub(crate) events: Arc<Events>,
    /// The scheduler of this process, where one lives in it.
    pub(crate) scheduler: Option<Question>,
    /// The agents of this process, by host: one, many hollow ones, or none.
    pub(crate) agents: BTreeMap<Name, LocalAgent>,
    /// Who may ask.
    pub(crate) access: Access,
    /// What this process is: `dev`, `combined`, `agent`, `scheduler`.
    pub(crate) role: String,
    /// The store, as it was named at the start.
    pub(crate) store_name: String,
    /// Time since this process started, as its machines see it.
    pub(crate) clock: Clock,
}

/// An agent of this process.
pub(crate) struct LocalAgent {
    /// The way to tell it something.
    pub(crate) told: UnboundedSender<Told>,
    /// What runs its tasks.
    pub(crate) executor: Arc<dyn Executor>,
    /// What its tasks wrote that are gone.
    pub(crate) archive: Option<Archive>,
    /// It only pretends.
    pub(crate) hollow: bool,
}

impl Api {
    /// Names the host of this process, or how many there are.
    pub(crate) fn host(&self) -> Option<String> {
        match self.agents.len() {
            0 => None,
            1 => self.agents.keys().next().map(ToString::to_string),
            count => Some(format!("{count} hollow hosts")),
        }
    }

    /// Reads all records.
    async fn board(&self) -> Result<Board, Problem> {
        Board::fetch(&*self.store).await.map_err(Problem::away)
    }

    /// Tells what the scheduler of this process cannot place; nothing when there is none.
    async fn blocked(&self) -> Blocked {
        let Some(scheduler) = &self.scheduler else { return Blocked::new() };
        let look = |scheduler: &callboard_core::scheduler::Scheduler| {
            let blocked = scheduler.world().blocked.iter();
            blocked.map(|((_, service), why)| (service.to_string(), (why.missing, why.why.clone()))).collect()
        };
        scheduler.ask(look).await.unwrap_or_default()
    }
}

/// Makes the routes.
pub(crate) fn router(api: Arc<Api>) -> Router {
    let routes = Router::new()
        .route("/v1/health", get(read::health))
        .route("/v1/version", get(read::version))
        .route("/v1/status", get(read::status))
        .route("/v1/services", get(read::services))
        .route("/v1/services/{name}", get(read::service).delete(write::delete_service))
        .route("/v1/services/{name}/scale", post(write::scale))
        .route("/v1/services/{name}/stop", post(write::stop))
        .route("/v1/services/{name}/start", post(write::start))
        .route("/v1/tasks", get(read::tasks))
        .route("/v1/tasks/{id}", get(read::task))
        .route("/v1/tasks/{id}/logs", get(logs::logs))
        .route("/v1/tasks/{id}/exec", post(exec::exec))
        .route("/v1/hosts", get(read::hosts))
        .route("/v1/hosts/{name}", get(read::host).delete(write::delete_host))
        .route("/v1/hosts/{name}/drain", post(write::drain))
        .route("/v1/hosts/{name}/undrain", post(write::undrain))
        .route("/v1/clusters/{name}", delete(write::delete_cluster))
        .route("/v1/task_definitions/{name}/{version}", delete(write::delete_definition))
        .route("/v1/config", get(read::config))
        .route("/v1/state", get(read::state))
        .route("/v1/events", get(events::events))
        .route("/v1/explain/{name}", get(explain::explain))
        .route("/v1/apply", post(write::apply))
        .route("/v1/plan", post(write::plan))
        .route("/v1/rebalance", get(rebalance::plan).post(rebalance::apply))
        .route("/v1/checks/{task}/{check}", put(write::check));
    let guarded = Arc::clone(&api);
    routes
        .fallback(async || {
            Problem::new(Kind::NotFound, "there is no such path")
                .hint("paths begin with /v1/, as in /v1/status")
        })
        .method_not_allowed_fallback(async || {
            Problem::new(Kind::BadMethod, "this path takes another method")
                .hint("GET reads, POST changes, DELETE deletes")
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(move |request: Request, next: Next| {
            let api = Arc::clone(&guarded);
            async move { admitted(&api, request, next).await }
        }))
        .with_state(api)
}

/// Lets a request pass that may, and gives up on it when it takes too long.
async fn admitted(api: &Api, request: Request, next: Next) -> Response {
    if let Err(problem) = api.access.check(request.method(), request.headers()) {
        return problem.into_response();
    }
    match tokio::time::timeout(PATIENCE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(Kind::TimedOut, format!("it took longer than {} s", PATIENCE.as_secs()))
            .hint("the store may be slow or away; try again")
            .into_response(),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self.body)).into_response()
    }
}

#[cfg(test)]
mod tests;
