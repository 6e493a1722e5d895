//! S41: nobody makes room but for a service of the same cluster that asks for it and is more important; it has room then,
//! and would not if one of them stayed; and nothing less important comes in between.

use super::page::HostPage;
use super::record::{DefinitionRecord, Place, ServiceRecord, TaskRecord, Text};
use super::{Book, By, Check, Findings, Seen, room};
use callboard_core::machine::Span;
use std::collections::{BTreeMap, BTreeSet};

/// Judges every order to make room by what the store held then.
#[derive(Clone, Default)]
pub(crate) struct Preemption {
    /// Others issue tasks that are in no ledger.
    strangers: bool,
    /// Tasks that their agents want elsewhere.
    wishes: BTreeSet<Text>,
}

/// How long a scheduler may still decide by what a user has changed.
const GRACE: Span = Span::secs(60);

/// What a service may have been to whoever decided for it.
struct Views<'a> {
    records: Vec<&'a ServiceRecord>,
    /// What its tasks may be.
    definitions: Vec<&'a DefinitionRecord>,
}

impl<'a> Views<'a> {
    fn of(book: &'a Book, service: &Text) -> Option<Views<'a>> {
        let page = book.services.get(service)?;
        let before = page.before.as_ref().filter(|(_, until)| book.now.since(*until) < GRACE);
        let records: Vec<&ServiceRecord> =
            page.record.iter().chain(before.map(|(record, _)| record)).collect();
        let stable = page.state.as_ref().and_then(|state| state.stable);
        let definition =
            |record: &&ServiceRecord, version| book.definitions.get(&(record.task_name.clone(), version));
        let definitions = records.iter().flat_map(|record| {
            let versions = [Some(record.task_version), stable];
            versions.into_iter().flatten().filter_map(move |version| definition(record, version))
        });
        let definitions = definitions.collect();
        Some(Views { records, definitions })
    }

    fn importance(&self) -> u8 {
        self.definitions.iter().map(|definition| definition.priority).max().unwrap_or(0)
    }
}

impl Preemption {
    fn judge(
        &self,
        book: &Book,
        (service, host): (&Text, &Text),
        victims: &[&TaskRecord],
        found: &mut Findings,
    ) {
        let Some(views) = Views::of(book, service) else { return };
        if views.records.is_empty() || views.definitions.is_empty() {
            return;
        }
        let importance = views.importance();
        for victim in victims {
            let lists = book.clusters.get(&victim.cluster).map(|cluster| &cluster.services);
            let what = if !views.records.iter().any(|record| record.preempt) {
                "which does not ask for it".to_string()
            } else if book.is_wanted(service) && lists.is_some_and(|services| !services.contains(service)) {
                format!("which is not of its cluster {}", victim.cluster)
            } else {
                match priority(book, victim) {
                    Some(own) if own < importance => continue,
                    Some(own) => format!("whose priority is {importance}, its own {own}"),
                    None => continue,
                }
            };
            found
                .blame("S41", format!("{} on {host} was told to make room for {service}, {what}", victim.id));
        }
        if self.strangers || book.amnesia.is_some() || book.meddled {
            return;
        }
        let Some(page) = book.hosts.get(host) else { return };
        let leaving: Vec<&TaskRecord> = book
            .issued_to(host)
            .filter(|task| task.makes_room_for.as_ref() == Some(service))
            .map(|task| &**task)
            .collect();
        let fits = |definition: &&DefinitionRecord, leaving: &[&TaskRecord]| {
            room::has_room(book, definition, (host, page), leaving)
        };
        if !views.definitions.iter().any(|definition| fits(definition, &leaving)) {
            found.blame("S41", format!("{service} has no room on {host} when all have made room for it"));
        }
        for victim in victims {
            let others: Vec<&TaskRecord> =
                leaving.iter().filter(|task| task.id != victim.id).copied().collect();
            if views.definitions.iter().all(|definition| fits(definition, &others)) {
                let what = format!("{} need not have made room for {service} on {host}", victim.id);
                found.blame("S41", what);
            }
        }
    }

    /// No more hosts make room for a service than it lacks tasks.
    fn count(&self, book: &Book, service: &Text, found: &mut Findings) {
        let Some(page) = book.services.get(service) else { return };
        let Some(record) = page.record.as_ref().filter(|_| page.before.is_none()) else { return };
        if self.strangers || book.amnesia.is_some() || book.meddled || !record.moves.is_empty() {
            return;
        }
        let is_heard = |host: &Text| book.hosts.get(host).is_some_and(|page| page.alive);
        // Whoever decides may not know yet that a host is back, nor what its agent has said since.
        let is_open = |page: &HostPage| {
            page.draining_since.is_none() && page.alive && book.now.since(page.alive_since) > book.ignorance()
        };
        let is_good = |task: &TaskRecord| {
            task.runs()
                && task.version == record.task_version
                && !self.wishes.contains(&task.id)
                && book.hosts.get(&task.host).is_some_and(is_open)
                && book.status(task).is_none_or(|status| !status.record.is_over())
        };
        let good = book.tasks_of(service).filter(|task| is_good(task)).count();
        let lacks = (record.target() as usize).saturating_sub(good);
        let leaving = book.tasks.values().filter(|task| task.makes_room_for.as_ref() == Some(service));
        let hosts: BTreeSet<&Text> = leaving.map(|task| &task.host).filter(|host| is_heard(host)).collect();
        if hosts.len() > lacks {
            let what = format!("{} hosts make room for {service}, which lacks {lacks} tasks", hosts.len());
            found.blame("S41", what);
        }
    }

    /// Looks at what comes to a host on which room is being made, as everybody can know.
    fn look(seen: &Seen<'_>, task: &TaskRecord, found: &mut Findings) {
        let book = seen.book;
        let Some(own) = priority(book, task) else { return };
        for leaving in book.issued_to(&task.host) {
            let Some(by) = leaving.makes_room_for.as_ref().filter(|by| **by != task.service) else {
                continue;
            };
            let Some(views) = Views::of(book, by).filter(|_| book.is_wanted(by)) else { continue };
            let least = views.definitions.iter().map(|definition| definition.priority).min();
            let ended = book.ended.get(&(leaving.id.clone(), leaving.generation));
            let known = ended.is_some_and(|at| book.now.since(*at) > book.ignorance());
            if known && least.is_some_and(|least| own < least) {
                let (id, host) = (&task.id, &task.host);
                found.blame("S41", format!("{id} came to {host}, where room is being made for {by}"));
            }
        }
    }
}

fn priority(book: &Book, task: &TaskRecord) -> Option<u8> {
    let definition = book.definitions.get(&(task.task_name.clone(), task.version))?;
    Some(definition.priority)
}

impl Check for Preemption {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        self.strangers |= seen.by == By::Stranger;
        for write in seen.writes {
            if let Some((_, id)) = write.key.split_once("/moves/") {
                self.wishes.insert(id.into());
            }
        }
        if seen.by != By::Scheduler {
            return;
        }
        let mut told: BTreeMap<(&Text, &Text), Vec<&TaskRecord>> = BTreeMap::new();
        for write in seen.writes.iter().filter(|write| matches!(write.place, Place::Task(_))) {
            let before = write.task_before.as_ref().filter(|task| task.runs());
            let Some(after) = write.task_after.as_deref().filter(|task| !task.runs()) else { continue };
            if let Some(by) = after.makes_room_for.as_ref().filter(|_| before.is_some()) {
                told.entry((by, &after.host)).or_default().push(after);
            }
        }
        for (whom, victims) in told {
            self.judge(seen.book, whom, &victims, found);
            self.count(seen.book, whom.0, found);
        }
        for task in seen.created().filter(|task| !seen.book.goes_on(task)) {
            Preemption::look(seen, task, found);
        }
    }
}
