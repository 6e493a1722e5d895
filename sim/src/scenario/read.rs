//! Reads scenario files. A scenario is a YAML object; `clusters`, `services`, `task_definitions` and `hosts` in it are an
//! ordinary configuration and are read as one, by the same code. Mistakes name file, line, field and what is allowed.

use super::form::Form;
use super::{Action, Scenario};
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

/// Where the other files of a scenario come from: gives what is in one, by its path as the scenario says it; or why it
/// cannot be read.
pub type Load<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>, String>;

/// What the rest of a file may refer to.
pub(super) struct Known<'l> {
    load: Load<'l>,
    services: BTreeSet<Name>,
    tasks: BTreeSet<Name>,
    hosts: BTreeSet<Name>,
    /// How much time passes.
    pub(super) duration: Span,
}

impl<'l> Known<'l> {
    fn nothing(load: Load<'l>) -> Known<'l> {
        let (services, tasks, hosts) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        Known { load, services, tasks, hosts, duration: Span(0) }
    }

    fn of(scenario: &Scenario, tree: &Node, load: Load<'l>) -> Known<'l> {
        let desired = &scenario.desired;
        let services = desired.services.iter().map(|service| service.name.clone());
        let arriving = scenario.timeline.iter().filter_map(|happening| {
            if let Action::AddService { service, .. } = &happening.action {
                Some(service.clone())
            } else {
                None
            }
        });
        Known {
            load,
            services: services.chain(arriving).chain(super::happenings::arriving(tree)).collect(),
            tasks: desired.task_definitions.iter().map(|definition| definition.name.clone()).collect(),
            hosts: scenario.fleet.iter().flat_map(|class| class.registrations().map(|it| it.host)).collect(),
            duration: scenario.duration,
        }
    }

    /// Gives what is in another file of the scenario.
    pub(super) fn load(&self, path: &str) -> Result<Vec<u8>, String> {
        (self.load)(path)
    }

    /// Tells whether the file defines something of this name.
    pub(super) fn has(&self, what: What, name: &str) -> bool {
        self.names(what).contains(name)
    }

    /// Gives the name that was perhaps meant.
    pub(super) fn near(&self, what: What, name: &str) -> Option<&str> {
        config::suggestion(name, self.names(what).iter().map(|name| &**name))
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

/// Reads a scenario that has no other files. `file` is only named, in mistakes and in the command that repeats a run.
///
/// # Errors
/// All mistakes of the file; when it is not YAML at all, the first.
pub fn read(file: &str, bytes: &[u8]) -> Result<Scenario, ReadError> {
    read_with(file, bytes, &[], &|_| Err("other files cannot be read here".into()))
}

/// Reads a scenario after some of its fields were set, each as in `services.web.desired=5`; `load` gives its other files.
///
/// # Errors
/// All mistakes of the files and of what is set; when something is not YAML at all, the first.
pub fn read_with(file: &str, bytes: &[u8], sets: &[String], load: Load<'_>) -> Result<Scenario, ReadError> {
    let fail = |mistakes: Vec<Mistake>| ReadError { mistakes };
    let mut tree = config::parse(file, bytes).map_err(fail)?;
    let set = super::set::all(&mut tree, sets).map_err(fail)?;
    let read = read_tree(file, &tree, load).map_err(|mistakes| fail(set.blame(mistakes)))?;
    Ok(Scenario { sets: sets.to_vec(), ..read })
}

fn read_tree(file: &str, tree: &Node, load: Load<'_>) -> Result<Scenario, Vec<Mistake>> {
    let reader = Reader::new(file);
    let scenario = reader.root(tree).object(|fields| {
        let mut scenario = Scenario { file: file.to_string(), ..Scenario::default() };
        desired(fields, &mut scenario);
        let nothing = Known::nothing(load);
        scenario.world(&mut Form::Read { fields, known: &nothing });
        let known = Known::of(&scenario, tree, load);
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
pub(super) fn known_name(item: &Item<'_>, what: What, known: &Known<'_>) -> Option<Name> {
    let name = item.name()?;
    if known.has(what, &name) {
        return Some(name);
    }
    let next = known.near(what, &name).map(|near| format!("did you mean \"{near}\"?")).unwrap_or_default();
    let what = what.word();
    item.wrong(format!("no {what} of this scenario"), format!("the name of a {what}"), next);
    None
}
