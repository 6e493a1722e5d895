//! Reads a cluster.

use super::{Field, Places};
use crate::config::reader::Fields;
use crate::machine::Span;
use crate::model::{Choice, Cluster, DEFAULT_SCHEDULER, HOST_GRACE_DEFAULT, Name, Policy};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

const POLICIES: [(&str, Policy); 4] = [
    ("spread", Policy::Spread),
    ("binpack", Policy::Binpack),
    ("round_robin", Policy::RoundRobin),
    ("e_pvm", Policy::EPvm),
];
const CHOICES: [(&str, Choice); 2] = [("best", Choice::Best), ("bid", Choice::Bid)];
const GRACE_MIN: Span = Span::secs(1);
const GRACE_MAX: Span = Span::secs(24 * 3600);

pub(super) fn read(fields: &mut Fields<'_>, places: &mut Places) -> Option<Cluster> {
    let item = fields.required("name");
    places.push((Field::Name, item.place().clone()));
    let name = item.name();
    let scheduler = scheduler(fields, places);
    let services = services(fields, places);
    let policy = fields.choice_or("policy", &POLICIES, Policy::default());
    let placement = fields.choice_or("placement", &CHOICES, Choice::default());
    let host_grace = fields.span_or("host_grace", GRACE_MIN..=GRACE_MAX, HOST_GRACE_DEFAULT);
    Some(Cluster { name: name?, scheduler: scheduler?, services, policy, placement, host_grace })
}

fn scheduler(fields: &mut Fields<'_>, places: &mut Places) -> Option<Name> {
    let Some(item) = fields.optional("scheduler") else { return Some(DEFAULT_SCHEDULER.into()) };
    places.push((Field::Scheduler, item.place().clone()));
    item.name()
}

fn services(fields: &mut Fields<'_>, places: &mut Places) -> Vec<Name> {
    let mut seen = BTreeMap::new();
    fields.list("services", |item| {
        let name = item.name()?;
        if let Some(line) = seen.insert(name.clone(), item.place().line) {
            item.wrong(format!("already listed on line {line}"), "", "keep one of the two");
            return None;
        }
        places.push((Field::Service(seen.len() - 1), item.place().clone()));
        Some(name)
    })
}
