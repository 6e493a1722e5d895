//! What may be expected of a run, and how a scenario says so: by a short text, or by an object with one field, which names
//! the expectation and holds all that can be said of it.

use super::form::{self, Form, Kind, Shape};
use super::kinds::{Choice, Number, SERVICE, TIME};
use super::read::Known;
use super::{phrases, tree};
use callboard_core::config::{Item, Node, Value};
use callboard_core::machine::Span;
use callboard_core::model::{Name, Version};
use std::fmt;

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
        /// After when; `None`: after the last fault is over.
        after: Option<Span>,
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
    /// At most so many tasks are moved in any one hour.
    MovesPerHour {
        /// How many.
        count: u64,
    },
    /// Such a share of all tasks waits less than this.
    DelayBelow {
        /// How many in a hundred.
        percent: u32,
        /// For what they wait.
        of: Delay,
        /// How long.
        below: Span,
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
    /// At most so many tasks are killed as the memory of a machine is used up; their own limits are another matter.
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

/// What a task waits for once it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// To be issued to a host.
    Placement,
    /// To be healthy.
    Healthy,
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Delay::Placement => "placement",
            Delay::Healthy => "healthy",
        })
    }
}

/// How a rollout may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RolloutEnd {
    /// All tasks are of the version and were healthy.
    Done,
    /// Given up.
    Failed,
}

const DELAYS: [(&str, Delay); 2] = [("placement", Delay::Placement), ("healthy", Delay::Healthy)];
const ENDS: [(&str, RolloutEnd); 2] = [("done", RolloutEnd::Done), ("failed", RolloutEnd::Failed)];

/// What may be expected: the word for it, and what it is like when all is left out that can be.
fn words() -> [(&'static str, Expectation); 13] {
    let (at, service) = (Span(0), || Name::from(""));
    [
        ("min_healthy", Expectation::MinHealthy { service: None, at_least: None, from: None, until: None }),
        ("healthy_by", Expectation::HealthyBy { service: None, count: None, at }),
        ("recovered_within", Expectation::RecoveredWithin { after: None, within: at }),
        ("rollout", Expectation::Rollout { service: service(), state: RolloutEnd::Done, by: None }),
        ("version_at_end", Expectation::VersionAtEnd { service: service(), version: 1 }),
        ("drained_by", Expectation::DrainedBy { at }),
        ("moves_at_most", Expectation::MovesAtMost { count: 0 }),
        ("moves_per_hour", Expectation::MovesPerHour { count: 0 }),
        ("delay_below", Expectation::DelayBelow { percent: 99, of: Delay::Placement, below: at }),
        ("moves_at_least", Expectation::MovesAtLeast { count: 0 }),
        ("unplaced_at_most", Expectation::UnplacedAtMost { count: 0 }),
        ("restarts_at_most", Expectation::RestartsAtMost { count: 0 }),
        ("out_of_memory_at_most", Expectation::OutOfMemoryAtMost { count: 0 }),
    ]
}

/// One entry: a short text, or an object with one field, which names the expectation.
pub(super) struct Entry;

impl Kind for Entry {
    type Value = Expectation;

    fn read(&self, item: &Item<'_>, known: &Known<'_>) -> Option<Expectation> {
        if item.node().is_some_and(|node| matches!(node.value, Value::Scalar { .. })) {
            return phrases::read(item, known);
        }
        item.object(|fields| {
            let mut found = Vec::new();
            for (word, basis) in words() {
                found.extend(fields.optional(word).map(|item| basis.read(&item, known)));
            }
            if found.len() != 1 {
                fields.wrong("", "exactly one expectation in each entry", "");
                return None;
            }
            found.pop().flatten()
        })?
    }

    fn write(&self, expectation: &Expectation) -> Node {
        if let Some(text) = phrases::write(expectation) {
            return tree::text(text);
        }
        let word = words().into_iter().find(|(_, basis)| *basis == expectation.basis()).map(|(word, _)| word);
        tree::object([(word.unwrap_or_default(), expectation.write())])
    }

    fn describe(&self) -> Node {
        let each = words().into_iter().map(|(word, basis)| {
            tree::object([
                ("type", tree::text("object")),
                ("properties", tree::object([(word, basis.describe())])),
                ("required", tree::list([tree::text(word)])),
                ("additionalProperties", tree::plain(false)),
            ])
        });
        let texts = tree::list(phrases::forms().map(tree::text));
        let text = tree::object([("type", tree::text("string")), ("examples", texts)]);
        tree::object([("anyOf", tree::list([text].into_iter().chain(each)))])
    }
}

impl Expectation {
    /// Gives what stands alone after the word for it, if it is no object.
    fn alone(&mut self) -> Option<Alone<'_>> {
        match self {
            Expectation::DrainedBy { at } => Some(Alone::Time(at)),
            Expectation::MovesAtMost { count }
            | Expectation::MovesAtLeast { count }
            | Expectation::MovesPerHour { count }
            | Expectation::UnplacedAtMost { count }
            | Expectation::RestartsAtMost { count }
            | Expectation::OutOfMemoryAtMost { count } => Some(Alone::Count(count)),
            Expectation::MinHealthy { .. }
            | Expectation::HealthyBy { .. }
            | Expectation::RecoveredWithin { .. }
            | Expectation::DelayBelow { .. }
            | Expectation::Rollout { .. }
            | Expectation::VersionAtEnd { .. } => None,
        }
    }

    fn read(mut self, item: &Item<'_>, known: &Known<'_>) -> Option<Expectation> {
        match self.alone() {
            Some(Alone::Time(at)) => *at = TIME.read(item, known)?,
            Some(Alone::Count(count)) => *count = COUNT.read(item, known)?,
            None => return form::read(self, item, known),
        }
        Some(self)
    }

    fn write(&self) -> Node {
        match self.clone().alone() {
            Some(Alone::Time(at)) => TIME.write(at),
            Some(Alone::Count(count)) => COUNT.write(count),
            None => form::write(self),
        }
    }

    fn describe(&self) -> Node {
        match self.clone().alone() {
            Some(Alone::Time(_)) => TIME.describe(),
            Some(Alone::Count(_)) => COUNT.describe(),
            None => form::describe(self),
        }
    }
}

/// A value that is no object.
enum Alone<'a> {
    Time(&'a mut Span),
    Count(&'a mut u64),
}

const COUNT: Number<u64> = Number(0, 1_000_000_000);
const TASKS: Number<u32> = Number(0, 100_000);

impl Shape for Expectation {
    fn basis(&self) -> Expectation {
        let mut words = words().into_iter().map(|(_, basis)| basis);
        let same = |basis: &Expectation| std::mem::discriminant(basis) == std::mem::discriminant(self);
        words.find(same).unwrap_or_else(|| self.clone())
    }

    fn form(&mut self, form: &mut Form<'_, '_>) {
        match self {
            Expectation::MinHealthy { service, at_least, from, until } => {
                form.maybe("service", "Which; left out, each.", &SERVICE, service);
                form.maybe("at_least", "How many; left out, the service's `min`.", &TASKS, at_least);
                let says = "From when; left out, from the moment it first had as many.";
                form.maybe("from", says, &TIME, from);
                form.maybe("until", "Until when; left out, to the end.", &TIME, until);
            }
            Expectation::HealthyBy { service, count, at } => {
                form.maybe("service", "Which; left out, each.", &SERVICE, service);
                form.maybe("count", "How many; left out, as many as desired.", &TASKS, count);
                form.must("at", "When.", &TIME, at);
            }
            Expectation::RecoveredWithin { after, within } => {
                form.maybe("after", "After when; left out, after the last fault is over.", &TIME, after);
                form.must("within", "How soon after that.", &TIME, within);
            }
            Expectation::DelayBelow { percent, of, below } => {
                form.may("percent", "How many tasks in a hundred.", &Number(1, 99), percent);
                form.must("of", "What they wait for once they are wanted.", &Choice(&DELAYS), of);
                form.must("below", "How long.", &TIME, below);
            }
            Expectation::Rollout { service, state, by } => {
                form.must("service", "Which.", &SERVICE, service);
                form.must("state", "How its rollout ends.", &Choice(&ENDS), state);
                form.maybe("by", "By when; left out, at the end.", &TIME, by);
            }
            Expectation::VersionAtEnd { service, version } => {
                form.must("service", "Which.", &SERVICE, service);
                form.must("version", "The version of all its tasks.", &Number(1, u32::MAX), version);
            }
            Expectation::DrainedBy { .. }
            | Expectation::MovesAtMost { .. }
            | Expectation::MovesAtLeast { .. }
            | Expectation::MovesPerHour { .. }
            | Expectation::UnplacedAtMost { .. }
            | Expectation::RestartsAtMost { .. }
            | Expectation::OutOfMemoryAtMost { .. } => {}
        }
    }
}
