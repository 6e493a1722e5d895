//! How containers are known as ours: labels say which agent's they are, and of which run; the last one carries the whole
//! specification, so that an agent which was restarted knows all that it must.
//!
//! **Invariant:** a container without the label of this very agent is never touched.

use super::runs::Group;
use crate::Failure;
use bollard::models::{ContainerSummary, ContainerSummaryStateEnum as State};
use callboard_core::model::Container;
use callboard_core::work::{Run, Spec};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

const AGENT: &str = "callboard.agent";
const CLUSTER: &str = "callboard.cluster";
const SERVICE: &str = "callboard.service";
const TASK: &str = "callboard.task";
const GENERATION: &str = "callboard.generation";
const ATTEMPT: &str = "callboard.attempt";
const CONTAINER: &str = "callboard.container";
const ROLE: &str = "callboard.role";
const NAME: &str = "callboard.name";
const SPEC: &str = "callboard.spec";
const MAIN: &str = "main";
const SETUP: &str = "setup";
const TEARDOWN: &str = "teardown";

/// What a container is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It is a container of the task.
    Main,
    /// It runs one setup command, and is gone before the task starts.
    Setup,
    /// It runs one teardown command, and is kept until the run is removed, to tell that it was run.
    Teardown,
}

/// How far a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Created,
    Live,
    Over,
}

/// A container of ours, as a listing tells of it.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// Docker's id.
    pub(super) id: String,
    /// Its name in the task definition.
    pub(super) container: String,
    /// The id of the image that it was made from.
    pub(super) image: Option<String>,
    pub(super) role: Role,
    pub(super) phase: Phase,
}

/// Makes the labels of a container of a task.
pub(super) fn of(
    agent: &str,
    spec: &Spec,
    container: &Container,
) -> Result<HashMap<String, String>, Failure> {
    let whole =
        serde_json::to_string(spec).map_err(|error| Failure::of("cannot be written as JSON", error))?;
    let task = &spec.task;
    let mut labels = HashMap::new();
    let mut set = |name: &str, value: &dyn ToString| labels.insert(name.to_string(), value.to_string());
    set(AGENT, &agent);
    set(CLUSTER, &task.cluster);
    set(SERVICE, &task.service);
    set(TASK, &task.id);
    set(GENERATION, &task.generation);
    set(ATTEMPT, &spec.attempt);
    set(CONTAINER, &container.name);
    set(ROLE, &MAIN);
    if let callboard_core::model::Executor::Docker(docker) = &container.executor
        && let Some(name) = &docker.name
    {
        set(NAME, name);
    }
    set(SPEC, &whole);
    Ok(labels)
}

/// Turns the labels of a container into those of one that runs one of its commands.
pub(super) fn mark(labels: &mut HashMap<String, String>, role: Role) {
    let role = match role {
        Role::Main => MAIN,
        Role::Setup => SETUP,
        Role::Teardown => TEARDOWN,
    };
    labels.insert(ROLE.to_string(), role.to_string());
}

/// Makes the filter for a listing of what is an agent's: all of it, or what is of one run.
pub(super) fn filter(agent: &str, run: Option<&Run>) -> HashMap<String, Vec<String>> {
    let mut wanted = vec![format!("{AGENT}={agent}")];
    if let Some(run) = run {
        wanted.push(format!("{TASK}={}", run.id));
        wanted.push(format!("{GENERATION}={}", run.generation));
        wanted.push(format!("{ATTEMPT}={}", run.attempt));
    }
    HashMap::from([("label".to_string(), wanted)])
}

/// Reads which run a container is of.
pub(super) fn run(labels: &HashMap<String, String>) -> Option<Run> {
    let number = |name: &str| labels.get(name)?.parse::<u64>().ok();
    let attempt = u32::try_from(number(ATTEMPT)?).ok()?;
    Some(Run { id: labels.get(TASK)?.as_str().into(), generation: number(GENERATION)?, attempt })
}

/// Reads a listing: what there is of each run.
///
/// # Errors
/// Something runs of which the specification cannot be read.
pub(super) fn groups(agent: &str, listed: Vec<ContainerSummary>) -> Result<BTreeMap<Run, Group>, Failure> {
    let mut groups: BTreeMap<Run, Group> = BTreeMap::new();
    for summary in listed {
        let Some(phase) = phase(summary.state) else { continue };
        let labels = summary.labels.unwrap_or_default();
        let label = |name: &str| labels.get(name).map(String::as_str).unwrap_or_default();
        let id = summary.id.unwrap_or_default();
        if label(AGENT) != agent || id.is_empty() {
            continue;
        }
        let spec = match serde_json::from_str::<Spec>(label(SPEC)) {
            Ok(spec) => Arc::new(spec),
            Err(error) if phase == Phase::Live => {
                return Err(Failure(format!(
                    "the label {SPEC} of container {id} is damaged, but it runs: {error}; stop it by hand"
                )));
            }
            Err(error) => {
                tracing::warn!(id, %error, "a container of ours that has ended has a damaged label; remove it by hand");
                continue;
            }
        };
        let role = match label(ROLE) {
            SETUP => Role::Setup,
            TEARDOWN => Role::Teardown,
            _ => Role::Main,
        };
        let image = summary.image_id.filter(|id| !id.is_empty());
        let kept = Kept { id, container: label(CONTAINER).to_string(), image, role, phase };
        let group = groups.entry(spec.run()).or_insert_with(|| Group { spec, containers: Vec::new() });
        group.containers.push(kept);
    }
    Ok(groups)
}

/// Tells how far a container is; `None` for one that is being removed.
fn phase(state: Option<State>) -> Option<Phase> {
    match state {
        Some(State::CREATED) => Some(Phase::Created),
        Some(State::EXITED | State::DEAD) => Some(Phase::Over),
        Some(State::REMOVING) => None,
        // What is not known may be alive.
        Some(State::RUNNING | State::PAUSED | State::RESTARTING | State::STOPPING | State::EMPTY) | None => {
            Some(Phase::Live)
        }
    }
}
