//! S5: a task is written under both of its keys or under none, and both say the same.

use super::record::{Place, Text};
use super::{Book, By, Check, Findings, Seen};
use std::collections::BTreeSet;

#[derive(Clone)]
pub(crate) struct Pairs;

impl Check for Pairs {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        if matches!(seen.by, By::User | By::Stranger) {
            return;
        }
        for write in seen.writes {
            if let Place::Task(id) = &write.place {
                let records = write.task_before.iter().chain(&write.task_after);
                let hosts: BTreeSet<&Text> = records.map(|record| &record.host).collect();
                hosts.into_iter().for_each(|host| check_pair(seen.book, id, host, found));
            }
            if let Place::Twin { host, id } = &write.place {
                check_pair(seen.book, id, host, found);
            }
        }
    }
}

fn check_pair(book: &Book, id: &Text, host: &Text, found: &mut Findings) {
    let record = book.tasks.get(id).filter(|record| record.host == *host);
    let twin = book.hosts.get(host).and_then(|page| page.twins.get(id));
    match (record, twin) {
        (Some(record), Some(twin)) if record == twin => {}
        (None, None) => {}
        // What runs without a record is told to stop by a copy alone.
        (None, Some(twin)) if !twin.runs() => {}
        (Some(_), Some(_)) => found.blame("S5", format!("the two records of {id} on {host} differ")),
        (Some(_), None) => found.blame("S5", format!("{id} is issued to {host}, but not under its host")),
        (None, Some(_)) => found.blame("S5", format!("{id} is under {host}, but not issued to it")),
    }
}
