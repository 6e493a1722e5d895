//! The flags of `docker run` that a configuration may name: what each one sets. They are read, never handed on as words,
//! so none can bring another one along. Which ones may be named the core says; which values a host allows was decided
//! before, by its policy.
//!
//! **Invariant:** a flag that is not read here is refused, whoever wrote the record.

use crate::Failure;
use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, NetworkingConfig,
};
use callboard_core::config::docker_flag;
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
        let wrong = |why: &str| Failure(format!("flag {flag:?} {why}"));
        let (name, value) = docker_flag(flag).map_err(|why| Failure(format!("flag {flag:?}, {why}")))?;
        let value = value.unwrap_or(if matches!(name, "init" | "read-only") { "true" } else { "" });
        if value.is_empty() || value.contains('\0') {
            return Err(wrong("has no value; write --name=value"));
        }
        set(name, value, body, host, &mut read).map_err(|why| wrong(&why))?;
    }
    network(&mut read, body, host)?;
    Ok(read)
}

/// Sets what one flag says. What may be given several times adds up.
fn set(
    name: &str,
    value: &str,
    body: &mut ContainerCreateBody,
    host: &mut HostConfig,
    read: &mut Flags,
) -> Result<(), String> {
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
        "init" => host.init = Some(truth(value)?),
        "ip" => read.ip = text,
        "memory-reservation" => host.memory_reservation = Some(size(value)?),
        "net" | "network" => read.network = text,
        "net-alias" | "network-alias" => read.aliases.push(value.to_string()),
        "pids-limit" => host.pids_limit = Some(count(value)?),
        "platform" => read.platform = text,
        "read-only" => host.readonly_rootfs = Some(truth(value)?),
        "shm-size" => host.shm_size = Some(size(value)?),
        "stop-signal" => body.stop_signal = text,
        "tmpfs" => {
            let (path, options) = value.split_once(':').unwrap_or((value, ""));
            if !path.starts_with('/') || path.split('/').any(|part| part == "..") {
                return Err("needs an absolute path without ..".to_string());
            }
            host.tmpfs.get_or_insert_default().insert(path.to_string(), options.to_string());
        }
        "user" => body.user = text,
        // One that is allowed and not read sets nothing, so nothing may run with it.
        _ => return Err("is not known to this agent".to_string()),
    }
    Ok(())
}

/// Puts the container into its network.
fn network(read: &mut Flags, body: &mut ContainerCreateBody, host: &mut HostConfig) -> Result<(), Failure> {
    let named = read.network.clone().filter(|name| name != "bridge" && name != "default");
    if let Some(other) = named.as_deref().filter(|name| name.starts_with("container:")) {
        return Err(Failure(format!(
            "flag \"--net={other}\" is not allowed: it enters another container's network"
        )));
    }
    let alone = matches!(named.as_deref(), None | Some("host" | "none"));
    if alone && (read.ip.is_some() || !read.aliases.is_empty()) {
        return Err(Failure(
            "flags --ip and --net-alias need a network of their own, by --net=NAME".to_string(),
        ));
    }
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
    Ok(())
}

fn truth(value: &str) -> Result<bool, String> {
    value.parse().map_err(|_| "needs true or false".to_string())
}

fn count(value: &str) -> Result<i64, String> {
    value.parse().ok().filter(|count| *count > 0).ok_or_else(|| "needs a whole number from 1".to_string())
}

/// Reads a size as docker does: bytes, or with one of b, k, m, g.
fn size(value: &str) -> Result<i64, String> {
    let wrong = || "needs a size such as 64m: a whole number with b, k, m or g".to_string();
    let lower = value.to_ascii_lowercase();
    let (digits, unit) = match lower.strip_suffix(['b', 'k', 'm', 'g']) {
        Some(digits) => (digits, lower.as_bytes().last().copied().unwrap_or_default()),
        None => (lower.as_str(), b'b'),
    };
    let shift = match unit {
        b'k' => 10,
        b'm' => 20,
        b'g' => 30,
        _ => 0,
    };
    let number: i64 = digits.parse().ok().filter(|number| *number > 0).ok_or_else(wrong)?;
    number.checked_mul(1 << shift).ok_or_else(wrong)
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
        check("--net", "flag \"--net\" has no value; write --name=value");
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
