//! What a user supposes: how a version behaves, and which hosts fail.

use super::build;
use crate::problem::{Kind, Problem};
use callboard_core::machine::Span;
use callboard_core::model::{Name, Registration};
use callboard_sim::Build;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How a version of a task definition behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assumption {
    /// As it was given.
    pub(crate) text: String,
    pub(super) build: Build,
}

/// What a version can be supposed to do.
const BEHAVIOURS: &str = "sound, slow, never-healthy, fails-to-start, dies, crash-loop, leaks";

impl Assumption {
    /// Reads `web:2=never-healthy`.
    pub(crate) fn parse(text: &str) -> Result<Assumption, String> {
        let form =
            || format!("write TASK:VERSION=BEHAVIOUR, as in web:2=never-healthy; behaviours: {BEHAVIOURS}");
        let (version, behaviour) = text.split_once('=').ok_or_else(form)?;
        let (task, version) = version.rsplit_once(':').ok_or_else(form)?;
        let version = version.parse().map_err(|_| form())?;
        let build = match behaviour {
            "sound" => build(task, version, |_| {}),
            "slow" => build(task, version, |build| build.healthy_after = Some(Span::secs(45))),
            "never-healthy" => build(task, version, |build| build.healthy_after = None),
            "fails-to-start" => build(task, version, |build| build.fails_to_start = true),
            "dies" => build(task, version, |build| build.healthy_for = Some(Span::secs(120))),
            "crash-loop" => build(task, version, |build| build.exits_after = Some(Span::secs(5))),
            "leaks" => build(task, version, |build| build.leak_mib_per_minute = 64),
            _ => {
                return Err(format!("nothing is known to behave as {behaviour:?}; behaviours: {BEHAVIOURS}"));
            }
        };
        Ok(Assumption { text: text.into(), build })
    }
}

/// Hosts that fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    label: String,
    value: String,
}

impl Loss {
    /// Reads `rack=r3` or `host=h1`.
    pub(crate) fn parse(text: &str) -> Result<Loss, String> {
        match text.split_once('=') {
            Some((label, value)) if !label.is_empty() && !value.is_empty() => {
                Ok(Loss { label: label.into(), value: value.into() })
            }
            _ => Err("write LABEL=VALUE as in rack=r3, or host=NAME".into()),
        }
    }

    /// Names the hosts that are meant.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn hosts(&self, all: &BTreeMap<Name, Registration>) -> Result<Vec<Name>, Problem> {
        let meant = |host: &Registration| match self.label.as_str() {
            "host" => *host.host == *self.value,
            label => host.labels.get(label).is_some_and(|value| *value == self.value),
        };
        let hosts: Vec<Name> =
            all.values().filter(|host| meant(host)).map(|host| host.host.clone()).collect();
        if !hosts.is_empty() {
            return Ok(hosts);
        }
        let labels = all.values().flat_map(|host| &host.labels);
        let known: BTreeSet<String> = labels.map(|(label, value)| format!("{label}={value}")).collect();
        let known: Vec<String> = known.into_iter().take(10).collect();
        let hint = match known.is_empty() {
            true => "no host has labels; name one with host=NAME, as in `callboard hosts`".to_owned(),
            false => format!("hosts have {}, and names, as in host=NAME", known.join(", ")),
        };
        let what = format!("no host is {}={}", self.label, self.value);
        Err(Problem::new(Kind::Invalid, what).at("--lose").hint(hint))
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.label, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_supposed_has_a_name() {
        let check = |text: &str, is_sound: Option<bool>| {
            let read = Assumption::parse(text).ok().map(|assumption| assumption.build.is_sound());
            assert_eq!(read, is_sound, "{text}");
        };
        check("web:2=never-healthy", Some(false));
        check("web:2=sound", Some(true));
        check("a:b:2=dies", Some(false));
        check("web:2=odd", None);
        check("web=dies", None);
        check("web:two=dies", None);
        assert!(Loss::parse("rack=r3").is_ok());
        assert!(Loss::parse("rack").is_err());
        assert!(Loss::parse("rack=").is_err());
    }
}
