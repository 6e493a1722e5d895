//! The layout of keys in the store. Nobody else knows it: to write a key, ask here; to know what a key means, parse it
//! here. Prefixes end in a slash, so that `h1/` does not find `h10/`.

use crate::model::Name;
use alloc::format;
use alloc::string::String;

/// What users wrote.
pub const CONFIG: &str = "config/";
/// What the scheduler issued.
pub const STATE: &str = "state/";
/// What schedulers remember of services.
pub const SERVICE_STATES: &str = "state/services/";
/// Locks of clusters.
pub const SCHEDULERS: &str = "schedulers/";
/// What agents say of their hosts.
pub const HOSTS: &str = "hosts/";
/// What agents say of their tasks.
pub const STATUS: &str = "status/";
/// What concerns the store itself.
pub const META: &str = "meta/";
/// Identity of the store.
pub const STORE_ID: &str = "meta/store_id";

/// No part of a key of ours is longer: names are shorter, and ids are made of two of them and two numbers.
const PART_BYTES_MAX: usize = 256;

/// A parsed key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// `config/clusters/<name>`
    Cluster(Name),
    /// `config/services/<name>`
    Service(Name),
    /// `config/task_definitions/<name>/<version>`
    Definition(Name, u32),
    /// `config/hosts/<name>`
    HostConfig(Name),
    /// `state/tasks/_/<id>`
    Task(Name),
    /// `state/tasks/<host>/<id>`
    HostTask(Name, Name),
    /// `state/ledger/<host>`: what clusters hold of it
    Ledger(Name),
    /// `state/services/<service>`: rollout and availability
    ServiceState(Name),
    /// `schedulers/<cluster>`
    Lock(Name),
    /// `hosts/<host>/registration`
    Registration(Name),
    /// `hosts/<host>/alive`
    Alive(Name),
    /// `hosts/<host>/usage`
    Usage(Name),
    /// `hosts/<host>/moves/<id>`
    Move(Name, Name),
    /// `hosts/<host>/orphans/<id>`: a task that runs there although the store lost its record
    Orphan(Name, Name),
    /// `hosts/<host>/offers/<service>`: one more task, for which the host may bid
    Offer(Name, Name),
    /// `hosts/<host>/bids/<service>`
    Bid(Name, Name),
    /// `status/<host>/<id>`
    Status(Name, Name),
    /// `meta/store_id`
    StoreId,
}

impl Key {
    /// Reads a key; `None` when it is none of ours.
    #[must_use]
    pub fn parse(key: &str) -> Option<Key> {
        let mut parts = key.split('/');
        let mut next = || parts.next().filter(|part| (1..=PART_BYTES_MAX).contains(&part.len()));
        let parsed = match (next()?, next()?) {
            ("config", "clusters") => Key::Cluster(next()?.into()),
            ("config", "services") => Key::Service(next()?.into()),
            ("config", "task_definitions") => Key::Definition(next()?.into(), next()?.parse().ok()?),
            ("config", "hosts") => Key::HostConfig(next()?.into()),
            ("state", "tasks") => match (next()?, next()?) {
                ("_", id) => Key::Task(id.into()),
                (host, id) => Key::HostTask(host.into(), id.into()),
            },
            ("state", "ledger") => Key::Ledger(next()?.into()),
            ("state", "services") => Key::ServiceState(next()?.into()),
            ("schedulers", cluster) => Key::Lock(cluster.into()),
            ("hosts", host) => match next()? {
                "registration" => Key::Registration(host.into()),
                "alive" => Key::Alive(host.into()),
                "usage" => Key::Usage(host.into()),
                "moves" => Key::Move(host.into(), next()?.into()),
                "orphans" => Key::Orphan(host.into(), next()?.into()),
                "offers" => Key::Offer(host.into(), next()?.into()),
                "bids" => Key::Bid(host.into(), next()?.into()),
                _ => return None,
            },
            ("status", host) => Key::Status(host.into(), next()?.into()),
            ("meta", "store_id") => Key::StoreId,
            _ => return None,
        };
        parts.next().is_none().then_some(parsed)
    }

    /// Writes the key out.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Key::Cluster(name) => format!("config/clusters/{name}"),
            Key::Service(name) => format!("config/services/{name}"),
            Key::Definition(name, version) => format!("config/task_definitions/{name}/{version}"),
            Key::HostConfig(name) => format!("config/hosts/{name}"),
            Key::Task(id) => format!("state/tasks/_/{id}"),
            Key::HostTask(host, id) => format!("state/tasks/{host}/{id}"),
            Key::Ledger(host) => format!("state/ledger/{host}"),
            Key::ServiceState(service) => format!("state/services/{service}"),
            Key::Lock(cluster) => format!("schedulers/{cluster}"),
            Key::Registration(host) => format!("hosts/{host}/registration"),
            Key::Alive(host) => format!("hosts/{host}/alive"),
            Key::Usage(host) => format!("hosts/{host}/usage"),
            Key::Move(host, id) => format!("hosts/{host}/moves/{id}"),
            Key::Orphan(host, id) => format!("hosts/{host}/orphans/{id}"),
            Key::Offer(host, service) => format!("hosts/{host}/offers/{service}"),
            Key::Bid(host, service) => format!("hosts/{host}/bids/{service}"),
            Key::Status(host, id) => format!("status/{host}/{id}"),
            Key::StoreId => STORE_ID.into(),
        }
    }
}

/// Gives the prefix of all tasks issued to a host.
#[must_use]
pub fn tasks_of(host: &str) -> String {
    format!("state/tasks/{host}/")
}

/// Gives the prefix of all an agent says of its host.
#[must_use]
pub fn host(host: &str) -> String {
    format!("hosts/{host}/")
}

/// Gives the prefix of all that a host is offered.
#[must_use]
pub fn offers_to(host: &str) -> String {
    format!("hosts/{host}/offers/")
}

/// Gives the prefix of all an agent says of its tasks.
#[must_use]
pub fn status_of(host: &str) -> String {
    format!("status/{host}/")
}

/// Makes the id of a task.
#[must_use]
pub fn task_id(cluster: &str, service: &str, version: u32, instance: u32) -> Name {
    format!("{cluster}-{service}-{version}-{instance}").into()
}
