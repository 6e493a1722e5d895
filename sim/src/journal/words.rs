//! Inputs and effects in words, a line each.

use callboard_core::store::{Change, Outcome, Reply, Request};
use callboard_core::work::{Order, Report, Run};
use callboard_core::{agent, registry, scheduler};

/// How many keys of a transaction are named.
const KEYS_SHOWN: usize = 4;

pub(super) fn agent_input(input: &agent::Input) -> String {
    match input {
        agent::Input::Wake => "woken".into(),
        agent::Input::Store(reply) => answer(reply),
        agent::Input::Work(report) => told(report),
        agent::Input::Registry(reply) => registry_reply(reply),
        agent::Input::Shutdown { keep: true } => "shall end, and leave its tasks running".into(),
        agent::Input::Shutdown { keep: false } => "shall end, and stop its tasks".into(),
    }
}

pub(super) fn agent_effect(effect: &agent::Effect) -> String {
    match effect {
        agent::Effect::Store(request) => question(request),
        agent::Effect::Work(order) => ordered(order),
        agent::Effect::Registry(request) => registry_request(request),
        agent::Effect::Note(note) => format!("note: {note}"),
        agent::Effect::Exit => "exit".into(),
        agent::Effect::Refuse(why) => format!("exit: {why}"),
    }
}

pub(super) fn scheduler_input(input: &scheduler::Input) -> String {
    match input {
        scheduler::Input::Wake => "woken".into(),
        scheduler::Input::Store(reply) => answer(reply),
        scheduler::Input::Shutdown => "shall end".into(),
    }
}

pub(super) fn scheduler_effect(effect: &scheduler::Effect) -> String {
    match effect {
        scheduler::Effect::Store(request) => question(request),
        scheduler::Effect::Note(note) => format!("note: {note}"),
    }
}

fn answer(reply: &Reply) -> String {
    match reply {
        Reply::SessionOpened(Ok(id)) => format!("session {} was opened", id.0),
        Reply::SessionOpened(Err(why)) => format!("no session was opened: {why}"),
        Reply::SessionRenewed(id, Ok(true)) => format!("session {} was renewed", id.0),
        Reply::SessionRenewed(id, Ok(false)) => format!("session {} is over", id.0),
        Reply::SessionRenewed(id, Err(why)) => format!("nobody knows whether session {} lives: {why}", id.0),
        Reply::Listed { prefix, result: Ok(listing) } => {
            format!("{prefix} was listed: {} keys at revision {}", listing.entries.len(), listing.revision.0)
        }
        Reply::Listed { prefix, result: Err(why) } => format!("{prefix} cannot be listed: {why}"),
        Reply::Changed { prefix, revision, changes } if changes.is_empty() => {
            format!("the watch of {prefix} lives, at revision {}", revision.0)
        }
        Reply::Changed { revision, changes, .. } => {
            let keys = changes.iter().map(|change| match change {
                Change::Put(entry) => entry.key.clone(),
                Change::Delete { key, .. } => format!("-{key}"),
            });
            format!("changed at revision {}: {}", revision.0, some(keys))
        }
        Reply::WatchEnded { prefix, why } => format!("the watch of {prefix} ended: {why}"),
        Reply::Done { write, outcome } => match outcome {
            Outcome::Committed(revision) => {
                format!("write {} is in the store, at revision {}", write.0, revision.0)
            }
            Outcome::Refused(refusal) => format!("write {} was refused: {refusal}", write.0),
            Outcome::Unknown(why) => format!("nobody knows what became of write {}: {why}", write.0),
        },
    }
}

fn question(request: &Request) -> String {
    match request {
        Request::OpenSession { name, ttl } => format!("open a session for {name}, to live {ttl}"),
        Request::RenewSession(id) => format!("renew session {}", id.0),
        Request::CloseSession(id) => format!("close session {}", id.0),
        Request::List { prefix } => format!("list {prefix}"),
        Request::Watch { prefix, after } => format!("watch {prefix} after revision {}", after.0),
        Request::Commit { write, txn } => {
            let keys = txn.ops.iter().map(|op| op.key().to_owned());
            format!("write {}: {}", write.0, some(keys))
        }
    }
}

fn ordered(order: &Order) -> String {
    match order {
        Order::Inspect => "inspect what runs".into(),
        Order::Start(spec) => format!("start {}", run(&spec.run())),
        Order::Stop { run: what, grace: Some(grace), .. } => format!("stop {} within {grace}", run(what)),
        Order::Stop { run: what, grace: None, .. } => format!("stop {} within its own time", run(what)),
        Order::Remove(what) => format!("remove {}", run(what)),
        Order::Check { spec, check } => format!("check {} of {}", check, run(&spec.run())),
        Order::Measure => "measure what is used".into(),
    }
}

fn told(report: &Report) -> String {
    match report {
        Report::Inspected(Ok(inventory)) => match inventory.silent.keys().next() {
            None => format!("{} tasks were found", inventory.found.len()),
            Some(kind) => format!("{} tasks were found, and {kind} cannot tell", inventory.found.len()),
        },
        Report::Inspected(Err(why)) => format!("nobody knows what runs: {why}"),
        Report::Starting(what, why) => format!("{} is being started: {why}", run(what)),
        Report::Started(what, Ok(())) => format!("{} was started", run(what)),
        Report::Started(what, Err(why)) => format!("{} was not started: {why}", run(what)),
        Report::Exited(what, exit) => match (exit.code, exit.signal) {
            (Some(code), _) => format!("{} ended with code {code}", run(what)),
            (None, Some(signal)) => format!("{} ended by signal {signal}", run(what)),
            (None, None) => format!("{} ended", run(what)),
        },
        Report::Stopped(what, Ok(())) => format!("{} was stopped", run(what)),
        Report::Stopped(what, Err(why)) => format!("{} may not have been stopped: {why}", run(what)),
        Report::Checked { run: what, check, result: Ok(()) } => {
            format!("check {check} of {} passed", run(what))
        }
        Report::Checked { run: what, check, result: Err(why) } => {
            format!("check {check} of {} failed: {why}", run(what))
        }
        Report::Measured(usage) => format!("{} of {} MiB are used", usage.memory_used, usage.memory_total),
    }
}

fn registry_request(request: &registry::Request) -> String {
    match request {
        registry::Request::List => "list the registry".into(),
        registry::Request::Register(spec) => format!("register {}", run(&spec.run())),
        registry::Request::Deregister(what) => format!("deregister {}", run(what)),
        registry::Request::Ask { run: what, check } => {
            format!("ask the registry for check {check} of {}", run(what))
        }
        registry::Request::Tell { run: what, check, result } => {
            format!("tell the registry of check {check} of {}: {}", run(what), passed(result))
        }
    }
}

fn registry_reply(reply: &registry::Reply) -> String {
    match reply {
        registry::Reply::Registered(what, Ok(())) => format!("{} was registered", run(what)),
        registry::Reply::Registered(what, Err(why)) => {
            format!("{} may not have been registered: {why}", run(what))
        }
        registry::Reply::Deregistered(what, Ok(())) => format!("{} was deregistered", run(what)),
        registry::Reply::Deregistered(what, Err(why)) => {
            format!("{} may not have been deregistered: {why}", run(what))
        }
        registry::Reply::Listed(Ok(runs)) => format!("the registry holds {} runs", runs.len()),
        registry::Reply::Listed(Err(why)) => format!("the registry cannot tell what it holds: {why}"),
        registry::Reply::Found { run: what, check, verdict } => {
            let verdict = verdict.as_ref().map_or_else(|| "nothing".into(), passed);
            format!("the registry says of check {check} of {}: {verdict}", run(what))
        }
    }
}

fn passed(result: &Result<(), String>) -> String {
    match result {
        Ok(()) => "passed".into(),
        Err(why) => format!("failed: {why}"),
    }
}

fn run(run: &Run) -> String {
    match run.attempt {
        0 => format!("{} (placement {})", run.id, run.generation),
        attempt => format!("{} (placement {}, start {attempt})", run.id, run.generation),
    }
}

fn some(keys: impl Iterator<Item = String>) -> String {
    let keys: Vec<String> = keys.collect();
    let shown = keys.iter().take(KEYS_SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match keys.len().saturating_sub(KEYS_SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
