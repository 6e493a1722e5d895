//! What this machine has to offer: read from the kernel, unless the command line says otherwise.

use crate::names;
use crate::problem::{Kind, Problem};
use callboard_core::model::{Name, PortRange, Registration};
use callboard_core::policy::Policy;
use std::collections::BTreeMap;
use std::fs;

/// What the command line says of this host.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "This host")]
pub(crate) struct HostArgs {
    /// Name of this host, unique among all hosts [default: the machine's host name]
    #[arg(long, value_name = "NAME", env = "CALLBOARD_HOST")]
    pub(crate) host: Option<String>,
    /// Address under which tasks of this host are reached
    #[arg(long, value_name = "ADDRESS", env = "CALLBOARD_ADDRESS", default_value = "127.0.0.1")]
    pub(crate) address: String,
    /// Ports from which tasks are given theirs, first and last
    #[arg(long, value_name = "FIRST-LAST", env = "CALLBOARD_PORTS", default_value = "20000-29999",
          value_parser = ports)]
    pub(crate) ports: Ports,
    /// Memory for tasks in MiB [default: all the machine has, or all its control group allows]
    #[arg(long, value_name = "MIB", env = "CALLBOARD_MEMORY")]
    pub(crate) memory: Option<u64>,
    /// Processor share for tasks, 1024 for one core [default: all cores]
    #[arg(long, value_name = "UNITS", env = "CALLBOARD_CPU_UNITS")]
    pub(crate) cpu_units: Option<u64>,
    /// Disk for tasks in MiB; tasks that reserve disk go only to hosts that say how much they have
    #[arg(long, value_name = "MIB", env = "CALLBOARD_DISK")]
    pub(crate) disk: Option<u64>,
    /// Anything else that tasks reserve and this host can count, as in gpu=2; may be given several times
    #[arg(long = "resource", value_name = "NAME=COUNT", value_parser = resource)]
    pub(crate) resources: Vec<(Name, u64)>,
    /// A fact about this host, for rules of placement and to be shown; may be given several times
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub(crate) labels: Vec<(String, String)>,
}

/// An inclusive range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ports(pub(crate) u16, pub(crate) u16);

impl Default for Ports {
    fn default() -> Ports {
        Ports(20_000, 29_999)
    }
}

fn ports(text: &str) -> Result<Ports, String> {
    let wrong = || "give the first and the last port, as in 20000-29999".to_owned();
    let (first, last) = text.split_once('-').ok_or_else(wrong)?;
    let first: u16 = first.trim().parse().map_err(|_| wrong())?;
    let last: u16 = last.trim().parse().map_err(|_| wrong())?;
    if first == 0 || first > last {
        return Err("the first port must be at least 1 and not above the last".into());
    }
    Ok(Ports(first, last))
}

fn resource(text: &str) -> Result<(Name, u64), String> {
    let wrong = || "give a name and a count of at least 1, as in gpu=2".to_owned();
    let (name, count) = text.split_once('=').ok_or_else(wrong)?;
    let count: u64 = count.parse().map_err(|_| wrong())?;
    if !callboard_core::config::is_name(name) || count == 0 {
        return Err(wrong());
    }
    Ok((name.into(), count))
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        Some(_) | None => Err("give a key and a value, as in zone=eu-1".into()),
    }
}

/// Describes this machine.
///
/// # Errors
/// The name given is none.
pub(crate) fn registration(
    args: &HostArgs,
    executors: Vec<String>,
    api: Option<String>,
) -> Result<Registration, Problem> {
    let host = match &args.host {
        Some(name) => names::check("host", name).map_err(|problem| problem.at("--host"))?.to_owned(),
        None => names::sanitise(&rustix::system::uname().nodename().to_string_lossy()),
    };
    if args.address.is_empty() || args.address.contains(['/', ' ']) {
        return Err(Problem::new(Kind::Invalid, format!("{:?} is no address", args.address))
            .at("--address")
            .hint("give an IP address or a host name, without scheme and port"));
    }
    Ok(Registration {
        host: host.as_str().into(),
        address: args.address.clone(),
        memory: args.memory.unwrap_or_else(memory),
        cpu_units: args.cpu_units.unwrap_or_else(cpu_units),
        disk: args.disk.unwrap_or(0),
        resources: args.resources.iter().cloned().collect(),
        ports: PortRange { first: args.ports.0, last: args.ports.1 },
        executors,
        policy: Policy::default(),
        labels: args.labels.iter().cloned().collect::<BTreeMap<_, _>>(),
        agent_version: env!("CARGO_PKG_VERSION").into(),
        api,
    })
}

fn cpu_units() -> u64 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u64::try_from(cores).unwrap_or(1) * 1024
}

/// Measures the memory that tasks may have, MiB: the machine's, or less where the control group of this process has less.
fn memory() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| mem_total(&text)).unwrap_or(0);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    limits(&groups)
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok())
        .filter_map(|text| text.trim().parse::<u64>().ok())
        .map(|bytes| bytes >> 20)
        .fold(machine, u64::min)
}

fn mem_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib >> 10)
}

/// Names the files in which a limit may stand, for every group that this process is in and all above it.
fn limits(groups: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            of if of.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let mut path = path.trim_end_matches('/');
        loop {
            files.push(format!("{root}{path}/{file}"));
            match path.rfind('/') {
                Some(end) => path = &path[..end],
                None => break,
            }
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_mib() {
        assert_eq!(mem_total("MemTotal:       16384000 kB\nMemFree: 1 kB\n"), Some(16_000));
        assert_eq!(mem_total("nothing"), None);
    }

    #[test]
    fn limits_of_a_group_and_all_above() {
        assert_eq!(
            limits("0::/a/b\n"),
            ["/sys/fs/cgroup/a/b/memory.max", "/sys/fs/cgroup/a/memory.max", "/sys/fs/cgroup/memory.max"]
        );
        assert_eq!(limits("4:memory:/\n1:cpu:/x\n"), ["/sys/fs/cgroup/memory/memory.limit_in_bytes"]);
    }

    #[test]
    fn ports_and_labels() {
        assert_eq!(ports("20000-29999"), Ok(Ports(20_000, 29_999)));
        for bad in ["", "1", "5-4", "0-4", "1-70000", "a-b"] {
            assert!(ports(bad).is_err(), "{bad}");
        }
        assert_eq!(label("zone=a=b"), Ok(("zone".into(), "a=b".into())));
        assert!(label("=x").is_err() && label("x").is_err());
    }
}
