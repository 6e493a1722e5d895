//! Offers and bids: in some clusters hosts are asked before a task is placed, and each answers for itself.

use super::{Name, Version, is_default};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The most that free memory counts in a bid.
pub const BID_MEMORY_MAX: u32 = 1000;
/// The most that images which are there already count in a bid.
pub const BID_IMAGES_MAX: u32 = 200;

/// One more task of a service, as a host is asked for it. Source: the scheduler that holds the lock of the service's
/// cluster; it goes when the task has a place, or needs none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The service.
    pub service: Name,
    /// Its cluster.
    pub cluster: Name,
    /// Tells it from other offers of the service.
    pub number: u64,
    /// Which version of the task definition is to run.
    pub version: Version,
    /// What the task reserves, MiB.
    #[serde(default, skip_serializing_if = "is_default")]
    pub memory: u64,
    /// Images that it needs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub images: Vec<String>,
}

/// What a host says to an offer; the more, the better the task would be there. Source: the host's agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bid {
    /// The service.
    pub service: Name,
    /// The offer that it answers.
    pub number: u64,
    /// What would be left of the machine's memory, permille, as it was last measured.
    pub memory: u32,
    /// For images that are there already: [`BID_IMAGES_MAX`] for all that the task needs.
    pub images: u32,
}

impl Bid {
    /// Gives the bid as one number.
    #[must_use]
    pub fn sum(&self) -> u32 {
        self.memory.saturating_add(self.images)
    }

    /// Tells whether a host can bid so.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        self.memory <= BID_MEMORY_MAX && self.images <= BID_IMAGES_MAX
    }
}
