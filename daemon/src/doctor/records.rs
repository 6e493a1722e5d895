//! What is wrong with the records of a cluster, and what of them nobody needs any more.

use super::Finding;
use crate::views::Board;
use callboard_core::invariants;
use callboard_core::keys::Key;
use callboard_core::machine::Span;
use callboard_core::session::{RENEWALS_PER_SECOND_MAX, ttl_of_fleet};
use callboard_core::store::Entry;
use callboard_core::world::World;
use std::sync::Arc;

/// How often a second an agent that is not told otherwise renews its session: three times in 10 s.
const HOSTS_FAST_MAX: u64 = RENEWALS_PER_SECOND_MAX * 10 / 3;

pub(super) fn examine(entries: &[Arc<Entry>]) -> Vec<Finding> {
    let mut board = Board::default();
    board.take(entries);
    let mut findings = vec![Finding::fact(format!(
        "{} hosts, {} clusters, {} services, {} tasks",
        board.registrations.len(),
        board.clusters.len(),
        board.services.len(),
        board.tasks.len()
    ))];
    findings.extend(board.problems.iter().map(|(key, why)| {
        Finding::wrong(
            format!("{key}: {why}"),
            "see who wrote it; put it right or delete it with the store's own tools",
        )
    }));
    findings.extend(invariants::check(&World::of(entries)).iter().map(|violation| {
        Finding::wrong(
            violation.to_string(),
            "a scheduler puts records right that it can read; is one running? if it stays, report it",
        )
    }));
    sessions(entries, &mut findings);
    clusters(&board, &mut findings);
    hosts(&board, &mut findings);
    leftovers(&board, &mut findings);
    findings
}

/// Locks and signs of life must vanish with whoever put them.
fn sessions(entries: &[Arc<Entry>], findings: &mut Vec<Finding>) {
    for entry in entries.iter().filter(|entry| entry.session.is_none()) {
        let what = match Key::parse(&entry.key) {
            Some(Key::Lock(cluster)) => {
                format!("the lock of cluster {cluster} belongs to no session, so nobody can take it")
            }
            Some(Key::Alive(host)) => {
                format!("the sign of life of host {host} belongs to no session, so it never ends")
            }
            Some(
                Key::Cluster(_)
                | Key::Service(_)
                | Key::Definition(..)
                | Key::HostConfig(_)
                | Key::Task(_)
                | Key::HostTask(..)
                | Key::Ledger(_)
                | Key::ServiceState(_)
                | Key::Registration(_)
                | Key::Usage(_)
                | Key::Move(..)
                | Key::Orphan(..)
                | Key::Offer(..)
                | Key::Bid(..)
                | Key::Status(..)
                | Key::StoreId,
            )
            | None => continue,
        };
        findings.push(Finding::wrong(what, format!("delete {} with the store's own tools", entry.key)));
    }
}

fn clusters(board: &Board, findings: &mut Vec<Finding>) {
    for (name, cluster) in &board.clusters {
        if !board.locks.contains_key(name) {
            findings.push(Finding::wrong(
                format!("no scheduler holds the lock of cluster {name}, so nothing is decided"),
                format!(
                    "start the one it names: `callboard scheduler --scheduler-name {} …`",
                    cluster.scheduler
                ),
            ));
        }
    }
    for name in board.locks.keys().filter(|name| !board.clusters.contains_key(*name)) {
        findings.push(Finding::warning(
            format!("the lock of cluster {name} is held, and there is no such cluster"),
            "see who holds it; it goes when that scheduler ends",
        ));
    }
}

fn hosts(board: &Board, findings: &mut Vec<Finding>) {
    for name in board.registrations.keys().filter(|name| !board.alive.contains_key(*name)) {
        let tasks = board.tasks.values().filter(|task| task.host == *name).count();
        findings.push(Finding::warning(
            format!("host {name} gives no sign of life; {tasks} tasks are issued to it"),
            format!("start its agent; if it is gone for good: `callboard delete host {name}`"),
        ));
    }
    let alive = u64::try_from(board.alive.len()).unwrap_or(u64::MAX);
    if alive > HOSTS_FAST_MAX {
        findings.push(Finding::fact(format!(
            "{alive} hosts: start agents with --host-ttl {} or more, so that renewals do not drown the store",
            ttl_of_fleet(Span(0), alive)
        )));
    }
}

/// Records that speak of what is no longer there.
fn leftovers(board: &Board, findings: &mut Vec<Finding>) {
    for (host, id) in board.orphans.keys() {
        findings.push(Finding::warning(
            format!("{host} runs {id}, of which the store has no record"),
            "a scheduler adopts it, or has it stopped when nobody wants it; is one running?",
        ));
    }
    let mut leave = |what: String, key: Key| {
        let next = format!("nothing reads it; delete {} with the store's own tools", key.path());
        findings.push(Finding::warning(what, next));
    };
    let is_issued = |host: &str, id: &str| board.tasks.get(id).is_some_and(|task| &*task.host == host);
    for (host, id) in board.statuses.keys().filter(|(host, id)| !is_issued(host, id)) {
        leave(
            format!("{host} speaks of {id}, which is not issued to it"),
            Key::Status(host.clone(), id.clone()),
        );
    }
    for (host, id) in board.moves.keys().filter(|(host, id)| !is_issued(host, id)) {
        leave(
            format!("{host} asks to move {id}, which is not issued to it"),
            Key::Move(host.clone(), id.clone()),
        );
    }
    let is_known =
        |service: &str| board.services.contains_key(service) || board.tasks_of(service).next().is_some();
    for service in board.service_states.keys().filter(|service| !is_known(service)) {
        leave(
            format!("a rollout of {service} is remembered, and there is no such service"),
            Key::ServiceState(service.clone()),
        );
    }
    let is_host = |name: &str| board.registrations.contains_key(name);
    for host in board.usages.keys().filter(|host| !is_host(host)) {
        leave(format!("use of host {host} is told, and there is no such host"), Key::Usage(host.clone()));
    }
}
