//! Sessions of Consul: keys put under one are deleted when it ends, be it closed, not renewed, or its host lost (what
//! Consul's own health check of the agent asked, `serfHealth`, finds out in seconds).
//!
//! The lock-delay is a millisecond: a key may be locked anew at once, since whoever lost it is fenced by its revision.

use callboard_core::machine::Span;
use callboard_core::store::SessionId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::http::{Call, Http, Silence};
use crate::StoreError;

/// What Consul takes.
const TTL_LEAST: Span = Span::secs(10);
const TTL_MOST: Span = Span::secs(86_400);

/// Opens a session.
pub(crate) async fn open(http: &Http, name: &str, ttl: Span) -> Result<SessionId, StoreError> {
    let ttl = ttl.0.clamp(TTL_LEAST.0, TTL_MOST.0);
    create(
        http,
        &json!({ "Name": name, "TTL": format!("{ttl}ms"), "LockDelay": "1ms", "Behavior": "delete" }),
    )
    .await
}

/// Renews a session; false when it is over.
pub(crate) async fn renew(http: &Http, session: &SessionId) -> Result<bool, StoreError> {
    if !is_id(session) {
        return Ok(false);
    }
    let answer = http.ask(&Call::put(&format!("session/renew/{}", session.0), Vec::new())).await?;
    if answer.status == 404 && answer.text().contains("not found") {
        return Ok(false);
    }
    answer.fine().map(|_| true)
}

/// Ends a session, if it is not over.
pub(crate) async fn close(http: &Http, session: &SessionId) -> Result<(), StoreError> {
    if !is_id(session) {
        return Ok(());
    }
    let answer = http.ask(&Call::put(&format!("session/destroy/{}", session.0), Vec::new())).await?;
    answer.fine().map(|_| ())
}

/// Finds the present index of the store, by a write that leaves nothing behind: a session, ended at once.
pub(crate) async fn present_index(http: &Http) -> Result<u64, StoreError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Session {
        create_index: u64,
    }
    let session =
        json!({ "Name": "callboard asks for the index", "TTL": "10s", "NodeChecks": [], "Checks": [] });
    let session = create(http, &session).await?;
    let path = format!("session/info/{}", session.0);
    let answer = http.ask(&Call::get(&path, &[("consistent", "")])).await;
    // One that cannot be ended now ends by itself.
    let _closed = close(http, &session).await;
    let answer = answer?.fine()?;
    let found: Option<Vec<Session>> = serde_json::from_slice(&answer.body).ok();
    let found = found.as_deref().and_then(<[Session]>::first);
    found.map(|session| session.create_index).ok_or_else(|| {
        StoreError::Unavailable(format!("a session vanished at once; Consul says {:?}", answer.text()))
    })
}

async fn create(http: &Http, session: &Value) -> Result<SessionId, StoreError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "UPPERCASE")]
    struct Created {
        id: String,
    }
    let call = Call::put("session/create", session.to_string().into_bytes());
    let answer = http.ask_once(&call).await.map_err(|silence| match silence {
        // If it was opened all the same, it ends by itself.
        Silence::NotSent(why) | Silence::NotAnswered(why) => StoreError::Unavailable(why),
    })?;
    let answer = answer.fine()?;
    let created: Result<Created, _> = serde_json::from_slice(&answer.body);
    created
        .map(|created| SessionId(created.id))
        .map_err(|_| StoreError::Refused(format!("that is no answer of Consul: {:?}", answer.text())))
}

/// Tells whether it has the form of Consul's ids (a UUID). What has not was never a session.
fn is_id(session: &SessionId) -> bool {
    let parts: Vec<&str> = session.0.split('-').collect();
    let is_hex = |part: &&str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) && parts.iter().all(is_hex)
}
