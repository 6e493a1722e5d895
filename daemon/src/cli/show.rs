//! Shows what there is: status, services, tasks, hosts.

use super::client::Client;
use super::out::{self, Format, Tint, size, table, tinted};
use crate::names;
use crate::views::{HostView, Overview, ServiceView, TaskView};
use anyhow::Result;
use callboard_core::machine::Span;
use comfy_table::Cell;
use std::collections::BTreeMap;

/// Show services: how many tasks they want, how many are healthy, and how a rollout fares
///
/// STATE is one word: healthy; starting, rolling and scaling are on their way; degraded has tasks that do not do their
/// work; blocked cannot place tasks; failed gave a version up; stopping, stopped; unlisted is in no cluster. A batch
/// service is running until it has completed, or failed.
#[derive(Debug, clap::Args)]
pub(crate) struct ServicesArgs {
    /// Only this one
    pub(crate) name: Option<String>,
}

/// Show tasks: where they run, how they fare, and why not where they do not
///
/// STATE is one word: issued, pending, starting and running are on their way; healthy does its work; unhealthy fails a
/// check; failed was given up by its agent; stopping; silent is on a host that nobody hears of. MEMORY and CPU are what is
/// in use, as its host told last, of what is reserved; CPU in units, 1024 a core.
#[derive(Debug, clap::Args)]
pub(crate) struct TasksArgs {
    /// Only tasks of this service
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// Only tasks on this host
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Option<String>,
}

/// Show hosts: what they have, what tasks hold of it, and why they get no new tasks where they get none
///
/// HELD is what tasks reserved; USED is what is really in use on the machine, as it told last. CPU is in units, 1024 a core.
#[derive(Debug, clap::Args)]
pub(crate) struct HostsArgs {
    /// Only this one, with everything known of it
    pub(crate) name: Option<String>,
}

pub(crate) async fn status(client: &Client, format: Format) -> Result<()> {
    let status: Overview = client.get("/v1/status").await?;
    if format == Format::Json {
        return out::json(&status);
    }
    let host = status.host.map(|host| format!(", host {host}")).unwrap_or_default();
    out::line(&format!(
        "callboard {} ({}{host}), up {}, store {}",
        status.version,
        status.role,
        Span::secs(status.uptime_ms / 1000),
        status.store
    ));
    if let Some(id) = &status.store_id {
        out::line(&format!("store id  {id}"));
    }
    out::line(&format!("hosts     {}", counts(&status.hosts)));
    out::line(&format!("services  {}", counts(&status.services)));
    out::line(&format!("tasks     {}", counts(&status.tasks)));
    if !status.clusters.is_empty() {
        out::line("");
        let mut clusters = table(&["cluster", "scheduler", "held by", "services"]);
        for cluster in &status.clusters {
            let held = cluster.held_by.as_deref().unwrap_or("nobody: nothing is decided");
            let services = cluster.services.join(" ");
            clusters.add_row([cluster.name.as_str(), &cluster.scheduler, held, &services]);
        }
        out::show(&clusters, "");
    }
    for orphan in &status.orphans {
        out::message(&format!(
            "without a record: {orphan} runs, and the store does not know it; apply the configuration of its service"
        ));
    }
    for (key, why) in &status.problems {
        out::message(&format!("damaged: {key}: {why}"));
    }
    Ok(())
}

fn counts(states: &BTreeMap<String, u32>) -> String {
    let total: u32 = states.values().sum();
    if total == 0 {
        return "none".into();
    }
    let parts: Vec<String> = states.iter().map(|(state, count)| format!("{count} {state}")).collect();
    format!("{total}: {}", parts.join(", "))
}

pub(crate) async fn services(client: &Client, args: &ServicesArgs, format: Format) -> Result<()> {
    let services: Vec<ServiceView> = match &args.name {
        Some(name) => vec![client.get(&format!("/v1/services/{}", names::check("service", name)?)).await?],
        None => client.get("/v1/services").await?,
    };
    if format == Format::Json {
        return out::json(&services);
    }
    let mut rows =
        table(&["service", "cluster", "task", "state", "healthy", "issued", "min/max", "versions", "note"]);
    for view in &services {
        rows.add_row([
            Cell::new(&view.name),
            Cell::new(view.cluster.as_deref().unwrap_or("-")),
            Cell::new(format!("{} v{}", view.task_name, view.version)),
            tinted(&view.state, tint(&view.state)),
            Cell::new(match view.kind.as_str() {
                "batch" => format!("{}/{} completed", view.completed, view.desired),
                _ => format!("{}/{}", view.healthy, view.desired),
            }),
            Cell::new(view.issued),
            Cell::new(format!("{}/{}", view.min, view.max)),
            Cell::new(versions(view)),
            Cell::new(note(view)),
        ]);
    }
    out::show(&rows, "no services; `callboard apply -f FILE` makes some");
    Ok(())
}

fn versions(view: &ServiceView) -> String {
    let parts: Vec<String> = view
        .versions
        .iter()
        .map(|count| format!("v{} {}/{}", count.version, count.healthy, count.issued))
        .collect();
    if parts.is_empty() { "-".into() } else { parts.join(", ") }
}

fn note(view: &ServiceView) -> String {
    let mut parts: Vec<String> = Vec::new();
    if view.stopping > 0 {
        parts.push(format!("{} stopping", view.stopping));
    }
    if let Some(why) = &view.failure {
        parts.push(why.clone());
    } else if let Some(why) = &view.blocked {
        parts.push(format!("{} not placed: {why}", view.missing));
    }
    cut(&parts.join("; "))
}

/// Keeps a table readable; `callboard explain` and JSON tell all.
fn cut(text: &str) -> String {
    const LONGEST: usize = 100;
    if text.chars().count() <= LONGEST {
        text.into()
    } else {
        text.chars().take(LONGEST).chain(" ...".chars()).collect()
    }
}

pub(crate) fn tint(state: &str) -> Tint {
    match state {
        "healthy" | "ready" | "stopped" | "drained" | "completed" => Tint::Good,
        "failed" | "blocked" | "degraded" | "unhealthy" | "dead" | "silent" | "unfit" | "unregistered"
        | "unlisted" => Tint::Bad,
        _ => Tint::Busy,
    }
}

pub(crate) async fn tasks(client: &Client, args: &TasksArgs, format: Format) -> Result<()> {
    let mut query = Vec::new();
    for (name, value) in [("service", &args.service), ("host", &args.host)] {
        if let Some(value) = value {
            query.push(format!("{name}={}", names::check(name, value)?));
        }
    }
    let tasks: Vec<TaskView> = client.get(&format!("/v1/tasks?{}", query.join("&"))).await?;
    if format == Format::Json {
        return out::json(&tasks);
    }
    let columns =
        ["task", "service", "version", "state", "host", "address", "memory", "cpu", "starts", "why"];
    let mut rows = table(&columns);
    for view in &tasks {
        rows.add_row([
            Cell::new(&view.id),
            Cell::new(&view.service),
            Cell::new(view.version),
            tinted(&view.state, tint(&view.state)),
            Cell::new(&view.host),
            Cell::new(view.address.as_deref().unwrap_or("-")),
            Cell::new(share(view.memory_used, view.memory, size)),
            Cell::new(share(view.cpu_used, view.cpu_units, |units| units.to_string())),
            Cell::new(if view.state == "issued" { 0 } else { view.attempt + 1 }),
            Cell::new(cut(why(view))),
        ]);
    }
    out::show(&rows, "no tasks");
    Ok(())
}

/// Says how much is used of what is reserved.
fn share(used: Option<u64>, reserved: u64, write: impl Fn(u64) -> String) -> String {
    match used {
        Some(used) if reserved > 0 => format!("{used}/{}", write(reserved)),
        Some(used) => write(used),
        None if reserved > 0 => format!("-/{}", write(reserved)),
        None => "-".into(),
    }
}

/// Says what matters most: what is wrong; else why it stops; else nothing, since a healthy task needs no reason here.
fn why(view: &TaskView) -> &str {
    match &view.trouble {
        Some(trouble) if view.state != "healthy" => trouble,
        Some(_) | None if view.desired == "stop" => &view.why,
        Some(_) | None => "",
    }
}

pub(crate) async fn hosts(client: &Client, args: &HostsArgs, format: Format) -> Result<()> {
    if let Some(name) = &args.name {
        let host: HostView = client.get(&format!("/v1/hosts/{}", names::check("host", name)?)).await?;
        return if format == Format::Json { out::json(&host) } else { one_host(&host) };
    }
    let hosts: Vec<HostView> = client.get("/v1/hosts").await?;
    if format == Format::Json {
        return out::json(&hosts);
    }
    let columns = [
        "host",
        "state",
        "tasks",
        "memory held",
        "memory used",
        "cpu held",
        "cpu used",
        "ports held",
        "executors",
        "address",
        "why",
    ];
    let mut rows = table(&columns);
    for view in &hosts {
        rows.add_row([
            Cell::new(&view.name),
            tinted(&view.state, tint(&view.state)),
            Cell::new(view.tasks),
            Cell::new(format!("{} of {}", size(view.memory_held), size(view.memory))),
            Cell::new(view.memory_used.map_or("-".into(), size)),
            Cell::new(format!("{} of {}", view.cpu_held, view.cpu_units)),
            Cell::new(view.cpu_used.map_or("-".into(), |used| used.to_string())),
            Cell::new(view.ports_held),
            Cell::new(view.executors.join(" ")),
            Cell::new(&view.address),
            Cell::new(view.why.as_deref().unwrap_or("")),
        ]);
    }
    out::show(&rows, "no hosts; `callboard agent` makes this machine one");
    Ok(())
}

fn one_host(host: &HostView) -> Result<()> {
    let labels: Vec<String> = host.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let why = host.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    let in_use = |used: Option<String>| used.map(|used| format!(", {used} in use on the machine"));
    let memory_used = in_use(host.memory_used.map(size)).unwrap_or_default();
    let cpu_used = in_use(host.cpu_used.map(|used| used.to_string())).unwrap_or_default();
    let held = |name: &String| host.resources_held.get(name).copied().unwrap_or(0);
    let resources: Vec<String> =
        host.resources.iter().map(|(name, count)| format!("{} of {count} {name} held", held(name))).collect();
    let disk = match host.disk {
        0 => "not counted".to_string(),
        disk => format!("{} of {} held", size(host.disk_held), size(disk)),
    };
    let facts = [
        ("host", host.name.clone()),
        ("state", format!("{}{why}", host.state)),
        ("address", host.address.clone()),
        ("agent", format!("{} {}", host.agent_version, host.api.as_deref().unwrap_or(""))),
        ("tasks", host.tasks.to_string()),
        ("memory", format!("{} of {} held{memory_used}", size(host.memory_held), size(host.memory))),
        ("cpu", format!("{} of {} units held{cpu_used}", host.cpu_held, host.cpu_units)),
        ("ports", format!("{} of {} held", host.ports_held, host.ports)),
        ("disk", disk),
        ("resources", resources.join(", ")),
        ("executors", host.executors.join(" ")),
        ("labels", labels.join(" ")),
    ];
    for (name, value) in facts {
        out::line(format!("{name:<10} {value}").trim_end());
    }
    Ok(())
}

pub(crate) fn version(format: Format) -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    if format == Format::Json {
        return out::json(&serde_json::json!({ "version": version, "api": "v1" }));
    }
    out::line(&format!("callboard {version}"));
    Ok(())
}
