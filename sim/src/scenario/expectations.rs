//! What may be expected of a run, and how a scenario says so: an object with one field, which names the expectation.

use super::form::{self, Form, Kind, Shape};
use super::kinds::{Choice, Number, SERVICE, TIME};
use super::read::Known;
use super::tree;
use callboard_core::config::{Item, Node};
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

/// What may be expected: the word for it, and what it is like when all is left out that can be.
fn words() -> [(&'static str, Expectation); 11] {
    let (at, service) = (Span(0), || Name::from(""));
    [
        ("min_healthy", Expectation::MinHealthy { service: None, at_least: None, from: None, until: None }),
        ("healthy_by", Expectation::HealthyBy { service: None, count: None, at }),
        ("recovered_within", Expectation::RecoveredWithin { after: at, within: at }),
        ("rollout", Expectation::Rollout { service: service(), state: RolloutEnd::Done, by: None }),
        ("version_at_end", Expectation::VersionAtEnd { service: service(), version: 1 }),
        ("drained_by", Expectation::DrainedBy { at }),
        ("moves_at_most", Expectation::MovesAtMost { count: 0 }),
        ("moves_at_least", Expectation::MovesAtLeast { count: 0 }),
        ("unplaced_at_most", Expectation::UnplacedAtMost { count: 0 }),
        ("restarts_at_most", Expectation::RestartsAtMost { count: 0 }),
        ("out_of_memory_at_most", Expectation::OutOfMemoryAtMost { count: 0 }),
    ]
}

/// One entry: an object with one field, which names the expectation.
pub(super) struct Entry;

impl Kind for Entry {
    type Value = Expectation;

    fn read(&self, item: &Item<'_>, known: &Known) -> Option<Expectation> {
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
        tree::object([("oneOf", tree::list(each))])
    }
}

impl Expectation {
    /// Gives what stands alone after the word for it, if it is no object.
    fn alone(&mut self) -> Option<Alone<'_>> {
        match self {
            Expectation::DrainedBy { at } => Some(Alone::Time(at)),
            Expectation::MovesAtMost { count }
            | Expectation::MovesAtLeast { count }
            | Expectation::UnplacedAtMost { count }
            | Expectation::RestartsAtMost { count }
            | Expectation::OutOfMemoryAtMost { count } => Some(Alone::Count(count)),
            Expectation::MinHealthy { .. }
            | Expectation::HealthyBy { .. }
            | Expectation::RecoveredWithin { .. }
            | Expectation::Rollout { .. }
            | Expectation::VersionAtEnd { .. } => None,
        }
    }

    fn read(mut self, item: &Item<'_>, known: &Known) -> Option<Expectation> {
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
                form.must("after", "After when.", &TIME, after);
                form.must("within", "How soon after that.", &TIME, within);
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
            | Expectation::UnplacedAtMost { .. }
            | Expectation::RestartsAtMost { .. }
            | Expectation::OutOfMemoryAtMost { .. } => {}
        }
    }
}
