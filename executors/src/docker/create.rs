//! What a container is created from: its settings, the limits and ports of its task, and walls around it that no setting
//! takes down.
//!
//! **Invariant:** a container never starts again by itself; whether it should is decided in `callboard_core`.

use super::Settings;
use super::flags;
use super::labels::{self, Role};
use super::ports;
use crate::{Failure, environment};
use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount, RestartPolicy,
    RestartPolicyNameEnum,
};
use callboard_core::model::{CPU_PERIOD, Container, Docker, Executor, Pull};
use callboard_core::work::Spec;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// Docker gives this to a container that is never to be checked by the engine.
const NO_CHECK: &str = "NONE";

/// Docker refuses to be told of a smaller reservation.
const RESERVATION_MIN: i64 = 6 << 20;

/// A container that can be created.
#[derive(Clone, Debug)]
pub(super) struct Plan<'a> {
    pub(super) container: &'a Container,
    pub(super) name: String,
    pub(super) image: &'a str,
    pub(super) pull: Pull,
    pub(super) platform: Option<String>,
    pub(super) body: ContainerCreateBody,
}

/// Lists the containers that are ours.
pub(super) fn containers(spec: &Spec) -> impl Iterator<Item = (&Container, &Docker)> {
    spec.definition.containers.iter().filter_map(|container| match &container.executor {
        Executor::Docker(docker) => Some((container, docker)),
        Executor::Bash(_) => None,
    })
}

/// Plans all containers of a task that are ours, in order, each with these mounts.
///
/// # Errors
/// A setting cannot be understood, or is not allowed on this host; the container and the setting are named.
pub(super) fn plans<'a>(
    spec: &'a Spec,
    settings: &Settings,
    mounts: Vec<Vec<Mount>>,
) -> Result<Vec<Plan<'a>>, Failure> {
    let named =
        |container: &Container, failure| Failure::of(format_args!("container {}", container.name), failure);
    let all = containers(spec).zip(mounts).enumerate();
    all.map(|(number, ((container, docker), mounts))| {
        let planned = plan(spec, container, docker, number == 0, settings, mounts);
        planned.map_err(|failure| named(container, failure))
    })
    .collect()
}

fn plan<'a>(
    spec: &Spec,
    container: &'a Container,
    docker: &'a Docker,
    is_first: bool,
    settings: &Settings,
    mounts: Vec<Mount>,
) -> Result<Plan<'a>, Failure> {
    if docker.image.is_empty() || docker.image.starts_with('-') || docker.image.contains(char::is_whitespace)
    {
        return Err(Failure(format!("{:?} is no image", docker.image)));
    }
    // The agent has looked, too; whoever asks, nothing is made that the host does not allow.
    settings.policy.refusal(docker).map_or(Ok(()), |why| Err(Failure(why)))?;
    let mut body = ContainerCreateBody {
        image: Some(docker.image.clone()),
        cmd: words("cmd", docker.cmd.clone())?,
        entrypoint: words("entry", vec![docker.entry.clone()])?,
        working_dir: work_dir(&docker.work_dir)?,
        labels: Some(labels::of(&settings.agent(), spec, container)?),
        healthcheck: Some(HealthConfig { test: Some(vec![NO_CHECK.to_string()]), ..Default::default() }),
        ..Default::default()
    };
    let mut host = walls(spec, settings);
    host.mounts = Some(mounts).filter(|mounts| !mounts.is_empty());
    let flags = flags::apply(&docker.flags, &mut body, &mut host)?;
    let mut environment = environment::of(&spec.task);
    if flags.can_map_ports() {
        if let Some(port) = docker.container_port.filter(|_| spec.task.port.is_some()) {
            environment.insert("PORT".to_string(), port.to_string());
        }
        ports::publish(&ports::of(spec, docker, is_first)?, settings.address, &mut body, &mut host);
    }
    environment::extend(&mut environment, &docker.env)?;
    body.env = Some(environment.into_iter().map(|(name, value)| format!("{name}={value}")).collect());
    body.host_config = Some(host);
    let name = name(&settings.agent(), spec, &container.name);
    Ok(Plan { container, name, image: &docker.image, pull: docker.pull, platform: flags.platform, body })
}

/// Gives the words of a command; none where nothing but empty words stand there, for the image's own.
fn words(what: &str, words: Vec<String>) -> Result<Option<Vec<String>>, Failure> {
    if words.iter().any(|word| word.contains('\0')) {
        return Err(Failure(format!("{what}: a word holds a NUL, which no program can be given")));
    }
    if words.iter().all(String::is_empty) {
        return Ok(None);
    }
    match words.first().is_some_and(String::is_empty) {
        true => Err(Failure(format!("{what}: its first word is empty, so that it names no program"))),
        false => Ok(Some(words)),
    }
}

/// The limits of its task, and what is so for every container.
fn walls(spec: &Spec, settings: &Settings) -> HostConfig {
    let number = |value: u64| i64::try_from(value).ok().filter(|value| *value > 0);
    let bytes = |mib: u64| number(mib.saturating_mul(1 << 20));
    let (reserved, memory) = (bytes(spec.definition.memory), spec.definition.memory_wall().and_then(bytes));
    let quota = spec.definition.cpu_quota().and_then(number);
    let log = HashMap::from([
        ("max-size".to_string(), settings.log_bytes_max.max(1).to_string()),
        ("max-file".to_string(), "2".to_string()),
    ]);
    HostConfig {
        memory,
        // No more in swap: what is over its limit ends, it does not make the host slow.
        memory_swap: memory,
        // When the machine runs short, what it takes beyond its reservation is taken back first.
        memory_reservation: reserved.filter(|bytes| *bytes >= RESERVATION_MIN && Some(*bytes) != memory),
        cpu_shares: number(spec.definition.cpu_units),
        // Not as a number of cores: an engine refuses more of them than its machine has.
        cpu_quota: quota,
        cpu_period: quota.map(|_| CPU_PERIOD).and_then(number),
        pids_limit: Some(settings.pids_max),
        cap_drop: Some(vec!["NET_RAW".to_string()]),
        security_opt: Some(vec!["no-new-privileges".to_string()]),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        log_config: Some(HostConfigLogConfig { typ: Some("json-file".to_string()), config: Some(log) }),
        ..Default::default()
    }
}

/// Tells whether a task's id can name a container, and a file.
pub(super) fn is_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    id.len() <= 200
        && id.bytes().next().is_some_and(plain)
        && id.bytes().all(|byte| plain(byte) || b"-_.".contains(&byte))
}

fn work_dir(path: &str) -> Result<Option<String>, Failure> {
    let mut parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
    let is_legal = path.starts_with('/') && !path.contains('\0') && path.split('/').all(|part| part != "..");
    match path {
        "" => Ok(None),
        // A working directory below /proc has let containers out of their walls.
        _ if is_legal && parts.next() != Some("proc") => Ok(Some(path.to_string())),
        _ => {
            Err(Failure(format!("work_dir {path:?} is not an absolute path without .. and not below /proc")))
        }
    }
}

/// Names a container for people; another agent's container of the same task has another name.
fn name(agent: &str, spec: &Spec, container: &str) -> String {
    let digest = Sha256::digest(agent.as_bytes());
    let agent: String = digest.iter().take(3).map(|byte| format!("{byte:02x}")).collect();
    format!("{}.{}-{}.{container}.{agent}", spec.task.id, spec.task.generation, spec.attempt)
}

impl Plan<'_> {
    /// Gives what runs one of its setup or teardown commands: the same image, settings and volumes, without the ports.
    pub(super) fn command(&self, command: &str, role: Role) -> ContainerCreateBody {
        let mut body = self.body.clone();
        body.entrypoint = Some(["/bin/sh", "-ec"].map(ToString::to_string).into());
        body.cmd = Some(vec![command.to_string()]);
        body.exposed_ports = None;
        if let Some(host) = &mut body.host_config {
            host.port_bindings = None;
        }
        if let Some(labels) = &mut body.labels {
            labels::mark(labels, role);
        }
        body
    }
}
