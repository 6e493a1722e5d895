//! What may be expected of a run, and how a scenario says so: an object with one field, which names the expectation.

use super::read::{Known, LONGEST, known_name};
use callboard_core::config::{Fields, Item};
use callboard_core::machine::Span;
use callboard_core::model::{Name, Version};

/// What is expected of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// A service never has fewer healthy tasks, in truth.
    MinHealthy {
        /// The service; `None`: each.
        service: Option<Name>,
        /// How many; `None`: its `min`.
        at_least: Option<u32>,
        /// From when; `None`: from the moment it first had as many.
        from: Option<Span>,
        /// Until when.
        until: Option<Span>,
    },
    /// A service has so many healthy tasks at a time.
    HealthyBy {
        /// The service; `None`: each.
        service: Option<Name>,
        /// How many; `None`: as many as desired.
        count: Option<u32>,
        /// When.
        at: Span,
    },
    /// Every service has all its healthy tasks again so soon after a time.
    RecoveredWithin {
        /// After when.
        after: Span,
        /// How soon.
        within: Span,
    },
    /// At most so many tasks are moved, for whatever reason but a rollout or a change of scale.
    MovesAtMost {
        /// How many.
        count: u64,
    },
    /// At least so many tasks are moved.
    MovesAtLeast {
        /// How many.
        count: u64,
    },
    /// A rollout ends so.
    Rollout {
        /// The service.
        service: Name,
        /// How.
        state: RolloutEnd,
        /// By when.
        by: Option<Span>,
    },
    /// At most so many tasks are issued nowhere at the end.
    UnplacedAtMost {
        /// How many.
        count: u64,
    },
    /// At most so many starts again in place.
    RestartsAtMost {
        /// How many.
        count: u64,
    },
    /// At most so many tasks are killed for want of memory.
    OutOfMemoryAtMost {
        /// How many.
        count: u64,
    },
    /// All tasks of a service run this version at the end.
    VersionAtEnd {
        /// The service.
        service: Name,
        /// Which.
        version: Version,
    },
    /// Nothing of ours lives on a draining host.
    DrainedBy {
        /// By when.
        at: Span,
    },
}

/// How a rollout may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RolloutEnd {
    /// All tasks are of the version and were healthy.
    Done,
    /// Given up.
    Failed,
}

const ENDS: [(&str, RolloutEnd); 2] = [("done", RolloutEnd::Done), ("failed", RolloutEnd::Failed)];

pub(super) fn read(item: &Item<'_>, known: &Known) -> Option<Expectation> {
    item.object(|fields| {
        let mut found: Vec<Option<Expectation>> = Vec::new();
        timed(fields, known, &mut found);
        counted(fields, &mut found);
        if found.len() != 1 {
            fields.wrong("", "exactly one expectation in each entry", "");
            return None;
        }
        found.pop().flatten()
    })?
}

fn timed(fields: &mut Fields<'_>, known: &Known, found: &mut Vec<Option<Expectation>>) {
    let span = |fields: &mut Fields<'_>, name| fields.optional(name).and_then(|item| item.span(LONGEST));
    if let Some(item) = fields.optional("min_healthy") {
        found.push(item.object(|fields| Expectation::MinHealthy {
            service: service(fields, known),
            at_least: number(fields, "at_least"),
            from: span(fields, "from"),
            until: span(fields, "until"),
        }));
    }
    if let Some(item) = fields.optional("healthy_by") {
        let read = |fields: &mut Fields<'_>| {
            let (service, count) = (service(fields, known), number(fields, "count"));
            Some(Expectation::HealthyBy { service, count, at: fields.required("at").span(LONGEST)? })
        };
        found.push(item.object(read).flatten());
    }
    if let Some(item) = fields.optional("recovered_within") {
        let read = |fields: &mut Fields<'_>| {
            let after = fields.required("after").span(LONGEST);
            let within: Option<Span> = fields.required("within").span(LONGEST);
            Some(Expectation::RecoveredWithin { after: after?, within: within? })
        };
        found.push(item.object(read).flatten());
    }
    if let Some(item) = fields.optional("rollout") {
        let read = |fields: &mut Fields<'_>| {
            let service = known_name(&fields.required("service"), &known.services, "service");
            let state = fields.required("state").choice(&ENDS);
            let by = span(fields, "by");
            Some(Expectation::Rollout { service: service?, state: state?, by })
        };
        found.push(item.object(read).flatten());
    }
    if let Some(item) = fields.optional("version_at_end") {
        let read = |fields: &mut Fields<'_>| {
            let service = known_name(&fields.required("service"), &known.services, "service");
            let version = fields.required("version").number(1..=u32::MAX);
            Some(Expectation::VersionAtEnd { service: service?, version: version? })
        };
        found.push(item.object(read).flatten());
    }
    if let Some(item) = fields.optional("drained_by") {
        found.push(item.span(LONGEST).map(|at| Expectation::DrainedBy { at }));
    }
}

fn counted(fields: &mut Fields<'_>, found: &mut Vec<Option<Expectation>>) {
    type Make = fn(u64) -> Expectation;
    let counts: [(&'static str, Make); 5] = [
        ("moves_at_most", |count| Expectation::MovesAtMost { count }),
        ("moves_at_least", |count| Expectation::MovesAtLeast { count }),
        ("unplaced_at_most", |count| Expectation::UnplacedAtMost { count }),
        ("restarts_at_most", |count| Expectation::RestartsAtMost { count }),
        ("out_of_memory_at_most", |count| Expectation::OutOfMemoryAtMost { count }),
    ];
    for (name, make) in counts {
        if let Some(item) = fields.optional(name) {
            found.push(item.number(0..=1_000_000_000).map(make));
        }
    }
}

/// Reads the service that is meant; left out, all are.
fn service(fields: &mut Fields<'_>, known: &Known) -> Option<Name> {
    fields.optional("service").and_then(|item| known_name(&item, &known.services, "service"))
}

fn number(fields: &mut Fields<'_>, name: &'static str) -> Option<u32> {
    fields.optional(name).and_then(|item| item.number(0..=100_000))
}
