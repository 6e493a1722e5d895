//! Bids: in a cluster where hosts bid, nothing is placed that was not offered; of the hosts that could take it none has
//! bid more than the one that gets it, as whoever decides must know; and no offer stands for long.

use super::record::{Place, Text};
use super::{Alive, Book, By, Check, End, Fault, Findings, Seen, TaskRecord, room};
use crate::event::Process;
use callboard_core::machine::{Span, Time};
use callboard_core::store::{Op, Txn};
use std::collections::BTreeMap;

/// Follows what hosts are offered and what they bid.
#[derive(Clone, Default)]
pub(crate) struct Bids {
    /// By service and host: the number of the offer, and since when it stands.
    offers: BTreeMap<Text, BTreeMap<Text, (u64, Time)>>,
    /// When each offer of a service was first sent: from then on whoever decides counts the time.
    sent: BTreeMap<(Text, u64), Time>,
    /// By service and host: the offer that is answered, what was bid, and when.
    bids: BTreeMap<Text, BTreeMap<Text, (u64, u64, Time)>>,
    /// When what is known of a host last changed: whoever decides may not know yet.
    changed: BTreeMap<Text, Time>,
    /// Since when hosts bid in a cluster.
    clusters: BTreeMap<Text, Time>,
    /// When a service failed on a host: it is not tried there again at once.
    failed: BTreeMap<(Text, Text), Time>,
}

/// How long an offer may stand: bids are waited for, and what is offered anew meanwhile has its own time.
const STANDS: Span = Span::secs(60);
/// What is decided so soon after hosts were asked is not decided because their time was over.
const EARLY: Span = Span(500);
/// How long a host on which a service failed may be avoided.
const AVOIDED: Span = Span::secs(360);

impl Bids {
    fn judge(&self, book: &Book, task: &TaskRecord, found: &mut Findings) {
        let since = self.clusters.get(&task.cluster);
        let is_settled = since.is_some_and(|since| book.now.since(*since) > book.ignorance());
        let page = book.services.get(&task.service);
        let Some(record) = page.and_then(|page| page.record.as_ref()) else { return };
        if !is_settled || record.is_system() || book.amnesia.is_some() || book.meddled {
            return;
        }
        let Some(offers) = self.offers.get(&task.service) else {
            found.blame("bids", format!("{} was placed, and no host was asked", task.id));
            return;
        };
        let is_late = |(number, since): &(u64, Time)| {
            let sent = self.sent.get(&(task.service.clone(), *number));
            sent.is_some_and(|sent| since.since(*sent) > EARLY)
        };
        if offers.values().any(is_late) {
            return;
        }
        let bid = |host: &Text| {
            let (number, _) = offers.get(host)?;
            let (answers, bid, at) = self.bids.get(&task.service)?.get(host)?;
            (answers == number).then_some((*bid, *at))
        };
        let Some(definition) = book.definitions.get(&(task.task_name.clone(), task.version)) else { return };
        // Before its time was over nobody decides who does not know all bids.
        let asked = offers.values().map(|(_, since)| *since).max();
        let knows_all = asked.is_some_and(|asked| book.now.since(asked) < EARLY);
        let own = bid(&task.host).map(|(bid, _)| bid);
        let mut others = offers.keys().filter(|host| **host != task.host).filter(|host| {
            let is_better = |(more, at): (u64, Time)| {
                own.is_none_or(|own| more > own) && (knows_all || book.now.since(at) > book.ignorance())
            };
            let failed = self.failed.get(&(task.service.clone(), (*host).clone()));
            bid(host).is_some_and(is_better) && failed.is_none_or(|at| book.now.since(*at) >= AVOIDED)
        });
        let is_new =
            |host: &Text| self.changed.get(host).is_some_and(|at| book.now.since(*at) <= book.ignorance());
        let could = |host: &&Text| {
            let Some(page) = book.hosts.get(*host).filter(|_| !is_new(host)) else { return false };
            room::is_open(book, definition, page)
                && !book.issued_to(host).any(|other| other.makes_room_for.is_some())
                && room::has_room(book, definition, (host, page), &[])
                && page.registration.as_ref().is_some_and(|has| room::is_allowed(book, record, (host, has)))
        };
        if let Some(host) = others.find(could) {
            let bids = (bid(host).map_or(0, |(bid, _)| bid), own.unwrap_or(0));
            let what = format!("{} came to {}, which bid {}", task.id, task.host, bids.1);
            found.blame("bids", format!("{what}, and {host} bid {}", bids.0));
        }
    }

    fn follow(&mut self, now: Time, op: &Op) {
        let parts: Vec<&str> = op.key().split('/').collect();
        let value = || match op {
            Op::Put { value, .. } => serde_json::from_str::<serde_json::Value>(value).ok(),
            Op::Delete { .. } => None,
        };
        match parts.as_slice() {
            ["hosts", host, "offers", service] => {
                let offers = self.offers.entry((*service).into()).or_default();
                match value().and_then(|value| value["number"].as_u64()) {
                    Some(number) => offers.insert((*host).into(), (number, now)),
                    None => offers.remove(*host),
                };
                self.offers.retain(|_, offers| !offers.is_empty());
            }
            ["hosts", host, "bids", service] => {
                let bids = self.bids.entry((*service).into()).or_default();
                let value = value();
                let number = |name: &str| value.as_ref()?[name].as_u64();
                match (number("number"), number("memory"), number("images")) {
                    (Some(number), Some(memory), Some(images)) => {
                        bids.insert((*host).into(), (number, memory + images, now))
                    }
                    _ => bids.remove(*host),
                };
            }
            ["config", "clusters", cluster] => {
                if value().is_some_and(|value| value["placement"] == "bid") {
                    self.clusters.entry((*cluster).into()).or_insert(now);
                } else {
                    self.clusters.remove(*cluster);
                }
            }
            _ => {}
        }
    }
}

impl Check for Bids {
    fn sent(&mut self, book: &Book, _from: Process, txn: &Txn, _found: &mut Findings) {
        for op in &txn.ops {
            let Op::Put { key, value, .. } = op else { continue };
            let Some((_, service)) = key.strip_prefix("hosts/").and_then(|key| key.split_once("/offers/"))
            else {
                continue;
            };
            let offer = serde_json::from_str::<serde_json::Value>(value).ok();
            if let Some(number) = offer.and_then(|offer| offer["number"].as_u64()) {
                self.sent.entry((service.into(), number)).or_insert(book.now);
            }
        }
    }

    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        for write in seen.writes {
            if let Place::Ledger(host)
            | Place::Usage(host)
            | Place::HostConfig(host)
            | Place::Registration(host)
            | Place::Alive(host) = &write.place
            {
                self.changed.insert(host.clone(), seen.book.now);
            }
        }
        if seen.by == By::Scheduler {
            for task in seen.created().filter(|task| !seen.book.goes_on(task)) {
                self.judge(seen.book, task, found);
            }
        }
        for write in seen.writes.iter().filter(|write| write.place.is_task()) {
            let ended = write.task_before.as_ref().filter(|task| !seen.book.confirmed(task));
            self.failed.extend(ended.map(|task| ((task.service.clone(), task.host.clone()), seen.book.now)));
        }
        seen.txn.iter().flat_map(|txn| &txn.ops).for_each(|op| self.follow(seen.book.now, op));
    }

    fn gone(&mut self, book: &Book, host: &Text, id: &Text, _: &Alive, ordered: bool, _: &mut Findings) {
        if let Some(service) = book.meant.get(id).filter(|_| !ordered) {
            self.failed.insert((service.clone(), host.clone()), book.now);
        }
    }

    fn fault(&mut self, _book: &Book, fault: &Fault) {
        if matches!(fault, Fault::Amnesia) {
            *self = Bids { clusters: std::mem::take(&mut self.clusters), ..Bids::default() };
        }
    }

    fn end(&mut self, end: &End<'_>, found: &mut Findings) {
        let book = end.book;
        if end.calm < end.settle || book.meddled || !book.junk.is_empty() {
            return;
        }
        let is_left = |service: &str| book.amnesia.is_none() && !book.is_wanted(service);
        let may_end = |service: &str| book.is_locked(service) || is_left(service);
        for (service, offers) in self.offers.iter().filter(|(service, _)| may_end(service)) {
            let oldest = offers.values().map(|(_, since)| *since).min();
            if oldest.is_some_and(|since| book.now.since(since) > Span(STANDS.0 + book.lag.0)) {
                found.blame("bids", format!("{service} is still offered to {} hosts", offers.len()));
            }
        }
    }
}
