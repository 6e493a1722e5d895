//! The registry that a Consul agent is for its host: what runs there and whether it is healthy, for fabio, DNS and
//! everybody else who asks Consul.
//!
//! A task is a service of the name of its service. Consul makes its http and tcp checks and counts their thresholds; the
//! agent asks for the verdict. Script and ttl checks are the agent's, which shows what it believes of them: they turn
//! critical when it falls silent. What Consul takes without complaint and then does not serve is refused here first.
//!
//! **Invariant:** only the Consul agent of this host is asked, and only what this host's agent entered is taken out.

mod entry;

use super::http::{Answer, Call, Http};
use super::{ConsulSettings, StoreError};
use callboard_core::model::Name;
use callboard_core::registry::{Reply, Request};
use callboard_core::work::{Run, Spec};
use entry::{Found, check_id, service_id};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// How long one look at all checks serves all tasks.
const FRESH: Duration = Duration::from_secs(1);
/// Consul cuts longer outputs.
const OUTPUT_BYTES_MAX: usize = 4000;

/// The Consul agent of this host, as a registry.
#[derive(Debug)]
pub struct ConsulRegistry {
    http: Http,
    host: Name,
    /// Where others reach the tasks of this host.
    address: String,
    seen: Mutex<Option<Seen>>,
}

/// All checks of the Consul agent; nothing where it did not tell.
#[derive(Debug)]
struct Seen {
    at: Instant,
    checks: BTreeMap<String, Status>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Status {
    status: String,
    #[serde(default)]
    output: String,
}

impl ConsulRegistry {
    /// Prepares to speak to the Consul agent of this host, the first of the addresses; it need not be there.
    ///
    /// # Errors
    /// Names the setting that is wrong.
    pub fn new(settings: &ConsulSettings, host: Name, address: String) -> Result<ConsulRegistry, StoreError> {
        let local = ConsulSettings {
            addresses: settings.addresses.iter().take(1).cloned().collect(),
            datacenter: None,
            ..settings.clone()
        };
        Ok(ConsulRegistry { http: Http::new(&local)?, host, address, seen: Mutex::default() })
    }

    /// Carries out one request of an agent; gives what the agent shall hear of it.
    pub async fn answer(&self, request: Request) -> Option<Reply> {
        match request {
            Request::Register(spec) => Some(Reply::Registered(spec.run(), self.register(&spec).await)),
            Request::Deregister(run) => {
                let result = self.deregister(&service_id(&self.host, &run)).await;
                Some(Reply::Deregistered(run, result))
            }
            Request::List => Some(Reply::Listed(self.list().await)),
            Request::Ask { run, check } => {
                let verdict = self.verdict(&check_id(&run, check)).await;
                Some(Reply::Found { run, check, verdict })
            }
            Request::Tell { run, check, result } => {
                // A check that Consul has forgotten comes back with its task.
                let _told = self.tell(&check_id(&run, check), &result).await;
                None
            }
        }
    }

    async fn register(&self, spec: &Spec) -> Result<(), String> {
        self.enter(&entry::of_task(&self.host, &self.address, spec)?).await
    }

    async fn enter(&self, service: &entry::Service) -> Result<(), String> {
        let body = serde_json::to_vec(service).map_err(|error| error.to_string())?;
        let query = [("replace-existing-checks", "true")];
        let call = Call { query: &query, ..Call::put("agent/service/register", body) };
        self.done(&call).await
    }

    async fn deregister(&self, id: &str) -> Result<(), String> {
        entry::check_id_text(id)?;
        let path = format!("agent/service/deregister/{id}");
        let answer = self.http.ask(&Call::put(&path, Vec::new())).await;
        // What is not there is out: newer ones, and those with access control, say so by refusing.
        let is_out = |answer: &Answer| answer.status == 404 || answer.text().contains("Unknown service");
        match answer {
            Ok(answer) if is_out(&answer) => Ok(()),
            told => told.and_then(Answer::fine).map(drop).map_err(|error| format!("{path}: {error}")),
        }
    }

    async fn list(&self) -> Result<Vec<Run>, String> {
        let query = [("filter", entry::FILTER)];
        let answer = self.http.ask(&Call::get("agent/services", &query)).await;
        let answer = answer.and_then(Answer::fine).map_err(|error| error.to_string())?;
        let found: BTreeMap<String, Found> = serde_json::from_slice(&answer.body)
            .map_err(|error| format!("Consul lists services in another form than its own: {error}"))?;
        Ok(found.iter().filter_map(|(id, found)| found.run(&self.host, id)).collect())
    }

    /// Gives what Consul makes of a check of its own; `None` when it does not tell, does not know the check, or has not
    /// made it since it was started.
    async fn verdict(&self, id: &str) -> Option<Result<(), String>> {
        let mut seen = self.seen.lock().await;
        if seen.as_ref().is_none_or(|seen| seen.at.elapsed() >= FRESH) {
            let checks = self.checks().await.unwrap_or_default();
            *seen = Some(Seen { at: Instant::now(), checks });
        }
        let status = seen.as_ref()?.checks.get(id)?;
        match status.status.as_str() {
            "passing" => Some(Ok(())),
            // A Consul that was started again calls critical what it has not checked since, with the words of before.
            "critical" if says_success(&status.output) => None,
            _ => Some(Err(status.output.lines().next().unwrap_or_default().to_string())),
        }
    }

    async fn checks(&self) -> Result<BTreeMap<String, Status>, StoreError> {
        let answer = self.http.ask(&Call::get("agent/checks", &[])).await?.fine()?;
        serde_json::from_slice(&answer.body).map_err(|error| StoreError::Refused(error.to_string()))
    }

    async fn tell(&self, id: &str, result: &Result<(), String>) -> Result<(), String> {
        let (status, output) = match result {
            Ok(()) => ("passing", ""),
            Err(why) => ("critical", why.as_str()),
        };
        let output = &output[..output.floor_char_boundary(OUTPUT_BYTES_MAX)];
        let body = serde_json::json!({ "Status": status, "Output": output }).to_string();
        self.done(&Call::put(&format!("agent/check/update/{id}"), body.into_bytes())).await
    }

    async fn done(&self, call: &Call<'_>) -> Result<(), String> {
        let answer = self.http.ask(call).await.and_then(Answer::fine);
        answer.map(drop).map_err(|error| format!("{}: {error}", call.path))
    }

    /// Enters this very process as the service `callboard`, or says that it still lives: Consul takes it for dead when
    /// it has not said so for half a minute.
    ///
    /// # Errors
    /// Consul did not take it; worth another try.
    pub async fn announce(&self, api: SocketAddr) -> Result<(), String> {
        let id = entry::own_id(&self.host, api.port());
        if self.tell(&id, &Ok(())).await.is_ok() {
            return Ok(());
        }
        let ip = (!api.ip().is_unspecified()).then(|| api.ip().to_string());
        let address = ip.unwrap_or_else(|| self.address.clone());
        self.enter(&entry::of_process(&self.host, address, api.port())).await?;
        self.tell(&id, &Ok(())).await
    }

    /// Takes this very process out again.
    ///
    /// # Errors
    /// Consul did not answer; it will take the process for dead.
    pub async fn withdraw(&self, api: SocketAddr) -> Result<(), String> {
        self.deregister(&entry::own_id(&self.host, api.port())).await
    }
}

/// Tells whether the words of a check are those of one that passed, or there are none.
fn says_success(output: &str) -> bool {
    let head = output.lines().next().unwrap_or_default();
    let http = head.split_once(": ").filter(|_| head.starts_with("HTTP "));
    head.is_empty() || http.is_some_and(|(_, rest)| rest.starts_with('2')) || head.ends_with(": Success")
}
