//! Reads what a container runs. Only the form of settings is checked here; what a host lets its tasks do is for the
//! executors on that host.

use super::{distinct, flags, image};
use crate::config::address;
use crate::config::item::Item;
use crate::config::reader::Fields;
use crate::model::{Bash, Docker, Executor};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

#[derive(Clone, Copy)]
enum Type {
    Docker,
    Bash,
}

/// Reads `type` and `executor`. `ports` holds the host ports that the task's other containers map.
pub(super) fn read(fields: &mut Fields<'_>, ports: &mut BTreeMap<String, usize>) -> Option<Executor> {
    let kind = fields.required("type").choice(&[("docker", Type::Docker), ("bash", Type::Bash)]);
    let item = fields.required("executor");
    match kind? {
        Type::Docker => item.object(|fields| docker(fields, ports)).flatten().map(Executor::Docker),
        Type::Bash => item.object(bash).flatten().map(Executor::Bash),
    }
}

fn docker(fields: &mut Fields<'_>, ports: &mut BTreeMap<String, usize>) -> Option<Docker> {
    let name = fields.optional("name").and_then(|item| docker_name(&item));
    let image = image::read(&fields.required("image"));
    let pull = fields.optional("pull").and_then(|item| image::pull(&item)).unwrap_or_default();
    let cmd = fields.list("cmd", |item| word(&item));
    let entry = fields.optional("entry").and_then(|item| item.text("a command").map(String::from));
    let container_port = fields.optional("container_port").and_then(|item| item.number(1..=u16::MAX));
    let ports = fields.list("ports", |item| mapping(&item, ports));
    let env = env(fields);
    let work_dir = fields.optional("work_dir").and_then(|item| work_dir(&item));
    let volumes = distinct(fields, "volumes", volume);
    let flags = flags(fields);
    Some(Docker {
        name,
        image: image?,
        pull,
        cmd,
        entry: entry.unwrap_or_default(),
        container_port,
        ports,
        env,
        work_dir: work_dir.unwrap_or_default(),
        volumes,
        flags,
    })
}

fn bash(fields: &mut Fields<'_>) -> Option<Bash> {
    let start = fields.required("start").items_of(1..=usize::MAX, "a list of at least one command");
    let start = start.iter().filter_map(command).collect();
    let stop = fields.list("stop", |item| command(&item));
    let env = env(fields);
    let artifact = fields.optional("artifact");
    let checksum = fields.required("checksum");
    if let Some(item) = checksum_without(artifact.as_ref(), &checksum) {
        item.wrong("without an artifact", "", "remove it, or name the artifact");
    }
    let checksum = artifact.as_ref().and_then(|_| self::checksum(&checksum));
    let download_dir = fields.optional("download_dir").and_then(|item| relative(&item));
    let unpack = fields.optional("unpack");
    if let Some(item) = unpack.as_ref().filter(|_| artifact.is_none()) {
        item.wrong("without an artifact", "", "remove it, or name the artifact");
    }
    let unpack = unpack.and_then(|item| item.flag()).unwrap_or_default();
    let artifact = artifact.and_then(|item| address::url(&item, false));
    Some(Bash { start, stop, env, artifact, checksum, download_dir, unpack })
}

fn checksum_without<'i, 'a>(artifact: Option<&Item<'a>>, checksum: &'i Item<'a>) -> Option<&'i Item<'a>> {
    Some(checksum).filter(|item| artifact.is_none() && item.is_given())
}

fn checksum(item: &Item<'_>) -> Option<String> {
    const WHAT: &str = "the artifact's checksum: sha256: and 64 hexadecimal digits";
    let text = item.text(WHAT)?;
    let digits = text.strip_prefix("sha256:").unwrap_or_default();
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        item.wrong("", WHAT, "run sha256sum on the artifact");
        return None;
    }
    Some(text.to_ascii_lowercase())
}

/// Reads a shell command.
pub(super) fn command(item: &Item<'_>) -> Option<String> {
    const WHAT: &str = "a command";
    let text = item.lines(WHAT)?;
    if text.trim().is_empty() {
        item.wrong("", WHAT, "");
        return None;
    }
    Some(text.into())
}

/// Reads an argument of a command.
fn word(item: &Item<'_>) -> Option<String> {
    const WHAT: &str = "a command or an argument that is not empty";
    let text = item.lines(WHAT)?;
    if text.is_empty() {
        item.wrong("", WHAT, "");
        return None;
    }
    Some(text.into())
}

fn docker_name(item: &Item<'_>) -> Option<String> {
    const WHAT: &str = "a name of 1 to 128 letters, digits, _, . and -, beginning with a letter or digit";
    let text = item.text(WHAT)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    let legal = text.len() <= 128
        && text.bytes().next().is_some_and(plain)
        && text.bytes().all(|byte| plain(byte) || b"_.-".contains(&byte));
    if !legal {
        item.wrong("", WHAT, "");
        return None;
    }
    Some(text.into())
}

/// Reads the environment: `NAME=value`, each name once.
fn env(fields: &mut Fields<'_>) -> Vec<String> {
    const WHAT: &str = "NAME=value, with a name of letters, digits and _ that begins with no digit";
    let mut seen = BTreeMap::new();
    fields.list("env", |item| {
        let text = item.lines(WHAT)?;
        let name = text.split('=').next().unwrap_or_default();
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let begins = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
        if !begins || !name.bytes().all(legal) || !text.contains('=') {
            item.wrong("", WHAT, "");
            return None;
        }
        if let Some(line) = seen.insert(name, item.place().line) {
            item.wrong(format!("already set on line {line}"), "", "keep one of the two");
        }
        Some(text.into())
    })
}

/// Reads a port mapping; no two of a task may take the same port of the host.
fn mapping(item: &Item<'_>, taken: &mut BTreeMap<String, usize>) -> Option<String> {
    const WHAT: &str = "host:container, two ports from 1 to 65535, perhaps with /tcp or /udp";
    let text = item.text(WHAT)?;
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let legal =
        |port: &str| port.parse::<u16>().is_ok_and(|number| number > 0) && !port.starts_with(['+', '0']);
    let host = ports.split_once(':').filter(|(host, container)| legal(host) && legal(container));
    let Some((host, _)) = host.filter(|_| matches!(protocol, "tcp" | "udp")) else {
        item.wrong("", WHAT, "");
        return None;
    };
    if let Some(line) = taken.insert(format!("{host}/{protocol}"), item.place().line) {
        item.wrong(
            format!("port {host} of the host is already mapped on line {line}"),
            "",
            "choose another port",
        );
    }
    Some(text.into())
}

fn has_dots(path: &str) -> bool {
    path.split('/').any(|part| part == "..")
}

fn work_dir(item: &Item<'_>) -> Option<String> {
    const WHAT: &str = "an absolute path without .. and not below /proc";
    let text = item.text(WHAT)?;
    let mut parts = text.split('/').filter(|part| !part.is_empty() && *part != ".");
    let legal = text.is_empty() || (text.starts_with('/') && !has_dots(text) && parts.next() != Some("proc"));
    if !legal {
        item.wrong("", WHAT, "");
        return None;
    }
    Some(text.into())
}

fn volume(item: &Item<'_>) -> Option<String> {
    const WHAT: &str = "host:container or host:container:ro, two absolute paths without ..";
    let text = item.text(WHAT)?;
    let mut parts = text.split(':');
    let mut path = || parts.next().filter(|path| path.starts_with('/') && !has_dots(path));
    let paths = path().zip(path());
    let inside = paths.map(|(_, container)| container.trim_matches('/'));
    let legal = inside.is_some_and(|path| !path.is_empty())
        && matches!(parts.next(), None | Some("ro" | "rw"))
        && parts.next().is_none();
    if !legal {
        item.wrong("", WHAT, "");
        return None;
    }
    Some(text.into())
}

fn relative(item: &Item<'_>) -> Option<String> {
    const WHAT: &str = "a path relative to the task's own directory, without ..";
    let text = item.text(WHAT)?;
    if text.is_empty() || text.starts_with('/') || has_dots(text) || text.contains('\\') || text.len() > 255 {
        item.wrong("", WHAT, "");
        return None;
    }
    Some(text.into())
}

fn flags(fields: &mut Fields<'_>) -> Vec<String> {
    let Some(list) = fields.optional("flags") else { return Vec::new() };
    let flags: Vec<String> = list.items().iter().filter_map(flag).collect();
    if let Some(mistake) = flags::docker_flags_together(&flags) {
        list.wrong(mistake.problem, mistake.allowed, mistake.next);
    }
    flags
}

fn flag(item: &Item<'_>) -> Option<String> {
    let text = item.text(flags::WORD)?;
    if let Err(mistake) = flags::docker_flag(text) {
        item.wrong(mistake.problem, mistake.allowed, mistake.next);
        return None;
    }
    Some(text.into())
}
