//! Measures the memory of the machine, as far as this process may use it, how long all there is waits for it, and how much
//! its processors do.

use crate::cpu::{Counter, Meter, machine_ticks, of_ticks};
use callboard_core::model::Usage;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// This machine, and what its processors had done when they were looked at last.
#[derive(Debug, Default)]
pub(crate) struct Machine(Meter<()>);

impl Machine {
    /// Measures memory, and how much the processors did since the last time: those of the whole machine, whatever this
    /// process may use of them; `None` the first time, and when /proc cannot be read.
    pub(crate) fn usage(&self) -> Usage {
        let ticks = machine_ticks(&fs::read_to_string("/proc/stat").unwrap_or_default());
        let counters = ticks.map(|ticks| ((), Counter::new(of_ticks(ticks))));
        let rates = self.0.rates(BTreeMap::from_iter(counters));
        Usage { cpu_used: rates.get(&()).copied(), ..memory() }
    }
}

/// Gives total and used memory; used is what is not available to new work. A limit on a control group that this process
/// is in counts as the machine's size when it is smaller. Zeroes when /proc cannot be read.
fn memory() -> Usage {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').split_whitespace().next()?.parse::<u64>().ok()
    };
    let total = field("MemTotal").unwrap_or(0) / 1024;
    let available = field("MemAvailable").or_else(|| field("MemFree")).unwrap_or(0) / 1024;
    let whole = (total, total.saturating_sub(available), PathBuf::from("/proc/pressure/memory"));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = groups.lines().filter_map(hierarchy).flat_map(|(mount, group, names)| {
        let group = group.to_path_buf();
        let above: Vec<PathBuf> = group.ancestors().map(|group| join(&mount, group)).collect();
        above.into_iter().filter_map(move |group| limit(&group, names))
    });
    let (memory_total, memory_used, pressure) =
        limits.filter(|(limit, ..)| *limit < total).min_by_key(|(limit, ..)| *limit).unwrap_or(whole);
    let stalled = stalled(&fs::read_to_string(pressure).unwrap_or_default());
    Usage { memory_total, memory_used, stalled, ..Usage::default() }
}

/// Reads for how much of the last ten seconds all were waiting, in percent; 0 where the kernel does not say.
fn stalled(pressure: &str) -> u64 {
    let full = pressure.lines().find_map(|line| line.strip_prefix("full "));
    let average = full.and_then(|line| line.split(' ').find_map(|field| field.strip_prefix("avg10=")));
    average.and_then(|average| average.split('.').next()?.parse().ok()).unwrap_or(0)
}

/// The names of the files that hold limit, usage, and within `memory.stat` the cache that can be dropped at once.
type Names = (&'static str, &'static str, &'static str);
const V2: Names = ("memory.max", "memory.current", "inactive_file ");
const V1: Names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ");

fn hierarchy(line: &str) -> Option<(PathBuf, &Path, Names)> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, group) = (fields.next()?, Path::new(fields.next()?));
    match controllers {
        "" => Some((PathBuf::from("/sys/fs/cgroup"), group, V2)),
        _ if controllers.split(',').any(|name| name == "memory") => {
            Some((PathBuf::from("/sys/fs/cgroup/memory"), group, V1))
        }
        _ => None,
    }
}

fn join(mount: &Path, group: &Path) -> PathBuf {
    mount.join(group.strip_prefix("/").unwrap_or(group))
}

/// Gives limit and usage of a group, and where it says how long all in it wait.
fn limit(group: &Path, (limit, usage, cache): Names) -> Option<(u64, u64, PathBuf)> {
    const MIB: u64 = 1 << 20;
    let read = |name: &str| fs::read_to_string(group.join(name)).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    let stat = read("memory.stat").unwrap_or_default();
    let cached =
        stat.lines().find_map(|line| line.strip_prefix(cache)?.trim().parse::<u64>().ok()).unwrap_or(0);
    let used = number(usage)?.saturating_sub(cached);
    Some((number(limit)? / MIB, used / MIB, group.join("memory.pressure")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_memory_and_uses_some() {
        let Usage { memory_total, memory_used, stalled, .. } = memory();
        assert!(memory_used > 0 && memory_used < memory_total, "{memory_used} of {memory_total}");
        assert!(stalled <= 100, "{stalled}");
    }

    #[test]
    fn waiting_is_read_where_the_kernel_tells_it() {
        let some = "some avg10=99.00 avg60=9.99 avg300=3.21 total=12345\n";
        for (text, expect) in [
            ("", 0),
            (some, 0),
            (&format!("{some}full avg10=12.87 avg60=2.00 avg300=1.00 total=345\n"), 12),
            ("full avg10=0.00 avg60=50.00 avg300=1.00 total=345\n", 0),
            ("full avg10=-1 total=345\n", 0),
        ] {
            assert_eq!(stalled(text), expect, "{text}");
        }
    }

    #[test]
    fn a_group_without_a_limit_is_none() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("memory.max"), "max\n").unwrap();
        fs::write(dir.path().join("memory.current"), "1048576\n").unwrap();
        assert_eq!(limit(dir.path(), V2), None);
        fs::write(dir.path().join("memory.max"), "5242880\n").unwrap();
        fs::write(dir.path().join("memory.stat"), "anon 1\ninactive_file 524288\n").unwrap();
        assert_eq!(limit(dir.path(), V2), Some((5, 0, dir.path().join("memory.pressure"))));
    }
}
