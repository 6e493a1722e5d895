//! What this host bids for a task that it is offered: by the memory of the machine that would truly be left, by what was
//! measured and what its tasks may yet take of what they reserve, and by the images that are there already.
//!
//! **Invariant:** an offer is answered once. Nothing is promised by a bid: what was bid for and then placed here is a task
//! like any other.

use super::Agent;
use super::local::{Local, State};
use crate::keys::{self, Key};
use crate::model::{BID_IMAGES_MAX, BID_MEMORY_MAX, Bid, Desired, Offer};
use crate::record;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

impl Agent {
    /// Adds what this host says to what it is offered.
    pub(super) fn say_bids(&self, wanted: &mut BTreeMap<String, String>) {
        let prefix = keys::offers_to(self.name());
        let offers = self.own.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix));
        for (_, entry) in offers {
            let Ok(offer) = record::read::<Offer>(&entry.value) else { continue };
            let key = Key::Bid(self.name().clone(), offer.service.clone()).path();
            let said = self.own.get(&key).map(|said| &said.value);
            let answers =
                |said: &&String| record::read::<Bid>(said).is_ok_and(|bid| bid.number == offer.number);
            let bid = said.filter(answers).cloned().or_else(|| Some(record::write(&self.bid(&offer)?)));
            wanted.extend(bid.map(|bid| (key, bid)));
        }
    }

    /// Gives a bid, once it was measured what is used.
    fn bid(&self, offer: &Offer) -> Option<Bid> {
        let usage = self.gauge.usage().filter(|usage| usage.memory_total > 0)?;
        // What is reserved by tasks that do not use it yet is as good as used.
        let unused = |local: &Local| {
            let used = usage.tasks.get(&local.task.id).copied().unwrap_or(0);
            if local.task.desired == Desired::Run { local.task.memory.saturating_sub(used) } else { 0 }
        };
        let unused: u64 = self.locals.values().map(unused).fold(0, u64::saturating_add);
        let gone = usage.memory_used.saturating_add(unused).saturating_add(offer.memory);
        let left = usage.memory_total.saturating_sub(gone);
        let share = left.saturating_mul(u64::from(BID_MEMORY_MAX)) / usage.memory_total;
        let runs = |state: &State| matches!(state, State::Running { .. } | State::Over(_));
        let here = self.locals.values().filter(|local| runs(&local.state));
        let here: BTreeSet<&str> =
            here.filter_map(|local| local.definition.as_ref()).flat_map(|of| of.images()).collect();
        let needed = u32::try_from(offer.images.len()).unwrap_or(u32::MAX);
        let there = offer.images.iter().filter(|image| here.contains(image.as_str())).count();
        let there = u32::try_from(there).unwrap_or(u32::MAX);
        let images = there.saturating_mul(BID_IMAGES_MAX).checked_div(needed).unwrap_or(BID_IMAGES_MAX);
        let memory = u32::try_from(share).unwrap_or(BID_MEMORY_MAX);
        Some(Bid { service: offer.service.clone(), number: offer.number, memory, images })
    }
}
