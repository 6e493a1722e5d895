//! Shows what is true at a moment of a run: a host, a service, a task, or everything.

use super::replay::moment;
use crate::cli::out::{self, Format};
use crate::problem::{Kind, Problem};
use anyhow::Result;
use callboard_core::config::distance;
use callboard_core::machine::Time;
use callboard_core::model::Name;
use callboard_core::scheduler::Explanation;
use callboard_sim::replay::{Departure, HostState, Overview, Replay, ServiceState, TaskState};
use serde_json::json;

/// What the user wants to look at.
pub(super) struct Named<'a> {
    pub(super) host: Option<&'a str>,
    pub(super) service: Option<&'a str>,
    pub(super) task: Option<&'a str>,
}

/// Shows what is named, as it is now; everything when nothing is.
pub(super) fn look(
    replay: &Replay,
    named: &Named<'_>,
    explain: Option<&str>,
    everything: bool,
    format: Format,
) -> Result<()> {
    let until = moment(replay.now());
    if let Some(name) = named.host {
        let host = replay.host(name).ok_or_else(|| unknown("host", name, replay.host_names(), &until))?;
        if is_table(format, &host) {
            show_host(&host);
        }
    }
    if let Some(name) = named.service {
        let service =
            replay.service(name).ok_or_else(|| unknown("service", name, replay.service_names(), &until))?;
        let tasks = replay.tasks_of(name);
        if is_table(format, &json!({ "service": service, "tasks": tasks })) {
            show_services(std::slice::from_ref(&service));
            show_departure(name, service.gone.as_ref());
            show_tasks(&tasks);
        }
    }
    if let Some(id) = named.task {
        let task = replay.task(id).ok_or_else(|| unknown("task", id, replay.task_names(), &until))?;
        if is_table(format, &task) {
            show_tasks(std::slice::from_ref(&task));
            show_departure(id, task.gone.as_ref());
        }
    }
    if let Some(name) = explain {
        let told = replay.explain(name).ok_or_else(|| {
            let body =
                format!("nobody can say at {}: no scheduler looks after {name:?}", moment(replay.now()));
            Problem::new(Kind::NotFound, body)
        })?;
        show_explanation(&told, format);
    } else if everything && named.host.is_none() && named.service.is_none() && named.task.is_none() {
        let overview = replay.overview();
        if is_table(format, &overview) {
            show_overview(&overview, &moment(replay.now()));
        }
    }
    Ok(())
}

/// How many names are shown in place of one that nothing ever had.
const NEAREST: usize = 3;

/// Says that nothing ever had a name, and which names are nearest.
fn unknown<'a>(what: &str, name: &str, names: impl Iterator<Item = &'a Name>, until: &str) -> Problem {
    let problem = Problem::new(Kind::Invalid, format!("there was no {what} {name:?} until {until}"));
    let mut near: Vec<(usize, &Name)> = names.map(|other| (distance(name, other), other)).collect();
    near.sort_unstable();
    let near: Vec<&str> = near.iter().take(NEAREST).map(|(_, other)| &***other).collect();
    if near.is_empty() { problem } else { problem.hint(format!("the nearest names are {}", near.join(", "))) }
}

/// Writes a line of JSON where that is wanted; true when a table is.
fn is_table(format: Format, shown: &impl serde::Serialize) -> bool {
    match format {
        Format::Table => true,
        Format::Json => {
            out::line(&json!(shown).to_string());
            false
        }
    }
}

fn show_overview(overview: &Overview, at: &str) {
    out::line(&format!(
        "at {at}: {} hosts, {} off, {} not heard of",
        overview.hosts, overview.hosts_off, overview.hosts_silent
    ));
    for (cluster, holder) in &overview.locks {
        let holder = holder.map_or("nobody".into(), |index| format!("scheduler {index}"));
        out::line(&format!("cluster {cluster}: {holder} holds the lock"));
    }
    show_services(&overview.services);
}

fn show_services(services: &[ServiceState]) {
    let columns = ["service", "version", "wanted", "healthy", "confirmed", "issued", "min", "max", "rollout"];
    let mut rows = out::table(&columns);
    for service in services {
        rows.add_row([
            service.service.to_string(),
            service.version.to_string(),
            service.wanted.to_string(),
            service.healthy.to_string(),
            service.confirmed.to_string(),
            service.issued.to_string(),
            service.min.to_string(),
            service.max.to_string(),
            service.rollout.clone(),
        ]);
    }
    out::show(&rows, "no services");
}

fn show_host(host: &HostState) {
    let alive = if host.alive { "in the store" } else { "not in the store" };
    let facts = [
        ("host", host.host.to_string()),
        ("is", host.is.clone()),
        ("agent", host.agent.clone()),
        ("alive", format!("its sign of life is {alive}")),
        ("drained", if host.draining { "yes" } else { "no" }.into()),
        ("memory", format!("{} of {} issued", out::size(host.memory_issued), out::size(host.memory))),
        ("in use", out::size(host.memory_used)),
    ];
    facts.iter().for_each(|(name, value)| out::line(&format!("{name:<8} {value}")));
    show_tasks(&host.tasks);
}

fn show_tasks(tasks: &[TaskState]) {
    let mut rows =
        out::table(&["task", "service", "version", "placement", "host", "desired", "said", "really"]);
    for task in tasks {
        let really: Vec<String> = task
            .processes
            .iter()
            .map(|process| {
                let health = if process.healthy { "healthy" } else { "not healthy" };
                format!("process {} on {}, {health}", process.pid, process.host)
            })
            .collect();
        rows.add_row([
            task.task.to_string(),
            task.service.to_string(),
            task.version.to_string(),
            task.generation.to_string(),
            task.host.to_string(),
            task.desired.clone(),
            task.said.clone(),
            if really.is_empty() { "nothing lives".into() } else { really.join("; ") },
        ]);
    }
    out::show(&rows, "no tasks");
}

/// Says when something went that is gone: what stands above it is what was last known.
fn show_departure(name: &str, gone: Option<&Departure>) {
    if let Some(Departure { at_ms, how }) = gone {
        out::line(&format!("{name} is gone since {}: {how}", moment(Time(*at_ms))));
    }
}

fn show_explanation(told: &Explanation, format: Format) {
    let mut rows = out::table(&["host", "fits", "why"]);
    for reason in &told.hosts {
        let why = reason.to_string();
        let fits = reason.obstacles.is_empty();
        if is_table(format, &json!({ "host": reason.host, "fits": fits, "why": why })) {
            rows.add_row([reason.host.to_string(), if fits { "yes" } else { "no" }.into(), why]);
        }
    }
    let remedies = told.remedies.iter().map(ToString::to_string);
    let lines: Vec<String> = told.choice().into_iter().chain(remedies).collect();
    match format {
        Format::Table => {
            out::show(&rows, "no hosts");
            lines.iter().for_each(|line| out::line(line));
        }
        Format::Json => lines.iter().for_each(|line| out::line(&json!({ "note": line }).to_string())),
    }
}
