//! Reads one entry of a scenario's timeline: `at`, `do`, and what that needs.

use super::read::{Known, LONGEST, known_name};
use super::{Action, Happening, Hosts, ServiceChange};
use callboard_core::config::{Fields, Item};
use callboard_core::machine::Span;
use callboard_core::model::Name;

#[derive(Clone, Copy)]
enum Verb {
    SetService,
    DeleteService,
    CorruptService,
    Drain,
    Undrain,
    CrashHosts,
    FreezeHosts,
    Partition,
    KillAgents,
    RegistryAway,
    RegistryForgets,
    KillSchedulers,
    PauseSchedulers,
    StoreOutage,
    StoreReadOnly,
    LeaderChange,
    NoQuorum,
    NoSpace,
    StoreSlow,
    ExpireSessions,
    CompactStore,
    RestoreStore,
    EmptyStore,
    ReplaceStore,
    Apply,
    AnnotateRecords,
    NewerRecords,
}

const VERBS: [(&str, Verb); 27] = [
    ("set_service", Verb::SetService),
    ("delete_service", Verb::DeleteService),
    ("corrupt_service", Verb::CorruptService),
    ("drain", Verb::Drain),
    ("undrain", Verb::Undrain),
    ("crash_hosts", Verb::CrashHosts),
    ("freeze_hosts", Verb::FreezeHosts),
    ("partition", Verb::Partition),
    ("kill_agents", Verb::KillAgents),
    ("registry_away", Verb::RegistryAway),
    ("registry_forgets", Verb::RegistryForgets),
    ("kill_schedulers", Verb::KillSchedulers),
    ("pause_schedulers", Verb::PauseSchedulers),
    ("store_outage", Verb::StoreOutage),
    ("store_read_only", Verb::StoreReadOnly),
    ("leader_change", Verb::LeaderChange),
    ("no_quorum", Verb::NoQuorum),
    ("no_space", Verb::NoSpace),
    ("store_slow", Verb::StoreSlow),
    ("expire_sessions", Verb::ExpireSessions),
    ("compact_store", Verb::CompactStore),
    ("restore_store", Verb::RestoreStore),
    ("empty_store", Verb::EmptyStore),
    ("replace_store", Verb::ReplaceStore),
    ("apply", Verb::Apply),
    ("annotate_records", Verb::AnnotateRecords),
    ("newer_records", Verb::NewerRecords),
];

/// All fields that some verb needs.
const FIELDS: [&str; 17] = [
    "service",
    "task_version",
    "desired",
    "min",
    "max",
    "stopped",
    "retry",
    "count",
    "percent",
    "prefix",
    "names",
    "running",
    "lasting",
    "reboot_after",
    "restart_after",
    "factor",
    "back",
];

pub(super) fn read(item: &Item<'_>, known: &Known) -> Option<Happening> {
    item.object(|fields| {
        let at = fields.required("at").span(LONGEST);
        let verb = fields.required("do").choice(&VERBS);
        if verb.is_none() {
            // Nobody can tell which fields belong to what is not known, so none is taken for unknown.
            FIELDS.iter().for_each(|name| drop(fields.optional(name)));
        }
        let action = verb.and_then(|verb| action(fields, verb, known));
        Some(Happening { at: at?, action: action? })
    })?
}

fn action(fields: &mut Fields<'_>, verb: Verb, known: &Known) -> Option<Action> {
    match verb {
        Verb::SetService => {
            let service = service(fields, known);
            let set = change(fields);
            if set == ServiceChange::default() {
                fields.wrong("nothing is changed", "task_version, desired, min, max, stopped or retry", "");
            }
            Some(Action::SetService { service: service?, set })
        }
        Verb::DeleteService => Some(Action::DeleteService { service: service(fields, known)? }),
        Verb::CorruptService => Some(Action::CorruptService { service: service(fields, known)? }),
        Verb::Drain => Some(Action::Drain { hosts: hosts(fields, known)?, draining: true }),
        Verb::Undrain => Some(Action::Drain { hosts: hosts(fields, known)?, draining: false }),
        Verb::CrashHosts => {
            let reboot_after = fields.optional("reboot_after").and_then(|item| item.span(LONGEST));
            Some(Action::CrashHosts { hosts: hosts(fields, known)?, reboot_after })
        }
        Verb::FreezeHosts => {
            let lasting = lasting(fields);
            Some(Action::FreezeHosts { hosts: hosts(fields, known)?, lasting: lasting? })
        }
        Verb::Partition => {
            let lasting = lasting(fields);
            Some(Action::Partition { hosts: hosts(fields, known)?, lasting: lasting? })
        }
        Verb::KillAgents => {
            let restart_after = fields.span_or("restart_after", LONGEST, Span::secs(5));
            Some(Action::KillAgents { hosts: hosts(fields, known)?, restart_after })
        }
        Verb::RegistryAway => {
            let lasting = lasting(fields);
            Some(Action::RegistryAway { hosts: hosts(fields, known)?, lasting: lasting? })
        }
        Verb::RegistryForgets => Some(Action::RegistryForgets { hosts: hosts(fields, known)? }),
        Verb::KillSchedulers => {
            let restart_after = fields.optional("restart_after").and_then(|item| item.span(LONGEST));
            Some(Action::KillSchedulers { count: fields.number_or("count", 1..=16, 1), restart_after })
        }
        Verb::PauseSchedulers => {
            let count = fields.number_or("count", 1..=16, 1);
            Some(Action::PauseSchedulers { count, lasting: lasting(fields)? })
        }
        Verb::StoreOutage => Some(Action::StoreOutage { lasting: lasting(fields)? }),
        Verb::StoreReadOnly => Some(Action::StoreReadOnly { lasting: lasting(fields)? }),
        Verb::LeaderChange => Some(Action::ChangeLeader),
        Verb::NoQuorum => Some(Action::NoQuorum { lasting: lasting(fields)? }),
        Verb::NoSpace => Some(Action::NoSpace { lasting: lasting(fields)? }),
        Verb::StoreSlow => {
            let factor = fields.number_or("factor", 2..=10_000, 10);
            Some(Action::StoreSlow { lasting: lasting(fields)?, factor })
        }
        Verb::ExpireSessions => Some(Action::ExpireSessions),
        Verb::CompactStore => Some(Action::CompactStore),
        Verb::RestoreStore => Some(Action::RestoreStore { back: fields.required("back").span(LONGEST)? }),
        Verb::EmptyStore => Some(Action::EmptyStore),
        Verb::ReplaceStore => Some(Action::ReplaceStore),
        Verb::Apply => Some(Action::Apply),
        Verb::AnnotateRecords => Some(Action::AnnotateRecords),
        Verb::NewerRecords => Some(Action::NewerRecords { service: service(fields, known)? }),
    }
}

fn service(fields: &mut Fields<'_>, known: &Known) -> Option<Name> {
    known_name(&fields.required("service"), &known.services, "service")
}

fn lasting(fields: &mut Fields<'_>) -> Option<Span> {
    fields.required("lasting").span(LONGEST)
}

fn change(fields: &mut Fields<'_>) -> ServiceChange {
    let number =
        |fields: &mut Fields<'_>, name| fields.optional(name).and_then(|item| item.number(0..=100_000));
    ServiceChange {
        task_version: fields.optional("task_version").and_then(|item| item.number(1..=u32::MAX)),
        desired: number(fields, "desired"),
        min: number(fields, "min"),
        max: number(fields, "max"),
        stopped: fields.optional("stopped").and_then(|item| item.flag()),
        retry: number(fields, "retry"),
    }
}

/// Reads which machines are meant: exactly one way of saying so.
fn hosts(fields: &mut Fields<'_>, known: &Known) -> Option<Hosts> {
    let count = fields.optional("count").and_then(|item| item.number(1..=100_000));
    let running = fields.optional("running").and_then(|item| known_name(&item, &known.services, "service"));
    let percent = fields.optional("percent").and_then(|item| item.number(1..=100));
    let prefix = fields.optional("prefix").and_then(|item| item.text("the beginning of host names"));
    let names = fields.list("names", |item| known_name(&item, &known.hosts, "machine"));
    let ways = [running.is_some() || count.is_some(), percent.is_some(), prefix.is_some(), !names.is_empty()];
    if ways.iter().filter(|given| **given).count() != 1 {
        fields.wrong("which machines?", "one of count, percent, prefix, names, or running with count", "");
        return None;
    }
    Some(match (running, count, percent, prefix) {
        (Some(service), count, _, _) => Hosts::Running { service, count: count.unwrap_or(1) },
        (None, Some(count), _, _) => Hosts::Count(count),
        (None, None, Some(percent), _) => Hosts::Percent(percent),
        (None, None, None, Some(prefix)) => Hosts::Prefix(prefix.to_string()),
        (None, None, None, None) => Hosts::Named(names),
    })
}
