//! How stores behave, as data: what the memory store, the embedded one, Consul and etcd each do differently from the
//! others, as far as a machine can notice. The figures are those of `stores.md`: what real servers did when tried.
//!
//! **Invariant:** the simulator knows of the differences between stores only from here.

use super::WayFault;
use super::form::{self, Form, Kind, Shape};
use super::kinds::{Between, Choice, Flag, Number, PPM, SOME, TIME};
use super::read::Known;
use super::tree;
use callboard_core::config::{Item, Node, Value};
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
const KINDS: [(&str, StoreKind); 4] = [
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
    /// Events that a watch tells of twice, in a million deliveries.
    pub doubled_events: u32,
    /// Events that come very late, with all after them, in a million deliveries.
    pub delayed_events: u32,
    /// Events that come after later ones, in a million deliveries.
    pub reordered_events: u32,
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
            doubled_events: 0,
            delayed_events: 0,
            reordered_events: 0,
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

    /// Makes something that goes wrong on the way to the store and back no rarer than this, in a million.
    pub(crate) fn worsen(&mut self, fault: WayFault, ppm: u64) {
        let often = match fault {
            WayFault::LoseRequests => &mut self.lost_requests,
            WayFault::LoseAnswers => &mut self.lost_answers,
            WayFault::RepeatRequests => &mut self.repeated,
            WayFault::DelayAnswers => &mut self.late,
            WayFault::DeafenWatches => &mut self.deaf_watches,
            WayFault::CutWatches => &mut self.cut_watches,
            WayFault::LoseEvents => &mut self.lost_events,
            WayFault::DoubleEvents => &mut self.doubled_events,
            WayFault::DelayEvents => &mut self.delayed_events,
            WayFault::ReorderEvents => &mut self.reordered_events,
            WayFault::RewindWatches => &mut self.rewound_watches,
        };
        *often = (*often).max(u32::try_from(ppm).unwrap_or(u32::MAX));
    }

    /// Tells whether the way to the store and back is to be relied on.
    #[must_use]
    pub fn is_lossy(&self) -> bool {
        [self.lost_requests, self.lost_answers, self.late].iter().any(|often| *often > 0)
    }
}

impl StoreKind {
    /// Finds the store of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<StoreKind> {
        KINDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }
}

impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = KINDS.iter().find(|(_, kind)| kind == self);
        f.write_str(found.map_or("memory", |(name, _)| name))
    }
}

/// The name of a store; or an object: `like` names a store, and whatever else is given goes before its manners.
pub(super) struct Store;

impl Kind for Store {
    type Value = StoreManners;

    fn read(&self, item: &Item<'_>, known: &Known<'_>) -> Option<StoreManners> {
        if item.node().is_some_and(|node| matches!(node.value, Value::Scalar { .. })) {
            return item.choice(&KINDS).map(StoreManners::of);
        }
        form::read(StoreManners::default(), item, known)
    }

    fn write(&self, manners: &StoreManners) -> Node {
        let like = Choice(&KINDS).write(&manners.kind);
        if *manners == manners.basis() { like } else { form::write(manners) }
    }

    fn describe(&self) -> Node {
        tree::object([(
            "anyOf",
            tree::list([Choice(&KINDS).describe(), form::describe(&StoreManners::default())]),
        )])
    }
}

impl Shape for StoreManners {
    fn basis(&self) -> StoreManners {
        StoreManners::of(self.kind)
    }

    fn form(&mut self, form: &mut Form<'_, '_>) {
        form.always(
            "like",
            "Which store it is like in all that is left out.",
            &Choice(&KINDS),
            &mut self.kind,
        );
        if form.known().is_some() {
            *self = StoreManners::of(self.kind);
        }
        form.may("latency", "How long a request takes, one way.", &Between, &mut self.latency);
        form.may("watch_delay", "How long a change takes to a watcher.", &Between, &mut self.watch_delay);
        let mut often = |name, says, value: &mut u32| form.may(name, says, &PPM, value);
        often("lost_requests_ppm", "Requests that never arrive, in a million.", &mut self.lost_requests);
        often("lost_answers_ppm", "Answers that never arrive, in a million.", &mut self.lost_answers);
        often("repeated_ppm", "Requests that arrive twice, in a million.", &mut self.repeated);
        often("late_ppm", "Answers that come very late, in a million.", &mut self.late);
        let says = "Watches that fall silent without a word, in a million deliveries.";
        often("deaf_watches_ppm", says, &mut self.deaf_watches);
        often("cut_watches_ppm", "Watches that end, in a million deliveries.", &mut self.cut_watches);
        let says = "Events that a watch loses and goes on, in a million deliveries.";
        often("lost_events_ppm", says, &mut self.lost_events);
        let says = "Events after which a watch tells again of the one before, in a million deliveries.";
        often("rewound_watches_ppm", says, &mut self.rewound_watches);
        let says = "Events that a watch tells of twice, in a million deliveries.";
        often("doubled_events_ppm", says, &mut self.doubled_events);
        let says = "Events that come up to half a minute late, with all after them, in a million deliveries.";
        often("delayed_events_ppm", says, &mut self.delayed_events);
        let says = "Events that come after later ones, in a million deliveries.";
        often("reordered_events_ppm", says, &mut self.reordered_events);
        let says =
            "Writes to a store without a leader that are carried out when it has one again, in a million.";
        often("commits_later_ppm", says, &mut self.commits_later);
        let says = "One event of a watch may tell of several transactions.";
        form.may("merged_watches", says, &Flag, &mut self.merged_watches);
        let says = "How often a watch on which nothing happens gives a sign of life.";
        form.may("sign_of_life", says, &SOME, &mut self.sign_of_life);
        let says = "Sessions may live longer than their ttl by up to this.";
        form.may("session_slack", says, &TIME, &mut self.session_slack);
        form.may("ttl_min", "A shorter ttl is raised to this.", &TIME, &mut self.ttl_min);
        form.may("ttls", "After how many ttls a session ends.", &Number(1, 10), &mut self.ttls);
        let says = "How soon the end of a machine ends the sessions of its agent.";
        form.maybe("host_death", says, &TIME, &mut self.host_death);
        form.may("election", "How long a change of leader takes.", &Between, &mut self.election);
        let says = "How long the store takes to say that it has no leader.";
        form.may("fails_after", says, &TIME, &mut self.fails_after);
    }
}
