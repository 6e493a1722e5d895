//! Reads the name of a docker image, `[registry[:port]/]path[:tag][@sha256:digest]`, and when it is pulled.

use crate::config::item::Item;
use crate::config::mistake::{did_you_mean, one_of};
use crate::config::tree::Value;
use crate::model::Pull;
use alloc::string::String;

const WHAT: &str = "an image such as redis:7 or registry.example:5000/team/web@sha256:...";
const LENGTH_MAX: usize = 255;
const TAG_LENGTH_MAX: usize = 128;

pub(super) fn read(item: &Item<'_>) -> Option<String> {
    let text = item.text(WHAT)?;
    if !is_image(text) {
        item.wrong("", WHAT, "");
        return None;
    }
    Some(text.into())
}

const PULLS: [(&str, Pull); 3] =
    [("missing", Pull::Missing), ("always", Pull::Always), ("never", Pull::Never)];

/// Reads when it is pulled. Who writes it as for Kubernetes or Compose is told our word for it.
pub(super) fn pull(item: &Item<'_>) -> Option<Pull> {
    let text = match item.node().map(|node| &node.value) {
        Some(Value::Scalar { text, .. }) => text.as_str(),
        Some(Value::Null | Value::Seq(_) | Value::Map(_)) | None => "",
    };
    let chosen = PULLS.iter().find(|(word, _)| *word == text).map(|(_, pull)| *pull);
    if chosen.is_none() {
        let letters: String = text.chars().filter(char::is_ascii_alphabetic).collect();
        let meant = match letters.to_ascii_lowercase().as_str() {
            "ifnotpresent" => "missing".into(),
            other => String::from(other),
        };
        let words = || PULLS.iter().map(|(word, _)| *word);
        item.wrong("", one_of(words()), did_you_mean(&meant, words()));
    }
    chosen
}

fn is_image(text: &str) -> bool {
    let (named, digest) = match text.split_once('@') {
        Some((named, digest)) => (named, Some(digest)),
        None => (text, None),
    };
    let (path, tag) = match named.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        Some(_) | None => (named, None),
    };
    let (registry, path) = match path.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), rest),
        Some(_) | None => (None, path),
    };
    text.len() <= LENGTH_MAX
        && digest.is_none_or(is_digest)
        && tag.is_none_or(is_tag)
        && registry.is_none_or(is_registry)
        && path.split('/').all(is_component)
}

fn is_digest(text: &str) -> bool {
    let digits = text.strip_prefix("sha256:").unwrap_or_default();
    digits.len() == 64 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= TAG_LENGTH_MAX
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

fn is_registry(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "443"));
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    let is_label = |label: &str| {
        label.bytes().next().is_some_and(plain)
            && label.bytes().next_back().is_some_and(plain)
            && label.bytes().all(|byte| plain(byte) || byte == b'-')
    };
    host.split('.').all(is_label) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn is_component(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.bytes().next().is_some_and(plain)
        && text.bytes().next_back().is_some_and(plain)
        && text.bytes().all(|byte| plain(byte) || b"._-".contains(&byte))
        && !text.contains("..")
}
