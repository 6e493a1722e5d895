//! Reads one expectation of a scenario: an object with one field, which names it.

use super::read::{Known, LONGEST, known_name};
use super::{Expectation, RolloutEnd};
use callboard_core::config::{Fields, Item};
use callboard_core::machine::Span;
use callboard_core::model::Name;

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
