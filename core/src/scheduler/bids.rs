//! Which host gets a task in a cluster where hosts bid: the filter leaves those on which it may run, as everywhere; the
//! best few by the order of placement are offered the task, one record a host; each answers by a bid; and the highest bid
//! of a host on which the task may still run has it. Where nobody bids in time, the best by the order of placement has it.
//!
//! Offers are a matter of state, not of events: whoever holds the lock finds them in the store and goes on with them, or
//! takes them back where nothing is missing any more. A service offers one task at a time.
//!
//! **Invariant:** nothing is placed on the strength of a bid that could not be placed without it; a task waits for bids no
//! longer than [`BID_WAIT`] after its offers were seen.

use super::batch::Batch;
use super::place::Candidate;
use super::round::Round;
use crate::machine::Time;
use crate::model::{Bid, Choice, Name, Offer, Task, TaskDefinition};
use crate::world::{Auction, BID_WAIT, GroupKey, World};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// How many hosts are offered a task. A decision, with all that it writes, must fit beside others into a transaction.
const OFFERS_MAX: usize = 4;

/// What came of creating one more task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// It is issued.
    Issued,
    /// No host takes it.
    Nowhere,
    /// Hosts are asked.
    Offered,
}

impl Round<'_> {
    /// Creates one more task of the version, or asks hosts for it.
    pub(super) fn create_one(&mut self) -> Made {
        let Some(task) = self.next_task() else { return Made::Nowhere };
        let is_bid = self.world.clusters.get(&self.key.0).is_some_and(|it| it.placement == Choice::Bid);
        // What is decided by bids is written with the end of all offers, or later.
        self.full |= is_bid && !self.batch.has_room(2);
        let task = if !is_bid {
            Some(task)
        } else if self.full {
            None
        } else {
            self.knock_down(task)
        };
        let Some(task) = task else {
            self.is_bidding = true;
            return Made::Offered;
        };
        self.withdraw();
        self.issue(task);
        Made::Issued
    }

    /// Gives the task to the highest bidder, or as it would be placed without bids when none came in time. Nothing is
    /// decided while bids may yet come.
    fn knock_down(&mut self, unasked: Task) -> Option<Task> {
        let definition = self.definition()?;
        let auction = self.world.auctions.get(&self.key.1).filter(|auction| self.is_for(auction)).cloned();
        let Some(auction) = auction else {
            self.withdraw();
            self.offer(&definition);
            return None;
        };
        if !auction.is_answered() && self.now.since(auction.since) < BID_WAIT {
            return None;
        }
        let mut bids: Vec<(&Name, &Arc<Bid>)> =
            auction.offers.keys().filter_map(|host| Some((host, auction.bid(host)?))).collect();
        bids.sort_by_key(|(host, bid)| (Reverse(bid.sum()), *host));
        let next = Candidate::new(self.world, self.now, &self.key, &self.service, &definition);
        let place = |host: &Name| {
            let row = self.world.fleet.find(host)?;
            let is_fit =
                next.first_obstacles(alloc::vec![row]).iter().all(|(_, obstacle)| obstacle.is_none());
            if is_fit { next.place_on(row, self.batch.tenure.0) } else { None }
        };
        let placed = bids.iter().find_map(|(host, bid)| Some((place(host)?, *host, *bid)));
        Some(match placed {
            Some((task, host, bid)) => Task { reason: why(host, bid, &bids, &auction), ..task },
            None => {
                let reason = format!("nobody bid in time; {}", unasked.reason);
                Task { reason, ..unasked }
            }
        })
    }

    /// Tells whether all that is offered is one more task of what shall run now.
    fn is_for(&self, auction: &Auction) -> bool {
        let Some(first) = auction.offers.values().next() else { return false };
        first.cluster == self.key.0
            && first.version == self.version()
            && auction.offers.values().all(|offer| offer.number == first.number)
    }

    /// Asks the hosts that are best by the order of placement.
    fn offer(&mut self, definition: &TaskDefinition) {
        let next = Candidate::new(self.world, self.now, &self.key, &self.service, definition);
        let rows = next.best(OFFERS_MAX);
        let hosts: Vec<Name> = rows.iter().map(|row| self.world.fleet.row(*row).host.clone()).collect();
        let offer = Arc::new(Offer {
            service: self.key.1.clone(),
            cluster: self.key.0.clone(),
            number: self.world.next_generation(),
            version: definition.version,
            memory: definition.memory,
            images: definition.images().map(String::from).collect(),
        });
        for host in &hosts {
            self.batch.put_offer(self.now, self.world, (host, &self.key.1), Some(offer.clone()));
        }
    }

    /// Takes back what is offered, where nothing is to be placed that was.
    pub(crate) fn withdraw_idle(&mut self) {
        if !self.is_bidding && !self.full {
            self.full = !forget(self.now, self.world, self.batch, &self.key);
        }
    }

    /// Takes back all that is offered of the service, whoever offered it.
    fn withdraw(&mut self) {
        let Some(auction) = self.world.auctions.get(&self.key.1) else { return };
        let hosts: Vec<Name> = auction.offers.keys().cloned().collect();
        for host in &hosts {
            self.batch.put_offer(self.now, self.world, (host, &self.key.1), None);
        }
    }
}

/// Takes back all that a cluster offers of a service of which it is to place nothing. Tells whether it fitted into the
/// transaction.
pub(super) fn forget(now: Time, world: &mut World, batch: &mut Batch, (cluster, service): &GroupKey) -> bool {
    let auction = world.auctions.get(service);
    let offers = auction.into_iter().flat_map(|auction| &auction.offers);
    let hosts: Vec<Name> =
        offers.filter(|(_, offer)| offer.cluster == *cluster).map(|(host, _)| host.clone()).collect();
    if !hosts.is_empty() && !batch.has_room(1) {
        return false;
    }
    for host in &hosts {
        batch.put_offer(now, world, (host, service), None);
    }
    true
}

/// Says what was bid, and by whom nothing.
fn why(host: &Name, bid: &Bid, bids: &[(&Name, &Arc<Bid>)], auction: &Auction) -> String {
    let mut words = format!("bid: {}", told(bid));
    if let Some((other, next)) = bids.iter().find(|(other, _)| *other != host) {
        words += &format!("; {other} bid {}", next.sum());
    }
    let silent: Vec<String> = auction
        .offers
        .keys()
        .filter(|host| auction.bid(host).is_none())
        .map(|host| host.to_string())
        .collect();
    if !silent.is_empty() {
        words += &format!("; no answer from {}", silent.join(", "));
    }
    words
}

/// Tells a bid with its parts.
pub(super) fn told(bid: &Bid) -> String {
    format!("{}, {} for memory and {} for images", bid.sum(), bid.memory, bid.images)
}
