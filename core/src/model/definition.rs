//! A task definition: what a task runs, what it needs, and how its health is told. Versions are immutable.

use super::{Name, Protocol, Version, is_default};
use crate::machine::Span;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A definition of a task. Source: users; one version never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskDefinition {
    /// Unique among task definitions.
    pub name: Name,
    /// From 1.
    pub version: Version,
    /// Tells the scheduler to choose a port from the host's range.
    #[serde(default, skip_serializing_if = "is_default")]
    pub provide_port: bool,
    /// A fixed port; 0 for none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub port: u16,
    /// Further ports, each with a name of its own.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ports: Vec<PortSpec>,
    /// Handed to service discovery.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tags: Vec<String>,
    /// Memory reserved on the host, MiB; 0 reserves none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub memory: u64,
    /// Memory with which a task is killed, MiB; 0 for no such limit. Without it, what is reserved is the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<u64>,
    /// Processor share reserved on the host, 1024 for one core, and the task's weight when cores are short; 0 reserves none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cpu_units: u64,
    /// Processor share beyond which a task is slowed, also when cores idle, 1024 for one core; 0 for no such limit.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cpu_limit: u64,
    /// Disk reserved on the host, MiB; 0 reserves none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub disk: u64,
    /// Whatever else hosts count, reserved there, by name: `gpu: 2`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub resources: BTreeMap<Name, u64>,
    /// From 0 to 100, larger is more important. The less important are moved first when a host runs out of memory, wait
    /// longest for room, and make room for those that may take it.
    #[serde(default = "default_priority")]
    pub priority: u8,
    /// How long a task may take to end after it was asked to, before it is killed.
    #[serde(default = "default_kill_timeout")]
    pub kill_timeout: Span,
    /// What happens when a task ends by itself.
    #[serde(default)]
    pub restart: RestartPolicy,
    /// What runs, in order. At least one.
    pub containers: Vec<Container>,
    /// All must pass for the task to be healthy; without any it is healthy while it runs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub checks: Vec<Check>,
}

/// The time over which a limit of processor share is kept, microseconds: the kernel's own default.
pub const CPU_PERIOD: u64 = 100_000;

impl TaskDefinition {
    /// Gives how much memory a task may use before it is killed, MiB; `None` for as much as there is.
    #[must_use]
    pub fn memory_wall(&self) -> Option<u64> {
        Some(self.memory_limit.unwrap_or(self.memory)).filter(|limit| *limit > 0)
    }

    /// Gives how long a task may run in each [`CPU_PERIOD`], counted over all cores, microseconds; `None` for as long as it
    /// wants.
    #[must_use]
    pub fn cpu_quota(&self) -> Option<u64> {
        Some(self.cpu_limit.saturating_mul(CPU_PERIOD) / 1024).filter(|quota| *quota > 0)
    }

    /// Counts the graces that it may take until nothing is left of a task that is told to stop: one for its stop commands,
    /// one until what heeds no signal is killed, and one for its teardown.
    #[must_use]
    pub fn graces(&self) -> u64 {
        let stops = |container: &Container| match &container.executor {
            Executor::Bash(bash) => !bash.stop.is_empty(),
            Executor::Docker(_) => false,
        };
        let has_teardown = self.containers.iter().any(|container| !container.teardown.is_empty());
        1 + u64::from(self.containers.iter().any(stops)) + u64::from(has_teardown)
    }

    /// Tells whether the end of one of its containers is the task's: where it is said to be, or no other of its type is.
    #[must_use]
    pub fn is_essential(&self, container: &Container) -> bool {
        let is_like = |other: &&Container| other.executor.kind() == container.executor.kind();
        container.essential || !self.containers.iter().filter(is_like).any(|other| other.essential)
    }

    /// Gives the container that stands for the task: the first whose end is the task's.
    #[must_use]
    pub fn leader(&self) -> Option<&Container> {
        self.containers.iter().find(|container| self.is_essential(container))
    }

    /// Goes through the images that its containers need.
    pub fn images(&self) -> impl Iterator<Item = &str> {
        self.containers.iter().filter_map(|container| match &container.executor {
            Executor::Docker(docker) => Some(docker.image.as_str()),
            Executor::Bash(_) => None,
        })
    }
}

/// A further port of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortSpec {
    /// Unique among the ports of the definition.
    pub name: Name,
    /// A fixed port; without it, one of the host's range is chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Of which protocol.
    #[serde(default, skip_serializing_if = "is_default")]
    pub protocol: Protocol,
}

/// Gives the name of the environment variable in which a task finds one of its further ports: `PORT_` and the port's name in
/// capitals, with an underscore for whatever is neither a letter nor a digit.
#[must_use]
pub fn port_variable(name: &str) -> String {
    let letter = |of: char| if of.is_ascii_alphanumeric() { of.to_ascii_uppercase() } else { '_' };
    "PORT_".chars().chain(name.chars().map(letter)).collect()
}

pub(crate) const fn default_priority() -> u8 {
    50
}

pub(crate) const fn default_kill_timeout() -> Span {
    Span::secs(10)
}

/// What an agent does when a task ends by itself or stays unhealthy: it starts it again in place after a delay that
/// doubles, and gives up when that happened too often, so that the scheduler tries another host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RestartPolicy {
    /// Restarts in place before the task counts as failed on this host.
    pub attempts: u32,
    /// First delay.
    pub delay: Span,
    /// Largest delay.
    pub max_delay: Span,
    /// How long a task must have run for its earlier failures to be forgotten.
    pub reset_after: Span,
    /// How long a task that was started may be unhealthy before it is restarted.
    pub unhealthy_after: Span,
}

impl Default for RestartPolicy {
    fn default() -> RestartPolicy {
        RestartPolicy {
            attempts: 5,
            delay: Span::secs(1),
            max_delay: Span::secs(60),
            reset_after: Span::secs(300),
            unhealthy_after: Span::secs(30),
        }
    }
}

/// An executable unit of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Unique within the task definition.
    pub name: Name,
    /// Shell commands run to their end, in order, before the container is started.
    #[serde(default, skip_serializing_if = "is_default")]
    pub setup: Vec<String>,
    /// Shell commands run to their end, in order, when all containers of the task have ended, however they did.
    #[serde(default, skip_serializing_if = "is_default")]
    pub teardown: Vec<String>,
    /// Its end is the task's; one that is not essential may end by itself.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub essential: bool,
    /// What to run.
    #[serde(flatten)]
    pub executor: Executor,
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

/// What a container runs, by type of executor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "executor", rename_all = "snake_case")]
pub enum Executor {
    /// A docker container.
    Docker(Docker),
    /// Shell commands on the host.
    Bash(Bash),
}

impl Executor {
    /// Gives the name used in configurations and registrations.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Executor::Docker(_) => "docker",
            Executor::Bash(_) => "bash",
        }
    }
}

/// Settings of the docker executor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Docker {
    /// Name shown by docker; informative, containers are named after their task.
    pub name: Option<String>,
    /// Image, by tag or digest.
    pub image: String,
    /// When the image is pulled.
    #[serde(skip_serializing_if = "is_default")]
    pub pull: Pull,
    /// Command and arguments.
    pub cmd: Vec<String>,
    /// Entry point; empty for the image's own.
    pub entry: String,
    /// The port inside the container that the provided port is mapped to.
    pub container_port: Option<u16>,
    /// Further port mappings, `host:container`.
    pub ports: Vec<String>,
    /// Environment, `NAME=value`.
    pub env: Vec<String>,
    /// Work directory inside the container.
    pub work_dir: String,
    /// Volumes, `host:container`.
    pub volumes: Vec<String>,
    /// Further flags of `docker run`, each one of an allow-list.
    pub flags: Vec<String>,
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pull {
    /// When the engine lacks it.
    #[default]
    Missing,
    /// Before every start. One by digest that the engine has is not asked for: it is what it was.
    Always,
    /// Never; what the engine lacks is not started.
    Never,
}

/// Settings of the bash executor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bash {
    /// Commands that make up the running task, one after the other in one shell.
    pub start: Vec<String>,
    /// Commands run to stop it, before it is asked to end by signal.
    pub stop: Vec<String>,
    /// Environment, `NAME=value`.
    pub env: Vec<String>,
    /// URL to download before setup.
    pub artifact: Option<String>,
    /// SHA-256 of the artifact, `sha256:` and 64 hexadecimal digits; mandatory with `artifact`.
    pub checksum: Option<String>,
    /// Where the artifact goes, relative to the task's own directory.
    pub download_dir: Option<String>,
    /// The artifact is an archive that is unpacked there: tar, also compressed by gzip, or zip.
    #[serde(skip_serializing_if = "is_default")]
    pub unpack: bool,
}

/// A health check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Shown to operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What is done.
    #[serde(flatten)]
    pub probe: Probe,
    /// Appends the task's provided port to the address.
    #[serde(default, skip_serializing_if = "is_default")]
    pub add_provided_port: bool,
    /// Passes in a row that make it healthy.
    #[serde(default = "one")]
    pub success_threshold: u32,
    /// Failures in a row that make it unhealthy.
    #[serde(default = "three")]
    pub failure_threshold: u32,
}

/// What a health check does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Probe {
    /// GET; passes on a 2xx status.
    Http {
        /// URL.
        http: String,
        /// Header lines.
        #[serde(default, skip_serializing_if = "is_default")]
        header: BTreeMap<String, Vec<String>>,
        /// Time from one check to the next; once less, so that a host checks all of its tasks that pass at once.
        interval: Span,
        /// Time after which a check counts as failed.
        timeout: Span,
    },
    /// Connects; passes when that succeeds.
    Tcp {
        /// `host:port`, or `host` with `add_provided_port`.
        tcp: String,
        /// Time from one check to the next; once less, so that a host checks all of its tasks that pass at once.
        interval: Span,
        /// Time after which a check counts as failed.
        timeout: Span,
    },
    /// Runs a shell command in the task's environment; passes on exit code 0.
    Script {
        /// Command.
        script: String,
        /// Time from one check to the next.
        interval: Span,
        /// Time after which a check counts as failed.
        timeout: Span,
    },
    /// Waits for the task to report by itself; fails when it has not for this long.
    Ttl {
        /// Longest silence.
        ttl: Span,
    },
}

/// The interval of a check that names none.
pub const PROBE_INTERVAL_DEFAULT: Span = Span::secs(10);
/// The timeout of a check that names none; cut to the interval when that is shorter.
pub const PROBE_TIMEOUT_DEFAULT: Span = Span::secs(5);

const fn one() -> u32 {
    1
}

const fn three() -> u32 {
    3
}
