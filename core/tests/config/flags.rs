//! The flags of `docker run`: what is told of each one that may not be named.

use super::{DOCKER, changed, check, told};
use callboard_core::config::{DOCKER_FLAGS, read};

const PLACE: &str = "web.yml:12: task_definitions[0].containers[0].executor.flags";

const ALLOWED: &str = "expected a flag of add-host, cap-add, cap-drop, dns, dns-option, dns-search, domainname, hostname, \
                       init, ip, memory-reservation, net, net-alias, network, network-alias, pids-limit, platform, \
                       read-only, shm-size, stop-signal, tmpfs or user";

/// Every flag that `docker run` has or had from 20.10 to 29, also those that its help keeps back.
const ALL: &str = "
    add-host annotation attach blkio-weight blkio-weight-device cap-add cap-drop cgroup-parent cgroupns cidfile cpu-count
    cpu-percent cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus cpuset-mems detach detach-keys
    device device-cgroup-rule device-read-bps device-read-iops device-write-bps device-write-iops disable-content-trust dns
    dns-opt dns-option dns-search domainname entrypoint env env-file expose gpus group-add health-cmd health-interval
    health-retries health-start-interval health-start-period health-timeout help hostname init interactive io-maxbandwidth
    io-maxiops ip ip6 ipc isolation kernel-memory label label-file link link-local-ip log-driver log-opt mac-address memory
    memory-reservation memory-swap memory-swappiness mount name net net-alias network network-alias no-healthcheck
    oom-kill-disable oom-score-adj pid pids-limit platform privileged publish publish-all pull quiet read-only restart rm
    runtime security-opt shm-size sig-proxy stop-signal stop-timeout storage-opt sysctl tmpfs tty ulimit use-api-socket user
    userns uts volume volume-driver volumes-from workdir";

/// What is told of one word among the flags.
fn answer(word: &str) -> String {
    let told = told(read("web.yml", changed(DOCKER, &format!("flags: [{word:?}]")).as_bytes()).map(drop));
    let start = format!("{PLACE}[0]: found {word:?}, ");
    told.strip_prefix(&start).map_or(told.clone(), ToString::to_string)
}

/// A value that the flag can have, if it can be named.
fn good(name: &str) -> &'static str {
    match name {
        "init" | "read-only" => "false",
        "pids-limit" => "100",
        "memory-reservation" | "shm-size" => "64m",
        "tmpfs" => "/run",
        "ip" | "dns" => "10.0.0.2",
        "add-host" => "db:10.0.0.7",
        _ => "value",
    }
}

/// What is told of words among the flags.
fn told_of(words: &[&str]) -> String {
    told(read("web.yml", changed(DOCKER, &format!("flags: {words:?}")).as_bytes()).map(drop))
}

#[test]
fn a_flag_has_a_value_that_it_can_have() {
    let table = [
        ("--net", "expected one flag in one word, with a value, as in --net=value"),
        ("--user=", "expected one flag in one word, with a value, as in --user=value"),
        ("--init=perhaps", "expected true or false, as in --init=true"),
        ("--read-only=1", "expected true or false, as in --read-only=true"),
        ("--pids-limit=much", "expected a whole number from 1, as in --pids-limit=100"),
        ("--pids-limit=0", "expected a whole number from 1, as in --pids-limit=100"),
        ("--pids-limit=-1", "expected a whole number from 1, as in --pids-limit=100"),
        ("--shm-size=much", "expected a size in bytes, or with k, m or g, as in --shm-size=64m"),
        ("--shm-size=1.5g", "expected a size in bytes, or with k, m or g, as in --shm-size=64m"),
        ("--shm-size=0", "expected a size in bytes, or with k, m or g, as in --shm-size=64m"),
        ("--shm-size=9999999999g", "expected a size in bytes, or with k, m or g, as in --shm-size=64m"),
        (
            "--memory-reservation=m",
            "expected a size in bytes, or with k, m or g, as in --memory-reservation=64m",
        ),
        ("--shm-size=64\u{e9}", "expected a size in bytes, or with k, m or g, as in --shm-size=64m"),
        ("--shm-size=65536", "fine"),
        ("--shm-size=64MB", "fine"),
        ("--shm-size=1GiB", "fine"),
        ("--shm-size=bb", "expected a size in bytes, or with k, m or g, as in --shm-size=64m"),
        ("--shm-size=64M", "fine"),
        ("--tmpfs=run", "expected an absolute path without .., as in --tmpfs=/run:size=64m"),
        ("--tmpfs=/a/../b", "expected an absolute path without .., as in --tmpfs=/run:size=64m"),
        ("--tmpfs=/run:size=1m,noexec", "fine"),
        ("--dns=resolver", "expected an address, as in --dns=10.0.0.2"),
        ("--dns=fd00::1", "fine"),
        ("--add-host=db", "expected a name and its address, as in --add-host=db:10.0.0.7"),
        ("--add-host=db:there", "expected a name and its address, as in --add-host=db:10.0.0.7"),
        ("--add-host=db:host-gateway", "fine"),
        ("--add-host=db:fd00::7", "fine"),
        ("--add-host=db=[fd00::7]", "fine"),
        (
            "--network=container:db",
            "which would enter another container's network: no host's policy can allow that; use --net=NAME for both, with a network of your own",
        ),
    ];
    for (word, expect) in table {
        assert_eq!(answer(word), expect, "{word}");
    }
}

#[test]
fn what_is_said_of_a_network_needs_one() {
    let wants = |name: &str| {
        format!(
            "{PLACE}: found a list, with --{name} and without a network of your own, expected --{name} with --net=NAME; \
             make one by docker network create NAME on each host, and allow it in the policy there"
        )
    };
    for words in [&["--ip=10.0.0.5"][..], &["--net=host", "--ip=10.0.0.5"], &["--ip=10.0.0.5", "--net=none"]]
    {
        assert_eq!(told_of(words), wants("ip"), "{words:?}");
    }
    assert_eq!(told_of(&["--net=bridge", "--net-alias=db"]), wants("net-alias"));
    assert_eq!(
        told_of(&["--net=own", "--ip=db"]),
        format!("{PLACE}[1]: found \"--ip=db\", expected an address of version 4, as in --ip=172.20.0.5")
    );
    for words in [["--net=own", "--ip=10.0.0.5"], ["--network-alias=db", "--network=own"]] {
        assert_eq!(told_of(&words), "fine");
    }
}

#[test]
fn every_flag_of_docker_run_is_allowed_or_told_what_to_write_instead() {
    let mut allowed = Vec::new();
    for name in ALL.split_whitespace() {
        let word = format!("--{name}={}", good(name));
        // These are about a network, which they need.
        let is_alone = !matches!(name, "ip" | "net-alias" | "network-alias");
        let told = if is_alone { answer(&word) } else { told_of(&["--net=own", &word]) };
        if told == "fine" {
            allowed.push(name);
            continue;
        }
        let parts = told.split_once("; ").and_then(|(what, next)| Some((what.split_once(": ")?, next)));
        let ((does, why), next) = parts.unwrap_or_else(|| panic!("{name}: {told}"));
        assert!(does.starts_with("which would ") && !why.is_empty() && !next.is_empty(), "{name}: {told}");
        assert!(!told.contains("known") && !told.contains('\n'), "{name}: {told}");
        // What is to be written instead may be written.
        let flags = next.split([' ', ',', '=', ':']).filter_map(|word| word.strip_prefix("--"));
        for flag in flags.filter(|flag| !flag.is_empty()) {
            assert!(DOCKER_FLAGS.contains(&flag), "{name}: {told}");
        }
        for written in [format!("--{name}"), format!("--{name} value"), format!("-{name}=value")] {
            assert_eq!(answer(&written), told, "{written}");
        }
    }
    assert_eq!(allowed, DOCKER_FLAGS);
}

#[test]
fn what_a_flag_would_do_why_it_is_refused_and_what_to_write_instead() {
    let table = [
        (
            "--privileged",
            "which would give it all that root of the host has: no host's policy can allow that; add each capability that it needs, as in --cap-add=NET_BIND_SERVICE",
        ),
        ("-v/:/host", "which would mount a directory of the host: a field says that here; use volumes"),
        (
            "--volume=/:/host",
            "which would mount a directory of the host: a field says that here; use volumes",
        ),
        (
            "--mount type=bind,src=/",
            "which would mount something into it: a field says that here; use volumes, or --tmpfs",
        ),
        (
            "--restart=always",
            "which would have the engine start it again: a field says that here; use restart of the task definition",
        ),
        (
            "--memory=64m",
            "which would limit its memory: a field says that here; use memory_limit of the task definition",
        ),
        (
            "-m 64m",
            "which would limit its memory: a field says that here; use memory_limit of the task definition",
        ),
        (
            "--pid=host",
            "which would show it the processes of the host or of others: no host's policy can allow that; run what needs them as a container of type bash",
        ),
        (
            "-it",
            "which would keep its input open: that is for who types docker run; leave it out, and enter it by callboard exec -i TASK -- COMMAND",
        ),
        (
            "--pull=always",
            "which would say when its image is pulled: a field says that here; use pull, which is missing, always or never",
        ),
        ("--rm", "which would remove it at its end: Callboard sees to that; leave it out: it is removed"),
        (
            "--cpu-count=2",
            "which would limit its processor time: that is on Windows alone; use cpu_limit of the task definition",
        ),
        (
            "--dns-opt=ndots:1",
            "which would set an option of its resolver: Callboard does not hand that on; use --dns-option, which is the same",
        ),
    ];
    for (word, expect) in table {
        assert_eq!(answer(word), expect, "{word}");
    }
}

#[test]
fn a_flag_that_is_not_known_is_guessed() {
    let unknown = format!("a flag that is not known, {ALLOWED}");
    for (word, next) in [
        ("--read-onyl", "; did you mean \"--read-only\"?"),
        ("--hostnmae=web", "; did you mean \"--hostname\"?"),
        (
            "--privilged",
            "; did you mean \"--privileged\"? That is refused, too: add each capability that it needs, as in --cap-add=NET_BIND_SERVICE",
        ),
        ("--replicas=3", ""),
    ] {
        assert_eq!(answer(word), format!("{unknown}{next}"), "{word}");
    }
}

#[test]
fn each_flag_is_one_word() {
    let table = [
        ("--net=host", "fine"),
        ("--init", "fine"),
        ("--net=host --privileged", "expected one flag in one word, as in --name=value"),
        ("--network host", "expected one flag in one word, as in --name=value"),
        ("-h web", "expected one flag in one word, as in --hostname=value"),
        ("-u1000", "expected one flag in one word, as in --user=value"),
        ("-net=host", "expected one flag in one word, as in --net=value"),
        ("-init", "expected one flag in one word, as in --init"),
        ("host", "expected one flag in one word, as in --name=value"),
        ("-", "expected one flag in one word, as in --name=value"),
        ("--", "expected one flag in one word, as in --name=value"),
        ("--=x", "expected one flag in one word, as in --name=value"),
        ("-8", "expected one flag in one word, as in --name=value"),
        ("", "expected one flag in one word, as in --name=value"),
        ("--cap-add=ALL", "expected one capability, as in --cap-add=NET_BIND_SERVICE"),
        ("--cap-add=cap_all", "expected one capability, as in --cap-add=NET_BIND_SERVICE"),
    ];
    for (word, expect) in table {
        assert_eq!(answer(word), expect, "{word}");
    }
    let both = format!(
        "{PLACE}[0]: found \"--net\", expected one flag in one word, with a value, as in --net=value\n\
         {PLACE}[1]: found \"host\", expected one flag in one word, as in --name=value"
    );
    check(&changed(DOCKER, "flags: [--net, host]"), &both);
}
