//! S11, where a service says more of its hosts: its rules on labels, which services its tasks are near to and apart
//! from, and how many of them may be together.

use super::record::{PlacementRecord, RegistrationRecord, RuleRecord, TaskRecord, Text};
use super::{Book, Check, Findings, Seen};
use callboard_core::machine::Span;

/// Looks at the hosts of what is created, as they are at the revision at which it is created.
#[derive(Clone)]
pub(crate) struct Rules;

/// How long a scheduler may still decide by what a user has changed.
const GRACE: Span = Span::secs(60);

impl Check for Rules {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        for task in seen.created().filter(|task| !seen.book.goes_on(task)) {
            let Some(page) = seen.book.services.get(&task.service) else { continue };
            let has = seen.book.hosts.get(&task.host).and_then(|page| page.registration.as_ref());
            let (Some(record), Some(has)) = (&page.record, has) else { continue };
            let before = page.before.as_ref().filter(|(_, until)| seen.book.now.since(*until) < GRACE);
            let wishes = [Some(record), before.map(|(record, _)| record)];
            let mut broken =
                wishes.into_iter().flatten().map(|record| fault(seen.book, &record.placement, task, has));
            if let Some(Some(what)) = broken.next()
                && broken.all(|other| other.is_some())
            {
                found.blame("S11", format!("{} was placed on {}, {what}", task.id, task.host));
            }
        }
    }
}

/// Says what of a service's wishes a placement breaks.
fn fault(
    book: &Book,
    wishes: &PlacementRecord,
    task: &TaskRecord,
    has: &RegistrationRecord,
) -> Option<String> {
    if let Some(rule) = wishes.require.iter().find(|rule| !passes(rule, label(&task.host, has, &rule.label)))
    {
        return Some(format!("whose label {} is not as required", rule.label));
    }
    let required = |weight: &Option<i64>| weight.is_none();
    let is_there = |service: &Text, same: &str| {
        book.tasks_of(service).any(|other| is_together(book, same, &task.host, &other.host))
    };
    if let Some(near) =
        wishes.near.iter().find(|near| required(&near.weight) && !is_there(&near.service, &near.same))
    {
        return Some(format!("where no task of {} is in the same {}", near.service, near.same));
    }
    if let Some(apart) =
        wishes.apart.iter().find(|far| required(&far.weight) && is_there(&far.service, &far.same))
    {
        return Some(format!("where a task of {} is in the same {}", apart.service, apart.same));
    }
    let exceeded = wishes.limit.iter().find(|limit| {
        let own = book.tasks_of(&task.service);
        let together = |other: &TaskRecord| match limit.same.as_str() {
            "host" => other.host == task.host,
            name => value(book, &other.host, name) == value(book, &task.host, name),
        };
        own.filter(|other| together(other)).count() > limit.tasks
    });
    exceeded.map(|limit| format!("beyond the limit of {} in the same {}", limit.tasks, limit.same))
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

/// Judges a value by a rule; bounds of versions and patterns are judged by the tests of placement.
fn passes(rule: &RuleRecord, value: Option<&str>) -> bool {
    let is = |wanted: &String| value == Some(wanted.as_str());
    rule.equals.iter().all(is)
        && !rule.not_equals.iter().any(is)
        && rule.any_of.iter().all(|values| values.iter().any(is))
        && !rule.none_of.iter().flatten().any(is)
        && rule.exists.iter().all(|exists| *exists == value.is_some())
}
