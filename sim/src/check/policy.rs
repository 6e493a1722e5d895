//! S45: nothing is started that its host's policy forbids, whoever issued it; and nothing new is sent to a host that says by
//! its policy that it would refuse it. Of volumes only the host itself can tell, so these are looked at where they are used.

use super::record::{
    BashRules, ContainerRecord, DefinitionRecord, DockerRules, ExecutorRecord, PolicyRecord, Text, VolumeRule,
};
use super::{Alive, Book, By, Check, Findings, Seen};
use callboard_core::model::Executor;
use callboard_core::work::Order;

/// Compares with policies.
#[derive(Clone)]
pub(crate) struct Policies;

impl Check for Policies {
    fn committed(&mut self, seen: &Seen<'_>, found: &mut Findings) {
        if seen.by != By::Scheduler {
            return;
        }
        for task in seen.created().filter(|task| !seen.book.goes_on(task)) {
            let definition = seen.book.definitions.get(&(task.task_name.clone(), task.version));
            let has = seen.book.hosts.get(&task.host).and_then(|page| page.registration.as_ref());
            let why = definition.zip(has).and_then(|(definition, has)| refused(&has.policy, definition));
            if let Some(why) = why {
                found.blame("S45", format!("{} came to {}, whose policy refuses {why}", task.id, task.host));
            }
        }
    }

    fn ordered(&mut self, book: &Book, host: &Text, order: &Order, found: &mut Findings) {
        let (Order::Start(spec), Some(rules)) = (order, book.rules.get(host)) else { return };
        let containers = spec.definition.containers.iter().map(|container| {
            let executor = match &container.executor {
                Executor::Docker(docker) => ExecutorRecord {
                    image: docker.image.clone(),
                    flags: docker.flags.clone(),
                    ..ExecutorRecord::default()
                },
                Executor::Bash(bash) => {
                    ExecutorRecord { artifact: bash.artifact.clone(), ..ExecutorRecord::default() }
                }
            };
            let kind = container.executor.kind().to_string();
            ContainerRecord { name: container.name.to_string(), kind, executor }
        });
        if let Some(why) = containers.into_iter().find_map(|container| forbidden(rules, &container)) {
            found.blame("S45", format!("{host} starts {}, though its policy refuses {why}", spec.task.id));
        }
    }

    fn born(&mut self, book: &Book, host: &Text, id: &Text, alive: &Alive, found: &mut Findings) {
        let rules = book.rules.get(host).and_then(|rules| rules.docker.as_ref());
        let task = book.tasks.get(id).filter(|task| task.generation == alive.generation);
        let definition = task.and_then(|task| book.definitions.get(&(task.task_name.clone(), task.version)));
        let Some((rules, definition)) = rules.zip(definition) else { return };
        let shipped = definition.containers.iter().filter(|container| container.kind == "docker");
        let mut volumes = shipped.flat_map(|container| &container.executor.volumes);
        if let Some(volume) = volumes.find(|volume| !rules.volumes.iter().any(|rule| opens(rule, volume))) {
            found.blame("S45", format!("{id} lives on {host} with {volume}, which its policy refuses"));
        }
    }
}

/// Tells what of a definition a policy refuses.
pub(super) fn refused(rules: &PolicyRecord, definition: &DefinitionRecord) -> Option<String> {
    definition.containers.iter().find_map(|container| forbidden(rules, container))
}

fn forbidden(rules: &PolicyRecord, container: &ContainerRecord) -> Option<String> {
    if container.kind == "bash" {
        let (rules, artifact) = (rules.bash.as_ref()?, container.executor.artifact.as_ref()?);
        return (!is_from(rules, artifact)).then(|| format!("artifact {artifact}"));
    }
    let rules = rules.docker.as_ref().filter(|_| container.kind == "docker")?;
    let ExecutorRecord { image, flags, .. } = &container.executor;
    if !is_listed(rules, image) {
        return Some(format!("image {image}"));
    }
    let users = flags.iter().filter_map(|flag| flag.strip_prefix("--user="));
    if rules.users.is_some() && users.count() == 0 {
        return Some("that it names no user".to_string());
    }
    flags.iter().find(|flag| !is_free(rules, flag)).cloned()
}

/// Tells whether an artifact may be fetched.
fn is_from(rules: &BashRules, artifact: &str) -> bool {
    let Some(sources) = &rules.artifacts else { return true };
    let is_below = |source: &String| {
        let rest = artifact.strip_prefix(source.as_str()).filter(|_| source.ends_with('/'));
        rest.is_some_and(|rest| rest.split('/').all(|part| part != ".."))
    };
    sources.iter().any(|source| source == artifact || is_below(source))
}

/// Tells whether a rule lets a container have a volume.
fn opens(rule: &VolumeRule, volume: &str) -> bool {
    let source = volume.split(':').next().unwrap_or_default();
    let is_below = source.strip_prefix(rule.path.trim_end_matches('/'));
    let is_below = is_below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    is_below && (volume.ends_with(":ro") || !rule.read_only)
}

/// Tells whether a container may have a flag.
fn is_free(rules: &DockerRules, flag: &str) -> bool {
    let Some((name, value)) = flag.split_once('=') else { return true };
    let among =
        |list: &Option<Vec<String>>| list.as_ref().is_none_or(|list| list.iter().any(|it| it == value));
    match (name, value) {
        ("--net" | "--network", "none" | "bridge" | "default") => true,
        ("--net" | "--network", "host") => rules.host_network,
        ("--net" | "--network", _) => among(&rules.networks),
        ("--user", _) => among(&rules.users),
        ("--cap-add", _) => {
            let capability = value.to_ascii_uppercase();
            rules.capabilities.iter().any(|it| *it == capability.trim_start_matches("CAP_"))
        }
        _ => true,
    }
}

/// Tells whether an image may run: it has the name of one that may, or begins like those that may.
fn is_listed(rules: &DockerRules, image: &str) -> bool {
    let Some(images) = &rules.images else { return true };
    let image = whole(image.split('@').next().unwrap_or_default());
    let name = match image.rfind(':') {
        Some(at) if !image[at..].contains('/') => &image[..at],
        Some(_) | None => &image,
    };
    images
        .iter()
        .map(|listed| whole(listed))
        .any(|listed| if listed.ends_with('/') { name.starts_with(&listed) } else { name == listed })
}

/// Writes the name of an image out: the registry that is meant where none is named, and its shelf for what has none.
fn whole(name: &str) -> String {
    let first = name.split('/').next().unwrap_or_default();
    if name.contains('/') && first.contains(['.', ':']) {
        name.to_string()
    } else if name.contains('/') {
        format!("docker.io/{name}")
    } else {
        format!("docker.io/library/{name}")
    }
}
