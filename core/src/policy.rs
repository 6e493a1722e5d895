//! What tasks may do on a host, as its operator says it, whoever wrote the task: which executors there are, and what a
//! container of each may have of the host. A host's policy is a file of its own, read by [`Policy::read`]. Its agent tells
//! it with what the host has, so that nothing is sent there in vain, and holds tasks to it, whoever sent them.
//!
//! **Invariant:** whatever a policy does not speak of is not allowed where it would open the host, and free where it only
//! narrows it: no volumes, no capabilities, not the host's network; any image, any other network, any user of the image.

mod read;
pub mod volume;

use crate::model::{self, Container, Executor, TaskDefinition};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What tasks may do on a host. An executor that is not spoken of runs nothing there.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// For docker tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docker: Option<Docker>,
    /// For bash tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bash: Option<Bash>,
}

/// What docker tasks may have.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Docker {
    /// Images, by name without tag, or all whose names begin so where it ends in a slash; `None` for any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<String>>,
    /// Directories of the host, with all below them.
    pub volumes: Vec<Volume>,
    /// Networks of the engine beside its own bridge and none at all; `None` for any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networks: Option<Vec<String>>,
    /// The network of the host itself, by `--net=host`.
    pub host_network: bool,
    /// Capabilities beyond those that every container has.
    pub capabilities: Vec<String>,
    /// Users, each as a container's flag `--user` has it, which every container must name one of; `None` for any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<String>>,
}

/// A directory that may be mounted.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Volume {
    /// An absolute path.
    pub path: String,
    /// It may only be read.
    #[serde(default)]
    pub read_only: bool,
}

/// What bash tasks may have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Bash {
    /// Who they run as; `None` for the user of the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// How many processes and threads each may have.
    pub processes: u64,
    /// How many files each of their processes may have open.
    pub open_files: u64,
    /// Artifacts, by URL, or all whose URLs begin so where it ends in a slash; `None` for any. What these lead on to must be
    /// among them, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifacts: Option<Vec<String>>,
}

impl Default for Bash {
    fn default() -> Bash {
        Bash { user: None, processes: 4096, open_files: 65_536, artifacts: None }
    }
}

/// Where `docker run` looks for an image that names no registry.
const REGISTRY: &str = "docker.io/";

impl Policy {
    /// Allows a kind of executor, `docker` or `bash`, with nothing of the host beyond what it needs.
    #[must_use]
    pub fn with(mut self, kind: &str) -> Policy {
        match kind {
            "docker" => drop(self.docker.get_or_insert_default()),
            "bash" => drop(self.bash.get_or_insert_default()),
            _ => {}
        }
        self
    }

    /// Tells why a task may not run on this host, by what its definition names; `None` when it may. What the path of a
    /// volume means is known on the host only, so that is for the executor.
    #[must_use]
    pub fn refusal(&self, definition: &TaskDefinition) -> Option<String> {
        let why = definition.containers.iter().find_map(|container| self.refusal_of(container))?;
        Some(format!("this host's policy refuses {why}"))
    }

    /// Tells whether some policy that lets its executor run may refuse a container.
    pub(crate) fn may_refuse(container: &Container) -> bool {
        match &container.executor {
            Executor::Docker(_) => true,
            Executor::Bash(bash) => bash.artifact.is_some(),
        }
    }

    /// Tells which container may not run, and why; `None` when it may.
    pub(crate) fn refusal_of(&self, container: &Container) -> Option<String> {
        let why = match &container.executor {
            Executor::Docker(docker) => self.docker.as_ref()?.refusal(docker)?,
            Executor::Bash(bash) => self.bash.as_ref()?.refusal(bash)?,
        };
        Some(format!("container {}: {why}", container.name))
    }
}

impl Bash {
    /// Tells why a container may not run, by what it names; `None` when it may.
    #[must_use]
    pub fn refusal(&self, bash: &model::Bash) -> Option<String> {
        self.artifact_refusal(bash.artifact.as_ref()?)
    }

    /// Tells why nothing may come from a URL; `None` when it may.
    #[must_use]
    pub fn artifact_refusal(&self, artifact: &str) -> Option<String> {
        let allowed = self.artifacts.as_ref()?;
        let fits = |pattern: &String| match artifact.strip_prefix(pattern.as_str()) {
            Some(rest) => rest.is_empty() || pattern.ends_with('/') && stays_below(rest),
            None => false,
        };
        let refused = || format!("artifact {artifact:?} may not come here ({})", listed("what may", allowed));
        (!allowed.iter().any(fits)).then(refused)
    }
}

/// Tells whether the rest of a URL leads nowhere but down.
fn stays_below(rest: &str) -> bool {
    let path = rest.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
    // What some servers take for a separator, or for another of these.
    let is_plain =
        !path.contains(['\\', '\t', '\n', '\r']) && !["%2f", "%5c", "%25"].iter().any(|it| path.contains(it));
    is_plain && path.split('/').all(|part| part != ".." && part != ".")
}

impl Docker {
    /// Tells why a container may not run, by what it names; `None` when it may.
    #[must_use]
    pub fn refusal(&self, docker: &model::Docker) -> Option<String> {
        let flags = docker.flags.iter().filter_map(|flag| flag.strip_prefix("--")?.split_once('='));
        let refused = flags.clone().find_map(|(name, value)| self.flag_refusal(name, value));
        let users = flags.filter(|(name, _)| *name == "user").count();
        self.image_refusal(&docker.image).or(refused).or_else(|| match &self.users {
            Some(allowed) if users == 0 => Some(format!(
                "it names no user ({}); add a flag --user",
                listed("users that may be", allowed)
            )),
            Some(_) | None => None,
        })
    }

    /// Tells why an image may not run, by a name of it; `None` when it may.
    #[must_use]
    pub fn image_refusal(&self, image: &str) -> Option<String> {
        let allowed = self.images.as_ref()?;
        let name = full_name(image);
        let fits = |pattern: &String| {
            let pattern = full_name(pattern);
            if pattern.ends_with('/') { name.starts_with(&pattern) } else { name == pattern }
        };
        (!allowed.iter().any(fits))
            .then(|| format!("image {image:?} may not run here ({})", listed("what may", allowed)))
    }

    fn flag_refusal(&self, name: &str, value: &str) -> Option<String> {
        let (allowed, which) = match (name, &self.networks) {
            ("net" | "network", _) if matches!(value, "bridge" | "default" | "none") => return None,
            ("net" | "network", _) if value == "host" => {
                return (!self.host_network)
                    .then(|| format!("flag \"--{name}=host\" is not allowed (host_network is not on)"));
            }
            ("net" | "network", allowed) => (allowed.clone()?, "networks that may be"),
            ("cap-add", _) => (self.capabilities.clone(), "capabilities that may be"),
            ("user", _) => (self.users.clone()?, "users that may be"),
            _ => return None,
        };
        let meant = if name == "cap-add" { capability(value) } else { value.to_string() };
        (!allowed.contains(&meant))
            .then(|| format!("flag \"--{name}={value}\" is not allowed ({})", listed(which, &allowed)))
    }
}

/// Writes a capability in one way: in capitals, without `CAP_`.
#[must_use]
pub fn capability(name: &str) -> String {
    let name = name.to_ascii_uppercase();
    name.strip_prefix("CAP_").unwrap_or(&name).to_string()
}

/// Gives the whole name of an image or of what images begin with, without tag and digest.
fn full_name(image: &str) -> String {
    let named = image.split('@').next().unwrap_or_default();
    let name = match named.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        Some(_) | None => named,
    };
    match name.split_once('/') {
        Some((first, _)) if is_registry(first) => {
            match name.strip_prefix(REGISTRY).filter(|rest| !rest.is_empty() && !rest.contains('/')) {
                Some(rest) => format!("{REGISTRY}library/{rest}"),
                None => name.to_string(),
            }
        }
        Some(_) => format!("{REGISTRY}{name}"),
        None => format!("{REGISTRY}library/{name}"),
    }
}

/// Tells as docker does whether the first part of a name is that of a registry.
fn is_registry(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn listed(what: &str, allowed: &[String]) -> String {
    let list = if allowed.is_empty() { "none".to_string() } else { allowed.join(", ") };
    format!("{what}: {list}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[track_caller]
    fn check(rules: &Docker, image: &str, flags: &[&str], expect: &str) {
        let docker =
            model::Docker { image: image.to_string(), flags: words(flags), ..model::Docker::default() };
        let refusal = rules.refusal(&docker).unwrap_or_default();
        assert!(refusal.contains(expect), "{image} {flags:?}: {refusal}");
        assert_eq!(refusal.is_empty(), expect.is_empty(), "{image} {flags:?}: {refusal}");
    }

    #[test]
    fn without_rules_nothing_of_the_host_is_had() {
        let none = Docker::default();
        for good in ["--net=own", "--network=none", "--net=bridge", "--user=root", "--cap-drop=ALL"] {
            check(&none, "anything/at-all:1", &[good], "");
        }
        for bad in ["--net=host", "--network=host"] {
            check(&none, "redis", &[bad], "is not allowed (host_network is not on)");
        }
        for bad in ["--cap-add=NET_ADMIN", "--cap-add=ALL", "--cap-add=cap_chown"] {
            check(&none, "redis", &["--init", bad], "is not allowed (capabilities that may be: none)");
        }
    }

    #[test]
    fn what_is_listed_may_be_and_nothing_else() {
        let rules = Docker {
            networks: Some(words(&["own"])),
            host_network: true,
            capabilities: words(&["NET_BIND_SERVICE"]),
            users: Some(words(&["1000:1000", "app"])),
            ..Docker::default()
        };
        let user = "--user=app";
        for good in ["--net=host", "--network=own", "--net=none", "--net=default"] {
            check(&rules, "redis", &[user, good], "");
        }
        for bad in ["--net=other", "--net=container:web"] {
            check(&rules, "redis", &[user, bad], "(networks that may be: own)");
        }
        check(&rules, "redis", &[user, "--net=own", "--net=other"], "--net=other");
        for good in ["NET_BIND_SERVICE", "cap_net_bind_service"] {
            check(&rules, "redis", &["--user=1000:1000", &format!("--cap-add={good}")], "");
        }
        check(&rules, "redis", &[user, "--cap-add=SYS_ADMIN"], "capabilities that may be: NET_BIND_SERVICE");
        check(&rules, "redis", &[user, "--cap-add=NET_BIND_SERVICE,SYS_ADMIN"], "is not allowed");
        check(
            &rules,
            "redis",
            &[],
            "it names no user (users that may be: 1000:1000, app); add a flag --user",
        );
        for bad in ["root", "0", "1000", "1000:0", "app:0"] {
            check(&rules, "redis", &[&format!("--user={bad}")], "users that may be");
            check(&rules, "redis", &[user, &format!("--user={bad}")], "users that may be");
        }
    }

    #[test]
    fn images_are_told_by_their_whole_names() {
        let images = words(&["registry.example:5000/team/", "redis", "docker.io/tools/"]);
        let rules = Docker { images: Some(images), ..Docker::default() };
        for good in [
            "registry.example:5000/team/web:7",
            "registry.example:5000/team/deep/web@sha256:ab",
            "redis",
            "redis:7",
            "docker.io/redis",
            "docker.io/library/redis@sha256:ab",
            "tools/a",
        ] {
            check(&rules, good, &[], "");
        }
        for bad in [
            "registry.example:5000/teams/web",
            "registry.example/team/web",
            "registry.example:5000/team",
            "redis2",
            "redis/redis",
            "evil.example/redis",
            "EVIL/redis",
            "localhost/redis",
            "tools",
            "busybox",
            "",
        ] {
            check(&rules, bad, &[], "may not run here (what may: registry.example:5000/team/, redis");
        }
        check(&Docker { images: Some(vec![]), ..Docker::default() }, "redis", &[], "(what may: none)");
    }

    #[test]
    fn artifacts_come_from_where_they_may() {
        let check = |allowed: &[&str], artifact: &str, expect: &str| {
            let rules = Bash { artifacts: Some(words(allowed)), ..Bash::default() };
            let bash = model::Bash { artifact: Some(artifact.into()), ..model::Bash::default() };
            let refusal = rules.refusal(&bash).unwrap_or_default();
            assert!(refusal.contains(expect), "{artifact}: {refusal}");
            assert_eq!(refusal.is_empty(), expect.is_empty(), "{artifact}: {refusal}");
            assert_eq!(rules.refusal(&model::Bash::default()), None);
            assert_eq!(Bash::default().refusal(&bash), None);
        };
        let allowed = ["https://a.example/team/", "https://b.example/one.tar"];
        for good in [
            "https://a.example/team/web-1.tar",
            "https://a.example/team/deep/web..tar",
            "https://a.example/team/web?at=../x",
            "https://b.example/one.tar",
        ] {
            check(&allowed, good, "");
        }
        for bad in [
            "https://a.example/teams/web",
            "http://a.example/team/web",
            "https://a.example/team/../other/web",
            "https://a.example/team/%2E%2e/other/web",
            "https://a.example/team/.%2e\\web",
            "https://a.example/team/x\\..\\..\\web",
            "https://a.example/team/..%2Fother/web",
            "https://a.example/team/..%5cother/web",
            "https://a.example/team/%252e%252e/other/web",
            "https://a.example@evil.example/team/web",
            "https://b.example/one.tar.gz",
            "https://b.example/one.tar?x",
        ] {
            check(
                &allowed,
                bad,
                "may not come here (what may: https://a.example/team/, https://b.example/one",
            );
        }
        check(&[], "https://a.example/x", "(what may: none)");
    }
}
