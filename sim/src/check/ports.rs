//! S10: no two tasks on a host have the same port, in the records or in truth, and ports are given away from the host's
//! range only.

use super::page::HostPage;
use super::record::{TaskRecord, Text};
use super::{Alive, Book, Check, Findings, Seen};

/// Looks at the ports of what is created and of what is born.
#[derive(Clone)]
pub(crate) struct PortClaims;

impl Check for PortClaims {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        for task in seen.created() {
            blame_further(seen, task, found);
            let Some(page) = seen.book.hosts.get(&task.host) else { continue };
            blame_withheld(seen.book, task, page, found);
            let Some(port) = task.port else { continue };
            let taken = seen.book.issued_to(&task.host).find(|twin| {
                let over = seen.book.status(twin).is_some_and(|status| status.record.is_over());
                twin.id != task.id && twin.port == Some(port) && !over
            });
            if let Some(other) = taken {
                found.blame(
                    "S10",
                    format!("{} and {} both have port {port} of {}", task.id, other.id, task.host),
                );
            }
        }
    }

    fn born(&mut self, book: &Book, host: &Text, id: &Text, alive: &Alive, found: &mut Findings) {
        // What its executors do not tell of, an agent takes for gone.
        let Some(port) = alive.port.filter(|_| !book.is_misled(host)) else { return };
        let from = (host.clone(), Text::from(""));
        let here = book.live.range(from..).take_while(|((of, _), _)| of == host);
        for ((_, other), list) in here {
            if other != id && list.iter().any(|other| other.port == Some(port)) {
                found.blame("S10", format!("{id} and {other} live on {host} with the same port {port}"));
            }
        }
    }
}

/// Looks for ports that were chosen for a task, though its host does not give them away.
fn blame_withheld(book: &Book, task: &TaskRecord, page: &HostPage, found: &mut Findings) {
    let Some(definition) = book.definitions.get(&(task.task_name.clone(), task.version)) else { return };
    let own = task.port.filter(|_| definition.port == 0);
    let fixed =
        |name: &Text| definition.ports.iter().any(|asked| asked.name == *name && asked.port.is_some());
    let further = task.ports.iter().filter(|(name, _)| !fixed(name)).map(|(_, port)| port.port);
    let is_withheld = |port: &u16| {
        let reserved = page.config.as_ref().is_some_and(|config| config.reserved_ports.contains(port));
        let range = page.registration.as_ref().map(|has| &has.ports);
        reserved || range.is_some_and(|range| *port < range.first || *port > range.last)
    };
    if let Some(port) = own.into_iter().chain(further).find(is_withheld) {
        found.blame("S10", format!("{} got port {port}, which {} does not give away", task.id, task.host));
    }
}

/// Gives all ports of a task, by protocol.
fn all_ports(task: &TaskRecord) -> impl Iterator<Item = (&str, u16)> {
    let further =
        task.ports.values().map(|port| (if port.protocol == "udp" { "udp" } else { "tcp" }, port.port));
    task.port.map(|port| ("tcp", port)).into_iter().chain(further)
}

/// Looks for other tasks on the host with one of the ports that a task has beside its own.
fn blame_further(seen: &Seen<'_>, task: &TaskRecord, found: &mut Findings) {
    if task.ports.is_empty() {
        return;
    }
    for other in seen.book.issued_to(&task.host).filter(|twin| twin.id != task.id) {
        let over = seen.book.status(other).is_some_and(|status| status.record.is_over());
        let shared = all_ports(task).find(|port| all_ports(other).any(|taken| taken == *port));
        if let Some((protocol, port)) = shared.filter(|_| !over) {
            let (id, host) = (&task.id, &task.host);
            found.blame("S10", format!("{id} and {} both have {protocol} port {port} of {host}", other.id));
        }
    }
}
