//! Reads a service.

use super::{Field, Places, placement};
use crate::config::item::Item;
use crate::config::reader::Fields;
use crate::config::tree::{Node, Value};
use crate::machine::Span;
use crate::model::{Batch, Kind, KindName, RETRIES_DEFAULT, Service};
use alloc::format;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

/// The most tasks a service may ask for.
pub const DESIRED_MAX: u32 = 100_000;

/// The largest `max`: room for a second version beside a first of the largest size.
const MAX_MAX: u32 = 2 * DESIRED_MAX;
const VERSION_MAX: u32 = i32::MAX.unsigned_abs();
const MIN_HEALTHY_TIME_DEFAULT: Span = Span::secs(10);
const HEALTHY_DEADLINE_DEFAULT: Span = Span::secs(60);
const KINDS: [(&str, KindName); 3] =
    [("service", KindName::Service), ("system", KindName::System), ("batch", KindName::Batch)];
const RETRIES_MAX: u32 = 100_000;
const UNCOUNTED: [&str; 4] = ["exclusive", "desired", "min", "max"];
const DAY: Span = Span::secs(24 * 3600);

pub(super) fn read(fields: &mut Fields<'_>, places: &mut Places) -> Option<Service> {
    let item = fields.required("name");
    places.push((Field::Name, item.place().clone()));
    let name = item.name();
    let item = fields.required("task_name");
    places.push((Field::TaskName, item.place().clone()));
    let task_name = item.name();
    let item = fields.required("task_version");
    places.push((Field::TaskVersion, item.place().clone()));
    let task_version = item.number(1..=VERSION_MAX);
    let kind = kind(fields);
    let exclusive = kind.is_counted() && fields.flag("exclusive");
    let preempt = kind != Kind::System && fields.flag("preempt");
    let counts = match kind {
        Kind::Service => counts(fields, exclusive),
        Kind::System => uncounted(fields, "system", &UNCOUNTED),
        Kind::Batch(_) => uncounted(fields, "batch", &[&UNCOUNTED[..], &["max_parallel"]].concat()),
    };
    let max_parallel = match kind {
        Kind::Service | Kind::System => fields.optional("max_parallel"),
        Kind::Batch(_) => None,
    };
    let max_parallel = max_parallel.and_then(|item| item.number(1..=DESIRED_MAX));
    let min_healthy_time = fields.span_or("min_healthy_time", Span(0)..=DAY, MIN_HEALTHY_TIME_DEFAULT);
    let healthy_deadline = fields.span_or("healthy_deadline", Span(1)..=DAY, HEALTHY_DEADLINE_DEFAULT);
    let placement = placement::read(fields, name.as_ref(), kind);
    let stopped = fields.flag("stopped");
    let retry = fields.number_or("retry", 0..=u32::MAX, 0);
    let (desired, min, max) = counts?;
    Some(Service {
        name: name?,
        task_name: task_name?,
        task_version: task_version?,
        kind,
        desired,
        min,
        max,
        max_parallel,
        min_healthy_time,
        healthy_deadline,
        exclusive,
        preempt,
        placement,
        stopped,
        retry,
        moves: Vec::new(),
    })
}

/// Reads what kind of service it is, and what a batch service has beside that.
fn kind(fields: &mut Fields<'_>) -> Kind {
    let name = fields.choice_or("kind", &KINDS, KindName::Service);
    let mut number = |field, range, default| {
        fields.optional(field).and_then(|item| of_batch(&item, name, range)).unwrap_or(default)
    };
    let completions = number("completions", 1..=DESIRED_MAX, 1);
    let parallelism = number("parallelism", 1..=DESIRED_MAX, 1);
    let retries = number("retries", 0..=RETRIES_MAX, RETRIES_DEFAULT);
    let item = fields.optional("time_limit").filter(|item| name == KindName::Batch || only_batch(item));
    let time_limit = item.and_then(|item| item.span(Span(1)..=Span(DAY.0 * 365)));
    match name {
        KindName::Service => Kind::Service,
        KindName::System => Kind::System,
        KindName::Batch => Kind::Batch(Batch { completions, parallelism, retries, time_limit }),
    }
}

fn of_batch(item: &Item<'_>, name: KindName, range: RangeInclusive<u32>) -> Option<u32> {
    if name == KindName::Batch || only_batch(item) { item.number(range) } else { None }
}

/// Refuses a field that only a batch service has.
fn only_batch(item: &Item<'_>) -> bool {
    item.wrong("which only a batch service has", "", "leave it out, or say `kind: batch`");
    false
}

/// Refuses what users do not say of a service whose kind says it. Its record says 0.
fn uncounted(fields: &mut Fields<'_>, kind: &str, names: &[&'static str]) -> Option<(u32, u32, u32)> {
    for name in names {
        let is_said = |item: &Item<'_>| item.node().is_some_and(|node| !is_zero(node));
        if let Some(item) = fields.optional(name).filter(is_said) {
            item.wrong(
                format!("which is not said of a {kind} service"),
                "",
                format!("leave out {name}, or the kind"),
            );
        }
    }
    Some((0, 0, 0))
}

fn is_zero(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar { text, .. } if text == "0")
}

/// Reads `desired`, `min` and `max`, which must be in order and leave an update room; where there shall never be two, the
/// old one makes it.
fn counts(fields: &mut Fields<'_>, exclusive: bool) -> Option<(u32, u32, u32)> {
    let (desired, min, max) = (fields.required("desired"), fields.required("min"), fields.required("max"));
    let wanted = desired.number(0..=DESIRED_MAX);
    let least = min.number(0..=DESIRED_MAX);
    let most = max.number(0..=MAX_MAX);
    let (wanted, least, most) = (wanted?, least?, most?);
    if least > wanted {
        let next = "lower min or raise desired";
        min.wrong("more than desired", format!("a whole number from 0 to {wanted}"), next);
    }
    if most < wanted {
        let next = "raise max or lower desired";
        max.wrong("less than desired", format!("a whole number from {wanted} to {MAX_MAX}"), next);
    }
    if exclusive && most > 1 {
        let problem = "more than the one task that an exclusive service may have";
        max.wrong(problem, "0 or 1", "lower max, and desired and min with it, or leave out exclusive");
    } else if least == most && wanted == most && most > 0 {
        let problem = "the same as min and desired, so an update has no room";
        max.wrong(problem, "", if exclusive { "lower min to 0" } else { "raise max or lower min" });
    }
    Some((wanted, least, most))
}
