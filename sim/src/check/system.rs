//! System: no host gets a second task of a system service beside one that is there or may be; an update leaves no more than
//! `max_parallel` hosts without one that works; and in the end each host which qualifies and has room has just one, and no
//! other has any.

use super::record::{ServiceRecord, ServiceStateRecord, TaskRecord, Text};
use super::{Book, By, Check, End, Findings, Seen, ServicePage, room};
use callboard_core::machine::Span;
use std::collections::{BTreeMap, BTreeSet};

/// Looks at system services host by host.
#[derive(Clone)]
pub(crate) struct System;

/// How long one host may take, from one version to the next.
const A_HOST: Span = Span::secs(150);
/// What a scheduler writes as the reason where another version takes a task's place.
const REPLACED: &str = "replaced by version";
/// The same where a host shall be empty.
const DRAINED: &str = "its host is being drained";

impl Check for System {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        if seen.by != By::Scheduler {
            return;
        }
        for task in seen.created().filter(|task| !seen.book.goes_on(task)) {
            if known(seen.book, &task.service).is_some() {
                second(seen.book, task, found);
            }
        }
        for task in seen.ended().filter(|task| known(seen.book, &task.service).is_some()) {
            too_early(seen.book, task, found);
        }
        let replaced =
            seen.ended().filter(|task| seen.book.surely_confirmed(task) && is_replaced(seen.book, task));
        let services: BTreeSet<&Text> = replaced.map(|task| &task.service).collect();
        for service in services {
            if let Some((page, record)) = known(seen.book, service) {
                without(seen.book, page, record, found);
            }
        }
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        if end.calm < end.settle {
            return;
        }
        for name in end.book.services.keys().filter(|name| end.book.is_wanted(name)) {
            let Some((page, record)) = system(end.book, name) else { continue };
            let version = (record.task_name.clone(), record.task_version);
            let is_slow = page.state.as_ref().is_some_and(ServiceStateRecord::has_no_version_left);
            if end.unsound.binary_search(&version).is_err() && !is_slow && !is_rolling(end.book, record) {
                judge_hosts(end, record, found);
            }
        }
    }
}

fn system<'a>(book: &'a Book, service: &Text) -> Option<(&'a ServicePage, &'a ServiceRecord)> {
    let page = book.services.get(service)?;
    page.record.as_ref().filter(|record| record.is_system()).map(|record| (page, record))
}

/// Gives a service that was no other kind a moment ago, when whoever acts now may have looked.
fn known<'a>(book: &'a Book, service: &Text) -> Option<(&'a ServicePage, &'a ServiceRecord)> {
    system(book, service).filter(|(page, _)| book.of_late(page).is_none_or(ServiceRecord::is_system))
}

/// A host may have got a second task.
fn second(book: &Book, task: &TaskRecord, found: &mut Findings) {
    let is_known = |other: &TaskRecord| book.is_known_to(other.tenure == task.tenure, other);
    let mut others =
        book.tasks_of(&task.service).filter(|other| other.host == task.host && other.id != task.id);
    if let Some(other) = others.find(|other| is_known(other)) {
        let what =
            format!("{} came to {}, where {} of the same system service is", task.id, task.host, other.id);
        found.blame("system", what);
    }
}

/// What serves the others on a drained host may have gone before them.
fn too_early(book: &Book, task: &TaskRecord, found: &mut Findings) {
    let told = book.tasks.get(&task.id).is_some_and(|told| told.reason.starts_with(DRAINED));
    let mut others = book.issued_to(&task.host).filter(|other| {
        book.is_known_to(false, other)
            && system(book, &other.service).is_none()
            && book.is_wanted(&other.service)
    });
    if let Some(other) = others.next().filter(|_| told) {
        let what = format!("{} left {} before {}, which may need it", task.id, task.host, other.id);
        found.blame("system", what);
    }
}

/// Tells whether what was told to stop made room for another version of what is proven.
fn is_replaced(book: &Book, task: &TaskRecord) -> bool {
    let state = book.services.get(&task.service).and_then(|page| page.state.as_ref());
    let on_trial =
        |state: &ServiceStateRecord| state.version == task.version && state.stable != Some(task.version);
    let told = book.tasks.get(&task.id).is_some_and(|told| told.reason.starts_with(REPLACED));
    told && !state.is_some_and(on_trial)
}

/// An update may have left too many hosts without.
fn without(book: &Book, page: &ServicePage, record: &ServiceRecord, found: &mut Findings) {
    let mut hosts: BTreeMap<&Text, bool> = BTreeMap::new();
    for task in book.tasks_of(&record.name) {
        let host = book.hosts.get(&task.host);
        let is_settled =
            host.is_some_and(|page| page.alive && book.now.since(page.alive_since) > book.ignorance());
        let goes_for_itself = task.reason.starts_with(REPLACED) || task.runs();
        if is_settled && goes_for_itself && host.is_some_and(|page| book.qualifies(&task.host, page, record))
        {
            *hosts.entry(&task.host).or_default() |= task.runs() && book.confirmed(task);
        }
    }
    let (count, most) = (hosts.values().filter(|works| !**works).count(), book.parallel(record) as usize);
    if count > most && book.amnesia.is_none() && page.state.is_some() {
        let name = &record.name;
        found.blame("system", format!("an update of {name} leaves {count} hosts without, of {most} at most"));
    }
}

/// Tells whether a version still goes from host to host.
fn is_rolling(book: &Book, record: &ServiceRecord) -> bool {
    let tasks = || book.tasks_of(&record.name).filter(|task| task.runs());
    let lately = |task: &TaskRecord| {
        let issued = book.first_issued.get(&(task.id.clone(), task.generation));
        issued.is_some_and(|at| book.now.since(*at).0 <= A_HOST.0 + book.lag.0)
    };
    tasks().any(|task| task.version != record.task_version) && tasks().any(|task| lately(task))
}

/// Each host that qualifies has one, and the others none.
fn judge_hosts(end: &End<'_>, record: &ServiceRecord, found: &mut Findings) {
    let book = end.book;
    for host in &end.fit_hosts {
        let page = book.hosts.get(host).filter(|page| page.alive && page.draining_since.is_none());
        let Some(page) = page else { continue };
        let from = (host.clone(), Text::from(""));
        let here = book.live.range(from..).take_while(|((of, _), _)| of == host);
        let own = here.filter(|((_, id), _)| book.meant.get(id) == Some(&record.name));
        let lives = own.flat_map(|((_, id), list)| list.iter().map(move |alive| (id, alive)));
        let healthy = lives.filter(|(id, alive)| alive.healthy && !book.is_forgotten(id, alive)).count();
        let shall = usize::from(!record.stopped && book.qualifies(host, page, record));
        let definition = book.definitions.get(&(record.task_name.clone(), record.task_version));
        let has_room = || {
            definition.is_some_and(|definition| {
                room::is_open(book, definition, page)
                    && room::has_room(book, definition, (host, page), &[])
                    && page
                        .registration
                        .as_ref()
                        .is_some_and(|has| room::is_allowed(book, record, (host, has)))
            })
        };
        // One that is issued and does not become healthy has its room already.
        let is_issued = || book.tasks_of(&record.name).any(|task| task.host == *host && task.runs());
        if healthy > shall || (healthy < shall && (is_issued() || has_room())) {
            found.blame(
                "system",
                format!("{host} has {healthy} healthy tasks of {}, shall have {shall}", record.name),
            );
        }
    }
}
