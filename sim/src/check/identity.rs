//! S13: an id means one thing, and each placement of it has a number that was never used before.

use super::record::Text;
use super::{Book, Check, Fault, Findings, Seen};
use std::collections::BTreeMap;

/// Remembers what every id means and its last placement.
#[derive(Clone, Default)]
pub(crate) struct Identity {
    known: BTreeMap<Text, (u64, Meaning)>,
}

/// Cluster, service, version, instance.
type Meaning = (Text, Text, u32, u32);

impl Check for Identity {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        for task in seen.created() {
            let meaning = (task.cluster.clone(), task.service.clone(), task.version, task.instance);
            if let Some((last, meant)) = self.known.get(&task.id) {
                // What runs already is not placed, but gets its record again.
                if task.generation <= *last && !seen.book.goes_on(task) {
                    let what =
                        format!("{} was placed as generation {} after {last}", task.id, task.generation);
                    found.blame("S13", what);
                }
                if meaning != *meant {
                    found.blame("S13", format!("{} means {meaning:?}, and meant {meant:?}", task.id));
                }
            }
            let last = self.known.get(&task.id).map_or(0, |(last, _)| *last);
            self.known.insert(task.id.clone(), (task.generation.max(last), meaning));
        }
    }

    fn fault(&mut self, _book: &Book, fault: &Fault) {
        if matches!(fault, Fault::Amnesia) {
            // Whoever reads an older store cannot know what was used since.
            self.known.clear();
        }
    }
}
