//! S21: nothing of ours lives that nobody issued.

use super::record::{ServiceRecord, ServiceStateRecord};
use super::{Check, End, Findings, ServicePage};
use callboard_core::machine::Span;

/// How long it may take until what is not needed any more is gone.
const KEPT: Span = Span::secs(60);

/// Looks at what lives at the end on hosts whose agents are well.
#[derive(Clone)]
pub(crate) struct Orphans;

impl Check for Orphans {
    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        if end.calm < end.settle {
            return;
        }
        for ((host, id), list) in &end.book.live {
            if end.fit_hosts.binary_search(host).is_err() {
                continue;
            }
            // Whoever finds junk leaves it and what it was about alone, and says so.
            let keys = [format!("state/tasks/_/{id}"), format!("state/tasks/{host}/{id}")];
            if keys.iter().any(|key| end.book.junk.contains(key)) {
                continue;
            }
            let twin = end.book.hosts.get(host).and_then(|page| page.twins.get(id));
            for alive in list {
                let old = end.book.now.since(alive.since).0 > 60_000;
                let ended = end.book.ended.get(&(id.clone(), alive.generation));
                let lately = ended.is_some_and(|at| end.book.now.since(*at).0 < 60_000);
                let is_issued = twin.is_some_and(|twin| twin.generation == alive.generation);
                if is_issued || !old || lately {
                    continue;
                }
                // What a store forgot of a service that nobody configured since is left alone. With the record it forgot
                // the order to stop, if there was one: nobody who has not obeyed it yet can know of it.
                let is_of_nothing = end.book.meant.get(id).is_none_or(|service| !end.book.is_wanted(service));
                let is_ordered = ended.is_some_and(|at| end.book.amnesia.is_none_or(|then| *at > then));
                // What does its work goes on for as long as too few others do theirs.
                let is_kept = || {
                    let service = end.book.meant.get(id);
                    service.is_some_and(|service| end.book.is_kept(service, KEPT))
                };
                // Of a system service it goes when another comes in its place, which none of a version given up does.
                let is_last = || {
                    let page = end.book.meant.get(id).and_then(|service| end.book.services.get(service));
                    let is_given_up = |page: &ServicePage| {
                        let state = page.state.as_ref();
                        state.is_some_and(ServiceStateRecord::has_no_version_left)
                            && page.record.as_ref().is_some_and(ServiceRecord::is_system)
                    };
                    page.is_some_and(is_given_up)
                };
                let is_spared = is_of_nothing || end.book.is_homeless(id, alive) || is_kept() || is_last();
                if is_ordered || !is_spared || !end.book.is_forgotten(id, alive) {
                    found.blame(
                        "S21",
                        format!("{id} generation {} lives on {host} unissued", alive.generation),
                    );
                }
            }
        }
    }
}
