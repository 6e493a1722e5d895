//! How stores behave, as data: what the memory store, the embedded one, Consul and etcd each do differently from the
//! others, as far as a machine can notice. The figures are those of `stores.md`: what real servers did when tried.
//!
//! **Invariant:** the simulator knows of the differences between stores only from here.

use super::read::{LONGEST, between};
use callboard_core::config::{Fields, Item, Value};
use callboard_core::machine::Span;
use std::fmt;

/// Which store is played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum StoreKind {
    /// The reference: no bad habits.
    #[default]
    Memory,
    /// The store inside of the daemon: no network in between, one process.
    Embedded,
    /// Three Consul servers.
    Consul,
    /// Three etcd members.
    Etcd,
}

/// The stores, by name.
pub(super) const KINDS: [(&str, StoreKind); 4] = [
    ("memory", StoreKind::Memory),
    ("embedded", StoreKind::Embedded),
    ("consul", StoreKind::Consul),
    ("etcd", StoreKind::Etcd),
];

/// How the store and the way to it behave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreManners {
    /// Which store this is like.
    pub kind: StoreKind,
    /// One way, at least and at most.
    pub latency: (Span, Span),
    /// How long a change takes to a watcher, at least and at most.
    pub watch_delay: (Span, Span),
    /// Requests that never arrive, in a million.
    pub lost_requests: u32,
    /// Answers that never arrive, in a million.
    pub lost_answers: u32,
    /// Requests that arrive twice, in a million.
    pub repeated: u32,
    /// Answers that come very late, in a million.
    pub late: u32,
    /// Watches that fall silent without a word, in a million deliveries.
    pub deaf_watches: u32,
    /// Watches that end, in a million deliveries.
    pub cut_watches: u32,
    /// Events that a watch loses and goes on, in a million deliveries.
    pub lost_events: u32,
    /// Events after which a watch tells again of the one before, in a million deliveries.
    pub rewound_watches: u32,
    /// One event of a watch may tell of several transactions, without what was overwritten in between.
    pub merged_watches: bool,
    /// How often a watch on which nothing happens gives a sign of life.
    pub sign_of_life: Span,
    /// Sessions may live longer than their ttl by up to this.
    pub session_slack: Span,
    /// A shorter ttl is raised to this.
    pub ttl_min: Span,
    /// After how many ttls a session ends.
    pub ttls: u64,
    /// How soon the end of a machine, or of its network, ends the sessions of its agent; `None`: only their ttl does.
    pub host_death: Option<Span>,
    /// How long a change of leader takes, at least and at most.
    pub election: (Span, Span),
    /// How long the store takes to say that it has no leader.
    pub fails_after: Span,
    /// Writes to a store without a leader that are carried out when it has one again, in a million.
    pub commits_later: u32,
}

impl Default for StoreManners {
    fn default() -> StoreManners {
        StoreManners {
            kind: StoreKind::Memory,
            latency: (Span(1), Span(10)),
            watch_delay: (Span(1), Span(20)),
            lost_requests: 0,
            lost_answers: 0,
            repeated: 0,
            late: 0,
            deaf_watches: 0,
            cut_watches: 0,
            lost_events: 0,
            rewound_watches: 0,
            merged_watches: false,
            // The memory store gives one every 5 s; rarer ones are as good a test, and cost less.
            sign_of_life: Span::secs(30),
            session_slack: Span(0),
            ttl_min: Span(0),
            ttls: 1,
            host_death: None,
            election: (Span(0), Span(0)),
            fails_after: Span(0),
            commits_later: 0,
        }
    }
}

impl StoreManners {
    /// Gives the manners of a store on a good day.
    #[must_use]
    pub fn of(kind: StoreKind) -> StoreManners {
        let memory = StoreManners { kind, ..StoreManners::default() };
        match kind {
            StoreKind::Memory => memory,
            StoreKind::Embedded => StoreManners {
                latency: (Span(0), Span(2)),
                watch_delay: (Span(0), Span(2)),
                sign_of_life: Span::secs(5),
                ..memory
            },
            StoreKind::Consul => StoreManners {
                latency: (Span(1), Span(30)),
                watch_delay: (Span(1), Span(400)),
                merged_watches: true,
                sign_of_life: Span::secs(32),
                session_slack: Span(100),
                ttl_min: Span::secs(10),
                ttls: 2,
                host_death: Some(Span::secs(5)),
                election: (Span::secs(2), Span::secs(5)),
                fails_after: Span::secs(7),
                commits_later: 500_000,
                ..memory
            },
            StoreKind::Etcd => StoreManners {
                latency: (Span(1), Span(30)),
                sign_of_life: Span::secs(10),
                session_slack: Span(500),
                ttl_min: Span::secs(2),
                election: (Span::secs(1), Span::secs(3)),
                fails_after: Span::secs(7),
                commits_later: 500_000,
                ..memory
            },
        }
    }

    /// Gives how long a session of this ttl may outlive its owner's last word.
    #[must_use]
    pub fn outlives(&self, ttl: Span) -> Span {
        Span(self.session_ttl(ttl).0 + self.session_slack.0)
    }

    /// Gives the ttl that the store makes of the one that was asked for.
    #[must_use]
    pub fn session_ttl(&self, ttl: Span) -> Span {
        ttl.max(self.ttl_min).times(self.ttls.max(1))
    }

    /// Tells whether the way to the store and back is to be relied on.
    #[must_use]
    pub fn is_lossy(&self) -> bool {
        [self.lost_requests, self.lost_answers, self.late].iter().any(|often| *often > 0)
    }
}

impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = KINDS.iter().find(|(_, kind)| kind == self);
        f.write_str(found.map_or("memory", |(name, _)| name))
    }
}

/// Reads the name of a store, or an object: `like` names a store, and whatever else is given goes before its manners.
pub(super) fn read(item: &Item<'_>) -> Option<StoreManners> {
    if item.node().is_some_and(|node| matches!(node.value, Value::Scalar { .. })) {
        return item.choice(&KINDS).map(StoreManners::of);
    }
    item.object(|fields| {
        let like = StoreManners::of(fields.choice_or("like", &KINDS, StoreKind::Memory));
        StoreManners {
            latency: between(fields, "latency", like.latency),
            watch_delay: between(fields, "watch_delay", like.watch_delay),
            lost_requests: often(fields, "lost_requests_ppm", like.lost_requests),
            lost_answers: often(fields, "lost_answers_ppm", like.lost_answers),
            repeated: often(fields, "repeated_ppm", like.repeated),
            late: often(fields, "late_ppm", like.late),
            deaf_watches: often(fields, "deaf_watches_ppm", like.deaf_watches),
            cut_watches: often(fields, "cut_watches_ppm", like.cut_watches),
            lost_events: often(fields, "lost_events_ppm", like.lost_events),
            rewound_watches: often(fields, "rewound_watches_ppm", like.rewound_watches),
            session_slack: fields.span_or("session_slack", LONGEST, like.session_slack),
            election: between(fields, "election", like.election),
            commits_later: often(fields, "commits_later_ppm", like.commits_later),
            ..like
        }
    })
}

fn often(fields: &mut Fields<'_>, name: &'static str, like: u32) -> u32 {
    fields.number_or(name, 0..=1_000_000, like)
}
