//! Control groups: where the kernel lets us have them, each run has its own, which makes killing certain and limits of
//! memory, processor and processes possible. Everything here does without when it must.
//!
//! Version 2 serves for killing, at its usual mount or at `unified` beside version 1; where there is only version 1, its
//! freezer does: what stands still starts nothing that would be missed. What is limited is limited by version 2 where it
//! has that controller, else by version 1.

use crate::process::Process;
use callboard_core::model::CPU_PERIOD;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The groups below which those of the runs are made.
#[derive(Clone, Debug)]
pub(super) struct Roots {
    unified: PathBuf,
    /// For what version 2 does not limit.
    version1: BTreeMap<Controller, PathBuf>,
}

/// What can be limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Controller {
    Memory,
    Cpu,
    Pids,
}

/// How much a run may have. What is `None` is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Limits {
    /// MiB.
    pub(super) memory: Option<u64>,
    /// Its weight when processors are short, 1024 for a core.
    pub(super) cpu_units: Option<u64>,
    /// Microseconds in each [`CPU_PERIOD`].
    pub(super) cpu_quota: Option<u64>,
    /// Processes and threads at once.
    pub(super) processes: Option<u64>,
}

/// The groups of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Groups {
    /// Holds all its processes.
    pub(super) unified: PathBuf,
    /// Limit it, where that is done by version 1.
    #[serde(default)]
    pub(super) version1: BTreeMap<Controller, PathBuf>,
    /// Where its shim goes, away from the agent's group, which may be killed as a whole.
    pub(super) shims: PathBuf,
}

/// Where version 1 is told to let a group stand still, and how long that may take.
const FREEZER: &str = "freezer.state";
const FREEZE_PATIENCE: Duration = Duration::from_secs(1);

const CONTROLLERS: [Controller; 3] = [Controller::Memory, Controller::Cpu, Controller::Pids];

impl Controller {
    fn name(self) -> &'static str {
        match self {
            Controller::Memory => "memory",
            Controller::Cpu => "cpu",
            Controller::Pids => "pids",
        }
    }

    /// Names the file that tells whether it can limit, in version 2 and in version 1.
    fn files(self) -> (&'static str, &'static str) {
        match self {
            Controller::Memory => ("memory.max", "memory.limit_in_bytes"),
            Controller::Cpu => ("cpu.weight", "cpu.shares"),
            Controller::Pids => ("pids.max", "pids.max"),
        }
    }
}

impl Limits {
    /// Lists the files of a controller with what is written into each, in version 2 and in version 1.
    fn walls(&self, controller: Controller) -> Vec<[(&'static str, String); 2]> {
        let (in_unified, in_version1) = controller.files();
        let wall = |unified: u64, version1: u64| {
            [(in_unified, unified.to_string()), (in_version1, version1.to_string())]
        };
        let first = match controller {
            Controller::Memory => {
                self.memory.map(|mib| mib.saturating_mul(1 << 20)).map(|bytes| wall(bytes, bytes))
            }
            Controller::Pids => self.processes.map(|count| wall(count, count)),
            Controller::Cpu => self.cpu_units.map(|units| {
                let shares = units.clamp(2, 262_144);
                wall(1 + (shares - 2) * 9999 / 262_142, shares)
            }),
        };
        let quota = self.cpu_quota.filter(|_| controller == Controller::Cpu);
        let quota = quota.map(|quota| {
            [("cpu.max", format!("{quota} {CPU_PERIOD}")), ("cpu.cfs_quota_us", quota.to_string())]
        });
        first.into_iter().chain(quota).collect()
    }
}

impl Roots {
    /// Finds out what the kernel and our rights allow for the runs of a data directory; `None` where it can neither kill nor
    /// freeze a group.
    pub(super) fn find(data_dir: &Path) -> Option<Roots> {
        let mounts = [Path::new("/sys/fs/cgroup"), Path::new("/sys/fs/cgroup/unified")];
        let mount = mounts.into_iter().find(|mount| mount.join("cgroup.controllers").exists());
        Roots::at(mount, data_dir).or_else(|| Roots::at(None, data_dir))
    }

    /// Looks at a mount of version 2, or at version 1 alone.
    fn at(mount: Option<&Path>, data_dir: &Path) -> Option<Roots> {
        let hash = Sha256::digest(data_dir.as_os_str().as_encoded_bytes());
        let hash: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let below = |own: PathBuf| own.join("callboard").join(&hash);
        let (unified, kills) = match mount {
            Some(mount) => (below(mount.to_path_buf()), "cgroup.kill"),
            None => (below(own_version1("freezer")?), FREEZER),
        };
        if !works(&unified, kills) {
            return None;
        }
        let mut version1 = BTreeMap::new();
        for controller in CONTROLLERS {
            let (in_unified, in_version1) = controller.files();
            let enable = format!("+{}", controller.name());
            let enabled = mount.is_some_and(|mount| {
                let within = [mount, &mount.join("callboard"), &unified];
                within.iter().all(|group| fs::write(group.join("cgroup.subtree_control"), &enable).is_ok())
            });
            if enabled && works(&unified, in_unified) {
                continue;
            }
            let root = own_version1(controller.name()).map(below);
            if let Some(root) = root.filter(|root| works(root, in_version1)) {
                version1.insert(controller, root);
            }
        }
        Some(Roots { unified, version1 })
    }

    /// Names the groups of a run.
    pub(super) fn groups(&self, name: &str, limits: &Limits) -> Groups {
        let limited = self.version1.iter().filter(|(controller, _)| !limits.walls(**controller).is_empty());
        let version1 = limited.map(|(controller, root)| (*controller, root.join(name))).collect();
        Groups { unified: self.unified.join(name), version1, shims: self.unified.join("_shims") }
    }
}

/// The group for a controller that this process is in, by version 1.
fn own_version1(controller: &str) -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| {
        let (controllers, group) = line.split_once(':')?.1.split_once(':')?;
        controllers.split(',').any(|name| name == controller).then_some(group)
    })?;
    Some(Path::new("/sys/fs/cgroup").join(controller).join(own.trim_start_matches('/')))
}

/// Tries whether groups with `feature` can be made below `root` and entered.
fn works(root: &Path, feature: &str) -> bool {
    let probe = root.join(format!("_probe.{}", std::process::id()));
    if fs::create_dir_all(&probe).is_err() {
        return false;
    }
    let enter = || {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "echo 0 >\"$0/cgroup.procs\""]).arg(&probe);
        let shell = shell.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        shell.status().is_ok_and(|status| status.success())
    };
    let works = probe.join(feature).exists() && enter();
    let _ = fs::remove_dir(&probe);
    works
}

impl Groups {
    /// Makes them, with their limits.
    pub(super) fn create(&self, limits: &Limits) -> io::Result<()> {
        fs::create_dir_all(&self.unified)?;
        for controller in CONTROLLERS {
            for [in_unified, in_version1] in limits.walls(controller) {
                let (group, (file, value)) = match self.version1.get(&controller) {
                    Some(group) => (group, in_version1),
                    None => (&self.unified, in_unified),
                };
                fs::create_dir_all(group)?;
                let file = group.join(file);
                if file.exists() {
                    fs::write(file, value)?;
                }
            }
        }
        Ok(())
    }

    /// Moves this process into them.
    pub(super) fn enter(&self) -> io::Result<()> {
        self.all().try_for_each(|group| fs::write(group.join("cgroup.procs"), "0"))
    }

    /// Moves this process to where shims live.
    pub(super) fn enter_shims(&self) -> io::Result<()> {
        fs::create_dir_all(&self.shims)?;
        fs::write(self.shims.join("cgroup.procs"), "0")
    }

    /// The groups that a process of the run is in.
    fn all(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(&self.unified).chain(self.version1.values()).map(PathBuf::as_path)
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

    /// Reads the processor time that all in it has used, also what has ended. `None` where the kernel does not count it.
    pub(super) fn cpu(&self) -> Option<Duration> {
        let stat = fs::read_to_string(self.unified.join("cpu.stat")).unwrap_or_default();
        if let Some(used) = stat.lines().find_map(|line| line.strip_prefix("usage_usec ")) {
            return used.trim().parse().ok().map(Duration::from_micros);
        }
        // Where the kernel counts and limits in one hierarchy, as it mostly does.
        let version1 = self.version1.get(&Controller::Cpu)?.join("cpuacct.usage");
        fs::read_to_string(version1).ok()?.trim().parse().ok().map(Duration::from_nanos)
    }

    /// Kills all that is in it, at once.
    pub(super) fn kill(&self) {
        if fs::write(self.unified.join("cgroup.kill"), "1").is_ok() {
            return;
        }
        let freezer = self.unified.join(FREEZER);
        let set = |state: &str| fs::write(&freezer, state).is_ok();
        let is_frozen = || fs::read_to_string(&freezer).is_ok_and(|state| state.trim() == "FROZEN");
        let begun = Instant::now();
        while set("FROZEN") && !is_frozen() && begun.elapsed() < FREEZE_PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
        }
        let found: Vec<Process> = self.pids().into_iter().filter_map(Process::read).collect();
        // Where they do not stand still, one may have ended meanwhile, and its pid be a stranger's.
        let still = self.pids();
        found.iter().filter(|process| still.contains(&process.pid)).for_each(|one| one.signal(Signal::KILL));
        set("THAWED");
    }

    /// Tells whether the kernel killed something in it for want of memory.
    pub(super) fn out_of_memory(&self) -> bool {
        let count = |path: PathBuf| {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.lines()
                .find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse::<u64>().ok())
                .unwrap_or(0)
        };
        let version1 = self.version1.get(&Controller::Memory);
        let version1 = version1.map_or(0, |group| count(group.join("memory.oom_control")));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_where_the_kernel_counts_it() {
        let dir = tempfile::tempdir().unwrap();
        let [unified, cpu] = ["unified", "cpu"].map(|name| dir.path().join(name));
        let write = |group: &Path, file: &str, text: &str| {
            fs::create_dir_all(group).unwrap();
            fs::write(group.join(file), text).unwrap();
        };
        let shims = unified.join("_shims");
        let groups = Groups { version1: [(Controller::Cpu, cpu.clone())].into(), unified, shims };
        let bare = Groups { version1: BTreeMap::new(), ..groups.clone() };
        let check = |expect: Option<u64>, without: Option<u64>| {
            let expect = [expect, without].map(|millis| millis.map(Duration::from_millis));
            assert_eq!([groups.cpu(), bare.cpu()], expect);
        };
        check(None, None);
        write(&cpu, "cpuacct.usage", "3000000000\n");
        check(Some(3000), None);
        write(&groups.unified, "cpu.stat", "nr_periods 0\n");
        check(Some(3000), None);
        write(&groups.unified, "cpu.stat", "usage_usec 7000\nuser_usec 5000\nsystem_usec 2000\n");
        check(Some(7), Some(7));
    }

    /// On a machine without the freezer of version 1 there is nothing to be found, and that is what is expected.
    #[test]
    fn version_1_alone_kills_all_that_a_run_started() {
        let dir = tempfile::tempdir().unwrap();
        let has_freezer = own_version1("freezer").is_some_and(|own| works(&own.join("_callboard"), FREEZER));
        let _ = own_version1("freezer").map(|own| fs::remove_dir(own.join("_callboard")));
        let found = Roots::at(None, dir.path());
        assert_eq!(found.is_some(), has_freezer);
        let Some(roots) = found else { return };
        let limits = Limits { memory: Some(256), processes: Some(1000), ..Limits::default() };
        let groups = roots.groups("run", &limits);
        groups.create(&limits).unwrap();
        let enters = groups.all().map(|group| format!("echo 0 >{}/cgroup.procs", group.display()));
        let enters: Vec<String> = enters.collect();
        let soon = |what: &dyn Fn() -> bool| {
            let begun = Instant::now();
            while !what() && begun.elapsed() < Duration::from_secs(10) {
                std::thread::sleep(Duration::from_millis(10));
            }
            what()
        };
        // Children leave its session, and would go on without it; of those that fork none may be missed that is born now.
        let sleeps = "setsid sleep 13 & setsid sleep 14 &";
        let forks = "for n in 1 2 3 4; do (for m in $(seq 200); do setsid sleep 15 & done) & done";
        for (hides, least) in [(sleeps, 3), (forks, 20), (forks, 20), (forks, 20)] {
            let script = format!("{}; {hides}\n exec sleep 15", enters.join("; "));
            let mut child = Command::new("/bin/sh").args(["-c", &script]).spawn().unwrap();
            assert!(soon(&|| groups.pids().len() >= least), "{:?}", groups.pids());
            groups.kill();
            child.wait().unwrap();
            assert!(soon(&|| groups.pids().is_empty()), "{:?}", groups.pids());
        }
        assert!(!groups.out_of_memory());
        groups.remove();
        assert!(groups.all().all(|group| !group.exists()));
        let _ = fs::remove_dir(&roots.unified);
        roots.version1.values().for_each(|root| drop(fs::remove_dir(root)));
    }
}
