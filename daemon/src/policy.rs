//! What tasks may do on this host: read from the policy file, or said in short by `--executor`.
//!
//! **Invariant:** a policy that other users of this machine may change is none.

use crate::problem::{Kind, Problem};
use crate::write::body;
use callboard_core::policy::{Docker, Policy, Volume};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where the policy is.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Policy")]
pub(crate) struct PolicyArgs {
    /// File that says what tasks may do on this host: docker or bash, and with which images, volumes, networks,
    /// capabilities and users
    #[arg(long, value_name = "FILE", env = "CALLBOARD_POLICY")]
    policy: Option<PathBuf>,
    /// What may run tasks here, in place of --policy: docker, with nothing of this host; bash, as the user of this process,
    /// which must not be root; may be given several times
    #[arg(long = "executor", value_name = "KIND", env = "CALLBOARD_EXECUTORS", value_delimiter = ',',
          value_parser = ["bash", "docker"])]
    executors: Vec<String>,
}

impl PolicyArgs {
    /// Names a file.
    pub(crate) fn of_file(path: PathBuf) -> PolicyArgs {
        PolicyArgs { policy: Some(path), executors: Vec::new() }
    }

    /// Gives the policy.
    ///
    /// # Errors
    /// The file cannot be read, lists all that is wrong in it, or would have bash tasks run as root without a word.
    pub(crate) fn open(&self) -> Result<Policy, Problem> {
        let policy = match &self.policy {
            None => self.executors.iter().fold(Policy::default(), |policy, kind| policy.with(kind)),
            Some(_) if !self.executors.is_empty() => {
                let error = "--policy and --executor both say what may run tasks here";
                return Err(Problem::new(Kind::Invalid, error).hint("name the executors in the policy alone"));
            }
            Some(path) => read(path)?,
        };
        let is_tacit = policy.bash.as_ref().is_some_and(|bash| bash.user.is_none());
        if is_tacit && rustix::process::geteuid().is_root() {
            let error = "bash tasks would run as root, and no policy says that they shall";
            return Err(Problem::new(Kind::Invalid, error).hint(
                "name their user in the file of --policy, as in bash: {user: callboard-tasks}; root if it is meant",
            ));
        }
        Ok(policy)
    }
}

fn read(path: &Path) -> Result<Policy, Problem> {
    let name = path.display().to_string();
    let wrong = |what: String| Problem::new(Kind::Invalid, what).at(name.clone());
    let unreadable = |error: std::io::Error| wrong(format!("the policy cannot be read: {error}"));
    let seen = std::fs::metadata(path).map_err(unreadable)?;
    if !seen.is_file() {
        return Err(wrong("the policy is not a file".to_owned()));
    }
    let own = rustix::process::geteuid().as_raw();
    if seen.mode() & 0o022 != 0 || (seen.uid() != own && seen.uid() != 0) {
        return Err(wrong("a policy that other users of this machine may change".to_owned())
            .hint("have it owned by root or the user of the agent, and chmod go-w it"));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    Policy::read(&name, &bytes)
        .map_err(|mistakes| Problem::all(Kind::Invalid, mistakes.iter().map(body).collect()))
}

/// Gives what a developer's own machine allows: his tasks run as he does anyway.
pub(crate) fn of_dev(has_docker: bool) -> Policy {
    let all = Volume { path: "/".to_owned(), read_only: false };
    let docker = Docker { volumes: vec![all], host_network: true, ..Docker::default() };
    Policy { docker: has_docker.then_some(docker), ..Policy::default().with("bash") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[track_caller]
    fn check(text: &str, mode: u32, executors: &[&str], expect: &str) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy.yml");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let executors = executors.iter().map(ToString::to_string).collect();
        let told = match (PolicyArgs { policy: Some(path), executors }).open() {
            Ok(policy) => format!("{policy:?}"),
            Err(problem) => problem.to_string(),
        };
        assert!(told.contains(expect), "{text}: {told}");
    }

    #[test]
    fn a_policy_is_read_or_refused_with_the_reason() {
        check("docker:", 0o644, &[], "docker: Some(Docker { images: None");
        check("bash: {user: root}", 0o600, &[], "user: Some(\"root\")");
        check("docker:", 0o664, &[], "may change");
        check("docker:", 0o602, &[], "may change");
        check("docker: {image: [a]}", 0o600, &[], "policy.yml:1: docker.image: unknown field");
        check("docker:", 0o600, &["bash"], "--policy and --executor both say");
        let nowhere = PolicyArgs { policy: Some("/no/such.yml".into()), executors: Vec::new() };
        assert!(nowhere.open().unwrap_err().to_string().contains("cannot be read"));
    }

    #[test]
    fn the_example_is_a_policy() {
        let example = include_bytes!("../../examples/policy.yml");
        let policy = Policy::read("policy.yml", example).unwrap();
        assert_eq!(policy.bash.unwrap().user.as_deref(), Some("callboard-tasks"));
        assert_eq!(policy.docker.unwrap().volumes.len(), 2);
    }

    #[test]
    fn what_is_short_allows_nothing_of_the_host() {
        let of = |kinds: &[&str]| {
            let executors = kinds.iter().map(ToString::to_string).collect();
            PolicyArgs { policy: None, executors }.open()
        };
        assert_eq!(of(&[]).unwrap(), Policy::default());
        assert_eq!(of(&["docker"]).unwrap().docker, Some(Docker::default()));
        match rustix::process::geteuid().is_root() {
            true => assert!(of(&["bash"]).unwrap_err().to_string().contains("would run as root")),
            false => assert!(of(&["bash"]).unwrap().bash.is_some()),
        }
    }
}
