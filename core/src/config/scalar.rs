//! What a bare word in YAML may be taken for. Readers disagree on `NO`, `012`, `1.0` and `22:22`; here such words are
//! accepted where they can only mean one thing and refused, with an explanation, where they cannot.

use alloc::format;
use alloc::string::String;

/// Says what other readers may take a bare word for, when it is meant as text.
pub(super) fn mistaken_for(text: &str) -> Option<&'static str> {
    if truth(text).is_some() {
        return Some("a truth value");
    }
    if is_number(text) {
        return Some("a number");
    }
    if is_sexagesimal(text) {
        return Some("a number in base 60");
    }
    if is_date(text) {
        return Some("a date");
    }
    matches!(text, "" | "~" | "=" | "null" | "Null" | "NULL").then_some("null")
}

/// Says what truth value some reader takes a word for.
pub(super) fn truth(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is(&["true", "yes", "on", "y"]) {
        return Some(true);
    }
    is(&["false", "no", "off", "n"]).then_some(false)
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['-', '+']).unwrap_or(text)
}

fn is_number(text: &str) -> bool {
    let text = unsigned(text);
    if [".inf", ".nan"].iter().any(|word| word.eq_ignore_ascii_case(text)) {
        return true;
    }
    let based = ["0x", "0o", "0b"].iter().find_map(|base| text.strip_prefix(base));
    if based.is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'_')
    }) {
        return true;
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, unsigned(exponent)),
        None => (text, "0"),
    };
    is_digits(exponent)
        && mantissa.bytes().any(|byte| byte.is_ascii_digit())
        && !mantissa.starts_with('_')
        && mantissa.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_' || byte == b'.')
        && mantissa.bytes().filter(|byte| *byte == b'.').count() <= 1
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_sexagesimal(text: &str) -> bool {
    let mut parts = unsigned(text).split(':');
    let first = parts.next().is_some_and(is_digits);
    let small = |part: &str| is_digits(part) && part.len() <= 2 && part < "60";
    let rest = parts.clone().next().is_some();
    first && rest && parts.all(small)
}

fn is_date(text: &str) -> bool {
    let day = text.split(['T', 't', ' ']).next().unwrap_or_default();
    let mut parts = day.split('-');
    let is = |part: Option<&str>, lengths: &[usize]| {
        part.is_some_and(|part| is_digits(part) && lengths.contains(&part.len()))
    };
    is(parts.next(), &[4]) && is(parts.next(), &[1, 2]) && is(parts.next(), &[1, 2]) && parts.next().is_none()
}

/// Reads a plain whole number.
///
/// # Errors
/// Says what to write instead, when it can be known.
pub(super) fn whole(text: &str) -> Result<u64, String> {
    if is_digits(text) && (text == "0" || !text.starts_with('0')) {
        return text.parse().map_err(|_| String::new());
    }
    if is_digits(text) {
        let decimal = text.trim_start_matches('0');
        let decimal = if decimal.is_empty() { "0" } else { decimal };
        return Err(format!("a leading zero means octal to some readers, write {}", super::shown(decimal)));
    }
    let lower = text.to_ascii_lowercase();
    if ["0x", "0o", "0b"].iter().any(|base| lower.starts_with(base)) {
        return Err("write it in decimal".into());
    }
    if is_sexagesimal(text) {
        return Err("write it in decimal".into());
    }
    if is_number(text) && text.contains('_') {
        return Err("write it without _".into());
    }
    let digits = text.bytes().any(|byte| byte.is_ascii_digit());
    if is_number(text) && digits && (text.contains('.') || lower.contains('e')) {
        return Err("write it without a fraction or an exponent".into());
    }
    Err(String::new())
}
