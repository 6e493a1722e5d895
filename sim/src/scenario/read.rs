//! Reads scenario files. A scenario is a YAML object; `clusters`, `services`, `task_definitions` and `hosts` in it are an
//! ordinary configuration and are read as one, by the same code. Mistakes name file, line, field and what is allowed.

use super::generate::{self, Generate};
use super::{HostClass, RegistryManners, Scenario, StoreManners, Trickle, TrickleFault};
use crate::build::Build;
use callboard_core::config::{
    self, Configuration, Fields, Item, Mistake, Node, Reader, Sourced, Stored, Value,
};
use callboard_core::machine::Span;
use callboard_core::model::{Name, PortRange};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

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

/// The sections that are an ordinary configuration.
const CONFIGURATION: [&str; 4] = ["clusters", "services", "task_definitions", "hosts"];
/// The longest time that a scenario may take.
pub(super) const LONGEST: RangeInclusive<Span> = Span(0)..=Span::secs(366 * 24 * 3600);
const SOME: RangeInclusive<Span> = Span(1)..=Span::secs(366 * 24 * 3600);

/// What the rest of a file may refer to.
pub(super) struct Known {
    pub(super) services: Vec<Name>,
    pub(super) tasks: Vec<Name>,
    pub(super) hosts: Vec<Name>,
}

/// Reads a scenario. `file` is only named, in mistakes and in the command that repeats a run.
///
/// # Errors
/// All mistakes of the file; when it is not YAML at all, the first.
pub fn read(file: &str, bytes: &[u8]) -> Result<Scenario, ReadError> {
    let fail = |mistakes: Vec<Mistake>| ReadError { mistakes };
    let tree = config::parse(file, bytes).map_err(fail)?;
    let configured = configuration(file, bytes, &tree);
    let (mut desired, mut mistakes) = match configured {
        Ok(desired) => (desired, Vec::new()),
        Err(mistakes) => (Configuration::default(), mistakes),
    };
    let reader = Reader::new(file);
    let scenario = reader.root(&tree).object(|fields| scenario(fields, file, &mut desired));
    if let Err(more) = reader.finish() {
        mistakes.extend(more);
    }
    mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
    match scenario {
        Some(scenario) if mistakes.is_empty() => Ok(scenario),
        Some(_) | None => Err(fail(mistakes)),
    }
}

/// Reads the sections that are an ordinary configuration, at their own lines.
fn configuration(file: &str, bytes: &[u8], tree: &Node) -> Result<Configuration, Vec<Mistake>> {
    let Value::Map(entries) = &tree.value else { return Ok(Configuration::default()) };
    let ours = |text: &str| CONFIGURATION.contains(&text);
    if !entries.iter().any(|(key, _)| ours(&key.text)) {
        return Ok(Configuration::default());
    }
    let starts: Vec<(usize, bool)> = entries.iter().map(|(key, _)| (key.line, ours(&key.text))).collect();
    let text = String::from_utf8_lossy(bytes);
    let mut kept = String::with_capacity(text.len());
    for (index, line) in text.lines().enumerate() {
        let section = starts.iter().rev().find(|(start, _)| *start <= index + 1);
        if section.is_some_and(|(_, ours)| *ours) {
            kept.push_str(line);
        }
        kept.push('\n');
    }
    let sourced: Sourced<Configuration> = config::read(file, kept.as_bytes())?;
    let (clusters, services, definitions, hosts) =
        (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let nothing =
        Stored { clusters: &clusters, services: &services, definitions: &definitions, hosts: &hosts };
    config::check(&nothing, &sourced)?;
    Ok(sourced.value)
}

fn scenario(fields: &mut Fields<'_>, file: &str, desired: &mut Configuration) -> Scenario {
    for section in CONFIGURATION {
        // Read already; asked for so that it is not taken for unknown.
        let _known = fields.optional(section);
    }
    let name = fields.required("name").name().unwrap_or_else(|| "scenario".into());
    let description =
        fields.optional("description").and_then(|item| item.lines("a description")).unwrap_or("");
    let seed = fields.number_or("seed", 0..=u64::MAX, 1);
    let duration = fields.required("duration").span(SOME).unwrap_or(Span::secs(600));
    let settle = fields.span_or("settle", SOME, Span::secs(300));
    let fleet: Vec<HostClass> = fields.list("fleet", |item| item.object(host_class));
    for generate in fields.list("generate", |item| item.object(generated)) {
        generate.add_to(desired);
    }
    if fleet.is_empty() {
        fields.wrong("a scenario without machines", "a list `fleet` of at least one class of machines", "");
    }
    let known = Known {
        services: desired.services.iter().map(|service| service.name.clone()).collect(),
        tasks: desired.task_definitions.iter().map(|definition| definition.name.clone()).collect(),
        hosts: fleet.iter().flat_map(|class| class.registrations().map(|it| it.host)).collect(),
    };
    Scenario {
        name: name.to_string(),
        description: description.trim().to_string(),
        file: file.to_string(),
        seed,
        duration,
        settle,
        fleet,
        schedulers: fields.number_or("schedulers", 1..=16, 1),
        ttl: fields.span_or("ttl", Span::secs(1)..=Span::secs(3600), Span::secs(15)),
        builds: fields.list("builds", |item| item.object(|fields| build(fields, &known))?),
        store: fields.optional("store").and_then(|item| item.object(manners)).unwrap_or_default(),
        registry: fields.optional("registry").and_then(|item| item.object(registry)),
        timeline: fields.list("timeline", |item| super::happenings::read(&item, &known)),
        trickle: fields.list("trickle", |item| item.object(|fields| trickle(fields, duration))?),
        expect: fields.list("expect", |item| super::expectations::read(&item, &known)),
        desired: std::mem::take(desired),
    }
}

/// Reads the name of something that the file defines.
pub(super) fn known_name(item: &Item<'_>, known: &[Name], what: &str) -> Option<Name> {
    let name = item.name()?;
    if known.contains(&name) {
        return Some(name);
    }
    let near = config::suggestion(&name, known.iter().map(|name| &**name));
    let next = near.map(|near| format!("did you mean \"{near}\"?")).unwrap_or_default();
    item.wrong(format!("no {what} of this scenario"), format!("the name of a {what}"), next);
    None
}

/// Reads two durations, the least and the most, or one that is both.
pub(super) fn between(fields: &mut Fields<'_>, name: &'static str, default: (Span, Span)) -> (Span, Span) {
    let Some(item) = fields.optional(name) else { return default };
    if item.node().is_some_and(|node| matches!(node.value, Value::Scalar { .. })) {
        return item.span(LONGEST).map_or(default, |span| (span, span));
    }
    let spans: Vec<Span> = item.items().iter().filter_map(|item| item.span(LONGEST)).collect();
    match spans.as_slice() {
        [low, high] if low <= high => (*low, *high),
        _ => {
            item.wrong("", "two durations, the least and the most, as in [1s, 5s]", "");
            default
        }
    }
}

fn host_class(fields: &mut Fields<'_>) -> HostClass {
    let default = HostClass::default();
    let prefix = fields.optional("prefix").and_then(|item| item.text("the beginning of host names"));
    let executors = fields.list("executors", |item| item.choice(&[("docker", "docker"), ("bash", "bash")]));
    let labels = fields.optional("labels").map(|item| item.entries()).unwrap_or_default();
    let labels = labels
        .into_iter()
        .filter_map(|(key, item)| Some((key.to_string(), item.text("a label")?.to_string())));
    let labels = labels.collect();
    let ports = fields.optional("ports").and_then(|item| {
        item.object(|fields| PortRange {
            first: fields.number_or("first", 1..=u16::MAX, default.ports.first),
            last: fields.number_or("last", 1..=u16::MAX, default.ports.last),
        })
    });
    HostClass {
        prefix: prefix.map_or(default.prefix, String::from),
        count: fields.number_or("count", 1..=100_000, default.count),
        memory: fields.number_or("memory", 1..=16_777_216, default.memory),
        cpu_units: fields.number_or("cpu_units", 1..=1_048_576, default.cpu_units),
        ports: ports.unwrap_or(default.ports),
        executors: if executors.is_empty() {
            default.executors
        } else {
            executors.into_iter().map(String::from).collect()
        },
        labels,
    }
}

fn generated(fields: &mut Fields<'_>) -> Generate {
    let prefix = fields.optional("prefix").and_then(|item| item.text("the beginning of service names"));
    let tasks = fields.required("tasks").number(1..=100_000).unwrap_or(1);
    Generate {
        prefix: prefix.unwrap_or("service-").to_string(),
        services: fields.number_or("services", 1..=10_000, 1),
        tasks,
        min: fields.number_or("min", 0..=100_000, tasks * 9 / 10),
        max: fields.number_or("max", 1..=200_000, tasks + (tasks / 10).max(1)),
        versions: fields.number_or("versions", 1..=10, 2),
        memory: fields.number_or("memory", 0..=1_048_576, 512),
        cpu_units: fields.number_or("cpu_units", 0..=1_048_576, 128),
        check_interval: fields.span_or("check_interval", SOME, Span::secs(10)),
        cluster: fields.optional("cluster").and_then(|item| item.name()).unwrap_or_else(|| "main".into()),
        policy: fields.choice_or("policy", &generate::POLICIES, callboard_core::model::Policy::Spread),
        max_parallel: fields.optional("max_parallel").and_then(|item| item.number(1..=100_000)),
    }
}

fn build(fields: &mut Fields<'_>, known: &Known) -> Option<Build> {
    let task = known_name(&fields.required("task"), &known.tasks, "task definition");
    let version = fields.required("version").number(1..=u32::MAX);
    let sound = Build::sound("".into(), 1);
    let optional = |fields: &mut Fields<'_>, name| fields.optional(name).and_then(|item| item.span(LONGEST));
    let never = fields.flag("never_healthy");
    let healthy_after = optional(fields, "healthy_after").or(sound.healthy_after);
    let build = Build {
        start: between(fields, "start", sound.start),
        fails_to_start: fields.flag("fails_to_start"),
        healthy_after: healthy_after.filter(|_| !never),
        healthy_for: optional(fields, "healthy_for"),
        exits_after: optional(fields, "exits_after"),
        stop: between(fields, "stop", sound.stop),
        ignores_term: fields.flag("ignores_term"),
        memory_percent: fields.number_or("memory_percent", 0..=1_000, sound.memory_percent),
        leak_mib_per_minute: fields.number_or("leak_mib_per_minute", 0..=1_048_576, 0),
        limited: fields.flag("limited"),
        on_hosts_percent: fields.number_or("on_hosts_percent", 0..=100, 100),
        ..sound
    };
    Some(Build { task: task?, version: version?, ..build })
}

fn manners(fields: &mut Fields<'_>) -> StoreManners {
    let good = StoreManners::default();
    let ppm = |fields: &mut Fields<'_>, name| fields.number_or(name, 0..=1_000_000, 0);
    StoreManners {
        latency: between(fields, "latency", good.latency),
        watch_delay: between(fields, "watch_delay", good.watch_delay),
        lost_requests: ppm(fields, "lost_requests_ppm"),
        lost_answers: ppm(fields, "lost_answers_ppm"),
        repeated: ppm(fields, "repeated_ppm"),
        late: ppm(fields, "late_ppm"),
        deaf_watches: ppm(fields, "deaf_watches_ppm"),
        cut_watches: ppm(fields, "cut_watches_ppm"),
        session_slack: fields.span_or("session_slack", LONGEST, good.session_slack),
    }
}

fn registry(fields: &mut Fields<'_>) -> RegistryManners {
    let ppm = |fields: &mut Fields<'_>, name| fields.number_or(name, 0..=1_000_000, 0);
    RegistryManners {
        lost_requests: ppm(fields, "lost_requests_ppm"),
        lost_answers: ppm(fields, "lost_answers_ppm"),
        late: ppm(fields, "late_ppm"),
    }
}

/// The faults that can trickle, by name.
const FAULTS: [(&str, TrickleFault); 14] = [
    ("crash", TrickleFault::Crash),
    ("partition", TrickleFault::Partition),
    ("kill_agent", TrickleFault::KillAgent),
    ("freeze", TrickleFault::Freeze),
    ("kill_scheduler", TrickleFault::KillScheduler),
    ("pause_scheduler", TrickleFault::PauseScheduler),
    ("store_outage", TrickleFault::StoreOutage),
    ("store_read_only", TrickleFault::StoreReadOnly),
    ("registry_away", TrickleFault::RegistryAway),
    ("registry_forgets", TrickleFault::RegistryForgets),
    ("task_exit", TrickleFault::TaskExit),
    ("roll", TrickleFault::Roll),
    ("scale", TrickleFault::Scale),
    ("drain", TrickleFault::Drain),
];

fn trickle(fields: &mut Fields<'_>, duration: Span) -> Option<Trickle> {
    let fault = fields.required("fault").choice(&FAULTS);
    let per_hour = fields.required("per_hour").number(1..=1_000_000);
    let trickle = Trickle {
        fault: TrickleFault::Crash,
        per_hour: 1,
        from: fields.span_or("from", LONGEST, Span::secs(60)),
        until: fields.span_or("until", LONGEST, duration),
        lasting: between(fields, "lasting", (Span::secs(60), Span::secs(300))),
    };
    Some(Trickle { fault: fault?, per_hour: per_hour?, ..trickle })
}
