//! The flags of `docker run`: which ones a task may name, and of each other what it would do, why it is refused, and what
//! to write instead. A configuration is held to it when it is read, and an agent holds to it what it is told to run.
//!
//! **Invariant:** what is not in the list of those allowed is refused, whether it is known here or not.

use super::flag_value::{self, FlagValue};
use crate::config::mistake::{Mistake, one_of, suggestion};
use crate::policy::capability;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

/// The flags of `docker run` that a configuration may name, without their dashes. Whether a value is allowed, such as
/// `--net=host`, is for each host's policy.
pub const DOCKER_FLAGS: [&str; 22] = [
    "add-host",
    "cap-add",
    "cap-drop",
    "dns",
    "dns-option",
    "dns-search",
    "domainname",
    "hostname",
    "init",
    "ip",
    "memory-reservation",
    "net",
    "net-alias",
    "network",
    "network-alias",
    "pids-limit",
    "platform",
    "read-only",
    "shm-size",
    "stop-signal",
    "tmpfs",
    "user",
];

const SHORT: [(char, &str); 15] = [
    ('P', "publish-all"),
    ('a', "attach"),
    ('c', "cpu-shares"),
    ('d', "detach"),
    ('e', "env"),
    ('h', "hostname"),
    ('i', "interactive"),
    ('l', "label"),
    ('m', "memory"),
    ('p', "publish"),
    ('q', "quiet"),
    ('t', "tty"),
    ('u', "user"),
    ('v', "volume"),
    ('w', "workdir"),
];

/// A flag that is refused: its name, what it would do, and what to write instead.
type Row = (&'static str, &'static str, &'static str);

/// All that are refused, by why they are.
const REFUSED: [(&str, &[Row]); 6] = [
    ("a field says that here", FIELDS),
    ("Callboard sees to that", OURS),
    ("no host's policy can allow that", WALLS),
    ("that is for who types docker run", TYPED),
    ("Callboard does not hand that on", LACKING),
    ("that is on Windows alone", WINDOWS),
];

const FIELDS: &[Row] = &[
    ("cpu-period", "limit its processor time", "use cpu_limit of the task definition"),
    ("cpu-quota", "limit its processor time", "use cpu_limit of the task definition"),
    ("cpu-shares", "weigh its processor time", "use cpu_units of the task definition"),
    ("cpus", "limit its processor time", "use cpu_limit of the task definition, 1024 for each"),
    ("entrypoint", "run another program", "use entry"),
    ("env", "set a variable", "use env"),
    ("env-file", "set the variables that a file names", "use env, and write them there"),
    ("expose", "name a port inside", "use container_port, or ports"),
    ("health-cmd", "check its health by a command", "use a script under checks of the task definition"),
    ("health-interval", "say how often its health is checked", "use interval of the check, under checks"),
    ("health-retries", "say how many checks may fail", "use failure_threshold of the check, under checks"),
    (
        "health-start-interval",
        "check its health more often at first",
        "use interval of the check, under checks",
    ),
    (
        "health-start-period",
        "let checks fail at first",
        "use unhealthy_after under restart of the task definition",
    ),
    ("health-timeout", "say how long a check may take", "use timeout of the check, under checks"),
    ("label", "label it", "use tags of the task definition"),
    ("label-file", "give it the labels of a file", "use tags of the task definition, and write them there"),
    ("memory", "limit its memory", "use memory_limit of the task definition"),
    ("mount", "mount something into it", "use volumes, or --tmpfs"),
    (
        "publish",
        "open a port of the host",
        "use ports, or provide_port of the task definition with container_port",
    ),
    ("publish-all", "open ports of the host", "use provide_port of the task definition with container_port"),
    ("pull", "say when its image is pulled", "use pull, which is missing, always or never"),
    ("restart", "have the engine start it again", "use restart of the task definition"),
    ("stop-timeout", "say how long it may take to end", "use kill_timeout of the task definition"),
    ("volume", "mount a directory of the host", "use volumes"),
    ("workdir", "say in which directory it runs", "use work_dir"),
];

const OURS: &[Row] = &[
    (
        "kernel-memory",
        "limit what the kernel keeps for it",
        "use memory_limit of the task definition, which counts that",
    ),
    ("log-driver", "send its output elsewhere", "leave it out, and read it by callboard logs"),
    ("log-opt", "say how its output is kept", "leave it out: 8 MiB of it are kept"),
    ("memory-swap", "limit its swap", "use memory_limit of the task definition, which counts swap"),
    (
        "memory-swappiness",
        "say how soon it is swapped out",
        "leave it out: with a memory limit it has no swap",
    ),
    ("name", "name it", "leave it out: it is named after its task, and name of the executor is for people"),
    ("no-healthcheck", "keep its image's HEALTHCHECK from being run", "leave it out: that is never run"),
    (
        "oom-score-adj",
        "say how soon it is killed when memory is short",
        "use priority of the task definition",
    ),
    ("rm", "remove it at its end", "leave it out: it is removed"),
];

const WALLS: &[Row] = &[
    ("annotation", "tell the runtime what it likes", "use tags of the task definition to tell others of it"),
    (
        "cgroup-parent",
        "take it out of the limits that it is put in",
        "use memory_limit and cpu_limit of the task definition",
    ),
    ("cgroupns", "show it all control groups of the host", "leave it out: it has what the engine is set to"),
    ("device", "give it a device of the host", "run what needs one as a container of type bash"),
    (
        "device-cgroup-rule",
        "let it use devices of the host",
        "run what needs one as a container of type bash",
    ),
    (
        "gpus",
        "give it devices of the host",
        "run what needs them as a container of type bash, and count them in resources",
    ),
    ("group-add", "put its user into further groups", "use --user=USER:GROUP"),
    ("ipc", "share memory with the host or with others", "use --shm-size for more of its own"),
    (
        "oom-kill-disable",
        "let it stand still, and the host with it, when memory is used up",
        "use a larger memory_limit of the task definition",
    ),
    (
        "pid",
        "show it the processes of the host or of others",
        "run what needs them as a container of type bash",
    ),
    (
        "privileged",
        "give it all that root of the host has",
        "add each capability that it needs, as in --cap-add=NET_BIND_SERVICE",
    ),
    ("runtime", "have it run by another runtime", "set default-runtime in the engine's daemon.json"),
    (
        "security-opt",
        "take off what confines it",
        "add each capability that it needs, as in --cap-add=NET_BIND_SERVICE",
    ),
    (
        "sysctl",
        "change how the kernel is set",
        "set it on the host, and use --net=host for what is of the network",
    ),
    (
        "ulimit",
        "move the limits of its processes",
        "set default-ulimits in the engine's daemon.json, or lower them by ulimit in a shell",
    ),
    ("use-api-socket", "hand it the engine", "run what needs the engine as a container of type bash"),
    ("userns", "make its root that of the host", "use --user for whom it runs as"),
    ("uts", "let it rename the host", "use --hostname and --domainname for names of its own"),
    (
        "volumes-from",
        "mount what another container has mounted",
        "use volumes, and name the same directories",
    ),
];

const TYPED: &[Row] = &[
    ("attach", "show its output", "leave it out, and follow it by callboard logs -f TASK"),
    (
        "cidfile",
        "write its number to a file",
        "leave it out, and find it by docker ps -f label=callboard.task=TASK",
    ),
    ("detach", "give the terminal back", "leave it out: every task runs by itself"),
    ("detach-keys", "say which keys give the terminal back", "leave it out: no task holds one"),
    (
        "disable-content-trust",
        "take an image that nobody signed",
        "name the image by its digest, as in web@sha256:...",
    ),
    ("help", "list the flags", "leave it out: the README lists those that may be"),
    ("interactive", "keep its input open", "leave it out, and enter it by callboard exec -i TASK -- COMMAND"),
    ("quiet", "keep a pull from being shown", "leave it out: none is shown"),
    ("sig-proxy", "pass the terminal's signals on", "use --stop-signal for the one that asks it to end"),
    ("tty", "give it a terminal", "leave it out: its output goes to callboard logs"),
];

const LACKING: &[Row] = &[
    ("blkio-weight", "weigh its use of disks", APART),
    ("blkio-weight-device", "weigh its use of a disk", APART),
    (
        "cpu-rt-period",
        "give it real time on processors",
        "use cpu_units of the task definition for its share",
    ),
    (
        "cpu-rt-runtime",
        "give it real time on processors",
        "use cpu_units of the task definition for its share",
    ),
    (
        "cpuset-cpus",
        "keep it on some processors",
        "use cpu_limit of the task definition for how many it takes",
    ),
    ("cpuset-mems", "keep it in some of the memory", "leave it out: the kernel takes what is nearest"),
    ("device-read-bps", "limit how much it reads of a disk", APART),
    ("device-read-iops", "limit how often it reads of a disk", APART),
    ("device-write-bps", "limit how much it writes to a disk", APART),
    ("device-write-iops", "limit how often it writes to a disk", APART),
    ("dns-opt", "set an option of its resolver", "use --dns-option, which is the same"),
    ("ip6", "choose its address", "use --ip, or have it found by --net-alias"),
    ("link", "tell it of another container", "use --net of both with a network of your own, and --net-alias"),
    ("link-local-ip", "give it further addresses", "use --ip with a network of your own"),
    ("mac-address", "choose its hardware's address", "use --ip, or have it found by --net-alias"),
    ("storage-opt", "limit its file system", "use --read-only, and --tmpfs=/tmp:size=64m for what it writes"),
    (
        "volume-driver",
        "have its volumes made by a plugin",
        "mount it on the host, and use volumes for the directory",
    ),
];

const APART: &str = "use apart under placement of the service, to keep it from whom it disturbs";

const WINDOWS: &[Row] = &[
    ("cpu-count", "limit its processor time", "use cpu_limit of the task definition"),
    ("cpu-percent", "limit its processor time", "use cpu_limit of the task definition"),
    ("io-maxbandwidth", "limit how much it reads and writes", APART),
    ("io-maxiops", "limit how often it reads and writes", APART),
    ("isolation", "say how it is kept apart from the host", "leave it out: there is one way"),
];

/// What a flag looks like.
pub(super) const WORD: &str = "one flag in one word, as in --name=value";

/// Reads a flag, and gives its name and what it sets.
///
/// # Errors
/// It may not be named, or not so, or has a value that it cannot have. The mistake has no place.
pub fn docker_flag(word: &str) -> Result<(&str, FlagValue<'_>), Box<Mistake>> {
    let form = |allowed: &str| Box::new(Mistake { allowed: allowed.into(), ..Mistake::default() });
    let Some(name) = name(word) else { return Err(form(WORD)) };
    if !DOCKER_FLAGS.contains(&name) {
        return Err(Box::new(refusal(name)));
    }
    let Some(flag) = word.strip_prefix("--") else {
        let value = if matches!(name, "init" | "read-only") { "" } else { "=value" };
        return Err(form(&format!("one flag in one word, as in --{name}{value}")));
    };
    if flag.contains(char::is_whitespace) {
        return Err(form(WORD));
    }
    let value = flag.split_once('=').map(|(_, value)| value);
    if name == "cap-add" && value.is_some_and(|value| capability(value) == "ALL") {
        return Err(form("one capability, as in --cap-add=NET_BIND_SERVICE"));
    }
    Ok((name, flag_value::read(name, value)?))
}

/// Tells what is wrong with flags that are each as they should be. The mistake has no place.
pub fn docker_flags_together(words: &[String]) -> Option<Mistake> {
    flag_value::of_no_network(words.iter().filter_map(|word| docker_flag(word).ok()))
}

/// Gives the name of the flag that a word begins with. It may be in short, as docker has it, or have one dash too few.
fn name(word: &str) -> Option<&str> {
    let flag = word.strip_prefix('-')?;
    let (long, dashed) = flag.strip_prefix('-').map_or((flag, false), |long| (long, true));
    let first = long.split(|c: char| c == '=' || c.is_whitespace()).next().filter(|name| !name.is_empty())?;
    if dashed {
        return Some(first);
    }
    let short = || SHORT.iter().find(|(letter, _)| flag.starts_with(*letter)).map(|(_, name)| *name);
    names().find(|name| *name == first).or_else(short)
}

/// Lists all flags that are known.
fn names() -> impl Iterator<Item = &'static str> {
    let refused = REFUSED.iter().flat_map(|(_, rows)| rows.iter().map(|(name, ..)| *name));
    DOCKER_FLAGS.into_iter().chain(refused)
}

/// Tells why a flag that is not allowed is not.
fn refusal(name: &str) -> Mistake {
    let of = |(why, rows): &(&'static str, &'static [Row])| {
        rows.iter().find(|row| row.0 == name).map(|(_, does, instead)| (*why, *does, *instead))
    };
    if let Some((why, does, instead)) = REFUSED.iter().find_map(of) {
        let problem = format!("which would {does}: {why}");
        return Mistake { problem, next: instead.into(), ..Mistake::default() };
    }
    let meant = |near: &str| match REFUSED.iter().flat_map(|(_, rows)| *rows).find(|row| row.0 == near) {
        Some((.., instead)) => format!("did you mean \"--{near}\"? That is refused, too: {instead}"),
        None => format!("did you mean \"--{near}\"?"),
    };
    Mistake {
        problem: "a flag that is not known".into(),
        allowed: format!("a flag of {}", one_of(DOCKER_FLAGS)),
        next: suggestion(name, names()).map(meant).unwrap_or_default(),
        ..Mistake::default()
    }
}
