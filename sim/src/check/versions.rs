//! S18: only versions that exist are run, and of a version that has not proven itself
//! no more than `max_parallel` are on their way at once.

use super::record::Text;
use super::{Check, Findings, Seen};
use std::collections::BTreeSet;

/// Looks at the versions of what is created.
#[derive(Clone)]
pub(crate) struct Versions;

impl Check for Versions {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        let mut rolled: BTreeSet<(&Text, u32)> = BTreeSet::new();
        for task in seen.created() {
            if !seen.book.definitions.contains_key(&(task.task_name.clone(), task.version)) {
                let what = format!(
                    "{} runs version {} of {}, which does not exist",
                    task.id, task.version, task.task_name
                );
                found.blame("S18", what);
            }
            rolled.insert((&task.service, task.version));
        }
        for (service, version) in rolled {
            let Some(page) = seen.book.services.get(service) else { continue };
            let Some(record) = &page.record else { continue };
            // The first version that ever runs has nobody to spare.
            let proven =
                page.state.as_ref().is_some_and(|state| state.stable.is_none_or(|stable| stable == version));
            if proven || record.task_version != version {
                continue;
            }
            let running = || seen.book.tasks_of(service).filter(|task| task.runs());
            let others =
                running().filter(|task| task.version != version && seen.book.confirmed_now(task)).count();
            if others <= record.max.saturating_sub(record.desired) as usize {
                continue;
            }
            let on_the_way = running().filter(|task| {
                let heard = seen.book.hosts.get(&task.host).is_some_and(|page| page.alive);
                task.version == version && heard && !seen.book.confirmed(task)
            });
            let (count, parallel) = (on_the_way.count(), record.parallel() as usize);
            if count > parallel {
                let what = format!(
                    "{count} tasks of {service} version {version} are on their way, of {parallel} at most"
                );
                found.blame("S18", what);
            }
        }
    }
}
