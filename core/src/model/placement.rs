//! Where the tasks of a service may run, and where it likes them best.

use super::{Name, is_default};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What a service asks of the hosts of its tasks, beyond room. What is required forbids hosts; what is preferred only
/// orders those that are left. Source: users.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Placement {
    /// What a host must be.
    #[serde(skip_serializing_if = "is_default")]
    pub require: Vec<Rule>,
    /// What a host had better be.
    #[serde(skip_serializing_if = "is_default")]
    pub prefer: Vec<Preference>,
    /// Services that its tasks belong beside.
    #[serde(skip_serializing_if = "is_default")]
    pub near: Vec<Neighbor>,
    /// Services that its tasks keep away from. Where that is required, those keep away from its tasks, too.
    #[serde(skip_serializing_if = "is_default")]
    pub apart: Vec<Neighbor>,
    /// How many of its tasks may be together.
    #[serde(skip_serializing_if = "is_default")]
    pub limit: Vec<Limit>,
    /// Over which labels its tasks are spread, the most important first; each within the one before it.
    #[serde(skip_serializing_if = "is_default")]
    pub spread: Vec<Spread>,
}

/// What a label of a host must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The label's name; `host` is the name of the host itself.
    pub label: String,
    /// What its value must be.
    #[serde(flatten)]
    pub test: Test,
}

/// What the value of a label must be. A host without the label passes only `not_equals`, `not_in` and `exists: false`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// This.
    Equals(String),
    /// Anything but this.
    NotEquals(String),
    /// One of these.
    In(Vec<String>),
    /// None of these.
    NotIn(Vec<String>),
    /// Whatever it is, that it is there, or that it is not.
    Exists(bool),
    /// A version within these bounds, such as `>= 5.10, < 6`.
    Version(String),
    /// A whole number within these bounds, such as `> 4`.
    Number(String),
    /// Text that the regular expression matches from its beginning to its end.
    Matches(String),
}

/// What the label of a host had better be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preference {
    /// What it had better be.
    #[serde(flatten)]
    pub rule: Rule,
    /// How much that counts, from -100 to 100; less than 0 for what it had better not be.
    pub weight: i32,
}

/// Another service whose tasks matter to a placement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbor {
    /// The other service.
    pub service: Name,
    /// The label whose value hosts share that count as one place; `host` for the host itself.
    #[serde(default = "host_label", skip_serializing_if = "is_host_label")]
    pub same: String,
    /// How much it counts, from 1 to 100, where it is only preferred; without it, it is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<i32>,
}

/// How many tasks of a service may be in one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// The label whose value hosts share that count as one place; `host` for the host itself.
    #[serde(default = "host_label", skip_serializing_if = "is_host_label")]
    pub same: String,
    /// How many, at least 1.
    pub tasks: u32,
}

/// A label over whose values the tasks of a service are spread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// The label; `host` for the host itself. Hosts without it come last.
    pub label: String,
    /// Shares in percent, by value; what is left of 100 is shared by the other values. Without any, all values have as
    /// many.
    #[serde(default, skip_serializing_if = "is_default")]
    pub targets: BTreeMap<String, u32>,
}

/// The label under which a host is known by its own name.
pub const HOST_LABEL: &str = "host";

pub(crate) fn host_label() -> String {
    HOST_LABEL.into()
}

fn is_host_label(label: &str) -> bool {
    label == HOST_LABEL
}

impl Placement {
    /// Gives the labels that it speaks of, without the host's own name.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        let rules = self.require.iter().chain(self.prefer.iter().map(|preference| &preference.rule));
        let rules = rules.map(|rule| &rule.label);
        let neighbors = self.near.iter().chain(&self.apart).map(|neighbor| &neighbor.same);
        let limits = self.limit.iter().map(|limit| &limit.same);
        let spreads = self.spread.iter().map(|spread| &spread.label);
        let all = rules.chain(neighbors).chain(limits).chain(spreads);
        all.map(String::as_str).filter(|label| *label != HOST_LABEL)
    }
}
