//! What was last known of tasks and services that are gone, for those who ask for them by name when they no longer are.

use crate::check::{Book, Place, ServiceRecord, StatusRecord, TaskRecord, Text, Write};
use callboard_core::machine::Time;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is gone, by name. What came back may be among it still.
#[derive(Clone, Debug, Default)]
pub(crate) struct Departed {
    tasks: BTreeMap<Text, (Gone, LastTask)>,
    services: BTreeMap<Text, (Gone, ServiceRecord)>,
    /// The last words of agents on tasks that they have forgotten.
    said: BTreeMap<Text, StatusRecord>,
}

/// When something went, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone {
    pub(crate) at: Time,
    pub(crate) how: &'static str,
}

/// A task as it was last known.
#[derive(Clone, Debug)]
pub(crate) struct LastTask {
    pub(crate) record: Arc<TaskRecord>,
    pub(crate) said: Option<StatusRecord>,
}

impl Departed {
    /// Takes in what was committed; the book is as it is afterwards.
    pub(crate) fn committed(&mut self, book: &Book, writes: &[Write]) {
        for write in writes {
            if let (Place::Status { id, .. }, true, Some(said)) =
                (&write.place, write.deleted, &write.status_before)
            {
                self.said.insert(id.clone(), said.clone());
            }
        }
        for write in writes {
            if let (Place::Task(id), Some(before), None) =
                (&write.place, &write.task_before, &write.task_after)
            {
                let how = if write.deleted { "its record was removed" } else { "its record was spoiled" };
                self.task_goes(book, id, before, how);
            }
            if let (Place::Service(name), true) = (&write.place, write.deleted)
                && let Some((record, at)) = book
                    .services
                    .get(name)
                    .and_then(|page| page.before.as_ref())
                    .filter(|(_, at)| *at == book.now)
            {
                let gone = Gone { at: *at, how: "it was deleted" };
                self.services.insert(name.clone(), (gone, record.clone()));
            }
        }
    }

    /// Takes in that the store is about to lose all that it holds, of which it may get some back.
    pub(crate) fn lost(&mut self, book: &Book) {
        for (id, record) in &book.tasks {
            self.task_goes(book, id, record, "the store lost its record");
        }
        for (name, page) in &book.services {
            if let Some(record) = &page.record {
                let gone = Gone { at: book.now, how: "the store lost it" };
                self.services.insert(name.clone(), (gone, record.clone()));
            }
        }
    }

    fn task_goes(&mut self, book: &Book, id: &Text, record: &Arc<TaskRecord>, how: &'static str) {
        let before = self.said.remove(id).filter(|said| said.generation == record.generation);
        let said = book.status(record).map(|status| status.record.clone()).or(before);
        let last = LastTask { record: Arc::clone(record), said };
        self.tasks.insert(id.clone(), (Gone { at: book.now, how }, last));
    }

    /// Gives what was last known of a task that went.
    pub(crate) fn task(&self, id: &str) -> Option<&(Gone, LastTask)> {
        self.tasks.get(id)
    }

    /// Gives what was last wanted of a service that went.
    pub(crate) fn service(&self, name: &str) -> Option<&(Gone, ServiceRecord)> {
        self.services.get(name)
    }
}
