//! Why a task is where it is, or why it waits.

use super::Api;
use crate::names;
use crate::problem::Problem;
use crate::views::{self, Board, Explanation, Figure, HostReason, ServiceView, Stands, TaskView};
use axum::extract::{Path, State};
use axum::response::Json;
use callboard_core::model::{Name, Service, Task};
use callboard_core::scheduler;
use std::sync::Arc;

pub(super) async fn explain(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<Json<Explanation>, Problem> {
    let name = names::check_id(&name)?;
    let board = api.board().await?;
    let explanation = if let Some(task) = board.tasks.get(name) {
        explain_task(&api, &board, task).await
    } else if let Some(service) = board.services.get(name) {
        explain_service(&api, &board, service).await
    } else {
        return Err(Problem::unknown("task or service", name, "tasks` and `callboard services"));
    };
    Ok(Json(explanation))
}

async fn explain_task(api: &Api, board: &Board, task: &Task) -> Explanation {
    let view = views::task(board, task);
    let mut facts = vec![
        format!("{}: {}", view.state, meaning(&view)),
        format!("on {} (placement {}): {}", view.host, view.generation, view.why),
    ];
    if let Some(trouble) = &view.trouble {
        facts.push(format!("its agent says: {trouble}"));
    }
    if view.attempt > 0 {
        facts.push(format!("it was started {} times in this placement", view.attempt + 1));
    }
    let service = board.services.get(&task.service);
    if let Some(service) = service.filter(|service| service.task_version != task.version) {
        facts.push(format!(
            "the service is to run version {}, this is version {}",
            service.task_version, task.version
        ));
    }
    let wish = board.moves.get(&(task.host.clone(), task.id.clone()));
    if let Some(wish) = wish.filter(|wish| wish.generation == task.generation) {
        facts.push(format!("its agent asked for it to run elsewhere: {}", wish.reason));
    }
    let meets = match service {
        Some(service) => meets(api, &task.cluster, service).await,
        None => Meets::default(),
    };
    facts.extend(meets.choice);
    let hint = match view.state.as_str() {
        "failed" | "unhealthy" | "pending" | "dead" => {
            Some(format!("`callboard logs {}` shows what it wrote", view.id))
        }
        _ => None,
    };
    let about = format!("task {}", view.id);
    Explanation { about, facts, hosts: meets.hosts, remedies: meets.remedies, hint }
}

fn meaning(view: &TaskView) -> &'static str {
    match view.state.as_str() {
        "issued" => "its host's agent has not taken it up yet",
        "pending" => "its agent waits for its turn or for a back-off to run out",
        "starting" => "it is being set up",
        "running" => "its processes exist, its checks have not passed yet",
        "healthy" => "it does its work",
        "unhealthy" => "a check fails, or it is not up and waits to be started again",
        "failed" => "its agent has given up on it",
        "completed" => "it has run to its end",
        "dead" => "nothing of it is left",
        "stopping" => "it was told to stop and is not gone yet",
        "gone" => "it was told to stop and is gone; its record follows",
        "silent" => "its host gives no sign of life, so nothing is known of it",
        _ => "",
    }
}

async fn explain_service(api: &Api, board: &Board, service: &Service) -> Explanation {
    let view = views::service(board, service, &api.blocked().await);
    let cluster = board.home(&service.name).map(|cluster| cluster.name.clone());
    let meets = match &cluster {
        Some(cluster) => meets(api, cluster, service).await,
        None => Meets::default(),
    };
    let (mut facts, hint) = facts(&view, service.parallel(), api.scheduler.is_some());
    facts.extend(ailing(board, service));
    facts.extend(meets.choice);
    let about = format!("service {}", view.name);
    Explanation { about, facts, hosts: meets.hosts, remedies: meets.remedies, hint }
}

/// Tells of the tasks of a service that do not do their work, or whose start waits for something; of a few of them when
/// there are many.
fn ailing(board: &Board, service: &Service) -> Vec<String> {
    const SHOWN: usize = 5;
    let views = board.tasks_of(&service.name).map(|task| views::task(board, task));
    let is_told = |view: &TaskView| match view.state.as_str() {
        "unhealthy" | "failed" | "dead" | "silent" => true,
        "starting" => view.trouble.is_some(),
        _ => false,
    };
    let ailing: Vec<TaskView> = views.filter(is_told).collect();
    let mut lines: Vec<String> = ailing
        .iter()
        .take(SHOWN)
        .map(|view| {
            let why = view.trouble.as_deref().unwrap_or(meaning(view));
            format!("{} is {} on {}: {why}", view.id, view.state, view.host)
        })
        .collect();
    if ailing.len() > SHOWN {
        lines.push(format!(
            "and {} more, see `callboard tasks --service {}`",
            ailing.len() - SHOWN,
            service.name
        ));
    }
    lines
}

/// Tells what is true of a service, and what would change it.
fn facts(view: &ServiceView, parallel: u32, has_scheduler: bool) -> (Vec<String>, Option<String>) {
    let target = if view.stopped { 0 } else { view.desired };
    let how_far = match view.kind.as_str() {
        "batch" => {
            format!("{} of {} tasks completed, {} tries failed", view.completed, view.desired, view.failed)
        }
        _ => format!("{} of {target} tasks healthy", view.healthy),
    };
    let mut facts =
        vec![format!("{}: {how_far}, {} issued, {} stopping", view.state, view.issued, view.stopping)];
    let mut hint = None;
    if view.stopped {
        facts.push(format!(
            "stopped by `callboard stop`; {} tasks are wanted when it is started",
            view.desired
        ));
        hint = Some(format!("`callboard start {}` runs it", view.name));
    }
    match &view.cluster {
        None => {
            facts.push("no cluster lists it, so nobody runs it".into());
            hint = Some(format!("add {:?} to the services of a cluster and apply that", view.name));
        }
        Some(cluster) if !view.scheduled => {
            facts
                .push(format!("no scheduler holds the lock of its cluster {cluster}, so nothing is decided"));
            hint = Some(
                "start the scheduler that the cluster names (`callboard status`): `callboard scheduler`, `combined` or \
                 `dev` for its own, --scheduler-name for another of its kind"
                    .into(),
            );
        }
        Some(_) => {}
    }
    if let Some(why) = &view.failure {
        facts.push(format!("version {} was given up: {why}", view.version));
        hint = Some(format!(
            "apply a version that works, or `callboard start {}` to try this one again",
            view.name
        ));
    } else if view.rollout.as_deref() == Some("running") && view.kind != "batch" {
        // The first version that ever runs has none before it to spare.
        let bound = match view.stable {
            Some(stable) if stable != view.version => {
                format!(": no more than {parallel} of its tasks that have yet to prove themselves at a time")
            }
            Some(_) | None => String::new(),
        };
        facts.push(format!("version {} is being rolled out{bound}", view.version));
    }
    if let Some(why) = &view.blocked {
        facts.push(format!("{} not placed: {why}", view.missing));
        hint =
            hint.or(Some("make room: add a host, undrain one, scale something down, or ask for less".into()));
    }
    if !has_scheduler {
        facts.push("no scheduler lives in the daemon that answers, so it cannot tell about each host".into());
    }
    (facts, hint)
}

/// What one more task of a service meets.
#[derive(Default)]
struct Meets {
    hosts: Vec<HostReason>,
    choice: Option<String>,
    remedies: Vec<String>,
}

/// Asks the scheduler of this process what one more task of a service meets.
async fn meets(api: &Api, cluster: &Name, service: &Service) -> Meets {
    let Some(question) = &api.scheduler else { return Meets::default() };
    let (now, key) = (api.clock.now(), (cluster.clone(), service.name.clone()));
    let (task_name, version) = (service.task_name.clone(), service.task_version);
    let look = move |scheduler: &scheduler::Scheduler| {
        let world = scheduler.world();
        let found = world.definition(&task_name, version).zip(world.services.get(&key.1));
        let told = found.map(|(found, service)| scheduler::explain(world, now, &key, service, found));
        told.map_or_else(Meets::default, |told| Meets {
            hosts: told.hosts.iter().map(reason).collect(),
            choice: told.choice(),
            remedies: told.remedies.iter().map(ToString::to_string).collect(),
        })
    };
    question.ask(look).await.unwrap_or_default()
}

fn reason(reason: &scheduler::HostReason) -> HostReason {
    let stands = reason.obstacles.iter();
    let figures = reason.terms.iter();
    HostReason {
        host: reason.host.to_string(),
        fits: reason.obstacles.is_empty(),
        why: reason.to_string(),
        obstacles: stands.map(|one| Stands { kind: one.kind(), why: one.to_string() }).collect(),
        terms: figures.map(|term| Figure { name: term.name.clone(), value: term.value.clone() }).collect(),
        bid: reason.bid.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use callboard_core::store::{Entry, Revision};

    /// Expects what is told of the one task of a service when its agent says this of it.
    fn check(status: &str, expect: &[&str]) {
        let records = [
            (
                "config/services/web",
                r#"{"name":"web","task_name":"web","task_version":1,"desired":1,"min":0,"max":1}"#.to_owned(),
            ),
            ("hosts/h1/alive", r#"{"host":"h1","boot_id":"b","agent_id":"a"}"#.to_owned()),
            (
                "state/tasks/_/c-web-1-0",
                r#"{"id":"c-web-1-0","cluster":"c","service":"web","task_name":"web","version":1,"instance":0,
                "generation":7,"host":"h1","desired":"run","reason":"spread","tenure":1}"#
                    .to_owned(),
            ),
            (
                "status/h1/c-web-1-0",
                format!(r#"{{"id":"c-web-1-0","generation":7,"attempt":0,"health":"unknown",{status}}}"#),
            ),
        ];
        let entry = |(key, value): (&str, String)| {
            Arc::new(Entry { key: key.into(), value, revision: Revision(1), session: None })
        };
        let mut board = Board::default();
        board.take(&records.map(entry));
        assert!(board.problems.is_empty(), "{:?}", board.problems);
        assert_eq!(ailing(&board, &board.services["web"]), expect, "{status}");
    }

    #[test]
    fn what_a_start_waits_for_is_told_of_the_service() {
        let pulling = r#""phase":"starting","reason":"pulling web:1, 3 of 9 MiB""#;
        check(pulling, &["c-web-1-0 is starting on h1: pulling web:1, 3 of 9 MiB"]);
        check(r#""phase":"starting""#, &[]);
        check(r#""phase":"running""#, &[]);
    }
}
