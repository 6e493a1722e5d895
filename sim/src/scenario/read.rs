//! Reads scenario files. A scenario is a YAML object; `clusters`, `services`, `task_definitions` and `hosts` in it are an
//! ordinary configuration and are read as one, by the same code. Mistakes name file, line, field and what is allowed.

use super::Scenario;
use super::form::Form;
use callboard_core::config::{self, Fields, Item, Mistake, Node, Reader, Stored};
use callboard_core::machine::Span;
use callboard_core::model::Name;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Why a file is no scenario: all of its mistakes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ReadError {
    /// In the order of the file; never empty.
    pub mistakes: Vec<Mistake>,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{mistake}")?;
        }
        Ok(())
    }
}

/// What the rest of a file may refer to.
#[derive(Default)]
pub(super) struct Known {
    services: BTreeSet<Name>,
    tasks: BTreeSet<Name>,
    hosts: BTreeSet<Name>,
    /// How much time passes.
    pub(super) duration: Span,
}

impl Known {
    fn of(scenario: &Scenario) -> Known {
        let desired = &scenario.desired;
        Known {
            services: desired.services.iter().map(|service| service.name.clone()).collect(),
            tasks: desired.task_definitions.iter().map(|definition| definition.name.clone()).collect(),
            hosts: scenario.fleet.iter().flat_map(|class| class.registrations().map(|it| it.host)).collect(),
            duration: scenario.duration,
        }
    }

    fn names(&self, what: What) -> &BTreeSet<Name> {
        match what {
            What::Service => &self.services,
            What::Task => &self.tasks,
            What::Host => &self.hosts,
        }
    }
}

/// What a file can refer to by name.
#[derive(Clone, Copy)]
pub(super) enum What {
    Service,
    Task,
    Host,
}

impl What {
    pub(super) fn word(self) -> &'static str {
        match self {
            What::Service => "service",
            What::Task => "task definition",
            What::Host => "machine",
        }
    }
}

/// Reads a scenario. `file` is only named, in mistakes and in the command that repeats a run.
///
/// # Errors
/// All mistakes of the file; when it is not YAML at all, the first.
pub fn read(file: &str, bytes: &[u8]) -> Result<Scenario, ReadError> {
    let fail = |mistakes: Vec<Mistake>| ReadError { mistakes };
    let tree = config::parse(file, bytes).map_err(fail)?;
    read_tree(file, &tree).map_err(fail)
}

pub(super) fn read_tree(file: &str, tree: &Node) -> Result<Scenario, Vec<Mistake>> {
    let reader = Reader::new(file);
    let scenario = reader.root(tree).object(|fields| {
        let mut scenario = Scenario { file: file.to_string(), ..Scenario::default() };
        desired(fields, &mut scenario);
        let nothing = Known::default();
        scenario.world(&mut Form::Read { fields, known: &nothing });
        let known = Known::of(&scenario);
        scenario.events(&mut Form::Read { fields, known: &known });
        scenario
    });
    reader.finish()?;
    Ok(scenario.unwrap_or_default())
}

/// Reads the sections that are an ordinary configuration.
fn desired(fields: &mut Fields<'_>, scenario: &mut Scenario) {
    let sourced = config::read_lists(fields);
    let (clusters, services, definitions, hosts) =
        (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let nothing =
        Stored { clusters: &clusters, services: &services, definitions: &definitions, hosts: &hosts };
    if let Err(mistakes) = config::check(&nothing, &sourced) {
        mistakes.into_iter().for_each(|mistake| fields.report(mistake));
    }
    scenario.desired = sourced.value;
}

/// Reads the name of something that the file defines.
pub(super) fn known_name(item: &Item<'_>, what: What, known: &Known) -> Option<Name> {
    let name = item.name()?;
    let names = known.names(what);
    if names.contains(&name) {
        return Some(name);
    }
    let near = config::suggestion(&name, names.iter().map(|name| &**name));
    let next = near.map(|near| format!("did you mean \"{near}\"?")).unwrap_or_default();
    let what = what.word();
    item.wrong(format!("no {what} of this scenario"), format!("the name of a {what}"), next);
    None
}
