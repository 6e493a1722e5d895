//! What is there of tasks on this machine, past all that Callboard says: processes, containers, directories, control groups.

use crate::processes::Process;
use serde_json::Value;
use servers::docker_containers;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Gives the live processes of each run, as `ID/GENERATION-ATTEMPT`.
pub(crate) fn runs(data_dir: &Path) -> BTreeMap<String, Vec<Process>> {
    let tasks = data_dir.join("tasks");
    let mut runs: BTreeMap<String, Vec<Process>> = BTreeMap::new();
    for process in Process::all() {
        let Ok(place) = fs::read_link(format!("/proc/{}/cwd", process.pid)) else { continue };
        let Ok(place) = place.strip_prefix(&tasks) else { continue };
        let parts: Vec<String> =
            place.iter().take(2).map(|part| part.to_string_lossy().into_owned()).collect();
        runs.entry(parts.join("/")).or_default().push(process);
    }
    runs
}

/// Lists tasks of which two runs live at the same time.
pub(crate) fn seen_twice(data_dir: &Path) -> Vec<String> {
    let mut of_task: BTreeMap<String, Vec<(String, Vec<Process>)>> = BTreeMap::new();
    for (run, processes) in runs(data_dir) {
        let id = run.split('/').next().unwrap_or_default().to_owned();
        of_task.entry(id).or_default().push((run, processes));
    }
    // They were looked at one after the other: what has ended meanwhile is no second one.
    let live = |(_, processes): &&(String, Vec<Process>)| processes.iter().any(Process::lives);
    of_task.retain(|_, runs| runs.iter().filter(live).count() > 1);
    of_task.into_values().flatten().map(|(run, _)| run).collect()
}

/// Lists the directories of tasks.
pub(crate) fn directories(data_dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(data_dir.join("tasks")).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// Lists the control groups of tasks, of whatever version and controller.
pub(crate) fn groups(data_dir: &Path) -> BTreeSet<PathBuf> {
    let tasks = data_dir.canonicalize().expect("it is there").join("tasks");
    let hash = Sha256::digest(tasks.as_os_str().as_encoded_bytes());
    let hash: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let mut found = BTreeSet::new();
    let mut directories = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(directory) = directories.pop() {
        let below = fs::read_dir(&directory).into_iter().flatten().flatten();
        let below = below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        for entry in below.map(|entry| entry.path()) {
            if directory.ends_with(&hash) && !entry.ends_with("_shims") {
                found.insert(entry.clone());
            }
            directories.push(entry);
        }
    }
    found
}

/// Lists the runs of which containers run; nothing when the engine does not tell in that time.
pub(crate) fn sail(engine: &str, patience: Duration) -> Option<BTreeSet<String>> {
    let listed = docker_containers(engine, patience)?;
    Some(listed.iter().filter(|one| one["State"] == "running").map(run_of).collect())
}

/// Gives the run of a container.
pub(crate) fn run_of(container: &Value) -> String {
    let of = |name| label(container, name);
    format!("{}/{}-{}", of("task"), of("generation"), of("attempt"))
}

/// Gives one of Callboard's labels of a container.
pub(crate) fn label(container: &Value, name: &str) -> String {
    container["Labels"][format!("callboard.{name}")].as_str().unwrap_or_default().to_owned()
}
