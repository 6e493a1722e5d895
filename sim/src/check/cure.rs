//! L18: once a version that took down hosts, or their agents, is no longer wanted, these hosts work again by themselves.
//! Which these are, agents say that are back, and schedulers of those that are not.

use super::record::{Place, Text};
use super::{Book, By, Check, End, Fault, Findings, Seen};
use std::collections::{BTreeMap, BTreeSet};

/// Remembers which hosts each version is said to have taken down.
#[derive(Clone, Default)]
pub(crate) struct Cure {
    victims: BTreeMap<(Text, u32), BTreeSet<Text>>,
}

impl Check for Cure {
    fn committed(&mut self, seen: &Seen<'_>, _found: &mut Findings) {
        for write in seen.writes {
            match (&write.place, &seen.by) {
                (Place::Status { host, id }, By::Agent(_)) => self.hear(seen.book, host, id),
                (Place::ServiceState(service), By::Scheduler) => {
                    let state = seen.book.services.get(service).and_then(|page| page.state.as_ref());
                    for blame in state.into_iter().flat_map(|state| &state.blamed) {
                        self.accuse(service, blame.version, &blame.host);
                    }
                }
                (_, By::Agent(_) | By::Scheduler | By::User | By::Stranger | By::Session) => {}
            }
        }
    }

    fn fault(&mut self, _book: &Book, fault: &Fault) {
        if matches!(fault, Fault::Amnesia) {
            self.victims.clear();
        }
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        if end.calm < end.settle {
            return;
        }
        for ((service, version), hosts) in &self.victims {
            if is_asked_for(end.book, service, *version) {
                continue;
            }
            let is_fit = |host: &&Text| end.fit_hosts.binary_search(host).is_ok();
            let is_heard_of = |host: &Text| end.book.hosts.get(host).is_some_and(|page| page.alive);
            if let Some(host) = hosts.iter().filter(is_fit).find(|host| !is_heard_of(host)) {
                let what = format!("{host} is not heard of, though version {version} of {service} is gone");
                found.blame("L18", what);
            }
        }
    }
}

impl Cure {
    fn hear(&mut self, book: &Book, host: &Text, id: &Text) {
        let Some(page) = book.hosts.get(host) else { return };
        let (Some(status), Some(twin)) = (page.statuses.get(id), page.twins.get(id)) else { return };
        if status.record.generation == twin.generation && status.record.blamed > 0 {
            self.accuse(&twin.service, twin.version, host);
        }
    }

    fn accuse(&mut self, service: &Text, version: u32, host: &Text) {
        self.victims.entry((service.clone(), version)).or_default().insert(host.clone());
    }
}

/// Tells whether users still want a version of a service.
fn is_asked_for(book: &Book, service: &Text, version: u32) -> bool {
    let record = book.services.get(service).and_then(|page| page.record.as_ref());
    book.is_wanted(service) && record.is_some_and(|record| record.task_version == version)
}
