//! Reads a policy from its file.

use super::{Bash, Docker, Policy, Volume, capability};
use crate::config::{Fields, Item, Mistake, Reader, Value, parse};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// How large a policy may be, in bytes: its agent tells it in a record, beside what else it tells.
const BYTES_MAX: usize = 32 * 1024;

impl Policy {
    /// Reads a policy file, in YAML or JSON; `file` names it in mistakes.
    ///
    /// # Errors
    /// Lists all that is wrong in it.
    pub fn read(file: &str, bytes: &[u8]) -> Result<Policy, Vec<Mistake>> {
        let tree = parse(file, bytes)?;
        let reader = Reader::new(file);
        let root = reader.root(&tree);
        let policy = Policy::of(&root).unwrap_or_default();
        let size = serde_json::to_vec(&policy).map_or(usize::MAX, |bytes| bytes.len());
        if size > BYTES_MAX {
            let next = "name what several images, volumes or artifacts begin with, in place of each";
            root.wrong(format!("of {size} bytes"), format!("at most {BYTES_MAX}"), next);
        }
        drop(root);
        reader.finish()?;
        Ok(policy)
    }

    /// Reads a policy that stands in another file.
    pub fn of(item: &Item<'_>) -> Option<Policy> {
        item.object(|fields| Policy {
            docker: section(fields, "docker", docker),
            bash: section(fields, "bash", bash),
        })
    }
}

/// Reads a section that may be left out, and may have nothing in it: `docker:` and `docker: {}` are the same.
fn section<T: Default>(
    fields: &mut Fields<'_>,
    name: &'static str,
    read: impl FnOnce(&mut Fields<'_>) -> T,
) -> Option<T> {
    let item = fields.required(name);
    match item.node().map(|node| &node.value) {
        None => None,
        Some(Value::Null) => Some(T::default()),
        Some(Value::Scalar { .. } | Value::Seq(_) | Value::Map(_)) => item.object(read),
    }
}

fn docker(fields: &mut Fields<'_>) -> Docker {
    Docker {
        images: words(fields, "images", image),
        volumes: fields.list("volumes", |item| volume(&item)),
        networks: words(fields, "networks", network),
        host_network: fields.flag("host_network"),
        capabilities: words(fields, "capabilities", added).unwrap_or_default(),
        users: words(fields, "users", user),
    }
}

fn bash(fields: &mut Fields<'_>) -> Bash {
    let usual = Bash::default();
    Bash {
        user: fields.optional("user").and_then(|item| account(&item)),
        processes: fields.number_or("processes", 1..=4_194_304_u64, usual.processes),
        open_files: fields.number_or("open_files", 16..=1_048_576_u64, usual.open_files),
        artifacts: words(fields, "artifacts", source),
    }
}

fn words(
    fields: &mut Fields<'_>,
    name: &'static str,
    read: fn(&Item<'_>) -> Option<String>,
) -> Option<Vec<String>> {
    let items = fields.optional(name)?.items();
    Some(items.iter().filter_map(read).collect())
}

fn word<'a>(item: &Item<'a>, what: &str, is_legal: impl Fn(&str) -> bool) -> Option<&'a str> {
    let text = item.text(what)?;
    let is_word = !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    if !is_word || !is_legal(text) {
        item.wrong("", what, "");
        return None;
    }
    Some(text)
}

fn image(item: &Item<'_>) -> Option<String> {
    const WHAT: &str =
        "an image without tag, as in redis, or what images begin with, as in registry.example:5000/";
    let is_legal = |text: &str| {
        let last = text.rsplit('/').next().unwrap_or_default();
        !text.starts_with('/') && !text.contains(['@', '*']) && !last.contains(':')
    };
    word(item, WHAT, is_legal).map(String::from)
}

fn source(item: &Item<'_>) -> Option<String> {
    const WHAT: &str =
        "the URL of an artifact, or what such begin with up to a slash, as in https://files.example/";
    let is_legal = |text: &str| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        rest.is_some_and(|rest| rest.find('/').is_some_and(|at| at > 0) && !rest.contains('@'))
    };
    word(item, WHAT, is_legal).map(String::from)
}

fn volume(item: &Item<'_>) -> Option<Volume> {
    match item.node().map(|node| &node.value) {
        Some(Value::Map(_)) => item.object(|fields| {
            let (path, read_only) = (directory(&fields.required("path")), fields.flag("read_only"));
            Some(Volume { path: path?, read_only })
        })?,
        Some(Value::Scalar { .. } | Value::Seq(_) | Value::Null) | None => {
            Some(Volume { path: directory(item)?, read_only: false })
        }
    }
}

fn directory(item: &Item<'_>) -> Option<String> {
    const WHAT: &str = "an absolute path without .., or {path: /PATH, read_only: true}";
    let text = item.text(WHAT)?;
    if !text.starts_with('/') || text.contains('\0') || text.split('/').any(|part| part == "..") {
        item.wrong("", WHAT, "");
        return None;
    }
    Some(text.into())
}

fn network(item: &Item<'_>) -> Option<String> {
    const WHAT: &str = "the name of a network of the engine";
    let text = word(item, WHAT, |text| !text.contains([':', ',']))?;
    if text == "host" {
        item.wrong("", WHAT, "write host_network: true beside networks");
        return None;
    }
    Some(text.into())
}

fn added(item: &Item<'_>) -> Option<String> {
    const WHAT: &str = "the name of one capability, as in NET_BIND_SERVICE";
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let text = word(item, WHAT, |text| text.bytes().all(letter) && capability(text) != "ALL")?;
    Some(capability(text))
}

fn user(item: &Item<'_>) -> Option<String> {
    const WHAT: &str = "a user as the flag --user has it, in quotes if it is a number: \"1000:1000\"";
    word(item, WHAT, |_| true).map(String::from)
}

fn account(item: &Item<'_>) -> Option<String> {
    const WHAT: &str = "the name of a user of this host, not a number";
    let is_legal =
        |text: &str| !text.starts_with(['-', '+']) && !text.bytes().all(|byte| byte.is_ascii_digit());
    word(item, WHAT, |text| is_legal(text) && !text.contains([':', '/'])).map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    #[test]
    fn every_field_is_read() {
        let text = "docker:
  images: [registry.example:5000/team/, redis]
  volumes: [/srv, {path: /etc/ssl/certs, read_only: true}]
  networks: [own]
  host_network: true
  capabilities: [cap_net_raw, NET_BIND_SERVICE]
  users: ['1000:1000', app]
bash: {user: tasks, processes: 100, open_files: 64, artifacts: [https://a.example/]}
";
        let volume = |path: &str, read_only| Volume { path: path.into(), read_only };
        let docker = Docker {
            images: Some(vec!["registry.example:5000/team/".into(), "redis".into()]),
            volumes: vec![volume("/srv", false), volume("/etc/ssl/certs", true)],
            networks: Some(vec!["own".into()]),
            host_network: true,
            capabilities: vec!["NET_RAW".into(), "NET_BIND_SERVICE".into()],
            users: Some(vec!["1000:1000".into(), "app".into()]),
        };
        let artifacts = Some(vec!["https://a.example/".into()]);
        let bash = Bash { user: Some("tasks".into()), processes: 100, open_files: 64, artifacts };
        let expect = Policy { docker: Some(docker), bash: Some(bash) };
        assert_eq!(Policy::read("p.yml", text.as_bytes()), Ok(expect));
    }

    #[test]
    fn an_executor_is_there_when_it_is_spoken_of() {
        let check = |text: &str, expect: Policy| {
            assert_eq!(Policy::read("p.yml", text.as_bytes()), Ok(expect), "{text}");
        };
        check("{}", Policy::default());
        check("docker:", Policy::default().with("docker"));
        check("docker: {}\nbash:\n", Policy::default().with("bash").with("docker"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let check = |text: &str, expect: &[&str]| {
            let mistakes = Policy::read("p.yml", text.as_bytes()).unwrap_err();
            let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            assert_eq!(told.len(), expect.len(), "{told:?}");
            for (told, expect) in told.iter().zip(expect) {
                assert!(told.contains(expect), "{told}");
            }
        };
        check(
            "dokcer: {}",
            &["p.yml:1: dokcer: unknown field, expected docker or bash; did you mean \"docker\"?"],
        );
        check("docker:\n  image: [a]", &["p.yml:2: docker.image: unknown field"]);
        check("- docker", &["p.yml:1: found a list, expected an object"]);
        check("docker: yes", &["p.yml:1: docker: found"]);
        check(
            "docker: {volumes: [srv, /a/../b, 7]}",
            &["volumes[0]: found \"srv\"", "volumes[1]", "volumes[2]"],
        );
        check("docker: {volumes: [{path: /a, readonly: true}]}", &["did you mean \"read_only\"?"]);
        check("docker: {volumes: [{read_only: true}]}", &["volumes[0].path: missing"]);
        check(
            "docker: {images: ['redis:7', 'a@sha256:b', /x, '*']}",
            &["images[0]", "images[1]", "[2]", "[3]"],
        );
        check("docker: {capabilities: [ALL, cap_all, 'A,B']}", &["capabilities[0]", "[1]", "[2]"]);
        check("docker: {networks: ['container:abc']}", &["networks[0]: found \"container:abc\""]);
        check("docker: {networks: [host]}", &["write host_network: true beside networks"]);
        check("docker: {users: [1000]}", &["users[0]"]);
        check(
            "bash: {artifacts: ['https://a.example', ftp://a/, 'https:///x']}",
            &["artifacts[0]", "[1]", "[2]"],
        );
        check("bash: {user: 0}", &["bash.user: found"]);
        check("bash: {user: '+0'}", &["bash.user: found \"+0\", expected the name of a user of this host"]);
        check("bash: {user: ''}", &["bash.user"]);
        check("bash: {processes: 0, open_files: many}", &["bash.processes", "bash.open_files"]);
    }
}
