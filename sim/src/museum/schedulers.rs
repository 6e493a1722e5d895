//! Bugs of schedulers.

use super::edit::{creates, drop_keys, hide_ills, is_task, rewrite, rewrite_entry};
use super::{Bug, Mutant};
use crate::check::{Book, Text};
use callboard_core::machine::{Span, Time};
use callboard_core::scheduler::{Effect, Input};
use callboard_core::store::{
    Change, Entry, Guard, Listing, Op, Outcome, Refusal, Reply, Request, Revision, Txn, WriteId,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Alters what a scheduler hears.
pub(super) fn hears(mutant: &mut Mutant, book: &Book, input: &mut Input) {
    let Input::Store(reply) = input else { return };
    if mutant.bug == Bug::LeavesHalfIssued && matches!(reply, Reply::SessionOpened(Ok(_))) {
        let half = book.services.iter().filter(|(_, page)| {
            let target = page.record.as_ref().map_or(0, |record| record.target()) as usize;
            (1..target).contains(&page.issued.len())
        });
        mutant.left =
            half.map(|(service, page)| (format!("config/services/{service}"), page.issued.len())).collect();
    }
    match reply {
        Reply::Listed { prefix, result: Ok(_) }
            if mutant.bug == Bug::DoubtsForEver && !prefix.ends_with('/') =>
        {
            mutant.asks.push(Request::List { prefix: prefix.clone() });
        }
        Reply::Done { outcome: Outcome::Refused(Refusal::Unavailable(_)), .. }
            if mutant.bug == Bug::InsistsAtOnce =>
        {
            mutant.asks.extend(mutant.last.clone());
        }
        Reply::Listed { result: Ok(listing), .. } => {
            if mutant.bug == Bug::DeafToOrphans {
                listing.entries.retain(|entry| !entry.key.contains("/orphans/"));
            }
            listing.entries.iter_mut().for_each(|entry| notices(mutant, Arc::make_mut(entry)));
        }
        Reply::Changed { changes, .. } => {
            if mutant.bug == Bug::DeafToLoss {
                changes.retain(
                    |change| !matches!(change, Change::Delete { key, .. } if key.ends_with("/alive")),
                );
            }
            if mutant.bug == Bug::DeafToOrphans {
                changes.retain(|change| !change.key().contains("/orphans/"));
            }
            if mutant.bug == Bug::DeafToReturn {
                changes.retain(|change| is_deaf_to(&mut mutant.gone, change));
            }
            overhear(mutant, changes);
            let loses =
                |change: &Change| matches!(change, Change::Delete { key, .. } if key.ends_with("/alive"));
            if mutant.bug == Bug::SeesPhantoms && changes.iter().any(loses) {
                changes.extend(phantoms().map(|entry| Change::Put(entry.into())));
            }
            for change in changes {
                if let Change::Put(entry) = change {
                    notices(mutant, Arc::make_mut(entry));
                }
            }
        }
        Reply::Done { outcome: outcome @ Outcome::Unknown(_), .. } if mutant.bug == Bug::KeepsTenure => {
            *outcome = Outcome::Refused(Refusal::Conflict(Vec::new()));
        }
        Reply::Done { write, outcome: Outcome::Unknown(_) } if mutant.bug == Bug::UnknownIsNo => {
            if let Some(txn) = mutant.sent.remove(&write.0) {
                mutant.extra.push(renumbered(&txn));
            }
        }
        Reply::Listed { .. }
        | Reply::SessionOpened(_)
        | Reply::SessionRenewed(..)
        | Reply::WatchEnded { .. }
        | Reply::Done { .. } => {}
    }
}

/// Gives what a scheduler believes to hear when it has taken a lock: what it knows already, as if that were new.
pub(super) fn recalls(mutant: &mut Mutant, input: &Input) -> Vec<Input> {
    if mutant.bug != Bug::DecidesUnread {
        return Vec::new();
    }
    match input {
        Input::Store(Reply::Listed { prefix, result: Ok(listing) }) => {
            mutant.listings.insert(prefix.clone(), listing.clone());
        }
        Input::Store(Reply::Changed { prefix, changes, .. }) => {
            let Some(listing) = mutant.listings.get_mut(prefix) else { return Vec::new() };
            for change in changes {
                listing.entries.retain(|entry| entry.key != change.key());
                if let Change::Put(entry) = change {
                    listing.entries.push(entry.clone());
                }
            }
        }
        Input::Store(Reply::Done { write, outcome: Outcome::Committed(revision) })
            if mutant.lock == Some(*write) =>
        {
            let again = mutant.listings.iter().map(|(prefix, listing)| {
                let listing = Listing { revision: *revision, ..listing.clone() };
                Input::Store(Reply::Listed { prefix: prefix.clone(), result: Ok(listing) })
            });
            return again.collect();
        }
        Input::Store(_) | Input::Wake | Input::Shutdown => {}
    }
    Vec::new()
}

/// Remembers signs of life that ended, and tells whether a change is heard of: others in their place are not.
fn is_deaf_to(gone: &mut BTreeSet<Text>, change: &Change) -> bool {
    let key: Text = change.key().into();
    match change {
        Change::Delete { .. } if key.ends_with("/alive") => {
            gone.insert(key);
            true
        }
        Change::Put(_) => !gone.contains(&key),
        Change::Delete { .. } => true,
    }
}

/// Takes out what a scheduler does not hear of its configuration.
fn overhear(mutant: &mut Mutant, changes: &mut Vec<Change>) {
    if mutant.bug == Bug::DeafToDeletes {
        changes.retain(
            |change| !matches!(change, Change::Delete { key, .. } if key.starts_with("config/services/")),
        );
    }
    if mutant.bug == Bug::RubbishBlinds {
        let is_config = |change: &Change| change.key().starts_with("config/");
        let is_rubbish = |change: &Change| match change {
            Change::Put(entry) => serde_json::from_str::<Value>(&entry.value).is_err(),
            Change::Delete { .. } => false,
        };
        if changes.iter().any(|change| is_config(change) && is_rubbish(change)) {
            mutant.taken.insert("config/".into());
        }
        changes.retain(|change| !is_config(change) || mutant.taken.is_empty());
    }
}

/// Takes away the time for which a task of a version, or only of a new one, must have worked.
fn hastens(bug: Bug, entry: &mut Entry) {
    rewrite_entry(entry, "config/services/web", |web| {
        if bug == Bug::ProvesAtOnce || web["task_version"] != 1 {
            web["min_healthy_time"] = "0s".into();
        }
    });
}

/// Lets a scheduler see one key.
fn notices(mutant: &mut Mutant, entry: &mut Entry) {
    if mutant.bug == Bug::MovesFirst {
        mutant.records.insert(entry.key.clone(), entry.clone());
    }
    sees(mutant, entry);
}

/// Alters what a scheduler sees of one key.
fn sees(mutant: &mut Mutant, entry: &mut Entry) {
    mistake_batch(mutant.bug, entry);
    misjudges(mutant.bug, entry);
    let service = "config/services/web";
    let raise = |value: &mut Value, by: u64| *value = (value.as_u64().unwrap_or(0) + by).into();
    match (mutant.bug, entry.key.as_str()) {
        (Bug::Overcommit, key) if key.ends_with("/registration") => {
            rewrite_entry(entry, "hosts/", |host| host["memory"] = 24_000.into());
        }
        (Bug::PlacesOnDrained | Bug::IgnoresDrain, _) => {
            rewrite_entry(entry, "config/hosts/", |host| host["draining"] = false.into());
        }
        (Bug::ExceedsMax, _) => rewrite_entry(entry, service, |web| {
            raise(&mut web["desired"], 3);
            raise(&mut web["max"], 3);
        }),
        (Bug::WantsMore, _) => rewrite_entry(entry, service, |web| raise(&mut web["desired"], 1)),
        (Bug::NeverSatisfied, _) => {
            rewrite_entry(entry, service, |web| web["min_healthy_time"] = "1h".into());
        }
        (bug @ (Bug::ProvesAtOnce | Bug::TrustsNewcomers), _) => hastens(bug, entry),
        (bug @ (Bug::CountsSystem | Bug::HurriesSystem), _) => mistake_system(bug, entry),
        (Bug::MovesAll, _) => moves_all(&mut mutant.good, entry),
        (Bug::ForgetsBlame, _) => rewrite_entry(entry, "status/", |status| status["blamed"] = 0.into()),
        (Bug::IgnoresFix, _) => rewrite_entry(entry, service, |web| web["task_version"] = 1.into()),
        (Bug::IgnoresUndrain, key) if key.starts_with("config/hosts/") => {
            if entry.value.contains("\"draining\":true") {
                mutant.good.insert(entry.key.clone(), entry.value.clone());
            } else if let Some(before) = mutant.good.get(key) {
                entry.value = before.clone();
            }
        }
        (Bug::LeavesHalfIssued, key) => {
            if let Some(issued) = mutant.left.get(key).copied() {
                rewrite_entry(entry, "config/services/", |it| it["desired"] = issued.into());
            }
        }
        (Bug::IgnoresMin, _) => rewrite_entry(entry, service, |web| {
            (web["min"], web["max"], web["max_parallel"]) = (0.into(), 4.into(), 4.into());
        }),
        (Bug::RubbishIsZero, key) if key == service => {
            if serde_json::from_str::<Value>(&entry.value).is_ok() {
                mutant.good.insert(entry.key.clone(), entry.value.clone());
            } else if let Some(good) = mutant.good.get(&entry.key) {
                entry.value = good.clone();
                rewrite_entry(entry, service, |web| (web["desired"], web["min"]) = (0.into(), 0.into()));
            }
        }
        (Bug::TouchesNewer, _) => rewrite_entry(entry, "state/", |record| record["schema"] = 1.into()),
        (Bug::DropsUnknown, _) => rewrite_entry(entry, "state/", |record| {
            if let Some(fields) = record.as_object_mut() {
                fields.remove("x_later");
            }
        }),
        (Bug::DeafToIlls, key) if key.ends_with("/usage") => {
            rewrite_entry(entry, "hosts/", hide_ills);
        }
        (Bug::BelievesEarly, _) => rewrite_entry(entry, "status/", |status| {
            if status["phase"] == "stopping" {
                status["phase"] = "dead".into();
            }
        }),
        (Bug::NeverRests | Bug::Repeats, "state/services/web") => {
            mutant.state = Some((entry.key.clone(), entry.value.clone(), entry.revision));
        }
        _ => {}
    }
}

/// Mistakes a system service for another kind, or its pace for another.
fn mistake_system(bug: Bug, entry: &mut Entry) {
    rewrite_entry(entry, "config/services/", |it| {
        if it["kind"] == "system" && bug == Bug::CountsSystem {
            (it["kind"], it["desired"], it["max"]) = ("service".into(), 6.into(), 7.into());
        } else if it["kind"] == "system" {
            it["max_parallel"] = 4.into();
        }
    });
}

/// Alters how often a batch service shall run to its end, or how often it did.
fn mistake_batch(bug: Bug, entry: &mut Entry) {
    if bug == Bug::ForgetsCompleted {
        rewrite_entry(entry, "state/services/once-", |state| state["completed"] = 0.into());
    } else if bug == Bug::DeafToEnds {
        rewrite_entry(entry, "status/", |status| {
            if status["phase"] == "completed" {
                status["phase"] = "running".into();
            }
        });
    } else if let Bug::Insatiable | Bug::HurriesBatch = bug {
        let field = if bug == Bug::Insatiable { "completions" } else { "parallelism" };
        rewrite_entry(entry, "config/services/", |it| {
            if it["kind"] == "batch" {
                it[field] = 40.into();
            }
        });
    }
}

/// Alters who is how important, who must be alone or elsewhere, who may take the room of others, who needs how much, and
/// who bid what.
fn misjudges(bug: Bug, entry: &mut Entry) {
    let asks = |may: bool| move |service: &mut Value| service["preempt"] = may.into();
    let is_worth = |priority: u8| move |task: &mut Value| task["priority"] = priority.into();
    if bug == Bug::SharesExclusive {
        rewrite_entry(entry, "config/services/", |it| it["exclusive"] = false.into());
    }
    if bug == Bug::ForgetsPolicies && entry.key.ends_with("/registration") {
        rewrite_entry(entry, "hosts/", |host| host["policy"] = json!({}));
    }
    if bug == Bug::ForgetsRules {
        rewrite_entry(entry, "config/services/", |it| it["placement"] = json!({}));
    }
    if bug == Bug::KnowsNoOthers {
        rewrite_entry(entry, "config/services/bystander-001", |it| {
            it["placement"] = json!({"require": [{"label": "host", "in": ["host-0001", "host-0002"]}]});
        });
    }
    if bug == Bug::MatchesInPart {
        rewrite_entry(entry, "config/services/choosy", |it| {
            let rules = it["placement"]["require"].as_array_mut().into_iter().flatten();
            for pattern in rules.filter_map(|rule| rule.get_mut("matches")) {
                *pattern = format!(".*({}).*", pattern.as_str().unwrap_or_default()).into();
            }
        });
    }
    // Its own tasks are placed while there is none of the other yet.
    if bug == Bug::KeepsAwayOneWay {
        rewrite_entry(entry, "config/services/choosy", |it| it["placement"]["apart"] = json!([]));
    }
    if bug == Bug::TakesLeastBid && entry.key.contains("/bids/") {
        let inverse = |bid: &Value| 1000_u64.saturating_sub(bid.as_u64().unwrap_or(0));
        rewrite_entry(entry, "hosts/", |bid| bid["memory"] = inverse(&bid["memory"]).into());
    }
    if bug == Bug::ReservesLimits {
        rewrite_entry(entry, "config/task_definitions/", |it| {
            it["memory"] = it.get("memory_limit").unwrap_or(&it["memory"]).clone();
        });
    }
    if bug == Bug::TakesRoomUnasked {
        rewrite_entry(entry, "config/services/bystander-001", asks(true));
    }
    if bug == Bug::Modest {
        rewrite_entry(entry, "config/services/", asks(false));
    }
    if bug == Bug::Arrogant {
        rewrite_entry(entry, "config/task_definitions/bystander-002/", is_worth(1));
        rewrite_entry(entry, "config/task_definitions/lesser-001/", is_worth(90));
    }
}

/// Has users ask for all tasks to be moved that were ever issued.
fn moves_all(issued: &mut BTreeMap<String, String>, entry: &mut Entry) {
    if entry.key.starts_with("state/tasks/_/") {
        issued.insert(entry.key.clone(), entry.value.clone());
    }
    let placed = |value: &String| {
        let task: Value = serde_json::from_str(value).ok()?;
        Some(json!({"id": task["id"], "generation": task["generation"]}))
    };
    let all: Vec<Value> = issued.values().filter_map(placed).collect();
    rewrite_entry(entry, "config/services/web", |web| web["moves"] = all.into());
}

/// Invents hosts that are alive and have room.
fn phantoms() -> impl Iterator<Item = Entry> {
    (1..=30).flat_map(|number| {
        let host = format!("phantom-{number:02}");
        let ports = json!({"first": 20_000, "last": 20_019});
        let registration = json!({
            "host": host, "address": "nowhere", "memory": 6_000, "cpu_units": 4_096, "ports": ports,
            "executors": ["bash"], "agent_version": "none"
        });
        let alive = json!({"host": host, "boot_id": "none", "agent_id": "none"});
        let entry = move |what: &str, value: Value| Entry {
            key: format!("hosts/{host}/{what}"),
            value: value.to_string(),
            revision: Revision(1),
            session: None,
        };
        [entry("alive", alive), entry("registration", registration)]
    })
}

/// Makes the same tasks under other ids.
fn renumbered(txn: &Txn) -> Txn {
    let other = |key: &String| if is_task(key) { format!("{key}9") } else { key.clone() };
    let mut txn = txn.clone();
    for op in &mut txn.ops {
        match op {
            Op::Put { key, .. } | Op::Delete { key } => *key = other(key),
        }
    }
    for guard in &mut txn.guards {
        match guard {
            Guard::At { key, .. } | Guard::Absent { key } | Guard::Held { key, .. } => *key = other(key),
        }
    }
    rewrite(&mut txn, "state/tasks/", |_, task| {
        task["id"] = format!("{}9", task["id"].as_str().unwrap_or_default()).into();
    });
    txn
}

/// Gives what becomes of what a scheduler does.
pub(super) fn does(mutant: &mut Mutant, effect: Effect) -> Option<Effect> {
    let Effect::Store(Request::Commit { write, mut txn }) = effect else { return Some(effect) };
    let held =
        txn.guards.iter().find(|guard| matches!(guard, Guard::Held { key, .. } if key.ends_with("/main")));
    mutant.held = held.cloned().or(mutant.held.take());
    if txn.ops.iter().any(|op| op.key().starts_with("schedulers/")) {
        mutant.lock = Some(write);
    }
    match (mutant.bug, creates(&txn)) {
        (Bug::NoSuccessor, _) => {
            for op in txn.ops.iter().filter(|op| op.key().starts_with("schedulers/")) {
                if !mutant.taken.insert(op.key().into()) {
                    return None;
                }
            }
        }
        (Bug::SameGeneration, _) => rewrite(&mut txn, "state/tasks/", |key, task| {
            let now = task["generation"].as_u64().unwrap_or(1);
            task["generation"] = (*mutant.generations.entry(id_of(key)).or_insert(now)).into();
        }),
        (Bug::UnknownIsNo, true) => {
            mutant.sent.insert(write.0, txn.clone());
        }
        (Bug::StopsFirst, _) => mutant.extra.extend(put_off(&mut txn)),
        (Bug::MovesFirst, true) => stops_moved(&mutant.records, &mut txn),
        (bug, creates) => spoil(bug, creates, &mut txn),
    }
    mutant.last = Some(Request::Commit { write, txn: txn.clone() });
    Some(Effect::Store(Request::Commit { write, txn }))
}

fn spoil(bug: Bug, creates: bool, txn: &mut Txn) {
    let stopped = |task: &Value| task["desired"] == "stop";
    match (bug, creates) {
        // Whoever sees hosts that do not exist does not ask the store for them either.
        (Bug::SeesPhantoms, _) => txn.guards.retain(|guard| !guard.key().starts_with("hosts/phantom-")),
        (Bug::DeafToReturn, _) => txn.guards.retain(|guard| !guard.key().ends_with("/alive")),
        (Bug::PlacesUnasked, _) => txn
            .guards
            .retain(|guard| !guard.key().starts_with("config/hosts/") && !guard.key().ends_with("/alive")),
        (Bug::Unfenced, _) => txn.guards.retain(|guard| !matches!(guard, Guard::Held { .. })),
        (Bug::Blind, true) => {
            let key = txn.ops[0].key().to_string();
            txn.guards.retain(|guard| guard.key() != key);
        }
        (Bug::HalfPair, true) => drop_keys(txn, |key| is_task(key) && !key.starts_with("state/tasks/_/")),
        (Bug::TooLarge, true) => rewrite(txn, "state/tasks/_/", |_, task| {
            task["reason"] = " ".repeat(70_000).into();
        }),
        (Bug::SamePort, _) => {
            rewrite(txn, "state/tasks/", |_, task| {
                if !task["port"].is_null() {
                    task["port"] = 20_000.into();
                }
            });
            rewrite(txn, "state/ledger/", |_, ledger| {
                for claim in
                    ledger["clusters"].as_object_mut().into_iter().flat_map(|lines| lines.values_mut())
                {
                    let ports = claim["ports"].as_array_mut().into_iter().flatten();
                    ports.for_each(|port| *port = 20_000.into());
                }
            });
        }
        (Bug::ChangesInPlace, _) => rewrite(txn, "state/tasks/", |_, task| {
            if stopped(task) {
                task["memory"] = 1.into();
            }
        }),
        (Bug::GivesNoReason, _) => rewrite(txn, "state/tasks/", |_, task| task["reason"] = "".into()),
        (Bug::GhostVersion, _) => rewrite(txn, "state/tasks/", |_, task| task["version"] = 9.into()),
        (Bug::ForgetsStable, _) => rewrite(txn, "state/services/", |_, state| {
            if state["version"] != state["stable"] {
                state["stable"] = Value::Null;
            }
        }),
        (Bug::NeverForgets, _) => {
            let forgets = |op: &Op| matches!(op, Op::Delete { key } if key.starts_with("state/services/"));
            txn.ops.retain(|op| !forgets(op));
        }
        (Bug::LeavesOffers, _) => {
            txn.ops.retain(|op| !matches!(op, Op::Delete { key } if key.contains("/offers/")));
        }
        (Bug::ForgetsLedger, _) => drop_keys(txn, |key| key.starts_with("state/ledger/")),
        _ => {}
    }
}

/// Has one task stopped that users asked to be moved, with what is issued, and counts it as gone.
fn stops_moved(records: &BTreeMap<String, Entry>, txn: &mut Txn) {
    let read = |entry: &Entry| serde_json::from_str::<Value>(&entry.value).unwrap_or_default();
    let named = |kind: &str, task: &Value| format!("{kind}/{}", task["service"].as_str().unwrap_or_default());
    let is_asked = |task: &Value| {
        let service = records.get(&named("config/services", task)).map(read).unwrap_or_default();
        let is_same = |it: &Value| it["id"] == task["id"] && it["generation"] == task["generation"];
        task["desired"] == "run" && service["moves"].as_array().is_some_and(|moves| moves.iter().any(is_same))
    };
    let tasks =
        records.iter().filter(|(key, _)| key.starts_with("state/tasks/_/")).map(|(_, entry)| read(entry));
    let Some(task) = tasks.into_iter().find(is_asked) else { return };
    let id = task["id"].as_str().unwrap_or_default();
    let keys = ["_", task["host"].as_str().unwrap_or_default()].map(|at| format!("state/tasks/{at}/{id}"));
    let state = named("state/services", &task);
    for entry in keys.iter().chain([&state]).filter_map(|key| records.get(key)) {
        if txn.ops.iter().all(|op| op.key() != entry.key) {
            let (key, value) = (entry.key.clone(), entry.value.clone());
            txn.guards.push(Guard::At { key: key.clone(), revision: entry.revision });
            txn.ops.push(Op::Put { key, value, session: None });
        }
    }
    let stop = |task: &mut Value| {
        (task["desired"], task["reason"]) = ("stop".into(), "moved to where it lies better".into());
    };
    keys.iter().for_each(|key| rewrite(txn, key, |_, task| stop(task)));
    rewrite(txn, &state, |_, state| {
        state["available"] = state["available"].as_u64().unwrap_or(0).saturating_sub(1).into();
    });
}

/// Takes what is said of services out of a transaction that writes more than that, for a later one.
fn put_off(txn: &mut Txn) -> Option<Txn> {
    let is_state = |key: &str| key.starts_with("state/services/");
    if txn.ops.iter().all(|op| is_state(op.key())) {
        return None;
    }
    let mut later = txn.clone();
    drop_keys(&mut later, |key| !is_state(key));
    drop_keys(txn, is_state);
    (!later.ops.is_empty()).then_some(later)
}

/// Gives what the bug makes a scheduler do of its own accord.
pub(super) fn does_unasked(mutant: &mut Mutant, now: Time) -> Vec<Effect> {
    let mut txns = std::mem::take(&mut mutant.extra);
    let restless = matches!(mutant.bug, Bug::NeverRests | Bug::Repeats);
    if restless && now.since(mutant.rested) > Span::secs(5) {
        mutant.rested = now;
        if let (Some(held), Some((key, mut value, revision))) = (mutant.held.clone(), mutant.state.clone()) {
            if mutant.bug == Bug::NeverRests {
                value = other_hosts(&value);
            }
            let guards = vec![held, Guard::At { key: key.clone(), revision }];
            txns.push(Txn { guards, ops: vec![Op::Put { key, value, session: None }] });
        }
    }
    let asks = std::mem::take(&mut mutant.asks).into_iter().map(Effect::Store);
    let commit = |txn| {
        mutant.next_write += 1;
        Effect::Store(Request::Commit { write: WriteId(mutant.next_write), txn })
    };
    txns.into_iter().map(commit).chain(asks).collect()
}

/// Counts one host more or less in what is remembered of a service.
fn other_hosts(state: &str) -> String {
    let mut state: Value = serde_json::from_str(state).unwrap_or_default();
    state["hosts"] = (1 - state["hosts"].as_u64().unwrap_or(0).min(1)).into();
    state.to_string()
}

/// Gives the last part of a key.
fn id_of(key: &str) -> String {
    key.rsplit('/').next().unwrap_or_default().into()
}
