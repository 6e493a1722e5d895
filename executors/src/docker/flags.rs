//! The flags of `docker run` that a configuration may name: what each one sets. They are read, never handed on as words,
//! so none can bring another one along. Which ones may be named the core says; which values a host allows was decided
//! before, by its policy.
//!
//! **Invariant:** a flag that is not read here is refused, whoever wrote the record.

use crate::Failure;
use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, NetworkingConfig,
};
use callboard_core::config::{FlagValue, docker_flag, docker_flags_together};
use callboard_core::policy::capability;
use std::collections::HashMap;

/// What flags say beyond the container itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    /// The network, where one is named.
    pub(super) network: Option<String>,
    /// The platform of the image.
    pub(super) platform: Option<String>,
    aliases: Vec<String>,
    ip: Option<String>,
}

impl Flags {
    /// Tells whether ports can be mapped to the container.
    pub(super) fn can_map_ports(&self) -> bool {
        !matches!(self.network.as_deref(), Some("host" | "none"))
    }
}

/// Reads the flags of a container into what it is created from.
///
/// # Errors
/// A flag that is not allowed at all, or whose value cannot be understood.
pub(super) fn apply(
    flags: &[String],
    body: &mut ContainerCreateBody,
    host: &mut HostConfig,
) -> Result<Flags, Failure> {
    let mut read = Flags::default();
    for flag in flags {
        let (name, value) = docker_flag(flag).map_err(|why| Failure(format!("flag {flag:?}, {why}")))?;
        if !set(name, value, body, host, &mut read) {
            // One that is allowed and not read sets nothing, so nothing may run with it.
            return Err(Failure(format!("flag {flag:?} is not known to this agent")));
        }
    }
    if let Some(why) = docker_flags_together(flags) {
        return Err(Failure(format!("flags {flags:?}, {why}")));
    }
    network(&mut read, body, host);
    Ok(read)
}

/// Sets what one flag says, if it is known. What may be given several times adds up.
fn set(
    name: &str,
    value: FlagValue<'_>,
    body: &mut ContainerCreateBody,
    host: &mut HostConfig,
    read: &mut Flags,
) -> bool {
    match value {
        FlagValue::Text(text) => return set_text(name, text, body, host, read),
        FlagValue::Truth(truth) => match name {
            "init" => host.init = Some(truth),
            "read-only" => host.readonly_rootfs = Some(truth),
            _ => return false,
        },
        FlagValue::Number(number) => match name {
            "memory-reservation" => host.memory_reservation = Some(number),
            "pids-limit" => host.pids_limit = Some(number),
            "shm-size" => host.shm_size = Some(number),
            _ => return false,
        },
        FlagValue::Mount { path, options } => match name {
            "tmpfs" => drop(host.tmpfs.get_or_insert_default().insert(path.to_string(), options.to_string())),
            _ => return false,
        },
    }
    true
}

fn set_text(
    name: &str,
    value: &str,
    body: &mut ContainerCreateBody,
    host: &mut HostConfig,
    read: &mut Flags,
) -> bool {
    let text = Some(value.to_string());
    let add = |list: &mut Option<Vec<String>>| list.get_or_insert_default().push(value.to_string());
    match name {
        "add-host" => add(&mut host.extra_hosts),
        "cap-add" => {
            let name = capability(value);
            // The engine takes away after it has given.
            host.cap_drop.get_or_insert_default().retain(|dropped| capability(dropped) != name);
            host.cap_add.get_or_insert_default().push(name);
        }
        "cap-drop" => add(&mut host.cap_drop),
        "dns" => add(&mut host.dns),
        "dns-option" => add(&mut host.dns_options),
        "dns-search" => add(&mut host.dns_search),
        "domainname" => body.domainname = text,
        "hostname" => body.hostname = text,
        "ip" => read.ip = text,
        "net" | "network" => read.network = text,
        "net-alias" | "network-alias" => read.aliases.push(value.to_string()),
        "platform" => read.platform = text,
        "stop-signal" => body.stop_signal = text,
        "user" => body.user = text,
        _ => return false,
    }
    true
}

/// Puts the container into its network.
fn network(read: &mut Flags, body: &mut ContainerCreateBody, host: &mut HostConfig) {
    let named = read.network.clone().filter(|name| name != "bridge" && name != "default");
    let alone = matches!(named.as_deref(), None | Some("host" | "none"));
    if let Some(name) = named.as_deref().filter(|_| !alone) {
        let ipam =
            read.ip.clone().map(|ip| EndpointIpamConfig { ipv4_address: Some(ip), ..Default::default() });
        let aliases = Some(read.aliases.clone()).filter(|aliases| !aliases.is_empty());
        let settings = EndpointSettings { ipam_config: ipam, aliases, ..Default::default() };
        body.networking_config =
            Some(NetworkingConfig { endpoints_config: Some(HashMap::from([(name.to_string(), settings)])) });
    }
    host.network_mode.clone_from(&named);
    read.network = named;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(flags: &[&str]) -> Result<(Flags, ContainerCreateBody, HostConfig), String> {
        let flags: Vec<String> = flags.iter().map(ToString::to_string).collect();
        let (mut body, mut host) = (ContainerCreateBody::default(), HostConfig::default());
        let read = apply(&flags, &mut body, &mut host).map_err(|failure| failure.0)?;
        Ok((read, body, host))
    }

    #[test]
    fn each_flag_of_the_list_is_understood() {
        for name in callboard_core::config::DOCKER_FLAGS {
            let value = match name {
                "init" | "read-only" => "true",
                "memory-reservation" | "shm-size" => "64m",
                "pids-limit" => "100",
                "ip" | "net-alias" | "network-alias" => continue,
                "tmpfs" => "/run:size=1m",
                "dns" => "10.0.0.2",
                "add-host" => "db:10.0.0.7",
                _ => "x",
            };
            assert!(read(&[&format!("--{name}={value}")]).is_ok(), "{name}");
        }
        let (_, body, host) =
            read(&["--net=own", "--ip=10.0.0.5", "--net-alias=db", "--network-alias=db2"]).unwrap();
        let endpoint = &body.networking_config.unwrap().endpoints_config.unwrap()["own"];
        assert_eq!(endpoint.aliases, Some(vec!["db".to_string(), "db2".to_string()]));
        assert_eq!(endpoint.ipam_config.as_ref().unwrap().ipv4_address.as_deref(), Some("10.0.0.5"));
        assert_eq!(host.network_mode.as_deref(), Some("own"));
    }

    #[test]
    fn values_are_read_as_docker_reads_them() {
        let (_, body, host) =
            read(&["--init", "--dns=1.1.1.1", "--dns=8.8.8.8", "--shm-size=1g", "--user=1000:1000"]).unwrap();
        assert_eq!(
            (host.init, host.shm_size, body.user.as_deref()),
            (Some(true), Some(1 << 30), Some("1000:1000"))
        );
        assert_eq!(host.dns.unwrap().len(), 2);
        assert_eq!(read(&["--read-only=false"]).unwrap().2.readonly_rootfs, Some(false));
    }

    #[test]
    fn what_is_refused_is_told_as_in_a_configuration() {
        let check = |flag: &str, expect: &str| assert_eq!(read(&[flag]).unwrap_err(), expect);
        check(
            "--restart=always",
            "flag \"--restart=always\", which would have the engine start it again: a field says that here; use restart \
             of the task definition",
        );
        check(
            "-v/:/host",
            "flag \"-v/:/host\", which would mount a directory of the host: a field says that here; use volumes",
        );
        check("--net host", "flag \"--net host\", expected one flag in one word, as in --name=value");
        check("--net", "flag \"--net\", expected one flag in one word, with a value, as in --net=value");
        check(
            "--ip=10.0.0.1",
            "flags [\"--ip=10.0.0.1\"], with --ip and without a network of your own, expected --ip with --net=NAME; \
             make one by docker network create NAME on each host, and allow it in the policy there",
        );
    }

    #[test]
    fn what_loosens_the_walls_is_refused() {
        for bad in [
            "--privileged",
            "--privileged=true",
            "--pid=host",
            "--ipc=host",
            "--uts=host",
            "--userns=host",
            "--cgroupns=host",
            "-v/:/host",
            "--volume=/:/host",
            "--mount=type=bind,src=/,dst=/host",
            "--device=/dev/sda",
            "--security-opt=seccomp=unconfined",
            "--sysctl=a=b",
            "--ulimit=nofile=1",
            "--runtime=x",
            "--cgroup-parent=/",
            "--oom-kill-disable",
            "--restart=always",
            "--rm",
            "--name=x",
            "-d",
            "--label=callboard.agent=x",
            "--env-file=/etc/shadow",
            "--cidfile=/x",
            "--init --privileged",
            "--net=host --privileged",
            "--network=container:abc",
            "--net",
            "--pids-limit=0",
            "--pids-limit=-1",
            "--shm-size=9999999999g",
            "--shm-size=much",
            "--init=perhaps",
            "--tmpfs=run",
            "--tmpfs=/a/../b",
            "--ip=10.0.0.1",
            "--net-alias=a",
            "--user=a\0b",
            "",
        ] {
            assert!(read(&[bad]).is_err(), "{bad:?}");
        }
        for spelling in ["--net=host", "--network=host"] {
            assert!(!read(&[spelling]).unwrap().0.can_map_ports());
        }
    }
}
