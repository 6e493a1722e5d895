//! S29: a host that cannot start anything says so, and then gets nothing new; one of which a single executor cannot says
//! that, and gets nothing new for this one; and nothing comes to a host that never said what it can. What runs there goes
//! on, as S16 and S26 say.

use super::record::{DefinitionRecord, Place, TaskRecord, Text, UsageRecord};
use super::{Book, By, Check, End, Fault, Findings, Seen};
use callboard_core::machine::{Span, Time};
use std::collections::BTreeMap;

/// A host, and the executor that is unfit there; without one the whole host is.
type Part = (Text, Option<String>);

/// Remembers since when hosts say that they are unfit, and from when until when they are.
#[derive(Clone, Default)]
pub(crate) struct Unfit {
    since: BTreeMap<Part, Time>,
    ill: BTreeMap<Part, (Time, Time)>,
    /// Until when somebody somewhere cannot be heard.
    deaf_until: Time,
}

/// How long an agent may take to notice what is the matter with its host, and to say it.
const BOUND: Span = Span::secs(60);

impl Check for Unfit {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        let book = seen.book;
        for write in seen.writes {
            let Place::Usage(host) = &write.place else { continue };
            let said = said(book, host);
            self.since.retain(|(other, executor), _| other != host || said.contains(executor));
            for executor in said {
                self.since.entry((host.clone(), executor)).or_insert(book.now);
            }
        }
        self.judge(book, found);
        if seen.by == By::Scheduler && book.amnesia.is_none() {
            seen.created().filter(|task| !book.goes_on(task)).for_each(|task| is_told_of(book, task, found));
        }
        if seen.by != By::Scheduler || self.since.is_empty() || book.trouble_until > book.now {
            return;
        }
        for task in seen.created().filter(|task| !book.goes_on(task)) {
            let definition = book.definitions.get(&(task.task_name.clone(), task.version));
            let known = self.since.iter().find(|((host, executor), since)| {
                let concerns =
                    executor.as_ref().is_none_or(|executor| definition.is_some_and(needs(executor)));
                *host == task.host && concerns && book.now.since(**since) > book.lag
            });
            if let Some((part, _)) = known {
                found.blame(
                    "S29",
                    format!("{} came to {}, which says it is {}", task.id, task.host, words(part)),
                );
            }
        }
    }

    fn fault(&mut self, book: &Book, fault: &Fault) {
        match fault {
            Fault::Amnesia => self.since.clear(),
            Fault::Unfit { host, executor, until } => {
                let part = (host.clone(), executor.map(String::from));
                let (_, last) = self.ill.entry(part).or_insert((book.now, *until));
                *last = (*last).max(*until);
            }
            Fault::Unreachable { until, .. } => self.deaf_until = self.deaf_until.max(*until),
            Fault::Ended(_) | Fault::HostDown(_) => self.deaf_until = self.deaf_until.max(book.now),
            Fault::ClockJumped { .. } | Fault::Trouble { .. } | Fault::Outage { .. } => {}
        }
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        self.judge(end.book, found);
    }
}

impl Unfit {
    fn judge(&mut self, book: &Book, found: &mut Findings) {
        self.ill.retain(|_, (_, until)| *until > book.now);
        for (part, (since, _)) in &self.ill {
            let (host, executor) = part;
            let Some(page) = book.hosts.get(host).filter(|page| page.alive) else { continue };
            let last = [*since, page.alive_since, self.deaf_until, book.trouble_until].into_iter().max();
            let lasting = book.now.since(last.unwrap_or_default());
            let said = said(book, host);
            let is_said = said.contains(executor) || said.contains(&None);
            if lasting > Span(BOUND.0 + book.lag.0) && !is_said {
                found.blame("S29", format!("{host} is {} for {lasting}, and does not say so", words(part)));
            }
        }
    }
}

/// What was placed came to a host that has said what it can.
fn is_told_of(book: &Book, task: &TaskRecord, found: &mut Findings) {
    let page = book.hosts.get(&task.host);
    if page.is_some_and(|page| page.registration.is_some() && page.usage.is_none()) {
        found.blame("S29", format!("{} came to {}, which has not yet said what it can", task.id, task.host));
    }
}

/// Lists what a host says that it is unfit for: an executor, or anything.
fn said(book: &Book, host: &Text) -> Vec<Option<String>> {
    let usage = book.hosts.get(host).and_then(|page| page.usage.as_ref());
    let parts = |usage: &UsageRecord| -> Vec<Option<String>> {
        let whole = usage.unfit.as_ref().map(|_| None);
        whole.into_iter().chain(usage.unfit_for.keys().cloned().map(Some)).collect()
    };
    usage.map(parts).unwrap_or_default()
}

fn needs(executor: &str) -> impl Fn(&DefinitionRecord) -> bool {
    move |definition| definition.containers.iter().any(|container| container.kind == executor)
}

fn words((_, executor): &Part) -> String {
    executor.as_ref().map_or_else(|| "unfit".to_string(), |executor| format!("unfit for {executor}"))
}
