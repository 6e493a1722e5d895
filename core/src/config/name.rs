//! What may be a name. Names become parts of keys, of task ids, of paths and of command lines, so few characters are
//! allowed in them.

use alloc::format;
use alloc::string::String;

/// The rule, for messages.
pub(super) const RULE: &str =
    "a name of 1 to 63 characters a-z, 0-9 and -, with a letter or digit at both ends";

/// Words that mean something else where a name is expected.
pub const RESERVED_NAMES: [&str; 4] = ["all", "alloc", "none", "self"];

/// The most characters a name may have.
pub const NAME_LENGTH_MAX: usize = 63;

/// Tells whether a text may name a cluster, service, task definition, container or host: 1 to 63 of `a-z`, `0-9` and
/// `-`, with a letter or digit at both ends, and none of [`RESERVED_NAMES`].
#[must_use]
pub fn is_name(text: &str) -> bool {
    has_form(text) && !RESERVED_NAMES.contains(&text)
}

fn has_form(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=NAME_LENGTH_MAX).contains(&text.len())
        && text.bytes().all(|byte| plain(byte) || byte == b'-')
        && text.bytes().next().is_some_and(plain)
        && text.bytes().next_back().is_some_and(plain)
}

/// Checks a name.
///
/// # Errors
/// Says what is wrong and what to do, each perhaps empty.
pub(super) fn check(text: &str) -> Result<(), (String, String)> {
    if RESERVED_NAMES.contains(&text) {
        return Err(("a reserved word".into(), "choose another".into()));
    }
    if has_form(text) {
        return Ok(());
    }
    let lower = text.to_ascii_lowercase();
    let next = if is_name(&lower) { format!("write \"{lower}\"") } else { String::new() };
    let unseen = text.chars().find(|c| !c.is_ascii() || c.is_control());
    let mut problem = unseen.map(|c| format!("which holds the character {}", c.escape_unicode()));
    if problem.is_none() && text.len() > NAME_LENGTH_MAX {
        problem = Some(format!("which has {} characters", text.len()));
    }
    Err((problem.unwrap_or_default(), next))
}
