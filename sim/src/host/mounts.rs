//! Which volumes a machine gives to containers, by its policy: on a simulated machine no path leads anywhere else.

use callboard_core::model::{Executor, TaskDefinition};
use callboard_core::policy::Policy;
use callboard_core::policy::volume::{Root, Wanted};

/// Tells why a task cannot be started: it wants a volume that it may not have.
pub(crate) fn refusal(policy: &Policy, definition: &TaskDefinition) -> Option<String> {
    let rules = policy.docker.as_ref()?;
    let mut volumes = definition.containers.iter().flat_map(|container| match &container.executor {
        Executor::Docker(docker) => docker.volumes.as_slice(),
        Executor::Bash(_) => &[],
    });
    let roots: Vec<Root<'_>> = rules.volumes.iter().map(Root::from).collect();
    volumes.find_map(|volume| {
        let why = Wanted::read(volume).map_or_else(Some, |wanted| wanted.refusal(wanted.source, &roots))?;
        Some(format!("volume {volume:?}: {why}"))
    })
}
