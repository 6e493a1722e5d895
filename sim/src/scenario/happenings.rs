//! The entries of a scenario's timeline: `at`, `do`, and what that needs.

use super::form::{self, Form, Kind, Shape};
use super::kinds::{Choice, Constant, Flag, HOST, Labels, List, Named, Number, SERVICE, TIME, Text};
use super::read::Known;
use super::{
    Action, Fault, FaultKind, Happening, Hosts, Lasts, On, ServiceChange, Size, TABLE, generate, tree,
};
use callboard_core::config::{Item, Node, Value};
use callboard_core::machine::Span;
use callboard_core::model::Name;
use callboard_core::rebalance::{GAIN_DEFAULT, MOVES_DEFAULT, MOVES_MAX};
use std::collections::BTreeSet;

/// What can happen: the word for it, what it is, and what it is like when all is left out that can be.
fn verbs() -> Vec<(&'static str, &'static str, Action)> {
    let set_service = Action::SetService { service: Name::from(""), set: ServiceChange::default() };
    let faults = TABLE.iter().map(|row| {
        let on = match row.kind {
            FaultKind::Host(_) => On::Hosts(Hosts::Count(0)),
            FaultKind::Scheduler(_) => On::Schedulers(1),
            FaultKind::Service(_) => On::Service(Name::from("")),
            FaultKind::Store(_) | FaultKind::Way(_) => On::All,
        };
        (row.name, row.words, Action::Fault(Fault::new(row.kind, on)))
    });
    let add_service = Action::AddService {
        service: Name::from(""),
        cluster: "arrivals".into(),
        tasks: 1,
        memory: 0,
        cpu_units: 0,
    };
    let (hosts, memory, cpu_units, reboot_after) = (Hosts::Count(0), None, None, Span::secs(60));
    let resize_hosts = Action::ResizeHosts { hosts, memory, cpu_units, reboot_after };
    let rebalance = Action::Rebalance { moves: MOVES_DEFAULT, gain: GAIN_DEFAULT };
    let others = [
        ("set_service", "a user changes fields of a service", set_service),
        ("add_service", "a user writes a new service with a task definition of its own", add_service),
        ("resize_hosts", "switched off, and back with another size", resize_hosts),
        ("rebalance", "a user has tasks moved to where they lie better", rebalance),
    ];
    others.into_iter().chain(faults).collect()
}

/// Lists the services that appear in the course of a scenario, as the timeline of its file names them.
pub(super) fn arriving(tree: &Node) -> BTreeSet<Name> {
    let field = |node: &Node, name: &str| match &node.value {
        Value::Map(entries) => entries.iter().find(|(key, _)| key.text == name).map(|(_, node)| node.clone()),
        Value::Null | Value::Scalar { .. } | Value::Seq(_) => None,
    };
    let text = |node: Node| match node.value {
        Value::Scalar { text, .. } => Some(text),
        Value::Null | Value::Seq(_) | Value::Map(_) => None,
    };
    let Some(Value::Seq(entries)) = field(tree, "timeline").map(|timeline| timeline.value) else {
        return BTreeSet::new();
    };
    let adds = |entry: &&Node| field(entry, "do").and_then(text).as_deref() == Some("add_service");
    entries
        .iter()
        .filter(adds)
        .filter_map(|entry| Some(field(entry, "service").and_then(text)?.into()))
        .collect()
}

/// Tells whether two actions are told by the same word.
fn same_verb(one: &Action, other: &Action) -> bool {
    let kind = |action: &Action| if let Action::Fault(fault) = action { Some(fault.kind) } else { None };
    std::mem::discriminant(one) == std::mem::discriminant(other) && kind(one) == kind(other)
}

/// One entry.
pub(super) struct Entry;

impl Kind for Entry {
    type Value = Happening;

    fn read(&self, item: &Item<'_>, known: &Known<'_>) -> Option<Happening> {
        item.object(|fields| {
            let at = TIME.read(&fields.required("at"), known);
            let verbs = verbs();
            let words: Vec<(&str, usize)> =
                verbs.iter().enumerate().map(|(index, (word, ..))| (*word, index)).collect();
            let Some(verb) = fields.required("do").choice(&words) else {
                // Nobody can tell which fields belong to what is not known, so none is taken for unknown.
                fields.ask_for_all();
                return None;
            };
            let mut action = verbs[verb].2.clone();
            action.form(&mut Form::Read { fields, known });
            Some(Happening { at: at?, action })
        })?
    }

    fn write(&self, happening: &Happening) -> Node {
        let verbs = verbs();
        let verb = verbs.iter().find(|(_, _, basis)| same_verb(basis, &happening.action));
        let word = tree::text(verb.map_or("", |(word, ..)| word));
        tree::join(
            tree::object([("at", TIME.write(&happening.at)), ("do", word)]),
            form::write(&happening.action),
        )
    }

    fn describe(&self) -> Node {
        let each = verbs().into_iter().map(|(word, says, mut action)| {
            let mut form = Form::description();
            form.must("at", "When, from the beginning.", &TIME, &mut Span(0));
            form.must("do", says, &Constant(word), &mut ());
            action.form(&mut form);
            form.described()
        });
        tree::object([("oneOf", tree::list(each))])
    }
}

impl Shape for Action {
    fn basis(&self) -> Action {
        let verbs = verbs().into_iter();
        verbs.map(|(_, _, basis)| basis).find(|basis| same_verb(basis, self)).unwrap_or_else(|| self.clone())
    }

    fn form(&mut self, form: &mut Form<'_, '_>) {
        match self {
            Action::SetService { service, set } => {
                form.must("service", "Which.", &SERVICE, service);
                set.form(form);
            }
            Action::AddService { service, cluster, tasks, memory, cpu_units } => {
                form.must("service", "Its name, and that of the task definition.", &Named, service);
                form.may("cluster", "The cluster.", &Named, cluster);
                form.may("tasks", "How many tasks it has.", &Number(1, 100_000), tasks);
                form.may("memory", "What each reserves, MiB.", &Number(0, 1_048_576), memory);
                let says = "What each reserves of a processor, 1024 a core.";
                form.may("cpu_units", says, &Number(0, 1_048_576), cpu_units);
            }
            Action::ResizeHosts { hosts, memory, cpu_units, reboot_after } => {
                hosts.form(form);
                form.maybe("memory", "Memory for tasks from then on, MiB.", &Number(1, 16_777_216), memory);
                let says = "Processor share for tasks from then on, 1024 a core.";
                form.maybe("cpu_units", says, &Number(1, 1_048_576), cpu_units);
                form.may("reboot_after", "When they come back.", &TIME, reboot_after);
            }
            Action::Rebalance { moves, gain } => {
                form.may("moves", "How many tasks may move.", &Number(1, MOVES_MAX), moves);
                form.may("gain", "What each move must gain, percent.", &Number(1, 100_u32), gain);
            }
            Action::Fault(fault) => fault.form(form),
        }
    }
}

impl Fault {
    fn form(&mut self, form: &mut Form<'_, '_>) {
        match &mut self.on {
            On::Hosts(hosts) => hosts.form(form),
            On::Schedulers(count) => form.may("count", "How many.", &Number(1, 16), count),
            On::Service(service) => form.must("service", "Which.", &SERVICE, service),
            On::All => {}
        }
        let row = self.kind.row();
        let mut span = self.lasting.unwrap_or_default();
        match row.lasts {
            Lasts::AtOnce => {}
            Lasts::Must(field) => form.must(field, "For how long.", &TIME, &mut span),
            Lasts::May(field, _) => form.may(field, "How long after that it is over.", &TIME, &mut span),
            Lasts::OrNever(field) => {
                form.maybe(
                    field,
                    "How long after that it is over; left out, never.",
                    &TIME,
                    &mut self.lasting,
                );
            }
        }
        if matches!(row.lasts, Lasts::Must(_) | Lasts::May(..)) {
            self.lasting = Some(span);
        }
        match row.size {
            Size::None => {}
            Size::Number(field, least, most, _) => {
                form.may(field, "How much.", &Number(least, most), &mut self.size);
            }
            Size::Time(field, _) => {
                let mut span = Span(self.size);
                form.may(field, "How much time.", &TIME, &mut span);
                self.size = span.0;
            }
        }
    }
}

impl ServiceChange {
    fn form(&mut self, form: &mut Form<'_, '_>) {
        let many = Number(0, 100_000);
        form.maybe("task_version", "The version to roll to.", &Number(1, u32::MAX), &mut self.task_version);
        form.maybe("desired", "How many tasks shall run.", &many, &mut self.desired);
        form.maybe("min", "How many must stay healthy.", &many, &mut self.min);
        form.maybe("max", "How many may be issued.", &many, &mut self.max);
        let says = "Whether its tasks may take the room of less important ones.";
        form.maybe("preempt", says, &Flag, &mut self.preempt);
        form.maybe("stopped", "Stops the service, or starts it again.", &Flag, &mut self.stopped);
        form.maybe("retry", "Tries a failed rollout again.", &many, &mut self.retry);
        let says = "Makes it a service of this kind, without what other kinds alone have.";
        form.maybe("kind", says, &Choice(&generate::KINDS), &mut self.kind);
        let says = "Of a batch service: how many tasks shall run to their end.";
        form.maybe("completions", says, &Number(1, 100_000), &mut self.completions);
        form.maybe("time_limit", "Of a batch service: how long a try may take.", &TIME, &mut self.time_limit);
        if *self == ServiceChange::default() {
            let allowed =
                "task_version, desired, min, max, preempt, stopped, retry, kind, completions or time_limit";
            form.wrong("nothing is changed", allowed);
        }
    }
}

impl Hosts {
    /// Names the ways of saying which machines are meant, of which exactly one is to be used.
    fn form(&mut self, form: &mut Form<'_, '_>) {
        let (mut count, mut percent, mut prefix, mut names, mut running) = (None, None, None, None, None);
        let (mut labels, mut each) = (None, None);
        match self {
            Hosts::Count(0) => {}
            Hosts::Count(number) => count = Some(*number),
            Hosts::Percent(share) => percent = Some(*share),
            Hosts::Prefix(beginning) => prefix = Some(beginning.clone()),
            Hosts::Named(list) => names = Some(list.clone()),
            Hosts::Labelled(all) => labels = Some(all.clone()),
            Hosts::Each(label) => each = Some(label.clone()),
            Hosts::Running { service, count: number } => {
                (running, count) = (Some(service.clone()), Some(*number));
            }
        }
        let says = "So many machines, drawn from the seed; with `running`, of those, 1 when left out.";
        form.maybe("count", says, &Number(1, 100_000), &mut count);
        form.maybe("running", "Machines that run tasks of this service.", &SERVICE, &mut running);
        form.maybe(
            "percent",
            "Such a share of the fleet, drawn from the seed.",
            &Number(1, 100),
            &mut percent,
        );
        let says = "All machines whose names begin so.";
        form.maybe("prefix", says, &Text("the beginning of host names"), &mut prefix);
        form.maybe("names", "These machines.", &List(HOST), &mut names);
        form.maybe("labels", "All machines with these labels.", &Labels, &mut labels);
        let says = "All machines with one value of this label, drawn from the seed, as in `each: rack`.";
        form.maybe("each", says, &Text("the name of a label"), &mut each);
        let names = names.filter(|names| !names.is_empty());
        let ways = [
            running.is_some() || count.is_some(),
            percent.is_some(),
            prefix.is_some(),
            names.is_some(),
            labels.is_some(),
            each.is_some(),
        ];
        let is_one = ways.iter().filter(|given| **given).count() == 1;
        let allowed = "one of count, percent, prefix, names, labels, each, or running with count";
        form.exactly_one(
            &[&["count", "running"], &["percent"], &["prefix"], &["names"], &["labels"], &["each"]],
            is_one,
            "which machines?",
            allowed,
        );
        *self = match (running, count, percent, prefix, names) {
            (Some(service), count, ..) => Hosts::Running { service, count: count.unwrap_or(1) },
            (None, Some(count), ..) => Hosts::Count(count),
            (None, None, Some(percent), ..) => Hosts::Percent(percent),
            (None, None, None, Some(prefix), _) => Hosts::Prefix(prefix),
            (None, None, None, None, Some(names)) => Hosts::Named(names),
            (None, None, None, None, None) => {
                let labelled = labels.map(Hosts::Labelled).or(each.map(Hosts::Each));
                labelled.unwrap_or(Hosts::Count(0))
            }
        };
    }
}
