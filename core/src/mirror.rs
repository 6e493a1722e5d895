//! How a machine keeps a true copy of parts of the store: list, watch what follows, list again when a watch ends or falls
//! silent. What the copy *means* is the machine's business; this decides when to ask for what, and which answers count.
//!
//! A store that is behind what it said before was put back, or is another one. An answer may be behind as well, if it was
//! on its way for long: so one that is older than what was known when it was asked for is asked for once more, and
//! believed when the next one is, too, and no answer to what was asked for earlier can be among them.
//!
//! **Invariant:** changes of one prefix are passed on in the order of their revisions, none twice; after any doubt comes
//! a whole listing.

use crate::machine::{Span, Time};
use crate::store::{Change, Listing, Reply, Request, Revision};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// How long an answer may take before the request counts as lost.
pub const REPLY_DEADLINE: Span = Span::secs(15);
/// How often a prefix is listed afresh although its watch seems alive: a watch can lose an event and go on.
pub const RELIST_INTERVAL: Span = Span::secs(300);
/// How long a watch may give no sign of life before it counts as deaf. Every store gives one more often than this: Consul,
/// the slowest, at the end of each wait, after some 32 s.
pub const SILENCE_MAX: Span = Span::secs(60);
const RETRY_FIRST: Span = Span(250);
/// No more listings than this are taken to be on their way at once; some may be lost.
const OVERTAKEN_MAX: u32 = 3;
/// How often all that waits is listed at once, at most.
const HASTE: Span = Span::secs(5);
/// For so long after a watch ended what is known is still but a moment old.
const FRESH: Span = Span::secs(1);
/// The longest that anything is waited for before it is tried again.
pub(crate) const RETRY_MAX: Span = Span::secs(15);

/// A copy of some prefixes of the store, kept true.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mirror {
    feeds: BTreeMap<String, Feed>,
    /// Spreads the retries and re-lists of many machines over time.
    salt: u64,
    /// When all that waited was last listed at once.
    #[serde(default)]
    hastened: Time,
    /// When the last answer of that round came.
    #[serde(default)]
    rounded: Option<Time>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Feed {
    state: FeedState,
    /// All up to here has been passed on.
    revision: Revision,
    /// The store has said, of whatever, that it is up to here.
    known: Revision,
    /// The last listing was older than what was known when it was asked for.
    suspect: bool,
    /// Listings that were asked for before the present one and not answered: their answers may come yet.
    overtaken: u32,
    /// A listing older than this does not do.
    wanted: Revision,
    /// Listed at least once.
    filled: bool,
    /// When it was last watched, while it is not.
    #[serde(default)]
    lost: Time,
    /// When it was last listed.
    #[serde(default)]
    listed: Time,
    /// Failures in a row.
    failures: u32,
    /// Every listing asked for so far, so that each has a jitter of its own.
    listings: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum FeedState {
    /// Waits until then to list.
    Waiting { until: Time },
    /// Listing; counts as lost after the deadline. So much was known when it was asked for.
    Listing { until: Time, known: Revision },
    /// Watching; listed again then, or when it has been silent for too long.
    Watching { until: Time, heard: Time },
}

/// News from the store that the machine shall take into its copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Everything under the prefix; what is not listed is not there.
    Listed {
        /// The prefix.
        prefix: String,
        /// Its contents.
        listing: Listing,
        /// The store is behind what it has said before: it was restored from a snapshot, or is another store. What is
        /// missing in the listing is no evidence that anybody removed it.
        went_back: bool,
    },
    /// One transaction's changes under a prefix.
    Changed(Vec<Change>),
    /// Cannot be read now; tried again by itself.
    Trouble {
        /// The prefix.
        prefix: String,
        /// In words.
        why: String,
    },
}

impl Mirror {
    /// Makes an empty mirror of these prefixes. `name` salts the jitter.
    #[must_use]
    pub fn new(prefixes: impl IntoIterator<Item = String>, name: &str) -> Mirror {
        let feed = Feed {
            state: FeedState::Waiting { until: Time(0) },
            revision: Revision(0),
            known: Revision(0),
            suspect: false,
            overtaken: 0,
            wanted: Revision(0),
            filled: false,
            lost: Time(0),
            listed: Time(0),
            failures: 0,
            listings: 0,
        };
        let feeds = prefixes.into_iter().map(|prefix| (prefix, feed.clone())).collect();
        Mirror { feeds, salt: hash(name), hastened: Time(0), rounded: None }
    }

    /// Lists at once what is not watched and waits to be listed, so that all of it is known at one moment, however watches
    /// end; not more often than each five seconds.
    pub fn hasten(&mut self, now: Time) {
        if now.since(self.hastened) < HASTE && self.hastened > Time(0) {
            return;
        }
        (self.hastened, self.rounded) = (now, None);
        for feed in self.feeds.values_mut() {
            if let FeedState::Waiting { until } = &mut feed.state {
                *until = now.min(*until);
            }
        }
    }

    /// Takes note that the store is at this revision at least.
    pub fn know(&mut self, revision: Revision) {
        for feed in self.feeds.values_mut() {
            feed.known = feed.known.max(revision);
        }
    }

    /// Tells whether every prefix has been listed at least once.
    #[must_use]
    pub fn is_filled(&self) -> bool {
        self.feeds.values().all(|feed| feed.filled)
    }

    /// Tells whether every prefix is watched, or was a moment ago, or all were listed at once and the last answer to that
    /// has just come: what is known is not known to be older than a store as slow as this one makes it.
    #[must_use]
    pub fn is_followed(&self, now: Time) -> bool {
        self.unfollowed(now).next().is_none()
    }

    /// Lists the prefixes of which what is known is known to be old.
    pub fn unfollowed(&self, now: Time) -> impl Iterator<Item = &str> {
        let rounded = self.rounded.is_some_and(|at| now.since(at) <= FRESH);
        let is_followed = move |feed: &Feed| feed.is_followed(now) || rounded && feed.listed >= self.hastened;
        self.feeds.iter().filter(move |(_, feed)| !is_followed(feed)).map(|(prefix, _)| prefix.as_str())
    }

    /// Tells whether every prefix was listed since it was last to catch up. Revisions alone do not tell: in a store that
    /// was put back or emptied, what is known from before seems newer than it is.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        self.feeds.values().all(|feed| feed.filled && feed.wanted == Revision(0))
    }

    /// Lists a prefix afresh until it is known at least up to a revision, and to any that was waited for before: an answer
    /// that is on its way may be older.
    pub fn catch_up(&mut self, now: Time, prefix: &str, revision: Revision) {
        self.refresh(now, prefix);
        if let Some(feed) = self.feeds.get_mut(prefix) {
            feed.wanted = feed.wanted.max(revision);
        }
    }

    /// Waits for no revision beyond this one any more: a store that was put back may never come to it.
    pub fn settle_for(&mut self, revision: Revision) {
        for feed in self.feeds.values_mut() {
            feed.wanted = feed.wanted.min(revision);
        }
    }

    /// Lists a prefix afresh at the next wake, whatever it is doing.
    pub fn refresh(&mut self, now: Time, prefix: &str) {
        if let Some(feed) = self.feeds.get_mut(prefix) {
            if matches!(feed.state, FeedState::Listing { .. }) {
                feed.overtaken = (feed.overtaken + 1).min(OVERTAKEN_MAX);
            }
            feed.lose(now);
            feed.state = FeedState::Waiting { until: now };
        }
    }

    /// Sends what is due.
    pub fn wake(&mut self, now: Time, out: &mut Vec<Request>) {
        for (prefix, feed) in &mut self.feeds {
            if feed.due() > now {
                continue;
            }
            feed.listings += 1;
            feed.lose(now);
            feed.state = FeedState::Listing { until: now + REPLY_DEADLINE, known: feed.known };
            out.push(Request::List { prefix: prefix.clone() });
        }
    }

    /// Tells when [`Mirror::wake`] has something to do.
    #[must_use]
    pub fn wake_at(&self) -> Option<Time> {
        self.feeds.values().map(Feed::due).min()
    }

    /// Takes an answer. Answers that speak of no prefix of this mirror, or come late, yield no news.
    pub fn reply(&mut self, now: Time, reply: Reply, out: &mut Vec<Request>) -> Option<News> {
        match reply {
            Reply::Listed { prefix, result } => self.listed(now, prefix, result, out),
            Reply::Changed { prefix, revision, changes } => self.changed(now, &prefix, revision, changes),
            Reply::WatchEnded { prefix, why } => {
                let salt = self.salt;
                let feed = self.feeds.get_mut(&prefix)?;
                if matches!(feed.state, FeedState::Watching { .. }) {
                    feed.back_off(now, salt);
                }
                Some(News::Trouble { prefix, why })
            }
            Reply::SessionOpened(_) | Reply::SessionRenewed(..) | Reply::Done { .. } => None,
        }
    }

    fn listed(
        &mut self,
        now: Time,
        prefix: String,
        result: Result<Listing, String>,
        out: &mut Vec<Request>,
    ) -> Option<News> {
        let salt = self.salt;
        let feed = self.feeds.get_mut(&prefix)?;
        let FeedState::Listing { known, .. } = feed.state else { return None };
        let listing = match result {
            Ok(listing) => listing,
            Err(why) => {
                feed.back_off(now, salt);
                return Some(News::Trouble { prefix, why });
            }
        };
        let went_back = listing.revision < known;
        if went_back && feed.overtaken > 0 {
            feed.overtaken -= 1;
            feed.state = FeedState::Waiting { until: now };
            return None;
        }
        if went_back && !core::mem::replace(&mut feed.suspect, true) {
            feed.state = FeedState::Waiting { until: now };
            return None;
        }
        // A store that was emptied may never come to it: it is asked less and less often.
        if listing.revision < feed.wanted && !went_back {
            feed.back_off(now, salt);
            return None;
        }
        feed.wanted = Revision(0);
        feed.suspect = false;
        feed.revision = listing.revision;
        feed.known = if went_back { listing.revision } else { feed.known.max(listing.revision) };
        (feed.filled, feed.listed) = (true, now);
        let jitter = Span(mix(salt, feed.listings) % (RELIST_INTERVAL.0 / 4));
        feed.state = FeedState::Watching { until: now + RELIST_INTERVAL + jitter, heard: now };
        out.push(Request::Watch { prefix: prefix.clone(), after: listing.revision });
        self.know(listing.revision);
        let is_rounded = |feed: &Feed| feed.filled && (feed.listed >= self.hastened || feed.is_followed(now));
        if self.rounded.is_none() && now.since(self.hastened) <= HASTE && self.feeds.values().all(is_rounded)
        {
            self.rounded = Some(now);
        }
        Some(News::Listed { prefix, listing, went_back })
    }

    fn changed(&mut self, now: Time, prefix: &str, revision: Revision, changes: Vec<Change>) -> Option<News> {
        let feed = self.feeds.get_mut(prefix)?;
        let FeedState::Watching { heard, .. } = &mut feed.state else { return None };
        // A watch that speaks of the past is no better than a deaf one: its silence is counted on.
        if revision < feed.revision {
            return None;
        }
        *heard = now;
        // A listing alone is no success: a store may list and end every watch.
        feed.failures = 0;
        if revision == feed.revision {
            return None;
        }
        feed.revision = revision;
        self.know(revision);
        (!changes.is_empty()).then_some(News::Changed(changes))
    }
}

impl Feed {
    fn is_followed(&self, now: Time) -> bool {
        let is_watched = matches!(self.state, FeedState::Watching { .. });
        self.filled && (is_watched || now.since(self.lost) <= FRESH)
    }

    /// Notes that it is not watched from now on; where it was silent for too long, since it was heard.
    fn lose(&mut self, now: Time) {
        if let FeedState::Watching { heard, .. } = self.state {
            self.lost = if now.since(heard) < SILENCE_MAX { now } else { heard };
        }
    }

    fn due(&self) -> Time {
        match self.state {
            FeedState::Waiting { until } | FeedState::Listing { until, .. } => until,
            FeedState::Watching { until, heard } => until.min(heard + SILENCE_MAX),
        }
    }

    fn back_off(&mut self, now: Time, salt: u64) {
        let delay = retry_delay(self.failures, mix(salt, self.listings));
        self.failures = self.failures.saturating_add(1);
        self.lose(now);
        self.state = FeedState::Waiting { until: now + delay };
    }
}

/// Gives how long to wait before trying for the `failures + 1`st time: doubling, bounded, and jittered by `salt` over
/// its upper half, so that a fleet does not come back as one.
#[must_use]
pub fn retry_delay(failures: u32, salt: u64) -> Span {
    let full = RETRY_FIRST.0.saturating_mul(1 << failures.min(8)).min(RETRY_MAX.0);
    Span(full / 2 + salt % (full / 2 + 1))
}

/// Hashes a name, the same on every machine and for ever (FNV-1a).
#[must_use]
pub fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Sums up a value, to tell later whether another is the same. Whoever keeps a sum outside its own memory takes [`hash`].
#[must_use]
pub(crate) fn digest(value: &str) -> u64 {
    let (words, rest) = value.as_bytes().as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    words.iter().chain([&last]).fold(value.len() as u64, |sum, word| {
        (sum ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    })
}

/// Mixes two numbers into one that looks random (splitmix64).
#[must_use]
pub fn mix(a: u64, b: u64) -> u64 {
    let mut z = a ^ b.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
