//! Reads where the tasks of a service may run, and where it likes them best.

use crate::config::item::Item;
use crate::config::reader::Fields;
use crate::config::tree::{Style, Value};
use crate::model::{HOST_LABEL, Kind, Limit, Name, Neighbor, Placement, Preference, Rule, Spread, Test};
use crate::placement::{SPREAD_MAX, check_rule};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

const RULES_MAX: usize = 64;
const LABEL: &str = "the name of a label, or host for the host's own name";
const VALUE: &str = "a value of the label";
const TESTS: &str = "one of equals, not_equals, in, not_in, exists, version, number and matches";

/// Reads `placement` of a service of this name and kind.
pub(super) fn read(fields: &mut Fields<'_>, service: Option<&Name>, kind: Kind) -> Placement {
    let Some(item) = fields.optional("placement") else { return Placement::default() };
    let placement = item.object(|fields| Placement {
        require: few(fields, "require", |item| item.object(rule).flatten()),
        prefer: few(fields, "prefer", |item| item.object(preference).flatten()),
        near: few(fields, "near", |item| neighbor(&item, service)),
        apart: few(fields, "apart", |item| neighbor(&item, service)),
        limit: few(fields, "limit", |item| item.object(limit).flatten()),
        spread: spread(fields),
    });
    let placement = placement.unwrap_or_default();
    if kind == Kind::System && !(placement.limit.is_empty() && placement.spread.is_empty()) {
        let problem =
            "with limit or spread, of a system service, which has one task on each host that qualifies";
        item.wrong(problem, "", "leave out limit and spread");
    }
    placement
}

fn few<'a, T>(
    fields: &mut Fields<'a>,
    name: &'static str,
    read: impl FnMut(Item<'a>) -> Option<T>,
) -> Vec<T> {
    let Some(item) = fields.optional(name) else { return Vec::new() };
    let what = format!("a list of at most {RULES_MAX} elements");
    item.items_of(0..=RULES_MAX, &what).into_iter().filter_map(read).collect()
}

fn label(fields: &mut Fields<'_>, name: &'static str) -> Option<String> {
    read_label(&fields.required(name))
}

fn read_label(item: &Item<'_>) -> Option<String> {
    let text = item.text(LABEL)?;
    if text.is_empty() {
        item.wrong("", LABEL, "");
        return None;
    }
    Some(text.into())
}

fn same(fields: &mut Fields<'_>) -> Option<String> {
    fields.optional("same").map_or_else(|| Some(HOST_LABEL.into()), |item| read_label(&item))
}

fn rule(fields: &mut Fields<'_>) -> Option<Rule> {
    let label = label(fields, "label");
    let test = test(fields);
    Some(Rule { label: label?, test: test? })
}

/// Reads the one test of a rule.
fn test(fields: &mut Fields<'_>) -> Option<Test> {
    let mut given = Vec::new();
    let mut take = |fields: &mut Fields<'_>, name, read: fn(&Item<'_>) -> Option<Test>| {
        if let Some(item) = fields.optional(name) {
            let test = read(&item);
            given.push((name, item.place().clone(), test));
        }
    };
    take(fields, "equals", |item| Some(Test::Equals(item.text(VALUE)?.into())));
    take(fields, "not_equals", |item| Some(Test::NotEquals(item.text(VALUE)?.into())));
    take(fields, "in", |item| Some(Test::In(values(item)?)));
    take(fields, "not_in", |item| Some(Test::NotIn(values(item)?)));
    take(fields, "exists", |item| Some(Test::Exists(item.flag()?)));
    take(fields, "version", |item| readable(item, Test::Version));
    take(fields, "number", |item| readable(item, Test::Number));
    take(fields, "matches", |item| readable(item, Test::Matches));
    match given.len() {
        1 => given.pop().and_then(|(_, _, test)| test),
        0 => {
            fields.wrong("a rule without a test", TESTS, "");
            None
        }
        _ => {
            fields.wrong("a rule with several tests", TESTS, "write one rule for each");
            None
        }
    }
}

fn values(item: &Item<'_>) -> Option<Vec<String>> {
    const WHAT: &str = "a list of 1 to 64 values of the label";
    let items = item.items_of(1..=RULES_MAX, WHAT);
    let values: Vec<String> = items.iter().filter_map(|item| item.text(VALUE)).map(String::from).collect();
    (!values.is_empty() && values.len() == items.len()).then_some(values)
}

fn readable(item: &Item<'_>, test: fn(String) -> Test) -> Option<Test> {
    let test = test(item.text("bounds or a pattern")?.into());
    match check_rule(&Rule { label: String::new(), test: test.clone() }) {
        Ok(()) => Some(test),
        Err(problem) => {
            item.wrong(problem, "", "");
            None
        }
    }
}

fn preference(fields: &mut Fields<'_>) -> Option<Preference> {
    let rule = rule(fields);
    let weight = weight(&fields.required("weight"), true);
    Some(Preference { rule: rule?, weight: weight? })
}

/// Reads a weight; where it may be less than 0, a sign may stand before it.
fn weight(item: &Item<'_>, may_be_negative: bool) -> Option<i32> {
    let first = if may_be_negative { -100 } else { 1 };
    let text = item.node().and_then(|node| match &node.value {
        Value::Scalar { text, style: Style::Plain } => Some(text),
        Value::Scalar { .. } | Value::Null | Value::Seq(_) | Value::Map(_) => None,
    });
    let found = text.and_then(|text| text.parse::<i32>().ok());
    let weight = found.filter(|weight| (first..=100).contains(weight) && *weight != 0);
    if weight.is_none() {
        let sign = if may_be_negative { ", but not 0" } else { "" };
        item.wrong("", format!("a whole number from {first} to 100{sign}"), "");
    }
    weight
}

fn neighbor(item: &Item<'_>, own: Option<&Name>) -> Option<Neighbor> {
    item.object(|fields| {
        let service = fields.required("service");
        let name = service.name();
        if name.is_some() && name.as_ref() == own {
            let next = "to keep tasks of one service apart, use limit";
            service.wrong("the service itself", "another service", next);
        }
        let same = same(fields);
        let weight = fields.optional("weight").map(|item| weight(&item, false));
        Some(Neighbor { service: name?, same: same?, weight: weight.flatten() })
    })
    .flatten()
}

fn limit(fields: &mut Fields<'_>) -> Option<Limit> {
    let same = same(fields);
    let tasks = fields.required("tasks").number(1..=super::DESIRED_MAX);
    Some(Limit { same: same?, tasks: tasks? })
}

fn spread(fields: &mut Fields<'_>) -> Vec<Spread> {
    let Some(item) = fields.optional("spread") else { return Vec::new() };
    let what = format!("a list of at most {SPREAD_MAX} labels");
    let items = item.items_of(0..=SPREAD_MAX, &what);
    let mut seen = BTreeMap::new();
    let level = |item: Item<'_>| {
        let spread = item.object(|fields| {
            let label = fields.required("label");
            let name = read_label(&label)?;
            if let Some(line) = seen.insert(name.clone(), label.place().line) {
                label.wrong(format!("already listed on line {line}"), "", "keep one of the two");
            }
            let targets = targets(fields);
            if name == HOST_LABEL && !targets.is_empty() {
                label.wrong("with targets", "", "leave out targets, hosts have equal shares");
            }
            Some(Spread { label: name, targets })
        });
        spread.flatten()
    };
    items.into_iter().filter_map(level).collect()
}

/// Reads shares in percent by value, which are 100 together at most.
fn targets(fields: &mut Fields<'_>) -> BTreeMap<String, u32> {
    let Some(item) = fields.optional("targets") else { return BTreeMap::new() };
    let entries = item.entries();
    let read =
        entries.iter().filter_map(|(value, item)| Some((String::from(*value), item.number(0..=100u32)?)));
    let targets: BTreeMap<String, u32> = read.collect();
    let sum: u32 = targets.values().sum();
    if sum > 100 {
        item.wrong(format!("{sum} percent together"), "at most 100 percent together", "");
    }
    targets
}
