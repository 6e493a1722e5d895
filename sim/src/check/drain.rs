//! L6: what is drained becomes empty.

use super::record::{RolloutRecord, ServiceRecord, ServiceStateRecord, Text};
use super::{Book, Check, End, Findings, Seen, room};
use callboard_core::machine::{Span, Time};
use std::collections::BTreeMap;

/// Looks at drained hosts at the end.
#[derive(Clone, Default)]
pub(crate) struct Drained {
    /// When something of a service last came to nothing: it is not tried there again at once.
    failed: BTreeMap<Text, Time>,
}

/// How long a host on which a service failed may be avoided.
const AVOIDED: Span = Span::secs(360);

impl Check for Drained {
    fn committed(&mut self, seen: &Seen<'_>, _found: &mut Findings) {
        let failed = seen.ended().filter(|task| !seen.book.confirmed_now(task));
        self.failed.extend(failed.map(|task| (task.service.clone(), seen.book.now)));
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        if end.calm < end.settle {
            return;
        }
        for (host, page) in &end.book.hosts {
            if page.draining_since.is_none() || end.fit_hosts.binary_search(host).is_err() {
                continue;
            }
            let from = (host.clone(), Text::from(""));
            let here = end.book.live.range(from..).take_while(|((of, _), _)| of == host);
            for ((_, id), list) in here {
                let stays = list.iter().any(|alive| !end.book.is_forgotten(id, alive));
                if stays && !self.is_needed(end.book, id) && !serves_others(end.book, host, id) {
                    found.blame("L6", format!("{id} still lives on {host}, which is drained"));
                    break;
                }
            }
        }
    }
}

impl Drained {
    /// Tells whether a task is one of the few that do their work, and no host may have another one in its place.
    fn is_needed(&self, book: &Book, id: &Text) -> bool {
        let Some(service) = book.meant.get(id) else { return false };
        let Some(page) = book.services.get(service) else { return false };
        let Some(record) = &page.record else { return false };
        // Those that were told to stop are not available: none of them goes while too few others are.
        let is_kept = page.state.as_ref().is_some_and(|state| state.available < state.min);
        let is_avoided = self.failed.get(service).is_some_and(|at| book.now.since(*at) < AVOIDED);
        // Nothing comes in its place of a version that takes down hosts.
        let is_last = is_avoided || page.state.as_ref().is_some_and(ServiceStateRecord::is_quarantined);
        // What comes is of the version that worked, where the one that is wanted failed.
        let stable = page
            .state
            .as_ref()
            .filter(|state| matches!(state.rollout, RolloutRecord::Failed { .. }))
            .and_then(|state| state.stable);
        let next = ServiceRecord { task_version: stable.unwrap_or(record.task_version), ..record.clone() };
        (page.healthy <= record.floor() || is_kept) && (is_last || room::host_for(book, &next).is_none())
    }
}

/// Tells whether a task of a system service is beside others, which may need it for as long as they are there.
fn serves_others(book: &Book, host: &Text, id: &Text) -> bool {
    let is_system = |id: &Text| {
        let page = book.meant.get(id).and_then(|service| book.services.get(service));
        page.and_then(|page| page.record.as_ref()).is_some_and(ServiceRecord::is_system)
    };
    let mut here = book.live.keys().filter(|(of, _)| of == host);
    is_system(id) && here.any(|(_, other)| !is_system(other))
}
