//! What the agent tells the shim: everything that is needed to run a task when there is no agent any more.

use super::account::Account;
use super::group::{Groups, Limits};
use super::kin::TOKEN_NAME;
use super::place::Place;
use crate::Failure;
use callboard_core::model::{Bash, Container, Executor};
use callboard_core::work::Spec;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::os::unix::fs::fchown;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Kept as the run's `spec.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) spec: Arc<Spec>,
    /// Proves that a process which carries it in its environment is the run's.
    pub(super) token: String,
    pub(super) groups: Option<Groups>,
    /// Size at which the output is rotated; one older part is kept.
    pub(super) log_bytes_max: u64,
    /// Where commands are looked for.
    pub(super) path: String,
    /// Keeps programs from gaining rights, as by sudo.
    pub(super) no_new_privileges: bool,
    /// Who its programs run as, where that is not the user of the agent.
    #[serde(default)]
    pub(super) account: Option<Account>,
    /// How many files each of its processes may have open.
    #[serde(default)]
    pub(super) open_files: Option<u64>,
    /// How many processes it may have.
    #[serde(default)]
    pub(super) processes: Option<u64>,
}

impl Plan {
    /// Lists the containers that are ours.
    pub(super) fn containers(&self) -> impl Iterator<Item = (&Container, &Bash)> {
        self.spec.definition.containers.iter().filter_map(|container| match &container.executor {
            Executor::Bash(bash) => Some((container, bash)),
            Executor::Docker(_) => None,
        })
    }

    /// Lists the teardown commands, the last container's first, each with the number of its container.
    pub(super) fn teardown(&self) -> Vec<(usize, &str)> {
        let containers: Vec<_> = self.containers().map(|(container, _)| container).enumerate().collect();
        let commands = containers.into_iter().rev();
        commands
            .flat_map(|(at, container)| container.teardown.iter().map(move |text| (at, &**text)))
            .collect()
    }

    /// Makes up an environment from nothing. What the container sets comes last, but cannot take the token away.
    pub(super) fn environment(
        &self,
        place: &Place,
        bash: &Bash,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let mut environment = crate::environment::of(&self.spec.task);
        let mut set = |name: &str, value: String| environment.insert(name.to_string(), value);
        set("PATH", self.path.clone());
        set("HOME", place.work().display().to_string());
        set("LANG", "C.UTF-8".to_string());
        if let Some(account) = &self.account {
            set("USER", account.name.clone());
            set("LOGNAME", account.name.clone());
        }
        crate::environment::extend(&mut environment, &bash.env)?;
        environment.insert(TOKEN_NAME.to_string(), self.token.clone());
        Ok(environment)
    }

    /// Gives what the run may have, as its definition and the host say.
    pub(super) fn limits(&self) -> Limits {
        let given = |value: u64| Some(value).filter(|value| *value > 0);
        let definition = &self.spec.definition;
        Limits {
            memory: definition.memory_wall(),
            cpu_units: given(definition.cpu_units),
            cpu_quota: definition.cpu_quota(),
            processes: self.processes,
        }
    }

    /// Lets the user of the task open a pipe again by its name, as `/dev/stdout`.
    pub(super) fn give(&self, pipe: impl AsFd) -> std::io::Result<()> {
        match &self.account {
            Some(account) => fchown(pipe, Some(account.uid), Some(account.gid)),
            None => Ok(()),
        }
    }

    /// Names the control groups of a run.
    pub(super) fn group_name(spec: &Spec) -> String {
        format!("{}.{}-{}", spec.task.id, spec.task.generation, spec.attempt)
    }
}

/// Finds bash, or the plain shell where there is none.
pub(super) fn shell(path: &str) -> Result<PathBuf, Failure> {
    let dirs: Vec<&Path> = path.split(':').filter(|dir| !dir.is_empty()).map(Path::new).collect();
    let names = ["bash", "sh"].into_iter();
    let mut shells = names.flat_map(|name| dirs.iter().map(move |dir| dir.join(name)));
    shells.find(|shell| shell.is_file()).ok_or_else(|| {
        Failure(format!(
            "there is neither bash nor sh in {path}; install bash or correct the path of the executor"
        ))
    })
}
