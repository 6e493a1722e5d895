//! Says to Consul that this process is there and where its API is, so that `callboard.service.consul` leads to it, again
//! and again: a Consul that forgot is told anew.

use callboard_backends::ConsulRegistry;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

const EVERY: Duration = Duration::from_secs(10);
/// How long the end waits for Consul.
const FAREWELL: Duration = Duration::from_secs(2);

/// A process that is announced.
pub(crate) struct Announced {
    registry: Arc<ConsulRegistry>,
    api: SocketAddr,
    speaker: JoinHandle<()>,
}

impl Announced {
    /// Announces the process until [`Announced::end`].
    pub(crate) fn begin(registry: Arc<ConsulRegistry>, api: SocketAddr) -> Announced {
        let speaker = tokio::spawn(speak(Arc::clone(&registry), api));
        Announced { registry, api, speaker }
    }

    /// Takes it back.
    pub(crate) async fn end(self) {
        self.speaker.abort();
        // The last word may be on its way still; what comes after it counts.
        let _ended = self.speaker.await;
        match tokio::time::timeout(FAREWELL, self.registry.withdraw(self.api)).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => {
                tracing::warn!("still the service `callboard` in Consul, soon as critical: {why}")
            }
            Err(_) => tracing::warn!("still the service `callboard` in Consul, soon as critical: no answer"),
        }
    }
}

async fn speak(registry: Arc<ConsulRegistry>, api: SocketAddr) {
    let mut is_told = false;
    loop {
        match registry.announce(api).await {
            Ok(()) => is_told = false,
            Err(why) if !is_told => {
                is_told = true;
                tracing::warn!(
                    "this process is not the service `callboard` in Consul yet: {why}; tried again"
                );
            }
            Err(_) => {}
        }
        tokio::time::sleep(EVERY).await;
    }
}
