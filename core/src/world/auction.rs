//! What hosts are offered, and what they bid.

use super::{Timer, World};
use crate::machine::{Span, Time};
use crate::model::{Bid, Name, Offer};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use serde::{Deserialize, Serialize};

/// How long bids are waited for. An agent that is well answers within a tenth of that.
pub const BID_WAIT: Span = Span::secs(2);

/// The offers of one more task of a service, and the bids for it, by host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Auction {
    /// What is offered.
    pub offers: BTreeMap<Name, Arc<Offer>>,
    /// What was bid, perhaps for an earlier offer.
    pub bids: BTreeMap<Name, Arc<Bid>>,
    /// Since when the newest of the offers stands, as far as this scheduler knows.
    pub(crate) since: Time,
}

impl Auction {
    /// Gives what a host bid for what it is offered.
    #[must_use]
    pub fn bid(&self, host: &str) -> Option<&Arc<Bid>> {
        let offer = self.offers.get(host)?;
        self.bids.get(host).filter(|bid| bid.number == offer.number)
    }

    /// Tells whether all have answered.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.offers.keys().all(|host| self.bid(host).is_some())
    }
}

impl World {
    /// Takes in or out what a host is offered.
    pub(crate) fn put_offer(&mut self, now: Time, host: &Name, service: &Name, offer: Option<Arc<Offer>>) {
        let auction = self.auctions.entry(service.clone()).or_default();
        match offer {
            Some(offer) => {
                if !auction.offers.values().any(|other| other.number == offer.number) {
                    auction.since = now;
                    self.timers.insert((now + BID_WAIT, Timer::Offered(service.clone())));
                }
                auction.offers.insert(host.clone(), offer);
            }
            None => {
                auction.offers.remove(host);
            }
        }
        self.settle_auction(service);
    }

    /// Takes in or out what a host bids.
    pub(crate) fn put_bid(&mut self, host: &Name, service: &Name, bid: Option<Arc<Bid>>) {
        let bids = &mut self.auctions.entry(service.clone()).or_default().bids;
        match bid {
            Some(bid) => bids.insert(host.clone(), bid),
            None => bids.remove(host),
        };
        self.settle_auction(service);
    }

    fn settle_auction(&mut self, service: &Name) {
        if self.auctions.get(service).is_some_and(|it| it.offers.is_empty() && it.bids.is_empty()) {
            self.auctions.remove(service);
        }
        self.touch_service(service);
    }
}
