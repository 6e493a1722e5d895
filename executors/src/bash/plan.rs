//! What the agent tells the shim: everything that is needed to run a task when there is no agent any more.

use super::group::{Groups, JOIN};
use super::kin::TOKEN_NAME;
use super::place::Place;
use crate::Failure;
use callboard_core::model::{Bash, Container, Executor};
use callboard_core::work::Spec;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
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
}

impl Plan {
    /// Lists the containers that are ours.
    pub(super) fn containers(&self) -> impl Iterator<Item = (&Container, &Bash)> {
        self.spec.definition.containers.iter().filter_map(|container| match &container.executor {
            Executor::Bash(bash) => Some((container, bash)),
            Executor::Docker(_) => None,
        })
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
        crate::environment::extend(&mut environment, &bash.env)?;
        environment.insert(TOKEN_NAME.to_string(), self.token.clone());
        Ok(environment)
    }

    /// Prepares a shell that runs `script` in the task's environment, directory and control groups, in a process
    /// group of its own. With `careful` it ends at the first command that fails.
    pub(super) fn shell(
        &self,
        place: &Place,
        bash: &Bash,
        script: &str,
        careful: bool,
    ) -> Result<Command, Failure> {
        let shell = shell(&self.path)?;
        let flag = if careful { "-ec" } else { "-c" };
        let mut command = match &self.groups {
            None => {
                let mut command = Command::new(&shell);
                command.args([flag, script]);
                command
            }
            Some(groups) => {
                let mut command = Command::new("/bin/sh");
                command.args(["-c", JOIN, "sh"]).arg(&shell).args([flag, script]).args(groups.all());
                command
            }
        };
        command.env_clear().envs(self.environment(place, bash)?);
        command.current_dir(place.work()).stdin(Stdio::null()).process_group(0);
        Ok(command)
    }

    /// Names the control groups of a run.
    pub(super) fn group_name(spec: &Spec) -> String {
        format!("{}.{}-{}", spec.task.id, spec.task.generation, spec.attempt)
    }
}

/// Finds bash, or the plain shell where there is none.
fn shell(path: &str) -> Result<PathBuf, Failure> {
    let dirs: Vec<&Path> = path.split(':').filter(|dir| !dir.is_empty()).map(Path::new).collect();
    let names = ["bash", "sh"].into_iter();
    let mut shells = names.flat_map(|name| dirs.iter().map(move |dir| dir.join(name)));
    shells.find(|shell| shell.is_file()).ok_or_else(|| {
        Failure(format!(
            "there is neither bash nor sh in {path}; install bash or correct the path of the executor"
        ))
    })
}
