//! Bugs of agents.

use super::edit::{drop_keys, hide_ills, rename, rewrite, rewrite_entry};
use super::{Bug, Mutant};
use crate::check::{Book, Step, Text};
use callboard_core::agent::{Effect, Input};
use callboard_core::machine::Span;
use callboard_core::model::{Executor, Name};
use callboard_core::registry;
use callboard_core::store::{Change, Entry, Op, Reply, Request};
use callboard_core::work::{Exit, Inventory, Order, Report, Run, Spec};
use serde_json::Value;
use std::sync::Arc;

/// Where what comes from is forbidden by the museum's policy, and what an agent takes it for that does not heed that.
const FORBIDDEN: &str = "shop.example/web";
const ALLOWED: &str = "docker.io/web";

/// Gives what the bug makes an agent do when it hears something.
pub(super) fn reacts(mutant: &mut Mutant, host: &Text, book: &Book, input: &mut Input) -> Vec<Effect> {
    if let Input::Work(Report::Inspected(Ok(inventory))) = &mut *input {
        misreads(mutant.bug, host, book, inventory);
    }
    if let (Bug::TrustsEnds, Input::Work(Report::Exited(_, exit))) = (mutant.bug, &mut *input) {
        exit.code = exit.code.map(|_| 0);
    }
    if let (Bug::HeedsNoPolicy, Input::Store(Reply::Listed { result: Ok(listing), .. })) =
        (mutant.bug, &mut *input)
    {
        let definitions = listing.entries.iter_mut().filter(|entry| entry.key.starts_with("config/task_def"));
        definitions.for_each(|entry| {
            let entry = Arc::make_mut(entry);
            entry.value = entry.value.replace(FORBIDDEN, ALLOWED);
        });
    }
    if let (Some(recalls), Input::Store(Reply::Listed { result: Ok(listing), .. })) =
        (recalls(mutant.bug), &mut *input)
    {
        listing.entries.iter_mut().for_each(|entry| rewrite_entry(Arc::make_mut(entry), "status/", recalls));
    }
    match (mutant.bug, &*input) {
        (Bug::StopsOnError | Bug::StopsInOutage, Input::Store(reply)) if is_error(reply) => {
            stop_all(host, book)
        }
        (Bug::TrustsSilence, Input::Store(reply)) => {
            let known = match reply {
                Reply::Listed { prefix, result: Ok(listing) } => Some((prefix, listing.revision)),
                Reply::Changed { prefix, revision, .. } => Some((prefix, *revision)),
                Reply::Listed { .. }
                | Reply::SessionOpened(_)
                | Reply::SessionRenewed(..)
                | Reply::WatchEnded { .. }
                | Reply::Done { .. } => None,
            };
            mutant.known.extend(known.map(|(prefix, at)| ((host.clone(), prefix.clone()), at)));
            Vec::new()
        }
        (Bug::TrustsSilence, Input::Wake) => {
            let of_host = mutant.known.iter().filter(|((of, _), _)| of == host);
            let signs = of_host.map(|((_, prefix), revision)| {
                let (prefix, revision) = (prefix.clone(), *revision);
                Input::Store(Reply::Changed { prefix, revision, changes: Vec::new() })
            });
            mutant.whispers.entry(host.clone()).or_default().extend(signs);
            Vec::new()
        }
        (Bug::PollsForEver, Input::Store(Reply::WatchEnded { prefix, .. }))
            if prefix.starts_with("status/") =>
        {
            mutant.gone.insert(host.clone());
            vec![Effect::Store(Request::List { prefix: prefix.clone() })]
        }
        (Bug::PollsForEver, Input::Store(Reply::Listed { prefix, .. }))
            if mutant.gone.contains(host) && prefix.starts_with("status/") =>
        {
            vec![Effect::Store(Request::List { prefix: prefix.clone() })]
        }
        (Bug::ReturnsTogether, _) if book.now.0 % 10_000 < 1_000 => {
            mutant.late.remove(host).map(Effect::Store).into_iter().collect()
        }
        (Bug::StopsForgotten, Input::Store(reply)) if is_empty(host, reply) => stop_all(host, book),
        (Bug::NoBackoff, Input::Work(Report::Exited(run, _))) => {
            let found = mutant.started.get(&(host.clone(), run.clone()));
            let again = found.map(|spec| Spec { attempt: spec.attempt + 1, ..Spec::clone(spec) });
            again.map(|spec| Effect::Work(Order::Start(Arc::new(spec)))).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// Gives how an agent misreads what was said of a task before it began.
fn recalls(bug: Bug) -> Option<fn(&mut Value)> {
    let forgets: fn(&mut Value) = |status| status["failures"] = 0.into();
    let overlooks: fn(&mut Value) = |status| {
        if status["phase"] == "starting" {
            status["attempt"] = (status["attempt"].as_u64().unwrap_or(0) + 1).into();
        }
    };
    let by = [(Bug::ForgetsFailures, forgets), (Bug::OverlooksHalfStarted, overlooks)];
    by.into_iter().find(|(own, _)| *own == bug).map(|(_, recalls)| recalls)
}

/// Alters what the executors tell.
fn misreads(bug: Bug, host: &Text, book: &Book, inventory: &mut Inventory) {
    let found = &mut inventory.found;
    if bug == Bug::OverlooksHalfStarted {
        let statuses = book.hosts.get(host).map(|page| &page.statuses);
        let step = |id: &Name| statuses.and_then(|all| all.get(id)).map(|page| page.record.phase);
        found.retain(|found| step(&found.spec.task.id).is_none_or(|step| step != Step::Starting));
    }
    if bug == Bug::ForgetsAges {
        found.iter_mut().for_each(|found| found.age = None);
    }
    if bug == Bug::TakesSilenceForNothing {
        inventory.silent.clear();
    }
}

/// Takes the sign of life of whoever has the name for one that nobody will end.
pub(super) fn overlooks_namesake(host: &Text, input: &mut Input) {
    let alive = format!("hosts/{host}/alive");
    let forget = |entry: &mut Arc<Entry>| {
        if entry.key == alive {
            Arc::make_mut(entry).session = None;
        }
    };
    match input {
        Input::Store(Reply::Listed { result: Ok(listing), .. }) => {
            listing.entries.iter_mut().for_each(forget)
        }
        Input::Store(Reply::Changed { changes, .. }) => {
            let puts = changes.iter_mut().filter_map(|change| match change {
                Change::Put(entry) => Some(entry),
                Change::Delete { .. } => None,
            });
            puts.for_each(forget);
        }
        Input::Store(_) | Input::Wake | Input::Work(_) | Input::Registry(_) | Input::Shutdown { .. } => {}
    }
}

fn stop_all(host: &Text, book: &Book) -> Vec<Effect> {
    let from = (host.clone(), Text::from(""));
    let here = book.live.range(from..).take_while(|((of, _), _)| of == host);
    let runs = here.flat_map(|((_, id), list)| {
        list.iter().map(|alive| Run { id: id.clone(), generation: alive.generation, attempt: alive.attempt })
    });
    runs.map(|run| Effect::Work(Order::Stop { run, grace: None, definition: None })).collect()
}

fn is_empty(host: &Text, reply: &Reply) -> bool {
    let tasks = format!("state/tasks/{host}/");
    matches!(reply, Reply::Listed { prefix, result: Ok(found) } if *prefix == tasks && found.entries.is_empty())
}

fn is_error(reply: &Reply) -> bool {
    match reply {
        Reply::Listed { result, .. } => result.is_err(),
        Reply::SessionRenewed(_, result) => result.is_err(),
        Reply::SessionOpened(_) | Reply::Changed { .. } | Reply::WatchEnded { .. } | Reply::Done { .. } => {
            false
        }
    }
}

/// Gives what becomes of what an agent does.
pub(super) fn does(mutant: &mut Mutant, host: &Text, effect: Effect) -> Vec<Effect> {
    match effect {
        Effect::Work(order) => orders(mutant, host, order).into_iter().map(Effect::Work).collect(),
        Effect::Store(Request::OpenSession { .. }) if mutant.bug == Bug::NeverReturns => {
            if mutant.gone.insert(host.clone()) { vec![effect] } else { Vec::new() }
        }
        Effect::Store(request @ Request::OpenSession { .. }) if mutant.bug == Bug::ReturnsTogether => {
            mutant.late.insert(host.clone(), request);
            Vec::new()
        }
        Effect::Store(Request::Commit { write, mut txn }) => {
            if mutant.bug == Bug::WrongKey {
                rename(&mut txn, &format!("hosts/{host}/usage"), "hosts/elsewhere/usage");
            }
            rewrite(&mut txn, "status/", |_, status| says(mutant.bug, status));
            if mutant.bug == Bug::HidesIlls {
                rewrite(&mut txn, "hosts/", |key, usage| {
                    if key.ends_with("/usage") {
                        hide_ills(usage);
                    }
                });
            }
            if mutant.bug == Bug::OffersUnasked
                && txn.ops.iter().any(|op| op.key().ends_with("/registration"))
            {
                drop_keys(&mut txn, |key| key.ends_with("/usage"));
            }
            if mutant.bug == Bug::HeedsNoPolicy {
                rewrite(&mut txn, "hosts/", |key, host| {
                    if key.ends_with("/registration") {
                        host["policy"] = Value::Object(serde_json::Map::new());
                    }
                });
            }
            if mutant.bug == Bug::Hoards {
                txn.ops.retain(|op| !matches!(op, Op::Delete { key } if key.starts_with("status/")));
            }
            if txn.ops.is_empty() { Vec::new() } else { vec![Effect::Store(Request::Commit { write, txn })] }
        }
        Effect::Registry(request) => {
            inquires(mutant, host, request).into_iter().map(Effect::Registry).collect()
        }
        Effect::Store(_) | Effect::Note(_) | Effect::Exit => vec![effect],
    }
}

/// Alters what an agent says of a task.
fn says(bug: Bug, status: &mut Value) {
    match (bug, status["phase"].as_str()) {
        (Bug::GoesBackwards, _) if status["health"] == "healthy" => status["phase"] = "pending".into(),
        (Bug::TrustsStarts, Some("running")) => status["health"] = "healthy".into(),
        (Bug::StartsUntold, Some("starting")) => status["phase"] = "pending".into(),
        (Bug::BuriesCompleted, Some("completed")) => status["phase"] = "dead".into(),
        (Bug::Mute, _) => status["reason"] = Value::Null,
        (Bug::LeavesUnsaid, _) if status["left"] == true => status["left"] = false.into(),
        _ => {}
    }
}

fn inquires(mutant: &mut Mutant, host: &Text, request: registry::Request) -> Option<registry::Request> {
    match (mutant.bug, request) {
        (Bug::StopsRegistered, registry::Request::Deregister(run)) => {
            let gone = Input::Registry(registry::Reply::Deregistered(run, Ok(())));
            mutant.whispers.entry(host.clone()).or_default().push(gone);
            None
        }
        (Bug::TrustsRegistry, registry::Request::List) => None,
        (_, request) => Some(request),
    }
}

fn orders(mutant: &mut Mutant, host: &Text, order: Order) -> Vec<Order> {
    match (mutant.bug, order) {
        (Bug::StartsNothing, Order::Start(_))
        | (Bug::NeverStops, Order::Stop { .. })
        | (Bug::KeepsRemains, Order::Remove(_)) => Vec::new(),
        (Bug::NeverRestarts, Order::Start(spec)) if spec.attempt > 0 => Vec::new(),
        (Bug::StartsTwice, Order::Start(spec)) => {
            let twin = Spec { attempt: spec.attempt + 1, ..Spec::clone(&spec) };
            vec![Order::Start(spec), Order::Start(Arc::new(twin))]
        }
        (Bug::Impatient, Order::Stop { run, definition, .. }) => {
            vec![Order::Stop { run, grace: Some(Span(0)), definition }]
        }
        (Bug::InheritsAttempts, Order::Start(spec)) => {
            let first = *mutant.generations.entry(spec.task.id.to_string()).or_insert(spec.task.generation);
            let attempt = spec.attempt + u32::from(first != spec.task.generation);
            vec![Order::Start(Arc::new(Spec { attempt, ..Spec::clone(&spec) }))]
        }
        (Bug::LimitsToReserved, Order::Start(spec)) => {
            let mut spec = Spec::clone(&spec);
            Arc::make_mut(&mut spec.definition).memory_limit = None;
            vec![Order::Start(Arc::new(spec))]
        }
        (Bug::SlowsToReserved, Order::Start(spec)) => {
            let mut spec = Spec::clone(&spec);
            let definition = Arc::make_mut(&mut spec.definition);
            definition.cpu_limit = definition.cpu_units;
            vec![Order::Start(Arc::new(spec))]
        }
        (Bug::HeedsNoPolicy, Order::Start(spec)) => {
            let mut spec = Spec::clone(&spec);
            for container in &mut Arc::make_mut(&mut spec.definition).containers {
                match &mut container.executor {
                    Executor::Docker(docker) => docker.image = docker.image.replace(ALLOWED, FORBIDDEN),
                    Executor::Bash(bash) => {
                        let artifact = bash.artifact.iter_mut();
                        artifact.for_each(|artifact| *artifact = artifact.replace(ALLOWED, FORBIDDEN));
                    }
                }
            }
            vec![Order::Start(Arc::new(spec))]
        }
        (Bug::TrustsOrders, Order::Start(spec)) => {
            let started = Input::Work(Report::Started(spec.run(), Ok(())));
            mutant.whispers.entry(host.clone()).or_default().push(started);
            vec![Order::Start(spec)]
        }
        (Bug::NoBackoff, Order::Start(spec)) => {
            mutant.started.insert((host.clone(), spec.run()), spec.clone());
            vec![Order::Start(spec)]
        }
        (Bug::LeavesOrphans, Order::Stop { run, .. }) => {
            let exit = Exit { code: Some(0), signal: None, out_of_memory: false };
            let gone = [Report::Exited(run.clone(), exit), Report::Stopped(run, Ok(()))];
            mutant.whispers.entry(host.clone()).or_default().extend(gone.map(Input::Work));
            Vec::new()
        }
        (Bug::TouchesForeign, order @ Order::Start(_)) => {
            let stranger = Run { id: "stranger".into(), generation: 1, attempt: 0 };
            vec![order, Order::Remove(stranger)]
        }
        (_, order) => vec![order],
    }
}
