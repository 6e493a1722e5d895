//! How a Consul is: the agent that is asked, its servers, and who leads them.

use super::http::{Answer, Call, Http};
use crate::StoreError;
use crate::diagnosis::{Diagnosis, version};
use serde_json::Value;

pub(super) async fn diagnose(http: &Http) -> Result<Diagnosis, StoreError> {
    let mut diagnosis = Diagnosis::default();
    let leader = http.ask(&Call::get("status/leader", &[])).await?.fine()?;
    diagnosis.date.clone_from(&leader.date);
    let named = text(&leader);
    if named.is_empty() {
        diagnosis.wrong(
            "it has no leader, so nothing can be written",
            "wait for an election; if it lasts, bring back the servers that are down or cut off",
        );
    }
    let peers = http.ask(&Call::get("status/peers", &[])).await?.fine()?;
    let peers = serde_json::from_slice::<Vec<String>>(&peers.body).map_or(0, |peers| peers.len());
    let spare = peers.saturating_sub(1) / 2;
    diagnosis.facts.push(format!("{peers} servers, {named} leads; it bears the loss of {spare}"));
    agent(http, &mut diagnosis).await?;
    servers(http, &mut diagnosis).await;
    Ok(diagnosis)
}

/// Looks at the agent that is asked: its version, and whether it refuses what a daemon needs.
async fn agent(http: &Http, diagnosis: &mut Diagnosis) -> Result<(), StoreError> {
    let answer = http.ask(&Call::get("agent/self", &[])).await?;
    if answer.status == 403 {
        diagnosis.warn(
            "the token may not read the agent, so its version is not known",
            "give it the policy `agent_prefix \"\" { policy = \"read\" }`",
        );
        return Ok(());
    }
    let this: Value = serde_json::from_slice(&answer.fine()?.body).unwrap_or_default();
    let number = this["Config"]["Version"].as_str().unwrap_or_default();
    let node = this["Config"]["NodeName"].as_str().unwrap_or_default();
    diagnosis.facts.push(format!("the agent that is asked is {node}, Consul {number}"));
    if version(number) < (1, 10) {
        diagnosis.warn(
            format!("the agent is Consul {number}, whose line is no longer mended"),
            "upgrade; 1.8 and later are known to work",
        );
    }
    Ok(())
}

/// Asks the servers for each other's health, where the token allows it.
async fn servers(http: &Http, diagnosis: &mut Diagnosis) {
    // That one is not healthy is told by an answer of status 429, with the reasons in it.
    let Ok(answer) = http.ask_once(&Call::get("operator/autopilot/health", &[])).await else { return };
    let health: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    for server in health["Servers"].as_array().into_iter().flatten().filter(|it| it["Healthy"] == false) {
        let name = server["Name"].as_str().unwrap_or_default();
        diagnosis.wrong(
            format!(
                "server {name} is not healthy: {}",
                server["SerfStatus"].as_str().unwrap_or("it lags behind")
            ),
            "start it, or remove it by `consul force-leave`",
        );
    }
}

fn text(answer: &Answer) -> String {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}
