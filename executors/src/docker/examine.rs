//! Looks at an engine for an operator: which one it is, and what it lacks that tasks count on.

use super::engine::Engine;
use crate::Failure;
use std::time::Duration;

/// What was seen of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// Which it is and what it speaks.
    pub what: String,
    /// What it cannot do, and what that means.
    pub lacks: Vec<String>,
}

/// Asks an engine what it is.
///
/// # Errors
/// It cannot be asked, or is too old, and what to do about that.
pub async fn examine(host: &str, patience: Duration) -> Result<Examined, Failure> {
    let engine = Engine::at(host, patience)?;
    let version = engine.look(|client| async move { client.version().await }).await;
    let version = version.map_err(|trouble| trouble.doing("docker"))?;
    let seen = engine.look(|client| async move { client.info().await }).await;
    let seen = seen.map_err(|trouble| trouble.doing("docker"))?;
    let text = |of: Option<String>| of.unwrap_or_else(|| "unknown".to_string());
    let what = format!(
        "docker engine {} at {}, API {}, storage driver {}",
        text(version.version),
        engine.host(),
        text(version.api_version),
        text(seen.driver)
    );
    let mut lacks = Vec::new();
    let mut lack = |able: Option<bool>, what: &str| {
        if able == Some(false) {
            lacks.push(what.to_string());
        }
    };
    lack(seen.memory_limit, "the kernel limits no container's memory: a task may take all there is");
    lack(seen.cpu_shares, "the kernel shares no processor by cpu_units");
    lack(seen.cpu_cfs_quota, "the kernel slows no container down to its cpu_limit");
    lack(seen.pids_limit, "the kernel limits no container's number of processes");
    lack(seen.ipv4_forwarding, "IPv4 forwarding is off: published ports are reached from this machine alone");
    Ok(Examined { what, lacks })
}
