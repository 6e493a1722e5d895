//! S11, where a service says more of its hosts: its rules on labels, which services its tasks are near to and apart
//! from, and how many of them may be together.

use super::record::{PlacementRecord, RegistrationRecord, RuleRecord, ServiceRecord, TaskRecord, Text};
use super::{Book, Check, Findings, Seen, ServicePage, text};
use callboard_core::machine::{Span, Time};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// Looks at the hosts of what is created, as they are at the revision at which it is created.
#[derive(Clone, Default)]
pub(crate) struct Rules {
    /// What was taken away of late, and when: whoever decides may not know yet.
    left: VecDeque<(Time, Arc<TaskRecord>)>,
}

/// How long a scheduler may still decide by what a user has changed.
const GRACE: Span = Span::secs(60);

impl Check for Rules {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        let book = seen.book;
        let gone = seen.writes.iter().filter(|write| write.place.is_task()).filter_map(|write| {
            let before = write.task_before.as_ref()?;
            let stays = write.task_after.as_ref().is_some_and(|after| after.host == before.host);
            (!stays).then(|| (book.now, before.clone()))
        });
        self.left.extend(gone);
        while self.left.front().is_some_and(|(at, _)| book.now.since(*at) > book.ignorance()) {
            self.left.pop_front();
        }
        let adopted = seen.created().filter(|task| book.goes_on(task)).map(|task| &task.id).collect();
        for task in seen.created().filter(|task| !book.goes_on(task)) {
            let Some(page) = book.services.get(&task.service) else { continue };
            let has = book.hosts.get(&task.host).and_then(|page| page.registration.as_ref());
            let Some(has) = has else { continue };
            let left = self.left.make_contiguous();
            let around = Around { book, left, found: &adopted, by: Some(&task.cluster) };
            let judge = |record: &ServiceRecord| around.forbids(record, (&task.host, has), 0);
            let broken = in_force(book, page).map(judge).collect::<Option<Vec<String>>>();
            let broken = broken.and_then(|all| all.into_iter().next());
            if let Some(what) = broken.or_else(|| around.shunned(&task.service, &task.host)) {
                found.blame("S11", format!("{} was placed on {}, {what}", task.id, task.host));
            }
        }
    }
}

/// Gives what users say of a service, and what they said until lately.
fn in_force<'a>(book: &Book, page: &'a ServicePage) -> impl Iterator<Item = &'a ServiceRecord> {
    let before = page.before.as_ref().filter(|(_, until)| book.now.since(*until) < GRACE);
    page.record.iter().chain(before.map(|(record, _)| record))
}

/// Where tasks are, for whoever places one more.
pub(super) struct Around<'a> {
    pub(super) book: &'a Book,
    /// What may be taken to be there still.
    pub(super) left: &'a [(Time, Arc<TaskRecord>)],
    /// What the store has just been told of that runs already, wherever that is.
    pub(super) found: &'a BTreeSet<&'a Text>,
    /// The cluster for which is placed: what others have placed only just need not be known.
    pub(super) by: Option<&'a Text>,
}

impl Around<'_> {
    /// Tells whether a task of a service is for certain where a host is.
    fn is_surely(&self, service: &Text, same: &str, host: &Text) -> bool {
        let is_known = |other: &TaskRecord| {
            let is_by_same = self.by.is_none_or(|by| *by == other.cluster);
            // What has no home any more where it is is about to go.
            let stays = !self.found.contains(&other.id) && self.book.is_at_home(other);
            stays && self.book.is_known_to(is_by_same, other)
        };
        let mut there = self.book.tasks_of(service).filter(|other| is_known(other));
        there.any(|other| is_together(self.book, same, host, &other.host))
    }

    /// Tells whether a task of a service may be where a host is.
    fn is_perhaps(&self, service: &Text, same: &str, host: &Text) -> bool {
        let left = self.left.iter().map(|(_, task)| task).filter(|task| task.service == *service);
        self.book.tasks_of(service).chain(left).any(|other| is_together(self.book, same, host, &other.host))
    }

    /// Tells whether a host is not heard of, or was not until lately.
    fn is_silent(&self, host: &Text) -> bool {
        let page = self.book.hosts.get(host);
        page.is_none_or(|page| !page.alive || self.book.now.since(page.alive_since) <= self.book.ignorance())
    }

    /// Says what of a service's wishes a host breaks, with so many of its tasks still to come there.
    pub(super) fn forbids(
        &self,
        of: &ServiceRecord,
        (host, has): (&Text, &RegistrationRecord),
        coming: usize,
    ) -> Option<String> {
        let wishes = &of.placement;
        if let Some(rule) = wishes.require.iter().find(|rule| !passes(rule, label(host, has, &rule.label))) {
            return Some(format!("whose label {} is not as required", rule.label));
        }
        let required = |weight: &Option<i64>| weight.is_none();
        let mut near = wishes.near.iter().filter(|near| required(&near.weight));
        if let Some(near) = near.find(|near| !self.is_perhaps(&near.service, &near.same, host)) {
            return Some(format!("where no task of {} is in the same {}", near.service, near.same));
        }
        let mut apart = wishes.apart.iter().filter(|apart| required(&apart.weight));
        if let Some(apart) = apart.find(|apart| self.is_surely(&apart.service, &apart.same, host)) {
            return Some(format!("where a task of {} is in the same {}", apart.service, apart.same));
        }
        let exceeded = wishes.limit.iter().find(|limit| {
            // What went with its host is replaced, and takes no part of it.
            let own = self.book.tasks_of(&of.name).filter(|other| !self.is_silent(&other.host));
            let together = |other: &TaskRecord| match limit.same.as_str() {
                "host" => other.host == *host,
                name => value(self.book, &other.host, name) == value(self.book, host, name),
            };
            own.filter(|other| together(other)).count() + coming > limit.tasks
        });
        exceeded.map(|limit| format!("beyond the limit of {} in the same {}", limit.tasks, limit.same))
    }

    /// Says who keeps away from a service and is where a host is.
    pub(super) fn shunned(&self, service: &Text, host: &Text) -> Option<String> {
        let keeps_away = |other: &Text, of: &ServiceRecord| {
            let mut apart = of.placement.apart.iter();
            apart.any(|apart| {
                apart.weight.is_none()
                    && apart.service == *service
                    && self.is_surely(other, &apart.same, host)
            })
        };
        let mut others = self.book.services.iter().filter(|(_, page)| page.record.is_some());
        let (other, _) =
            others.find(|(other, page)| in_force(self.book, page).all(|of| keeps_away(other, of)))?;
        Some(format!("where a task of {other} is, which keeps away from {service}"))
    }
}

/// Tells whether a host is what a service requires of labels.
pub(super) fn keeps_rules(wishes: &PlacementRecord, host: &Text, has: &RegistrationRecord) -> bool {
    wishes.require.iter().all(|rule| passes(rule, label(host, has, &rule.label)))
}

fn label<'a>(host: &'a Text, has: &'a RegistrationRecord, name: &str) -> Option<&'a str> {
    if name == "host" { Some(host) } else { has.labels.get(name).map(String::as_str) }
}

fn value<'a>(book: &'a Book, host: &'a Text, name: &str) -> Option<&'a str> {
    let has = book.hosts.get(host).and_then(|page| page.registration.as_ref())?;
    label(host, has, name)
}

fn is_together(book: &Book, same: &str, one: &Text, other: &Text) -> bool {
    let (one, other) = (value(book, one, same), value(book, other, same));
    one.is_some() && one == other
}

/// Judges a value by a rule.
fn passes(rule: &RuleRecord, value: Option<&str>) -> bool {
    let is = |wanted: &String| value == Some(wanted.as_str());
    let has = |what: &dyn Fn(&str) -> bool| value.is_some_and(what);
    rule.equals.iter().all(is)
        && !rule.not_equals.iter().any(is)
        && rule.any_of.iter().all(|values| values.iter().any(is))
        && !rule.none_of.iter().flatten().any(is)
        && rule.exists.iter().all(|exists| *exists == value.is_some())
        && rule.version.iter().all(|bounds| has(&|value| text::is_within(value, bounds, text::version)))
        && rule.number.iter().all(|bounds| has(&|value| text::is_within(value, bounds, text::number)))
        && rule.matches.iter().all(|pattern| has(&|value| pattern.matches(value)))
}
