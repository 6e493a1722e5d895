//! What kind of service it is: how many tasks it has, and what becomes of one that ends.

use super::is_default;
use crate::machine::Span;
use serde::{Deserialize, Serialize};

/// What kind of service it is. Source: users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Fields", into = "Fields")]
pub enum Kind {
    /// As many tasks as are desired; one that ends is started again.
    #[default]
    Service,
    /// One task on each host that qualifies; one that ends is started again.
    System,
    /// Tasks that run until so many have ended with exit code 0.
    Batch(Batch),
}

/// How often the task of a batch service shall run to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// How many tasks shall end with exit code 0.
    pub completions: u32,
    /// How many may run at once.
    pub parallelism: u32,
    /// How many tries may fail before the service fails.
    pub retries: u32,
    /// How long one try may take.
    pub time_limit: Option<Span>,
}

/// The kinds of services by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KindName {
    /// [`Kind::Service`].
    #[default]
    Service,
    /// [`Kind::System`].
    System,
    /// [`Kind::Batch`].
    Batch,
}

/// The fields of a service's record that say of which kind it is.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Fields {
    #[serde(skip_serializing_if = "is_default")]
    kind: KindName,
    #[serde(skip_serializing_if = "Option::is_none")]
    completions: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallelism: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retries: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_limit: Option<Span>,
}

/// How many tries may fail where nothing is said of it.
pub(crate) const RETRIES_DEFAULT: u32 = 3;

impl From<Fields> for Kind {
    fn from(fields: Fields) -> Kind {
        match fields.kind {
            KindName::Service => Kind::Service,
            KindName::System => Kind::System,
            KindName::Batch => Kind::Batch(Batch {
                completions: fields.completions.unwrap_or(1),
                parallelism: fields.parallelism.unwrap_or(1),
                retries: fields.retries.unwrap_or(RETRIES_DEFAULT),
                time_limit: fields.time_limit,
            }),
        }
    }
}

impl From<Kind> for Fields {
    fn from(kind: Kind) -> Fields {
        let plain = Fields { kind: kind.name(), ..Fields::default() };
        match kind {
            Kind::Service | Kind::System => plain,
            Kind::Batch(batch) => Fields {
                completions: Some(batch.completions),
                parallelism: Some(batch.parallelism),
                retries: Some(batch.retries),
                time_limit: batch.time_limit,
                ..plain
            },
        }
    }
}

/// What a task of a batch service is told of its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Try {
    /// How long it may take.
    #[serde(default, skip_serializing_if = "is_default")]
    pub time_limit: Option<Span>,
}

impl Kind {
    /// Gives its name.
    #[must_use]
    pub fn name(self) -> KindName {
        match self {
            Kind::Service => KindName::Service,
            Kind::System => KindName::System,
            Kind::Batch(_) => KindName::Batch,
        }
    }

    /// Tells whether users say how many tasks it has.
    #[must_use]
    pub fn is_counted(self) -> bool {
        self == Kind::Service
    }
}

impl KindName {
    /// Gives it as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            KindName::Service => "service",
            KindName::System => "system",
            KindName::Batch => "batch",
        }
    }
}
