//! Which ports of the host lead to which ports of a container.

use super::Settings;
use crate::Failure;
use bollard::models::{ContainerCreateBody, HostConfig, PortBinding, PortMap};
use callboard_core::model::{Docker, Protocol};
use callboard_core::work::Spec;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// A port of the host, a port of the container, and their protocol.
pub(super) type Mapping = (u16, u16, &'static str);

/// Lists what is mapped: the task's port to `container_port`, what `ports` says, and for the first container of a task its
/// further ports, each to itself.
///
/// # Errors
/// A mapping cannot be understood, or a port of the host is mapped twice.
pub(super) fn of(spec: &Spec, docker: &Docker, is_first: bool) -> Result<Vec<Mapping>, Failure> {
    let mut mappings: Vec<Mapping> = Vec::new();
    mappings.extend(spec.task.port.zip(docker.container_port).map(|(host, inside)| (host, inside, "tcp")));
    for text in &docker.ports {
        mappings.push(read(text).ok_or_else(|| {
            Failure(format!(
                "ports: {text:?} is not host:container, two ports from 1 to 65535, perhaps with /tcp or /udp"
            ))
        })?);
    }
    let further = spec.task.ports.values().filter(|_| is_first);
    mappings.extend(further.map(|of| {
        let protocol = match of.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        (of.port, of.port, protocol)
    }));
    let mut taken = BTreeSet::new();
    match mappings.iter().find(|(host, _, protocol)| !taken.insert((*host, *protocol))) {
        Some((host, _, protocol)) => {
            Err(Failure(format!("port {host}/{protocol} of the host is mapped twice")))
        }
        None => Ok(mappings),
    }
}

fn read(text: &str) -> Option<Mapping> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = match protocol {
        "tcp" => "tcp",
        "udp" => "udp",
        _ => return None,
    };
    let port = |text: &str| {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|port| *port > 0 && is_plain)
    };
    let (host, inside) = ports.split_once(':')?;
    Some((port(host)?, port(inside)?, protocol))
}

/// Has the engine map them, at an address of the host or at all of them.
pub(super) fn publish(
    mappings: &[Mapping],
    address: Option<IpAddr>,
    body: &mut ContainerCreateBody,
    host: &mut HostConfig,
) {
    let mut bindings = PortMap::new();
    for (port, inside, protocol) in mappings {
        let binding = PortBinding {
            host_ip: address.map(|address| address.to_string()),
            host_port: Some(port.to_string()),
        };
        let to = bindings.entry(format!("{inside}/{protocol}")).or_default();
        to.get_or_insert_default().push(binding);
    }
    if !bindings.is_empty() {
        let mut exposed: Vec<String> = bindings.keys().cloned().collect();
        exposed.sort();
        body.exposed_ports = Some(exposed);
        host.port_bindings = Some(bindings);
    }
}

impl Settings {
    /// Publishes ports at `address` only where that is of this machine alone: what others shall reach listens everywhere.
    pub fn publish_at(&mut self, address: &str) {
        self.address = match address {
            "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
            other => other.parse().ok().filter(IpAddr::is_loopback),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_are_two_ports_and_a_protocol() {
        assert_eq!(read("5000:80"), Some((5000, 80, "tcp")));
        assert_eq!(read("53:5353/udp"), Some((53, 5353, "udp")));
        for bad in [
            "5000",
            "5000:",
            ":80",
            "99999:80",
            "1-70000:1-70000",
            "0.0.0.0:22:22",
            "+1:2",
            "0:1",
            "1:2/sctp",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
