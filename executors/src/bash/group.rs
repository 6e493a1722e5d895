//! Control groups: where the kernel lets us have them, each run has its own, which makes killing certain and memory
//! limits possible. Everything here does without when it must.
//!
//! Version 2 serves for killing, at its usual mount or at `unified` beside version 1; memory is limited by version 2
//! where it has that controller, else by version 1.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Moves the shell that runs it into the groups named by its arguments, then becomes the shell it was asked for.
pub(super) const JOIN: &str = "shell=$1 flag=$2 script=$3; shift 3; for group; do \
     echo 0 >\"$group/cgroup.procs\" || exit 125; done; exec \"$shell\" \"$flag\" \"$script\"";

/// The groups below which those of the runs are made.
#[derive(Clone, Debug)]
pub(super) struct Roots {
    unified: PathBuf,
    memory: Option<Memory>,
}

#[derive(Clone, Debug)]
enum Memory {
    Unified,
    Version1(PathBuf),
}

/// The groups of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Groups {
    /// Holds all its processes.
    pub(super) unified: PathBuf,
    /// Limits its memory, where that is done by version 1.
    pub(super) memory: Option<PathBuf>,
    /// Where its shim goes, away from the agent's group, which may be killed as a whole.
    pub(super) shims: PathBuf,
}

impl Roots {
    /// Finds out what the kernel and our rights allow for the runs of a data directory; `None` without version 2.
    pub(super) fn find(data_dir: &Path) -> Option<Roots> {
        let mounts = [Path::new("/sys/fs/cgroup"), Path::new("/sys/fs/cgroup/unified")];
        let mount = mounts.into_iter().find(|mount| mount.join("cgroup.controllers").exists())?;
        let hash = Sha256::digest(data_dir.as_os_str().as_encoded_bytes());
        let hash: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let unified = mount.join("callboard").join(hash.as_str());
        if !works(&unified, "cgroup.kill") {
            return None;
        }
        let within = [mount, &mount.join("callboard"), &unified];
        let enabled =
            within.iter().all(|group| fs::write(group.join("cgroup.subtree_control"), "+memory").is_ok());
        let memory = if enabled && works(&unified, "memory.max") {
            Some(Memory::Unified)
        } else {
            let root = own_version1()?.join("callboard").join(hash);
            works(&root, "memory.limit_in_bytes").then_some(Memory::Version1(root))
        };
        Some(Roots { unified, memory })
    }

    /// Names the groups of a run; `limited` when its memory is to have a limit.
    pub(super) fn groups(&self, name: &str, limited: bool) -> Groups {
        let memory = match &self.memory {
            Some(Memory::Version1(root)) if limited => Some(root.join(name)),
            Some(Memory::Version1(_) | Memory::Unified) | None => None,
        };
        Groups { unified: self.unified.join(name), memory, shims: self.unified.join("_shims") }
    }
}

/// The group for memory that this process is in, by version 1.
fn own_version1() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| {
        let (controllers, group) = line.split_once(':')?.1.split_once(':')?;
        controllers.split(',').any(|name| name == "memory").then_some(group)
    })?;
    Some(Path::new("/sys/fs/cgroup/memory").join(own.trim_start_matches('/')))
}

/// Tries whether groups with `feature` can be made below `root` and entered.
fn works(root: &Path, feature: &str) -> bool {
    let probe = root.join(format!("_probe.{}", std::process::id()));
    if fs::create_dir_all(&probe).is_err() {
        return false;
    }
    let enter = || {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", JOIN, "sh", "/bin/sh", "-c", ":"]).arg(&probe);
        let shell = shell.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        shell.status().is_ok_and(|status| status.success())
    };
    let works = probe.join(feature).exists() && enter();
    let _ = fs::remove_dir(&probe);
    works
}

impl Groups {
    /// Makes them, with a limit of memory in MiB if there is one.
    pub(super) fn create(&self, memory: Option<u64>) -> io::Result<()> {
        fs::create_dir_all(&self.unified)?;
        let Some(memory) = memory else { return Ok(()) };
        let bytes = memory.saturating_mul(1 << 20).to_string();
        if let Some(group) = &self.memory {
            fs::create_dir_all(group)?;
            fs::write(group.join("memory.limit_in_bytes"), &bytes)?;
        } else if self.unified.join("memory.max").exists() {
            fs::write(self.unified.join("memory.max"), &bytes)?;
        }
        Ok(())
    }

    /// Moves this process to where shims live.
    pub(super) fn enter_shims(&self) -> io::Result<()> {
        fs::create_dir_all(&self.shims)?;
        fs::write(self.shims.join("cgroup.procs"), "0")
    }

    /// The groups a process of the run must enter.
    pub(super) fn all(&self) -> impl Iterator<Item = &Path> {
        [Some(&self.unified), self.memory.as_ref()].into_iter().flatten().map(PathBuf::as_path)
    }

    /// Lists the processes in it, also those in groups that the task made within.
    pub(super) fn pids(&self) -> Vec<i32> {
        let mut pids = Vec::new();
        let mut groups = vec![self.unified.clone()];
        while let Some(group) = groups.pop() {
            let procs = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
            pids.extend(procs.lines().filter_map(|pid| pid.parse::<i32>().ok()));
            groups.extend(subgroups(&group));
        }
        pids
    }

    /// Kills all that is in it, at once.
    pub(super) fn kill(&self) {
        let _ = fs::write(self.unified.join("cgroup.kill"), "1");
    }

    /// Tells whether the kernel killed something in it for want of memory.
    pub(super) fn out_of_memory(&self) -> bool {
        let count = |path: PathBuf| {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.lines()
                .find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse::<u64>().ok())
                .unwrap_or(0)
        };
        let version1 = self.memory.as_ref().map_or(0, |group| count(group.join("memory.oom_control")));
        version1 + count(self.unified.join("memory.events")) > 0
    }

    /// Removes them; they stay while something is in them.
    pub(super) fn remove(&self) {
        for group in self.all() {
            let mut groups = vec![group.to_path_buf()];
            let mut at = 0;
            while at < groups.len() {
                groups.extend(subgroups(&groups[at]));
                at += 1;
            }
            groups.iter().rev().for_each(|group| {
                let _ = fs::remove_dir(group);
            });
        }
    }
}

fn subgroups(group: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}
