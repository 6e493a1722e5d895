//! Whether some host could take one more task of a service, as far as the store and the rules for placement say; and
//! whether all could take what is wanted.

use super::page::HostPage;
use super::record::{ClaimRecord, DefinitionRecord, RegistrationRecord, ServiceRecord, TaskRecord, Text};
use super::rules::Around;
use super::{Book, policy};
use callboard_core::machine::Span;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How long a host must have been heard of to count.
const SETTLED: Span = Span::secs(30);

/// Finds a host that could take a task of the version that a service wants. One on which room is being made is for somebody
/// else.
pub(super) fn host_for<'a>(book: &'a Book, wanted: &ServiceRecord) -> Option<&'a Text> {
    host_among(book, wanted, |_, _| true)
}

/// Finds such a host among some.
pub(super) fn host_among<'a>(
    book: &'a Book,
    wanted: &ServiceRecord,
    is_meant: impl Fn(&Text, &HostPage) -> bool,
) -> Option<&'a Text> {
    let definition = definition(book, wanted)?;
    let promised = |host: &Text| book.issued_to(host).any(|task| task.makes_room_for.is_some());
    let fits = |host: &Text, page: &HostPage| {
        is_meant(host, page)
            && is_open(book, definition, page)
            && !promised(host)
            && has_room(book, definition, (host, page), &[])
            && page.registration.as_ref().is_some_and(|has| is_allowed(book, wanted, (host, has)))
    };
    book.hosts.iter().find(|(host, page)| fits(host, page)).map(|(host, _)| host)
}

/// Tells whether a host could take a task of the version that a service wants in the place of another one of it.
pub(super) fn could_follow(book: &Book, wanted: &ServiceRecord, leaving: &TaskRecord) -> bool {
    let Some(definition) = definition(book, wanted) else { return false };
    let Some(page) = book.hosts.get(&leaving.host) else { return false };
    let around = Around { book, left: &[], found: &BTreeSet::new(), by: None };
    is_open(book, definition, page)
        && has_room(book, definition, (&leaving.host, page), &[leaving])
        && page.registration.as_ref().is_some_and(|has| {
            policy::refused(&has.policy, definition).is_none()
                && around.forbids(wanted, (&leaving.host, has), 0).is_none()
                && around.shunned(&wanted.name, &leaving.host).is_none()
        })
}

/// Tells whether what is issued to these hosts leaves no room for one more on any of them that the service allows, whatever
/// ledgers hold: what a fleet has in all may be cut into pieces that are too small.
pub(super) fn is_cut_up(book: &Book, hosts: &[Text], wanted: &ServiceRecord) -> bool {
    let Some(definition) = definition(book, wanted) else { return false };
    let fits = |host: &Text| {
        let page = book.hosts.get(host).filter(|page| page.draining_since.is_none());
        let Some(has) = page.and_then(|page| page.registration.as_ref()) else { return false };
        // A copy without a record of its own takes room for as long as it lives.
        let copies = page.into_iter().flat_map(|page| page.twins.values()).filter(|twin| {
            let lives = book.live.contains_key(&(host.clone(), twin.id.clone()));
            lives && !twin.runs() && !book.tasks.contains_key(&twin.id)
        });
        let there: Vec<&Arc<TaskRecord>> = book.issued_to(host).chain(copies).collect();
        let held = |of: &dyn Fn(&TaskRecord) -> u64| there.iter().map(|task| of(task)).sum::<u64>();
        let counted = definition.resources.iter().all(|(name, needed)| {
            let held = held(&|task| task.resources.get(name).copied().unwrap_or(0));
            held + needed <= has.resources.get(name).copied().unwrap_or(0)
        });
        let ports = usize::from(has.ports.last.saturating_sub(has.ports.first)) + 1;
        let provided = there.iter().filter(|task| task.port.is_some()).count();
        counted
            && (!definition.provide_port || provided < ports)
            && held(&|task| task.memory) + definition.memory <= has.memory
            && held(&|task| task.cpu_units) + definition.cpu_units <= has.cpu_units
            && (definition.disk == 0 || held(&|task| task.disk) + definition.disk <= has.disk)
            && is_allowed(book, wanted, (host, has))
    };
    !hosts.iter().any(fits)
}

fn definition<'a>(book: &'a Book, wanted: &ServiceRecord) -> Option<&'a DefinitionRecord> {
    book.definitions.get(&(wanted.task_name.clone(), wanted.task_version))
}

/// Tells whether what a service says of its hosts, and others of it, allows one more of its tasks on one.
pub(super) fn is_allowed(book: &Book, wanted: &ServiceRecord, host: (&Text, &RegistrationRecord)) -> bool {
    let is_refused = |definition: &DefinitionRecord| policy::refused(&host.1.policy, definition).is_some();
    if definition(book, wanted).is_some_and(is_refused) {
        return false;
    }
    let around = Around { book, left: &[], found: &BTreeSet::new(), by: None };
    around.forbids(wanted, host, 1).is_none() && around.shunned(&wanted.name, host.0).is_none()
}

/// Tells whether something of this definition may come to a host, if there is room.
pub(super) fn is_open(book: &Book, definition: &DefinitionRecord, page: &HostPage) -> bool {
    let Some(has) = &page.registration else { return false };
    let settled = page.alive && book.now.since(page.alive_since) > SETTLED;
    let welcome =
        page.draining_since.is_none() && page.usage.as_ref().is_some_and(|usage| usage.welcomes(definition));
    settled
        && welcome
        && definition.containers.iter().all(|container| has.executors.contains(&container.kind))
}

/// Tells whether a host has room for a task when nothing is left of these.
pub(super) fn has_room(
    book: &Book,
    definition: &DefinitionRecord,
    (host, page): (&Text, &HostPage),
    without: &[&TaskRecord],
) -> bool {
    let Some(has) = &page.registration else { return false };
    let claims = || page.ledger.clusters.values();
    let fits =
        |needed: u64, of_claim: &dyn Fn(&ClaimRecord) -> u64, of: &dyn Fn(&TaskRecord) -> u64, has: u64| {
            // What nobody's ledger holds takes room, too.
            let issued = book.issued_to(host).map(|task| of(task)).sum::<u64>();
            let held = claims().map(of_claim).sum::<u64>().max(issued);
            let gone = without.iter().map(|task| of(task)).sum::<u64>();
            needed == 0 || held.saturating_sub(gone) + needed <= has
        };
    let counted = definition.resources.iter().all(|(name, needed)| {
        let count = |of: &BTreeMap<Text, u64>| of.get(name).copied().unwrap_or(0);
        fits(*needed, &|claim| count(&claim.resources), &|task| count(&task.resources), count(&has.resources))
    });
    let reserved = page.config.iter().flat_map(|config| &config.reserved_ports);
    let reserved: BTreeSet<u16> = reserved.copied().collect();
    let is_gone = |port: &u16| {
        let has = |task: &&TaskRecord| {
            task.port == Some(*port) || task.ports.values().any(|other| other.port == *port)
        };
        without.iter().any(has)
    };
    let is_taken = |port: &u16| {
        claims().any(|claim| claim.ports.contains(port))
            || book.lives_on(host).any(|alive| alive.port == Some(*port))
    };
    let is_free = |port: &u16| !reserved.contains(port) && (is_gone(port) || !is_taken(port));
    let port = match definition.port {
        0 if definition.provide_port => (has.ports.first..=has.ports.last).any(|port| is_free(&port)),
        0 => true,
        fixed => is_free(&fixed),
    };
    port && counted
        && fits(definition.memory, &|claim| claim.memory, &|task| task.memory, has.memory)
        && fits(definition.cpu_units, &|claim| claim.cpu_units, &|task| task.cpu_units, has.cpu_units)
        && fits(definition.disk, &|claim| claim.disk, &|task| task.disk, has.disk)
}

/// Tells whether all that users want needs more than these hosts have.
pub(super) fn is_overbooked(book: &Book, hosts: &[Text]) -> bool {
    let mut wanted = (0, 0, 0);
    let mut counted: BTreeMap<&Text, u64> = BTreeMap::new();
    for (_, page) in book.services.iter().filter(|(name, _)| book.is_wanted(name)) {
        let Some(record) = &page.record else { continue };
        let Some(definition) = book.definitions.get(&(record.task_name.clone(), record.task_version)) else {
            continue;
        };
        // One more, so that a version can be replaced.
        let count = u64::from(book.target(record).max(record.parallelism())) + 1;
        wanted.0 += definition.memory * count;
        wanted.1 += definition.cpu_units * count;
        wanted.2 += u64::from(definition.provide_port) * count;
        for (name, needed) in &definition.resources {
            *counted.entry(name).or_default() += needed * count;
        }
    }
    let pages = hosts.iter().filter_map(|host| book.hosts.get(host));
    let open = pages.filter(|page| page.draining_since.is_none());
    let has: Vec<&RegistrationRecord> = open.filter_map(|page| page.registration.as_ref()).collect();
    let is_scarce = |(name, wanted): (&&Text, &u64)| {
        has.iter().filter_map(|has| has.resources.get(*name)).sum::<u64>() < *wanted
    };
    let there = has.iter().fold((0, 0, 0), |sum, has| {
        let ports = u64::from(has.ports.last.saturating_sub(has.ports.first)) + 1;
        (sum.0 + has.memory, sum.1 + has.cpu_units, sum.2 + ports)
    });
    wanted.0 > there.0 || wanted.1 > there.1 || wanted.2 > there.2 || counted.iter().any(is_scarce)
}
