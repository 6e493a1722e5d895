//! Real servers for tests, on loopback, each with ports and a directory of its own.
//!
//! **Invariant:** a server ends with its handle, and only processes that were started here are signalled.

mod consul;
mod docker;
mod etcd;
mod ports;
mod process;
mod proxy;
mod stat;

pub use consul::{Certificates, Consul};
pub use docker::{BUSYBOX, Docker, ask_docker, docker_containers, provide_image, shared_docker};
pub use etcd::Etcd;
pub use ports::Ports;
pub use process::{Member, SOON, http, until};
pub use proxy::{Faults, Proxy};
pub use stat::Stat;

#[cfg(test)]
mod tests {
    use super::{Consul, Etcd, SOON, until};

    #[test]
    fn etcd_finds_another_leader() {
        let mut etcd = Etcd::start(3, &[]);
        let leader = etcd.leader().expect("it has one");
        etcd.members[leader].kill();
        let next = until("another one leads", SOON, || etcd.leader());
        assert_ne!(next, leader);
    }

    #[test]
    fn consul_finds_another_leader() {
        let mut consul = Consul::start(3, serde_json::json!({}));
        let leader = consul.leader().expect("it has one");
        consul.members[leader].kill();
        let next = until("another one leads", SOON, || consul.leader());
        assert_ne!(next, leader);
    }
}
