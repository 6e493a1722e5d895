//! Moves that would make tasks lie better, and their carrying out.

use super::Api;
use super::events::query;
use super::write::{parsed, received};
use crate::problem::{Kind, Problem};
use crate::rehearse::Live;
use crate::views::Applied;
use crate::write;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::response::Json;
use callboard_core::rebalance::{Budget, GAIN_DEFAULT, MOVES_DEFAULT, MOVES_MAX, Plan, rebalance};
use callboard_core::world::World;
use serde::Deserialize;
use std::sync::Arc;

/// What a rebalance may cost, and must bring.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    moves: Option<u32>,
    gain: Option<u32>,
}

pub(super) async fn plan(
    State(api): State<Arc<Api>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Plan>, Problem> {
    let Wanted { moves, gain } = query(wanted)?;
    let budget = Budget { moves: moves.unwrap_or(MOVES_DEFAULT), gain: gain.unwrap_or(GAIN_DEFAULT) };
    if !(1..=MOVES_MAX).contains(&budget.moves) || !(1..=100).contains(&budget.gain) {
        let hint = format!("moves are from 1 to {MOVES_MAX}, gain is from 1 to 100");
        return Err(Problem::new(Kind::Invalid, "is out of range").at("moves, gain").hint(hint));
    }
    let live = Live::fetch(&*api.store, "").await?;
    let planned = tokio::task::spawn_blocking(move || rebalance(&World::of(&live.entries), budget));
    planned.await.map(Json).map_err(|error| Problem::failed(format!("planning broke down: {error}")))
}

pub(super) async fn apply(
    State(api): State<Arc<Api>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Applied>, Problem> {
    let plan: Plan = parsed(&received(body)?)?;
    write::rebalance(&*api.store, &plan).await.map(Json)
}
