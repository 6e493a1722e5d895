//! L11: nothing is left of what was deleted: no record of its tasks, no word of its agents, nothing remembered of it.

use super::{Check, End, Findings};

/// Looks at the end for what nobody needs any more.
#[derive(Clone)]
pub(crate) struct Garbage;

impl Check for Garbage {
    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        let book = end.book;
        if end.calm < end.settle {
            return;
        }
        let is_fit = |host| end.fit_hosts.binary_search(host).is_ok();
        for (service, page) in book.services.iter().filter(|(service, _)| !book.is_wanted(service)) {
            // Who configured a service is not known to a store that lost it: what runs of it is left alone.
            if book.amnesia.is_some() || page.rubbish {
                continue;
            }
            let left = || book.tasks_of(service);
            if let Some(task) = left().find(|task| is_fit(&task.host)) {
                found.blame("L11", format!("{} is left of {service}, which was deleted", task.id));
            } else if left().next().is_none() && page.state.is_some() {
                found.blame("L11", format!("{service} is still remembered, and was deleted"));
            }
        }
        for (host, page) in book.hosts.iter().filter(|(host, _)| is_fit(host)) {
            for id in page.statuses.keys() {
                let lives = book.live.contains_key(&(host.clone(), id.clone()));
                if !page.twins.contains_key(id) && !lives {
                    found.blame("L11", format!("{host} still speaks of {id}, of which nothing is left"));
                }
            }
        }
    }
}
