//! Which names may be put into a path of the API or a key of the store.

use crate::problem::{Kind, Problem};

/// Lets a name of a cluster, service, task definition or host pass.
///
/// # Errors
/// Says what the rule is.
pub(crate) fn check<'a>(what: &str, name: &'a str) -> Result<&'a str, Problem> {
    checked(what, name, 63)
}

/// Lets the id of a task pass: it is made of several names.
///
/// # Errors
/// Says what the rule is.
pub(crate) fn check_id(id: &str) -> Result<&str, Problem> {
    checked("task id", id, 253)
}

fn checked<'a>(what: &str, name: &'a str, longest: usize) -> Result<&'a str, Problem> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = !name.is_empty() && name.len() <= longest && name.bytes().all(inner);
    if fits && !name.starts_with('-') && !name.ends_with('-') {
        return Ok(name);
    }
    let shown: String = name.chars().take(80).collect();
    Err(Problem::new(Kind::Invalid, format!("{shown:?} cannot be the name of a {what}")).hint(format!(
        "names have 1 to {longest} of a-z, 0-9 and \"-\", and neither begin nor end with \"-\""
    )))
}

/// Makes a name of this machine's host name: lower case, anything else becomes a dash.
pub(crate) fn sanitise(text: &str) -> String {
    let short = text.split('.').next().unwrap_or_default();
    let name: String = short
        .chars()
        .map(|letter| letter.to_ascii_lowercase())
        .map(|letter| if letter.is_ascii_lowercase() || letter.is_ascii_digit() { letter } else { '-' })
        .take(63)
        .collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "host".into() } else { name.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let long = "x".repeat(64);
        for bad in
            ["", " web", "Web", "we b", "web/1", "../web", ".", "_", "wéb", "web\n", "-web", "web-", &long]
        {
            assert!(check("service", bad).is_err(), "{bad:?}");
        }
        for good in ["w", "web", "web-1", "1", &long[..63]] {
            assert_eq!(check("service", good).unwrap(), good);
        }
        assert!(check_id(&long).is_ok());
    }

    #[test]
    fn host_names_become_names() {
        for (text, name) in [("Web_01.example.org", "web-01"), ("", "host"), ("--", "host"), ("a", "a")] {
            assert_eq!(sanitise(text), name);
        }
    }
}
