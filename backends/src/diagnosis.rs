//! What a store says of its own condition, for an operator.

/// The condition of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// What is so, whether good or bad: servers, versions, sizes.
    pub facts: Vec<String>,
    /// What is wrong, or will be.
    pub troubles: Vec<Trouble>,
    /// The store's clock as it wrote it, in the form of an HTTP date, where it tells.
    pub date: Option<String>,
}

/// Something that is wrong with a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// It already does harm, or the next thing that goes wrong will.
    pub urgent: bool,
    /// What it is.
    pub what: String,
    /// What to do about it.
    pub next: String,
}

#[cfg(any(feature = "consul", feature = "etcd"))]
impl Diagnosis {
    /// Notes something that does harm.
    pub(crate) fn wrong(&mut self, what: impl Into<String>, next: impl Into<String>) {
        self.troubles.push(Trouble { urgent: true, what: what.into(), next: next.into() });
    }

    /// Notes something that may come to do harm.
    pub(crate) fn warn(&mut self, what: impl Into<String>, next: impl Into<String>) {
        self.troubles.push(Trouble { urgent: false, what: what.into(), next: next.into() });
    }
}

#[cfg(any(feature = "consul", feature = "etcd"))]
/// Reads the first two numbers of a version such as `3.4.23`.
pub(crate) fn version(text: &str) -> (u32, u32) {
    let mut numbers =
        text.trim_start_matches('v').split(['.', '-', '+']).map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(all(test, any(feature = "consul", feature = "etcd")))]
mod tests {
    use super::version;

    #[test]
    fn versions() {
        for (text, expect) in [("3.4.23", (3, 4)), ("v1.20.0-dev", (1, 20)), ("", (0, 0)), ("x.y", (0, 0))] {
            assert_eq!(version(text), expect, "{text}");
        }
    }
}
