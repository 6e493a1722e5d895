//! Whether some host could take one more task of a service, as far as the store and the rules for placement say; and
//! whether all could take what is wanted.

use super::Book;
use super::book::HostPage;
use super::record::{DefinitionRecord, Text};
use callboard_core::machine::Span;

/// How long a host must have been heard of to count.
const SETTLED: Span = Span::secs(30);

/// Finds a host that could take a task of this version.
pub(super) fn host_for<'a>(book: &'a Book, task: &Text, version: u32) -> Option<&'a Text> {
    let definition = book.definitions.get(&(task.clone(), version))?;
    book.hosts.iter().find(|(host, page)| has_room(book, host, page, definition)).map(|(host, _)| host)
}

/// Tells whether a host could take a task of a definition.
pub(super) fn has_room(book: &Book, host: &Text, page: &HostPage, definition: &DefinitionRecord) -> bool {
    let Some(has) = &page.registration else { return false };
    let config = page.config.as_ref();
    let settled = page.alive && book.now.since(page.alive_since) > SETTLED;
    let welcome = page.draining_since.is_none() && page.usage.as_ref().is_some_and(|usage| usage.welcomes());
    let able = definition.containers.iter().all(|container| has.executors.contains(&container.kind));
    let claims = || page.ledger.clusters.values();
    // What nobody's ledger holds takes room, too.
    let issued = || book.issued_to(host);
    let memory = claims().map(|claim| claim.memory).sum::<u64>().max(issued().map(|it| it.memory).sum());
    let cpu_units =
        claims().map(|claim| claim.cpu_units).sum::<u64>().max(issued().map(|it| it.cpu_units).sum());
    let roomy = memory + definition.memory <= has.memory && cpu_units + definition.cpu_units <= has.cpu_units;
    let is_free = |port: &u16| {
        !claims().any(|claim| claim.ports.contains(port))
            && !config.is_some_and(|config| config.reserved_ports.contains(port))
            && !book.lives_on(host).any(|alive| alive.port == Some(*port))
    };
    let port = match definition.port {
        0 if definition.provide_port => (has.ports.first..=has.ports.last).any(|port| is_free(&port)),
        0 => true,
        fixed => is_free(&fixed),
    };
    settled && welcome && able && roomy && port
}

/// Tells whether all that users want needs more than these hosts have.
pub(super) fn is_overbooked(book: &Book, hosts: &[Text]) -> bool {
    let mut wanted = (0, 0, 0);
    for (_, page) in book.services.iter().filter(|(name, _)| book.is_wanted(name)) {
        let Some(record) = &page.record else { continue };
        let Some(definition) = book.definitions.get(&(record.task_name.clone(), record.task_version)) else {
            continue;
        };
        // One more, so that a version can be replaced.
        let count = u64::from(book.target(record)) + 1;
        wanted.0 += definition.memory * count;
        wanted.1 += definition.cpu_units * count;
        wanted.2 += u64::from(definition.provide_port) * count;
    }
    let has =
        hosts.iter().filter_map(|host| book.hosts.get(host)).filter(|page| page.draining_since.is_none());
    let there = has.filter_map(|page| page.registration.as_ref()).fold((0, 0, 0), |sum, has| {
        let ports = u64::from(has.ports.last.saturating_sub(has.ports.first)) + 1;
        (sum.0 + has.memory, sum.1 + has.cpu_units, sum.2 + ports)
    });
    wanted.0 > there.0 || wanted.1 > there.1 || wanted.2 > there.2
}
