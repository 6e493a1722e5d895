//! Which volumes a machine gives to containers, by its policy, as docker's executor decides it: on a simulated machine no
//! path leads anywhere else.

use callboard_core::model::{Executor, TaskDefinition};
use callboard_core::policy::{Policy, Volume};
use std::path::Path;

/// Tells why a task cannot be started: it wants a volume that it may not have.
pub(crate) fn refusal(policy: &Policy, definition: &TaskDefinition) -> Option<String> {
    let rules = policy.docker.as_ref()?;
    let volumes = definition.containers.iter().flat_map(|container| match &container.executor {
        Executor::Docker(docker) => docker.volumes.as_slice(),
        Executor::Bash(_) => &[],
    });
    let refused = volumes.into_iter().find(|volume| !rules.volumes.iter().any(|rule| gives(rule, volume)));
    refused.map(|volume| format!("volume {volume:?}: this host's policy refuses it"))
}

fn gives(rule: &Volume, volume: &str) -> bool {
    let mut parts = volume.split(':');
    let source = parts.next().unwrap_or_default();
    let is_read_only = parts.nth(1) == Some("ro");
    Path::new(source).starts_with(&rule.path) && (is_read_only || !rule.read_only)
}
