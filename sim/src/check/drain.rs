//! L6: what is drained becomes empty.

use super::record::{ServiceRecord, Text};
use super::{Book, Check, End, Findings, room};

/// Looks at drained hosts at the end.
#[derive(Clone)]
pub(crate) struct Drained;

impl Check for Drained {
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
                if stays && !is_needed(end.book, id) && !serves_others(end.book, host, id) {
                    found.blame("L6", format!("{id} still lives on {host}, which is drained"));
                    break;
                }
            }
        }
    }
}

/// Tells whether a task is one of the few that do their work, and no host may have another one in its place.
fn is_needed(book: &Book, id: &Text) -> bool {
    let page = book.meant.get(id).and_then(|service| book.services.get(service));
    page.is_some_and(|page| {
        let record = page.record.as_ref();
        record.is_some_and(|record| page.healthy <= record.floor() && room::host_for(book, record).is_none())
    })
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
