//! Builds views from the records of the store.

use super::{Board, ClusterView, HostView, ServiceView, TaskView, VersionCount};
use callboard_core::model::{Desired, Health, Kind, Name, Phase, Rollout, Service, Task};
#[cfg(test)]
use callboard_core::store::Entry;
use std::collections::BTreeMap;

/// What of a service cannot be placed, and why, by service; known only where a scheduler lives.
pub(crate) type Blocked = BTreeMap<String, (u32, String)>;

/// Shows all services.
pub(crate) fn services(board: &Board, blocked: &Blocked) -> Vec<ServiceView> {
    board.services.values().map(|found| service(board, found, blocked)).collect()
}

/// Shows a service.
pub(crate) fn service(board: &Board, service: &Service, blocked: &Blocked) -> ServiceView {
    let home = board.home(&service.name);
    let mut view = ServiceView {
        name: service.name.to_string(),
        cluster: home.map(|cluster| cluster.name.to_string()),
        scheduled: home.is_some_and(|cluster| board.locks.contains_key(&cluster.name)),
        task_name: service.task_name.to_string(),
        version: service.task_version,
        kind: service.kind.name().as_str().into(),
        desired: service.desired,
        min: service.min,
        max: service.max,
        stopped: service.stopped,
        ..ServiceView::default()
    };
    count(board, service, &mut view);
    let state = board.service_states.get(&service.name);
    match service.kind {
        Kind::Service => {}
        Kind::System => {
            let (hosts, min) = state.map_or((0, 0), |state| (state.hosts, state.min));
            (view.desired, view.min, view.max) = (hosts, min, hosts);
        }
        Kind::Batch(batch) => {
            (view.desired, view.max) = (batch.completions, batch.parallelism);
            let of_version = state.filter(|state| state.version == service.task_version);
            view.completed = of_version.and_then(|state| state.completed).unwrap_or(0);
            view.failed = of_version.map_or(0, |state| state.failures);
        }
    }
    if let Some(state) = board.service_states.get(&service.name) {
        view.stable = state.stable;
        if state.version == service.task_version && state.retry == service.retry {
            let (word, why) = match &state.rollout {
                Rollout::Running => ("running", None),
                Rollout::Done => ("done", None),
                Rollout::Failed { reason } => ("failed", Some(reason.clone())),
            };
            view.rollout = Some(word.into());
            view.failure = why;
        }
    }
    if let Some((missing, why)) = blocked.get(&*service.name) {
        view.missing = *missing;
        view.blocked = Some(why.clone());
    }
    view.state = service_state(&view).into();
    view
}

fn count(board: &Board, service: &Service, view: &mut ServiceView) {
    let mut versions: BTreeMap<u32, VersionCount> = BTreeMap::new();
    for task in board.tasks_of(&service.name) {
        if task.desired == Desired::Stop {
            view.stopping += 1;
            continue;
        }
        let state = task_state(board, task);
        let healthy = u32::from(state == "healthy");
        let version = versions.entry(task.version).or_default();
        version.version = task.version;
        version.issued += 1;
        version.healthy += healthy;
        view.issued += 1;
        view.healthy += healthy;
        view.ailing += u32::from(matches!(state, "unhealthy" | "failed" | "dead" | "silent"));
    }
    view.versions = versions.into_values().rev().collect();
}

fn service_state(view: &ServiceView) -> &'static str {
    let target = if view.stopped { 0 } else { view.desired };
    let current = view.versions.iter().find(|count| count.version == view.version);
    let (issued, healthy) = current.map_or((0, 0), |count| (count.issued, count.healthy));
    let rolling = view.rollout.as_deref() == Some("running");
    match () {
        () if view.cluster.is_none() && view.issued + view.stopping == 0 => "unlisted",
        () if view.kind == "batch" && !view.stopped => batch_state(view),
        () if view.kind == "system" && !view.stopped && view.rollout.is_none() => "starting",
        () if view.kind == "system" && !view.stopped && target + view.issued + view.stopping == 0 => {
            "healthy"
        }
        () if target == 0 && view.issued + view.stopping == 0 => "stopped",
        () if target == 0 || view.cluster.is_none() => "stopping",
        () if view.failure.is_some() => "failed",
        () if healthy >= target && view.issued == target && !rolling => "healthy",
        () if view.blocked.is_some() => "blocked",
        () if issued < view.issued => "rolling",
        () if view.ailing > 0 => "degraded",
        () if view.stable.is_none() => "starting",
        () if rolling => "rolling",
        () if view.issued > target || view.stopping > 0 => "scaling",
        () => "starting",
    }
}

fn batch_state(view: &ServiceView) -> &'static str {
    match view.rollout.as_deref() {
        Some("done") => "completed",
        Some("failed") => "failed",
        Some(_) if view.blocked.is_some() => "blocked",
        Some(_) if view.healthy > 0 => "running",
        Some(_) | None => "starting",
    }
}

/// Shows all tasks.
pub(crate) fn tasks(board: &Board) -> Vec<TaskView> {
    board.tasks.values().map(|found| task(board, found)).collect()
}

/// Shows a task.
pub(crate) fn task(board: &Board, task: &Task) -> TaskView {
    let status = board.status(task);
    let address = board.registrations.get(&task.host).map(|host| host.address.clone());
    let usage = board.usages.get(&task.host);
    TaskView {
        id: task.id.to_string(),
        cluster: task.cluster.to_string(),
        service: task.service.to_string(),
        version: task.version,
        instance: task.instance,
        generation: task.generation,
        host: task.host.to_string(),
        address: task.port.map(|port| match address {
            Some(address) if address.contains(':') => format!("[{address}]:{port}"),
            Some(address) => format!("{address}:{port}"),
            None => format!(":{port}"),
        }),
        state: task_state(board, task).into(),
        desired: match task.desired {
            Desired::Run => "run".into(),
            Desired::Stop => "stop".into(),
        },
        attempt: status.map_or(0, |status| status.attempt),
        memory: task.memory,
        memory_used: usage.and_then(|usage| usage.tasks.get(&*task.id).copied()),
        cpu_units: task.cpu_units,
        cpu_used: usage.and_then(|usage| usage.tasks_cpu.get(&*task.id).copied()),
        why: task.reason.clone(),
        trouble: status.and_then(|status| status.reason.clone()),
    }
}

fn task_state(board: &Board, task: &Task) -> &'static str {
    let status = board.status(task);
    if !board.alive.contains_key(&task.host) && !status.is_some_and(|status| status.phase.is_over()) {
        return "silent";
    }
    match (task.desired, status.map(|status| (status.phase, status.health))) {
        (_, Some((Phase::Completed, _))) => "completed",
        (Desired::Stop, Some((Phase::Dead | Phase::Failed, _))) => "gone",
        (Desired::Stop, _) => "stopping",
        (Desired::Run, None) => "issued",
        (Desired::Run, Some((Phase::Failed, _))) => "failed",
        (Desired::Run, Some((Phase::Dead, _))) => "dead",
        (Desired::Run, Some((Phase::Stopping, _))) => "stopping",
        (Desired::Run, Some((_, Health::Unhealthy))) => "unhealthy",
        (Desired::Run, Some((Phase::Running, Health::Healthy))) => "healthy",
        (Desired::Run, Some((Phase::Running, Health::Unknown))) => "running",
        (Desired::Run, Some((Phase::Starting, _))) => "starting",
        (Desired::Run, Some((Phase::Pending, _))) => "pending",
    }
}

/// Shows all hosts: those registered and those that only users or task records speak of.
pub(crate) fn hosts(board: &Board) -> Vec<HostView> {
    let mut names: Vec<&Name> = board.registrations.keys().chain(board.host_configs.keys()).collect();
    names.extend(board.tasks.values().map(|task| &task.host));
    names.sort();
    names.dedup();
    names.into_iter().map(|name| host(board, name)).collect()
}

fn host(board: &Board, name: &Name) -> HostView {
    let mut view = HostView { name: name.to_string(), ..HostView::default() };
    if let Some(has) = board.registrations.get(name) {
        view.address.clone_from(&has.address);
        view.memory = has.memory;
        view.cpu_units = has.cpu_units;
        view.ports = format!("{}-{}", has.ports.first, has.ports.last);
        view.disk = has.disk;
        view.resources = has.resources.iter().map(|(name, count)| (name.to_string(), *count)).collect();
        view.executors.clone_from(&has.executors);
        view.labels.clone_from(&has.labels);
        view.agent_version.clone_from(&has.agent_version);
        view.api.clone_from(&has.api);
    }
    for claim in board.ledgers.get(name).iter().flat_map(|ledger| ledger.clusters.values()) {
        view.memory_held += claim.memory;
        view.cpu_held += claim.cpu_units;
        view.ports_held += u32::try_from(claim.ports.len()).unwrap_or(u32::MAX);
        view.disk_held += claim.disk;
        for (name, count) in &claim.resources {
            *view.resources_held.entry(name.to_string()).or_default() += count;
        }
    }
    let usage = board.usages.get(name);
    view.memory_used = usage.map(|usage| usage.memory_used);
    view.cpu_used = usage.and_then(|usage| usage.cpu_used);
    let here = board.tasks.values().filter(|task| task.host == *name).count();
    view.tasks = u32::try_from(here).unwrap_or(u32::MAX);
    let (state, why) = host_state(board, name, view.tasks);
    view.state = state.into();
    view.why = why;
    view
}

fn host_state(board: &Board, name: &Name, tasks: u32) -> (&'static str, Option<String>) {
    let draining = board.host_configs.get(name).is_some_and(|config| config.draining);
    let usage = board.usages.get(name);
    let whole = usage.and_then(|usage| usage.unfit.clone());
    let parts = usage.iter().flat_map(|usage| &usage.unfit_for);
    let parts: Vec<String> = parts.map(|(executor, why)| format!("unfit for {executor}: {why}")).collect();
    let parts = (!parts.is_empty()).then(|| parts.join("; "));
    let has_fit = board.registrations.get(name).is_some_and(|has| {
        let is_fit = |kind: &String| usage.is_none_or(|usage| !usage.unfit_for.contains_key(kind));
        has.executors.iter().any(is_fit)
    });
    match () {
        () if !board.registrations.contains_key(name) => {
            ("unregistered", Some("no agent has ever named this host".into()))
        }
        () if !board.alive.contains_key(name) => ("silent", Some("its agent gives no sign of life".into())),
        () if draining && tasks == 0 => ("drained", Some("by `callboard drain`".into())),
        () if draining => ("draining", Some("by `callboard drain`".into())),
        () if whole.is_some() => ("unfit", whole),
        () if parts.is_some() && !has_fit => ("unfit", parts),
        () => ("ready", parts),
    }
}

/// Shows everything at a glance; the caller fills in what it knows of itself.
pub(crate) fn overview(board: &Board, blocked: &Blocked) -> super::Overview {
    super::Overview {
        version: env!("CARGO_PKG_VERSION").into(),
        store: String::new(),
        role: String::new(),
        uptime_ms: 0,
        host: None,
        clusters: board
            .clusters
            .values()
            .map(|cluster| ClusterView {
                name: cluster.name.to_string(),
                scheduler: cluster.scheduler.to_string(),
                held_by: board.locks.get(&cluster.name).cloned(),
                services: cluster.services.iter().map(ToString::to_string).collect(),
            })
            .collect(),
        services: tally(services(board, blocked).into_iter().map(|view| view.state)),
        tasks: tally(tasks(board).into_iter().map(|view| view.state)),
        hosts: tally(hosts(board).into_iter().map(|view| view.state)),
        store_id: board.store_id.as_ref().map(|of| of.id.to_string()),
        orphans: board.orphans.keys().map(|(host, id)| format!("{id} on {host}")).collect(),
        problems: board.problems.clone(),
    }
}

fn tally(states: impl Iterator<Item = String>) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for state in states {
        *counts.entry(state).or_insert(0) += 1;
    }
    counts
}

/// Makes entries of plain keys and values.
#[cfg(test)]
pub(crate) fn entries(records: &[(&str, String)]) -> Vec<std::sync::Arc<Entry>> {
    let entry = |(key, value): &(&str, String)| Entry {
        key: (*key).into(),
        value: value.clone(),
        revision: callboard_core::store::Revision(1),
        session: None,
    };
    records.iter().map(entry).map(std::sync::Arc::new).collect()
}
