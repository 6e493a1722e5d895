//! What happened: as a list, or as a stream of server-sent events.

use super::Api;
use crate::events::Event;
use crate::problem::{Kind, Problem};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse, Json, Response};
use futures_util::stream::{self, Stream, StreamExt};
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;
use tokio_stream::wrappers::BroadcastStream;

/// What of the events is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Only those after this number.
    #[serde(default)]
    after: u64,
    /// Go on as they happen.
    follow: Option<String>,
}

/// Reads a flag of a query: `?follow`, `?follow=true`.
pub(super) fn is_set(flag: Option<&str>) -> bool {
    flag.is_some_and(|value| !matches!(value, "false" | "0" | "no"))
}

/// Explains a query that cannot be read.
pub(super) fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    query
        .map(|Query(wanted)| wanted)
        .map_err(|rejection| Problem::new(Kind::Invalid, rejection.body_text()).at("the query after \"?\""))
}

pub(super) async fn events(
    State(api): State<Arc<Api>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let wanted = query(wanted)?;
    let (kept, coming) = api.events.after(wanted.after);
    if !is_set(wanted.follow.as_deref()) {
        return Ok(Json(kept).into_response());
    }
    // A follower that is too slow loses events, and sees it by their numbers.
    let coming = BroadcastStream::new(coming).filter_map(async |event| event.ok());
    let all = stream::iter(kept).chain(coming).map(|event| Ok::<_, Infallible>(sent(&event)));
    Ok(sse(all).into_response())
}

fn sse(events: impl Stream<Item = Result<Sent, Infallible>> + Send + 'static) -> impl IntoResponse {
    Sse::new(events).keep_alive(KeepAlive::default())
}

fn sent(event: &Event) -> Sent {
    let sent = Sent::default().id(event.number.to_string());
    sent.json_data(event).unwrap_or_default()
}
