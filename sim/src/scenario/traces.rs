//! What the files of rows beside a scenario hold: machines, what happens to machines, tasks that come and go, and the memory
//! of a task over time. Each becomes what could have been written in the scenario itself.

use super::form::{self, Form, Kind, Shape};
use super::kinds::{Choice, Labels, List, Moment, Named, Number, Object};
use super::read::Known;
use super::rows::{self, Columns};
use super::{Action, Fault, FaultKind, Happening, HostClass, HostFault, Hosts, On, ServiceFault, tree};
use callboard_core::config::{Item, Node, Value};
use callboard_core::machine::Span;
use callboard_core::model::Name;
use std::collections::{BTreeMap, BTreeSet};

/// How many services one cluster of arrivals takes: its record must stay small.
const PER_CLUSTER: usize = 1_000;
/// How long a machine is away that comes back with another size.
const REBUILT: Span = Span::secs(60);
const MEMORY: Number<u64> = Number(1, 16_777_216);
const CPU_UNITS: Number<u64> = Number(1, 1_048_576);

/// A file of rows, each of which is an object like this one.
pub(super) struct Rows<R>(pub(super) R);

/// A kind of row.
pub(super) trait Row: Shape {
    /// The columns.
    const COLUMNS: Columns;
}

impl<R: Row> Kind for Rows<R> {
    type Value = Vec<R>;

    fn read(&self, item: &Item<'_>, known: &Known<'_>) -> Option<Vec<R>> {
        rows::read(item, known, &R::COLUMNS, &self.0)
    }

    /// What was read from a file is written as what became of it.
    fn write(&self, _rows: &Vec<R>) -> Node {
        tree::nothing()
    }

    fn describe(&self) -> Node {
        let columns = form::describe(&self.0);
        tree::object([("type", tree::text("string")), ("columns", columns)])
    }
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HostRow {
    host: Name,
    memory: u64,
    cpu_units: u64,
    labels: BTreeMap<String, String>,
}

impl Default for HostRow {
    fn default() -> HostRow {
        let HostClass { memory, cpu_units, labels, .. } = HostClass::default();
        HostRow { host: "".into(), memory, cpu_units, labels }
    }
}

impl Row for HostRow {
    const COLUMNS: Columns = Columns { texts: &["host"], others: Some("labels") };
}

impl Shape for HostRow {
    fn basis(&self) -> HostRow {
        HostRow::default()
    }

    fn form(&mut self, form: &mut Form<'_, '_>) {
        form.must("host", "Its name.", &Named, &mut self.host);
        form.may("memory", "Memory for tasks, MiB.", &MEMORY, &mut self.memory);
        form.may("cpu_units", "Processor share for tasks, 1024 a core.", &CPU_UNITS, &mut self.cpu_units);
        form.may("labels", "Facts: all other columns.", &Labels, &mut self.labels);
    }
}

/// The machines: classes of them in a list, or a file.
pub(super) struct Fleet;

impl Kind for Fleet {
    type Value = Vec<HostClass>;

    fn read(&self, item: &Item<'_>, known: &Known<'_>) -> Option<Vec<HostClass>> {
        if !item.node().is_some_and(|node| matches!(node.value, Value::Map(_))) {
            let classes = List(Object(HostClass::default())).read(item, known);
            if item.node().is_some_and(|node| node.value == Value::Seq(Vec::new())) {
                item.wrong("a scenario without machines", "a list of at least one class of machines", "");
            }
            tell_doubles(item, classes.iter().flatten());
            return classes;
        }
        let read = |item: &Item<'_>| Rows(HostRow::default()).read(item, known);
        let rows = item.object(|fields| read(&fields.required("csv")))??;
        let mut classes: Vec<HostClass> = Vec::new();
        let mut index = BTreeMap::new();
        for HostRow { host, memory, cpu_units, labels } in rows {
            let alike = (memory, cpu_units, labels.clone());
            let class = *index.entry(alike).or_insert_with(|| {
                classes.push(HostClass { count: 0, memory, cpu_units, labels, ..HostClass::default() });
                classes.len() - 1
            });
            classes[class].add(host);
        }
        tell_doubles(item, classes.iter());
        Some(classes)
    }

    fn write(&self, fleet: &Vec<HostClass>) -> Node {
        List(Object(HostClass::default())).write(fleet)
    }

    fn describe(&self) -> Node {
        let file = tree::object([
            ("type", tree::text("object")),
            ("properties", tree::object([("csv", Rows(HostRow::default()).describe())])),
            ("required", tree::list([tree::text("csv")])),
            ("additionalProperties", tree::plain(false)),
        ]);
        tree::object([("anyOf", tree::list([List(Object(HostClass::default())).describe(), file]))])
    }
}

/// Refuses two machines of one name, and names that no machine gets.
fn tell_doubles<'a>(item: &Item<'_>, classes: impl Iterator<Item = &'a HostClass>) {
    let mut names = BTreeSet::new();
    for class in classes {
        let (named, count) = (class.names.len(), class.count);
        if named > count as usize {
            item.wrong(format!("{named} machines are named in a class of {count}"), "", "raise its count");
        }
        if let Some(double) = class.host_names().find(|name| !names.insert(name.clone())) {
            let next = "name it once; classes are told apart by their prefix";
            return item.wrong(format!("two machines are named \"{double}\""), "each name once", next);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HostEvent {
    Add,
    Remove,
    Update,
}

const EVENTS: [(&str, HostEvent); 3] =
    [("add", HostEvent::Add), ("remove", HostEvent::Remove), ("update", HostEvent::Update)];

/// What happens to a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EventRow {
    time: Span,
    host: Name,
    event: HostEvent,
    memory: Option<u64>,
    cpu_units: Option<u64>,
}

impl Default for EventRow {
    fn default() -> EventRow {
        EventRow { time: Span(0), host: "".into(), event: HostEvent::Add, memory: None, cpu_units: None }
    }
}

impl Row for EventRow {
    const COLUMNS: Columns = Columns { texts: &["host", "event"], others: None };
}

impl Shape for EventRow {
    fn basis(&self) -> EventRow {
        EventRow::default()
    }

    fn form(&mut self, form: &mut Form<'_, '_>) {
        form.must("time", "When, from the beginning; a number is of seconds.", &Moment, &mut self.time);
        form.must("host", "Which machine.", &Named, &mut self.host);
        form.must("event", "What happens to it.", &Choice(&EVENTS), &mut self.event);
        form.maybe("memory", "Memory for tasks from then on, MiB.", &MEMORY, &mut self.memory);
        form.maybe("cpu_units", "Processor share for tasks from then on.", &CPU_UNITS, &mut self.cpu_units);
    }
}

/// Makes happenings of what happens to machines, and machines of those that are new.
pub(super) fn host_events(mut rows: Vec<EventRow>, fleet: &mut Vec<HostClass>) -> Vec<Happening> {
    rows.sort_by_key(|row| row.time);
    let mut there: BTreeMap<Name, bool> =
        fleet.iter().flat_map(|class| class.registrations().map(|it| (it.host, true))).collect();
    // Where in `happenings` each machine went away that is not back.
    let mut away: BTreeMap<Name, usize> = BTreeMap::new();
    let mut happenings: Vec<Happening> = Vec::new();
    for EventRow { time, host, event, memory, cpu_units } in rows {
        let hosts = Hosts::Named(vec![host.clone()]);
        let is_there = there.get(&host).copied();
        if is_there.is_none() {
            let class = HostClass::default();
            let (memory, cpu_units) = (memory.unwrap_or(class.memory), cpu_units.unwrap_or(class.cpu_units));
            let alike = fleet.iter_mut().find(|class| class.is_of(memory, cpu_units));
            match alike {
                Some(class) => class.add(host.clone()),
                None => {
                    let mut class = HostClass { count: 0, memory, cpu_units, ..class };
                    class.add(host.clone());
                    fleet.push(class);
                }
            }
        }
        match (event, is_there) {
            (HostEvent::Add, None) if time > Span(0) => {
                happenings.push(Happening { at: Span(0), action: away_for(hosts, Some(time)) });
            }
            (HostEvent::Add, Some(false)) => {
                let index = away.remove(&host).unwrap_or_default();
                let gone = happenings[index].at;
                happenings[index].action = away_for(hosts, Some(Span(time.0 - gone.0)));
            }
            (HostEvent::Remove, None | Some(true)) => {
                away.insert(host.clone(), happenings.len());
                happenings.push(Happening { at: time, action: away_for(hosts, None) });
            }
            (HostEvent::Update, Some(true)) if memory.is_some() || cpu_units.is_some() => {
                let action = Action::ResizeHosts { hosts, memory, cpu_units, reboot_after: REBUILT };
                happenings.push(Happening { at: time, action });
            }
            (HostEvent::Add | HostEvent::Update | HostEvent::Remove, _) => {}
        }
        there.insert(host, event != HostEvent::Remove && is_there != Some(false) || event == HostEvent::Add);
    }
    happenings
}

fn away_for(hosts: Hosts, lasting: Option<Span>) -> Action {
    Action::Fault(Fault { lasting, ..Fault::new(FaultKind::Host(HostFault::Crash), On::Hosts(hosts)) })
}

/// Tasks that come, and go after a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ArrivalRow {
    time: Span,
    name: Name,
    tasks: u32,
    memory: u64,
    cpu_units: u64,
    duration: Option<Span>,
}

impl Default for ArrivalRow {
    fn default() -> ArrivalRow {
        ArrivalRow { time: Span(0), name: "".into(), tasks: 1, memory: 0, cpu_units: 0, duration: None }
    }
}

impl Row for ArrivalRow {
    const COLUMNS: Columns = Columns { texts: &["name"], others: None };
}

impl Shape for ArrivalRow {
    fn basis(&self) -> ArrivalRow {
        ArrivalRow::default()
    }

    fn form(&mut self, form: &mut Form<'_, '_>) {
        form.must("time", "When, from the beginning; a number is of seconds.", &Moment, &mut self.time);
        form.must("name", "The name of the service that appears.", &Named, &mut self.name);
        form.may("tasks", "How many tasks it has.", &Number(1, 100_000), &mut self.tasks);
        form.may("memory", "What each reserves, MiB.", &Number(0, 1_048_576), &mut self.memory);
        let says = "What each reserves of a processor, 1024 a core.";
        form.may("cpu_units", says, &Number(0, 1_048_576), &mut self.cpu_units);
        let says = "How long it stays; empty, for good. A number is of seconds.";
        form.maybe("duration", says, &Moment, &mut self.duration);
    }
}

/// Makes happenings of tasks that come and go.
pub(super) fn arrivals(rows: Vec<ArrivalRow>) -> Vec<Happening> {
    let many = rows.len() > PER_CLUSTER;
    let mut happenings = Vec::new();
    for (index, row) in rows.into_iter().enumerate() {
        let number = index / PER_CLUSTER + 1;
        let cluster = if many { Name::from(format!("arrivals-{number}")) } else { "arrivals".into() };
        let ArrivalRow { time, name, tasks, memory, cpu_units, duration } = row;
        if let Some(duration) = duration {
            let deleted = Fault::new(FaultKind::Service(ServiceFault::Delete), On::Service(name.clone()));
            let at = Span(time.0.saturating_add(duration.0));
            happenings.push(Happening { at, action: Action::Fault(deleted) });
        }
        let action = Action::AddService { service: name, cluster, tasks, memory, cpu_units };
        happenings.push(Happening { at: time, action });
    }
    happenings.sort_by_key(|happening| happening.at);
    happenings
}

/// How much memory a task takes from some time after its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MemoryRow {
    time: Span,
    mib: u64,
}

impl Row for MemoryRow {
    const COLUMNS: Columns = Columns { texts: &[], others: None };
}

impl Shape for MemoryRow {
    fn basis(&self) -> MemoryRow {
        MemoryRow::default()
    }

    fn form(&mut self, form: &mut Form<'_, '_>) {
        form.must("time", "From when, after the start; a number is of seconds.", &Moment, &mut self.time);
        form.must("mib", "How much, MiB.", &Number(0, 16_777_216), &mut self.mib);
    }
}

/// Memory over time: points in a list, or a file of them.
pub(super) struct Curve;

impl Kind for Curve {
    type Value = Vec<(Span, u64)>;

    fn read(&self, item: &Item<'_>, known: &Known<'_>) -> Option<Vec<(Span, u64)>> {
        let is_file = item.node().is_some_and(|node| matches!(node.value, Value::Scalar { .. }));
        let rows = if is_file {
            Rows(MemoryRow::default()).read(item, known)?
        } else {
            List(Object(MemoryRow::default())).read(item, known)?
        };
        if !rows.is_sorted_by_key(|row| row.time) {
            item.wrong("in which time goes back", "points in the order of their times", "");
        }
        Some(rows.into_iter().map(|row| (row.time, row.mib)).collect())
    }

    fn write(&self, curve: &Vec<(Span, u64)>) -> Node {
        let rows = curve.iter().map(|(time, mib)| MemoryRow { time: *time, mib: *mib }).collect();
        List(Object(MemoryRow::default())).write(&rows)
    }

    fn describe(&self) -> Node {
        let points = List(Object(MemoryRow::default())).describe();
        tree::object([("anyOf", tree::list([Rows(MemoryRow::default()).describe(), points]))])
    }
}
