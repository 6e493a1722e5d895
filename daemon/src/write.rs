//! Writes the desired state: reads what is stored, computes the change, commits it, and starts over when somebody else
//! was faster.

use crate::change::{self, Stored, Write, put};
use crate::problem::{Body, Kind, Problem};
use crate::rehearse::fingerprint;
use crate::views::Applied;
use callboard_backends::Store;
use callboard_core::config::{self, Configuration, Delete, Mistake, Sourced};
use callboard_core::keys::{self, Key};
use callboard_core::model::{
    Cluster, HostConfig, Name, Placed, Service, ServiceState, TaskDefinition, Version,
};
use callboard_core::rebalance::{MOVES_MAX, Move, Plan, is_spent};
use callboard_core::record;
use callboard_core::store::{Entry, Guard, Outcome, Refusal, Txn};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often a change is computed anew before it is given up.
const TRIES: u32 = 5;

/// A file as a user sent it.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct SentFile {
    /// As the user calls it.
    pub(crate) name: String,
    /// Its content, YAML or JSON.
    pub(crate) text: String,
}

/// Reads files as one configuration.
///
/// # Errors
/// All mistakes in all files.
pub(crate) fn read_files<'a>(
    files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Result<Sourced<Configuration>, Problem> {
    let (mut parts, mut mistakes) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        match config::read(name, bytes) {
            Ok(part) => parts.push(part),
            Err(more) => mistakes.extend(more),
        }
    }
    if !mistakes.is_empty() {
        return Err(invalid(&mistakes));
    }
    config::merge(parts).map_err(|mistakes| invalid(&mistakes))
}

fn invalid(mistakes: &[Mistake]) -> Problem {
    Problem::all(Kind::Invalid, mistakes.iter().map(body).collect())
}

/// Says a mistake as a problem.
pub(crate) fn body(mistake: &Mistake) -> Body {
    let plain = Mistake { file: "".into(), path: String::new(), next: String::new(), ..mistake.clone() };
    let file = match (mistake.file.is_empty(), mistake.line) {
        (true, _) => String::new(),
        (false, 0) => mistake.file.to_string(),
        (false, line) => format!("{}:{line}", mistake.file),
    };
    let place: Vec<String> =
        [file, mistake.path.clone()].into_iter().filter(|part| !part.is_empty()).collect();
    Body {
        error: plain.to_string(),
        place: (!place.is_empty()).then(|| place.join(": ")),
        hint: (!mistake.next.is_empty()).then(|| mistake.next.clone()),
        more: Vec::new(),
    }
}

/// The desired state as it is stored.
pub(crate) struct Desired {
    pub(crate) stored: Stored,
    clusters: BTreeMap<Name, Arc<Cluster>>,
    services: BTreeMap<Name, Arc<Service>>,
    definitions: BTreeMap<Name, BTreeMap<Version, Arc<TaskDefinition>>>,
    hosts: BTreeMap<Name, Arc<HostConfig>>,
}

impl Desired {
    /// Reads it.
    pub(crate) async fn fetch(store: &dyn Store) -> Result<Desired, Problem> {
        let listing = store.list(keys::CONFIG).await.map_err(Problem::away)?;
        let stored: Stored = listing.entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect();
        Ok(Desired::of(stored))
    }

    /// Finds it among all that is stored.
    pub(crate) fn among(entries: &[Arc<Entry>]) -> Desired {
        let config = entries.iter().filter(|entry| entry.key.starts_with(keys::CONFIG));
        Desired::of(config.map(|entry| (entry.key.clone(), entry.clone())).collect())
    }

    fn of(stored: Stored) -> Desired {
        let mut desired = Desired {
            clusters: BTreeMap::new(),
            services: BTreeMap::new(),
            definitions: BTreeMap::new(),
            hosts: BTreeMap::new(),
            stored: Stored::new(),
        };
        for entry in stored.values() {
            match Key::parse(&entry.key) {
                Some(Key::Cluster(name)) => insert(&mut desired.clusters, name, &entry.value),
                Some(Key::Service(name)) => insert(&mut desired.services, name, &entry.value),
                Some(Key::HostConfig(name)) => insert(&mut desired.hosts, name, &entry.value),
                Some(Key::Definition(name, version)) => {
                    insert(desired.definitions.entry(name).or_default(), version, &entry.value);
                }
                Some(_) | None => {}
            }
        }
        desired.stored = stored;
        desired
    }

    /// Gives it as a configuration file would.
    pub(crate) fn configuration(&self) -> Configuration {
        Configuration {
            clusters: self.clusters.values().map(|cluster| Cluster::clone(cluster)).collect(),
            services: self.services.values().map(|service| without_moves(service)).collect(),
            task_definitions: self
                .definitions
                .values()
                .flat_map(BTreeMap::values)
                .map(|definition| TaskDefinition::clone(definition))
                .collect(),
            hosts: self.hosts.values().map(|host| HostConfig::clone(host)).collect(),
        }
    }

    /// Makes the writes by which placements move; what a service was asked to move before is forgotten.
    fn moved(&self, plan: &Plan) -> Result<Vec<Write>, Problem> {
        let write = |(name, moves): (Name, Vec<Placed>)| {
            let service = Service { moves, ..Service::clone(&self.service(&name)?) };
            put(&self.stored, Key::Service(name), &service)
        };
        plan.by_service().into_iter().map(write).collect()
    }

    fn view(&self) -> config::Stored<'_> {
        config::Stored {
            clusters: &self.clusters,
            services: &self.services,
            definitions: &self.definitions,
            hosts: &self.hosts,
        }
    }

    /// Checks a configuration against it, and turns it into writes.
    pub(crate) fn writes(&self, wanted: &Sourced<Configuration>) -> Result<Vec<Write>, Problem> {
        config::check(&self.view(), wanted).map_err(|mistakes| invalid(&mistakes))?;
        change::writes(&wanted.value, &self.stored)
    }

    /// Makes the write that drains a host, or takes that back.
    pub(crate) fn drained(&self, host: &str, draining: bool) -> Result<Write, Problem> {
        let name: Name = host.into();
        let config = match self.hosts.get(&name) {
            Some(config) => HostConfig { draining, ..HostConfig::clone(config) },
            None => HostConfig { name: name.clone(), draining, reserved_ports: Vec::new() },
        };
        put(&self.stored, Key::HostConfig(name), &config)
    }

    fn service(&self, name: &str) -> Result<Service, Problem> {
        if let Some(found) = self.services.get(name) {
            return Ok(Service::clone(found));
        }
        let path = Key::Service(name.into()).path();
        match self.stored.get(&path).map(|entry| record::read::<Service>(&entry.value)) {
            Some(Err(fault)) => Err(Problem::new(Kind::Conflict, fault.to_string())
                .at(path)
                .hint("use a `callboard` as new as the one that wrote it, or apply the service anew")),
            Some(Ok(_)) | None => Err(Problem::unknown("service", name, "services")),
        }
    }
}

/// What cannot be read is left out: whoever writes it again mends it.
fn insert<K: Ord, T: DeserializeOwned>(map: &mut BTreeMap<K, Arc<T>>, key: K, value: &str) {
    if let Ok(record) = record::read(value) {
        map.insert(key, Arc::new(record));
    }
}

/// Makes what is stored as the configuration says; `dry` only tells what that would change. Nothing is written when the
/// stored configuration has another fingerprint than the one given.
pub(crate) async fn apply(
    store: &dyn Store,
    wanted: &Sourced<Configuration>,
    dry: bool,
    on: Option<&str>,
) -> Result<Applied, Problem> {
    let tried: Mutex<Option<Tried>> = Mutex::new(None);
    commit(store, dry, |desired| {
        let mut tried = tried.lock().unwrap_or_else(PoisonError::into_inner);
        let is_as_rehearsed = |on: &str| match &*tried {
            None => on == fingerprint(desired.stored.values()),
            // What an earlier try wrote of it, and nobody else, is no reason to stop halfway.
            Some(tried) => tried.explains(&desired.stored),
        };
        if on.is_some_and(|on| !is_as_rehearsed(on)) {
            let what = if tried.is_none() { "nothing was applied" } else { "look at what was applied of it" };
            return Err(Problem::new(Kind::Conflict, "the configuration was changed since it was rehearsed")
                .hint(format!("{what}; rehearse again: `callboard apply --rehearse` does both")));
        }
        let writes = desired.writes(wanted)?;
        tried.get_or_insert_with(|| Tried { stored: desired.stored.clone(), writes: writes.clone() });
        Ok(writes)
    })
    .await
}

/// What was there before a try, and what that was to write.
struct Tried {
    stored: Stored,
    writes: Vec<Write>,
}

impl Tried {
    /// Tells whether nobody else can have made of it what is there now.
    fn explains(&self, now: &Stored) -> bool {
        let keys: BTreeSet<&String> = self.stored.keys().chain(now.keys()).collect();
        keys.into_iter().all(|key| self.is_before(now, key) || self.is_written(now, key))
    }

    /// Tells whether all that was to be written is as it was, or as it was to be.
    fn is_alone(&self, now: &Stored) -> bool {
        let mut keys = self.writes.iter().map(|write| write.key().path());
        keys.all(|key| self.is_before(now, &key) || self.is_written(now, &key))
    }

    fn is_before(&self, now: &Stored, key: &str) -> bool {
        let value = |stored: &Stored| stored.get(key).map(|entry| entry.value.clone());
        value(&self.stored) == value(now)
    }

    fn is_written(&self, now: &Stored, key: &str) -> bool {
        let value = now.get(key).map(|entry| &entry.value);
        self.writes.iter().filter(|write| write.key().path() == key).any(|write| match write {
            Write::Put(_, wanted) => value.is_some_and(|value| is_same(value, wanted)),
            Write::Delete(_) => value.is_none(),
        })
    }
}

/// Tells whether two records say the same; moves that are over are taken out of services as they are written.
fn is_same(one: &str, other: &str) -> bool {
    let service = |value: &str| record::read::<Service>(value).ok().map(|it| without_moves(&it));
    one == other || service(one).is_some_and(|one| service(other).as_ref() == Some(&one))
}

/// Changes one service.
pub(crate) async fn edit_service(
    store: &dyn Store,
    name: &str,
    edit: impl Fn(&mut Service) -> Result<(), Problem>,
) -> Result<Applied, Problem> {
    commit(store, false, |desired| {
        let mut service = desired.service(name)?;
        edit(&mut service)?;
        Ok(vec![put(&desired.stored, Key::Service(name.into()), &service)?])
    })
    .await
}

/// Lets go of a host, or uses it again.
pub(crate) async fn drain(store: &dyn Store, host: &str, draining: bool) -> Result<Applied, Problem> {
    let known = store.list(&keys::host(host)).await.map_err(Problem::away)?;
    commit(store, false, |desired| {
        if known.entries.is_empty() && !desired.hosts.contains_key(host) {
            return Err(Problem::unknown("host", host, "hosts"));
        }
        Ok(vec![desired.drained(host, draining)?])
    })
    .await
}

/// Has placements move as planned, if all that the plan rests on is as it was.
pub(crate) async fn rebalance(store: &dyn Store, plan: &Plan) -> Result<Applied, Problem> {
    let keys = plan.moves.iter().flat_map(Move::rests_on).map(|key| key.path());
    let is_whole = keys.collect::<BTreeSet<String>>() == plan.rests_on.keys().cloned().collect();
    if plan.moves.len() > usize::try_from(MOVES_MAX).unwrap_or(0) || !is_whole {
        return Err(Problem::new(Kind::Invalid, "is not what `callboard rebalance --plan -o json` wrote")
            .at("the plan")
            .hint("plan again, and apply what was written as it is"));
    }
    let desired = Desired::fetch(store).await?;
    let writes = desired.moved(plan)?;
    let applied = change::summary(&desired.stored, &writes);
    let guards = plan.rests_on.iter().map(|(key, revision)| match revision {
        Some(revision) => Guard::At { key: key.clone(), revision: *revision },
        None => Guard::Absent { key: key.clone() },
    });
    let ops = change::transactions(&desired.stored, &writes).into_iter().flat_map(|txn| txn.ops);
    let txn = Txn { guards: guards.collect(), ops: ops.collect() };
    let changed = |why: &str| {
        let what = format!("what the plan rests on has changed since: {why}");
        Problem::new(Kind::Conflict, what)
            .hint("nothing was changed; plan again: `callboard rebalance --plan`")
    };
    if plan.moves.is_empty() {
        return Ok(applied);
    }
    if txn.ops.is_empty() {
        return Err(changed("its services were asked for these moves already"));
    }
    match send(store, vec![txn]).await {
        Err(problem) if problem.kind == Kind::Conflict => Err(changed(&problem.body.error)),
        sent => sent.map(|()| applied),
    }
}

/// Gives a service as its file would say it.
fn without_moves(service: &Service) -> Service {
    Service { moves: Vec::new(), ..service.clone() }
}

/// Deletes an object of the desired state; a service also leaves its cluster.
pub(crate) async fn delete(store: &dyn Store, what: &Delete) -> Result<Applied, Problem> {
    let states = match what {
        Delete::Definition(..) => store.list(keys::SERVICE_STATES).await.map_err(Problem::away)?.entries,
        Delete::Cluster(_) | Delete::Service(_) | Delete::HostConfig(_) => Vec::new(),
    };
    let states: Vec<ServiceState> =
        states.iter().filter_map(|entry| record::read(&entry.value).ok()).collect();
    commit(store, false, |desired| {
        let clusters = config::check_delete(&desired.view(), what).map_err(|mistake| {
            let kind = if exists(desired, what) { Kind::Conflict } else { Kind::NotFound };
            Problem { kind, body: body(&mistake) }
        })?;
        if let Delete::Definition(name, version) = what {
            let needed = config::check_fallback(&desired.view(), &states, name, *version);
            needed.map_err(|mistake| Problem { kind: Kind::Conflict, body: body(&mistake) })?;
        }
        let mut writes = Vec::new();
        for cluster in &clusters {
            writes.push(put(&desired.stored, Key::Cluster(cluster.name.clone()), cluster)?);
        }
        writes.push(Write::Delete(key_of(what)));
        Ok(writes)
    })
    .await
}

fn key_of(what: &Delete) -> Key {
    match what {
        Delete::Cluster(name) => Key::Cluster(name.clone()),
        Delete::Service(name) => Key::Service(name.clone()),
        Delete::Definition(name, version) => Key::Definition(name.clone(), *version),
        Delete::HostConfig(name) => Key::HostConfig(name.clone()),
    }
}

fn exists(desired: &Desired, what: &Delete) -> bool {
    desired.stored.contains_key(&key_of(what).path())
}

/// Commits what `plan` makes of the desired state, computing it anew when that has changed meanwhile or when nobody
/// knows whether a transaction came through.
async fn commit(
    store: &dyn Store,
    dry: bool,
    plan: impl Fn(&Desired) -> Result<Vec<Write>, Problem>,
) -> Result<Applied, Problem> {
    let mut first: Option<Applied> = None;
    let mut last = Problem::failed("nothing was tried");
    // What may have been written, and nobody knows.
    let mut unknown: Option<Tried> = None;
    for attempt in 0..TRIES {
        tokio::time::sleep(Duration::from_millis(u64::from(attempt) * 100)).await;
        let desired = Desired::fetch(store).await?;
        if unknown.take().is_some_and(|tried| !tried.is_alone(&desired.stored)) {
            return Err(Problem::new(Kind::Conflict, "somebody else changed the same while it was written")
                .hint("nobody knows what came first: look at what is there now, and do it again if it is still wanted"));
        }
        let writes = match (plan(&desired), first.take()) {
            // A delete whose answer was lost finds nothing left to delete.
            (Err(problem), Some(told)) if problem.kind == Kind::NotFound => return Ok(told),
            (planned, told) => {
                first = told;
                planned?
            }
        };
        let writes = without_spent_moves(store, &desired.stored, writes).await?;
        let told = first.get_or_insert_with(|| change::summary(&desired.stored, &writes));
        if dry {
            return Ok(told.clone());
        }
        match send(store, change::transactions(&desired.stored, &writes)).await {
            Ok(()) => return Ok(told.clone()),
            Err(problem) if matches!(problem.kind, Kind::Conflict | Kind::TimedOut) => {
                let is_unknown = problem.kind == Kind::TimedOut;
                unknown = is_unknown.then_some(Tried { stored: desired.stored, writes });
                last = problem;
            }
            Err(problem) => return Err(problem),
        }
    }
    Err(last)
}

/// Takes moves that are over out of services that change anyway: only users write what asks for them.
async fn without_spent_moves(
    store: &dyn Store,
    stored: &Stored,
    mut writes: Vec<Write>,
) -> Result<Vec<Write>, Problem> {
    for write in &mut writes {
        let service = match &*write {
            Write::Put(Key::Service(_), value) => record::read::<Service>(value).ok(),
            Write::Put(..) | Write::Delete(_) => None,
        };
        let asks = service.filter(|service| !service.moves.is_empty() && change::changes(stored, write));
        let Some(mut service) = asks else { continue };
        for placed in std::mem::take(&mut service.moves) {
            let key = Key::Task(placed.id.clone()).path();
            let listing = store.list(&key).await.map_err(Problem::away)?;
            let record = listing.entries.iter().find(|entry| entry.key == key);
            if !is_spent(&placed, record.map(|entry| entry.value.as_str())) {
                service.moves.push(placed);
            }
        }
        *write = put(stored, Key::Service(service.name.clone()), &service)?;
    }
    Ok(writes)
}

async fn send(store: &dyn Store, txns: Vec<callboard_core::store::Txn>) -> Result<(), Problem> {
    for txn in txns {
        match store.commit(txn).await {
            Outcome::Committed(_) => {}
            Outcome::Refused(refusal) => return Err(refused(&refusal)),
            Outcome::Unknown(why) => {
                return Err(Problem::new(
                    Kind::TimedOut,
                    format!("nobody knows whether it was written: {why}"),
                )
                .hint("look with `callboard services`, and do it again: doing it twice is harmless"));
            }
        }
    }
    Ok(())
}

fn refused(refusal: &Refusal) -> Problem {
    let words = refusal.to_string();
    match refusal {
        Refusal::Conflict(_) => {
            Problem::new(Kind::Conflict, words).hint("look at what is there now, and do it again")
        }
        Refusal::Unavailable(_) => Problem::away(words),
        Refusal::LockLost | Refusal::Invalid(_) => Problem::failed(words),
    }
}

#[cfg(test)]
mod tests;
