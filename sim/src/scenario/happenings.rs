//! The entries of a scenario's timeline: `at`, `do`, and what that needs.

use super::form::{self, Form, Kind, Shape};
use super::kinds::{Constant, Flag, HOST, List, Number, SERVICE, TIME, Text};
use super::read::Known;
use super::{Action, Happening, Hosts, ServiceChange, tree};
use callboard_core::config::{Item, Node};
use callboard_core::machine::Span;
use callboard_core::model::Name;

/// What can happen: the word for it, what it is, and what it is like when all is left out that can be.
fn verbs() -> Vec<(&'static str, &'static str, Action)> {
    let (hosts, lasting, count) = (Hosts::Count(0), Span(0), 1);
    let service = || Name::from("");
    let on = || hosts.clone();
    let set = ServiceChange::default();
    vec![
        (
            "set_service",
            "A user changes fields of a service.",
            Action::SetService { service: service(), set },
        ),
        ("delete_service", "A user deletes a service.", Action::DeleteService { service: service() }),
        (
            "corrupt_service",
            "Something writes rubbish over a service's record.",
            Action::CorruptService { service: service() },
        ),
        ("drain", "A user drains hosts.", Action::Drain { hosts: on(), draining: true }),
        (
            "undrain",
            "A user takes the draining of hosts back.",
            Action::Drain { hosts: on(), draining: false },
        ),
        (
            "crash_hosts",
            "Machines fail: all that runs on them is gone.",
            Action::CrashHosts { hosts: on(), reboot_after: None },
        ),
        (
            "freeze_hosts",
            "Machines stand still, with all that runs on them.",
            Action::FreezeHosts { hosts: on(), lasting },
        ),
        (
            "partition",
            "Agents cannot reach the store, while their tasks run on.",
            Action::Partition { hosts: on(), lasting },
        ),
        (
            "kill_agents",
            "Agents are killed; their tasks run on.",
            Action::KillAgents { hosts: on(), restart_after: Span::secs(5) },
        ),
        (
            "registry_away",
            "The registries of machines answer nothing.",
            Action::RegistryAway { hosts: on(), lasting },
        ),
        (
            "registry_forgets",
            "The registries of machines lose all they hold.",
            Action::RegistryForgets { hosts: on() },
        ),
        (
            "kill_schedulers",
            "Schedulers are killed, those that hold locks first.",
            Action::KillSchedulers { count, restart_after: None },
        ),
        (
            "pause_schedulers",
            "Schedulers stand still, plans in hand, those that hold locks first.",
            Action::PauseSchedulers { count, lasting },
        ),
        ("store_outage", "The store answers nobody.", Action::StoreOutage { lasting }),
        ("store_read_only", "The store takes no writes.", Action::StoreReadOnly { lasting }),
        ("leader_change", "The store's leader is gone, and another is elected.", Action::ChangeLeader),
        ("no_quorum", "The store has no leader and cannot elect one.", Action::NoQuorum { lasting }),
        (
            "no_space",
            "The store is full: it takes renewals and deletes, no puts and no new sessions.",
            Action::NoSpace { lasting },
        ),
        ("store_slow", "The store is slow.", Action::StoreSlow { lasting, factor: 10 }),
        ("expire_sessions", "All sessions end at one moment.", Action::ExpireSessions),
        ("compact_store", "The store forgets its history, and every watch ends.", Action::CompactStore),
        ("restore_store", "The store is put back to what it was.", Action::RestoreStore { back: lasting }),
        ("empty_store", "The store loses everything.", Action::EmptyStore),
        ("replace_store", "Another, empty store takes its place.", Action::ReplaceStore),
        ("apply", "Users write all they want once more.", Action::Apply),
        (
            "annotate_records",
            "A later version writes a field into every issued record that this one does not know.",
            Action::AnnotateRecords,
        ),
        (
            "newer_records",
            "A later version writes the records of a service in a shape that this one cannot know.",
            Action::NewerRecords { service: service() },
        ),
    ]
}

/// Tells whether two actions are told by the same word.
fn same_verb(one: &Action, other: &Action) -> bool {
    let draining = |action: &Action| matches!(action, Action::Drain { draining: true, .. });
    std::mem::discriminant(one) == std::mem::discriminant(other) && draining(one) == draining(other)
}

/// One entry.
pub(super) struct Entry;

impl Kind for Entry {
    type Value = Happening;

    fn read(&self, item: &Item<'_>, known: &Known) -> Option<Happening> {
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
            Action::DeleteService { service }
            | Action::CorruptService { service }
            | Action::NewerRecords { service } => form.must("service", "Which.", &SERVICE, service),
            Action::Drain { hosts, .. } | Action::RegistryForgets { hosts } => hosts.form(form),
            Action::CrashHosts { hosts, reboot_after } => {
                hosts.form(form);
                form.maybe("reboot_after", "When they come back; left out, never.", &TIME, reboot_after);
            }
            Action::FreezeHosts { hosts, lasting }
            | Action::Partition { hosts, lasting }
            | Action::RegistryAway { hosts, lasting } => {
                hosts.form(form);
                form.must("lasting", "For how long.", &TIME, lasting);
            }
            Action::KillAgents { hosts, restart_after } => {
                hosts.form(form);
                form.may("restart_after", "When they are started again.", &TIME, restart_after);
            }
            Action::KillSchedulers { count, restart_after } => {
                form.may("count", "How many.", &Number(1, 16), count);
                let says = "When they are started again; left out, never.";
                form.maybe("restart_after", says, &TIME, restart_after);
            }
            Action::PauseSchedulers { count, lasting } => {
                form.may("count", "How many.", &Number(1, 16), count);
                form.must("lasting", "For how long.", &TIME, lasting);
            }
            Action::StoreOutage { lasting }
            | Action::StoreReadOnly { lasting }
            | Action::NoQuorum { lasting }
            | Action::NoSpace { lasting } => form.must("lasting", "For how long.", &TIME, lasting),
            Action::StoreSlow { lasting, factor } => {
                form.must("lasting", "For how long.", &TIME, lasting);
                form.may("factor", "By how much.", &Number(2, 10_000), factor);
            }
            Action::RestoreStore { back } => form.must("back", "How long ago that was.", &TIME, back),
            Action::ChangeLeader
            | Action::ExpireSessions
            | Action::CompactStore
            | Action::EmptyStore
            | Action::ReplaceStore
            | Action::Apply
            | Action::AnnotateRecords => {}
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
        form.maybe("stopped", "Stops the service, or starts it again.", &Flag, &mut self.stopped);
        form.maybe("retry", "Tries a failed rollout again.", &many, &mut self.retry);
        if *self == ServiceChange::default() {
            form.wrong("nothing is changed", "task_version, desired, min, max, stopped or retry");
        }
    }
}

impl Hosts {
    /// Names the ways of saying which machines are meant, of which exactly one is to be used.
    fn form(&mut self, form: &mut Form<'_, '_>) {
        let (mut count, mut percent, mut prefix, mut names, mut running) = (None, None, None, None, None);
        match self {
            Hosts::Count(0) => {}
            Hosts::Count(number) => count = Some(*number),
            Hosts::Percent(share) => percent = Some(*share),
            Hosts::Prefix(beginning) => prefix = Some(beginning.clone()),
            Hosts::Named(list) => names = Some(list.clone()),
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
        let names = names.filter(|names| !names.is_empty());
        let ways =
            [running.is_some() || count.is_some(), percent.is_some(), prefix.is_some(), names.is_some()];
        let is_one = ways.iter().filter(|given| **given).count() == 1;
        let allowed = "one of count, percent, prefix, names, or running with count";
        form.exactly_one(
            &["count", "running", "percent", "prefix", "names"],
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
            (None, None, None, None, None) => Hosts::Count(0),
        };
    }
}
