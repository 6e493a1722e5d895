//! Hollow agents: many hosts in one process, to try out how a store and a scheduler bear a fleet. The machines, their
//! sessions and their traffic with the store are real; tasks are only pretended, and gone with the process.
//!
//! **Invariant:** each agent has a session of its own and watches its own prefixes, as if it were alone on its host.

use crate::api::LocalAgent;
use crate::data_dir;
use crate::drive::{AgentDriver, Kept};
use crate::host;
use crate::process::{AgentPart, Ground, PRESSURE_PERCENT, Started};
use anyhow::Result;
use callboard_core::agent;
use callboard_core::session::ttl_of_fleet;
use callboard_core::store::Revision;
use callboard_executors::Executor;
use callboard_executors::fake::Fake;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How far their starts are apart, so that a fleet does not begin as one.
const APART: Duration = Duration::from_millis(5);

/// Starts so many agents, named after the host and numbered from 0.
///
/// # Errors
/// The name given is none, or no random number could be drawn.
pub(crate) fn start(part: &AgentPart, count: u32, ground: &Ground<'_>) -> Result<Started> {
    let kinds = vec!["bash".into(), "docker".into()];
    let model = host::registration(&part.host, kinds, Some(ground.api(&part.host)))?;
    // Whatever ran is gone with the process before, as after a boot.
    let boot_id = data_dir::draw_id()?;
    let agent_id = part.data_dir.agent_id()?;
    let ttl = ttl_of_fleet(part.ttl, count.into());
    let (mut locals, mut drivers) = (BTreeMap::new(), JoinSet::new());
    for number in 0..count {
        let mut registration = model.clone();
        registration.host = format!("{}-{number}", model.host).into();
        let host = registration.host.clone();
        let settings = agent::Settings {
            registration,
            boot_id: boot_id.clone(),
            agent_id: format!("{agent_id}-{number}"),
            ttl,
            starts: part.starts,
            pressure_percent: PRESSURE_PERCENT,
            registry: false,
            seen: Revision(0),
            store_id: None,
        };
        let executor: Arc<dyn Executor> = Arc::new(Fake::default());
        let (driver, told) = AgentDriver::new(
            settings,
            ground.clock,
            Arc::clone(ground.store),
            Arc::clone(&executor),
            None,
            Arc::clone(ground.events),
            Kept::default(),
        );
        drivers.spawn(async move {
            tokio::time::sleep(APART * number).await;
            driver.run().await
        });
        locals.insert(host, LocalAgent { told, executor, archive: None, hollow: true });
    }
    tracing::info!(count, %ttl, "hollow agents begin");
    let driver = tokio::spawn(async move {
        while let Some(Ok(refusal)) = drivers.join_next().await {
            if refusal.is_some() {
                return refusal;
            }
        }
        None
    });
    Ok(Started { locals, driver })
}
