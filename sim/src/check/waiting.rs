//! L8: what waits for a place gets it soon after there is one. L13: a new version of what failed again and again is tried
//! at once, whatever its forerunner did.

use super::record::{Place, RolloutRecord, Text};
use super::{Alive, Book, By, Check, End, Fault, Findings, Seen, room};
use callboard_core::machine::{Span, Time};
use std::collections::{BTreeMap, BTreeSet};

/// Remembers since when services have too few tasks issued, and since when none of the wanted version.
#[derive(Clone, Default)]
pub(crate) struct Waiting {
    short: BTreeMap<Text, Time>,
    renewed: BTreeMap<Text, Time>,
    /// When something of a service last came to nothing: it is not tried again at once.
    failed: BTreeMap<Text, Time>,
    /// Services whose records others wrote, perhaps so that they must not be touched.
    foreign: BTreeSet<Text>,
}

/// One look at what waits, a re-list that was missed, and the way to the store.
const BOUND: Span = Span::secs(60);
/// How long a host on which a service failed may be avoided.
const AVOIDED: Span = Span::secs(360);

impl Waiting {
    fn look(&mut self, book: &Book, service: &Text) {
        let Some(page) = book.services.get(service) else { return };
        let record = page.record.as_ref().filter(|_| book.is_wanted(service));
        let target = record.map_or(0, |record| record.target()) as usize;
        let of_version = |version| book.tasks_of(service).any(|task| task.runs() && task.version == version);
        if page.issued.len() + book.unreadable_of(service) < target {
            self.short.entry(service.clone()).or_insert(book.now);
        } else {
            self.short.remove(service);
        }
        if target == 0 || record.is_some_and(|record| of_version(record.task_version)) {
            self.renewed.remove(service);
        }
    }

    fn judge(&mut self, book: &Book, found: &mut Findings) {
        let bound = Span(BOUND.0 + book.lag.0);
        let due = |since: &Time| book.now.since((*since).max(book.calm_from)) > bound;
        let place = |service: &Text| {
            let record = book.services.get(service)?.record.as_ref()?;
            room::host_for(book, record)
        };
        let mut settled = Vec::new();
        for (service, since) in self.short.iter().filter(|(_, since)| due(since)) {
            settled.push(service.clone());
            let page = book.services.get(service);
            let state = page.and_then(|page| page.state.as_ref());
            // One that must be alone comes when nothing of the others is left.
            let exclusive = page.and_then(|page| page.record.as_ref()).is_some_and(|record| record.exclusive);
            if exclusive && book.tasks_of(service).next().is_some() {
                continue;
            }
            // What is rolled out in the place of what works comes step by step, and what failed is tried anew now and then.
            let at_once = state.is_none_or(|state| match state.rollout {
                RolloutRecord::Done => true,
                RolloutRecord::Running => state.stable.is_none() && !state.is_quarantined(),
                RolloutRecord::Failed { .. } => false,
            });
            let failed = self.failed.get(service).is_some_and(|at| book.now.since(*at) < AVOIDED);
            if !at_once || failed || self.foreign.contains(service) || !book.is_locked(service) {
                continue;
            }
            if let Some(host) = place(service) {
                let lasting = book.now.since(*since);
                found.blame(
                    "L8",
                    format!("{service} has had too few tasks for {lasting}, and {host} has room"),
                );
            }
        }
        for service in settled {
            self.short.insert(service, book.now);
        }
        let due: Vec<Text> =
            self.renewed.iter().filter(|(_, since)| due(since)).map(|(service, _)| service.clone()).collect();
        for service in due {
            self.renewed.remove(&service);
            let page = book.services.get(&service);
            let idle = page.is_some_and(|page| page.healthy == 0);
            // Users may come back to a version that took hosts down.
            let condemned = page.is_some_and(|page| {
                let wanted = page.record.as_ref().map(|record| record.task_version);
                page.state.as_ref().zip(wanted).is_some_and(|(state, wanted)| state.condemns(wanted))
            });
            if !idle || condemned || self.foreign.contains(&service) || !book.is_locked(&service) {
                continue;
            }
            if let Some(host) = place(&service) {
                found.blame(
                    "L13",
                    format!("the new version of {service} was not tried, though {host} has room"),
                );
            }
        }
    }
}

impl Check for Waiting {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        let book = seen.book;
        for write in seen.writes {
            match &write.place {
                Place::Task(id) => {
                    let task = write.task_before.as_ref().or(write.task_after.as_ref());
                    let Some(service) = task.map(|task| task.service.clone()) else { continue };
                    let ended = write
                        .task_before
                        .as_ref()
                        .filter(|_| !book.tasks.get(id).is_some_and(|it| it.runs()));
                    if ended.is_some_and(|task| !book.confirmed_now(task)) {
                        self.failed.insert(service.clone(), book.now);
                    }
                    self.look(book, &service);
                }
                Place::Service(service) => {
                    if write.renews {
                        self.renewed.insert(service.clone(), book.now);
                        self.failed.remove(service);
                    }
                    self.look(book, service);
                }
                Place::Cluster(_) => {
                    let services: Vec<Text> = book.services.keys().cloned().collect();
                    services.iter().for_each(|service| self.look(book, service));
                }
                Place::Twin { .. }
                | Place::Status { .. }
                | Place::Ledger(_)
                | Place::ServiceState(_)
                | Place::Lock(_)
                | Place::Definition(..)
                | Place::HostConfig(_)
                | Place::Registration(_)
                | Place::Usage(_)
                | Place::Alive(_)
                | Place::Orphan { .. }
                | Place::Other => {}
            }
            if seen.by == By::Stranger {
                let of_task = write.task_after.as_ref().map(|task| task.service.clone());
                self.foreign.extend(of_task.or_else(|| write.place.service().cloned()));
            }
        }
        self.judge(book, found);
    }

    fn gone(
        &mut self,
        book: &Book,
        _host: &Text,
        id: &Text,
        _alive: &Alive,
        ordered: bool,
        _found: &mut Findings,
    ) {
        if let Some(service) = book.meant.get(id).filter(|_| !ordered) {
            self.failed.insert(service.clone(), book.now);
        }
    }

    fn fault(&mut self, book: &Book, fault: &Fault) {
        if matches!(fault, Fault::Amnesia) {
            self.short.clear();
            self.renewed.clear();
            let services: Vec<Text> = book.services.keys().cloned().collect();
            services.iter().for_each(|service| self.look(book, service));
        }
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        self.judge(end.book, found);
    }
}
